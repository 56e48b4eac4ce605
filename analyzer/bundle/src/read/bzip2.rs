//! Inflates bzip2, which is how `perf archive` compresses.
//!
//! Our own because the crates for it are either C, under a licence of its own,
//! or no longer looked after. It follows the format as "bzip2 Format
//! Specification" (Joe Tsai, 2016) describes it, without "randomised" blocks,
//! which bzip2 has not written since 0.9.5.

mod bits;

use bits::Bits;
use std::io::{self, Read};

/// Bytes of a block for each step of the level in `BZh1` to `BZh9`.
const BLOCK_STEP: usize = 100_000;
const BLOCK_MAGIC: u64 = 0x3141_5926_5359;
const END_MAGIC: u64 = 0x1772_4538_5090;
/// The longest code, by what decoders accept.
const MAX_CODE: usize = 20;
/// Symbols between two choices of a table.
const GROUP: usize = 50;

/// Inflates one bzip2 stream or several behind each other. It holds one block
/// (at most 900,000 bytes, as numbers of four).
pub(super) struct Bzip2Reader<R> {
    bits: Bits<R>,
    state: State,
    largest: usize,
    block: Block,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    StreamHeader,
    BlockHeader,
    InBlock,
    Ended,
}

fn damage(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("bzip2: {what}"))
}

impl<R: Read> Bzip2Reader<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            bits: Bits::new(source),
            state: State::StreamHeader,
            largest: 0,
            block: Block::default(),
        }
    }

    fn stream_header(&mut self) -> io::Result<State> {
        if self.largest > 0 && self.bits.at_end()? {
            return Ok(State::Ended);
        }
        let magic = self.bits.take(24)?;
        let level = self.bits.take(8)?;
        if magic != 0x42_5a68 || !(0x31..=0x39).contains(&level) {
            return Err(damage("there is no stream header"));
        }
        self.largest = (level - 0x30) as usize * BLOCK_STEP;
        Ok(State::BlockHeader)
    }

    fn block_header(&mut self) -> io::Result<State> {
        let magic = u64::from(self.bits.take(24)?) << 24 | u64::from(self.bits.take(24)?);
        let sum = self.bits.take(32)?;
        match magic {
            BLOCK_MAGIC => {
                self.block.start(&mut self.bits, self.largest, sum)?;
                Ok(State::InBlock)
            }
            END_MAGIC => {
                // The sum of all blocks; each had its own.
                self.bits.align();
                Ok(State::StreamHeader)
            }
            _ => Err(damage("there is no block")),
        }
    }
}

impl<R: Read> Read for Bzip2Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            self.state = match self.state {
                State::StreamHeader => self.stream_header()?,
                State::BlockHeader => self.block_header()?,
                State::Ended => return Ok(0),
                State::InBlock => {
                    let count = self.block.give(buffer);
                    if count > 0 {
                        return Ok(count);
                    }
                    if self.block.sum != self.block.expected {
                        return Err(damage("a block has another checksum"));
                    }
                    State::BlockHeader
                }
            };
        }
    }
}

/// A canonical Huffman code: for each length the first code, the number of
/// codes, and where their symbols begin.
struct Code {
    first: [u32; MAX_CODE + 1],
    count: [u32; MAX_CODE + 1],
    start: [u32; MAX_CODE + 1],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut count = [0; MAX_CODE + 1];
        for &length in lengths {
            count[usize::from(length)] += 1;
        }
        let (mut first, mut start) = ([0; MAX_CODE + 1], [0; MAX_CODE + 1]);
        let mut symbols = Vec::with_capacity(lengths.len());
        let mut code = 0_u32;
        for length in 1..=MAX_CODE {
            first[length] = code;
            start[length] = symbols.len() as u32;
            let of_length = lengths.iter().enumerate();
            let of_length = of_length.filter(|&(_, &own)| usize::from(own) == length);
            symbols.extend(of_length.map(|(symbol, _)| symbol as u16));
            // At most 258 codes a length and 20 lengths: below 2^29.
            code = (code + count[length]) << 1;
        }
        Self {
            first,
            count,
            start,
            symbols,
        }
    }

    fn next<R: Read>(&self, bits: &mut Bits<R>) -> io::Result<u16> {
        let mut code = 0;
        for length in 1..=MAX_CODE {
            code = code << 1 | bits.take(1)?;
            let index = code.wrapping_sub(self.first[length]);
            if index < self.count[length] {
                let at = (self.start[length] + index) as usize;
                return self
                    .symbols
                    .get(at)
                    .copied()
                    .ok_or_else(|| damage("a code"));
            }
        }
        Err(damage("a code stands for nothing"))
    }
}

