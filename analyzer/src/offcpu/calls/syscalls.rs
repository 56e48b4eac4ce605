//! System calls in which threads sleep, by number and by the functions of a stack.

use super::name::plain;

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

/// What a thread waits for in a system call when it has nothing to do.
pub(in crate::offcpu) fn idle_syscall(name: &str) -> Option<&'static str> {
    let found = IDLE_SYSCALLS.iter().find(|(known, _)| *known == name);
    found.map(|(_, what)| *what)
}

/// The name of a system call by its number.
pub(in crate::offcpu) fn syscall(number: i32, arch: &str) -> Option<&'static str> {
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
pub(in crate::offcpu) fn syscall_of<'a>(
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
        let name = &*plain(function);
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

    #[test]
    fn some_wait_for_work() {
        assert_eq!(idle_syscall("ppoll"), Some("poll"));
        assert_eq!(idle_syscall("futex"), None);
    }
}
