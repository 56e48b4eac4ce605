//! Records of the kernel about the AUX area and about switches.

use crate::bytes::Cursor;
use crate::record::record_kind;
use linux_perf_event_reader::Endianness;

/// Bits of an AUX record's flags (`PERF_AUX_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuxFlags(pub u64);

impl AuxFlags {
    /// The buffer was full: what the hardware would have written then is lost.
    pub fn is_truncated(self) -> bool {
        self.0 & 1 != 0
    }

    /// A snapshot: older data may have been written over.
    pub fn is_overwrite(self) -> bool {
        self.0 & 2 != 0
    }

    /// There are gaps in the data.
    pub fn is_partial(self) -> bool {
        self.0 & 4 != 0
    }

    /// A sample was dropped because the one before was still on its way.
    pub fn is_collision(self) -> bool {
        self.0 & 8 != 0
    }
}

/// `PERF_RECORD_AUX`: the kernel has new data in the AUX area of a CPU or thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AuxRecord {
    /// Where it begins, in bytes from the start of the recording.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
    /// What went wrong.
    pub flags: AuxFlags,
}

impl AuxRecord {
    /// Reads the bytes behind the header of the record.
    pub fn parse(body: &[u8], endian: Endianness) -> Option<Self> {
        let mut cursor = Cursor::new(body, endian);
        Some(Self {
            offset: cursor.u64()?,
            size: cursor.u64()?,
            flags: AuxFlags(cursor.u64()?),
        })
    }
}

/// `PERF_RECORD_MISC_SWITCH_OUT`.
const SWITCH_OUT: u16 = 1 << 13;

/// A thread came to a CPU or left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Whether the thread of the record's trailer left.
    pub is_out: bool,
    /// The process and thread on the other side: who comes after it, or was there
    /// before it. Only records of a whole CPU have it.
    pub other: Option<(i32, i32)>,
}

impl Switch {
    /// Reads a `SWITCH` or `SWITCH_CPU_WIDE` record.
    pub fn parse(kind: u32, misc: u16, body: &[u8], endian: Endianness) -> Option<Self> {
        let mut cursor = Cursor::new(body, endian);
        let other = match kind {
            record_kind::SWITCH => None,
            record_kind::SWITCH_CPU_WIDE => Some((cursor.i32()?, cursor.i32()?)),
            _ => return None,
        };
        Some(Self {
            is_out: misc & SWITCH_OUT != 0,
            other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_kernel_are_read() {
        const LITTLE: Endianness = Endianness::LittleEndian;
        let body: Vec<u8> = [64u64, 128, 0b1101]
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        let aux = AuxRecord::parse(&body, LITTLE).unwrap();
        assert_eq!((aux.offset, aux.size), (64, 128));
        assert!(aux.flags.is_truncated() && aux.flags.is_partial() && aux.flags.is_collision());
        assert!(!aux.flags.is_overwrite());
        assert_eq!(AuxRecord::parse(&body[..23], LITTLE), None);
        let pair: Vec<u8> = [7i32, 9].iter().flat_map(|w| w.to_le_bytes()).collect();
        let wide = Switch::parse(record_kind::SWITCH_CPU_WIDE, 1 << 13, &pair, LITTLE).unwrap();
        assert_eq!(
            wide,
            Switch {
                is_out: true,
                other: Some((7, 9))
            }
        );
        let own = Switch::parse(record_kind::SWITCH, 0, &[], LITTLE).unwrap();
        assert_eq!(
            own,
            Switch {
                is_out: false,
                other: None
            }
        );
        assert_eq!(Switch::parse(3, 0, &pair, LITTLE), None);
    }
}
