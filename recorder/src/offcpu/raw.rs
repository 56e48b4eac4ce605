//! What the BPF programs write into the ring buffer: `struct head` and `struct
//! waker_head` of `recorder/bpf/offcpu.bpf.c`, with frames behind.

/// Bytes in front of the frames.
const HEAD: usize = 136;
const WAKER_HEAD: usize = 56;

/// Bits of [`Interval::flags`].
pub(super) mod flag {
    /// It would have run on.
    pub(in crate::offcpu) const PREEMPTED: u32 = 1 << 0;
    /// It has not ended.
    pub(in crate::offcpu) const OPEN: u32 = 1 << 1;
    /// An interrupt woke it.
    pub(in crate::offcpu) const HARDIRQ: u32 = 1 << 2;
}

/// Time that a thread was off the CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) flags: u32,
    /// CLOCK_MONOTONIC, in ns, as all times here.
    pub(super) start: u64,
    pub(super) end: u64,
    /// When it was woken; 0 when that was not seen.
    pub(super) wake: u64,
    pub(super) tid: u32,
    pub(super) tgid: u32,
    pub(super) waker_tid: u32,
    pub(super) waker_tgid: u32,
    /// The kernel's task state with which it left.
    pub(super) state: u32,
    /// -1 in none.
    pub(super) syscall: i32,
    pub(super) args: [u64; 3],
    pub(super) out_cpu: u32,
    pub(super) in_cpu: u32,
    pub(super) comm: [u8; 16],
    pub(super) waker_comm: [u8; 16],
}

/// Who woke a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Waker {
    pub(super) tid: u32,
    pub(super) tgid: u32,
    pub(super) cpu: u32,
    pub(super) wake: u64,
    /// When the thread that was woken came onto a CPU.
    pub(super) end: u64,
    pub(super) woken_tid: u32,
    pub(super) comm: [u8; 16],
}

/// A record of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raw {
    Interval(Interval),
    Waker(Waker),
}

/// Frames of a record, kept between records so that none is allocated.
#[derive(Debug, Default)]
pub(super) struct Frames {
    pub(super) user: Vec<u64>,
    pub(super) kernel: Vec<u64>,
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.0[at..at + N]);
        array
    }
    fn u16(&self, at: usize) -> usize {
        u16::from_ne_bytes(self.array(at)).into()
    }
    fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.array(at))
    }
    fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.array(at))
    }
}

/// Reads a record and its frames; absent when it is none.
pub(super) fn read(record: &[u8], frames: &mut Frames) -> Option<Raw> {
    let bytes = Bytes(record);
    if record.len() < 4 {
        return None;
    }
    match bytes.u32(0) {
        1 if record.len() >= HEAD => {
            take_frames(&record[HEAD..], bytes.u16(88), bytes.u16(90), frames)?;
            Some(Raw::Interval(Interval {
                flags: bytes.u32(4),
                start: bytes.u64(8),
                end: bytes.u64(16),
                wake: bytes.u64(24),
                tid: bytes.u32(32),
                tgid: bytes.u32(36),
                waker_tid: bytes.u32(40),
                waker_tgid: bytes.u32(44),
                state: bytes.u32(48),
                syscall: bytes.u32(52).cast_signed(),
                args: [56, 64, 72].map(|at| bytes.u64(at)),
                out_cpu: bytes.u32(80),
                in_cpu: bytes.u32(84),
                comm: bytes.array(104),
                waker_comm: bytes.array(120),
            }))
        }
        2 if record.len() >= WAKER_HEAD => {
            take_frames(&record[WAKER_HEAD..], bytes.u16(36), bytes.u16(38), frames)?;
            Some(Raw::Waker(Waker {
                tid: bytes.u32(4),
                tgid: bytes.u32(8),
                cpu: bytes.u32(12),
                wake: bytes.u64(16),
                end: bytes.u64(24),
                woken_tid: bytes.u32(32),
                comm: bytes.array(40),
            }))
        }
        _ => None,
    }
}

fn take_frames(bytes: &[u8], users: usize, kernels: usize, frames: &mut Frames) -> Option<()> {
    let (user, rest) = bytes.split_at_checked(users * 8)?;
    let kernel = rest.get(..kernels * 8)?;
    for (from, to) in [(user, &mut frames.user), (kernel, &mut frames.kernel)] {
        to.clear();
        to.extend(from.chunks_exact(8).map(|word| Bytes(word).u64(0)));
        // The kernel fills up with zeros where a chain ends early.
        while to.last() == Some(&0) {
            to.pop();
        }
    }
    Some(())
}

/// A name without what fills it up.
pub(super) fn text(comm: &[u8; 16]) -> &[u8] {
    let end = comm.iter().position(|&byte| byte == 0);
    &comm[..end.unwrap_or(comm.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(users: u16, kernels: u16, frames: &[u64]) -> Vec<u8> {
        let mut record = vec![0; HEAD];
        record[0] = 1;
        record[32..36].copy_from_slice(&7u32.to_ne_bytes());
        record[52..56].copy_from_slice(&(-1i32).to_ne_bytes());
        record[88..90].copy_from_slice(&users.to_ne_bytes());
        record[90..92].copy_from_slice(&kernels.to_ne_bytes());
        record.extend(frames.iter().flat_map(|frame| frame.to_ne_bytes()));
        record
    }

    #[test]
    fn frames_of_the_program_come_first() {
        let mut frames = Frames::default();
        let record = interval(2, 1, &[10, 11, 20]);
        let Some(Raw::Interval(found)) = read(&record, &mut frames) else {
            panic!("an interval was written");
        };
        assert_eq!((found.tid, found.syscall), (7, -1));
        assert_eq!(
            (&frames.user[..], &frames.kernel[..]),
            (&[10, 11][..], &[20][..])
        );
    }

    #[test]
    fn a_cut_record_is_none() {
        let record = interval(2, 1, &[10, 11, 20]);
        for end in 0..record.len() {
            assert_eq!(read(&record[..end], &mut Frames::default()), None, "{end}");
        }
        assert_eq!(read(&[9; 200], &mut Frames::default()), None);
    }
}
