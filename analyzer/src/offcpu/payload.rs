//! What the raw fields of samples say: tracepoints of the scheduler by the
//! formats of the capture, and the layouts of off-CPU collectors.

use super::event::{Detail, INTERRUPT, Reason};
use contend_perfdata::{Attr, Cursor, Endianness, Features, TraceField, TraceFlags, TraceFormat};

/// `TRACE_FLAG_HARDIRQ` and `TRACE_FLAG_SOFTIRQ` of `common_flags`
/// (`include/linux/trace_events.h`).
const IN_INTERRUPT: i64 = 0x08 | 0x10;

/// Times from here on are no times: sums at the end of a recording
/// (`OFF_CPU_TIMESTAMP` in `tools/perf/util/off_cpu.h`).
pub(super) const NO_TIME: u64 = 0xffff_ffff_0000_0000;

/// The mark of user frames in a call chain (`PERF_CONTEXT_USER`).
const USER_FRAMES: u64 = -512i64 as u64;

/// A switch as the tracepoint tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Switch<'a> {
    pub(super) prev_tid: i32,
    pub(super) prev_comm: &'a [u8],
    pub(super) reason: Reason,
    pub(super) next_tid: i32,
    pub(super) next_comm: &'a [u8],
}

/// Where the payload of `sched_switch` has what.
#[derive(Clone, Debug)]
pub(super) struct SwitchPayload {
    endian: Endianness,
    prev_pid: TraceField,
    prev_state: TraceField,
    next_pid: TraceField,
    prev_comm: Option<TraceField>,
    next_comm: Option<TraceField>,
    states: TraceFlags,
}

impl SwitchPayload {
    /// By the format that the capture has for the event; absent when it has
    /// none, or one without these fields.
    pub(super) fn of(attr: &Attr, features: &Features) -> Option<Self> {
        let (format, endian) = format(attr, features)?;
        let field = |name| format.field(name).cloned();
        Some(Self {
            endian,
            prev_pid: field("prev_pid")?,
            prev_state: field("prev_state")?,
            next_pid: field("next_pid")?,
            prev_comm: field("prev_comm"),
            next_comm: field("next_comm"),
            states: format.flags("prev_state"),
        })
    }

    /// Reads a payload; absent when it is too short.
    pub(super) fn read<'a>(&self, raw: &'a [u8]) -> Option<Switch<'a>> {
        let number = |field: &TraceField| field.number(raw, self.endian);
        let comm = |field: &Option<TraceField>| field.as_ref().and_then(|field| field.bytes(raw));
        Some(Switch {
            prev_tid: tid(number(&self.prev_pid)?)?,
            prev_comm: comm(&self.prev_comm).unwrap_or_default(),
            reason: self.reason(number(&self.prev_state)?),
            next_tid: tid(number(&self.next_pid)?)?,
            next_comm: comm(&self.next_comm).unwrap_or_default(),
        })
    }

    /// The kernel marks who was preempted with a bit of its own, whatever state
    /// the thread had already set; without a state it ran
    /// (`__trace_sched_switch_state` in `include/trace/events/sched.h`).
    fn reason(&self, state: i64) -> Reason {
        let state = state.cast_unsigned();
        if self.states.plus.is_some_and(|plus| state & plus != 0) {
            return Reason::PREEMPTED;
        }
        if self.states.letters.is_empty() {
            // The numbers of the first two have never changed.
            return match state {
                0 => Reason::PREEMPTED,
                1 => Reason::of_letter(b'S'),
                2 => Reason::of_letter(b'D'),
                _ => Reason::BLOCKED,
            };
        }
        let set = self.states.letters.iter();
        let mut set = set.filter(|(bits, _)| *bits != 0 && state & bits == *bits);
        match set.next() {
            Some((_, letter)) => Reason::of_letter(letter.bytes().next().unwrap_or(b'?')),
            None if state == 0 => Reason::PREEMPTED,
            None => Reason::BLOCKED,
        }
    }
}

/// Where the payload of `sched_waking` and `sched_wakeup` has what.
#[derive(Clone, Debug)]
pub(super) struct WakePayload {
    endian: Endianness,
    pid: TraceField,
    flags: Option<TraceField>,
}

impl WakePayload {
    /// By the format that the capture has for the event.
    pub(super) fn of(attr: &Attr, features: &Features) -> Option<Self> {
        let (format, endian) = format(attr, features)?;
        Some(Self {
            endian,
            pid: format.field("pid")?.clone(),
            flags: format.field("common_flags").cloned(),
        })
    }

    /// The thread that is woken, and whether an interrupt does it; absent when
    /// the payload is too short.
    pub(super) fn read(&self, raw: &[u8]) -> Option<(i32, bool)> {
        let flags = self.flags.as_ref();
        let flags = flags.and_then(|flags| flags.number(raw, self.endian));
        let tid = tid(self.pid.number(raw, self.endian)?)?;
        Some((tid, flags.unwrap_or(0) & IN_INTERRUPT != 0))
    }
}

fn format(attr: &Attr, features: &Features) -> Option<(TraceFormat, Endianness)> {
    let formats = features.tracing_data.as_ref()?;
    let event = formats.event(attr.config)?;
    Some((TraceFormat::parse(&event.format), formats.endian))
}

fn tid(number: i64) -> Option<i32> {
    i32::try_from(number).ok()
}

/// What perf's own collector writes into the raw field (`offcpu-time` since
/// perf 6.15): two halves of a word, ns, and a call chain with its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PerfOffCpu<'a> {
    pub(super) pid: i32,
    pub(super) tid: i32,
    pub(super) ns: u64,
    /// The words of the call chain, marks included, as bytes.
    pub(super) chain: &'a [u8],
    /// Whether it is a sum of intervals whose times are not known.
    pub(super) is_sum: bool,
}

