//! What the bundled collector says in the raw fields of `offcpu-detail` and
//! `offcpu-waker`: docs/formats/offcpu.md.

use super::event::{Detail, INTERRUPT, Reason};
use super::payload::task_state;
use contend_perfdata::{Cursor, Endianness};

/// The version of the layout that is read.
const VERSION: u16 = 1;

/// Flags of an interval.
const PREEMPTED: u32 = 1 << 0;
const OPEN: u32 = 1 << 1;
const IN_INTERRUPT: u32 = 1 << 2 | 1 << 3;
const COMPAT: u32 = 1 << 4;

/// How many counters are known. Later versions may add some.
const COUNTERS: usize = 20;

/// A raw field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collected {
    /// More about an interval.
    Interval(Detail, Reason),
    /// What was counted until then.
    Counters(Counters),
    /// Whom the sampled thread woke, and when.
    Waker { woken: i32, time: u64 },
}

/// What the collector counted of all that it did not write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters([u64; COUNTERS]);

/// Reads a raw field; absent when it is cut, or of a later version.
pub(super) fn read(raw: &[u8], endian: Endianness) -> Option<Collected> {
    let mut cursor = Cursor::new(raw, endian);
    let (version, kind) = (cursor.u16()?, cursor.u16()?);
    let size = cursor.u32()? as usize;
    if version != VERSION || size > raw.len() {
        return None;
    }
    match kind {
        1 => interval(&mut cursor),
        2 => {
            let mut counters = Counters::default();
            let there = size.saturating_sub(8) / 8;
            for counter in counters.0.iter_mut().take(there) {
                *counter = cursor.u64()?;
            }
            Some(Collected::Counters(counters))
        }
        3 => {
            let time = cursor.u64()?;
            let woken = cursor.i32()?;
            Some(Collected::Waker { woken, time })
        }
        _ => None,
    }
}

fn interval(cursor: &mut Cursor<'_>) -> Option<Collected> {
    let _length = cursor.u64()?;
    let woken = cursor.u64()?;
    let _run_queue = cursor.u64()?;
    let (waker, _process) = (cursor.u32()?, cursor.u32()?);
    let (state, flags) = (cursor.u32()?, cursor.u32()?);
    let (syscall, _cpu) = (cursor.i32()?, cursor.u32()?);
    cursor.skip(24)?;
    let word = cursor.u64()?;
    let reason = if flags & PREEMPTED != 0 {
        Reason::PREEMPTED
    } else {
        task_state(state)
    };
    // Thread 0 is the idle one: an interrupt did it.
    let by_interrupt = waker == 0 || flags & IN_INTERRUPT != 0;
    let detail = Detail {
        start: 0,
        word,
        // 32-bit programs have other numbers.
        syscall: (flags & COMPAT == 0).then_some(syscall),
        waker: (woken != 0 && reason.is_blocked)
            .then_some((if by_interrupt { INTERRUPT } else { waker }, woken)),
        is_open: flags & OPEN != 0,
    };
    Some(Collected::Interval(detail, reason))
}

