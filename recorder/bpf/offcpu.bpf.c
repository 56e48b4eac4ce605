// SPDX-License-Identifier: (MIT OR Apache-2.0) AND GPL-2.0
/*
 * Time off the CPU, thread by thread.
 *
 *   switch-out   stamp, state, registers, user stack → the thread's slot
 *   waking       who, when                           → the slot
 *   switch-in    long enough? kernel stack of the sleeper, slot → ring buffer
 *
 * The kernel stack waits until the interval is known to be wanted: a thread that
 * comes back still has the one it left with, and unwinding is the largest cost.
 * The user stack cannot wait: the kernel reads that of the current thread only.
 *
 * The slot is the record: what is written is its beginning, as far as it is used.
 *
 * Built by build.sh. Self-contained: structures of the kernel are declared with the
 * members that are read, and the loader moves their offsets to those of the kernel
 * that runs (CO-RE). Both register layouts are here, so one object serves both
 * architectures. NO_TASK_STORAGE makes the object for kernels before 5.15, which have
 * neither task storage for these programs (5.11) nor saved registers by helper (5.15).
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static __attribute__((always_inline)) inline
#define CORE __attribute__((preserve_access_index))
/* BPF_FIELD_EXISTS. */
#define EXISTS(field) __builtin_preserve_field_info(field, 2)
#define UINT(name, value) int(*name)[value]
#define TYPE(name, type) typeof(type) *name
#define min(a, b) ((a) < (b) ? (a) : (b))

/* enum bpf_map_type, flags and helpers: include/uapi/linux/bpf.h. */
enum { MAP_HASH = 1, MAP_ARRAY_PER_CPU = 6, MAP_RINGBUF = 27, MAP_TASK_STORAGE = 29 };
enum { F_NO_PREALLOC = 1, STORAGE_CREATE = 1, USER_STACK = 1 << 8, NO_WAKEUP = 1 };

