//! What the recorder says of the CPUs: the private part of AUXTRACE_INFO.

use crate::bytes::Cursor;
use linux_perf_event_reader::Endianness;

/// Word 0 of metadata version 2 (`ARM_SPE_HEADER_VERSION` counts from there).
const VERSION_2: u64 = 2;

/// Bytes of metadata version 1, which has no number of its own
/// (`tools/perf/util/arm-spe.c`).
const VERSION_1_SIZE: usize = 16;

/// Words of a CPU's block in front of its parameters: magic, CPU, their number.
const BLOCK_HEAD: usize = 3;

/// More CPUs than this are damage; the kernel's largest is 8,192.
const MOST_CPUS: usize = 65_536;

/// The main identification register of a core (`MIDR_EL1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Midr(pub u64);

impl Midr {
    /// Who made the core: 0x41 Arm, 0x48 HiSilicon, 0xc0 Ampere.
    pub fn implementer(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// Which of the implementer's cores it is.
    pub fn part(self) -> u16 {
        (self.0 >> 4 & 0xfff) as u16
    }

    /// The major revision, `n` of `rnpm`.
    pub fn variant(self) -> u8 {
        (self.0 >> 20 & 0xf) as u8
    }

    /// The minor revision, `m` of `rnpm`.
    pub fn revision(self) -> u8 {
        (self.0 & 0xf) as u8
    }

    /// Which core it is, of whatever revision (`MIDR_CPU_MODEL_MASK` in
    /// `arch/arm64/include/asm/cputype.h`).
    pub fn model(self) -> u64 {
        self.0 & 0xff0f_fff0
    }

    /// From the text of the CPUID feature, `0x00000000413fd0c1`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('\0');
        let digits = text.strip_prefix("0x").unwrap_or(text);
        u64::from_str_radix(digits, 16).ok().map(Self)
    }
}

/// What is told of one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuMetadata {
    /// Its number.
    pub cpu: u64,
    /// Its core.
    pub midr: Option<Midr>,
    /// The type of its SPE PMU; absent where it has none.
    pub pmu_type: Option<u64>,
    /// The least operations between two samples that it is capable of.
    pub min_interval: Option<u64>,
    /// The events that it can filter by, which are those that it reports.
    pub event_filter: Option<u64>,
}

/// The metadata of an SPE recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpeMetadata {
    /// 1 or 2.
    pub version: u64,
    /// The type of the PMU of the first SPE event.
    pub pmu_type: u64,
    /// The CPUs; empty in version 1.
    pub cpus: Vec<CpuMetadata>,
    /// Whether the block of a CPU was cut off or odd.
    pub is_damaged: bool,
}

impl SpeMetadata {
    /// Reads the private part of AUXTRACE_INFO (behind type and padding); nothing
    /// where it is of no version that is known.
    pub fn parse(private: &[u8], endian: Endianness) -> Option<Self> {
        let mut cursor = Cursor::new(private, endian);
        if private.len() == VERSION_1_SIZE {
            return Some(Self {
                version: 1,
                pmu_type: cursor.u64()?,
                ..Self::default()
            });
        }
        let version = cursor.u64()?;
        let head_words = usize::try_from(cursor.u64()?).ok()?;
        let (pmu_type, count) = (cursor.u64()?, cursor.u64()?);
        if version < VERSION_2 || head_words < 4 {
            return None;
        }
        let mut metadata = Self {
            version,
            pmu_type,
            ..Self::default()
        };
        let words = private.len() / 8;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let blocks = words.saturating_sub(head_words);
        // perf divides what there is by the number of CPUs
        // (`arm_spe__alloc_metadata`).
        let each = blocks.checked_div(count).unwrap_or(0);
        if count > 0 && each < BLOCK_HEAD {
            metadata.is_damaged = true;
            return Some(metadata);
        }
        for index in 0..count.min(MOST_CPUS) {
            let from = 8 * (head_words + index * each);
            let Some(block) = private.get(from..from + 8 * each) else {
                metadata.is_damaged = true;
                break;
            };
            match cpu_block(Cursor::new(block, endian)) {
                Some(cpu) => metadata.cpus.push(cpu),
                None => metadata.is_damaged = true,
            }
        }
        metadata.is_damaged |= count > MOST_CPUS;
        Some(metadata)
    }

