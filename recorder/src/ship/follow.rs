//! A local file that is still written, and those who read behind its writer.

use crate::session::Signals;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a finished file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// How far the writer is.
#[derive(Debug)]
enum End {
    Writing,
    Done(Sums),
    /// There will be no whole file.
    Failed,
}

#[derive(Debug)]
struct State {
    written: u64,
    end: End,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that may still grow.
#[derive(Clone, Debug)]
pub struct Growing {
    file: Arc<File>,
    shared: Arc<Shared>,
}

impl Growing {
    /// One that is whole already.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn whole(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut reader = &file;
        let mut hash = Sha256::new();
        let mut piece = vec![0; 256 << 10];
        let mut size = 0;
        loop {
            match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => {
                    hash.update(&piece[..count]);
                    size += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let sums = Sums {
            size,
            sha256: hex(&hash.finalize()),
        };
        Ok(Self::new(Arc::new(file), size, End::Done(sums)))
    }

    fn new(file: Arc<File>, written: u64, end: End) -> Self {
        Self {
            file,
            shared: Arc::new(Shared {
                state: Mutex::new(State { written, end }),
                changed: Condvar::new(),
            }),
        }
    }

    /// The bytes from `offset` on, as they come. Its end is the end of the whole file;
    /// a file that will never be whole is an error.
    #[must_use]
    pub fn from(&self, offset: u64) -> Follower {
        Follower {
            file: Arc::clone(&self.file),
            at: offset,
            shared: Arc::clone(&self.shared),
        }
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Waits for the writer to end; `None` when there will be no whole file.
    #[must_use]
    pub fn sums(&self) -> Option<Sums> {
        let mut state = self.shared.lock();
        loop {
            match &state.end {
                End::Done(sums) => return Some(sums.clone()),
                End::Failed => return None,
                End::Writing => {
                    let woken = self.shared.changed.wait(state);
                    state = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Whether there will be no whole file.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        matches!(self.shared.lock().end, End::Failed)
    }
}

/// Reads behind the writer.
#[derive(Debug)]
pub struct Follower {
    file: Arc<File>,
    at: u64,
    shared: Arc<Shared>,
}

impl Read for Follower {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.shared.lock();
        while state.written <= self.at {
            match state.end {
                End::Done(_) => return Ok(0),
                End::Failed => return Err(io::Error::other("the bundle was not finished")),
                End::Writing => {
                    let woken = self.shared.changed.wait(state);
                    state = woken.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
        let there = state.written - self.at;
        drop(state);
        let room = usize::try_from(there)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.file.read_at(&mut buffer[..room], self.at)?;
        if count == 0 {
            return Err(io::Error::other(
                "the bundle became shorter while it was sent",
            ));
        }
        self.at += count as u64;
        Ok(count)
    }
}

/// A follower that ends with an error when somebody presses Ctrl-C.
#[derive(Debug)]
pub(super) struct UntilStopped<'a> {
    pub(super) from: Follower,
    pub(super) signals: &'a Signals,
    /// How many there were when sending began.
    pub(super) calm: u32,
}

impl Read for UntilStopped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.signals.count() > self.calm {
            return Err(io::Error::other("stopped"));
        }
        self.from.read(buffer)
    }
}

/// Writes the file, and tells its followers.
#[derive(Debug)]
pub struct Tracked {
    file: Arc<File>,
    hash: Sha256,
    shared: Arc<Shared>,
}

impl Tracked {
    /// Writes `file`, which must be open for reading, too.
    #[must_use]
    pub fn new(file: File) -> (Self, Growing) {
        let file = Arc::new(file);
        let growing = Growing::new(Arc::clone(&file), 0, End::Writing);
        let shared = Arc::clone(&growing.shared);
        let hash = Sha256::new();
        (Self { file, hash, shared }, growing)
    }

    /// Says that the file is whole, and on the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> io::Result<Sums> {
        self.file.sync_all()?;
        let hash = std::mem::take(&mut self.hash);
        let mut state = self.shared.lock();
        let sums = Sums {
            size: state.written,
            sha256: hex(&hash.finalize()),
        };
        state.end = End::Done(sums.clone());
        drop(state);
        self.shared.changed.notify_all();
        Ok(sums)
    }
}

impl Write for Tracked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = (&*self.file).write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.shared.lock().written += count as u64;
        self.shared.changed.notify_all();
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.file).flush()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if matches!(state.end, End::Writing) {
            state.end = End::Failed;
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// Hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked(folder: &Path) -> (Tracked, Growing, std::path::PathBuf) {
        let path = folder.join("x");
        let file = File::create_new(&path).unwrap();
        drop(file);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let (tracked, growing) = Tracked::new(file);
        (tracked, growing, path)
    }

    #[test]
    fn a_follower_reads_what_is_written_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, growing, path) = tracked(folder.path());
        let (all, tail) = std::thread::scope(|scope| {
            let follow = |from| {
                let mut bytes = Vec::new();
                growing.from(from).read_to_end(&mut bytes).unwrap();
                bytes
            };
            let all = scope.spawn(move || follow(0));
            let tail = scope.spawn(move || follow(2500));
            for piece in 0..100u8 {
                writer.write_all(&[piece; 100]).unwrap();
                std::thread::yield_now();
            }
            writer.finish().unwrap();
            (all.join().unwrap(), tail.join().unwrap())
        });
        assert_eq!(all, std::fs::read(&path).unwrap());
        assert_eq!(tail, all[2500..]);
        // What a reader of the whole file finds is what its writer counted.
        assert_eq!(Growing::whole(&path).unwrap().sums(), growing.sums());
    }

    #[test]
    fn a_follower_of_a_file_that_is_given_up_does_not_wait() {
        let folder = tempfile::tempdir().unwrap();
        let (mut writer, growing, _) = tracked(folder.path());
        writer.write_all(b"half").unwrap();
        let mut follower = growing.from(0);
        drop(writer);
        let mut bytes = Vec::new();
        assert!(follower.read_to_end(&mut bytes).is_err());
        assert_eq!(bytes, b"half");
        assert_eq!(growing.sums(), None);
    }

    #[test]
    fn the_sum_is_sha256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let sums = Growing::whole(&path).unwrap().sums().unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            sums.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
