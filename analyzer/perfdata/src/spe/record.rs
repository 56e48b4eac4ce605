//! Records: the packets of one sampled operation put together.

use super::operation::Operation;
use super::packet::{KINDS, Kind, alignment_length, payload_size};

/// Indexes of address packets.
pub mod address {
    /// The sampled instruction.
    pub const PC: u8 = 0;
    /// Where a branch went.
    pub const TARGET: u8 = 1;
    /// The data (virtual).
    pub const DATA: u8 = 2;
    /// The data (physical).
    pub const PHYSICAL: u8 = 3;
    /// Where the branch before it went.
    pub const PREVIOUS_TARGET: u8 = 4;
}

/// Bits of the events packet. Bits 19 to 23 have these meanings from FEAT_SPEv1p4
/// on; before that they are implementation defined.
#[expect(missing_docs, reason = "the names are those of the manual")]
pub mod event {
    pub const EXCEPTION: u64 = 1 << 0;
    pub const RETIRED: u64 = 1 << 1;
    pub const L1D_ACCESS: u64 = 1 << 2;
    pub const L1D_REFILL: u64 = 1 << 3;
    pub const TLB_ACCESS: u64 = 1 << 4;
    pub const TLB_WALK: u64 = 1 << 5;
    pub const NOT_TAKEN: u64 = 1 << 6;
    pub const MISPREDICTED: u64 = 1 << 7;
    pub const LLC_ACCESS: u64 = 1 << 8;
    pub const LLC_REFILL: u64 = 1 << 9;
    pub const REMOTE_ACCESS: u64 = 1 << 10;
    pub const MISALIGNED: u64 = 1 << 11;
    pub const TRANSACTION: u64 = 1 << 16;
    pub const PARTIAL_PREDICATE: u64 = 1 << 17;
    pub const EMPTY_PREDICATE: u64 = 1 << 18;
    pub const L2D_ACCESS: u64 = 1 << 19;
    pub const L2D_REFILL: u64 = 1 << 20;
    pub const MODIFIED: u64 = 1 << 21;
    pub const RECENTLY_FETCHED: u64 = 1 << 22;
    pub const SNOOPED: u64 = 1 << 23;
    pub const STREAMING_SVE: u64 = 1 << 24;
    /// The bits that FEAT_SPEv1p4 gave a meaning.
    pub const SPE_1P4: u64 = L2D_ACCESS | L2D_REFILL | MODIFIED | RECENTLY_FETCHED | SNOOPED;
}

/// Which packets a record had.
mod has {
    pub(super) const ADDRESS: u32 = 1; // and the four behind it
    pub(super) const COUNTER: u32 = 1 << 5; // and the two behind it
    pub(super) const EVENTS: u32 = 1 << 8;
    pub(super) const SOURCE: u32 = 1 << 9;
    pub(super) const CONTEXT_EL1: u32 = 1 << 10;
    pub(super) const CONTEXT_EL2: u32 = 1 << 11;
    pub(super) const OPERATION: u32 = 1 << 12;
    pub(super) const TIMESTAMP: u32 = 1 << 13;
}

/// One sampled operation. What the hardware did not write is absent, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpeRecord {
    pub(super) has: u32,
    pub(super) operation: Operation,
    pub(super) source: u16,
    pub(super) counters: [u16; 3],
    pub(super) contexts: [u32; 2],
    pub(super) events: u64,
    pub(super) timestamp: u64,
    /// Those that were not written are 0.
    pub(super) addresses: [u64; 5],
}

/// The upper byte of kernel addresses, of which packets have the lower seven.
const KERNEL_TOP: u64 = 0xff << 56;
const LOW_56: u64 = (1 << 56) - 1;

impl SpeRecord {
    #[inline]
    fn if_has<T>(&self, what: u32, value: T) -> Option<T> {
        (self.has & what != 0).then_some(value)
    }

    /// The operation. Delivered records always have one.
    #[inline]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The count of the generic timer.
    #[inline]
    pub fn timestamp(&self) -> Option<u64> {
        self.if_has(has::TIMESTAMP, self.timestamp)
    }

    /// Bits of [`event`]; 0 when there was no such packet.
    #[inline]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Who answered, as an implementation-defined number.
    #[inline]
    pub fn source(&self) -> Option<u16> {
        self.if_has(has::SOURCE, self.source)
    }

    /// `CONTEXTIDR`: on Linux the thread in the first pid namespace. A kernel at
    /// EL2 writes the EL2 register.
    #[inline]
    pub fn context(&self) -> Option<u32> {
        // perf takes the last one; hardware writes one, or the same in both.
        self.if_has(has::CONTEXT_EL2, self.contexts[1])
            .or(self.if_has(has::CONTEXT_EL1, self.contexts[0]))
    }

    /// The payload of an address packet ([`address`]) as it was.
    #[inline]
    pub fn raw_address(&self, index: u8) -> Option<u64> {
        let place = usize::from(index);
        let value = *self.addresses.get(place)?;
        self.if_has(has::ADDRESS << place, value)
    }