struct task_struct;

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u64 (*ktime_ns)(void) = (void *)5;
static u32 (*cpu_number)(void) = (void *)8;
static u64 (*pid_tgid)(void) = (void *)14;
static long (*current_comm)(void *buf, u32 size) = (void *)16;
static long (*get_stack)(void *ctx, void *buf, u32 size, u64 flags) = (void *)67;
static long (*probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static u64 (*ancestor_cgroup_id)(int level) = (void *)123;
static long (*ring_output)(void *ring, const void *data, u64 size, u64 flags) = (void *)130;
static void *(*this_cpu_ptr)(const void *variable) = (void *)154;
static long (*get_task_stack)(struct task_struct *task, void *buf, u32 size, u64 flags) = (void *)141;
static long (*map_delete)(void *map, const void *key) = (void *)3;
#ifdef NO_TASK_STORAGE
static struct task_struct *(*current_task)(void) = (void *)35;
#else
static void *(*storage_get)(void *map, struct task_struct *task, void *value, u64 flags) = (void *)156;
static struct task_struct *(*current_task_btf)(void) = (void *)158;
static void *(*task_regs)(struct task_struct *task) = (void *)175;
#endif

/* ---- the kernel's structures ---- */

struct thread_info___arm64 {
	struct {
		u32 count;
	} preempt;
} CORE;
typedef struct {
	int counter;
} CORE atomic_t;
struct signal_struct {
	atomic_t live; /* threads of the process that did not begin to end */
} CORE;
struct sched_entity {
	u64 sum_exec_runtime;
} CORE;
struct task_struct {
	struct sched_entity se;
	int pid;
	int tgid;
	u32 flags;
	char comm[16];
	void *stack;
	u64 start_time; /* CLOCK_MONOTONIC */
	struct signal_struct *signal;
} CORE;
/* unsigned int from 5.14 on, long before. */
struct task_struct___new_state {
	u32 __state;
} CORE;
struct task_struct___old_state {
	s64 state;
} CORE;
struct task_struct___arm64 {
	struct thread_info___arm64 thread_info;
} CORE;

/* x86 of 6.2 to 6.14. */
struct pcpu_hot {
	int preempt_count;
} CORE;

struct pt_regs___x86 {
	u64 di, si, dx, orig_ax, cs;
} CORE;
struct user_pt_regs___arm64 {
	u64 regs[31];
} CORE;
struct pt_regs___arm64 {
	u64 regs[31];
	u64 pstate;
	u64 orig_x0;
	s32 syscallno;
} CORE;

struct bpf_iter__task {
	void *meta;
	struct task_struct *task;
} CORE;

enum { PF_KTHREAD = 0x00200000 };
/* include/linux/sched.h: EXIT_DEAD, EXIT_ZOMBIE, TASK_DEAD. */
enum { STATE_ENDED = 0x10 | 0x20 | 0x80 };

/* ---- what is written ---- */

/* Of each stack; with the bit masks below, all verifiers see that records have room. */
enum { FRAMES = 127, MOST_FRAMES = 255 };
enum { KIND_INTERVAL = 1, KIND_WAKER = 2 };
enum {
	PREEMPTED = 1 << 0,
	OPEN = 1 << 1,
	HARDIRQ = 1 << 2,
	SOFTIRQ = 1 << 3,
	COMPAT = 1 << 4,
	NO_USER_STACK = 1 << 5,
	NO_KERNEL_STACK = 1 << 6,
	LATE = 1 << 7, /* seen when it left again: see leave */
};

/* recorder/src/offcpu/raw.rs reads this. */
struct head {
	u32 kind;
	u32 flags;
	u64 start; /* CLOCK_MONOTONIC */
	u64 end;
	u64 wake; /* 0: not seen */
	u32 tid, tgid;
	u32 waker_tid, waker_tgid;
	u32 state;
	s32 syscall; /* -1: in none */
	u64 args[3];
	u32 out_cpu, in_cpu;
	u16 user_frames, kernel_frames;
	u32 is_off; /* whether the thread is off the CPU */
	u64 ran_ns; /* how long the thread had run in its life when it left */
	char comm[16];
	char waker_comm[16];
};
struct slot {
	struct head head;
	u64 frames[MOST_FRAMES]; /* the user's, the kernel's right behind */
};

struct waker_head {
	u32 kind;
	u32 tid, tgid; /* of the waker */
	u32 cpu;
	u64 wake;
	u64 end; /* when the thread that was woken came onto a CPU */
	u32 woken_tid;
	u16 user_frames, kernel_frames;
	char comm[16];
};
struct waker_slot {
	struct waker_head head;
	u64 frames[MOST_FRAMES];
};

/* ---- options, set before loading ---- */

const volatile u64 min_block_ns = 0;
const volatile u64 filter_cgroup = 0; /* 0: any */
const volatile u32 filter_cgroup_level = 0;
const volatile u32 self_tgid = 0;
const volatile u8 filter_tgids = 0;
const volatile u8 filter_tids = 0;
const volatile u8 filter_comms = 0;
const volatile u8 with_user = 1;
const volatile u8 with_kernel = 1;
const volatile u8 with_wakers = 0;
/* When the recording began. */
const volatile u64 began_ns = 0;
/* Whether sched_switch has the state of who leaves as its fourth argument (5.18). */
const volatile u8 has_state_argument = 0;
/* Where x86 keeps the preemption count of a CPU: 0 not known, 1 in __preempt_count,
   2 in pcpu_hot. */
const volatile u8 preempt_variable = 0;
/* Where the saved registers are, above the bottom of a kernel stack; for NO_TASK_STORAGE. */
const volatile u32 regs_offset = 0;

/* ---- maps ---- */

enum counter {
	C_INTERVALS,	  /* intervals that ended */
	C_SHORT,	  /* of these shorter than the threshold */
	C_SHORT_NS,
	C_SHORT_PREEMPTED_NS, /* of these preempted */
	C_RING_FULL,	  /* intervals that found no room in the ring */
	C_RING_FULL_NS,
	C_NO_USER_STACK,  /* intervals without one */
	C_NO_KERNEL_STACK,
	C_NO_SLOT,	  /* switches that found no memory for the thread */
	C_UNSEEN,	  /* intervals that began before the recording */
	C_OPEN,		  /* that had not ended with it */
	C_NEVER,	  /* threads that were off the CPU all the time */
	C_WAKER_RING_FULL,
	C_NO_WAKER_SLOT,
	C_NO_FILTER_ROOM, /* children that are not followed */
	C_NO_OUT,	  /* threads that came back and were not seen to leave */
	C_NO_IN,	  /* that left and were not seen to come back before */
	C_LATE,		  /* of these, intervals whose end was found all the same */
	COUNTERS,
};
struct counters {
	u64 count[COUNTERS];
};
struct {
	UINT(type, MAP_ARRAY_PER_CPU);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct counters);
} counters SEC(".maps");

