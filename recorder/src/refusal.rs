//! Why something is not recorded: what, why, and the one thing to do.

use std::fmt;

/// What cannot be done on this machine. Printed as one line; the command exits
/// with 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, and why.
    pub why: String,
    /// The one thing to do about it; absent when nothing helps on this machine.
    pub todo: Option<String>,
}

impl Refusal {
    /// `why` with something to do about it.
    pub fn with(why: impl Into<String>, todo: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            todo: Some(todo.into()),
        }
    }

    /// `why`, and nothing to do about it here.
    pub fn that(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            todo: None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}", self.why)?;
        self.todo
            .as_ref()
            .map_or(Ok(()), |todo| write!(to, "; {todo}"))
    }
}

impl std::error::Error for Refusal {}
