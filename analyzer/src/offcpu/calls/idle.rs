//! Functions in which a thread waits for work, in programs and in the kernel, and
//! what may stand between them and the wait.

/// Functions in which a thread waits for work, and what the wait is called. Some
/// of them run the work, too: they count where they make the wait themselves.
pub(super) const IDLE: &[(&str, &str)] = &[
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
    // By a monitor in ART and a parker in hotspot
    ("java.lang.Thread.sleep", "sleep"),
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
    // oneTBB's market.cpp, thread_dispatcher.cpp, private_server.cpp
    ("tbb::detail::r1::market::", "pool"),
    ("tbb::detail::r1::thread_dispatcher::", "pool"),
    ("tbb::detail::r1::rml::", "pool"),
    // Abseil's synchronization/internal/thread_pool.h
    ("absl::synchronization_internal::ThreadPool::", "pool"),
    // folly's executors/CPUThreadPoolExecutor.cpp and EDFThreadPoolExecutor.cpp
    ("folly::CPUThreadPoolExecutor::threadRun", "pool"),
    ("folly::EDFThreadPoolExecutor::take", "pool"),
    // libgomp's team.c; LLVM's kmp_barrier.cpp
    ("gomp_thread_start", "pool"),
    ("kmp_fork_barrier", "pool"),
    // Go's src/runtime/proc.go and sigqueue.go
    ("runtime.findRunnable", "pool"),
    ("runtime.stoplockedm", "pool"),
    ("os/signal.signal_recv", "signal"),
    ("runtime.findrunnable", "pool"),
    ("runtime.netpoll", "epoll"),
    ("runtime.sysmon", "pool"),
    ("runtime.usleep", "sleep"),
    ("java.util.concurrent.ThreadPoolExecutor.getTask", "pool"),
    ("java.util.concurrent.ForkJoinPool.awaitWork", "pool"),
    ("GCTaskManager::get_task", "pool"),
    // Workers of hotspot's collectors: gc/shared/workerThread.cpp
    ("WorkerTaskDispatcher::worker_run_task", "pool"),
    ("art::ThreadPool::GetTask", "pool"),
    ("android::Looper::pollOnce", "poll"),
    ("android::Looper::pollInner", "poll"),
];

/// The same in the kernel.
pub(super) const KERNEL_IDLE: &[(&str, &str)] = &[
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
pub(super) const KERNEL_THREADS: &[&str] = &[
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
pub(super) const SLEEPS: &[&str] = &[
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
pub(super) const KERNEL_WORK: &[&str] = &[
    "io_schedule",
    "exc_page_fault",
    "asm_exc_page_fault",
    "do_page_fault",
    "do_user_addr_fault",
    "handle_mm_fault",
];

/// What may stand between a function that waits for work and the wait, besides
/// the wait itself: the insides of run-times. None of it runs the work.
pub(super) const BETWEEN: &[&str] = &[
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
    "absl::synchronization_internal::",
    "folly::detail::(anonymous namespace)::",
    "folly::detail::MemoryIdler::",
    "folly::LifoSemMPMCQueue<",
    "folly::PriorityLifoSemMPMCQueue<",
    "folly::UnboundedBlockingQueue<",
    "folly::PriorityUnboundedBlockingQueue<",
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
