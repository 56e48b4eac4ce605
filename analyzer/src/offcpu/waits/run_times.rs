//! Stacks of run-times and libraries that have locks and pools of their own.

use super::tests::frames;

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
        "__kmp_join_barrier() in main"
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
        "ObjectMonitor::enter_internal() in app.Cache.get"
    );
    let sleep = [
        "app.Game.loop",
        "java.lang.Thread.sleep",
        "art::Monitor::Wait(art::Thread*, long)",
        "art::ConditionVariable::TimedWait(art::Thread*, long, int)",
        "c:syscall",
    ];
    assert_eq!(idle(&sleep), Some("sleep"));
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
    assert!(lock(&condition).ends_with("Mutex::Await() in app::pop()"));
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
