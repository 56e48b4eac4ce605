//! The raw field of `offcpu-detail` and `offcpu-waker` (`docs/formats/offcpu.md`).

use super::counters::Counters;
use super::raw::{Interval, Waker, flag};

/// The version of the layout.
const VERSION: u16 = 1;

/// What a raw field tells.
const INTERVAL: u16 = 1;
const COUNTERS: u16 = 2;
const WAKER: u16 = 3;

/// Numbers of futex(2), and of nanosleep(2) and clock_nanosleep(2).
#[cfg(target_arch = "aarch64")]
const FUTEX: i32 = 98;
#[cfg(not(target_arch = "aarch64"))]
const FUTEX: i32 = 202;
#[cfg(target_arch = "aarch64")]
const SLEEPS: [i32; 2] = [101, 115];
#[cfg(not(target_arch = "aarch64"))]
const SLEEPS: [i32; 2] = [35, 230];

/// 32-bit code: other numbers of system calls.
const COMPAT: u32 = 1 << 4;

/// The futex word that a thread waits for; 0 for none.
pub(super) fn futex_word(interval: &Interval) -> u64 {
    /// `FUTEX_WAIT`, `LOCK_PI`, `WAIT_BITSET`, `WAIT_REQUEUE_PI`, `LOCK_PI2`.
    const WAITING: [u64; 5] = [0, 6, 9, 11, 13];
    /// Without the flags for private ones and for clocks.
    const OPERATION: u64 = 0x7f;
    let waits = interval.flags & (flag::PREEMPTED | COMPAT) == 0
        && interval.syscall == FUTEX
        && WAITING.contains(&(interval.args[1] & OPERATION));
    if waits { interval.args[0] } else { 0 }
}

fn begin(into: &mut Vec<u8>, kind: u16, size: u32) {
    into.clear();
    into.extend(VERSION.to_ne_bytes());
    into.extend(kind.to_ne_bytes());
    into.extend(size.to_ne_bytes());
}

/// The flags as written. A timer ends a sleep, and it runs in whichever thread it
/// interrupts: that one is not the waker, also where the kernel does not tell BPF
/// programs of interrupts.
fn flags(interval: &Interval) -> u32 {
    let is_sleep = interval.flags & COMPAT == 0 && SLEEPS.contains(&interval.syscall);
    if is_sleep && interval.wake != 0 {
        interval.flags | flag::HARDIRQ
    } else {
        interval.flags
    }
}

/// An interval: 104 bytes.
pub(super) fn put_interval(into: &mut Vec<u8>, interval: &Interval) {
    let run_queue = match interval.wake {
        0 => 0,
        wake => interval.end.saturating_sub(wake),
    };
    begin(into, INTERVAL, 104);
    let words = [
        interval.end.saturating_sub(interval.start),
        interval.wake,
        if interval.flags & flag::OPEN == 0 {
            run_queue
        } else {
            0
        },
    ];
    into.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
    let halves = [
        interval.waker_tid,
        interval.waker_tgid,
        interval.state,
        flags(interval),
        interval.syscall.cast_unsigned(),
        interval.out_cpu,
    ];
    into.extend(halves.iter().flat_map(|half| half.to_ne_bytes()));
    into.extend(interval.args.iter().flat_map(|word| word.to_ne_bytes()));
    into.extend(futex_word(interval).to_ne_bytes());
    let is_woken = interval.wake != 0;
    into.extend(if is_woken {
        interval.waker_comm
    } else {
        [0; 16]
    });
}

/// All counters.
pub(super) fn put_counters(into: &mut Vec<u8>, counters: &Counters) {
    begin(into, COUNTERS, (8 + counters.0.len() * 8) as u32);
    into.extend(counters.0.iter().flat_map(|count| count.to_ne_bytes()));
}

/// Whom the waker woke, and when: 24 bytes.
pub(super) fn put_waker(into: &mut Vec<u8>, waker: &Waker) {
    begin(into, WAKER, 24);
    into.extend(waker.wake.to_ne_bytes());
    into.extend(waker.woken_tid.to_ne_bytes());
    into.extend(0u32.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_waits_has_a_futex_word() {
        let mut interval = Interval {
            syscall: FUTEX,
            args: [0x1000, 0x80, 0],
            ..Interval::default()
        };
        assert_eq!(futex_word(&interval), 0x1000);
        interval.args[1] = 0x81;
        assert_eq!(futex_word(&interval), 0, "FUTEX_WAKE");
        interval.args[1] = 0x189;
        assert_eq!(futex_word(&interval), 0x1000, "FUTEX_WAIT_BITSET, realtime");
        interval.flags = flag::PREEMPTED;
        assert_eq!(futex_word(&interval), 0);
    }

    #[test]
    fn sizes_are_as_stated() {
        let mut bytes = Vec::new();
        put_interval(&mut bytes, &Interval::default());
        assert_eq!(bytes.len(), 104);
        put_waker(&mut bytes, &Waker::default());
        assert_eq!(bytes.len(), 24);
        put_counters(&mut bytes, &Counters::default());
        assert_eq!(
            bytes.len() as u32,
            u32::from_ne_bytes(bytes[4..8].try_into().unwrap())
        );
    }
}
