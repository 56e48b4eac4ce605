//! What was found damaged or left out while the header was read.

use super::bits::feature_name;

/// One damaged part of a capture. Reading went on without it. `Display` gives
/// one line without the name of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Note {
    /// The file has the magic number of the oldest layout.
    #[error(
        "perf.data file of version 1, written by a very old perf: event names and features may be missing"
    )]
    Version1,
    /// The header gives itself a size that no version of perf writes.
    #[error("the header says it is {size} bytes long, which no perf writes; read as 104")]
    HeaderSize {
        /// The size the header gives.
        size: u64,
    },
    /// The size of the data section is 0: perf was stopped before it finished
    /// the file.
    #[error("the recorder did not finish this file (data size 0); read to the end of the file")]
    Unfinished,
    /// The file ends before the data section does.
    #[error("the data section is cut off: {missing} bytes are missing at the end of the file")]
    DataCut {
        /// How many bytes of the data section are not there.
        missing: u64,
    },
    /// The data section begins inside the file header.
    #[error("the data section begins at offset {offset}, inside the file header")]
    DataOdd {
        /// Where it begins, in bytes.
        offset: u64,
    },
    /// The header names no attributes, so samples cannot be taken apart.
    #[error("the header has no attribute section")]
    AttrsMissing,
    /// The attribute section is not all inside the file.
    #[error("the attribute section (offset {offset}, {size} bytes) is not all inside the file")]
    AttrsOutside {
        /// Where the section begins, in bytes.
        offset: u64,
        /// How long the header says it is, in bytes.
        size: u64,
    },
    /// The attribute section is not a whole number of attributes, or the size
    /// of one is too small to hold any.
    #[error("the attribute section ({size} bytes) does not divide into attributes of {each} bytes")]
    AttrsOdd {
        /// The length of the section, in bytes.
        size: u64,
        /// The size of one entry by the header, in bytes.
        each: u64,
    },
    /// An attribute gives a size that does not fit the room it has.
    #[error("attribute {index} says it is {size} bytes long and has room for {room}")]
    AttrSize {
        /// Which attribute, counted from 0.
        index: usize,
        /// Its own size field, in bytes.
        size: u32,
        /// The room, in bytes.
        room: u64,
    },
    /// An attribute could not be read.
    #[error("attribute {index} cannot be read")]
    AttrUnreadable {
        /// Which attribute, counted from 0.
        index: usize,
    },
    /// There are more attributes than any recorder writes.
    #[error("{dropped} attributes beyond the first {kept} were left out")]
    AttrsDropped {
        /// How many were read.
        kept: usize,
        /// How many were not.
        dropped: u64,
    },
    /// There is no attribute section; the EVENT_DESC feature stood in for it.
    #[error("no attribute could be read; those of the EVENT_DESC feature are used")]
    AttrsFromEventDesc,
    /// The ids of an event are not all inside the file.
    #[error("the ids of attribute {index} (offset {offset}, {size} bytes) cannot all be read")]
    IdsOutside {
        /// Which attribute, counted from 0.
        index: usize,
        /// Where the ids begin, in bytes.
        offset: u64,
        /// How long they are said to be, in bytes.
        size: u64,
    },
    /// The table of the features is not in the file (any more).
    #[error("the table of the {features} header features is missing or damaged")]
    FeatureTable {
        /// How many features the header names.
        features: usize,
    },
    /// A feature section is not all inside the file.
    #[error("feature {} (offset {offset}, {size} bytes) is not all inside the file", feature_name(*bit))]
    FeatureOutside {
        /// The feature bit.
        bit: u32,
        /// Where the section begins, in bytes.
        offset: u64,
        /// How long it is said to be, in bytes.
        size: u64,
    },
    /// A feature section is too long to be taken into memory.
    #[error("feature {} is {size} bytes long; only the first {read} were read", feature_name(*bit))]
    FeatureTooLong {
        /// The feature bit.
        bit: u32,
        /// How long it is, in bytes.
        size: u64,
        /// How much was read, in bytes.
        read: u64,
    },
    /// The feature sections together are longer than the file, so that some
    /// overlap. This one was left out.
    #[error("feature {} ({size} bytes) overlaps other features and was left out", feature_name(*bit))]
    FeatureOverlap {
        /// The feature bit.
        bit: u32,
        /// How long it is, in bytes.
        size: u64,
    },
    /// A feature ends in the middle of a value or counts more than can be. What
    /// came before was kept.
    #[error("feature {} is damaged; what could be read of it is used", feature_name(*bit))]
    FeatureCut {
        /// The feature bit.
        bit: u32,
    },
    /// A feature has a version that is not known. It was left out.
    #[error("feature {} has version {version}, which is not known", feature_name(*bit))]
    FeatureVersion {
        /// The feature bit.
        bit: u32,
        /// Its version.
        version: u64,
    },
    /// A record names a feature that a file cannot have.
    #[error("a record carries feature {bit}; a file has features up to 255")]
    FeatureUnknown {
        /// The feature bit.
        bit: u64,
    },
    /// A list of CPUs names too many, too high or unreadable numbers.
    #[error("feature {} lists CPUs that cannot be ({dropped} left out)", feature_name(*bit))]
    CpusDropped {
        /// The feature bit.
        bit: u32,
        /// How many numbers or unreadable pieces were left out.
        dropped: u64,
    },
    /// A bitmap of memory blocks has more ranges than any machine.
    #[error("feature {} has more memory ranges than can be; the rest was left out", feature_name(*bit))]
    RangesDropped {
        /// The feature bit.
        bit: u32,
    },
    /// A record that belongs to the header ends in the middle of a value.
    #[error("a header record of type {kind} ends in the middle of a value")]
    RecordCut {
        /// The record type.
        kind: u32,
    },
    /// A record names an attribute or event id that is not there.
    #[error("a header record of type {kind} is about an event that is not known ({id})")]
    RecordStray {
        /// The record type.
        kind: u32,
        /// The id, or the number of the attribute.
        id: u64,
    },
    /// Records that simpleperf split were too long to be put together.
    #[error("a split record is longer than {limit} bytes and was left out")]
    SplitTooLong {
        /// The longest that is put together, in bytes.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_and_names_the_feature() {
        let note = Note::FeatureCut { bit: 14 };
        assert_eq!(
            note.to_string(),
            "feature NUMA_TOPOLOGY is damaged; what could be read of it is used"
        );
        let note = Note::FeatureOutside {
            bit: 200,
            offset: 7,
            size: 9,
        };
        assert!(
            note.to_string()
                .starts_with("feature 200 (offset 7, 9 bytes)")
        );
    }
}
