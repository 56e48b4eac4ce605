//! Packets: one header byte (two for extended ones) and a payload of 1, 2, 4 or 8
//! bytes, in little-endian order whatever the order of the file
//! (`arm_spe_get_packet` in `tools/perf/util/arm-spe-decoder/arm-spe-pkt-decoder.c`).

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Nothing: fills up to an alignment. Also the alignment packet.
    Padding,
    /// The record ends here and has no time.
    End,
    /// The record ends here; the count of the generic timer.
    Timestamp(u64),
    /// What happened, as bits of [`crate::spe_event`].
    Events(u64),
    /// Who answered, as an implementation-defined number.
    Source(u16),
    /// `CONTEXTIDR_EL1` (index 0) or `CONTEXTIDR_EL2` (index 1).
    Context {
        /// Which register.
        index: u8,
        /// Its value.
        value: u32,
    },
    /// What was sampled.
    Operation {
        /// 0 other, 1 load or store, 2 branch.
        class: u8,
        /// What of that class.
        payload: u8,
    },
    /// An address with the bits that the manual puts above it.
    Address {
        /// Which one: 0 instruction, 1 branch target, 2 data, 3 physical data,
        /// 4 target of the branch before.
        index: u8,
        /// The payload.
        value: u64,
    },
    /// Cycles.
    Counter {
        /// Which one: 0 total, 1 issue, 2 translation latency; others are
        /// implementation defined.
        index: u8,
        /// The count.
        value: u16,
    },
}

/// Why bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPacket {
    /// No packet begins with this byte.
    Unknown,
    /// The bytes end inside the packet.
    Cut,
}

/// Kinds of packets by their first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Padding,
    End,
    Timestamp,
    Events,
    Source,
    Context,
    Operation,
    Extended,
    Address,
    Counter,
    Bad,
}

/// The kind of each first byte, in the order of perf's tests.
pub(super) static KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Bad; 256];
    let mut header = 0;
    while header < 256 {
        kinds[header] = kind_of(header as u8);
        header += 1;
    }
    kinds
};

const fn kind_of(header: u8) -> Kind {
    match header {
        0x00 => Kind::Padding,
        0x01 => Kind::End,
        0x71 => Kind::Timestamp,
        _ if header & 0xcf == 0x42 => Kind::Events,
        _ if header & 0xcf == 0x43 => Kind::Source,
        _ if header & 0xfc == 0x64 => Kind::Context,
        _ if header & 0xfc == 0x48 => Kind::Operation,
        _ if header & 0xfc == 0x20 => Kind::Extended,
        _ if header & 0xf8 == 0xb0 => Kind::Address,
        _ if header & 0xf8 == 0x98 => Kind::Counter,
        _ => Kind::Bad,
    }
}

/// Bytes of the payload behind a header.
#[inline]
pub(super) const fn payload_size(header: u8) -> usize {
    1 << (header >> 4 & 3)
}

/// How far an alignment packet reaches: to the next multiple of 2 to 16 bytes,
/// counted from the start of the AUX area. perf counts from where the file
/// happens to have the bytes.
pub(super) const fn alignment_length(header: u8, place: u64) -> usize {
    let alignment = 2u64 << (header & 0xf);
    (alignment - (place & (alignment - 1))) as usize
}

