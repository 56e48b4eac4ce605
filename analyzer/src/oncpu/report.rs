//! From what was collected to the result.

use super::choice::Choice;
use super::collect::{Collected, Cost};
use crate::capture::Capture;
use crate::result::{
    CaptureFacts, FILTERED, FunctionCost, OnCpu, Quality, StackCost, StackFrame, ThreadCost,
};
use crate::stack::{NamedStacks, Unwinding};
use crate::survey::Survey;
use crate::symbols::Locator;
use anyhow::Result;
use contend_perfdata::{At, WalkReport};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Behind every record.
const END: At = At {
    time: u64::MAX,
    pos: u64::MAX,
};

/// A stack whose frames have names, and the name of its threads.
type NamedStack = (Option<Arc<str>>, Vec<Arc<StackFrame>>);

/// Makes the result.
///
/// # Errors
/// When a file that the user named cannot be used.
pub(super) fn report(
    capture: &Capture,
    survey: &Survey,
    walk: &WalkReport,
    unwinding: &Unwinding<'_>,
    choice: &Choice,
    collected: Collected,
    locator: &Locator,
) -> Result<OnCpu> {
    let space = unwinding.space();
    let mut quality = Quality::new(capture, survey, walk);
    quality.skip(FILTERED, collected.filtered);
    quality.skip(
        "samples whose fields do not fit into their record",
        collected.malformed,
    );
    for (reason, count) in space.notes() {
        quality.skip(reason, *count);
    }
    collected.counts.note(&mut quality);
    let names = NamedStacks::look_up(space, &collected.stacks, locator, capture.pool())?;
    let mut stacks: BTreeMap<NamedStack, Cost> = BTreeMap::new();
    for ((comm, stack), cost) in collected.costs {
        let frames = names.root_first(&collected.stacks, stack);
        stacks.entry((comm, frames)).or_default().add(cost);
    }
    quality.missing_binaries = names.missing;
    quality
        .missing_binaries
        .extend(unwinding.missing().cloned());
    quality.missing_binaries.sort();
    quality.missing_binaries.dedup();
    quality
        .warnings
        .extend(unwinding.remarks().map(str::to_owned));
    quality.warnings.extend(names.warnings);
    quality.warnings.extend(choice.others.clone());
    let threads = collected.threads.into_iter();
    let mut threads: Vec<ThreadCost> = threads
        .map(|((pid, tid), cost)| ThreadCost {
            pid,
            tid,
            comm: space.comm(tid, END).map(str::to_owned),
            samples: cost.samples,
            weight: cost.weight,
        })
        .collect();
    threads.sort_by_key(|thread| Reverse(thread.weight));
    Ok(OnCpu {
        schema: "contend.oncpu/1",
        capture: CaptureFacts::new(capture, survey),
        quality,
        event: choice.name.clone(),
        unit: choice.unit,
        samples: collected.total.samples,
        weight: collected.total.weight,
        functions: functions(&stacks),
        threads,
        stacks: costs(stacks),
    })
}

fn functions(stacks: &BTreeMap<NamedStack, Cost>) -> Vec<FunctionCost> {
    let mut all: BTreeMap<&StackFrame, (Cost, Cost)> = BTreeMap::new();
    for ((_, frames), cost) in stacks {
        if let Some(leaf) = frames.last() {
            all.entry(leaf).or_default().0.add(*cost);
        }
        // A function that calls itself is in its stack once.
        let distinct: BTreeSet<&StackFrame> = frames.iter().map(AsRef::as_ref).collect();
        for frame in distinct {
            all.entry(frame).or_default().1.add(*cost);
        }
    }
    let all = all.into_iter();
    let mut functions: Vec<FunctionCost> = all
        .map(|(frame, (own, total))| FunctionCost {
            function: frame.function.clone(),
            dso: frame.dso.as_deref().map(str::to_owned),
            kernel: frame.kernel,
            inlined: frame.inlined,
            self_samples: own.samples,
            self_weight: own.weight,
            total_samples: total.samples,
            total_weight: total.weight,
        })
        .collect();
    // Stable: what weighs the same stays in the order of names.
    functions.sort_by_key(|function| Reverse((function.self_weight, function.total_weight)));
    functions
}

fn costs(stacks: BTreeMap<NamedStack, Cost>) -> Vec<StackCost> {
    let stacks = stacks.into_iter();
    let mut stacks: Vec<StackCost> = stacks
        .map(|((comm, frames), cost)| {
            let inlined = frames.iter().enumerate();
            let inlined = inlined.filter(|(_, frame)| frame.inlined);
            StackCost {
                comm: comm.as_deref().map(str::to_owned),
                kernel_from: frames.iter().position(|frame| frame.kernel),
                inlined: inlined.map(|(index, _)| index).collect(),
                frames,
                samples: cost.samples,
                weight: cost.weight,
            }
        })
        .collect();
    stacks.sort_by_key(|stack| Reverse(stack.weight));
    stacks
}
