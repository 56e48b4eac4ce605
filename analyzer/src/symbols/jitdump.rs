//! What just-in-time compilers wrote: which code was where, from when on, and
//! its source lines
//! (`tools/perf/Documentation/jitdump-specification.txt`).
//!
//! ```text
//! header  magic version size machine - pid timestamp flags
//! record  id size timestamp, then by id:
//!   LOAD        pid tid vma address size index name code
//!   MOVE        pid tid vma old new size index
//!   DEBUG_INFO  address count (address line discriminator file)…   before its LOAD
//!   CLOSE, UNWINDING_INFO: nothing that names an address
//! ```
//! The code itself is skipped.

use super::jit::{Code, Limits, LineAt};
use rustc_hash::FxHashMap;
use std::io::{self, BufRead, Read, Seek};
use std::sync::Arc;

const MAGIC: u32 = 0x4a69_5444;
const HEADER: usize = 40;
const RECORD: u64 = 16;

const CODE_LOAD: u32 = 0;
const CODE_MOVE: u32 = 1;
const DEBUG_INFO: u32 = 2;
const CLOSE: u32 = 3;
const UNWINDING_INFO: u32 = 4;

/// Timestamps are the CPU's, not of a clock.
const ARCH_TIMESTAMP: u64 = 1;

/// The longest record of source lines that is read, in bytes.
const LONGEST_LINES: u64 = 16 << 20;

/// A dump.
#[derive(Debug, Default)]
pub(super) struct Dump {
    /// The process, as it knows itself.
    pub(super) pid: u32,
    /// What was loaded and moved with the times of it, in the order of the file.
    pub(super) codes: Vec<(u64, Code)>,
    /// Whether times are of the CPU's own counter.
    pub(super) has_cpu_times: bool,
}

#[derive(Clone, Copy)]
struct Order {
    is_big: bool,
}

impl Order {
    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big {
            u32::from_be_bytes(*word)
        } else {
            u32::from_le_bytes(*word)
        })
    }

    fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let word = bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big {
            u64::from_be_bytes(*word)
        } else {
            u64::from_le_bytes(*word)
        })
    }
}

/// Reads a dump as far as it goes: the process may have been killed while it
/// wrote. What is wrong with it is counted in `limits`.
///
/// # Errors
/// When it is no dump, or cannot be read.
pub(super) fn read(mut from: impl BufRead + Seek, limits: &mut Limits) -> io::Result<Dump> {
    let not_a_dump = || io::Error::new(io::ErrorKind::InvalidData, "not a jitdump file");
    let mut header = [0; HEADER];
    from.read_exact(&mut header).map_err(|_| not_a_dump())?;
    let order = [false, true]
        .map(|is_big| Order { is_big })
        .into_iter()
        .find(|order| order.u32(&header, 0) == Some(MAGIC))
        .ok_or_else(not_a_dump)?;
    let size = order.u32(&header, 8).map_or(0, u64::from);
    let more = size
        .checked_sub(HEADER as u64)
        .ok_or_else(not_a_dump)?
        .min(1 << 20);
    from.seek_relative(more as i64)?;
    let mut reader = Reader {
        order,
        dump: Dump {
            pid: order.u32(&header, 20).unwrap_or(0),
            codes: Vec::new(),
            has_cpu_times: order.u64(&header, 32).unwrap_or(0) & ARCH_TIMESTAMP != 0,
        },
        lines: FxHashMap::default(),
        places: FxHashMap::default(),
    };
    while reader.record(&mut from, limits)? {}
    Ok(reader.dump)
}

struct Reader {
    order: Order,
    dump: Dump,
    /// Source lines whose code has not come yet, by its address.
    lines: FxHashMap<u64, Arc<[LineAt]>>,
    /// The last load of each code index, among `dump.codes`.
    places: FxHashMap<u64, usize>,
}

