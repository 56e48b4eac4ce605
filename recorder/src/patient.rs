//! Writing into a pipe that nobody may read.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// What a pipe takes at once when it takes anything: `PIPE_BUF` of Linux.
const PIECE: usize = 4096;
/// How often one looks whether to give up.
const STEP_MS: libc::c_int = 50;
/// Behind so long a wait somebody is told.
const LONG: Duration = Duration::from_secs(5);

/// A writer that never waits where it cannot be given up: signals do not end a `write(2)`
/// that waits for a reader, so it writes only what goes out at once.
pub(crate) struct Patient<'a> {
    file: File,
    is_stopped: &'a dyn Fn() -> bool,
    /// Called once, when nothing is taken for long.
    when_long: Option<&'a dyn Fn()>,
}

impl<'a> Patient<'a> {
    /// Writes into `to` until `is_stopped` says so.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub(crate) fn new(
        to: &impl AsFd,
        is_stopped: &'a dyn Fn() -> bool,
        when_long: &'a dyn Fn(),
    ) -> io::Result<Self> {
        let own: OwnedFd = to.as_fd().try_clone_to_owned()?;
        Ok(Self {
            file: own.into(),
            is_stopped,
            when_long: Some(when_long),
        })
    }

    /// Waits until something is taken.
    fn wait(&mut self) -> io::Result<()> {
        let began = Instant::now();
        loop {
            let mut poll = libc::pollfd {
                fd: self.file.as_raw_fd(),
                events: libc::POLLOUT,
                revents: 0,
            };
            // SAFETY: one pollfd, which lives during the call.
            let count = unsafe { libc::poll(&raw mut poll, 1, STEP_MS) };
            if (self.is_stopped)() {
                return Err(io::Error::other("stopped"));
            }
            match count {
                0 => {}
                // Errors of the file are told by writing.
                1.. => return Ok(()),
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
            if began.elapsed() > LONG
                && let Some(tell) = self.when_long.take()
            {
                tell();
            }
        }
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait()?;
        self.file.write(&bytes[..bytes.len().min(PIECE)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::io::Read;

    #[test]
    fn all_of_it_goes_through() {
        let (mut reader, writer) = io::pipe().unwrap();
        let bytes: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
        let read = std::thread::scope(|scope| {
            let sent = &bytes;
            scope.spawn(move || {
                let mut patient = Patient::new(&writer, &|| false, &|| {}).unwrap();
                patient.write_all(sent).unwrap();
            });
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        assert!(read == bytes);
    }

    #[test]
    fn what_nobody_reads_can_be_given_up() {
        let (reader, writer) = io::pipe().unwrap();
        let asked = Cell::new(0);
        let is_stopped = || {
            asked.set(asked.get() + 1);
            asked.get() > 30
        };
        let mut patient = Patient::new(&writer, &is_stopped, &|| {}).unwrap();
        // More than a pipe holds.
        let error = patient.write_all(&vec![0; 8 << 20]).unwrap_err();
        assert_eq!(error.to_string(), "stopped");
        drop(reader);
    }

    #[test]
    fn a_reader_that_went_away_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut patient = Patient::new(&writer, &|| false, &|| {}).unwrap();
        let error = patient.write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