    /// The address (AVMA) of the instruction
    /// (`arm_spe_calc_ip` in `tools/perf/util/arm-spe-decoder/arm-spe-decoder.c`).
    #[inline]
    pub fn pc(&self) -> Option<u64> {
        self.raw_address(address::PC).map(instruction_address)
    }

    /// Where a branch went (AVMA).
    #[inline]
    pub fn target(&self) -> Option<u64> {
        self.raw_address(address::TARGET).map(instruction_address)
    }

    /// The data address (AVMA), without the tag in its top byte.
    #[inline]
    pub fn data_address(&self) -> Option<u64> {
        self.raw_address(address::DATA).map(data_address)
    }

    /// The physical data address.
    #[inline]
    pub fn physical_address(&self) -> Option<u64> {
        self.raw_address(address::PHYSICAL)
            .map(|value| value & LOW_56)
    }

    /// The addresses of the instruction and of the data (AVMA), and the physical one:
    /// as the three above, but 0 for what is absent. Faster than to ask for each.
    #[inline]
    pub fn addresses_or_zero(&self) -> (u64, u64, u64) {
        let [pc, _, data, physical, _] = self.addresses;
        (
            instruction_address(pc),
            data_address(data),
            physical & LOW_56,
        )
    }

    /// Cycles from dispatch to completion.
    #[inline]
    pub fn total_latency(&self) -> Option<u16> {
        self.if_has(has::COUNTER, self.counters[0])
    }

    /// Cycles from dispatch to issue.
    #[inline]
    pub fn issue_latency(&self) -> Option<u16> {
        self.if_has(has::COUNTER << 1, self.counters[1])
    }

    /// Cycles of address translation.
    #[inline]
    pub fn translation_latency(&self) -> Option<u16> {
        self.if_has(has::COUNTER << 2, self.counters[2])
    }

    /// Whether what every record has was there: without it the beginning or the
    /// end was lost.
    pub(super) fn is_whole(&self) -> bool {
        let needs = has::OPERATION | has::ADDRESS;
        self.has & needs == needs
    }
}

#[inline]
fn instruction_address(value: u64) -> u64 {
    let address = value & LOW_56;
    let level = value >> 61 & 3;
    // Not secure, and the kernel's or hypervisor's level.
    if value >> 63 != 0 && (level == 1 || level == 2) {
        address | KERNEL_TOP
    } else {
        address
    }
}

#[inline]
fn data_address(value: u64) -> u64 {
    let address = value & LOW_56;
    // Kernel addresses have ones there, and no tag.
    if value >> 52 & 0xf == 0xf {
        address | KERNEL_TOP
    } else {
        address
    }
}

/// How the bytes of a record end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Behind its last packet, which is here.
    Whole(usize),
    /// The bytes end inside of it.
    Cut,
    /// No packet of a record can be here.
    Bad(usize),
}

/// The longest record: those of hardware have about 100 bytes, and padding.
const LONGEST: usize = 4096;

/// Puts together the record that begins at `start`, whose bytes in front are no
/// concern. `area` is the place of `bytes[0]` in the AUX area.
#[inline]
pub(super) fn assemble(bytes: &[u8], start: usize, area: u64, record: &mut SpeRecord) -> Ended {
    *record = SpeRecord::default();
    let mut seen = 0u32;
    let mut at = start;
    let limit = bytes.len().min(start.saturating_add(LONGEST));
    while at < limit {
        let header = bytes[at];
        let mut payload_at = at + 1;
        let mut kind = KINDS[usize::from(header)];
        let mut shape = header;
        let mut index = header & 7;
        match kind {
            Kind::Padding => {
                at += padding(bytes, at);
                continue;
            }
            Kind::End => {
                record.has = seen;
                return Ended::Whole(at + 1);
            }
            Kind::Bad => return Ended::Bad(at),
            Kind::Extended => {
                let Some(&second) = bytes.get(payload_at) else {
                    return Ended::Cut;
                };
                if second == 0 {
                    let length = alignment_length(header, area.wrapping_add(at as u64));
                    if length > bytes.len() - at {
                        return Ended::Cut;
                    }
                    at += length;
                    continue;
                }
                kind = KINDS[usize::from(second)];
                if !matches!(kind, Kind::Address | Kind::Counter) {
                    return Ended::Bad(at);
                }
                payload_at += 1;
                shape = second;
                index = (header & 3) << 3 | second & 7;
            }
            _ => {}
        }
        let size = payload_size(shape);
        let Some(value) = load(bytes, payload_at, size) else {
            return Ended::Cut;
        };
        let what = match kind {
            Kind::Timestamp => {
                record.timestamp = value;
                record.has = seen | has::TIMESTAMP;
                return Ended::Whole(payload_at + size);
            }
            Kind::Events => {
                record.events = value;
                has::EVENTS
            }
            Kind::Source => {
                record.source = value as u16;
                has::SOURCE
            }
            Kind::Context => {
                let place = usize::from(header & 1);
                record.contexts[place] = value as u32;
                has::CONTEXT_EL1 << place
            }
            Kind::Operation => {
                record.operation = Operation {
                    class: header & 3,
                    payload: value as u8,
                };
                if header & 3 == 3 {
                    return Ended::Bad(at);
                }
                has::OPERATION
            }
            Kind::Address => match record.addresses.get_mut(usize::from(index)) {
                Some(place) => {
                    *place = value;
                    has::ADDRESS << index
                }
                None => 0,
            },
            _ => match record.counters.get_mut(usize::from(index)) {
                Some(place) => {
                    *place = value as u16;
                    has::COUNTER << index
                }
                // Implementation defined.
                None => 0,
            },
        };
        // A record has each packet once: here two of them ran into one.
        if seen & what != 0 {
            return Ended::Bad(at);
        }
        seen |= what;
        at = payload_at + size;
    }
    if at >= bytes.len() {
        Ended::Cut
    } else {
        Ended::Bad(at)
    }
}

