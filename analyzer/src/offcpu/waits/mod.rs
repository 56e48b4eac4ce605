//! What a thread waits for, by its stack: a lock, or work.

#[cfg(test)]
mod run_times;
#[cfg(test)]
mod tests;

use super::calls::{self, Role};
use crate::result::StackFrame;
use std::sync::Arc;

/// What a thread with this stack waits for when it has nothing to do. Functions
/// that wait for work often run it, too: only what makes the wait itself counts.
pub(super) fn idle(frames: &[Arc<StackFrame>]) -> Option<&'static str> {
    let mut only_sleeps = true;
    for frame in frames.iter().rev() {
        if frame.kernel {
            match calls::kernel_role(&frame.function) {
                _ if !frame.named => only_sleeps = false,
                Role::Idle(what) => return Some(what),
                Role::Thread if only_sleeps => return Some("pool"),
                Role::Lock | Role::Thread => return None,
                Role::Between => {}
                Role::Wait | Role::Other => only_sleeps = false,
            }
        } else if frame.named {
            match calls::role(&frame.function) {
                Role::Idle(what) => return Some(what),
                Role::Wait | Role::Between => {}
                Role::Lock | Role::Thread | Role::Other => return None,
            }
        } else if !is_libc(frame) {
            return None;
        }
    }
    None
}

fn is_libc(frame: &StackFrame) -> bool {
    !frame.kernel && frame.dso.as_deref().is_some_and(calls::is_libc)
}

/// The call that waits for a lock, as far as the stack tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LockCall {
    /// The call and the function that makes it.
    pub(super) text: String,
    /// Whether the lock is one of the kernel's.
    pub(super) is_kernel: bool,
}

/// The call that waits for a lock, in a stack in system call `syscall`; absent when
/// there is no such call.
pub(super) fn lock(frames: &[Arc<StackFrame>], syscall: Option<&str>) -> Option<LockCall> {
    let known = known_lock(frames).map(|(text, is_kernel)| LockCall { text, is_kernel });
    known.or_else(|| match syscall {
        Some("futex") => futex(frames).map(|text| LockCall {
            text,
            is_kernel: false,
        }),
        _ => None,
    })
}

/// The call in which the thread waits for a lock. What runs inside of such a call, as
/// the functions of `pthread_once` do, does not wait for it; nor does who waits there for
/// memory.
fn innermost_lock(frames: &[Arc<StackFrame>]) -> Option<usize> {
    for (at, frame) in frames.iter().enumerate().rev() {
        if calls::is_lock(&frame.function, frame.kernel) {
            return Some(at);
        }
        let is_inside = match frame.kernel {
            true => calls::kernel_role(&frame.function) != Role::Lock,
            false if !frame.named || is_libc(frame) || calls::is_glue(&frame.function) => true,
            false => matches!(calls::role(&frame.function), Role::Between | Role::Idle(_)),
        };
        if !is_inside {
            return None;
        }
    }
    None
}

/// The outermost of the calls around the innermost one that waits for a lock, and
/// who makes it. What the C library does between them belongs to them.
fn known_lock(frames: &[Arc<StackFrame>]) -> Option<(String, bool)> {
    let is_lock = |frame: &StackFrame| calls::is_lock(&frame.function, frame.kernel);
    let mut outermost = innermost_lock(frames)?;
    for (at, frame) in frames[..outermost].iter().enumerate().rev() {
        if is_lock(frame) {
            outermost = at;
        } else if !is_libc(frame) && !calls::is_glue(&frame.function) {
            break;
        }
    }
    let call = calls::shown(&frames[outermost].function);
    let mut callers = frames[..outermost].iter().rev();
    let caller = callers.find(|frame| !calls::is_glue(&frame.function));
    let text = match caller {
        Some(caller) if caller.named => format!("{call} in {}", caller.function),
        _ => call.into_owned(),
    };
    Some((text, frames[outermost].kernel))
}

/// A wait in the system call behind all locks, made by functions that no table knows:
/// with the library that makes it where its functions have no names (distributions
/// leave out those that a library keeps to itself), and who calls that.
fn futex(frames: &[Arc<StackFrame>]) -> Option<String> {
    let mut user = frames.iter().rev().filter(|frame| !frame.kernel).peekable();
    let leaf = user.peek()?;
    let library = leaf.dso.clone().filter(|_| !leaf.named);
    let is_inside = |frame: &StackFrame| library.is_some() && frame.dso == library;
    let caller = user.find(|frame| {
        // In a static program the C library's are in the program's own file.
        let is_stub = is_libc(frame)
            || calls::is_glue(&frame.function)
            || matches!(calls::role(&frame.function), calls::Role::Between);
        !is_stub && !is_inside(frame)
    });
    let library = library.as_deref().map(|path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        format!("futex ({name})")
    });
    let call = library.unwrap_or_else(|| "futex".to_owned());
    Some(match caller {
        Some(caller) => format!("{call} in {}", caller.function),
        None => call,
    })
}
