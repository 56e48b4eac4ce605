//! The walk over the samples of the chosen events.

use super::choice::Choice;
use crate::capture::Capture;
use crate::filter::Filter;
use crate::space::AddressSpace;
use crate::stack::{StackBuilder, StackCounts, StackId, Stacks, Unwinding};
use crate::survey::SAMPLE;
use anyhow::Result;
use contend_perfdata::{At, Batch, EventTable, MemorySample};
use foldhash::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Samples and their weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) samples: u64,
    pub(super) weight: u64,
}

impl Cost {
    pub(super) fn add(&mut self, other: Self) {
        self.samples += other.samples;
        // Periods are 64 bits wide in damaged or hostile files.
        self.weight = self.weight.saturating_add(other.weight);
    }
}

/// What the walk found.
pub(super) struct Collected {
    pub(super) stacks: Stacks,
    /// By name of the thread, where it has one, and stack.
    pub(super) costs: BTreeMap<(Option<Arc<str>>, StackId), Cost>,
    /// By process and thread.
    pub(super) threads: BTreeMap<(i32, i32), Cost>,
    pub(super) counts: StackCounts,
    pub(super) total: Cost,
    pub(super) filtered: u64,
    pub(super) malformed: u64,
}

struct Worker<'a> {
    builder: StackBuilder<'a>,
    /// Names of threads by their number here; the first is none.
    comms: Vec<Option<Arc<str>>>,
    known_comms: HashMap<Arc<str>, u32>,
    costs: HashMap<(u32, StackId), Cost>,
    threads: HashMap<(i32, i32), Cost>,
    filtered: u64,
    malformed: u64,
}

/// Walks the capture.
pub(super) fn collect(
    capture: &Capture,
    unwinding: &Unwinding<'_>,
    choice: &Choice,
    filter: &Filter<'_>,
) -> Result<Collected> {
    let space = unwinding.space();
    let events = capture.data().events();
    let (workers, _) = capture.walk(
        || Worker {
            builder: StackBuilder::new(unwinding),
            comms: vec![None],
            known_comms: HashMap::default(),
            costs: HashMap::default(),
            threads: HashMap::default(),
            filtered: 0,
            malformed: 0,
        },
        |worker, batch| worker.batch(batch, events, space, choice, filter),
    )?;
    Ok(Collected::new(workers))
}

impl Worker<'_> {
    fn batch(
        &mut self,
        batch: &Batch,
        events: &EventTable,
        space: &AddressSpace,
        choice: &Choice,
        filter: &Filter<'_>,
    ) {
        for record in batch.records().filter(|record| record.kind == SAMPLE) {
            let event = events.event_of(record.body);
            let usual = event.and_then(|event| Some((event, (*choice.taken.get(event)?)?)));
            let Some((event, usual)) = usual else {
                continue;
            };
            let sample = events
                .layout(event)
                .map(|layout| layout.decode(record.body));
            let Some(Ok(sample)) = sample else {
                self.malformed += 1;
                continue;
            };
            let at = At {
                time: sample.time.unwrap_or(0),
                pos: record.pos,
            };
            let thread = sample.pid_tid.unwrap_or((-1, -1));
            let cpu = sample.cpu.unwrap_or(MemorySample::NO_CPU);
            if !filter.accepts_thread(thread, cpu, at) {
                self.filtered += 1;
                continue;
            }
            let cost = Cost {
                samples: 1,
                weight: sample.period.unwrap_or(usual),
            };
            let stack = self.builder.stack(&sample, record.misc, at);
            let comm = self.comm(space.comm(thread.1, at));
            self.costs.entry((comm, stack)).or_default().add(cost);
            self.threads.entry(thread).or_default().add(cost);
        }
    }

    fn comm(&mut self, name: Option<&str>) -> u32 {
        let Some(name) = name else { return 0 };
        if let Some(&known) = self.known_comms.get(name) {
            return known;
        }
        let (id, name) = (self.comms.len() as u32, Arc::<str>::from(name));
        self.comms.push(Some(Arc::clone(&name)));
        self.known_comms.insert(name, id);
        id
    }
}

impl Collected {
    fn new(workers: Vec<Worker<'_>>) -> Self {
        let mut costs: BTreeMap<(Option<Arc<str>>, StackId), Cost> = BTreeMap::new();
        let mut threads: BTreeMap<(i32, i32), Cost> = BTreeMap::new();
        let mut counts = StackCounts::default();
        let mut total = Cost::default();
        let (mut filtered, mut malformed) = (0, 0);
        let (mut trees, mut rest) = (Vec::new(), Vec::new());
        for worker in workers {
            let (stacks, own) = worker.builder.finish();
            counts.merge(&own);
            trees.push(stacks);
            rest.push((worker.comms, worker.costs));
            for (thread, cost) in worker.threads {
                threads.entry(thread).or_default().add(cost);
                total.add(cost);
            }
            filtered += worker.filtered;
            malformed += worker.malformed;
        }
        let merged = Stacks::merge(trees);
        for ((comms, own), renamed) in rest.into_iter().zip(merged.renamed) {
            for ((comm, stack), cost) in own {
                let comm = comms[comm as usize].clone();
                let key = (comm, renamed[stack.index()]);
                costs.entry(key).or_default().add(cost);
            }
        }
        Self {
            stacks: merged.stacks,
            costs,
            threads,
            counts,
            total,
            filtered,
            malformed,
        }
    }
}
