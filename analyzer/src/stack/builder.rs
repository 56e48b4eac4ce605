//! From samples to stacks, one builder a worker.

use super::chain::{self, Step};
use super::counts::{Flaws, StackCounts};
use super::frame::{Frame, Mode};
use super::tree::{StackId, Stacks};
use crate::space::{AddressSpace, Epoch};
use contend_perfdata::{At, CpuMode, Sample};
use foldhash::HashMap;

/// How many words of call chains are remembered, so that a chain that comes
/// again is not looked up again.
const MOST_REMEMBERED: usize = 4 << 20;

/// A call chain, and all that its frames depend on.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Chain {
    epoch: Epoch,
    pid: i32,
    words: Box<[u64]>,
}

/// Makes stacks of samples.
#[derive(Debug)]
pub(crate) struct StackBuilder<'a> {
    space: &'a AddressSpace,
    stacks: Stacks,
    counts: StackCounts,
    known: HashMap<Chain, (StackId, Flaws)>,
    remembered: usize,
    /// Reused from sample to sample.
    words: Vec<u64>,
    steps: Vec<Step>,
    frames: Vec<Frame>,
}

impl<'a> StackBuilder<'a> {
    /// A builder for samples of one capture.
    pub(crate) fn new(space: &'a AddressSpace) -> Self {
        Self {
            space,
            stacks: Stacks::default(),
            counts: StackCounts::default(),
            known: HashMap::default(),
            remembered: 0,
            words: Vec::new(),
            steps: Vec::new(),
            frames: Vec::new(),
        }
    }

    /// The stack of a sample: kernel frames on top of user frames. A sample
    /// without a call chain is the one frame of its instruction.
    pub(crate) fn stack(&mut self, sample: &Sample<'_>, misc: u16, at: At) -> StackId {
        let pid = sample.pid_tid.map_or(-1, |(pid, _)| pid);
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        match &sample.callchain {
            Some(chain) if !chain.is_empty() => words.extend(chain.iter()),
            _ => {
                let mode = Mode::from(CpuMode::from_misc(misc));
                words.extend([chain::mark(mode)].into_iter().chain(sample.ip));
            }
        }
        let key = Chain {
            epoch: self.space.epoch(pid, at),
            pid,
            words: words.as_slice().into(),
        };
        let (stack, flaws) = match self.known.get(&key) {
            Some(&known) => known,
            None => {
                let made = self.make(&words, pid, at);
                self.remember(key, made);
                made
            }
        };
        self.counts.add(flaws);
        self.words = words;
        stack
    }

    fn remember(&mut self, chain: Chain, made: (StackId, Flaws)) {
        self.remembered += chain.words.len() + 4;
        if self.remembered > MOST_REMEMBERED {
            self.known.clear();
            self.remembered = chain.words.len() + 4;
        }
        self.known.insert(chain, made);
    }

    fn make(&mut self, words: &[u64], pid: i32, at: At) -> (StackId, Flaws) {
        let mut flaws = Flaws::default();
        self.steps.clear();
        let facts = chain::split(words.iter().copied(), &mut self.steps);
        flaws.set_if(facts.deferred, Flaws::DEFERRED);
        flaws.set_if(facts.unknown_mark, Flaws::UNKNOWN_MARK);
        flaws.set_if(facts.too_long, Flaws::TOO_DEEP);
        self.frames.clear();
        let steps = self.steps.iter();
        let frames = steps.map(|step| Frame::new(self.space, step.mode, pid, step.address, at));
        self.frames.extend(frames);
        flaws.set_if(cut_broken(&mut self.frames), Flaws::BROKEN);
        flaws.set_if(self.frames.is_empty(), Flaws::NO_FRAMES);
        let root_first = self.frames.iter().rev().copied();
        (self.stacks.intern(root_first), flaws)
    }

    /// What it made.
    pub(crate) fn finish(self) -> (Stacks, StackCounts) {
        (self.stacks, self.counts)
    }
}

/// Cuts the callers of a user stack that are none, and says whether there were
/// any. Where code does not keep frame pointers, the kernel follows whatever is
/// in their place: it ends at addresses without code, or goes round in circles
/// among them until it has enough.
fn cut_broken(frames: &mut Vec<Frame>) -> bool {
    let length = frames.len();
    let first = frames.iter().position(|frame| frame.mode() == Mode::User);
    let Some(first) = first else { return false };
    // The leaf itself is where the CPU was, however odd.
    let callers = first + 1;
    let circle = (callers..length).find(|&index| {
        let frame = frames[index];
        frame.is_nowhere() && frames[callers..index].contains(&frame)
    });
    frames.truncate(circle.unwrap_or(length));
    while frames.len() > callers && frames.last().is_some_and(|frame| frame.is_nowhere()) {
        frames.pop();
    }
    frames.len() < length
}
