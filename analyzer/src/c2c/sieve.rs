//! A quick test that keeps out nearly all addresses that are not looked for.

/// Bits for each address that is looked for: about one in sixteen others passes.
const BITS_PER_ADDRESS: usize = 16;

/// The most bits: they stay in a level-2 cache.
const MOST_BITS: usize = 1 << 22;

/// A set that may say yes to a number that is not in it.
pub(super) enum Sieve {
    /// Everything passes.
    Open,
    /// What has its bit set passes.
    Bits { words: Vec<u64>, shift: u32 },
}

impl Sieve {
    /// A sieve for these line addresses.
    pub(super) fn new(lines: impl ExactSizeIterator<Item = u64>) -> Self {
        let bits = (lines.len() * BITS_PER_ADDRESS).next_power_of_two();
        let bits = bits.clamp(64, MOST_BITS);
        let mut words = vec![0u64; bits / 64];
        let shift = 64 - bits.trailing_zeros();
        for line in lines {
            let bit = spread(line, shift);
            words[bit / 64] |= 1 << (bit % 64);
        }
        Self::Bits { words, shift }
    }

    /// Whether the line may be among those looked for.
    #[inline]
    pub(super) fn may_hold(&self, line: u64) -> bool {
        match self {
            Self::Open => true,
            Self::Bits { words, shift } => {
                let bit = spread(line, *shift);
                words[bit / 64] >> (bit % 64) & 1 != 0
            }
        }
    }
}

#[inline]
fn spread(line: u64, shift: u32) -> usize {
    (line.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_passes_and_most_else_does_not() {
        let lines: Vec<u64> = (0..1000)
            .map(|line| 0x7f00_0000_0000 + line * 640)
            .collect();
        let sieve = Sieve::new(lines.iter().copied());
        assert!(lines.iter().all(|&line| sieve.may_hold(line)));
        let others = (0..10_000).filter(|other| sieve.may_hold(0x5600_0000_0000 + other * 64));
        assert!(others.count() < 2000);
        assert!(!Sieve::new([].into_iter()).may_hold(64));
        assert!(Sieve::Open.may_hold(64));
    }
}
