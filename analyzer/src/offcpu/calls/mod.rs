//! What functions and system calls say of a wait: that it is for a lock, or that
//! a thread has nothing to do. Tables; a name that is not in them says nothing.

mod idle;
mod locks;
mod name;
mod syscalls;

pub(super) use locks::{is_glue, is_libc, is_lock};
pub(super) use name::shown;
pub(super) use syscalls::{idle_syscall, syscall, syscall_of};

use idle::{BETWEEN, IDLE, KERNEL_IDLE, KERNEL_THREADS, KERNEL_WORK, SLEEPS};
use locks::{KERNEL_LOCKS, LOCKS, WAITS};
use name::{begins, has, plain};

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
    let name = &*plain(function);
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
    let name = &*plain(function);
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

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
