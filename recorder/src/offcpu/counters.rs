//! What the collector counted, of everything that it did not write.

/// A counter: its number is its place in `enum counter` of the BPF programs, and
/// behind these in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(dead_code, reason = "most are only places in the list")]
pub(super) enum Counter {
    Intervals,
    Short,
    ShortNs,
    ShortPreemptedNs,
    RingFull,
    RingFullNs,
    NoUserStack,
    NoKernelStack,
    NoSlot,
    Unseen,
    Open,
    Never,
    WakerRingFull,
    NoWakerSlot,
    NoFilterRoom,
    NoOut,
    NoIn,
    Late,
    /// Side-band records that the kernel had no room for.
    SideBandLost,
    /// Records of the ring that could not be read: never, unless object and reader
    /// are of two versions.
    Unreadable,
}

/// How many the BPF programs have.
pub(super) const IN_KERNEL: usize = Counter::Late as usize + 1;

/// How many there are.
pub(super) const COUNT: usize = Counter::Unreadable as usize + 1;

/// The values of all counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters(pub(super) [u64; COUNT]);

impl Counters {
    pub(super) fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize]
    }

    pub(super) fn add(&mut self, counter: Counter, n: u64) {
        self.0[counter as usize] += n;
    }

    /// Takes what the BPF programs have counted.
    pub(super) fn take_kernel(&mut self, other: &Self) {
        self.0[..IN_KERNEL].copy_from_slice(&other.0[..IN_KERNEL]);
    }

    /// What was lost, for people.
    pub(super) fn notes(&self) -> Vec<String> {
        let told: [(Counter, &str); 9] = [
            (
                Counter::RingFull,
                "intervals were lost because the ring buffer was full: record with a larger --min-block",
            ),
            (
                Counter::NoSlot,
                "switches were not seen for want of memory in the kernel",
            ),
            (
                Counter::WakerRingFull,
                "stacks of wakers were lost because the ring buffer was full",
            ),
            (
                Counter::NoWakerSlot,
                "stacks of wakers were lost for want of memory in the kernel",
            ),
            (
                Counter::NoFilterRoom,
                "child processes were not followed: too many at once",
            ),
            (
                Counter::SideBandLost,
                "records of mappings and threads were lost: some functions may have no name",
            ),
            (Counter::NoKernelStack, "intervals have no kernel stack"),
            (Counter::NoUserStack, "intervals have no user stack"),
            (
                Counter::Unreadable,
                "records of the kernel could not be read",
            ),
        ];
        let unseen = self.get(Counter::NoOut) + self.get(Counter::NoIn) - self.get(Counter::Late);
        let unseen = (unseen > 0).then(|| {
            format!("{unseen} intervals are missing, because the kernel did not tell one of their switches")
        });
        told.iter()
            .filter(|(counter, _)| self.get(*counter) > 0)
            .map(|(counter, what)| format!("{} {what}", self.get(*counter)))
            .chain(unseen)
            .collect()
    }
}
