//! The result of `contend oncpu`.

use super::stack::functions;
use super::{CaptureFacts, Quality, StackFrame};
use serde::Serialize;
use std::sync::Arc;

/// The `contend.oncpu/1` document.
#[derive(Clone, Debug, Serialize)]
pub struct OnCpu {
    /// `contend.oncpu/1`.
    pub schema: &'static str,
    /// The capture.
    pub capture: CaptureFacts,
    /// What was lost or skipped.
    pub quality: Quality,
    /// The events whose samples were taken, joined by `+`.
    pub event: String,
    /// What weights are: `ns`, `cycles` or `events`.
    pub unit: &'static str,
    /// How many samples were taken.
    pub samples: u64,
    /// What they weigh together.
    pub weight: u64,
    /// Functions, the one with most weight of its own first.
    pub functions: Vec<FunctionCost>,
    /// Threads, the busiest first.
    pub threads: Vec<ThreadCost>,
    /// Stacks, the heaviest first.
    pub stacks: Vec<StackCost>,
}

/// What was spent in a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionCost {
    /// Its name, or its binary and the place in it.
    pub function: String,
    /// Its binary in perf's short form; absent where no code is mapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dso: Option<String>,
    /// Whether it runs in the kernel.
    pub kernel: bool,
    /// Whether it is inlined into others.
    pub inlined: bool,
    /// Samples in it.
    pub self_samples: u64,
    /// Weight in it.
    pub self_weight: u64,
    /// Samples in it or in what it called.
    pub total_samples: u64,
    /// Weight in it or in what it called.
    pub total_weight: u64,
}

/// What a thread spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ThreadCost {
    /// Process.
    pub pid: i32,
    /// Thread.
    pub tid: i32,
    /// Its last name; absent when the capture does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Its samples.
    pub samples: u64,
    /// Their weight.
    pub weight: u64,
}

/// What was spent in a stack, its leaf included.
#[derive(Clone, Debug, Serialize)]
pub struct StackCost {
    /// The name of its threads; absent when the capture does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// From the root to the leaf.
    #[serde(serialize_with = "functions")]
    pub frames: Vec<Arc<StackFrame>>,
    /// The first frame in the kernel, from 0; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_from: Option<usize>,
    /// The frames that are inlined into the one before them, from 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inlined: Vec<usize>,
    /// Its samples.
    pub samples: u64,
    /// Their weight.
    pub weight: u64,
}
