//! Stacks as programs and the kernel have them.

use super::*;

/// The root first; `k:` are the kernel's, `c:` the C library's.
fn frames(names: &[&str]) -> Vec<Arc<StackFrame>> {
    let frame = |name: &&str| {
        let function = name.trim_start_matches("k:").trim_start_matches("c:");
        StackFrame {
            function: function.to_owned(),
            dso: match name.split_once('+') {
                _ if name.starts_with("c:") => Some("/lib/libc.so.6".into()),
                Some((dso, _)) => Some(format!("/lib/{dso}").into()),
                None => None,
            },
            kernel: name.starts_with("k:"),
            inlined: false,
            named: !name.contains('+'),
        }
    };
    names.iter().map(frame).map(Arc::new).collect()
}

#[test]
fn the_lock_call_is_the_one_that_the_program_makes() {
    let lock = |names: &[&str]| Some(super::known_lock(&frames(names))?.0);
    let deep = [
        "main",
        "work",
        "pthread_mutex_lock@@GLIBC_2.2.5",
        "__lll_lock_wait",
    ];
    assert_eq!(lock(&deep), Some("pthread_mutex_lock in work".to_owned()));
    let stripped = ["prog+0x10", "pthread_cond_wait"];
    assert_eq!(lock(&stripped), Some("pthread_cond_wait".to_owned()));
    assert_eq!(
        lock(&["__lll_lock_wait"]),
        Some("__lll_lock_wait".to_owned())
    );
    assert_eq!(lock(&["main", "read"]), None);
}

#[test]
fn locks_of_the_kernel_are_told_by_who_takes_them() {
    let lock = |names: &[&str]| super::lock(&frames(names), None).unwrap();
    let map = [
        "main",
        "c:munmap",
        "k:__x64_sys_munmap",
        "k:__vm_munmap",
        "k:down_write_killable",
        "k:rwsem_down_write_slowpath",
        "k:schedule",
    ];
    let expected = LockCall {
        text: "down_write_killable in __vm_munmap".to_owned(),
        is_kernel: true,
    };
    assert_eq!(lock(&map), expected);
    assert!(!lock(&["main", "c:pthread_mutex_lock", "k:schedule"]).is_kernel);
}

