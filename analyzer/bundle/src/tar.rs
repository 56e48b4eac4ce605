//! Member headers of a tar.
//!
//! Written is POSIX.1-2017 `ustar` (pax(1), "ustar Interchange Format") with a
//! pax record in front of members whose name or size does not fit. Read is
//! what GNU tar, bsdtar and busybox write besides: GNU long names and sizes in
//! base 256.
//!
//! This is our own code because readers that unpack archives follow names and
//! links and read extension headers of any size into memory; here a header is
//! 512 bytes that say where the next one is.

#[cfg(feature = "read")]
use crate::layout::MAX_NAME;

/// Everything in a tar stands in blocks of this many bytes.
pub(crate) const BLOCK: usize = 512;
/// Largest size that eleven octal digits hold.
const MAX_OCTAL: u64 = 0o77_777_777_777;
/// Room for a name in the header itself.
const NAME_FIELD: usize = 100;

#[cfg(feature = "read")]
/// What a header introduces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    /// A link; the target is of no interest.
    Link(&'static str),
    /// A device, pipe or whatever else.
    Other(&'static str),
    /// pax records for the next member.
    Pax,
    /// pax records for all members, such as the commit of `git archive`.
    PaxGlobal,
    /// GNU: the name of the next member.
    LongName,
    /// GNU: the link target of the next member.
    LongLink,
}

#[cfg(feature = "read")]
/// A header as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) kind: Kind,
}

#[cfg(feature = "read")]
/// Bytes that a member of `size` bytes takes, which is up to the next block.
/// Nothing when that is more than there are.
pub(crate) fn padded(size: u64) -> Option<u64> {
    size.checked_next_multiple_of(BLOCK as u64)
}

/// The header blocks of a file, with pax records in front where needed.
pub(crate) fn build(name: &str, size: u64, seconds: u64) -> Vec<u8> {
    let fits_name = name.len() <= NAME_FIELD;
    let fits_size = size <= MAX_OCTAL;
    let mut blocks = Vec::new();
    if !fits_name || !fits_size {
        let mut records = Vec::new();
        if !fits_name {
            pax_record(&mut records, "path", name);
        }
        if !fits_size {
            pax_record(&mut records, "size", &size.to_string());
        }
        blocks.extend(block(b"pax", records.len() as u64, seconds, b'x'));
        blocks.extend(&records);
        blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
    }
    // A reader that does not know the records is not to take it for a directory.
    let short = &name.as_bytes()[..name.len().min(NAME_FIELD)];
    let short = short.strip_suffix(b"/").unwrap_or(short);
    blocks.extend(block(short, size.min(MAX_OCTAL), seconds, b'0'));
    blocks
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn pax_record(out: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() > length {
        length += 1;
    }
    out.extend(format!("{length} {key}={value}\n").into_bytes());
}

fn block(name: &[u8], size: u64, seconds: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    let seconds = seconds.min(MAX_OCTAL);
    block[136..148].copy_from_slice(format!("{seconds:011o}\0").as_bytes());
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum = checksum(&block);
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// The sum of all bytes, with those of the sum itself taken as spaces.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let all: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    let own: u32 = block[148..156].iter().map(|&byte| u32::from(byte)).sum();
    all - own + 8 * u32::from(b' ')
}

#[cfg(feature = "read")]
/// Whether the block ends the archive.
pub(crate) fn is_end(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|&byte| byte == 0)
}

#[cfg(feature = "read")]
/// Reads a header.
///
/// # Errors
/// Why it is none.
pub(crate) fn parse(block: &[u8; BLOCK]) -> Result<Header, &'static str> {
    if octal(&block[148..156]) != Some(u64::from(checksum(block))) {
        return Err("there is no member header with a right checksum");
    }
    let size = number(&block[124..136]).ok_or("the size of a member is no number")?;
    let mut name = text(&block[..NAME_FIELD]).to_vec();
    // GNU's own format has "ustar  \0" and other fields where POSIX has a prefix.
    if block[257..263] == *b"ustar\0" {
        let prefix = text(&block[345..500]);
        if !prefix.is_empty() {
            let mut joined = prefix.to_vec();
            joined.push(b'/');
            joined.append(&mut name);
            name = joined;
        }
    }
    let kind = match block[156] {
        b'0' | 0 | b'7' => Kind::File,
        b'1' => Kind::Link("hard link"),
        b'2' => Kind::Link("symbolic link"),
        b'3' => Kind::Other("character device"),
        b'4' => Kind::Other("block device"),
        b'5' => Kind::Directory,
        b'6' => Kind::Other("named pipe"),
        b'S' => Kind::Other("sparse file"),
        b'x' => Kind::Pax,
        b'g' => Kind::PaxGlobal,
        b'L' => Kind::LongName,
        b'K' => Kind::LongLink,
        _ => Kind::Other("member of an unknown kind"),
    };
    Ok(Header { name, size, kind })
}

