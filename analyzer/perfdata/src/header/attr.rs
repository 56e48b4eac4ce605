//! `struct perf_event_attr` of any size.

use linux_perf_event_reader::{AttrFlags, SampleFormat};

use crate::{Cursor, Endianness};

/// The size of the first published `perf_event_attr` (PERF_ATTR_SIZE_VER0),
/// and what a size of 0 stands for (tools/perf/util/header.c, read_attr).
pub(super) const VER0: u32 = 64;

/// What one event was asked to count and to record: `struct perf_event_attr`
/// (include/uapi/linux/perf_event.h), with names of that struct where they are
/// not Rust keywords.
///
/// A field that the recorder's version of the struct did not have is 0, which
/// the kernel treats as "not asked for".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attr {
    /// `type`: 0 hardware, 1 software, 2 tracepoint, 3 hardware cache, 4 raw,
    /// 5 breakpoint, above that the number of a PMU.
    pub kind: u32,
    /// The size of the struct in the file, in bytes; 64 where it says 0.
    pub size: u32,
    /// Which event of that kind; a tracepoint's id.
    pub config: u64,
    /// Second word of the event's configuration; a breakpoint's address.
    pub config1: u64,
    /// Third word of the event's configuration; a breakpoint's length.
    pub config2: u64,
    /// Fourth word; in attributes of 136 bytes and more.
    pub config3: u64,
    /// Fifth word; in attributes of 144 bytes and more.
    pub config4: u64,
    /// Events a sample, or samples a second when [`Attr::is_frequency`].
    pub sample_period_or_freq: u64,
    /// Which fields a sample has (PERF_SAMPLE_*), bits unknown here included.
    pub sample_type: u64,
    /// What READ values hold (PERF_FORMAT_*).
    pub read_format: u64,
    /// The bitfield of the struct with `disabled` as bit 0, whatever the byte
    /// order of the recorder.
    pub flags: u64,
    /// Samples, or bytes, until the reader is woken.
    pub wakeup: u32,
    /// Breakpoint kind: 1 read, 2 write, 4 execute.
    pub bp_type: u32,
    /// Which branches a branch stack holds (PERF_SAMPLE_BRANCH_*).
    pub branch_sample_type: u64,
    /// Which user registers a sample has, one bit each.
    pub sample_regs_user: u64,
    /// How many bytes of user stack a sample has.
    pub sample_stack_user: u32,
    /// The clock of sample times, when the flag `use_clockid` is set.
    pub clockid: i32,
    /// Which registers at the interrupt a sample has, one bit each.
    pub sample_regs_intr: u64,
    /// Bytes of AUX data until the reader is woken.
    pub aux_watermark: u32,
    /// The longest call chain, in frames; 0 is the system's limit.
    pub sample_max_stack: u16,
    /// How many bytes of AUX data a sample has.
    pub aux_sample_size: u32,
    /// Value passed on with SIGTRAP.
    pub sig_data: u64,
}

impl Attr {
    /// Reads an attribute and moves `cursor` past its own size, so that fields
    /// of newer kernels are passed over. `None` when fewer than 64 bytes are
    /// left or the size is below 64. A size past the end takes what is there:
    /// compare [`Attr::size`] with the room to find out.
    pub fn parse(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut peek = *cursor;
        peek.skip(4)?;
        let size = match peek.u32()? {
            0 => VER0,
            size => size,
        };
        if size < VER0 || cursor.remaining() < VER0 as usize {
            return None;
        }
        let room = usize::try_from(size).ok()?.min(cursor.remaining());
        let endian = cursor.endian();
        let mut fields = Cursor::new(cursor.bytes(room)?, endian);

        let kind = fields.u32()?;
        fields.skip(4)?;
        let mut attr = Self {
            kind,
            size,
            config: fields.u64()?,
            sample_period_or_freq: fields.u64()?,
            sample_type: fields.u64()?,
            read_format: fields.u64()?,
            flags: flags(fields.array()?, endian),
            wakeup: fields.u32()?,
            bp_type: fields.u32()?,
            config1: fields.u64()?,
            ..Self::default()
        };
        // Kernels only ever append, so the first field that is not there ends
        // the struct and the rest stays 0.
        attr.appended(&mut fields);
        Some(attr)
    }

    fn appended(&mut self, fields: &mut Cursor<'_>) -> Option<()> {
        self.config2 = fields.u64()?;
        self.branch_sample_type = fields.u64()?;
        self.sample_regs_user = fields.u64()?;
        self.sample_stack_user = fields.u32()?;
        self.clockid = fields.i32()?;
        self.sample_regs_intr = fields.u64()?;
        self.aux_watermark = fields.u32()?;
        self.sample_max_stack = fields.u16()?;
        fields.skip(2)?;
        self.aux_sample_size = fields.u32()?;
        fields.skip(4)?;
        self.sig_data = fields.u64()?;
        self.config3 = fields.u64()?;
        self.config4 = fields.u64()?;
        Some(())
    }

    /// The sample fields that are known by name.
    #[must_use]
    pub fn sample_format(&self) -> SampleFormat {
        SampleFormat::from_bits_truncate(self.sample_type)
    }

    /// Whether samples have all of these fields.
    #[must_use]
    pub fn has(&self, fields: SampleFormat) -> bool {
        self.sample_format().contains(fields)
    }

    /// The flags that are known by name.
    #[must_use]
    pub fn attr_flags(&self) -> AttrFlags {
        AttrFlags::from_bits_truncate(self.flags)
    }

    /// Whether all of these flags are set.
    #[must_use]
    pub fn has_flags(&self, flags: AttrFlags) -> bool {
        self.attr_flags().contains(flags)
    }