    /// What is told of a CPU.
    pub fn cpu(&self, cpu: u64) -> Option<&CpuMetadata> {
        self.cpus.iter().find(|known| known.cpu == cpu)
    }
}

/// The magic number in front of a CPU's block (`__perf_cs_etmv4_magic`'s SPE
/// sibling, `ARM_SPE_METADATA_MAGIC`).
const MAGIC: u64 = 0x1010_1010_1010_1010;

fn cpu_block(mut cursor: Cursor<'_>) -> Option<CpuMetadata> {
    if cursor.u64()? != MAGIC {
        return None;
    }
    let (cpu, parameters) = (cursor.u64()?, cursor.u64()?);
    let mut left = parameters;
    let mut next = || {
        left = left.checked_sub(1)?;
        cursor.u64()
    };
    Some(CpuMetadata {
        cpu,
        midr: next().filter(|&midr| midr != 0).map(Midr),
        pmu_type: next().filter(|&kind| kind != u64::MAX && kind != u64::from(u32::MAX)),
        min_interval: next(),
        event_filter: next(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[u64]) -> Option<SpeMetadata> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        SpeMetadata::parse(&bytes, Endianness::LittleEndian)
    }

    #[test]
    fn both_versions_are_read() {
        let old = parse(&[11, 8]).unwrap();
        assert_eq!((old.version, old.pmu_type, old.cpus.len()), (1, 11, 0));
        let new = parse(&[
            2,
            4,
            11,
            2,
            MAGIC,
            0,
            4,
            0x411f_d401,
            11,
            1024,
            0xf0,
            MAGIC,
            5,
            4,
            0x410f_d4f1,
            u64::MAX,
            0,
            0,
        ])
        .unwrap();
        assert!(!new.is_damaged);
        assert_eq!((new.version, new.cpus.len()), (2, 2));
        let first = new.cpu(0).unwrap();
        assert_eq!(first.midr, Some(Midr(0x411f_d401)));
        assert_eq!(
            (first.min_interval, first.event_filter),
            (Some(1024), Some(0xf0))
        );
        assert_eq!(new.cpu(5).unwrap().pmu_type, None);
        assert_eq!(new.cpu(1), None);
    }

    #[test]
    fn damage_is_noted_and_the_rest_is_kept() {
        let odd = parse(&[2, 4, 11, 2, MAGIC, 0, 4, 7, 11, 0, 0, 9, 5, 4, 7, 11, 0, 0]).unwrap();
        assert!(odd.is_damaged);
        assert_eq!(odd.cpus.len(), 1);
        assert!(parse(&[2, 4, 11, 1 << 40, MAGIC, 0]).unwrap().is_damaged);
        assert_eq!(parse(&[0, 0, 0, 0]), None);
        assert_eq!(parse(&[2, 4, 11]), None);
        assert_eq!(parse(&[]), None);
        // Fewer parameters than are known.
        let short = parse(&[2, 4, 11, 1, MAGIC, 3, 1, 0x410f_d0c0]).unwrap();
        assert_eq!(short.cpus[0].midr, Some(Midr(0x410f_d0c0)));
        assert_eq!(short.cpus[0].event_filter, None);
    }

    #[test]
    fn a_midr_tells_core_and_revision() {
        let midr = Midr::parse("0x00000000413fd0c1").unwrap();
        assert_eq!((midr.implementer(), midr.part()), (0x41, 0xd0c));
        assert_eq!((midr.variant(), midr.revision()), (3, 1));
        assert_eq!(Midr::parse("GenuineIntel-6-55-7"), None);
    }
}
