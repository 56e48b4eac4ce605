//! Stacks with names, and what the names say of a wait: each stack once.

use super::calls;
use super::event::StackId;
use super::interval::State;
use super::totals::Key;
use crate::capture::Capture;
use crate::result::StackFrame;
use crate::stack::{NamedStacks, Stacks, Unwinding};
use crate::symbols::Locator;
use anyhow::Result;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// A stack with names.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// The root first.
    pub(super) frames: Vec<Arc<StackFrame>>,
    /// The call that waits for a lock and the function that makes it; absent when
    /// there is no such call.
    pub(super) lock: Option<String>,
    idle: Option<&'static str>,
    syscall: Option<&'static str>,
}

/// The stacks of an analysis with their names.
pub(super) struct NamedTree<'a> {
    stacks: &'a Stacks,
    arch: String,
    pub(super) names: NamedStacks,
    known: RefCell<HashMap<StackId, Rc<Named>>>,
}

impl<'a> NamedTree<'a> {
    /// Looks up the names of all frames.
    ///
    /// # Errors
    /// When a file or folder that the user named cannot be used.
    pub(super) fn new(
        capture: &Capture,
        unwinding: &Unwinding<'_>,
        stacks: &'a Stacks,
        locator: &Locator,
    ) -> Result<Self> {
        let (space, jit) = (unwinding.space(), unwinding.jit());
        Ok(Self {
            stacks,
            arch: capture.header().features.arch.clone().unwrap_or_default(),
            names: NamedStacks::look_up(space, jit, stacks, locator, capture.pool())?,
            known: RefCell::default(),
        })
    }

    /// A stack.
    pub(super) fn get(&self, stack: StackId) -> Rc<Named> {
        let mut known = self.known.borrow_mut();
        let named = known.entry(stack);
        let named =
            named.or_insert_with(|| Rc::new(Named::new(self.names.root_first(self.stacks, stack))));
        Rc::clone(named)
    }

    /// What a thread waited for when it had nothing to do. Who was preempted did
    /// not wait.
    pub(super) fn idle(&self, key: &Key) -> Option<&'static str> {
        if !matches!(key.state, State::Blocked(_)) {
            return None;
        }
        let by_number = self.by_number(key.syscall);
        let by_number = by_number.and_then(calls::idle_syscall);
        by_number.or_else(|| match key.is_old_stack {
            // It tells where the thread had been running.
            true => None,
            false => self.get(key.stack).idle,
        })
    }

    /// The system call that a thread was in.
    pub(super) fn syscall(&self, key: &Key) -> String {
        match key.syscall {
            Some(number) if number < 0 => "none".to_owned(),
            Some(number) => match self.by_number(key.syscall) {
                Some(name) => name.to_owned(),
                None => format!("syscall {number}"),
            },
            None if key.is_old_stack => "unknown".to_owned(),
            None => self.get(key.stack).syscall.unwrap_or("unknown").to_owned(),
        }
    }

    fn by_number(&self, number: Option<i32>) -> Option<&'static str> {
        calls::syscall(number?, &self.arch)
    }
}

impl Named {
    fn new(frames: Vec<Arc<StackFrame>>) -> Self {
        let leaf_first = || {
            let frames = frames.iter().rev();
            frames.map(|frame| (frame.function.as_str(), frame.kernel))
        };
        Self {
            lock: lock(&frames),
            idle: leaf_first().find_map(|(function, _)| calls::idle(function)),
            syscall: calls::syscall_of(leaf_first()),
            frames,
        }
    }
}

/// The outermost of the calls around the innermost one that waits for a lock, and
/// who makes it.
fn lock(frames: &[Arc<StackFrame>]) -> Option<String> {
    let innermost = frames
        .iter()
        .rposition(|frame| calls::is_lock(&frame.function))?;
    let mut others = frames[..innermost].iter();
    let outermost = others
        .rposition(|frame| !calls::is_lock(&frame.function))
        .map_or(0, |caller| caller + 1);
    let call = &frames[outermost].function;
    let call = call.split('@').next().unwrap_or(call);
    let caller = outermost.checked_sub(1).map(|caller| &frames[caller]);
    Some(match caller {
        Some(caller) if caller.named => format!("{call} in {}", caller.function),
        _ => call.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(names: &[&str]) -> Vec<Arc<StackFrame>> {
        let frame = |name: &&str| StackFrame {
            function: (*name).to_owned(),
            dso: None,
            kernel: false,
            inlined: false,
            named: !name.contains('+'),
        };
        names.iter().map(frame).map(Arc::new).collect()
    }

    #[test]
    fn the_lock_call_is_the_one_that_the_program_makes() {
        let lock = |names: &[&str]| super::lock(&frames(names));
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
}