struct {
	UINT(type, MAP_RINGBUF);
	UINT(max_entries, 8 << 20);
} ring SEC(".maps");

struct {
	UINT(type, MAP_HASH);
	UINT(max_entries, 16384);
	TYPE(key, u32);
	TYPE(value, u8);
} tgids SEC(".maps");
struct {
	UINT(type, MAP_HASH);
	UINT(max_entries, 4096);
	TYPE(key, u32);
	TYPE(value, u8);
} tids SEC(".maps");
struct comm {
	char text[16];
};
struct {
	UINT(type, MAP_HASH);
	UINT(max_entries, 256);
	TYPE(key, struct comm);
	TYPE(value, u8);
} comms SEC(".maps");

#ifdef NO_TASK_STORAGE
struct {
	UINT(type, MAP_HASH);
	UINT(max_entries, 8192);
	TYPE(key, u32);
	TYPE(value, struct slot);
} slots SEC(".maps");
/* What new slots are copied from: too large for the stack. */
struct {
	UINT(type, MAP_ARRAY_PER_CPU);
	UINT(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct slot);
} empty SEC(".maps");
#else
struct {
	UINT(type, MAP_TASK_STORAGE);
	UINT(map_flags, F_NO_PREALLOC);
	TYPE(key, int);
	TYPE(value, struct slot);
} slots SEC(".maps");
struct {
	UINT(type, MAP_TASK_STORAGE);
	UINT(map_flags, F_NO_PREALLOC);
	TYPE(key, int);
	TYPE(value, struct waker_slot);
} waker_slots SEC(".maps");
#endif

INLINE void count(enum counter which, u64 n)
{
	u32 zero = 0;
	struct counters *all = map_lookup(&counters, &zero);

	if (all)
		all->count[which] += n;
}

/* ---- slots ---- */

#ifdef NO_TASK_STORAGE
INLINE struct slot *slot_of(struct task_struct *task)
{
	u32 tid = task->pid;

	return map_lookup(&slots, &tid);
}
INLINE struct slot *slot_for(struct task_struct *task)
{
	u32 tid = task->pid, zero = 0;
	struct slot *slot = map_lookup(&slots, &tid);

	if (slot)
		return slot;
	slot = map_lookup(&empty, &zero);
	if (!slot || map_update(&slots, &tid, slot, 0))
		return 0;
	return map_lookup(&slots, &tid);
}
INLINE void drop_slot(struct task_struct *task)
{
	u32 tid = task->pid;

	map_delete(&slots, &tid);
}
#else
INLINE struct slot *slot_of(struct task_struct *task)
{
	return storage_get(&slots, task, 0, 0);
}
INLINE struct slot *slot_for(struct task_struct *task)
{
	return storage_get(&slots, task, 0, STORAGE_CREATE);
}
INLINE void drop_slot(struct task_struct *task)
{
	struct slot *slot = slot_of(task);

	if (slot)
		slot->head.is_off = 0;
}
#endif

/* ---- who is recorded ---- */

INLINE int is_wanted(struct task_struct *task)
{
	u32 tgid = task->tgid, tid = task->pid;

	if (!tid || tgid == self_tgid)
		return 0;
	if (filter_tgids && !map_lookup(&tgids, &tgid))
		return 0;
	if (filter_tids && !map_lookup(&tids, &tid))
		return 0;
	if (task->flags & PF_KTHREAD)
		return 0;
	if (filter_comms) {
		struct comm comm;

		__builtin_memcpy(&comm, task->comm, sizeof(comm));
		if (!map_lookup(&comms, &comm))
			return 0;
	}
	return 1;
}

/* Of the current thread alone. */
INLINE int is_in_cgroup(void)
{
	if (!filter_cgroup)
		return 1;
	return ancestor_cgroup_id(filter_cgroup_level) == filter_cgroup;
}

/* ---- what a thread was doing ---- */

INLINE u32 state_of(struct task_struct *task)
{
	struct task_struct___new_state *new_state = (void *)task;
	struct task_struct___old_state *old_state = (void *)task;

	if (EXISTS(new_state->__state))
		return new_state->__state;
	return old_state->state;
}

INLINE void *regs_of(struct task_struct *task)
{
#ifdef NO_TASK_STORAGE
	return task->stack + regs_offset;
#else
	return task_regs(task);
#endif
}