/// A block while it is given out.
#[derive(Default)]
struct Block {
    /// In the low byte the sorted column; above it where the next byte is.
    links: Vec<u32>,
    at: u32,
    given: usize,
    /// The last byte, how often it came, and how often more it is to come.
    last: u8,
    run: u8,
    repeat: u8,
    sum: u32,
    expected: u32,
}

impl Block {
    fn start<R: Read>(&mut self, bits: &mut Bits<R>, largest: usize, sum: u32) -> io::Result<()> {
        if bits.bit()? {
            return Err(damage("a block is randomised, as before 0.9.5"));
        }
        let origin = bits.take(24)? as usize;
        self.read_column(bits, largest)?;
        if origin >= self.links.len() {
            return Err(damage("a block begins outside itself"));
        }
        // Where the bytes of each value begin in the sorted column.
        let mut next = [0_u32; 256];
        for &byte in &self.links {
            next[byte as usize] += 1;
        }
        let mut sum_of_all = 0;
        for count in &mut next {
            sum_of_all += std::mem::replace(count, sum_of_all);
        }
        for index in 0..self.links.len() {
            let byte = self.links[index] as u8;
            let place = &mut next[usize::from(byte)];
            self.links[*place as usize] |= (index as u32) << 8;
            *place += 1;
        }
        self.at = self.links[origin] >> 8;
        self.given = 0;
        (self.last, self.run, self.repeat) = (0, 0, 0);
        (self.sum, self.expected) = (0, sum);
        Ok(())
    }

    /// Reads the last column of the sorted rotations: Huffman codes for runs
    /// and for places in a list that moves what was used to the front.
    fn read_column<R: Read>(&mut self, bits: &mut Bits<R>, largest: usize) -> io::Result<()> {
        let mut front = read_alphabet(bits)?;
        let codes_wanted = bits.take(3)? as usize;
        if !(2..=6).contains(&codes_wanted) {
            return Err(damage("a block has no code tables"));
        }
        let selectors = read_selectors(bits, codes_wanted)?;
        let symbols = front.len() + 2;
        let codes: Vec<Code> = (0..codes_wanted)
            .map(|_| read_code(bits, symbols))
            .collect::<io::Result<_>>()?;
        let end = symbols as u16 - 1;
        self.links.clear();
        let (mut run, mut weight) = (0_usize, 1_usize);
        for selector in selectors {
            let code = codes
                .get(usize::from(selector))
                .ok_or_else(|| damage("a table"))?;
            for _ in 0..GROUP {
                let symbol = code.next(bits)?;
                if symbol < 2 {
                    // Digits 1 and 2, lowest first.
                    run += weight << symbol;
                    weight <<= 1;
                    if run > largest {
                        return Err(damage("a block is too large"));
                    }
                    continue;
                }
                if run > 0 {
                    let length = self.links.len() + run;
                    if length > largest {
                        return Err(damage("a block is too large"));
                    }
                    self.links.resize(length, u32::from(front[0]));
                    (run, weight) = (0, 1);
                }
                if symbol == end {
                    return Ok(());
                }
                let place = usize::from(symbol) - 1;
                front[..=place].rotate_right(1);
                if self.links.len() == largest {
                    return Err(damage("a block is too large"));
                }
                self.links.push(u32::from(front[0]));
            }
        }
        Err(damage("a block has no end"))
    }

