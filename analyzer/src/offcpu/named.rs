//! Stacks with names, and what the names say of a wait: each stack once.

use super::calls;
use super::event::StackId;
use super::interval::State;
use super::totals::Key;
use super::waits::{self, LockCall};
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
    /// The call that waits for a lock; absent when there is no such call.
    pub(super) lock: Option<LockCall>,
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
    /// not wait; where the capture does not tell, the stack does.
    pub(super) fn idle(&self, key: &Key) -> Option<&'static str> {
        if !matches!(key.state, State::Blocked(_) | State::Unknown) {
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
        let syscall = calls::syscall_of(leaf_first());
        Self {
            lock: waits::lock(&frames, syscall),
            idle: waits::idle(&frames),
            syscall,
            frames,
        }
    }
}