impl Counters {
    /// What is missing, for people.
    pub(super) fn remarks(&self) -> Vec<String> {
        let [
            _intervals,
            short,
            short_ns,
            short_preempted_ns,
            ring_full,
            ring_full_ns,
            no_user_stack,
            no_kernel_stack,
            no_slot,
            unseen,
            _open,
            never,
            waker_ring_full,
            no_waker_slot,
            no_filter_room,
            no_out,
            no_in,
            late,
            _side_band_lost,
            unreadable,
        ] = self.0;
        let ms = |ns: u64| format!("{}.{} ms", ns / 1_000_000, ns / 100_000 % 10);
        let mut remarks = Vec::new();
        let mut remark = |count: u64, text: String| {
            if count > 0 {
                remarks.push(text);
            }
        };
        remark(
            ring_full,
            format!(
                "{ring_full} intervals ({}) were lost while recording, for want of room; record \
                 with a larger --min-block",
                ms(ring_full_ns)
            ),
        );
        remark(
            short,
            format!(
                "{short} intervals shorter than --min-block were counted and not recorded: {} in \
                 all, {} of it preempted",
                ms(short_ns),
                ms(short_preempted_ns)
            ),
        );
        remark(
            unseen,
            format!("{unseen} intervals had begun before the recording, and are not in it"),
        );
        remark(
            never,
            format!("{never} threads were off the CPU all the time, and are not in it"),
        );
        remark(
            no_slot,
            format!("{no_slot} switches were not recorded for want of memory in the kernel"),
        );
        remark(
            no_kernel_stack,
            format!("{no_kernel_stack} intervals have no kernel stack"),
        );
        remark(
            no_user_stack,
            format!("{no_user_stack} intervals have no user stack"),
        );
        remark(
            waker_ring_full + no_waker_slot,
            format!(
                "{} stacks of wakers were lost while recording",
                waker_ring_full + no_waker_slot
            ),
        );
        remark(
            no_filter_room,
            format!("{no_filter_room} child processes were not recorded: too many at once"),
        );
        let unseen_ends = no_in.saturating_sub(late);
        remark(
            no_out + unseen_ends,
            format!(
                "{} intervals are missing, because the kernel did not tell one of their switches",
                no_out + unseen_ends
            ),
        );
        remark(
            unreadable,
            format!("{unreadable} records of the kernel could not be read by the recorder"),
        );
        remarks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITTLE: Endianness = Endianness::LittleEndian;

    fn raw(flags: u32, state: u32, waker: u32) -> Vec<u8> {
        let mut raw = Vec::new();
        raw.extend([1u16, 1].map(u16::to_le_bytes).concat());
        raw.extend(104u32.to_le_bytes());
        raw.extend([5000u64, 99, 7].map(u64::to_le_bytes).concat());
        raw.extend(
            [waker, 6, state, flags, 202, 1]
                .map(u32::to_le_bytes)
                .concat(),
        );
        raw.extend([0x1000u64, 0, 0, 0x1000].map(u64::to_le_bytes).concat());
        raw.extend([0; 16]);
        raw.resize(108, 0);
        raw
    }

    fn read_interval(raw: &[u8]) -> (Detail, Reason) {
        match read(raw, LITTLE) {
            Some(Collected::Interval(detail, reason)) => (detail, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_interval_has_its_waker_and_lock() {
        let (detail, reason) = read_interval(&raw(0, 1, 7));
        assert_eq!(reason, Reason::of_letter(b'S'));
        assert_eq!(detail.waker, Some((7, 99)));
        assert_eq!((detail.word, detail.syscall), (0x1000, Some(202)));
        assert!(!detail.is_open);
    }

    #[test]
    fn flags_say_what_else() {
        let (detail, reason) = read_interval(&raw(PREEMPTED, 1, 7));
        assert_eq!((detail.waker, reason), (None, Reason::PREEMPTED));
        for by_interrupt in [raw(1 << 2, 1, 7), raw(1 << 3, 1, 7), raw(0, 1, 0)] {
            let (detail, _) = read_interval(&by_interrupt);
            assert_eq!(detail.waker, Some((INTERRUPT, 99)));
        }
        let (detail, _) = read_interval(&raw(OPEN | COMPAT, 1, 7));
        assert_eq!((detail.is_open, detail.syscall), (true, None));
    }

    #[test]
    fn what_is_cut_or_of_another_version_is_not_read() {
        let whole = raw(0, 1, 7);
        for end in 0..104 {
            assert_eq!(read(&whole[..end], LITTLE), None, "{end}");
        }
        let mut later = whole;
        later[0] = 2;
        assert_eq!(read(&later, LITTLE), None);
    }

    #[test]
    fn counters_may_become_more() {
        let mut raw = Vec::new();
        raw.extend([1u16, 2].map(u16::to_le_bytes).concat());
        raw.extend((8 + 24 * 8u32).to_le_bytes());
        raw.extend((0..24u64).flat_map(u64::to_le_bytes));
        let Some(Collected::Counters(counters)) = read(&raw, LITTLE) else {
            panic!("counters were written");
        };
        assert_eq!(counters.0[19], 19);
        assert!(counters.remarks()[0].starts_with("4 intervals"));
        assert_eq!(Counters::default().remarks(), Vec::<String>::new());
    }
}