#define READ(to, from) probe_read_kernel(&(to), sizeof(to), &(from))
/* Of registers that a helper gives, the verifier knows the type: a load does. */
#ifdef NO_TASK_STORAGE
#define READ_SAVED(to, from) READ(to, from)
#else
#define READ_SAVED(to, from) ((to) = (from))
#endif

INLINE void note_syscall(struct head *head, struct task_struct *task)
{
	struct pt_regs___x86 *x86 = regs_of(task);
	struct pt_regs___arm64 *arm64 = (void *)x86;
	u64 word = 0;

	head->syscall = -1;
	if (EXISTS(x86->orig_ax)) {
		READ_SAVED(word, x86->orig_ax);
		head->syscall = word;
		READ_SAVED(head->args[0], x86->di);
		READ_SAVED(head->args[1], x86->si);
		READ_SAVED(head->args[2], x86->dx);
		READ_SAVED(word, x86->cs);
		/* __USER32_CS. */
		if ((word & 0xffff) == 0x23)
			head->flags |= COMPAT;
	} else if (EXISTS(arm64->syscallno)) {
		READ_SAVED(head->syscall, arm64->syscallno);
		READ_SAVED(head->args[0], arm64->orig_x0);
		READ_SAVED(head->args[1], arm64->regs[1]);
		READ_SAVED(head->args[2], arm64->regs[2]);
		READ_SAVED(word, arm64->pstate);
		/* PSR_MODE32_BIT. */
		if (word & 0x10)
			head->flags |= COMPAT;
	}
}

/* ---- stacks ---- */

/*
 * By hand, so that the register that is used is the one that is bounded: older
 * verifiers lose bounds that compilers test on a copy.
 */
