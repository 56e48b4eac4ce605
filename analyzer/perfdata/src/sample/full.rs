//! One sample with every field it has.

use super::branch::BranchStack;
use super::datasrc::DataSrc;
use super::layout::{SampleError, SampleLayout};
use super::read::ReadValues;
use crate::bytes::Cursor;
use linux_perf_event_reader::{Endianness, SampleFormat};

/// A run of 64-bit numbers in the byte order of the file.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Words<'a> {
    /// The numbers in these bytes; what is left behind the last whole one is no
    /// number.
    pub fn new(bytes: &'a [u8], endian: Endianness) -> Self {
        Self {
            cursor: Cursor::new(bytes, endian),
        }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.cursor.remaining() / 8
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<'a> {
        let mut cursor = self.cursor;
        std::iter::from_fn(move || cursor.u64())
    }
}

/// Registers of a sample.
#[derive(Clone, Copy, Debug)]
pub struct Registers<'a> {
    /// `PERF_SAMPLE_REGS_ABI_*`: 0 none, 1 32-bit, 2 64-bit.
    pub abi: u64,
    /// Which registers there are, a bit each, as in `asm/perf_regs.h` of the
    /// recording machine.
    pub mask: u64,
    /// Their values, from the lowest set bit of `mask` up.
    pub values: Words<'a>,
}

impl<'a> Registers<'a> {
    fn parse(cursor: &mut Cursor<'a>, mask: u64) -> Option<Self> {
        let abi = cursor.u64()?;
        let count = if abi == 0 { 0 } else { mask.count_ones() };
        let values = cursor.bytes(8 * count as usize)?;
        Some(Self {
            abi,
            mask: if abi == 0 { 0 } else { mask },
            values: Words::new(values, cursor.endian()),
        })
    }
}

/// The top of the user stack at a sample.
#[derive(Clone, Copy, Debug)]
pub struct UserStack<'a> {
    /// The bytes from the stack pointer up that the kernel could copy.
    pub bytes: &'a [u8],
    /// How many bytes were asked for; more than `bytes` when the stack ended.
    pub requested: u64,
}

impl<'a> UserStack<'a> {
    fn parse(cursor: &mut Cursor<'a>) -> Option<Self> {
        let requested = cursor.u64()?;
        if requested == 0 {
            return Some(Self {
                bytes: &[],
                requested,
            });
        }
        let bytes = cursor.bytes(usize::try_from(requested).ok()?)?;
        let valid = usize::try_from(cursor.u64()?).unwrap_or(usize::MAX);
        Some(Self {
            bytes: &bytes[..valid.min(bytes.len())],
            requested,
        })
    }
}

/// The cost of a sample as the hardware gave it; section 1.3 of the project's
/// format notes and `union perf_sample_weight` in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// The main weight: for memory samples a latency in cycles.
    pub weight: u64,
    /// Instruction latency in cycles (Intel), tag-to-retire (AMD), finish
    /// cycles (Power); absent with the plain WEIGHT field.
    pub ins_lat: Option<u16>,
    /// Retire latency (Intel) or dispatch cycles (Power); absent with the plain
    /// WEIGHT field.
    pub retire_lat: Option<u16>,
}

/// A decoded sample. A field is absent when the attribute did not ask for it.
#[derive(Clone, Debug, Default)]
pub struct Sample<'a> {
    /// The event id from the IDENTIFIER field.
    pub identifier: Option<u64>,
    /// Instruction address (AVMA).
    pub ip: Option<u64>,
    /// Process and thread.
    pub pid_tid: Option<(i32, i32)>,
    /// Time in ns of the recording clock.
    pub time: Option<u64>,
    /// Data address (AVMA); 0 means not known.
    pub addr: Option<u64>,
    /// The event id from the ID field.
    pub id: Option<u64>,
    /// The id of the event instance on its CPU.
    pub stream_id: Option<u64>,
    /// The CPU.
    pub cpu: Option<u32>,
    /// How many events the sample stands for.
    pub period: Option<u64>,
    /// Counter values.
    pub read: Option<ReadValues>,
    /// The call chain, leaf first, with context markers in between.
    pub callchain: Option<Words<'a>>,
    /// Payload of tracepoints and raw PMU records.
    pub raw: Option<&'a [u8]>,
    /// The last branches.
    pub branch_stack: Option<BranchStack<'a>>,
    /// User registers.
    pub user_regs: Option<Registers<'a>>,
    /// The top of the user stack.
    pub user_stack: Option<UserStack<'a>>,
    /// The cost of the sample.
    pub weight: Option<Weight>,
    /// Where the data came from.
    pub data_src: Option<DataSrc>,
    /// Transactional-memory abort flags.
    pub transaction: Option<u64>,
    /// Registers at the interrupt or at the sampled instruction.
    pub intr_regs: Option<Registers<'a>>,
    /// Physical data address; 0 means not known.
    pub phys_addr: Option<u64>,
    /// Cgroup id.
    pub cgroup: Option<u64>,
    /// Bytes of the page of the data address; 0 means not known.
    pub data_page_size: Option<u64>,
    /// Bytes of the page of the instruction address; 0 means not known.
    pub code_page_size: Option<u64>,
    /// AUX area bytes that belong to the sample.
    pub aux: Option<&'a [u8]>,
}

