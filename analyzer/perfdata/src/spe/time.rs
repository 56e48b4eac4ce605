//! From counts of the generic timer to times of the recording clock.

use crate::bytes::Cursor;
use linux_perf_event_reader::Endianness;

/// `PERF_RECORD_TIME_CONV`: how the kernel converts the timer's counts
/// (`struct perf_record_time_conv` in `tools/lib/perf/include/perf/event.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeConv {
    /// `time_shift`.
    pub shift: u64,
    /// `time_mult`.
    pub mult: u64,
    /// `time_zero`, in ns.
    pub zero: u64,
    /// `time_cycles` and `time_mask` where the counter has fewer bits than a word
    /// (`cap_user_time_short`).
    pub short: Option<(u64, u64)>,
}

impl TimeConv {
    /// Reads the bytes behind the header of the record; nothing when they are too
    /// few.
    pub fn parse(body: &[u8], endian: Endianness) -> Option<Self> {
        let mut cursor = Cursor::new(body, endian);
        let (shift, mult, zero) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        // Kernels before 5.12 end here.
        let short = (|| {
            let (cycles, mask) = (cursor.u64()?, cursor.u64()?);
            let (_cap_zero, cap_short) = (cursor.u8()?, cursor.u8()?);
            (cap_short != 0).then_some((cycles, mask))
        })();
        Some(Self {
            shift,
            mult,
            zero,
            short,
        })
    }

    /// Whether it converts anything: no kernel writes a multiplier of 0, or a shift
    /// beyond a word.
    pub fn is_possible(&self) -> bool {
        self.mult > 0 && self.shift < 64
    }

    /// Made ready for many counts.
    pub fn ready(&self) -> TimeScale {
        let (cycles, mask) = self.short.unwrap_or((0, u64::MAX));
        // Shifts beyond a word, which no kernel writes, give 0 for what they shift.
        let (shift, mult) = match u32::try_from(self.shift) {
            Ok(shift) if shift < u64::BITS => (shift, self.mult),
            _ => (0, 0),
        };
        TimeScale {
            shift,
            below: (1 << shift) - 1,
            mult,
            zero: self.zero,
            cycles,
            mask,
        }
    }

    /// The time of a count, in ns.
    pub fn time(&self, count: u64) -> u64 {
        self.ready().time(count)
    }
}

/// A conversion that is made ready: what is the same for all counts is worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeScale {
    /// Less than the bits of a word.
    shift: u32,
    /// The bits that `shift` removes.
    below: u64,
    mult: u64,
    zero: u64,
    cycles: u64,
    /// All bits where the counter has as many as a word.
    mask: u64,
}

impl TimeScale {
    /// The time of a count, in ns (`tsc_to_perf_time` in `tools/perf/util/tsc.c`).
    /// Sums wrap around as there.
    #[inline]
    pub fn time(&self, count: u64) -> u64 {
        let ahead = count.wrapping_sub(self.cycles) & self.mask;
        let count = self.cycles.wrapping_add(ahead);
        let whole = (count >> self.shift).wrapping_mul(self.mult);
        let rest = (count & self.below).wrapping_mul(self.mult) >> self.shift;
        self.zero.wrapping_add(whole).wrapping_add(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_of_100_mhz_counts_tens_of_nanoseconds() {
        let conv = TimeConv {
            shift: 28,
            mult: 2_684_354_560,
            zero: 0,
            short: Some((500_000_000_000, (1 << 56) - 1)),
        };
        assert_eq!(conv.time(500_000_000_000), 5_000_000_000_000);
        assert_eq!(conv.time(500_000_000_007), 5_000_000_000_070);
        // The upper bits of a short counter are those of the moment of the record.
        let wrapped = (1 << 56) + 500_000_000_007;
        assert_eq!(conv.time(wrapped), 5_000_000_000_070);
    }

    #[test]
    fn numbers_that_cannot_be_give_some_time() {
        for shift in [63, 64, 1 << 40] {
            let conv = TimeConv {
                shift,
                mult: u64::MAX,
                zero: u64::MAX,
                short: Some((u64::MAX, 7)),
            };
            conv.time(u64::MAX);
            assert_eq!(conv.is_possible(), shift < 64);
        }
        assert!(!TimeConv::default().is_possible());
    }

    #[test]
    fn short_records_of_old_kernels_are_read() {
        let words = |count: u64| -> Vec<u8> { (1..=count).flat_map(u64::to_le_bytes).collect() };
        let parse = |body: &[u8]| TimeConv::parse(body, Endianness::LittleEndian);
        assert_eq!(parse(&words(2)), None);
        let old = parse(&words(3)).unwrap();
        assert_eq!((old.shift, old.mult, old.zero, old.short), (1, 2, 3, None));
        let mut long = words(5);
        long.extend([1, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(parse(&long).unwrap().short, Some((4, 5)));
    }
}
