//! From samples to stacks, one builder a worker.

use super::chain::{self, Step};
use super::counts::{Flaws, StackCounts};
use super::frame::{Frame, Mode};
use super::tree::{StackId, Stacks};
use super::unwind::{End, Unwinding, UserStacks};
use crate::space::{AddressSpace, Epoch};
use contend_perfdata::{At, CpuMode, Registers, Sample, UserStack};
use foldhash::HashMap;

/// How many words of call chains are remembered, so that a chain that comes
/// again is not looked up again: by all workers together.
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
    unwinding: &'a Unwinding<'a>,
    user_stacks: UserStacks,
    stacks: Stacks,
    counts: StackCounts,
    known: HashMap<Chain, (StackId, Flaws)>,
    remembered: usize,
    /// How many words this worker may remember.
    most_remembered: usize,
    /// Reused from sample to sample.
    words: Vec<u64>,
    steps: Vec<Step>,
    frames: Vec<Frame>,
}

impl<'a> StackBuilder<'a> {
    /// A builder for samples of one capture, one of as many as there are workers.
    pub(crate) fn new(unwinding: &'a Unwinding<'a>) -> Self {
        Self {
            space: unwinding.space(),
            unwinding,
            user_stacks: UserStacks::default(),
            stacks: Stacks::default(),
            counts: StackCounts::default(),
            known: HashMap::default(),
            remembered: 0,
            most_remembered: MOST_REMEMBERED / unwinding.workers(),
            words: Vec::new(),
            steps: Vec::new(),
            frames: Vec::new(),
        }
    }

    /// The stack of a sample: kernel frames on top of user frames, which may have
    /// to be unwound. A sample without either is the one frame of its instruction.
    pub(crate) fn stack(&mut self, sample: &Sample<'_>, misc: u16, at: At) -> StackId {
        let pid = sample.pid_tid.map_or(-1, |(pid, _)| pid);
        if let (Some(registers), Some(stack)) = (&sample.user_regs, &sample.user_stack)
            && registers.abi != 0
            && !stack.bytes.is_empty()
        {
            return self.unwound(sample, (registers, stack), pid, at);
        }
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
                if !self.unwinding.jit().is_timed(pid) {
                    self.remember(key, made);
                }
                made
            }
        };
        self.counts.add(flaws);
        self.words = words;
        stack
    }

    /// The kernel part of a call chain on top of what is unwound.
    fn unwound(
        &mut self,
        sample: &Sample<'_>,
        user: (&Registers<'_>, &UserStack<'_>),
        pid: i32,
        at: At,
    ) -> StackId {
        let mut flaws = Flaws::default();
        self.frames.clear();
        if let Some(chain) = &sample.callchain {
            self.chain(chain.iter(), &mut flaws, pid, at);
        }
        // A recorder that asks for stack bytes asks for no user part of the
        // chain; what else may stand there is the worse one.
        self.frames.retain(|frame| frame.mode() != Mode::User);
        let space = (pid, at);
        let outcome = self
            .user_stacks
            .unwind(self.unwinding, user, space, &mut self.frames);
        match outcome.end {
            End::Root => {}
            End::Truncated => flaws.set(Flaws::TRUNCATED),
            End::Broken => flaws.set(Flaws::BROKEN),
            End::TooDeep => flaws.set(Flaws::TOO_DEEP),
            End::OtherArch => {
                flaws.set(Flaws::OTHER_ARCH);
                let leaf = sample.ip.filter(|_| self.frames.is_empty());
                let code = (self.space, self.unwinding.jit());
                let leaf = leaf.map(|ip| Frame::new(code, Mode::User, pid, ip, at));
                self.frames.extend(leaf);
            }
        }
        flaws.set_if(outcome.guessed, Flaws::GUESSED);
        flaws.set_if(self.frames.is_empty(), Flaws::NO_FRAMES);
        self.counts.add(flaws);
        self.stacks.intern(self.frames.iter().rev().copied())
    }

    fn remember(&mut self, chain: Chain, made: (StackId, Flaws)) {
        self.remembered += chain.words.len() + 4;
        if self.remembered > self.most_remembered {
            self.known.clear();
            self.remembered = chain.words.len() + 4;
        }
        self.known.insert(chain, made);
    }

    fn make(&mut self, words: &[u64], pid: i32, at: At) -> (StackId, Flaws) {
        let mut flaws = Flaws::default();
        self.frames.clear();
        self.chain(words.iter().copied(), &mut flaws, pid, at);
        flaws.set_if(cut_broken(&mut self.frames), Flaws::BROKEN);
        flaws.set_if(self.frames.is_empty(), Flaws::NO_FRAMES);
        let root_first = self.frames.iter().rev().copied();
        (self.stacks.intern(root_first), flaws)
    }

    /// Adds the frames of a call chain.
    fn chain(&mut self, words: impl Iterator<Item = u64>, flaws: &mut Flaws, pid: i32, at: At) {
        self.steps.clear();
        let facts = chain::split(words, &mut self.steps);
        flaws.set_if(facts.deferred, Flaws::DEFERRED);
        flaws.set_if(facts.unknown_mark, Flaws::UNKNOWN_MARK);
        flaws.set_if(facts.too_long, Flaws::TOO_DEEP);
        let steps = self.steps.iter();
        let code = (self.space, self.unwinding.jit());
        let frames = steps.map(|step| Frame::new(code, step.mode, pid, step.address, at));
        self.frames.extend(frames);
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
