//! What functions and system calls say of a wait: that it is for a lock, or that
//! a thread has nothing to do. Tables; a name that is not in them says nothing.

/// Functions that wait for a lock or for another thread's work, by what their
/// plain name begins with. Who waits in one is never without work. Those that
/// stand next to each other in a stack are one wait, named by the outermost.
const LOCKS: &[&str] = &[
    // glibc, musl, bionic
    "pthread_mutex_lock",
    "pthread_mutex_timedlock",
    "pthread_mutex_clocklock",
    "pthread_mutex_lock_full",
    "pthread_mutex_cond_lock",
    "pthread_rwlock_rdlock",
    "pthread_rwlock_wrlock",
    "pthread_rwlock_timed",
    "pthread_barrier_wait",
    "pthread_clockjoin",
    "pthread_join",
    "pthread_timedjoin",
    "pthread_once",
    "lll_lock",
    "lll_lock_wait",
    "lll_lock_wait_private",
    "lll_lock_elision",
    "lll_mutex_lock_optimized",
    "lll_cond_lock",
    "lll_timedlock_wait",
    "lll_clocklock_wait",
    "futex_lock_pi",
    "NonPI::MutexLockWithTimeout",
    "NormalMutexLock",
    // C++
    "std::mutex::lock",
    "std::recursive_mutex::lock",
    "std::shared_mutex::lock",
    "std::__1::mutex::lock",
    "std::__1::recursive_mutex::lock",
    "std::thread::join",
    "__gthread_mutex_lock",
    "absl::Mutex::Lock",
    "absl::Mutex::Block",
    "tbb::detail::r1::wait_on_address",
    "QMutex::lock",
    "g_mutex_lock",
    "gomp_mutex_lock",
    "gomp_team_barrier_wait",
    // Rust
    "std::sync::mutex::Mutex",
    "std::sync::poison::mutex::Mutex",
    "std::sync::rwlock::RwLock",
    "std::sync::poison::rwlock::RwLock",
    "std::sync::barrier::Barrier",
    "std::sync::once::",
    "std::thread::JoinHandle",
    "std::thread::JoinInner",
    "std::sys::sync::mutex::",
    "std::sys::sync::rwlock::",
    "std::sys::sync::once::",
    "std::sys::pal::unix::thread::Thread::join",
    "parking_lot::",
    "lock_api::",
    // Go
    "sync.(*Mutex).",
    "sync.(*RWMutex).",
    "sync.(*WaitGroup).Wait",
    "internal/sync.(*Mutex).",
    "runtime.semacquire",
    "runtime.lock2",
    // JVMs
    "ObjectMonitor::enter",
    "ObjectMonitor::EnterI",
    "ObjectSynchronizer::",
    "Monitor::lock",
    "Mutex::lock",
    "PlatformMonitor::",
    "art::Monitor::",
    "art::Mutex::",
    "art::ReaderWriterMutex::",
    "java.util.concurrent.locks.",
];

/// Functions that wait to be told of something: a lock, or work. Only who calls
/// them tells which of both.
const WAITS: &[&str] = &[
    "pthread_cond_wait",
    "pthread_cond_timedwait",
    "pthread_cond_clockwait",
    "sem_wait",
    "sem_timedwait",
    "sem_clockwait",
    "new_sem_wait",
    "futex_wait",
    "futex_wait_cancelable",
    "futex_reltimed_wait",
    "futex_abstimed_wait",
    "std::condition_variable::wait",
    "std::__1::condition_variable::",
    "std::__condvar::wait",
    "absl::CondVar::Wait",
    "QWaitCondition::wait",
    "g_cond_wait",
    "std::sync::condvar::Condvar",
    "std::sync::poison::condvar::Condvar",
    "std::sync::mpsc::",
    "std::sync::mpmc::",
    "std::thread::park",
    "std::thread::current::park",
    "std::sys::sync::condvar::",
    "std::sys::sync::thread_parking::",
    "std::sys::pal::unix::futex::futex_wait",
    "std::sys::futex::futex_wait",
    "parking_lot::condvar::",
    "parking_lot_core::",
    "crossbeam_channel::",
    "sync.(*Cond).Wait",
    "runtime.futexsleep",
    "runtime.notesleep",
    "ObjectMonitor::wait",
    "Monitor::wait",
    "PlatformMonitor::wait",
    "PlatformEvent::park",
    "Parker::park",
    "Unsafe_Park",
    "art::ConditionVariable::",
    "java.lang.Object.wait",
    "java.util.concurrent.locks.LockSupport.park",
    "java.util.concurrent.locks.AbstractQueuedSynchronizer$ConditionObject.",
    "jdk.internal.misc.Unsafe.park",
    "sun.misc.Unsafe.park",
];

