//! The file around the records.

use super::event::EventSpec;
use super::features::FeatureSet;
use std::io::{self, Seek, SeekFrom, Write};

/// `PERFILE2` as the number that the machine's byte order makes of it.
const MAGIC: u64 = u64::from_le_bytes(*b"PERFILE2");

/// Bytes of `struct perf_file_header`.
const HEADER_SIZE: u64 = 104;

/// Bytes of an entry in the list of attributes: the attribute, and where its ids
/// are.
const ENTRY_SIZE: u64 = EventSpec::ATTR_SIZE as u64 + 16;

/// Where in the header the size of the data and the feature bits are.
const DATA_SIZE_AT: u64 = 48;
const FEATURES_AT: u64 = 72;

/// Writes a perf.data file that reads at every moment.
#[derive(Debug)]
pub struct FileWriter<W> {
    out: W,
    data_start: u64,
    data_size: u64,
}

impl<W: Write + Seek> FileWriter<W> {
    /// Begins a file: header, ids and attributes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(mut out: W, events: &[EventSpec]) -> io::Result<Self> {
        let mut ids = Vec::new();
        let mut entries = Vec::new();
        for event in events {
            entries.extend(event.attr());
            entries.extend((HEADER_SIZE + ids.len() as u64).to_ne_bytes());
            entries.extend((event.ids.len() as u64 * 8).to_ne_bytes());
            ids.extend(event.ids.iter().flat_map(|id| id.to_ne_bytes()));
        }
        let attrs_start = HEADER_SIZE + ids.len() as u64;
        let data_start = attrs_start + entries.len() as u64;
        let mut head = Vec::new();
        let words = [
            MAGIC,
            HEADER_SIZE,
            ENTRY_SIZE,
            attrs_start,
            entries.len() as u64,
            data_start,
            0, // bytes of data
            0, // event types, which nobody writes any more
            0,
        ];
        head.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        head.resize(HEADER_SIZE as usize, 0);
        head.extend(ids);
        head.extend(entries);
        out.write_all(&head)?;
        Ok(Self {
            out,
            data_start,
            data_size: 0,
        })
    }

    /// Bytes of the file up to the end of its records.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.data_start + self.data_size
    }

    /// Whether it has no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data_size == 0
    }

    /// Adds whole records. When this fails the file ends in front of them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        self.out.seek(SeekFrom::Start(self.len()))?;
        self.out.write_all(records)?;
        self.data_size += records.len() as u64;
        self.patch(DATA_SIZE_AT, &self.data_size.to_ne_bytes())?;
        self.out.flush()
    }

    /// Adds the features and gives the file back.
    ///
    /// # Errors
    /// When they cannot be written; the records can still be read.
    pub fn finish(mut self, features: &FeatureSet) -> io::Result<W> {
        let count = features.iter().count() as u64;
        let mut at = self.len() + count * 16;
        let mut table = Vec::new();
        let mut contents = Vec::new();
        let mut bits = [0u64; 4];
        for (bit, content) in features.iter() {
            table.extend(at.to_ne_bytes());
            table.extend((content.len() as u64).to_ne_bytes());
            contents.extend(content);
            at += content.len() as u64;
            bits[bit as usize / 64] |= 1 << (bit % 64);
        }
        self.out.seek(SeekFrom::Start(self.len()))?;
        self.out.write_all(&table)?;
        self.out.write_all(&contents)?;
        self.patch(FEATURES_AT, &bits.map(u64::to_ne_bytes).concat())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn patch(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.out.seek(SeekFrom::Start(at))?;
        self.out.write_all(bytes)
    }
}
