//! MiniDebugInfo: a symbol table that a stripped binary carries along,
//! compressed (`.gnu_debugdata`), as in Fedora and its kin.
//!
//! It is an ELF file with the functions that `.dynsym` does not have, in xz. The
//! bytes are anybody's: what xz may hold in memory and what comes out are
//! bounded.

use super::elf::{Bytes, Elf, ElfError, open_bytes};
use lzma_rust2::XzReader;
use std::io::{self, Read};

/// The section.
const SECTION: &str = ".gnu_debugdata";

/// The most that it inflates to, in bytes: the table of a binary of some hundred
/// MB has 20 MB.
const LARGEST: u64 = 256 << 20;

/// The most that it inflates to for each byte, beyond the first MiB. Symbol
/// tables come to a tenth.
const MOST_GROWTH: u64 = 200;

/// What xz may take, in KiB: `xz -9` needs 65 MiB.
const MOST_MEMORY: u32 = 96 << 10;

/// The inflated table for [`Elf::parse`]; absent when the binary has none.
///
/// # Errors
/// When it is no xz, or is larger than any symbol table.
pub(super) fn open(elf: &Elf<'_>) -> Result<Option<Bytes>, ElfError> {
    let Some(packed) = elf.section(SECTION)? else {
        return Ok(None);
    };
    inflate(&packed)
        .map(|bytes| Some(open_bytes(bytes)))
        .map_err(|error| ElfError::Mini(SECTION, error))
}

fn inflate(packed: &[u8]) -> io::Result<Vec<u8>> {
    let limit = (packed.len() as u64)
        .saturating_mul(MOST_GROWTH)
        .max(1 << 20)
        .min(LARGEST);
    let mut bytes = Vec::new();
    XzReader::new_mem_limit(packed, false, MOST_MEMORY)
        .take(limit + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!(
            "more than {limit} bytes come out"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// Compresses with the `xz` of this machine, if it has one.
    fn xz(bytes: &[u8], args: &[&str]) -> Option<Vec<u8>> {
        let mut child = Command::new("xz")
            .args(["--compress", "--stdout"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut stdin = child.stdin.take()?;
        let bytes = bytes.to_vec();
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&bytes)));
        let packed = child.wait_with_output().ok()?.stdout;
        feeder.join().ok()?;
        Some(packed)
    }

    #[test]
    fn xz_is_inflated_within_bounds() {
        let text: Vec<u8> = (0..300_000u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect();
        let Some(packed) = xz(&text, &["-9"]) else {
            eprintln!("skipped: no xz");
            return;
        };
        assert!(inflate(&packed).unwrap() == text);
        let zeros = xz(&vec![0; 64 << 20], &["-6"]).unwrap();
        let error = inflate(&zeros).unwrap_err().to_string();
        assert!(error.contains("come out"), "{error}");
        // A dictionary of a gigabyte.
        let hungry = xz(&text, &["--lzma2=dict=1GiB"]).unwrap();
        let error = inflate(&hungry).unwrap_err().to_string();
        assert!(error.contains("memory"), "{error}");
        assert!(inflate(&packed[..packed.len() / 2]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let start = [b"\xfd7zXZ\0\0\x04".as_slice(), &bytes].concat();
            drop(inflate(&bytes));
            drop(inflate(&start));
        }
    }
}