/// Locks of the kernel.
const KERNEL_LOCKS: &[&str] = &[
    "mutex_lock",
    "mutex_lock_slowpath",
    "rwsem_down_read_slowpath",
    "rwsem_down_write_slowpath",
    "down_read",
    "down_write",
    "rt_mutex_slowlock",
    "percpu_rwsem_wait",
    "wait_on_bit",
];

/// What stands between a program and the lock call that it makes: guards, and the
/// insides of libraries.
const GLUE: &[&str] = &[
    "gthread_",
    "std::mutex::",
    "std::recursive_mutex::",
    "std::timed_mutex::",
    "std::shared_mutex::",
    "std::__shared_mutex_pthread::",
    "std::__glibcxx_rwlock_",
    "std::__condvar::",
    "std::condition_variable",
    "std::lock<",
    "std::lock_guard<",
    "std::unique_lock<",
    "std::scoped_lock<",
    "std::shared_lock<",
    "std::__1::mutex::",
    "std::__1::condition_variable",
    "std::__1::lock_guard<",
    "std::__1::unique_lock<",
    "std::__1::scoped_lock<",
    "std::sync::",
    "std::sys::",
    "parking_lot::",
    "parking_lot_core::",
    "lock_api::",
];

/// Functions in which a thread waits for work, and what the wait is called. Some
/// of them run the work, too: they count where they make the wait themselves.
const IDLE: &[(&str, &str)] = &[
    ("epoll_wait", "epoll"),
    ("epoll_pwait", "epoll"),
    ("ppoll", "poll"),
    ("poll", "poll"),
    ("select", "select"),
    ("pselect", "select"),
    ("accept", "accept"),
    ("accept4", "accept"),
    ("clock_nanosleep", "sleep"),
    ("nanosleep", "sleep"),
    ("usleep", "sleep"),
    ("sleep", "sleep"),
    ("std::thread::sleep", "sleep"),
    ("time.Sleep", "sleep"),
    ("pause", "sleep"),
    ("sigwaitinfo", "signal"),
    ("sigtimedwait", "signal"),
    ("sigwait", "signal"),
    ("rayon_core::sleep::", "pool"),
    (
        "rayon_core::registry::WorkerThread::wait_until_cold",
        "pool",
    ),
    (
        "tokio::runtime::scheduler::multi_thread::worker::Context::park",
        "pool",
    ),
    ("tokio::runtime::blocking::pool::Inner::run", "pool"),
    ("tokio::runtime::park::", "pool"),
    ("g_thread_pool_wait_for_new_task", "pool"),
    ("g_main_context_poll", "poll"),
    ("QThreadPoolThread::run", "pool"),
    ("tbb::detail::r1::market::", "pool"),
    ("tbb::detail::r1::rml::", "pool"),
    ("gomp_thread_start", "pool"),
    ("kmp_fork_barrier", "pool"),
    ("runtime.findRunnable", "pool"),
    ("runtime.findrunnable", "pool"),
    ("runtime.netpoll", "epoll"),
    ("runtime.sysmon", "pool"),
    ("runtime.usleep", "sleep"),
    ("java.util.concurrent.ThreadPoolExecutor.getTask", "pool"),
    ("java.util.concurrent.ForkJoinPool.awaitWork", "pool"),
    ("GCTaskManager::get_task", "pool"),
    ("WorkerTaskDispatcher::worker_wait_for_task", "pool"),
    ("art::ThreadPool::GetTask", "pool"),
    ("android::Looper::pollOnce", "poll"),
    ("android::Looper::pollInner", "poll"),
];