    /// Gives bytes out: behind four equal ones stands how often more.
    fn give(&mut self, buffer: &mut [u8]) -> usize {
        let mut count = 0;
        while count < buffer.len() {
            if self.repeat > 0 {
                self.repeat -= 1;
            } else {
                if self.given == self.links.len() {
                    break;
                }
                let link = self.links[self.at as usize];
                self.at = link >> 8;
                self.given += 1;
                let byte = link as u8;
                if self.run == 4 {
                    self.repeat = byte;
                    self.run = 0;
                    continue;
                }
                self.run = if byte == self.last { self.run + 1 } else { 1 };
                self.last = byte;
            }
            buffer[count] = self.last;
            count += 1;
        }
        self.sum = checksum(self.sum, &buffer[..count]);
        count
    }
}

fn read_alphabet<R: Read>(bits: &mut Bits<R>) -> io::Result<Vec<u8>> {
    let groups = bits.take(16)?;
    let mut alphabet = Vec::with_capacity(256);
    for group in (0..16).filter(|group| groups & (0x8000 >> group) != 0) {
        let used = bits.take(16)?;
        let used = (0..16).filter(|member| used & (0x8000 >> member) != 0);
        alphabet.extend(used.map(|member| group * 16 + member));
    }
    if alphabet.is_empty() {
        return Err(damage("a block has no bytes"));
    }
    Ok(alphabet)
}

fn read_selectors<R: Read>(bits: &mut Bits<R>, codes: usize) -> io::Result<Vec<u8>> {
    let count = bits.take(15)?;
    let mut front: Vec<u8> = (0..codes as u8).collect();
    let mut selectors = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let mut place = 0;
        while bits.bit()? {
            place += 1;
            if place >= codes {
                return Err(damage("a code table that is not there"));
            }
        }
        front[..=place].rotate_right(1);
        selectors.push(front[0]);
    }
    Ok(selectors)
}

fn read_code<R: Read>(bits: &mut Bits<R>, symbols: usize) -> io::Result<Code> {
    let mut length = bits.take(5)?;
    let mut lengths = Vec::with_capacity(symbols);
    for _ in 0..symbols {
        loop {
            if !(1..=MAX_CODE as u32).contains(&length) {
                return Err(damage("a code is too long"));
            }
            if !bits.bit()? {
                break;
            }
            length = if bits.bit()? { length - 1 } else { length + 1 };
        }
        lengths.push(length as u8);
    }
    Ok(Code::new(&lengths))
}

/// CRC-32 with the highest bit first, unlike zip's.
fn checksum(sum: u32, bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = (index as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                let carry = value & 0x8000_0000 != 0;
                value = value << 1 ^ if carry { 0x04c1_1db7 } else { 0 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(!sum, |sum, &byte| {
        sum << 8 ^ TABLE[(sum >> 24) as usize ^ usize::from(byte)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf 'contend %.0s' $(seq 20) | bzip2 -9`
    const SMALL: &[u8] = include_bytes!("bzip2/small.bz2");

    fn inflate(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        Bzip2Reader::new(bytes).read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn what_bzip2_wrote_is_read() {
        let text = "contend ".repeat(20).into_bytes();
        assert_eq!(inflate(SMALL).unwrap(), text);
        assert_eq!(inflate(&SMALL.repeat(3)).unwrap(), text.repeat(3));
    }

    #[test]
    fn cut_anywhere_it_is_an_error_and_no_panic() {
        for cut in 0..SMALL.len() {
            assert!(inflate(&SMALL[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn with_any_bit_flipped_it_is_never_other_text() {
        let text = inflate(SMALL).unwrap();
        for bit in 0..SMALL.len() * 8 {
            let mut bytes = SMALL.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(inflated) = inflate(&bytes) {
                assert_eq!(inflated, text, "bit {bit}");
            }
        }
    }
}