impl<'a> PerfOffCpu<'a> {
    /// Reads the raw field of a sample of this time; absent when it is too
    /// short.
    ///
    /// Sums have the process in the lower half, single intervals the thread:
    /// the BPF program and the tool that writes the sums disagree, and perf
    /// reads both as sums.
    pub(super) fn read(raw: &'a [u8], time: u64, endian: Endianness) -> Option<Self> {
        let mut cursor = Cursor::new(raw, endian);
        let ids = cursor.u64()?;
        let (low, high) = (
            (ids as u32).cast_signed(),
            ((ids >> 32) as u32).cast_signed(),
        );
        let is_sum = time >= NO_TIME;
        let (pid, tid) = if is_sum { (low, high) } else { (high, low) };
        let ns = cursor.u64()?;
        let words = usize::try_from(cursor.u64()?).ok()?;
        let chain = cursor.bytes(words.checked_mul(8)?)?;
        Some(Self {
            pid,
            tid,
            ns,
            chain,
            is_sum,
        })
    }

    /// Whether the chain begins as it should.
    pub(super) fn is_chain_marked(&self, endian: Endianness) -> bool {
        Cursor::new(self.chain, endian).u64() == Some(USER_FRAMES)
    }
}

/// Bytes of the raw field with which the prototype of the bundled collector says more
/// than a sample has fields for.
const DETAIL_SIZE: usize = 52;

/// The bit of the state that says "would have run on".
const DETAIL_PREEMPTED: u32 = 1 << 16;

/// Reads what the prototype of the bundled collector says of an interval: u64 time of the waking,
/// u32 thread and u32 process that did it, i32 system call (-1 outside), u32
/// state (bit 16: preempted), u32 CPU, three u64 arguments. Absent when it is
/// shorter.
pub(super) fn collector_detail(raw: &[u8], endian: Endianness) -> Option<(Detail, Reason)> {
    if raw.len() < DETAIL_SIZE {
        return None;
    }
    let mut cursor = Cursor::new(raw, endian);
    let woken = cursor.u64()?;
    let waker = cursor.u32()?;
    cursor.skip(4)?;
    let syscall = cursor.i32()?;
    let state = cursor.u32()?;
    let reason = if state & DETAIL_PREEMPTED != 0 {
        Reason::PREEMPTED
    } else {
        task_state(state & (DETAIL_PREEMPTED - 1))
    };
    let detail = Detail {
        syscall: Some(syscall),
        // Nobody wakes who has not slept. Thread 0 is the idle one: an
        // interrupt did it.
        waker: (woken != 0 && reason.is_blocked).then(|| {
            let waker = if waker == 0 { INTERRUPT } else { waker };
            (waker, woken)
        }),
        ..Detail::default()
    };
    Some((detail, reason))
}

/// The reason of a `task_struct`'s state as the kernel has it
/// (`include/linux/sched.h`), which tracepoints translate.
pub(super) fn task_state(state: u32) -> Reason {
    const INTERRUPTIBLE: u32 = 1;
    const UNINTERRUPTIBLE: u32 = 2;
    match state & 0xff {
        0 => Reason::PREEMPTED,
        state if state & UNINTERRUPTIBLE != 0 => Reason::of_letter(b'D'),
        state if state & INTERRUPTIBLE != 0 => Reason::of_letter(b'S'),
        4 => Reason::of_letter(b'T'),
        8 => Reason::of_letter(b't'),
        0x10 | 0x20 | 0x80 => Reason::of_letter(b'X'),
        0x40 => Reason::of_letter(b'P'),
        _ => Reason::BLOCKED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_intervals_have_the_halves_exchanged() {
        let mut raw = Vec::new();
        for word in [(20u64 << 32) | 10, 5_000, 2, USER_FRAMES, 0x1234, 0] {
            raw.extend(word.to_le_bytes());
        }
        raw.extend([0; 4]);
        let sum = PerfOffCpu::read(&raw, NO_TIME + 3, Endianness::LittleEndian).unwrap();
        assert_eq!(
            (sum.pid, sum.tid, sum.ns, sum.is_sum),
            (10, 20, 5_000, true)
        );
        assert!(sum.is_chain_marked(Endianness::LittleEndian));
        assert_eq!(sum.chain.len(), 16);
        let single = PerfOffCpu::read(&raw, 77, Endianness::LittleEndian).unwrap();
        assert_eq!((single.pid, single.tid, single.is_sum), (20, 10, false));
        for cut in 0..40 {
            assert_eq!(
                PerfOffCpu::read(&raw[..cut], 77, Endianness::LittleEndian),
                None
            );
        }
    }

    #[test]
    fn details_of_the_collector() {
        let mut raw = Vec::new();
        raw.extend(99u64.to_le_bytes());
        raw.extend([7u32, 6].map(u32::to_le_bytes).concat());
        raw.extend(202i32.to_le_bytes());
        raw.extend([1u32, 0].map(u32::to_le_bytes).concat());
        raw.extend([0; 24]);
        let (detail, reason) = collector_detail(&raw, Endianness::LittleEndian).unwrap();
        assert_eq!(detail.waker, Some((7, 99)));
        assert_eq!(
            (detail.syscall, reason),
            (Some(202), Reason::of_letter(b'S'))
        );
        raw[20..24].copy_from_slice(&(1u32 << 16 | 1).to_le_bytes());
        let (detail, reason) = collector_detail(&raw, Endianness::LittleEndian).unwrap();
        assert_eq!((detail.waker, reason), (None, Reason::PREEMPTED));
        assert_eq!(collector_detail(&raw[..51], Endianness::LittleEndian), None);
    }
}