/// The same in the kernel.
const KERNEL_IDLE: &[(&str, &str)] = &[
    ("do_epoll_wait", "epoll"),
    ("ep_poll", "epoll"),
    ("do_sys_poll", "poll"),
    ("do_poll", "poll"),
    ("do_select", "select"),
    ("core_sys_select", "select"),
    ("inet_csk_accept", "accept"),
    ("hrtimer_nanosleep", "sleep"),
    ("do_nanosleep", "sleep"),
];

/// Kernel threads that wait for work, when they do nothing but sleep.
const KERNEL_THREADS: &[&str] = &[
    "worker_thread",
    "rescuer_thread",
    "kthread_worker_fn",
    "smpboot_thread_fn",
    "rcu_gp_fqs_loop",
    "kswapd",
    "io_wqe_worker",
    "io_wq_worker",
];

/// How the kernel sleeps, and what traces it there.
const SLEEPS: &[&str] = &[
    "schedule",
    "schedule_timeout",
    "schedule_hrtimeout_range",
    "schedule_preempt_disabled",
    "finish_task_switch",
    "switch_to",
    "kswapd_try_to_sleep",
    "io_wq_worker_sleeping",
    "traceiter_",
    "trace_event_raw_event_",
    "trace_sched_switch",
    "perf_",
    "bpf_",
];

/// What shows that the kernel did something else than the call for work: the
/// thread waited for memory or for a disk.
const KERNEL_WORK: &[&str] = &[
    "io_schedule",
    "exc_page_fault",
    "asm_exc_page_fault",
    "do_page_fault",
    "do_user_addr_fault",
    "handle_mm_fault",
];

/// What may stand between a function that waits for work and the wait, besides
/// the wait itself: the insides of run-times. None of it runs the work.
const BETWEEN: &[&str] = &[
    "syscall",
    "syscall_cancel",
    "internal_syscall_cancel",
    "syscall_cancel_arch",
    "syscall_cp",
    "syscall_cp_asm",
    "cp_end",
    "gomp_simple_barrier_wait",
    "gomp_barrier_wait",
    "gomp_barrier_wait_end",
    "do_wait",
    "do_spin",
    "kmp_",
    "tbb::detail::r1::binary_semaphore::",
    "tbb::detail::r1::futex_wait",
    "QWaitConditionPrivate::",
    "g_async_queue_",
    "std::sync::",
    "std::sys::",
    "std::thread::",
    "rayon_core::latch::",
    "rayon_core::sleep::",
    "tokio::loom::",
    "tokio::runtime::driver::",
    "tokio::runtime::io::",
    "tokio::runtime::time::",
    "tokio::runtime::park::",
    "tokio::runtime::scheduler::multi_thread::park::",
    "runtime.",
    "Semaphore::",
    "PosixSemaphore::",
    "Monitor::IWait",
    "art::futex",
    "java.util.concurrent.",
];

