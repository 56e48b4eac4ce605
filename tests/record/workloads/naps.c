/*
 * Threads that sleep when they are told to, and time themselves.
 *
 *   naps [map|dump FOLDER]
 *
 * Prints "thread TID NAME" for three threads and "ready"; at a line of input each sleeps
 * 40 times, through a function that was made just now if it was asked for, and prints
 * "off NAME NS": the time that it was there and did not run, by its own clocks. It ends
 * with its input.
 *
 * The function is told as compilers do it: in FOLDER/perf-PID.map, or in FOLDER/jit-PID.dump
 * (tools/perf/Documentation/jitdump-specification.txt).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NAME "made_by_naps"

static pthread_barrier_t ready, go;
static void (*call)(void (*)(void));

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

__attribute__((noinline)) void take_a_nap(void)
{
	/* By hand: functions of the C library have no frame pointer. */
	struct timespec t = { 0, 3000000 };
#if defined(__x86_64__)
	long number = SYS_nanosleep;

	__asm__ volatile("syscall" : "+a"(number) : "D"(&t), "S"(0) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long number __asm__("x8") = SYS_nanosleep;
	register long first __asm__("x0") = (long)&t;
	register long second __asm__("x1") = 0;

	__asm__ volatile("svc 0" : "+r"(first) : "r"(number), "r"(second) : "memory");
#endif
}

__attribute__((noinline)) void directly(void (*nap)(void))
{
	nap();
	__asm__ volatile("" ::: "memory");
}

static void *sleeper(void *name)
{
	uint64_t there, ran;

	pthread_setname_np(pthread_self(), name);
	flockfile(stdout);
	printf("thread %ld %s\n", (long)syscall(SYS_gettid), (char *)name);
	funlockfile(stdout);
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&go);
	there = now(CLOCK_MONOTONIC);
	ran = now(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < 40; i++)
		call(take_a_nap);
	ran = now(CLOCK_THREAD_CPUTIME_ID) - ran;
	there = now(CLOCK_MONOTONIC) - there;
	flockfile(stdout);
	printf("off %s %llu\n", (char *)name, (unsigned long long)(there - ran));
	fflush(stdout);
	funlockfile(stdout);
	for (;;)
		pause();
}

/* Calls its argument, and keeps frame pointers. */
#if defined(__x86_64__)
static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3 };
#elif defined(__aarch64__)
static const uint32_t code[] = { 0xa9bf7bfd, 0x910003fd, 0xd63f0000, 0xa8c17bfd, 0xd65f03c0 };
#endif

struct dump_header {
	uint32_t magic, version, size, machine, zero, pid;
	uint64_t time, flags;
};
struct dump_load {
	uint32_t id, size;
	uint64_t time;
	uint32_t pid, tid;
	uint64_t vma, address, length, index;
};

static void make(const char *how, const char *folder)
{
	char path[4096];
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int is_dump = !strcmp(how, "dump");
	FILE *file;

	memcpy(page, code, sizeof(code));
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
	__builtin___clear_cache(page, (char *)page + sizeof(code));
	call = page;
	snprintf(path, sizeof(path), is_dump ? "%s/jit-%d.dump" : "%s/perf-%d.map", folder, getpid());
	file = fopen(path, "w+");
	if (!file) {
		perror(path);
		exit(1);
	}
	if (!is_dump) {
		fprintf(file, "%lx %zx " NAME "\n", (long)page, sizeof(code));
	} else {
		struct dump_header header = { 0x4a695444, 1, sizeof(header),
#if defined(__aarch64__)
					      183,
#else
					      62,
#endif
					      0, getpid(), now(CLOCK_MONOTONIC), 0 };
		struct dump_load load = { 0, sizeof(load) + sizeof(NAME) + sizeof(code),
					  now(CLOCK_MONOTONIC), getpid(), getpid(),
					  (uint64_t)page, (uint64_t)page, sizeof(code), 1 };

		fwrite(&header, sizeof(header), 1, file);
		fwrite(&load, sizeof(load), 1, file);
		fwrite(NAME, sizeof(NAME), 1, file);
		fwrite(code, sizeof(code), 1, file);
		fflush(file);
		/* Just so that it is recorded. */
		mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(file), 0);
	}
	fclose(file);
}

int main(int argc, char **argv)
{
	static char *names[] = { "nap-a", "nap-b", "nap-c" };
	pthread_t thread;
	int c;

	call = directly;
	if (argc > 2)
		make(argv[1], argv[2]);
	pthread_barrier_init(&ready, NULL, 4);
	pthread_barrier_init(&go, NULL, 4);
	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, sleeper, names[i]);
	pthread_barrier_wait(&ready);
	printf("ready\n");
	fflush(stdout);
	c = getchar();
	pthread_barrier_wait(&go);
	while (c != EOF)
		c = getchar();
	return 0;
}