/// How many padding bytes stand at `at`, where one does: up to eight of them.
#[inline]
fn padding(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        Some(word) => (u64::from_le_bytes(*word).trailing_zeros() / 8) as usize,
        None => 1,
    }
}

/// A little-endian number of `size` bytes.
#[inline]
fn load(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    if let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let unused = 64 - 8 * size as u32;
        return Some(u64::from_le_bytes(*word) << unused >> unused);
    }
    let mut word = [0; 8];
    word.get_mut(..size)?
        .copy_from_slice(bytes.get(at..at + size)?);
    Some(u64::from_le_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public example of an Altra, in the order of hardware.
    const ALTRA: [u8; 53] = [
        0xb0, 0x88, 0xb6, 0xcb, 0x8f, 0x22, 0xd4, 0xff, 0xc0, // PC
        0x49, 0x00, 0x52, 0x1e, 0x03, 0x99, 0x51, 0x01, 0x98, 0xf5, 0x01, // load
        0xb2, 0x50, 0x9e, 0xd7, 0xf1, 0x3e, 0x40, 0xff, 0x00, // data
        0x9a, 0x01, 0x00, // translation
        0xb3, 0x50, 0x9e, 0xd7, 0x71, 0x3f, 0x40, 0x00, 0x80, // physical
        0x43, 0x0c, 0x00, // source, padding
        0x71, 0xb3, 0x9a, 0xe9, 0xbd, 0x3e, 0x07, 0x00, 0x00,
    ];

    #[test]
    fn a_real_record_is_put_together() {
        let mut record = SpeRecord::default();
        assert_eq!(assemble(&ALTRA, 0, 0, &mut record), Ended::Whole(53));
        assert_eq!(record.pc(), Some(0xffff_d422_8fcb_b688));
        assert_eq!(record.data_address(), Some(0xffff_403e_f1d7_9e50));
        assert_eq!(record.physical_address(), Some(0x403f_71d7_9e50));
        let all = (
            0xffff_d422_8fcb_b688,
            0xffff_403e_f1d7_9e50,
            0x403f_71d7_9e50,
        );
        assert_eq!(record.addresses_or_zero(), all);
        assert_eq!(record.total_latency(), Some(501));
        assert_eq!(record.issue_latency(), Some(337));
        assert_eq!(record.translation_latency(), Some(1));
        assert_eq!(record.source(), Some(12));
        assert_eq!(record.timestamp(), Some(0x073e_bde9_9ab3));
        assert_eq!(record.events(), 0x31e);
        assert_eq!(record.context(), None);
        assert!(record.operation().is_load() && record.is_whole());
    }

    #[test]
    fn a_record_that_ends_nowhere_is_cut_and_two_in_one_are_bad() {
        let mut record = SpeRecord::default();
        for length in 0..ALTRA.len() {
            let ended = assemble(&ALTRA[..length], 0, 0, &mut record);
            assert_eq!(ended, Ended::Cut, "{length}");
        }
        let mut twice = ALTRA[..44].to_vec();
        twice.extend(ALTRA);
        assert_eq!(assemble(&twice, 0, 0, &mut record), Ended::Bad(44));
        let mut bad = ALTRA;
        bad[9] = 0xff;
        assert_eq!(assemble(&bad, 0, 0, &mut record), Ended::Bad(9));
    }

    #[test]
    fn tags_are_removed_from_user_addresses() {
        let mut bytes = vec![0xb2];
        bytes.extend(0x5a00_aaaa_1234_5678u64.to_le_bytes());
        bytes.push(0x01);
        let mut record = SpeRecord::default();
        assemble(&bytes, 0, 0, &mut record);
        assert_eq!(record.data_address(), Some(0xaaaa_1234_5678));
        assert!(!record.is_whole());
    }
}
