//! Functions that wait for a lock, in programs and in the kernel.

use super::name::{has, plain};

/// Functions that wait for a lock or for another thread's work, by what their
/// plain name begins with. Who waits in one is never without work. Those that
/// stand next to each other in a stack are one wait, named by the outermost.
pub(super) const LOCKS: &[&str] = &[
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
    // Abseil's mutex.cc, blocking_counter.cc, barrier.cc, spinlock.cc, call_once.h
    "absl::Mutex::Lock",
    "absl::Mutex::ReaderLock",
    "absl::Mutex::lock",
    "absl::BlockingCounter::Wait",
    "absl::Barrier::Block",
    "absl::base_internal::SpinLock",
    "absl::base_internal::CallOnceImpl",
    // folly's SharedMutex.h, MicroLock.h, DistributedMutex-inl.h, fibers/TimedMutex-inl.h
    "folly::SharedMutexImpl<",
    "folly::MicroLockCore::lock",
    "folly::MicroLockBase<",
    "folly::detail::distributed_mutex::",
    "folly::fibers::TimedMutex::lock",
    "tbb::detail::r1::wait_on_address",
    "QMutex::lock",
    "g_mutex_lock",
    // OpenMP: libgomp's config/linux/{bar,mutex,ptrlock,sem,lock}.c, barrier.c, critical.c,
    // ordered.c, task.c, parallel.c, single.c, loop.c
    "gomp_mutex_lock",
    "gomp_team_barrier_wait",
    "gomp_ptrlock_get",
    "gomp_sem_wait",
    "gomp_set_lock",
    "gomp_set_nest_lock",
    "gomp_team_end",
    "gomp_ordered_sync",
    "GOMP_barrier",
    "GOMP_critical",
    "GOMP_atomic_start",
    "GOMP_ordered_start",
    "GOMP_doacross_wait",
    "GOMP_loop_end",
    "GOMP_sections_end",
    "GOMP_single_copy_start",
    "GOMP_workshare_task_reduction_unregister",
    "GOMP_taskwait",
    "GOMP_taskgroup_end",
    "GOMP_parallel_end",
    "omp_set_lock",
    "omp_set_nest_lock",
    // LLVM's kmp_barrier.cpp and kmp_csupport.cpp
    "kmp_join_barrier",
    "kmp_barrier",
    "kmpc_barrier",
    "kmpc_critical",
    "kmpc_set_lock",
    // Rust: library/std/src/sys/sync, until 1.80 sys/unix/locks
    "std::sys::unix::locks::",
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
    // Go: src/sync, src/runtime/sema.go and lock_futex.go
    "sync.(*Mutex).",
    "sync.(*RWMutex).",
    "sync.(*WaitGroup).Wait",
    "internal/sync.(*Mutex).",
    "runtime.semacquire",
    "runtime.lock2",
    // JVMs: hotspot's objectMonitor.cpp, mutex.cpp; ART's monitor.cc, base/mutex.cc
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
pub(super) const WAITS: &[&str] = &[
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
    "absl::CondVar::",
    "absl::Mutex::Await",
    "absl::Mutex::Block",
    "absl::Mutex::DecrementSynchSem",
    "absl::Mutex::LockWhen",
    "absl::Mutex::ReaderLockWhen",
    "absl::Notification::WaitForNotification",
    "absl::synchronization_internal::PerThreadSem::Wait",
    "AbslInternalPerThreadSemWait",
    "AbslInternalSpinLockDelay",
    // folly's Baton.h, LifoSem.h, SaturatingSemaphore.h, EventCount.h, ParkingLot.h,
    // ThrottledLifoSem.h, detail/Futex.cpp
    "folly::Baton<",
    "folly::LifoSemImpl<",
    "folly::LifoSemBase<",
    "folly::detail::LifoSemBase<",
    "folly::detail::LifoSemNode<",
    "folly::ThrottledLifoSem::",
    "folly::StripedThrottledLifoSem::",
    "folly::SaturatingSemaphore<",
    "folly::EventCount::",
    "folly::ParkingLot<",
    "folly::parking_lot_detail::",
    "folly::detail::futexWait",
    "folly::detail::MemoryIdler::futexWait",
    "QWaitCondition::wait",
    "g_cond_wait",
    "std::sync::condvar::Condvar",
    "std::sync::poison::condvar::Condvar",
    "std::sync::mpsc::",
    "std::sync::mpmc::",
    "std::thread::park",
    "std::thread::current::park",
    "std::sys::sync::condvar::",
    "std::sys::unix::locks::futex_condvar::",
    "std::sys::sync::thread_parking::",
    "std::sys::pal::unix::futex::futex_wait",
    "std::sys::futex::futex_wait",
    "parking_lot::condvar::",
    "parking_lot_core::",
    "crossbeam_channel::",
    // crossbeam-utils' src/sync/parker.rs; the crate parking
    "crossbeam_utils::sync::parker::",
    "parking::Inner::park",
    "parking::Parker::park",
    "sync.(*Cond).Wait",
    "runtime.futexsleep",
    "runtime.notesleep",
    "ObjectMonitor::wait",
    "Monitor::wait",
    "PlatformMonitor::wait",
    "PlatformEvent::park",
    "os::PlatformEvent::park",
    "Parker::park",
    "Unsafe_Park",
    "art::ConditionVariable::",
    "art::Monitor::Wait",
    "java.lang.Object.wait",
    "java.util.concurrent.locks.LockSupport.park",
    "java.util.concurrent.locks.AbstractQueuedSynchronizer$ConditionObject.",
    "jdk.internal.misc.Unsafe.park",
    "sun.misc.Unsafe.park",
];

/// Locks of the kernel.
pub(super) const KERNEL_LOCKS: &[&str] = &[
    "mutex_lock",
    "mutex_lock_interruptible",
    "mutex_lock_killable",
    "mutex_lock_io",
    "mutex_lock_nested",
    "mutex_lock_slowpath",
    "ww_mutex_lock",
    "rt_mutex_lock",
    "rt_mutex_slowlock",
    "rwsem_down_read_slowpath",
    "rwsem_down_write_slowpath",
    "down_read",
    "down_read_interruptible",
    "down_read_killable",
    "down_write",
    "down_write_killable",
    "down_interruptible",
    "down_killable",
    "down_timeout",
    "percpu_down_read",
    "percpu_down_write",
    "percpu_rwsem_wait",
    "wait_on_bit",
    "wait_on_bit_lock",
    "out_of_line_wait_on_bit",
    "out_of_line_wait_on_bit_lock",
    "lock_sock",
    "lock_sock_nested",
    // fs/locks.c
    "locks_lock_inode_wait",
    "do_lock_file_wait",
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
    "absl::MutexLock",
    "absl::ReaderMutexLock",
    "absl::WriterMutexLock",
    "absl::synchronization_internal::",
    "absl::base_internal::",
    "folly::LockedPtr<",
    "folly::Synchronized<",
    "folly::SynchronizedBase<",
    "folly::detail::(anonymous namespace)::",
    "folly::detail::MemoryIdler",
    "folly::detail::futex",
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

/// Whether a function waits for a lock, or may.
pub(in crate::offcpu) fn is_lock(function: &str, is_kernel: bool) -> bool {
    let name = &*plain(function);
    match is_kernel {
        true => has(KERNEL_LOCKS, name),
        false => has(LOCKS, name) || has(WAITS, name),
    }
}

/// Whether a function only passes a lock call on.
pub(in crate::offcpu) fn is_glue(function: &str) -> bool {
    let name = plain(function);
    GLUE.iter().any(|start| name.starts_with(start))
}

/// Whether a binary is the C library.
pub(in crate::offcpu) fn is_libc(dso: &str) -> bool {
    let name = dso.rsplit('/').next().unwrap_or(dso);
    let starts = ["libc.", "libc-", "libpthread.", "libpthread-", "ld-musl-"];
    starts.iter().any(|start| name.starts_with(start))
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
            "absl::lts_20240116::Mutex::LockSlow(absl::lts_20240116::MuHowS const*)",
            "absl::debian3::Mutex::Lock()",
            "AbslInternalPerThreadSemWait_lts_20240116",
            "bool folly::SharedMutexImpl<false, void, std::atomic>::lockExclusiveImpl<int>(int)",
            "folly::detail::FutexResult folly::detail::futexWait<std::atomic<unsigned int> >()",
            "GOMP_critical_name_start",
            "gomp_mutex_lock_slow",
            "void std::condition_variable::wait<main::{lambda()#1}>(std::unique_lock<std::mutex>&)",
        ] {
            assert!(is_lock(name, false), "{name}");
        }
        for name in [
            "rwsem_down_write_slowpath",
            "__mutex_lock.constprop.0",
            "down_write_killable",
            "__lock_sock",
        ] {
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
            "absl::lts_20240116::Mutex::Unlock()",
            "folly::CPUThreadPoolExecutor::add(folly::Function<void ()>)",
            "GOMP_parallel",
        ] {
            assert!(!is_lock(name, false), "{name}");
        }
    }
}
