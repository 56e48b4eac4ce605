//! Bits out of bytes.

use std::io::{self, Read};

/// Bits of a source, highest first.
pub(super) struct Bits<R> {
    source: R,
    buffer: Vec<u8>,
    left: std::ops::Range<usize>,
    held: u64,
    count: u32,
}

impl<R: Read> Bits<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; 64 << 10],
            left: 0..0,
            held: 0,
            count: 0,
        }
    }

    /// The next byte, nothing at the end.
    fn byte(&mut self) -> io::Result<Option<u8>> {
        while self.left.is_empty() {
            match self.source.read(&mut self.buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.left = 0..count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.left.next().and_then(|at| self.buffer.get(at)).copied())
    }

    /// The next bits, at most 32.
    pub(super) fn take(&mut self, bits: u32) -> io::Result<u32> {
        while self.count < bits {
            let byte = self.byte()?.ok_or_else(|| {
                io::Error::new(io::ErrorKind::UnexpectedEof, "the bzip2 data is cut")
            })?;
            self.held = self.held << 8 | u64::from(byte);
            self.count += 8;
        }
        self.count -= bits;
        Ok((self.held >> self.count & ((1 << bits) - 1)) as u32)
    }

    pub(super) fn bit(&mut self) -> io::Result<bool> {
        Ok(self.take(1)? == 1)
    }

    /// Goes on at the next whole byte.
    pub(super) fn align(&mut self) {
        self.count -= self.count % 8;
    }

    /// Whether there is nothing more; only on a whole byte.
    pub(super) fn at_end(&mut self) -> io::Result<bool> {
        if self.count > 0 {
            return Ok(false);
        }
        match self.byte()? {
            None => Ok(true),
            Some(byte) => {
                self.held = u64::from(byte);
                self.count = 8;
                Ok(false)
            }
        }
    }
}
