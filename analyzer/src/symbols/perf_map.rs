//! The lists of functions that just-in-time compilers leave for perf: a line
//! each with address, size (both hexadecimal) and name, which may have spaces
//! (`tools/perf/Documentation/jit-interface.txt`).
//!
//! The lists have no times: where two functions had the same address, the later
//! line is the one that stays.

use super::jit::{Code, Limits};
use std::io::{self, BufRead};

/// Reads a list. What is wrong with it is counted in `limits`.
///
/// # Errors
/// When the file cannot be read on.
pub(super) fn read(mut from: impl BufRead, limits: &mut Limits) -> io::Result<Vec<Code>> {
    let mut codes = Vec::new();
    let mut line = Vec::new();
    while limits.line(&mut from, &mut line)? {
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match parse(text) {
            Some((start, end, name)) if limits.takes(name.len()) => {
                codes.push(Code::new(start, end, name));
            }
            Some(_) => break,
            None => limits.damaged += 1,
        }
    }
    Ok(codes)
}

fn parse(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    let (start, rest) = number(line)?;
    let (size, name) = number(rest)?;
    let end = start.checked_add(size)?;
    (size > 0 && !name.is_empty()).then_some((start, end, name))
}

/// A hexadecimal number and what follows behind blanks.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let text = text
        .strip_prefix(b"0x")
        .or_else(|| text.strip_prefix(b"0X"))
        .unwrap_or(text);
    let blank = text
        .iter()
        .position(|&byte| byte == b' ' || byte == b'\t')?;
    let (digits, rest) = text.split_at(blank);
    // `from_str_radix` would take a sign.
    let is_number = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    let value = u64::from_str_radix(digits, 16).ok()?;
    Some((value, rest.trim_ascii_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_address_size_and_name() {
        let list = b"7f00 40 plain\n0x7f40 0x10 JS:~load file:///a b.mjs:3:1\r\n\n\
                     7f50 0 empty\n7f60 10\nnonsense\n+1 2 x\nffffffffffffffff 10 high\n7f70 8 last";
        let mut limits = Limits::default();
        let codes = read(&list[..], &mut limits).unwrap();
        let seen = codes.iter().map(|code| (code.start, code.end, &*code.name));
        assert_eq!(
            seen.collect::<Vec<_>>(),
            [
                (0x7f00, 0x7f40, "plain"),
                (0x7f40, 0x7f50, "JS:~load file:///a b.mjs:3:1"),
                (0x7f70, 0x7f78, "last"),
            ]
        );
        assert_eq!(limits.damaged, 5);
    }

    #[test]
    fn long_lists_end_at_the_limit() {
        let list = b"10 10 a\n20 10 b\n30 10 c\n";
        let mut limits = Limits {
            codes: 2,
            ..Limits::default()
        };
        let codes = read(&list[..], &mut limits).unwrap();
        assert_eq!((codes.len(), limits.is_cut), (2, true));
        let mut limits = Limits::default();
        let long = [b"10 10 ".as_slice(), &vec![b'x'; 1 << 20], b"\n20 10 b"].concat();
        let codes = read(&long[..], &mut limits).unwrap();
        assert_eq!((codes.len(), limits.damaged), (1, 1));
    }
}
