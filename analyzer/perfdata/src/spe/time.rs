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

    /// The time of a count, in ns (`tsc_to_perf_time` in `tools/perf/util/tsc.c`).
    /// Sums wrap around as there; shifts beyond a word, which no kernel writes,
    /// give 0 for what they shift.
    #[inline]
    pub fn time(&self, count: u64) -> u64 {
        let count = match self.short {
            Some((cycles, mask)) => cycles.wrapping_add(count.wrapping_sub(cycles) & mask),
            None => count,
        };
        let shift = u32::try_from(self.shift).unwrap_or(u32::MAX);
        let quotient = count.checked_shr(shift).unwrap_or(0);
        let below = 1u64.checked_shl(shift).map_or(u64::MAX, |one| one - 1);
        let rest = (count & below).wrapping_mul(self.mult);
        self.zero
            .wrapping_add(quotient.wrapping_mul(self.mult))
            .wrapping_add(rest.checked_shr(shift).unwrap_or(0))
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