/// System calls in which threads sleep: name, number on x86_64 and on aarch64
/// (`arch/x86/entry/syscalls/syscall_64.tbl`, `include/uapi/asm-generic/unistd.h`).
/// Numbers below 0 do not exist there.
const SYSCALLS: &[(&str, i32, i32)] = &[
    ("read", 0, 63),
    ("write", 1, 64),
    ("open", 2, -1),
    ("close", 3, 57),
    ("poll", 7, -1),
    ("mmap", 9, 222),
    ("mprotect", 10, 226),
    ("munmap", 11, 215),
    ("brk", 12, 214),
    ("ioctl", 16, 29),
    ("pread64", 17, 67),
    ("pwrite64", 18, 68),
    ("readv", 19, 65),
    ("writev", 20, 66),
    ("select", 23, -1),
    ("sched_yield", 24, 124),
    ("msync", 26, 227),
    ("madvise", 28, 233),
    ("pause", 34, -1),
    ("nanosleep", 35, 101),
    ("sendfile", 40, 71),
    ("connect", 42, 203),
    ("accept", 43, 202),
    ("sendto", 44, 206),
    ("recvfrom", 45, 207),
    ("sendmsg", 46, 211),
    ("recvmsg", 47, 212),
    ("clone", 56, 220),
    ("execve", 59, 221),
    ("exit", 60, 93),
    ("wait4", 61, 260),
    ("semop", 65, 193),
    ("msgsnd", 69, 189),
    ("msgrcv", 70, 188),
    ("fcntl", 72, 25),
    ("flock", 73, 32),
    ("fsync", 74, 82),
    ("fdatasync", 75, 83),
    ("ftruncate", 77, 46),
    ("getdents", 78, -1),
    ("rename", 82, -1),
    ("unlink", 87, -1),
    ("rt_sigtimedwait", 128, 137),
    ("rt_sigsuspend", 130, 133),
    ("sync", 162, 81),
    ("readahead", 187, 213),
    ("futex", 202, 98),
    ("sched_setaffinity", 203, 122),
    ("io_getevents", 208, 4),
    ("getdents64", 217, 61),
    ("fadvise64", 221, 223),
    ("clock_nanosleep", 230, 115),
    ("exit_group", 231, 94),
    ("epoll_wait", 232, -1),
    ("mq_timedsend", 242, 182),
    ("mq_timedreceive", 243, 183),
    ("waitid", 247, 95),
    ("openat", 257, 56),
    ("unlinkat", 263, 35),
    ("pselect6", 270, 72),
    ("ppoll", 271, 73),
    ("splice", 275, 76),
    ("sync_file_range", 277, 84),
    ("epoll_pwait", 281, 22),
    ("fallocate", 285, 47),
    ("accept4", 288, 242),
    ("preadv", 295, 69),
    ("pwritev", 296, 70),
    ("recvmmsg", 299, 243),
    ("syncfs", 306, 267),
    ("sendmmsg", 307, 269),
    ("membarrier", 324, 283),
    ("preadv2", 327, 286),
    ("pwritev2", 328, 287),
    ("io_uring_enter", 426, 426),
    ("epoll_pwait2", 441, 441),
    ("futex_waitv", 449, 449),
    ("futex_wait", 455, 455),
];

/// System calls in which a thread waits for work.
const IDLE_SYSCALLS: &[(&str, &str)] = &[
    ("epoll_wait", "epoll"),
    ("epoll_pwait", "epoll"),
    ("epoll_pwait2", "epoll"),
    ("poll", "poll"),
    ("ppoll", "poll"),
    ("select", "select"),
    ("pselect6", "select"),
    ("accept", "accept"),
    ("accept4", "accept"),
    ("nanosleep", "sleep"),
    ("clock_nanosleep", "sleep"),
    ("pause", "sleep"),
    ("rt_sigtimedwait", "signal"),
    ("rt_sigsuspend", "signal"),
];

/// How many of the innermost user functions may stand for a system call.
const STUBS: usize = 4;

/// A function as tables know it: without the version of a library, without what
/// libraries put in front of their inner names, without the arguments.
fn plain(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    let name = name.trim_start_matches('_');
    let name = name.strip_prefix("GI_").unwrap_or(name);
    let name = name.trim_start_matches('_');
    let name = name.strip_prefix("libc_").unwrap_or(name);
    // What templates give back is written in front of their names.
    let results = ["void ", "bool ", "std::cv_status "];
    let name = results
        .iter()
        .find_map(|result| name.strip_prefix(result))
        .unwrap_or(name);
    // `<std::sync::mutex::Mutex<T>>::lock`
    name.trim_start_matches('<')
}

/// Whether a name begins with one of the table, and goes on with something that
/// is no letter of it: `poll` is not `pollute`.
fn begins(name: &str, start: &str) -> bool {
    let Some(rest) = name.strip_prefix(start) else {
        return false;
    };
    let is_open = start.ends_with([':', '.', '_', '<']);
    is_open
        || !rest.starts_with(|c: char| c.is_ascii_lowercase())
            && (!rest.starts_with('_') || start.len() > 12)
}