    /// How precise the instruction address was asked to be, 0 to 3
    /// (`precise_ip`; the number of `p` in `cycles:pp`).
    #[must_use]
    pub fn precise(&self) -> u8 {
        (self.flags >> 15 & 3) as u8
    }

    /// Whether records other than samples end in the sample's id fields.
    #[must_use]
    pub fn sample_id_all(&self) -> bool {
        self.has_flags(AttrFlags::SAMPLE_ID_ALL)
    }

    /// Whether [`Attr::sample_period_or_freq`] is samples a second.
    #[must_use]
    pub fn is_frequency(&self) -> bool {
        self.has_flags(AttrFlags::FREQ)
    }
}

/// The flag word with `disabled` as bit 0.
///
/// The word is a C bitfield, and compilers for big-endian machines give the
/// first field the highest bit. So the bits of each byte are mirrored
/// (tools/perf/util/session.c, swap_bitfield). The one field wider than a bit,
/// `precise_ip` (15 and 16), comes out of that with its two bits exchanged,
/// which perf leaves so and this does not.
fn flags(bytes: [u8; 8], endian: Endianness) -> u64 {
    match endian {
        Endianness::LittleEndian => u64::from_le_bytes(bytes),
        Endianness::BigEndian => {
            let word = u64::from_le_bytes(bytes.map(u8::reverse_bits));
            let (high, low) = (word >> 15 & 1, word >> 16 & 1);
            word & !(3 << 15) | high << 16 | low << 15
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Endianness::{BigEndian, LittleEndian};

    /// An attribute of `size` bytes: every u64 slot holds its own number,
    /// except kind, size and flags.
    pub(in crate::header) fn bytes(
        kind: u32,
        size: u32,
        config: u64,
        endian: Endianness,
    ) -> Vec<u8> {
        let u32_of = |value: u32| match endian {
            LittleEndian => value.to_le_bytes(),
            BigEndian => value.to_be_bytes(),
        };
        let u64_of = |value: u64| match endian {
            LittleEndian => value.to_le_bytes(),
            BigEndian => value.to_be_bytes(),
        };
        let mut bytes = [u32_of(kind), u32_of(size)].concat();
        bytes.extend(u64_of(config));
        for slot in 2..(size.max(64) / 8) {
            match (slot, endian) {
                // disabled, freq (bit 10), precise_ip 2, sample_id_all (18).
                (5, LittleEndian) => bytes.extend([0x01, 0x04, 0x05, 0, 0, 0, 0, 0]),
                (5, BigEndian) => bytes.extend([0x80, 0x21, 0x20, 0, 0, 0, 0, 0]),
                _ => bytes.extend(u64_of(u64::from(slot))),
            }
        }
        bytes
    }

    #[test]
    fn every_field_in_both_byte_orders() {
        for endian in [LittleEndian, BigEndian] {
            let bytes = bytes(4, 144, 0x1cd, endian);
            let mut cursor = Cursor::new(&bytes, endian);
            let attr = Attr::parse(&mut cursor).unwrap();
            assert_eq!(cursor.remaining(), 0);
            assert_eq!((attr.kind, attr.size, attr.config), (4, 144, 0x1cd));
            assert_eq!(
                (
                    attr.sample_period_or_freq,
                    attr.sample_type,
                    attr.read_format
                ),
                (2, 3, 4)
            );
            assert_eq!((attr.config1, attr.config2), (7, 8));
            assert_eq!((attr.config3, attr.config4), (16, 17));
            assert_eq!((attr.branch_sample_type, attr.sample_regs_user), (9, 10));
            assert_eq!((attr.sample_regs_intr, attr.sig_data), (12, 15));
            assert!(attr.is_frequency() && attr.sample_id_all());
            assert!(attr.has_flags(AttrFlags::DISABLED) && !attr.has_flags(AttrFlags::INHERIT));
            assert_eq!(attr.precise(), 2);
            assert!(attr.has(SampleFormat::IP | SampleFormat::TID));
            assert!(!attr.has(SampleFormat::IP | SampleFormat::TIME));
        }
    }

    #[test]
    fn short_and_long_structs() {
        for size in [64, 72, 80, 96, 104, 112, 120, 128, 136, 144, 200] {
            let mut bytes = bytes(1, size, 9, LittleEndian);
            bytes.extend([0xaa; 16]);
            let mut cursor = Cursor::new(&bytes, LittleEndian);
            let attr = Attr::parse(&mut cursor).unwrap();
            assert_eq!(attr.size, size);
            assert_eq!(cursor.rest(), [0xaa; 16]);
            assert_eq!(attr.config2, if size >= 72 { 8 } else { 0 });
            assert_eq!(attr.config3, if size >= 136 { 16 } else { 0 });
        }
    }

    #[test]
    fn size_zero_is_the_first_version() {
        let mut bytes = bytes(1, 0, 9, LittleEndian);
        bytes.extend([0xaa; 8]);
        let mut cursor = Cursor::new(&bytes, LittleEndian);
        assert_eq!(Attr::parse(&mut cursor).unwrap().size, 64);
        assert_eq!(cursor.remaining(), 8);
    }

    #[test]
    fn impossible_sizes() {
        let small = bytes(1, 40, 9, LittleEndian);
        assert_eq!(Attr::parse(&mut Cursor::new(&small, LittleEndian)), None);
        let mut large = bytes(1, 72, 9, LittleEndian);
        large[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        let attr = Attr::parse(&mut Cursor::new(&large, LittleEndian)).unwrap();
        assert_eq!((attr.size, attr.config2), (u32::MAX, 8));
        for cut in 0..64 {
            assert_eq!(
                Attr::parse(&mut Cursor::new(&large[..cut], LittleEndian)),
                None
            );
        }
    }
}
