//! Where the fields of a tracepoint's payload stand, and which letters its
//! numbers stand for: the format file of tracefs, read as text.
//!
//! Offsets differ between kernels, so they are never known in advance
//! (`Documentation/trace/events.rst`, "Event formats"):
//!
//! ```text
//! field:pid_t prev_pid;  offset:24;  size:4;  signed:1;
//! field:long prev_state; offset:32;  size:8;  signed:1;
//!
//! print fmt: "... prev_state=%s%s ...", REC->prev_state & (512-1) ?
//!   __print_flags(REC->prev_state & (512-1), "|", { 1, "S"} , { 2, "D" }) : "R",
//!   REC->prev_state & 512 ? "+" : "", ...
//! ```

use crate::{Cursor, Endianness};

/// The most fields of a format that are kept; the kernel's longest have dozens.
const MAX_FIELDS: usize = 256;

/// The most letters of a field that are kept: it has 64 bits.
const MAX_LETTERS: usize = 64;

/// How deep the parentheses of a constant may nest. The kernel writes five.
const MAX_DEPTH: usize = 32;

/// A field of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceField {
    /// Its name: `prev_pid`.
    pub name: String,
    /// Bytes from the start of the payload.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
    /// Whether a number is sign-extended.
    pub signed: bool,
}

/// The fields of a tracepoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceFormat {
    /// The fields in the order of the payload, the common ones first.
    pub fields: Vec<TraceField>,
    print: String,
}

/// What the bits of a field stand for, as the format prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceFlags {
    /// Each bit, or set of bits, and what is printed for it.
    pub letters: Vec<(u64, String)>,
    /// The bit for which `+` is printed behind the letters; absent when the
    /// format prints none.
    pub plus: Option<u64>,
}

impl TraceFormat {
    /// Reads a format file. Lines that are no field, or a field without a
    /// place, are passed over.
    #[must_use]
    pub fn parse(format: &str) -> Self {
        let fields = format.lines().filter_map(TraceField::parse);
        let print = format
            .lines()
            .find_map(|line| line.trim_start().strip_prefix("print fmt:"));
        Self {
            fields: fields.take(MAX_FIELDS).collect(),
            print: print.unwrap_or_default().to_owned(),
        }
    }

    /// The field of a name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&TraceField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// What the bits of a field are printed as. Empty when the format does not
    /// print letters for it.
    #[must_use]
    pub fn flags(&self, name: &str) -> TraceFlags {
        let field = format!("REC->{name} &");
        let mut flags = TraceFlags::default();
        // The printing of flags begins with the field and ends at the first
        // parenthesis that closes more than were opened.
        let printed = self.print.split("__print_flags(").skip(1);
        let Some(list) = printed.into_iter().find(|part| part.starts_with(&field)) else {
            return flags;
        };
        let pairs = list[..closing(list)].split('{').skip(1);
        for pair in pairs.take(MAX_LETTERS) {
            let Some((bits, rest)) = pair.split_once(',') else {
                continue;
            };
            let text = rest.split('"').nth(1);
            if let (Some(bits), Some(text)) = (constant(bits), text) {
                flags.letters.push((bits, text.to_owned()));
            }
        }
        // `REC->prev_state & 1024 ? "+" : ""` stands behind them.
        let plus = list.split("? \"+\"").next().filter(|part| *part != list);
        let mask = plus.and_then(|part| part.rsplit_once(field.as_str()));
        flags.plus = mask.and_then(|(_, mask)| constant(mask));
        flags
    }
}

impl TraceField {
    /// `field:long prev_state; offset:32; size:8; signed:1;`
    fn parse(line: &str) -> Option<Self> {
        let declaration = line.trim_start().strip_prefix("field:")?;
        let mut parts = declaration.split(';').map(str::trim);
        let declared = parts.next()?;
        // `char prev_comm[16]`, `__data_loc char[] name`
        let last = declared.rsplit(|c: char| c.is_whitespace()).next()?;
        let name = last.split('[').next()?.trim_start_matches('*');
        let mut field = Self {
            name: name.to_owned(),
            offset: 0,
            size: 0,
            signed: false,
        };
        let (mut has_offset, mut has_size) = (false, false);
        for part in parts {
            let Some((key, value)) = part.split_once(':') else {
                continue;
            };
            let value: Option<usize> = value.trim().parse().ok();
            match (key, value) {
                ("offset", Some(value)) => (field.offset, has_offset) = (value, true),
                ("size", Some(value)) => (field.size, has_size) = (value, true),
                ("signed", Some(value)) => field.signed = value != 0,
                _ => {}
            }
        }
        (has_offset && has_size && !field.name.is_empty()).then_some(field)
    }

    /// The number in this field of a payload; absent when the payload is too
    /// short or the field is no number of 1, 2, 4 or 8 bytes.
    #[must_use]
    #[inline]
    pub fn number(&self, payload: &[u8], endian: Endianness) -> Option<i64> {
        let mut cursor = Cursor::new(self.bytes(payload)?, endian);
        let signed = self.signed;
        Some(match self.size {
            1 => {
                let value = cursor.u8()?;
                extend(signed, value.cast_signed().into(), value.into())
            }
            2 => {
                let value = cursor.u16()?;
                extend(signed, value.cast_signed().into(), value.into())
            }
            4 => {
                let value = cursor.u32()?;
                extend(signed, value.cast_signed().into(), value.into())
            }
            8 => cursor.u64()?.cast_signed(),
            _ => return None,
        })
    }

    /// The bytes of this field of a payload; absent when it is too short.
    #[must_use]
    #[inline]
    pub fn bytes<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        payload.get(self.offset..self.offset.checked_add(self.size)?)
    }
}

