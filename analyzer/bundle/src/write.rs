//! Writes a bundle to anything that takes bytes, front to back.

mod frames;

use crate::error::Error;
use crate::layout;
use crate::manifest::Manifest;
use crate::sums::{self, Sum};
use crate::tar::{self, BLOCK};
use frames::FrameWriter;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::{Read, Write};

/// Bytes that are read from a member's source at a time.
const PIECE: usize = 128 << 10;

/// A bundle that is being written.
///
/// Bytes go out a frame at a time and nothing is written twice, so the output
/// may be a pipe or a socket. Memory is one frame, its compressed form, the
/// compressor and about a hundred bytes for each member.
///
/// ```
/// use contend_bundle::{BundleWriter, Manifest, layout};
/// # fn main() -> Result<(), contend_bundle::Error> {
/// let mut bundle = BundleWriter::new(Vec::new(), &Manifest::default())?;
/// let capture = b"PERFILE2";
/// bundle.add("memory.perf.data", capture.len() as u64, &capture[..])?;
/// bundle.add_unsized(layout::KALLSYMS, &b"0 T _text\n"[..], 64 << 20)?;
/// let bytes = bundle.finish()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct BundleWriter<W: Write> {
    frames: FrameWriter<W>,
    /// Modification time of every member, in seconds since 1970.
    seconds: u64,
    names: BTreeSet<String>,
    sums: String,
    broken: bool,
}

impl<W: Write> BundleWriter<W> {
    /// Starts a bundle with its manifest.
    ///
    /// # Errors
    /// When the output or the compressor refuses.
    pub fn new(output: W, manifest: &Manifest) -> Result<Self, Error> {
        let mut writer = Self {
            frames: FrameWriter::new(output)?,
            seconds: manifest.created_ns.unwrap_or(0) / 1_000_000_000,
            names: BTreeSet::new(),
            sums: String::new(),
            broken: false,
        };
        writer.add_bytes(layout::MANIFEST, &manifest.build()?)?;
        Ok(writer)
    }

    /// Adds a member of `size` bytes. A source that has more by now, such as a
    /// log that is still written, is taken up to there.
    ///
    /// # Errors
    /// A name that no member may have or that is there already, before
    /// anything is written. [`Error::Short`] for a source that ends early: its
    /// size is out already, so the bundle cannot go on and is best thrown
    /// away. When the source, the output or the compressor refuses, likewise.
    pub fn add(&mut self, name: &str, size: u64, source: impl Read) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        self.check(name)?;
        self.broken = true;
        let sum = self.member(name, size, source)?;
        self.broken = false;
        self.names.insert(name.to_owned());
        sums::push(&mut self.sums, name, &sum);
        Ok(())
    }

    /// Adds a member from memory.
    ///
    /// # Errors
    /// As [`BundleWriter::add`].
    pub fn add_bytes(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.add(name, bytes.len() as u64, bytes)
    }

    /// Adds a member whose size only its end tells, as for all of `/proc` and
    /// `/sys` and for files that are being written. A tar states the size in
    /// front, so the member is held in memory, at most `limit` bytes of it.
    ///
    /// # Errors
    /// [`Error::MemberTooLarge`] for a source beyond `limit`, and what the
    /// source says when it cannot be read: the bundle is as before and goes on
    /// without it. Else as [`BundleWriter::add`].
    pub fn add_unsized(&mut self, name: &str, source: impl Read, limit: u64) -> Result<(), Error> {
        let mut bytes = Vec::new();
        source
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(Error::io(format!("cannot read what is packed as {name}")))?;
        let size = bytes.len() as u64;
        if size > limit {
            return Err(Error::MemberTooLarge {
                name: name.to_owned(),
                size,
                limit,
            });
        }
        self.add_bytes(name, &bytes)
    }

    /// Whether a member of this name is in already.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Ends the bundle with the sums and gives the output back, flushed.
    ///
    /// # Errors
    /// [`Error::Broken`] when a member failed; else when the output or the
    /// compressor refuses.
    pub fn finish(mut self) -> Result<W, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let sums = std::mem::take(&mut self.sums);
        self.member(layout::SUMS, sums.len() as u64, sums.as_bytes())?;
        // Two empty blocks end an archive.
        self.frames.write(&[0; 2 * BLOCK])?;
        self.frames.finish()
    }

    fn check(&self, name: &str) -> Result<(), Error> {
        let unsafe_name = |why| Error::UnsafeName {
            name: name.to_owned(),
            offset: self.frames.written(),
            why,
        };
        layout::check_name(name).map_err(unsafe_name)?;
        if name == layout::SUMS {
            return Err(unsafe_name("the writer adds it itself"));
        }
        if self.names.contains(name) {
            return Err(Error::Duplicate {
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    fn member(&mut self, name: &str, size: u64, source: impl Read) -> Result<Sum, Error> {
        let mut source = source.take(size);
        self.frames.write(&tar::build(name, size, self.seconds))?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; PIECE.min(usize::try_from(size).unwrap_or(PIECE))];
        let mut got = 0;
        while got < size {
            let count = match source.read(&mut piece) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Error::io(format!("cannot read what is packed as {name}"))(
                        error,
                    ));
                }
            };
            if count == 0 {
                return Err(Error::Short {
                    name: name.to_owned(),
                    stated: size,
                    got,
                });
            }
            hash.update(&piece[..count]);
            self.frames.write(&piece[..count])?;
            got += count as u64;
        }
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.frames.write(&[0; BLOCK][..padding as usize])?;
        Ok(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer() -> BundleWriter<Vec<u8>> {
        BundleWriter::new(Vec::new(), &Manifest::default()).unwrap()
    }

    #[test]
    fn names_are_checked_before_anything_is_written() {
        let mut bundle = writer();
        bundle.add_bytes("a", b"1").unwrap();
        for name in ["a", "manifest.json", "SHA256SUMS", "/a", "../a", ""] {
            assert!(bundle.add_bytes(name, b"2").is_err(), "{name}");
        }
        assert!(bundle.contains("a") && !bundle.contains("b"));
        bundle.add_bytes("b", b"3").unwrap();
        bundle.finish().unwrap();
    }

    #[test]
    fn a_source_that_shrank_breaks_the_bundle_and_one_that_grew_does_not() {
        let mut bundle = writer();
        bundle.add("grew", 2, &b"123"[..]).unwrap();
        let error = bundle.add("shrank", 4, &b"123"[..]).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Short {
                    got: 3,
                    stated: 4,
                    ..
                }
            ),
            "{error}"
        );
        assert!(matches!(bundle.add_bytes("b", b""), Err(Error::Broken)));
        assert!(matches!(bundle.finish(), Err(Error::Broken)));
    }

    #[test]
    fn a_source_without_a_size_is_held_up_to_its_limit() {
        let mut bundle = writer();
        bundle.add_unsized("fits", &b"123"[..], 3).unwrap();
        let error = bundle
            .add_unsized("large", std::io::repeat(0), 3)
            .unwrap_err();
        assert!(
            matches!(error, Error::MemberTooLarge { limit: 3, .. }),
            "{error}"
        );
        bundle.finish().unwrap();
    }

    #[test]
    fn the_same_members_make_the_same_bytes() {
        let make = || {
            let mut bundle = writer();
            bundle.add_bytes("a", &[7; 100_000]).unwrap();
            bundle.finish().unwrap()
        };
        assert_eq!(make(), make());
    }
}
