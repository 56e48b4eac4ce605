//! What went wrong with stacks, counted by sample.

use crate::result::Quality;

/// What is odd about one stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flaws(u16);

impl Flaws {
    /// It has no frame.
    pub(super) const NO_FRAMES: Self = Self(1);
    /// Its user part is in a record that is not read.
    pub(super) const DEFERRED: Self = Self(1 << 1);
    /// Its chain has a mark that means nothing.
    pub(super) const UNKNOWN_MARK: Self = Self(1 << 2);
    /// It is deeper than is taken.
    pub(super) const TOO_DEEP: Self = Self(1 << 3);
    /// Its callers ended at addresses at which there is no code.
    pub(super) const BROKEN: Self = Self(1 << 4);
    /// The copied bytes of the stack ended before it did.
    pub(super) const TRUNCATED: Self = Self(1 << 5);
    /// Its registers are of a program that is not unwound.
    pub(super) const OTHER_ARCH: Self = Self(1 << 6);
    /// Callers were found by frame pointers for want of unwind information.
    pub(super) const GUESSED: Self = Self(1 << 7);

    /// Adds another flaw.
    pub(super) fn set(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) fn set_if(&mut self, condition: bool, other: Self) {
        if condition {
            self.set(other);
        }
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// How many stacks have which flaw, in samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StackCounts {
    /// Without a frame.
    pub(crate) empty: u64,
    /// The user part is in a record that is not read.
    pub(crate) deferred: u64,
    /// The chain has a mark that means nothing.
    pub(crate) unknown_mark: u64,
    /// Deeper than is taken.
    pub(crate) too_deep: u64,
    /// User callers ended at addresses at which there is no code.
    pub(crate) broken: u64,
    /// The copied bytes of the stack ended before the stack did.
    pub(crate) truncated: u64,
    /// Registers of a program that is not unwound, such as a 32-bit one.
    pub(crate) other_arch: u64,
    /// Callers were found by frame pointers for want of unwind information.
    pub(crate) guessed: u64,
}

impl StackCounts {
    pub(super) fn add(&mut self, flaws: Flaws) {
        if flaws == Flaws::default() {
            return;
        }
        for (count, flaw) in [
            (&mut self.empty, Flaws::NO_FRAMES),
            (&mut self.deferred, Flaws::DEFERRED),
            (&mut self.unknown_mark, Flaws::UNKNOWN_MARK),
            (&mut self.too_deep, Flaws::TOO_DEEP),
            (&mut self.broken, Flaws::BROKEN),
            (&mut self.truncated, Flaws::TRUNCATED),
            (&mut self.other_arch, Flaws::OTHER_ARCH),
            (&mut self.guessed, Flaws::GUESSED),
        ] {
            *count += u64::from(flaws.has(flaw));
        }
    }

    /// Adds what another worker counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.empty += other.empty;
        self.deferred += other.deferred;
        self.unknown_mark += other.unknown_mark;
        self.too_deep += other.too_deep;
        self.broken += other.broken;
        self.truncated += other.truncated;
        self.other_arch += other.other_arch;
        self.guessed += other.guessed;
    }

    /// Notes it where every document tells what was lost.
    pub(crate) fn note(&self, quality: &mut Quality) {
        quality.skip("stacks without a frame", self.empty);
        quality.skip("user stacks in records of their own", self.deferred);
        quality.skip("call chains with an unknown mark", self.unknown_mark);
        quality.skip("stacks deeper than is shown", self.too_deep);
        quality.skip("user stacks cut where no code is", self.broken);
        quality.skip("user stacks cut where the copied bytes end", self.truncated);
        quality.skip(
            "user stacks of programs that are not unwound",
            self.other_arch,
        );
        quality.skip(
            "user stacks that follow frame pointers where unwind information is missing",
            self.guessed,
        );
    }
}