#define MASKED(n, mask)                                     \
	({                                                      \
		u64 masked_ = (n);                                  \
		asm volatile("%0 &= " #mask : "+r"(masked_));       \
		masked_;                                            \
	})

#ifndef NO_TASK_STORAGE
/* In front of the interval that it ended. */
INLINE void emit_waker(struct task_struct *task, u64 wake, u64 now)
{
	struct waker_slot *slot = storage_get(&waker_slots, task, 0, 0);
	u64 frames;

	if (!slot || slot->head.wake != wake)
		return;
	slot->head.end = now;
	frames = slot->head.user_frames + slot->head.kernel_frames;
	if (ring_output(&ring, slot, sizeof(slot->head) + MASKED(frames, 255) * 8, NO_WAKEUP))
		count(C_WAKER_RING_FULL, 1);
}
#endif

INLINE void emit(struct slot *slot, struct task_struct *task, u64 now)
{
	struct head *head = &slot->head;
	u64 users = head->user_frames, kernels = 0;
	s64 bytes;

	head->end = now;
	head->in_cpu = cpu_number();
	if (with_kernel && !(head->flags & LATE)) {
		bytes = get_task_stack(task, &slot->frames[MASKED(users, 127)], FRAMES * 8, 0);
		if (bytes > 0)
			kernels = (u64)bytes / 8;
		else {
			head->flags |= NO_KERNEL_STACK;
			count(C_NO_KERNEL_STACK, 1);
		}
	}
	head->kernel_frames = kernels;
	head->kind = KIND_INTERVAL;
	__builtin_memcpy(head->comm, task->comm, sizeof(head->comm));
	if (head->flags & NO_USER_STACK)
		count(C_NO_USER_STACK, 1);
#ifndef NO_TASK_STORAGE
	if (with_wakers && head->wake)
		emit_waker(task, head->wake, now);
#endif
	if (ring_output(&ring, slot, sizeof(*head) + MASKED(users + kernels, 255) * 8, NO_WAKEUP)) {
		count(C_RING_FULL, 1);
		count(C_RING_FULL_NS, now - head->start);
	}
}

/* ---- switches ---- */

INLINE void finish(struct slot *slot, struct task_struct *task, u64 now)
{
	u64 ns = now - slot->head.start;
	u32 zero = 0;
	struct counters *all = map_lookup(&counters, &zero);

	slot->head.is_off = 0;
	if (!all)
		return;
	all->count[C_INTERVALS]++;
	if (ns < min_block_ns) {
		all->count[C_SHORT]++;
		all->count[C_SHORT_NS] += ns;
		if (slot->head.flags & PREEMPTED)
			all->count[C_SHORT_PREEMPTED_NS] += ns;
		return;
	}
	emit(slot, task, now);
}

/*
 * Some kernels do not tell every switch from the idle thread. How long the thread was
 * on the CPU since says when that was, to a few microseconds.
 */
INLINE void finish_late(struct slot *slot, struct task_struct *task)
{
	u64 ran = task->se.sum_exec_runtime - slot->head.ran_ns;
	u64 now = ktime_ns();

	count(C_NO_IN, 1);
	if (ran > now - slot->head.start) {
		slot->head.is_off = 0;
		return;
	}
	count(C_LATE, 1);
	slot->head.flags |= LATE;
	finish(slot, task, now - ran);
}

/*
 * A process that ended makes room for others: its number may be theirs, too. Its last
 * thread may leave before one that is still ending, of which nothing is recorded then.
 */
INLINE void forget(struct task_struct *task)
{
	u32 tgid = task->tgid;

	if (filter_tgids && task->signal->live.counter == 0)
		map_delete(&tgids, &tgid);
}

INLINE void leave(u64 *ctx, struct task_struct *task, u32 state, int is_preempted)
{
	struct slot *slot;
	struct head *head;
	s64 bytes;

	if (state & STATE_ENDED) {
		slot = slot_of(task);
		if (slot && slot->head.is_off)
			finish_late(slot, task);
		drop_slot(task);
		forget(task);
		return;
	}
	if (!is_in_cgroup())
		return;
	slot = slot_for(task);
	if (!slot) {
		count(C_NO_SLOT, 1);
		return;
	}
	head = &slot->head;
	if (head->is_off)
		finish_late(slot, task);
	head->flags = is_preempted || !state ? PREEMPTED : 0;
	head->state = state;
	head->wake = 0;
	head->waker_tid = 0;
	head->waker_tgid = 0;
	head->tid = task->pid;
	head->tgid = task->tgid;
	head->out_cpu = cpu_number();
	head->user_frames = 0;
	note_syscall(head, task);
	if (with_user) {
		bytes = get_stack(ctx, slot->frames, FRAMES * 8, USER_STACK);
		if (bytes > 0)
			head->user_frames = (u32)bytes / 8;
		else
			head->flags |= NO_USER_STACK;
	}
	head->ran_ns = task->se.sum_exec_runtime;
	head->start = ktime_ns();
	head->is_off = 1;
}

INLINE void enter(struct task_struct *task)
{
	struct slot *slot = slot_of(task);

	if (!slot) {
		if (!filter_cgroup && task->start_time < began_ns)
			count(C_UNSEEN, 1);
		return;
	}
	if (!slot->head.is_off) {
		count(C_NO_OUT, 1);
		return;
	}
	finish(slot, task, ktime_ns());
}

/* (bool preempt, prev, next[, unsigned int prev_state]) */
SEC("tp_btf/sched_switch")
int offcpu_switch(u64 *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	u32 state;

	if (is_wanted(prev)) {
		/* Loaded by hand: else the compiler computes an address in the context,
		   which the verifier refuses. */
		if (has_state_argument)
			asm volatile("%0 = *(u64 *)(%1 + 24)" : "=r"(state) : "r"(ctx));
		else
			state = state_of(prev);
		leave(ctx, prev, state, (u8)ctx[0]);
	}
#ifdef NO_TASK_STORAGE
	/* Its process may have left the filter before it (see forget): nothing else would
	   make room of its slot, which it has if it left once more behind offcpu_exit. */
	else if (filter_tgids && state_of(prev) & STATE_ENDED)
		drop_slot(prev);
#endif
	if (is_wanted(next))
		enter(next);
	return 0;
}

/* ---- wakings ---- */

INLINE u32 preempt_count(void)
{
#ifdef NO_TASK_STORAGE
	struct task_struct *task = current_task();
#else
	struct task_struct *task = current_task_btf();
#endif
	struct task_struct___arm64 *arm64 = (void *)task;
	u32 n = 0;

	if (EXISTS(arm64->thread_info.preempt.count)) {
		READ(n, arm64->thread_info.preempt.count);
	} else if (preempt_variable) {
		const void *variable;

		/* The loader puts the variable's number here (recorder/src/offcpu/patch.rs). */
		asm volatile("%0 = 0x7065726370755f76 ll" : "=r"(variable));
		variable = this_cpu_ptr(variable);
		if (preempt_variable == 1)
			n = *(const int *)variable;
		else
			n = ((const struct pcpu_hot *)variable)->preempt_count;
	}
	return n;
}

/* Bits of the preemption count: include/linux/preempt.h. */
INLINE u32 interrupt_flags(void)
{
	u32 n = preempt_count(), flags = 0;

	if (n & 0xff0000)
		flags |= HARDIRQ;
	if (n & 0x100)
		flags |= SOFTIRQ;
	return flags;
}

#ifndef NO_TASK_STORAGE
INLINE void note_waker(u64 *ctx, u32 woken, u64 now)
{
	struct waker_slot *slot = storage_get(&waker_slots, (void *)ctx[0], 0, STORAGE_CREATE);
	u64 ids = pid_tgid();
	u64 kernels = 0, users = 0;
	s64 bytes;

	if (!slot) {
		count(C_NO_WAKER_SLOT, 1);
		return;
	}
	slot->head.kind = KIND_WAKER;
	slot->head.tid = ids;
	slot->head.tgid = ids >> 32;
	slot->head.cpu = cpu_number();
	slot->head.wake = now;
	slot->head.woken_tid = woken;
	current_comm(slot->head.comm, sizeof(slot->head.comm));
	if (with_user && (u32)ids) {
		bytes = get_stack(ctx, slot->frames, FRAMES * 8, USER_STACK);
		if (bytes > 0)
			users = (u32)bytes / 8;
	}
	if (with_kernel) {
		/* Without this program and what calls it. */
		bytes = get_stack(ctx, &slot->frames[MASKED(users, 127)], FRAMES * 8, 2);
		if (bytes > 0)
			kernels = (u32)bytes / 8;
	}
	slot->head.user_frames = users;
	slot->head.kernel_frames = kernels;
}
#endif

/* (p) */
SEC("tp_btf/sched_waking")
int offcpu_waking(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct slot *slot;
	struct head *head;
	u64 ids;

	if (!is_wanted(task))
		return 0;
	slot = slot_of(task);
	if (!slot)
		return 0;
	head = &slot->head;
	if (!head->is_off || head->wake || head->flags & PREEMPTED)
		return 0;
	ids = pid_tgid();
	head->flags |= interrupt_flags();
	head->waker_tid = ids;
	head->waker_tgid = ids >> 32;
#ifdef NO_TASK_STORAGE
	current_comm(head->waker_comm, sizeof(head->waker_comm));
#else
	__builtin_memcpy(head->waker_comm, current_task_btf()->comm, sizeof(head->waker_comm));
#endif
	head->wake = ktime_ns();
#ifndef NO_TASK_STORAGE
	if (with_wakers)
		note_waker(ctx, task->pid, head->wake);
#endif
	return 0;
}

/* ---- children of who is recorded ---- */

/* (parent, child) */
SEC("tp_btf/sched_process_fork")
int offcpu_fork(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	u32 from = parent->tgid, to = child->tgid;
	u8 one = 1;

	if (!filter_tgids || from == to || !map_lookup(&tgids, &from))
		return 0;
	if (map_update(&tgids, &to, &one, 0))
		count(C_NO_FILTER_ROOM, 1);
	return 0;
}

#ifdef NO_TASK_STORAGE
/* (p): the slot goes with the thread; its last switch finds none. */
SEC("tp_btf/sched_process_exit")
int offcpu_exit(u64 *ctx)
{
	drop_slot((void *)ctx[0]);
	return 0;
}
#endif

/* ---- the end ---- */

/* Read once the other programs are detached: what has not ended is written as it is. */
SEC("iter/task")
int offcpu_open(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct slot *slot;

	if (!task || !is_wanted(task))
		return 0;
	slot = slot_of(task);
	if (!slot) {
		if (!filter_cgroup && state_of(task) && !(state_of(task) & STATE_ENDED) &&
		    task->start_time < began_ns)
			count(C_NEVER, 1);
		return 0;
	}
	if (!slot->head.is_off)
		return 0;
	slot->head.is_off = 0;
	/* It came back, unseen. */
	if (task->se.sum_exec_runtime != slot->head.ran_ns) {
		count(C_NO_IN, 1);
		return 0;
	}
	slot->head.flags |= OPEN;
	count(C_OPEN, 1);
	emit(slot, task, ktime_ns());
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
