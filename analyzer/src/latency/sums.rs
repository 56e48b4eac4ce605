//! What is summed up of the accesses of a group.

use super::access::Access;

/// What is added to every group: exact sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(64))]
pub(super) struct Sums {
    /// Accesses with a latency.
    pub(super) count: u64,
    /// Accesses without.
    pub(super) without: u64,
    /// Of all latencies.
    pub(super) sum: u128,
    /// The least one; 0 when there is none.
    pub(super) min: u64,
    /// The largest one.
    pub(super) max: u64,
    /// Of what each latency is above its baseline.
    pub(super) lost: u128,
    /// Accesses with a latency that the samples stand for, by their periods.
    pub(super) events: u128,
    /// What those lost.
    pub(super) lost_events: u128,
    /// The slowest access.
    pub(super) slowest: Option<Slowest>,
}

/// Where the slowest access of a group went: of several, the one with the least
/// address, process and moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slowest {
    pub(super) addr: u64,
    pub(super) pid: i32,
    pub(super) mode: u8,
    pub(super) time: u64,
    pub(super) pos: u64,
}

impl Slowest {
    fn of(access: &Access) -> Self {
        Self {
            addr: access.addr,
            pid: access.thread.0,
            mode: access.mode,
            time: access.at.time,
            pos: access.at.pos,
        }
    }
}

impl Sums {
    /// Adds one access, of which everything above `baseline` is lost.
    #[inline]
    pub(super) fn add(&mut self, access: &Access, baseline: u64) {
        let Some(latency) = access.latency else {
            self.without += 1;
            if self.count == 0 {
                self.slowest = keep(self.slowest, Slowest::of(access));
            }
            return;
        };
        let lost = latency.saturating_sub(baseline);
        let period = access.period.unwrap_or(1);
        if self.count == 0 {
            (self.min, self.max) = (latency, latency);
            self.slowest = Some(Slowest::of(access));
        } else {
            self.min = self.min.min(latency);
            if latency >= self.max {
                let known = self.slowest.filter(|_| latency == self.max);
                self.slowest = keep(known, Slowest::of(access));
                self.max = latency;
            }
        }
        self.count += 1;
        self.sum += u128::from(latency);
        self.lost += u128::from(lost);
        // Periods are 64 bits wide in damaged or hostile files.
        self.events = self.events.saturating_add(period.into());
        let lost = u128::from(lost) * u128::from(period);
        self.lost_events = self.lost_events.saturating_add(lost);
    }

    /// Adds what another worker, or another group, has summed up.
    pub(super) fn merge(&mut self, other: &Self) {
        self.slowest = match (self.count, other.count) {
            (0, 1..) => other.slowest,
            (1.., 0) => self.slowest,
            _ if self.max > other.max => self.slowest,
            _ if self.max < other.max => other.slowest,
            _ => match (self.slowest, other.slowest) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        };
        self.min = match (self.count, other.count) {
            (0, _) => other.min,
            (_, 0) => self.min,
            _ => self.min.min(other.min),
        };
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.without += other.without;
        self.sum += other.sum;
        self.lost += other.lost;
        self.events = self.events.saturating_add(other.events);
        self.lost_events = self.lost_events.saturating_add(other.lost_events);
    }

    /// A word of each cache line that this is in; it means nothing.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        // In whatever order the compiler has put them.
        self.count ^ self.min ^ self.sum as u64 ^ self.lost_events as u64 ^ self.events as u64
    }

    /// All accesses.
    pub(super) fn accesses(&self) -> u64 {
        self.count + self.without
    }
}

fn keep(known: Option<Slowest>, new: Slowest) -> Option<Slowest> {
    Some(known.map_or(new, |known| known.min(new)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::access::Source;
    use crate::memory::{Class, Level, Op, Snoop, Where};
    use contend_perfdata::At;
    use proptest::prelude::*;

    fn access(latency: Option<u64>, addr: u64, period: u64) -> Access {
        Access {
            ip: 0,
            addr,
            phys_addr: 0,
            thread: (1, 1),
            cpu: 0,
            mode: 2,
            at: At { time: 5, pos: addr },
            has_time: true,
            source: Source {
                class: Class {
                    op: Op::Load,
                    level: Level::L1,
                    snoop: Snoop::None,
                    place: Where::Local,
                },
                code: None,
                model: 0,
            },
            latency,
            period: Some(period),
        }
    }

    proptest! {
        #[test]
        fn parts_in_any_order_are_the_whole(
            all in prop::collection::vec(
                (prop::option::of(0u64..6), 0u64..9, any::<u64>()), 0..40),
            cuts in prop::collection::vec(0usize..3, 40),
        ) {
            let mut whole = Sums::default();
            let mut parts = [Sums::default(); 3];
            for ((latency, addr, period), cut) in all.iter().zip(cuts) {
                let access = access(*latency, *addr, *period);
                whole.add(&access, 2);
                parts[cut].add(&access, 2);
            }
            for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
                let mut merged = Sums::default();
                order.iter().for_each(|&part| merged.merge(&parts[part]));
                prop_assert_eq!(merged, whole);
            }
            let latencies = all.iter().filter_map(|access| access.0);
            prop_assert_eq!(whole.min, latencies.clone().min().unwrap_or(0));
            prop_assert_eq!(whole.max, latencies.clone().max().unwrap_or(0));
            let lost: u64 = latencies.map(|latency| latency.saturating_sub(2)).sum();
            prop_assert_eq!(whole.lost, u128::from(lost));
        }
    }
}