impl SampleLayout {
    /// Decodes every field of a sample whose bytes behind the record header are
    /// `body`.
    ///
    /// # Errors
    /// The first field that does not fit into the record.
    pub fn decode<'a>(&self, body: &'a [u8]) -> Result<Sample<'a>, SampleError> {
        let has = |field| self.fields.has(field);
        let mut cursor = Cursor::new(body, self.endian);
        let mut sample = Sample::default();
        macro_rules! field {
            ($flag:ident, $target:ident, $read:expr) => {
                if has(SampleFormat::$flag) {
                    let available = cursor.remaining();
                    sample.$target = Some($read.ok_or(SampleError {
                        field: stringify!($flag),
                        available,
                    })?);
                }
            };
        }
        field!(IDENTIFIER, identifier, cursor.u64());
        field!(IP, ip, cursor.u64());
        field!(TID, pid_tid, cursor.i32().zip(cursor.i32()));
        field!(TIME, time, cursor.u64());
        field!(ADDR, addr, cursor.u64());
        field!(ID, id, cursor.u64());
        field!(STREAM_ID, stream_id, cursor.u64());
        field!(
            CPU,
            cpu,
            cursor.u32().zip(cursor.u32()).map(|(cpu, _reserved)| cpu)
        );
        field!(PERIOD, period, cursor.u64());
        field!(
            READ,
            read,
            ReadValues::parse(&mut cursor, self.fields.read_format)
        );
        field!(CALLCHAIN, callchain, counted_words(&mut cursor));
        field!(RAW, raw, raw_bytes(&mut cursor));
        field!(
            BRANCH_STACK,
            branch_stack,
            BranchStack::parse(&mut cursor, self.fields.branch_sample_type)
        );
        field!(
            REGS_USER,
            user_regs,
            Registers::parse(&mut cursor, self.fields.regs_user)
        );
        field!(STACK_USER, user_stack, UserStack::parse(&mut cursor));
        if has(SampleFormat::WEIGHT_STRUCT) {
            field!(
                WEIGHT_STRUCT,
                weight,
                cursor.u64().map(Weight::from_struct_word)
            );
        } else {
            field!(WEIGHT, weight, cursor.u64().map(Weight::from_plain_word));
        }
        field!(DATA_SRC, data_src, cursor.u64().map(DataSrc));
        field!(TRANSACTION, transaction, cursor.u64());
        field!(
            REGS_INTR,
            intr_regs,
            Registers::parse(&mut cursor, self.fields.regs_intr)
        );
        field!(PHYS_ADDR, phys_addr, cursor.u64());
        field!(CGROUP, cgroup, cursor.u64());
        field!(DATA_PAGE_SIZE, data_page_size, cursor.u64());
        field!(CODE_PAGE_SIZE, code_page_size, cursor.u64());
        field!(AUX, aux, counted_bytes(&mut cursor));
        Ok(sample)
    }
}

impl Weight {
    /// The weight of a plain WEIGHT field.
    pub(super) fn from_plain_word(word: u64) -> Self {
        Self {
            weight: word,
            ins_lat: None,
            retire_lat: None,
        }
    }

    /// The three parts of a WEIGHT_STRUCT field. The union is defined so that
    /// the shifts are the same on both byte orders.
    pub(super) fn from_struct_word(word: u64) -> Self {
        Self {
            weight: word & 0xffff_ffff,
            ins_lat: Some((word >> 32) as u16),
            retire_lat: Some((word >> 48) as u16),
        }
    }
}

fn counted_words<'a>(cursor: &mut Cursor<'a>) -> Option<Words<'a>> {
    let count = usize::try_from(cursor.u64()?).ok()?;
    let bytes = cursor.bytes(count.checked_mul(8)?)?;
    Some(Words::new(bytes, cursor.endian()))
}

fn counted_bytes<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let count = usize::try_from(cursor.u64()?).ok()?;
    cursor.bytes(count)
}

/// The RAW field. The kernel pads so that the four-byte size and the payload
/// together end on a multiple of eight, and counts the padding in the size.
fn raw_bytes<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let size = usize::try_from(cursor.u32()?).ok()?;
    cursor.bytes(size)
}