impl Reader {
    /// Reads a record; false at the end.
    fn record(
        &mut self,
        from: &mut (impl BufRead + Seek),
        limits: &mut Limits,
    ) -> io::Result<bool> {
        let mut head = [0; RECORD as usize];
        if !fill(from, &mut head)? {
            return Ok(false);
        }
        let order = self.order;
        let (Some(id), Some(size), Some(time)) = (
            order.u32(&head, 0),
            order.u32(&head, 4),
            order.u64(&head, 8),
        ) else {
            return Ok(false);
        };
        let Some(length) = u64::from(size).checked_sub(RECORD) else {
            // Without a length there is no next record.
            limits.damaged += 1;
            return Ok(false);
        };
        let wanted = match id {
            // The fixed part and the name; the code follows it.
            CODE_LOAD => length.min(40 + Limits::LONGEST_NAME as u64 + 1),
            CODE_MOVE => length.min(48),
            DEBUG_INFO => length.min(LONGEST_LINES),
            _ => 0,
        };
        let mut body = Vec::new();
        from.by_ref().take(wanted).read_to_end(&mut body)?;
        if (body.len() as u64) < wanted {
            limits.damaged += 1;
            return Ok(false);
        }
        from.seek_relative((length - wanted) as i64)?;
        let read = match id {
            CODE_LOAD => self.load(time, &body, limits),
            CODE_MOVE => self.moved(time, &body, limits),
            DEBUG_INFO => self.debug_info(&body, limits),
            CLOSE => return Ok(false),
            // Records of later versions are skipped, as the format says.
            UNWINDING_INFO.. => Some(()),
        };
        limits.damaged += u64::from(read.is_none());
        Ok(!limits.is_cut)
    }

    fn load(&mut self, time: u64, body: &[u8], limits: &mut Limits) -> Option<()> {
        let start = self.order.u64(body, 16)?;
        let end = start.checked_add(self.order.u64(body, 24)?)?;
        let index = self.order.u64(body, 32)?;
        let name = body.get(40..)?;
        let length = name.iter().position(|&byte| byte == 0);
        // A longer name is cut, like that of a file.
        let name = &name[..length.unwrap_or(name.len().min(Limits::LONGEST_NAME))];
        if start == end {
            return None;
        }
        if !limits.takes(name.len()) {
            return Some(());
        }
        let mut code = Code::new(start, end, name);
        code.lines = self.lines.remove(&start);
        self.places.insert(index, self.dump.codes.len());
        self.dump.codes.push((time, code));
        Some(())
    }

    fn moved(&mut self, time: u64, body: &[u8], limits: &mut Limits) -> Option<()> {
        let old = self.order.u64(body, 16)?;
        let start = self.order.u64(body, 24)?;
        let end = start.checked_add(self.order.u64(body, 32)?)?;
        let place = *self.places.get(&self.order.u64(body, 40)?)?;
        let (_, known) = self.dump.codes.get(place)?;
        if known.start != old || start == end {
            return None;
        }
        if !limits.takes(0) {
            return Some(());
        }
        let code = Code {
            start,
            end,
            name: Arc::clone(&known.name),
            // They count from the start of the code, wherever that is.
            lines: known.lines.clone(),
        };
        self.places
            .insert(self.order.u64(body, 40)?, self.dump.codes.len());
        self.dump.codes.push((time, code));
        Some(())
    }

    fn debug_info(&mut self, body: &[u8], limits: &mut Limits) -> Option<()> {
        let code = self.order.u64(body, 0)?;
        let count = self.order.u64(body, 8)?;
        let mut rest = body.get(16..)?;
        let mut lines: Vec<LineAt> = Vec::new();
        for _ in 0..count {
            let address = self.order.u64(rest, 0)?;
            let offset = address.checked_sub(code);
            let line = self.order.u32(rest, 8)?;
            rest = rest.get(16..)?;
            let length = rest.iter().position(|&byte| byte == 0)?;
            let (name, behind) = rest.split_at(length);
            rest = &behind[1..];
            let same = lines.last().map(|last| &last.file);
            let file = match same {
                // A byte that no text has stands for the name before.
                Some(same) if name == [0xff] || name == same.as_bytes() => Arc::clone(same),
                _ => {
                    let cut = &name[..name.len().min(Limits::LONGEST_NAME)];
                    String::from_utf8_lossy(cut).into()
                }
            };
            let is_new = lines
                .last()
                .is_none_or(|last| !Arc::ptr_eq(&last.file, &file));
            if !limits.takes(if is_new { file.len() } else { 0 }) {
                return Some(());
            }
            lines.extend(offset.map(|offset| LineAt { offset, line, file }));
        }
        lines.sort_by_key(|line| line.offset);
        self.lines.insert(code, lines.into());
        Some(())
    }
}

/// Reads as many bytes as there is room for; false when there are none or too
/// few.
fn fill(from: &mut impl Read, out: &mut [u8]) -> io::Result<bool> {
    match from.read_exact(out) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "jitdump_tests.rs"]
pub(super) mod tests;