fn has(table: &[&str], name: &str) -> bool {
    table.iter().any(|start| begins(name, start))
}

/// What a function is to those around it in a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It waits for a lock or for another thread's work.
    Lock,
    /// It waits to be told of something.
    Wait,
    /// In it a thread waits for work.
    Idle(&'static str),
    /// It belongs to the wait of those that it is called by.
    Between,
    /// A kernel thread's own function.
    Thread,
    /// Anything else.
    Other,
}

/// What a function of a program or library is.
pub(super) fn role(function: &str) -> Role {
    let name = plain(function);
    let idle = || IDLE.iter().find(|(start, _)| begins(name, start));
    if has(WAITS, name) {
        Role::Wait
    } else if has(LOCKS, name) {
        Role::Lock
    } else if let Some((_, what)) = idle() {
        Role::Idle(what)
    } else if has(BETWEEN, name) {
        Role::Between
    } else {
        Role::Other
    }
}

/// What a function of the kernel is. There, [`Role::Between`] is the sleep itself
/// and [`Role::Lock`] also the wait for memory or a disk.
pub(super) fn kernel_role(function: &str) -> Role {
    let name = plain(function);
    let idle = || KERNEL_IDLE.iter().find(|(start, _)| begins(name, start));
    if has(KERNEL_LOCKS, name) || has(KERNEL_WORK, name) {
        Role::Lock
    } else if let Some((_, what)) = idle() {
        Role::Idle(what)
    } else if has(KERNEL_THREADS, name) {
        Role::Thread
    } else if has(SLEEPS, name) {
        Role::Between
    } else {
        Role::Other
    }
}

/// Whether a function waits for a lock, or may.
pub(super) fn is_lock(function: &str, is_kernel: bool) -> bool {
    let name = plain(function);
    match is_kernel {
        true => has(KERNEL_LOCKS, name),
        false => has(LOCKS, name) || has(WAITS, name),
    }
}

/// Whether a function only passes a lock call on.
pub(super) fn is_glue(function: &str) -> bool {
    let name = plain(function);
    GLUE.iter().any(|start| name.starts_with(start))
}

/// Whether a binary is the C library.
pub(super) fn is_libc(dso: &str) -> bool {
    let name = dso.rsplit('/').next().unwrap_or(dso);
    let starts = ["libc.", "libc-", "libpthread.", "libpthread-", "ld-musl-"];
    starts.iter().any(|start| name.starts_with(start))
}

/// A lock call as programs write it.
pub(super) fn shown(function: &str) -> &str {
    let name = function.split('@').next().unwrap_or(function);
    let name = name.strip_prefix("__GI_").unwrap_or(name);
    let bare = name.trim_start_matches('_');
    match bare.starts_with("pthread_") {
        true => bare,
        false => name,
    }
}

/// The same of a system call.
pub(super) fn idle_syscall(name: &str) -> Option<&'static str> {
    let found = IDLE_SYSCALLS.iter().find(|(known, _)| *known == name);
    found.map(|(_, what)| *what)
}

/// The name of a system call by its number.
pub(super) fn syscall(number: i32, arch: &str) -> Option<&'static str> {
    let of = |entry: &(&'static str, i32, i32)| match arch {
        "x86_64" => Some(entry.1),
        "aarch64" | "arm64" => Some(entry.2),
        _ => None,
    };
    let mut all = SYSCALLS.iter();
    let found = all.find(|entry| number >= 0 && of(entry) == Some(number));
    found.map(|(name, ..)| *name)
}

