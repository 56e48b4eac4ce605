//! Strings of feature sections.

use crate::Cursor;

/// The text up to the first NUL. Bytes that are not UTF-8 are replaced: names
/// from a capture are shown, never used to find a file again.
pub(super) fn c_text(bytes: &[u8]) -> String {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// `struct perf_header_string`: a u32 length, then that many bytes padded with
/// NULs (tools/perf/util/header.c, do_read_string).
pub(super) fn string(cursor: &mut Cursor<'_>) -> Option<String> {
    let length = usize::try_from(cursor.u32()?).ok()?;
    cursor.bytes(length).map(c_text)
}

/// `struct perf_header_string_list`: a u32 count, then strings. Appends what
/// is there; `None` when the list ends early.
pub(super) fn strings(cursor: &mut Cursor<'_>, into: &mut Vec<String>) -> Option<()> {
    for _ in 0..cursor.u32()? {
        into.push(string(cursor)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endianness::{BigEndian, LittleEndian};

    #[test]
    fn padded_string_in_both_byte_orders() {
        let mut cursor = Cursor::new(b"\x04\0\0\0ab\0\0rest", LittleEndian);
        assert_eq!(string(&mut cursor).as_deref(), Some("ab"));
        assert_eq!(cursor.rest(), b"rest");
        let mut cursor = Cursor::new(b"\0\0\0\x02ab", BigEndian);
        assert_eq!(string(&mut cursor).as_deref(), Some("ab"));
    }

    #[test]
    fn a_length_past_the_end_is_refused() {
        assert_eq!(
            string(&mut Cursor::new(b"\xff\xff\xff\xffab", LittleEndian)),
            None
        );
        let mut list = Vec::new();
        let bytes = b"\xff\xff\xff\xff\x01\0\0\0a";
        assert_eq!(
            strings(&mut Cursor::new(bytes, LittleEndian), &mut list),
            None
        );
        assert_eq!(list, ["a"]);
    }
}