#[test]
fn a_futex_that_no_table_knows_is_told_by_its_library_and_caller() {
    let lock = |names: &[&str]| {
        let frames = frames(names);
        let leaf_first = frames.iter().rev();
        let leaf_first = leaf_first.map(|frame| (frame.function.as_str(), frame.kernel));
        let syscall = calls::syscall_of(leaf_first);
        Some(super::lock(&frames, syscall)?.text)
    };
    let kernel = ["k:__x64_sys_futex", "k:do_futex", "k:schedule"];
    let of = |user: &[&'static str]| lock(&[user, &kernel].concat());
    let some = |text: &str| Some(text.to_owned());
    let gomp = ["main", "crit", "libgomp.so.1+0x20", "libgomp.so.1+0x10"];
    assert_eq!(of(&gomp), some("futex (libgomp.so.1) in crit"));
    let pool = ["c:start_thread", "libgomp.so.1+0x20"];
    assert_eq!(of(&pool), some("futex (libgomp.so.1)"));
    assert_eq!(
        of(&["main", "own_lock", "c:syscall"]),
        some("futex in own_lock")
    );
    // The C library without its names.
    assert_eq!(
        of(&["main", "hot", "c:x+0x7"]),
        some("futex (libc.so.6) in hot")
    );
    assert_eq!(
        of(&["main", "prog+0x40", "c:syscall"]),
        some("futex in prog+0x40")
    );
    // What a table knows is called so.
    let known = ["main", "hot", "c:pthread_mutex_lock", "c:x+0x7"];
    assert_eq!(of(&known), some("pthread_mutex_lock in hot"));
    // Threads of the kernel, and other calls.
    assert_eq!(of(&[]), None);
    assert_eq!(
        lock(&["main", "read_all", "c:read", "k:__x64_sys_read"]),
        None
    );
}

#[test]
fn all_of_the_c_library_and_of_guards_is_one_lock_call() {
    let lock = |names: &[&str]| super::known_lock(&frames(names)).unwrap().0;
    let debug = [
        "main",
        "hot_lock()",
        "c:___pthread_mutex_lock",
        "c:lll_mutex_lock_optimized",
        "c:__GI___lll_lock_wait",
        "c:futex_wait",
        "k:entry_SYSCALL_64_after_hwframe",
        "k:futex_wait",
        "k:schedule",
    ];
    assert_eq!(lock(&debug), "pthread_mutex_lock in hot_lock()");
    let unknown_between = ["hot", "c:pthread_mutex_lock", "c:x", "c:__lll_lock_wait"];
    assert_eq!(lock(&unknown_between), "pthread_mutex_lock in hot");
    let guard = [
        "hot()",
        "std::lock_guard<std::mutex>::lock_guard(std::mutex&)",
        "std::mutex::lock()",
        "__gthread_mutex_lock(pthread_mutex_t*)",
        "c:__GI___pthread_mutex_lock",
    ];
    assert_eq!(lock(&guard), "std::mutex::lock() in hot()");
    let rust = [
        "app::hot",
        "std::sync::poison::mutex::Mutex<T>::lock",
        "std::sys::sync::mutex::futex::Mutex::lock_contended",
        "std::sys::pal::unix::futex::futex_wait",
        "c:syscall",
    ];
    assert_eq!(
        lock(&rust),
        "std::sync::poison::mutex::Mutex<T>::lock in app::hot"
    );
    // Another library calls back: its lock is not that of the caller.
    let nested = ["main", "c:pthread_once", "init", "c:pthread_mutex_lock"];
    assert_eq!(lock(&nested), "pthread_mutex_lock in init");
}

#[test]
fn a_lock_under_a_pool_is_no_idleness() {
    let idle = |names: &[&str]| super::idle(&frames(names));
    let mutex = [
        "hot",
        "c:pthread_mutex_lock",
        "c:__lll_lock_wait",
        "k:schedule",
    ];
    for root in [
        "worker_thread",
        "gomp_thread_start",
        "kswapd",
        "QThreadPoolThread::run()",
        "tokio::runtime::blocking::pool::Inner::run",
    ] {
        let stack = [&["c:clone3", root][..], &mutex].concat();
        assert_eq!(idle(&stack), None, "{root}");
        // Its own lock, and any wait of the work that it runs.
        assert_eq!(idle(&[&[root][..], &mutex[1..]].concat()), None, "{root}");
        let work = [root, "task()", "c:pthread_cond_wait", "k:schedule"];
        assert_eq!(idle(&work), None, "{root}");
        assert_eq!(idle(&[root, "c:read", "k:schedule"]), None, "{root}");
    }
    let user = ["worker_thread", "c:pthread_cond_wait", "k:schedule"];
    assert_eq!(idle(&user), None);
    let relock = [
        "QThreadPoolThread::run()",
        "c:pthread_cond_wait",
        "c:__pthread_mutex_cond_lock",
        "c:__lll_lock_wait",
    ];
    assert_eq!(idle(&relock), None);
}

#[test]
fn a_pool_that_waits_for_work_is_idle() {
    let idle = |names: &[&str]| super::idle(&frames(names));
    let condvar = [
        "c:pthread_cond_wait@@GLIBC_2.3.2",
        "c:libc.so.6+0x98d61",
        "k:entry_SYSCALL_64_after_hwframe",
        "k:do_futex",
        "k:schedule",
        "k:__schedule",
    ];
    let qt = ["QThreadPoolThread::run()", "QWaitCondition::wait(QMutex*)"];
    assert_eq!(idle(&[&qt[..], &condvar].concat()), Some("pool"));
    let tokio = [
        "std::sys::thread::unix::Thread::new::thread_start",
        "tokio::runtime::blocking::pool::Inner::run",
        "tokio::loom::std::parking_lot::Condvar::wait_timeout",
        "std::sync::poison::condvar::Condvar::wait_timeout",
        "std::sys::sync::condvar::futex::Condvar::wait_optional_timeout",
        "std::sys::pal::unix::futex::futex_wait",
        "c:syscall",
        "k:do_syscall_64",
        "k:schedule",
    ];
    assert_eq!(idle(&tokio), Some("pool"));
    let epoll = [
        "main",
        "run",
        "c:epoll_wait",
        "c:__syscall_cancel",
        "k:x+0x1",
    ];
    assert_eq!(idle(&epoll), Some("epoll"));
    // Memory that `poll` had to wait for.
    let fault = ["main", "c:poll", "k:asm_exc_page_fault", "k:schedule"];
    assert_eq!(idle(&fault), None);
}

/// Stacks as programs of these run-times were seen to have them.
#[test]
fn run_times_wait_for_work_and_for_locks() {
    let idle = |names: &[&str]| super::idle(&frames(names));
    let go = ["runtime.mcall", "runtime.park_m", "runtime.schedule"];
    let park = [
        "runtime.mPark",
        "runtime.notesleep",
        "runtime.futexsleep",
        "runtime.futex",
    ];
    let with = |middle: &[&'static str]| [&go[..], middle, &park].concat();
    let stop = ["runtime.findRunnable", "runtime.stopm"];
    assert_eq!(idle(&with(&stop)), Some("pool"));
    assert_eq!(idle(&with(&["runtime.stoplockedm"])), Some("pool"));
    let lock = [
        "main.work",
        "runtime.lock2",
        "runtime.futexsleep",
        "runtime.futex",
    ];
    assert_eq!(idle(&lock), None);
    assert_eq!(
        super::known_lock(&frames(&lock)).unwrap().0,
        "runtime.lock2 in main.work"
    );
    let libomp = [
        "__kmp_launch_worker(void*)",
        "__kmp_launch_thread",
        "__kmp_fork_barrier(int, int)",
        "__kmp_hyper_barrier_release(barrier_type, kmp_info*, int)",
        "__kmp_suspend_64<false, true>(int, kmp_flag_64<false, true>*)",
        "c:pthread_cond_wait",
    ];
    assert_eq!(idle(&libomp), Some("pool"));
    let join = ["main", "__kmp_join_barrier(int)", "c:pthread_cond_wait"];
    assert_eq!(idle(&join), None);
    assert_eq!(
        super::known_lock(&frames(&join)).unwrap().0,
        "__kmp_join_barrier(int) in main"
    );
    let collector = [
        "WorkerThread::run()",
        "WorkerTaskDispatcher::worker_run_task()",
        "PosixSemaphore::wait()",
        "c:sem_wait",
    ];
    assert_eq!(idle(&collector), Some("pool"));
    let monitor = [
        "app.Cache.get",
        "ObjectMonitor::enter_internal(JavaThread*)",
        "PlatformEvent::park()",
        "c:pthread_cond_wait",
    ];
    assert_eq!(idle(&monitor), None);
    assert_eq!(
        super::known_lock(&frames(&monitor)).unwrap().0,
        "ObjectMonitor::enter_internal(JavaThread*) in app.Cache.get"
    );
    let art = [
        "art::ThreadPoolWorker::Run()",
        "art::ThreadPool::GetTask(art::Thread*)",
        "art::ConditionVariable::WaitHoldingLocks(art::Thread*)",
        "c:syscall",
    ];
    assert_eq!(idle(&art), Some("pool"));
    let tokio = [
        "tokio::runtime::scheduler::multi_thread::worker::Context::park_internal",
        "tokio::runtime::scheduler::multi_thread::park::Parker::park",
        "tokio::runtime::scheduler::multi_thread::park::Inner::park_condvar",
        "parking_lot::condvar::Condvar::wait_until_internal",
    ];
    assert_eq!(idle(&tokio), Some("pool"));
    let tbb = [
        "tbb::detail::r1::rml::private_worker::thread_routine(void*)",
        "tbb::detail::r1::rml::private_worker::run()",
        "c:syscall",
    ];
    assert_eq!(idle(&tbb), Some("pool"));
}

/// Stacks by the sources of these libraries.
#[test]
fn libraries_wait_for_work_and_for_locks() {
    let idle = |names: &[&str]| super::idle(&frames(names));
    let lock = |names: &[&str]| super::known_lock(&frames(names)).unwrap().0;
    let absl_wait = [
        "absl::lts_20240116::Mutex::Block(absl::lts_20240116::base_internal::PerThreadSynch*)",
        "absl::lts_20240116::Mutex::DecrementSynchSem(absl::lts_20240116::Mutex*)",
        "absl::lts_20240116::synchronization_internal::PerThreadSem::Wait()",
        "AbslInternalPerThreadSemWait_lts_20240116",
        "absl::lts_20240116::synchronization_internal::FutexWaiter::Wait()",
        "absl::lts_20240116::synchronization_internal::FutexWaiter::WaitUntil(int)",
        "c:syscall",
    ];
    let on = |front: &[&'static str]| [front, &absl_wait].concat();
    let mutex = on(&[
        "app::hot()",
        "absl::lts_20240116::MutexLock::MutexLock(absl::lts_20240116::Mutex*)",
        "absl::lts_20240116::Mutex::Lock()",
        "absl::lts_20240116::Mutex::LockSlow(absl::lts_20240116::MuHowS const*)",
        "absl::lts_20240116::Mutex::LockSlowLoop(int)",
    ]);
    assert_eq!(idle(&mutex), None);
    assert_eq!(
        lock(&mutex),
        "absl::lts_20240116::Mutex::Lock() in app::hot()"
    );
    let condition = on(&[
        "app::pop()",
        "absl::lts_20240116::Mutex::Await(absl::lts_20240116::Condition const&)",
        "absl::lts_20240116::Mutex::AwaitCommon(int)",
    ]);
    assert_eq!(idle(&condition), None);
    assert!(lock(&condition).ends_with("Condition const&) in app::pop()"));
    let worker = on(&[
        "absl::lts_20240116::synchronization_internal::ThreadPool::WorkLoop()",
        "absl::lts_20240116::Mutex::Await(absl::lts_20240116::Condition const&)",
    ]);
    assert_eq!(idle(&worker), Some("pool"));

    let folly_wait = [
        "folly::detail::FutexResult folly::detail::futexWaitUntil<std::atomic<int> >(int)",
        "folly::detail::(anonymous namespace)::nativeFutexWaitImpl(void const*, int)",
        "c:syscall",
    ];
    let on = |front: &[&'static str]| [front, &folly_wait].concat();
    let shared = on(&[
        "app::read()",
        "folly::LockedPtr<folly::Synchronized<int> >::LockedPtr(int)",
        "folly::SharedMutexImpl<false, void, std::atomic>::lock_shared()",
        "bool folly::SharedMutexImpl<false, void, std::atomic>::lockSharedImpl<int>(int&)",
    ]);
    assert_eq!(idle(&shared), None);
    assert_eq!(
        lock(&shared),
        "folly::SharedMutexImpl<false, void, std::atomic>::lock_shared() in app::read()"
    );
    let queue = [
        "folly::CPUThreadPoolExecutor::threadRun(std::shared_ptr<int>)",
        "folly::UnboundedBlockingQueue<int>::try_take_for(int)",
        "bool folly::LifoSemImpl<std::atomic>::try_wait_until<int>(int)",
        "bool folly::SaturatingSemaphore<true, std::atomic>::tryWaitSlow<int>(int)",
    ];
    assert_eq!(idle(&on(&queue)), Some("pool"));
    let task = ["folly::ThreadPoolExecutor::runTask(int)", "app::job()"];
    let baton = ["folly::Baton<true, std::atomic>::wait()"];
    let job = on(&[&queue[..1], &task, &baton].concat());
    assert_eq!(idle(&job), None);
    assert!(lock(&job).ends_with("wait() in app::job()"));

    let region = ["c:start_thread", "gomp_thread_start"];
    let dock = ["gomp_simple_barrier_wait", "do_wait", "futex_wait"];
    assert_eq!(idle(&[&region[..], &dock].concat()), Some("pool"));
    let critical = [
        "main._omp_fn.0",
        "GOMP_critical_start",
        "gomp_mutex_lock_slow",
        "futex_wait",
    ];
    let critical = [&region[..], &critical].concat();
    assert_eq!(idle(&critical), None);
    assert_eq!(lock(&critical), "GOMP_critical_start in main._omp_fn.0");
    let barrier = [
        "work._omp_fn.1",
        "GOMP_barrier",
        "gomp_team_barrier_wait_end",
    ];
    assert_eq!(lock(&barrier), "GOMP_barrier in work._omp_fn.1");
}

#[test]
fn kernel_threads_are_idle_while_they_only_sleep() {
    let idle = |names: &[&str]| super::idle(&frames(names));
    let root = ["k:ret_from_fork", "k:kthread", "k:worker_thread"];
    let stack = |top: &[&'static str]| [&root[..], top].concat();
    assert_eq!(idle(&stack(&["k:schedule", "k:__schedule"])), Some("pool"));
    for top in [
        &["k:process_one_work", "k:flush", "k:schedule"][..],
        &["k:__mutex_lock.constprop.0", "k:schedule"],
        &["k:[ext4]+0x10", "k:schedule"],
    ] {
        assert_eq!(idle(&stack(top)), None, "{top:?}");
    }
}
