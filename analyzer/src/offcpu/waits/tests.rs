//! Stacks as programs and the kernel have them.

use super::*;

/// The root first; `k:` are the kernel's, `c:` the C library's.
pub(super) fn frames(names: &[&str]) -> Vec<Arc<StackFrame>> {
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
fn what_runs_inside_of_a_lock_call_does_not_wait_for_it() {
    let lock = |names: &[&str]| super::lock(&frames(names), None);
    let once = ["main", "c:pthread_once", "init"];
    assert_eq!(lock(&[&once[..], &["c:read", "k:schedule"]].concat()), None);
    let fault = ["k:asm_exc_page_fault", "k:folio_wait_bit", "k:io_schedule"];
    assert_eq!(lock(&[&once[..], &fault].concat()), None);
    // Memory that the lock call had to wait for, and a lock for that.
    let mutex = ["main", "c:pthread_mutex_lock"];
    assert_eq!(lock(&[&mutex[..], &fault].concat()), None);
    let map = [
        "k:asm_exc_page_fault",
        "k:lock_mm_and_find_vma",
        "k:down_read_killable",
    ];
    let found = lock(&[&mutex[..], &map].concat()).unwrap();
    assert_eq!(found.text, "down_read_killable in lock_mm_and_find_vma");
    // It waits for another thread to have done it.
    let other = ["main", "c:pthread_once", "c:futex_wait", "k:futex_wait"];
    assert_eq!(lock(&other).unwrap().text, "pthread_once in main");
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
    // A static program has the C library's in its own file.
    assert_eq!(
        of(&["main", "own_lock", "syscall"]),
        some("futex in own_lock")
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
