//! Several clocks at one moment, so that captures with different clocks can be
//! laid over each other.

use contend_bundle::ClockReading;

/// One clock in nanoseconds; absent where the kernel does not have it.
fn clock(id: libc::clockid_t) -> Option<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the answer.
    let outcome = unsafe { libc::clock_gettime(id, &mut time) };
    let seconds = u64::try_from(time.tv_sec).ok().filter(|_| outcome == 0)?;
    seconds
        .checked_mul(1_000_000_000)?
        .checked_add(u64::try_from(time.tv_nsec).ok()?)
}

/// Reads the clocks. Of a few readings that with the least time between its
/// first and its last clock counts: between the others something else ran.
#[must_use]
pub fn read() -> ClockReading {
    let reading = || {
        let before = clock(libc::CLOCK_MONOTONIC);
        let reading = ClockReading {
            realtime_ns: clock(libc::CLOCK_REALTIME),
            monotonic_ns: clock(libc::CLOCK_MONOTONIC),
            monotonic_raw_ns: clock(libc::CLOCK_MONOTONIC_RAW),
            boottime_ns: clock(libc::CLOCK_BOOTTIME),
        };
        let took = clock(libc::CLOCK_MONOTONIC).zip(before);
        let took = took.map_or(u64::MAX, |(after, before)| after.saturating_sub(before));
        (took, reading)
    };
    let readings = (0..8).map(|_| reading());
    readings
        .min_by_key(|&(took, _)| took)
        .map_or_else(ClockReading::default, |best| best.1)
}

/// Now, in nanoseconds since 1970-01-01 UTC.
#[must_use]
pub fn realtime_ns() -> Option<u64> {
    clock(libc::CLOCK_REALTIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_read_together_and_go_on() {
        let (first, second) = (read(), read());
        let monotonic = first.monotonic_ns.zip(second.monotonic_ns).unwrap();
        assert!(monotonic.0 < monotonic.1);
        let real = first.realtime_ns.zip(second.realtime_ns).unwrap();
        assert!(real.0 > 1_500_000_000_000_000_000);
        // The same time goes by on both.
        let drift = (real.1 - real.0).abs_diff(monotonic.1 - monotonic.0);
        assert!(drift < 1_000_000_000, "{drift}");
        assert!(first.boottime_ns >= first.monotonic_ns);
    }
}