fn extend(signed: bool, as_signed: i64, as_unsigned: u64) -> i64 {
    if signed {
        as_signed
    } else {
        as_unsigned.cast_signed()
    }
}

/// Where the parenthesis that encloses a text closes; its end when it does not.
fn closing(text: &str) -> usize {
    let mut depth = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth == 0 => return at,
            b')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The value of an expression of numbers, `|`, `+`, `-`, `<<` and parentheses,
/// with the precedence of C.
fn constant(text: &str) -> Option<u64> {
    let mut parser = Constant {
        rest: text.trim(),
        depth: 0,
    };
    let value = parser.or()?;
    parser.rest.is_empty().then_some(value)
}

struct Constant<'a> {
    rest: &'a str,
    depth: usize,
}

impl Constant<'_> {
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        if let Some(rest) = rest {
            self.rest = rest.trim_start();
        }
        rest.is_some()
    }

    fn or(&mut self) -> Option<u64> {
        let mut value = self.shift()?;
        while self.take("|") {
            value |= self.shift()?;
        }
        Some(value)
    }

    fn shift(&mut self) -> Option<u64> {
        let mut value = self.sum()?;
        while self.take("<<") {
            let by = u32::try_from(self.sum()?).ok()?;
            value = value.checked_shl(by)?;
        }
        Some(value)
    }

    fn sum(&mut self) -> Option<u64> {
        let mut value = self.number()?;
        loop {
            if self.take("+") {
                value = value.checked_add(self.number()?)?;
            } else if self.take("-") {
                value = value.checked_sub(self.number()?)?;
            } else {
                return Some(value);
            }
        }
    }

    fn number(&mut self) -> Option<u64> {
        if self.take("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return None;
            }
            let value = self.or()?;
            self.depth -= 1;
            return self.take(")").then_some(value);
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric());
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        let digits = digits.trim_end_matches(['U', 'L', 'u', 'l']);
        match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: &str = "name: sched_switch\nID: 372\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n\
        \n\
        \tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\
        \tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n\
        \tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;\n\
        \tfield:__data_loc char[] name;\toffset:64;\tsize:4;\tsigned:0;\n\
        \n\
        print fmt: \"prev_state=%s%s\", (REC->prev_state & ((((0x00000000 | 0x00000001 | \
        0x00000040) + 1) << 1) - 1)) ? __print_flags(REC->prev_state & ((((0x00000000 | \
        0x00000001 | 0x00000040) + 1) << 1) - 1), \"|\", { 0x00000001, \"S\" }, { 0x00000002, \
        \"D\" }, { 0x00000080, \"I\" }) : \"R\", REC->prev_state & (((0x00000000 | 0x00000001 | \
        0x00000002 | 0x00000004 | 0x00000008 | 0x00000010 | 0x00000020 | 0x00000040) + 1) << 1) \
        ? \"+\" : \"\", REC->next_comm\n";

    /// As kernels before 4.14 print it.
    const OLD: &str = "print fmt: \"prev_state=%s%s\", REC->prev_state & (2048-1) ? \
        __print_flags(REC->prev_state & (2048-1), \"|\", { 1, \"S\"} , { 2, \"D\" }, { 4, \"T\" \
        }, { 64, \"x\" }) : \"R\", REC->prev_state & 2048 ? \"+\" : \"\", REC->next_comm";

    #[test]
    fn fields_by_name() {
        let format = TraceFormat::parse(NEW);
        let field = |name| format.field(name).unwrap();
        assert_eq!(
            (field("prev_comm").offset, field("prev_comm").size),
            (8, 16)
        );
        assert_eq!((field("name").offset, field("name").size), (64, 4));
        assert!(field("prev_state").signed);
        assert_eq!(format.field("prev"), None);
    }

    #[test]
    fn numbers_in_both_byte_orders() {
        let format = TraceFormat::parse(NEW);
        let field = format.field("prev_pid").unwrap();
        let mut payload = [0; 28];
        payload[24..].copy_from_slice(&(-5i32).to_be_bytes());
        assert_eq!(field.number(&payload, Endianness::BigEndian), Some(-5));
        payload[24..].copy_from_slice(&77i32.to_le_bytes());
        assert_eq!(field.number(&payload, Endianness::LittleEndian), Some(77));
        assert_eq!(field.number(&payload[..27], Endianness::BigEndian), None);
        let comm = format.field("prev_comm").unwrap();
        assert_eq!(comm.number(&payload, Endianness::BigEndian), None);
    }

    #[test]
    fn letters_of_new_and_old_kernels() {
        let new = TraceFormat::parse(NEW).flags("prev_state");
        let letters = |flags: &TraceFlags| -> Vec<(u64, String)> { flags.letters.clone() };
        let text = |bits, text: &str| (bits, text.to_owned());
        assert_eq!(letters(&new), [text(1, "S"), text(2, "D"), text(128, "I")]);
        assert_eq!(new.plus, Some(0x100));
        let old = TraceFormat::parse(OLD).flags("prev_state");
        assert_eq!(letters(&old)[3], text(64, "x"));
        assert_eq!(old.plus, Some(2048));
        assert_eq!(TraceFormat::parse(OLD).flags("x"), TraceFlags::default());
    }

    #[test]
    fn constants_are_those_of_c() {
        assert_eq!(constant("1 << 2 | 1"), Some(5));
        assert_eq!(constant(" 1 + 1 << 1 "), Some(4));
        assert_eq!(constant("(0x10UL - 1)"), Some(15));
        for wrong in ["", "(1", "1 1", "1 << 64", "0 - 1", "x"] {
            assert_eq!(constant(wrong), None, "{wrong}");
        }
        assert_eq!(constant(&"(".repeat(100_000)), None);
    }
}