/// The system call that a stack is in, by the names of its functions, innermost
/// first, each with whether it is in the kernel. The kernel's entry names it
/// truly, and a library's function as far as it does nothing else.
pub(super) fn syscall_of<'a>(
    leaf_first: impl Iterator<Item = (&'a str, bool)>,
) -> Option<&'static str> {
    let known = |name: &str| {
        let mut all = SYSCALLS.iter();
        let found = all.find(|(known, ..)| *known == name);
        found.map(|(known, ..)| *known)
    };
    let mut stubs = 0;
    for (function, is_kernel) in leaf_first {
        if is_kernel {
            let entries = [
                "__x64_sys_",
                "__arm64_sys_",
                "__se_sys_",
                "__do_sys_",
                "SyS_",
                "sys_",
            ];
            let name = entries
                .iter()
                .find_map(|start| function.strip_prefix(start));
            if let Some(name) = name.and_then(known) {
                return Some(name);
            }
            continue;
        }
        stubs += 1;
        if stubs > STUBS {
            return None;
        }
        let name = plain(function);
        if name.starts_with("futex_") || name.starts_with("lll_lock") {
            return Some("futex");
        }
        if let Some(name) = known(name) {
            return Some(name);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_of_many_kinds() {
        for name in [
            "pthread_mutex_lock",
            "__GI___pthread_mutex_lock",
            "___pthread_mutex_lock",
            "pthread_cond_wait@@GLIBC_2.3.2",
            "__lll_lock_wait",
            "std::sys::sync::mutex::futex::Mutex::lock_contended",
            "<std::sync::mutex::Mutex<T>>::lock",
            "parking_lot::raw_mutex::RawMutex::lock_slow",
            "sync.(*Mutex).lockSlow",
            "ObjectMonitor::enter(JavaThread*)",
            "lll_mutex_lock_optimized",
            "void std::condition_variable::wait<main::{lambda()#1}>(std::unique_lock<std::mutex>&)",
        ] {
            assert!(is_lock(name, false), "{name}");
        }
        for name in ["rwsem_down_write_slowpath", "__mutex_lock.constprop.0"] {
            assert!(is_lock(name, true), "{name}");
        }
        // The call of the kernel that all locks of programs end in.
        assert!(!is_lock("futex_wait", true));
        for name in [
            "main",
            "pthread_mutex_unlock",
            "wait_account_lock(Stat&)",
            "mutex",
            "__lll_lock_wake",
        ] {
            assert!(!is_lock(name, false), "{name}");
        }
    }

    #[test]
    fn idle_loops() {
        let idle = |name| match role(name) {
            Role::Idle(what) => Some(what),
            _ => None,
        };
        assert_eq!(idle("epoll_wait@@GLIBC_2.3.2"), Some("epoll"));
        assert_eq!(idle("__GI___clock_nanosleep"), Some("sleep"));
        assert_eq!(idle("__poll"), Some("poll"));
        assert_eq!(idle("poll_events(Stat&, int)"), None);
        assert_eq!(idle("polluted"), None);
        assert_eq!(idle("sleepy"), None);
        assert_eq!(idle("plain_sleep(Stat&)"), None);
        assert_eq!(idle_syscall("ppoll"), Some("poll"));
        assert_eq!(idle_syscall("futex"), None);
    }

    #[test]
    fn system_calls_by_number_and_by_stack() {
        assert_eq!(syscall(202, "x86_64"), Some("futex"));
        assert_eq!(syscall(98, "aarch64"), Some("futex"));
        assert_eq!(syscall(115, "aarch64"), Some("clock_nanosleep"));
        assert_eq!(syscall(-1, "aarch64"), None);
        assert_eq!(syscall(202, "riscv64"), None);
        let of = |functions: &[(&'static str, bool)]| syscall_of(functions.iter().copied());
        assert_eq!(
            of(&[("schedule", true), ("__x64_sys_fsync", true)]),
            Some("fsync")
        );
        assert_eq!(of(&[("__libc_read", false), ("main", false)]), Some("read"));
        assert_eq!(
            of(&[("__futex_abstimed_wait_common64", false)]),
            Some("futex")
        );
        let deep = [
            ("a", false),
            ("b", false),
            ("c", false),
            ("d", false),
            ("read", false),
        ];
        assert_eq!(of(&deep), None);
    }
}