#[cfg(feature = "read")]
/// What the pax records in front of a member say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
}

#[cfg(feature = "read")]
/// Largest extension header that is read: the longest name, the size, and
/// other tars' times and owners.
pub(crate) const MAX_EXTENSION: u64 = 16 * MAX_NAME as u64;

#[cfg(feature = "read")]
/// Reads pax records.
///
/// # Errors
/// Why they are none, or why the member behind them cannot be read.
pub(crate) fn parse_pax(mut records: &[u8]) -> Result<Pax, &'static str> {
    const BAD: &str = "an extended header is malformed";
    let mut pax = Pax::default();
    while !records.is_empty() {
        let space = records.iter().position(|&byte| byte == b' ').ok_or(BAD)?;
        let length = decimal(&records[..space]).ok_or(BAD)?;
        let length = usize::try_from(length).map_err(|_| BAD)?;
        let (record, rest) = records.split_at_checked(length).ok_or(BAD)?;
        records = rest;
        let record = record.get(space + 1..).ok_or(BAD)?;
        let record = record.strip_suffix(b"\n").ok_or(BAD)?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or(BAD)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => pax.path = Some(value.to_vec()),
            b"size" => pax.size = Some(decimal(value).ok_or(BAD)?),
            key if key.starts_with(b"GNU.sparse.") => return Err("a member is a sparse file"),
            _ => {}
        }
    }
    Ok(pax)
}

#[cfg(feature = "read")]
/// The text of a field: up to the first NUL.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0);
    &field[..end.unwrap_or(field.len())]
}

#[cfg(feature = "read")]
fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(feature = "read")]
/// Octal digits, or with the highest bit set a number in base 256 (GNU).
fn number(field: &[u8]) -> Option<u64> {
    let (&first, rest) = field.split_first()?;
    if first != 0x80 {
        return octal(field);
    }
    rest.iter().try_fold(0_u64, |value, &byte| {
        value.checked_mul(256).map(|value| value | u64::from(byte))
    })
}

#[cfg(feature = "read")]
/// Octal digits between spaces and NULs.
fn octal(field: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text(field)).ok()?.trim_matches(' ');
    u64::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(bytes: &[u8]) -> Vec<[u8; BLOCK]> {
        bytes
            .chunks(BLOCK)
            .map(|block| block.try_into().unwrap())
            .collect()
    }

    #[test]
    fn a_header_reads_as_written() {
        let blocks = blocks(&build("a/b", 0o1234, 7));
        assert_eq!(blocks.len(), 1);
        assert_eq!(
            parse(&blocks[0]).unwrap(),
            Header {
                name: b"a/b".to_vec(),
                size: 0o1234,
                kind: Kind::File
            }
        );
        assert!(!is_end(&blocks[0]));
    }

    #[test]
    fn long_names_and_sizes_stand_in_records_in_front() {
        for length in [101, 480, 505, 990, 1024] {
            let name = "n".repeat(length);
            let size = MAX_OCTAL + 1;
            let blocks = blocks(&build(&name, size, 0));
            let pax = parse(&blocks[0]).unwrap();
            assert_eq!(pax.kind, Kind::Pax);
            let records: Vec<u8> = blocks[1..blocks.len() - 1].concat();
            let records = parse_pax(&records[..pax.size as usize]).unwrap();
            assert_eq!(records.path, Some(name.into_bytes()));
            assert_eq!(records.size, Some(size));
            assert_eq!(parse(&blocks[blocks.len() - 1]).unwrap().kind, Kind::File);
        }
    }

    #[test]
    fn one_changed_byte_is_no_header() {
        let block = blocks(&build("a", 1, 0))[0];
        // The field of the sum ends in a NUL and a space that say nothing.
        for at in (0..BLOCK).filter(|at| !(154..156).contains(at)) {
            let mut block = block;
            block[at] ^= 0x01;
            assert!(parse(&block).is_err(), "{at}");
        }
    }

    #[test]
    fn sizes_in_base_256_are_read_and_too_large_ones_refused() {
        let mut field = [0; 12];
        field[0] = 0x80;
        field[7] = 1;
        assert_eq!(number(&field), Some(1 << 32));
        field[1] = 1;
        assert_eq!(number(&field), None);
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(b"0000000001\0 "), Some(1));
        assert_eq!(number(b"-1\0"), None);
    }

    #[test]
    fn malformed_records_are_refused() {
        for records in [
            &b"9 path=a\n"[..4],
            b"x path=a\n",
            b"0 path=a\n",
            b"99 path=a\n",
            b"7 path\n",
            b"10 size=x\n",
            b"22 GNU.sparse.major=1\n",
            b"18446744073709551616 a=b\n",
        ] {
            assert!(
                parse_pax(records).is_err(),
                "{}",
                String::from_utf8_lossy(records)
            );
        }
    }
}