impl Packet {
    /// The packet at the front of `bytes` and its length in bytes. `place` is
    /// where it stands in the AUX area, which alignment packets ask for.
    ///
    /// # Errors
    /// When no packet begins so, or the bytes end inside it.
    pub fn decode(bytes: &[u8], place: u64) -> Result<(Self, usize), BadPacket> {
        let &[header, ref rest @ ..] = bytes else {
            return Err(BadPacket::Cut);
        };
        let number = |bytes: &[u8], size: usize| -> Result<u64, BadPacket> {
            let mut word = [0; 8];
            let payload = bytes.get(..size).ok_or(BadPacket::Cut)?;
            word[..size].copy_from_slice(payload);
            Ok(u64::from_le_bytes(word))
        };
        let kind = KINDS[usize::from(header)];
        let (kind, second, rest) = match kind {
            Kind::Padding => return Ok((Self::Padding, 1)),
            Kind::End => return Ok((Self::End, 1)),
            Kind::Bad => return Err(BadPacket::Unknown),
            Kind::Extended => {
                let &[second, ref rest @ ..] = rest else {
                    return Err(BadPacket::Cut);
                };
                if second == 0 {
                    let length = alignment_length(header, place);
                    return if length <= bytes.len() {
                        Ok((Self::Padding, length))
                    } else {
                        Err(BadPacket::Cut)
                    };
                }
                match KINDS[usize::from(second)] {
                    kind @ (Kind::Address | Kind::Counter) => (kind, Some(second), rest),
                    _ => return Err(BadPacket::Unknown),
                }
            }
            kind => (kind, None, rest),
        };
        // The second header byte has the size, the first one the upper bits of
        // the index.
        let shape = second.unwrap_or(header);
        let size = payload_size(shape);
        let value = number(rest, size)?;
        let index = match second {
            Some(second) => (header & 3) << 3 | second & 7,
            None => header & 7,
        };
        let packet = match kind {
            Kind::Timestamp => Self::Timestamp(value),
            Kind::Events => Self::Events(value),
            Kind::Source => Self::Source(value as u16),
            Kind::Context => Self::Context {
                index: header & 3,
                value: value as u32,
            },
            Kind::Operation => Self::Operation {
                class: header & 3,
                payload: value as u8,
            },
            Kind::Address => Self::Address { index, value },
            _ => Self::Counter {
                index,
                value: value as u16,
            },
        };
        Ok((packet, bytes.len() - rest.len() + size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of a public trace of an Ampere Altra.
    #[test]
    fn packets_of_a_real_record() {
        let decode = |bytes: &[u8]| Packet::decode(bytes, 0);
        let operation = Packet::Operation {
            class: 1,
            payload: 0,
        };
        assert_eq!(decode(&[0x49, 0]), Ok((operation, 2)));
        assert_eq!(
            decode(&[0x52, 0x1e, 3]),
            Ok((Packet::Events(0x31e), 3)),
            "events 1, 2, 3, 4, 8, 9"
        );
        let counter = |index, value| Packet::Counter { index, value };
        assert_eq!(decode(&[0x99, 0x51, 1]), Ok((counter(1, 337), 3)));
        assert_eq!(decode(&[0x98, 0xf5, 1]), Ok((counter(0, 501), 3)));
        let address = Packet::Address {
            index: 2,
            value: 0x00ff_403e_f1d7_9e50,
        };
        let bytes = [0xb2, 0x50, 0x9e, 0xd7, 0xf1, 0x3e, 0x40, 0xff, 0];
        assert_eq!(decode(&bytes), Ok((address, 9)));
        assert_eq!(decode(&[0x43, 0xc]), Ok((Packet::Source(12), 2)));
        let bytes = [0x71, 0xb3, 0x9a, 0xe9, 0xbd, 0x3e, 7, 0, 0];
        assert_eq!(decode(&bytes), Ok((Packet::Timestamp(0x073e_bde9_9ab3), 9)));
    }

    #[test]
    fn extended_headers_carry_larger_indexes() {
        let counter = Packet::Counter {
            index: 9,
            value: 0x102,
        };
        assert_eq!(Packet::decode(&[0x21, 0x99, 2, 1], 0), Ok((counter, 4)));
        let address = Packet::Address {
            index: 26,
            value: 1,
        };
        let bytes = [0x23, 0xb2, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Packet::decode(&bytes, 0), Ok((address, 10)));
        assert_eq!(Packet::decode(&[0x20, 0x42, 1], 0), Err(BadPacket::Unknown));
    }

    #[test]
    fn alignment_counts_from_the_start_of_the_area() {
        let padding = |header, place| {
            Packet::decode(
                &[header, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                place,
            )
        };
        assert_eq!(padding(0x20, 4), Ok((Packet::Padding, 2)));
        assert_eq!(padding(0x21, 5), Ok((Packet::Padding, 3)));
        assert_eq!(padding(0x22, 9), Ok((Packet::Padding, 7)));
        assert_eq!(padding(0x23, 16), Ok((Packet::Padding, 16)));
        assert_eq!(
            Packet::decode(&[0x23, 0, 0], 16),
            Err(BadPacket::Cut),
            "it reaches over the end"
        );
    }

    #[test]
    fn what_is_cut_or_unknown_is_said_to_be() {
        assert_eq!(Packet::decode(&[], 0), Err(BadPacket::Cut));
        assert_eq!(Packet::decode(&[0x71, 1, 2], 0), Err(BadPacket::Cut));
        assert_eq!(Packet::decode(&[0x20], 0), Err(BadPacket::Cut));
        for header in [0x02, 0x40, 0x70, 0xff] {
            assert_eq!(Packet::decode(&[header; 16], 0), Err(BadPacket::Unknown));
        }
    }
}
