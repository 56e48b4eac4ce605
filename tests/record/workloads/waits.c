/*
 * Threads that wait, each for one thing, and time it themselves. Prints, at the end,
 *
 *   # pid PID
 *   thread TID NAME KIND WORD COUNT TOTAL_NS MAX_NS WAKER_TID LONG LATE_NS
 *
 * WORD is the address of the lock word that the thread waits on, 0 for none, TOTAL_NS
 * the time inside the call, WAKER_TID who ends its waits, 0 for nobody in particular,
 * LONG how many of the COUNT calls took a millisecond or more, LATE_NS from the start of
 * the program to that of the thread: it may have waited for a CPU so long. Owners of
 * mutexes time their own calls too: on a busy machine the waiter can lose the CPU while it
 * holds the mutex.
 *
 *   waits MILLISECONDS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KEEP __attribute__((noinline))

struct row {
	const char *name, *kind;
	const void *word;
	long tid;
	uint64_t count, ns, max, waited, late;
	const struct row *waker;
};

static struct row rows[16];
static atomic_int used, ready;
static atomic_int stop;
/* Those who wait for the kicker. */
static atomic_int served = 2;
static uint64_t began;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}
static void note(struct row *row, uint64_t from)
{
	uint64_t ns = now() - from;

	row->count++;
	row->ns += ns;
	row->waited += ns >= 1000000;
	if (ns > row->max)
		row->max = ns;
}
static struct row *begin(const char *name, const char *kind, const void *word)
{
	struct row *row = &rows[used++];

	pthread_setname_np(pthread_self(), name);
	*row = (struct row){ .name = name, .kind = kind, .word = word, .tid = syscall(SYS_gettid), .late = now() - began };
	ready++;
	return row;
}

static pthread_mutex_t stock_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t ledger_mutex = PTHREAD_MUTEX_INITIALIZER;
static uint32_t signal_word;
static int pipe_ends[2];
static struct row *stock_holder, *ledger_holder, *kicker;

KEEP void hold_stock(struct row *row)
{
	uint64_t from = now();

	pthread_mutex_lock(&stock_mutex);
	note(row, from);
	pause_ms(12);
	pthread_mutex_unlock(&stock_mutex);
	pause_ms(3);
}
KEEP void wait_for_stock(struct row *row)
{
	uint64_t from = now();

	pthread_mutex_lock(&stock_mutex);
	note(row, from);
	pthread_mutex_unlock(&stock_mutex);
	pause_ms(1);
}
KEEP void hold_ledger(struct row *row)
{
	uint64_t from = now();

	pthread_mutex_lock(&ledger_mutex);
	note(row, from);
	pause_ms(7);
	pthread_mutex_unlock(&ledger_mutex);
	pause_ms(2);
}
KEEP void wait_for_ledger(struct row *row)
{
	uint64_t from = now();

	pthread_mutex_lock(&ledger_mutex);
	note(row, from);
	pthread_mutex_unlock(&ledger_mutex);
	pause_ms(1);
}
KEEP void wait_for_signal(struct row *row)
{
	uint32_t seen = __atomic_load_n(&signal_word, __ATOMIC_SEQ_CST);
	uint64_t from = now();

	syscall(SYS_futex, &signal_word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
	note(row, from);
}
KEEP void kick(void)
{
	pause_ms(10);
	__atomic_add_fetch(&signal_word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &signal_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	if (write(pipe_ends[1], "x", 1) < 0)
		perror("write");
}
KEEP void read_pipe(struct row *row)
{
	char byte;
	uint64_t from = now();

	if (read(pipe_ends[0], &byte, 1) < 0)
		perror("read");
	note(row, from);
}
KEEP void sleep_plainly(struct row *row)
{
	uint64_t from = now();

	pause_ms(10);
	note(row, from);
}
KEEP void burn(struct row *row)
{
	uint64_t from = now();

	while (now() - from < 20000000)
		;
	note(row, from);
}

static void *stock_owner(void *unused)
{
	stock_holder = begin("w-stock-own", "holder", NULL);
	while (!stop)
		hold_stock(stock_holder);
	return unused;
}
static void *ledger_owner(void *unused)
{
	ledger_holder = begin("w-ledger-own", "holder", NULL);
	while (!stop)
		hold_ledger(ledger_holder);
	return unused;
}
static void *stock_waiter(void *unused)
{
	struct row *row = begin("w-stock", "mutex", &stock_mutex);

	while (!stop)
		wait_for_stock(row);
	row->waker = stock_holder;
	return unused;
}
static void *ledger_waiter(void *unused)
{
	struct row *row = begin("w-ledger", "mutex", &ledger_mutex);

	while (!stop)
		wait_for_ledger(row);
	row->waker = ledger_holder;
	return unused;
}
static void *signal_waiter(void *unused)
{
	struct row *row = begin("w-futex", "futex", &signal_word);

	while (!stop)
		wait_for_signal(row);
	row->waker = kicker;
	served--;
	return unused;
}
static void *pipe_reader(void *unused)
{
	struct row *row = begin("w-read", "read", NULL);

	while (!stop)
		read_pipe(row);
	row->waker = kicker;
	served--;
	return unused;
}
static void *sleeper(void *unused)
{
	struct row *row = begin("w-sleep", "sleep", NULL);

	while (!stop)
		sleep_plainly(row);
	return unused;
}
static void *kicks(void *unused)
{
	kicker = begin("w-kick", "kicker", NULL);
	/* On until nobody waits: who looked at `stop` before it was set may begin to wait late. */
	while (!stop || served)
		kick();
	return unused;
}
static void *hog(void *name)
{
	struct row *row;
	cpu_set_t cpus;
	int first = 0;

	/* All hogs on the first CPU that this program may have. */
	sched_getaffinity(0, sizeof(cpus), &cpus);
	while (first < CPU_SETSIZE - 1 && !CPU_ISSET(first, &cpus))
		first++;
	CPU_ZERO(&cpus);
	CPU_SET(first, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	row = begin(name, "hog", NULL);
	while (!stop)
		burn(row);
	return NULL;
}

int main(int argc, char **argv)
{
	void *(*bodies[])(void *) = { stock_owner, stock_waiter,  ledger_owner, ledger_waiter, signal_waiter,
				      pipe_reader, sleeper,	  kicks,	hog,	       hog };
	enum { THREADS = sizeof(bodies) / sizeof(bodies[0]) };
	static const char *const hogs[] = { "w-hog1", "w-hog2" };
	pthread_t threads[THREADS];
	long ms = argc > 1 ? atol(argv[1]) : 1000;

	began = now();
	if (pipe(pipe_ends))
		return 1;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, bodies[i], i < 8 ? NULL : (void *)hogs[i - 8]))
			return 1;
	pause_ms(ms);
	stop = 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("# pid %d\n", getpid());
	for (int i = 0; i < used; i++) {
		const struct row *row = &rows[i];

		printf("thread %ld %s %s %#lx %llu %llu %llu %ld %llu %llu\n", row->tid, row->name, row->kind,
		       (long)row->word, (unsigned long long)row->count, (unsigned long long)row->ns,
		       (unsigned long long)row->max, row->waker ? row->waker->tid : 0,
		       (unsigned long long)row->waited, (unsigned long long)row->late);
	}
	return 0;
}
