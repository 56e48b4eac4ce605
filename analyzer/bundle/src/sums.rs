//! The member `SHA256SUMS`: one line a member, as `sha256sum` writes and
//! `sha256sum -c` checks it.

#[cfg(feature = "read")]
use crate::error::Error;
#[cfg(feature = "read")]
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A SHA-256.
pub(crate) type Sum = [u8; 32];

/// Adds a member's line.
pub(crate) fn push(sums: &mut String, name: &str, sum: &Sum) {
    for byte in sum {
        // Writing to a string cannot fail.
        let _ = write!(sums, "{byte:02x}");
    }
    let _ = writeln!(sums, "  {name}");
}

#[cfg(feature = "read")]
/// Reads all lines; a later line for the same name replaces the earlier.
///
/// # Errors
/// [`Error::Sums`] with the line that is none.
pub(crate) fn parse(text: &[u8]) -> Result<BTreeMap<String, Sum>, Error> {
    let mut sums = BTreeMap::new();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let (name, sum) = parse_line(line).ok_or(Error::Sums { line: index + 1 })?;
        sums.insert(name.to_owned(), sum);
    }
    Ok(sums)
}

#[cfg(feature = "read")]
/// `64 digits, space, space or *, name`; the name may begin with `./`, as in a
/// file that `find . -type f | xargs sha256sum` made.
fn parse_line(line: &[u8]) -> Option<(&str, Sum)> {
    let (digits, rest) = line.split_at_checked(64)?;
    let name = rest.strip_prefix(b"  ").or(rest.strip_prefix(b" *"))?;
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let mut sum = Sum::default();
    for (byte, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some((std::str::from_utf8(name).ok()?, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_written() {
        let mut text = String::new();
        push(&mut text, "a", &[0xab; 32]);
        push(&mut text, "b c", &[1; 32]);
        let sums = parse(text.as_bytes()).unwrap();
        assert_eq!(sums.len(), 2);
        assert_eq!(sums["a"], [0xab; 32]);
        assert_eq!(sums["b c"], [1; 32]);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let good = format!("{}  a\n", "0".repeat(64));
        for bad in ["x", &"0".repeat(64), &format!("{}  a", "g".repeat(64))] {
            let text = format!("{good}{bad}\n");
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::Sums { line: 2 }), "{bad}");
        }
    }
}
