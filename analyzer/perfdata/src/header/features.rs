//! The features of a capture: facts about the machine and the recording.

use super::bits::{self, feature};
use super::build_id::BuildId;
use super::foreign;
use super::note::Note;
use super::pmu::{self, GroupDesc, HybridNode, PmuCaps};
use super::recording::{
    self, AuxtraceEntry, ClockData, Compressed, EventDesc, Machine, SampleTime,
};
use super::symbol_files::{self, SymbolFile};
use super::text::{c_text, string, strings};
use super::topology::{self, CacheInfo, CpuTopology, MemTopology, NrCpus, NumaNode};
use super::tracing::TracingData;
use crate::{Cursor, Endianness};
use std::sync::Arc;

/// What the features of a capture say. Every field is absent or empty where
/// the recorder did not write it or the file ends before it. A list that is
/// cut off holds what was there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// The feature bits that are set, also those that could not be read.
    pub present: Vec<u32>,
    /// The formats of tracepoints.
    pub tracing_data: Option<TracingData>,
    /// Build-ids of the binaries seen.
    pub build_ids: Vec<BuildId>,
    /// The name of the machine.
    pub hostname: Option<String>,
    /// The version of the kernel, `uname -r`.
    pub os_release: Option<String>,
    /// The version of the recorder.
    pub perf_version: Option<String>,
    /// The architecture, `uname -m`.
    pub arch: Option<String>,
    /// How many CPUs there are.
    pub nr_cpus: Option<NrCpus>,
    /// The model of the CPU, for people.
    pub cpu_desc: Option<String>,
    /// The model of the CPU: `GenuineIntel,6,85,4`, on Arm the MIDR in hex.
    pub cpuid: Option<String>,
    /// The memory of the machine in kB.
    pub total_mem_kb: Option<u64>,
    /// The command line of the recorder, one argument each.
    pub cmdline: Vec<String>,
    /// Attributes with names and ids.
    pub event_desc: Vec<EventDesc>,
    /// Cores, threads and dies.
    pub cpu_topology: Option<CpuTopology>,
    /// NUMA nodes and their CPUs.
    pub numa_topology: Vec<NumaNode>,
    /// Number and name of each PMU.
    pub pmu_mappings: Vec<(u32, String)>,
    /// Which events were counted together.
    pub group_desc: Vec<GroupDesc>,
    /// Where AUXTRACE records are.
    pub auxtrace: Vec<AuxtraceEntry>,
    /// The caches.
    pub caches: Vec<CacheInfo>,
    /// The times of the first and last sample.
    pub sample_time: Option<SampleTime>,
    /// The memory of each node.
    pub mem_topology: Option<MemTopology>,
    /// The resolution of the clock of the samples in ns.
    pub clockid_res: Option<u64>,
    /// The version of the directory layout the file is part of.
    pub dir_format: Option<u64>,
    /// How many BPF programs are described.
    pub bpf_prog_infos: Option<u32>,
    /// How many sets of BPF types are there.
    pub bpf_btfs: Option<u32>,
    /// How records are compressed.
    pub compressed: Option<Compressed>,
    /// What the CPU's PMU can do, names and values.
    pub cpu_pmu_caps: Vec<(String, String)>,
    /// One moment on two clocks.
    pub clock_data: Option<ClockData>,
    /// The CPUs of each kind in a hybrid processor.
    pub hybrid_topology: Vec<HybridNode>,
    /// What each PMU can do.
    pub pmu_caps: Vec<PmuCaps>,
    /// The architecture as in an ELF header.
    pub e_machine: Option<Machine>,
    /// simpleperf's META_INFO, keys and values.
    pub meta_info: Vec<(String, String)>,
    /// simpleperf: the functions that samples are in, by file.
    pub symbol_files: Arc<[SymbolFile]>,
    /// hiperf: the command that was started and recorded.
    pub workload_cmd: Option<String>,
    /// hiperf: when it was recorded, as a text.
    pub record_time: Option<String>,
}

impl Features {
    /// Takes the content of one feature, as it stands in a section of the file
    /// or behind the feature bit in a HEADER_FEATURE record. A feature that
    /// comes again replaces what came before. Bits that are not known are only
    /// added to [`Features::present`].
    ///
    /// # Errors
    /// What is wrong with the content. What could be read of it was taken.
    pub fn absorb(&mut self, bit: u32, bytes: &[u8], endian: Endianness) -> Result<(), Note> {
        if bit >= bits::COUNT {
            return Err(Note::FeatureUnknown { bit: bit.into() });
        }
        if let Err(at) = self.present.binary_search(&bit) {
            self.present.insert(at, bit);
        }
        self.read(bit, bytes, endian)
            .unwrap_or(Err(Note::FeatureCut { bit }))
    }

    /// Whether the capture has this feature, readable or not.
    #[must_use]
    pub fn has(&self, bit: u32) -> bool {
        self.present.binary_search(&bit).is_ok()
    }

    /// The feature bits that are set and have no name here.
    pub fn unknown(&self) -> impl Iterator<Item = u32> {
        let bits = self.present.iter().copied();
        bits.filter(|&bit| !bits::is_named(bit))
    }

    /// The length of a cache line in bytes on the recorded machine: that of a
    /// first-level data cache.
    #[must_use]
    pub fn cache_line_size(&self) -> Option<u32> {
        let data = |cache: &&CacheInfo| cache.level == 1 && cache.kind != "Instruction";
        self.caches.iter().find(data).map(|cache| cache.line_size)
    }

    /// `None` when the content ends in the middle of a value.
    fn read(&mut self, bit: u32, bytes: &[u8], endian: Endianness) -> Option<Result<(), Note>> {
        let cursor = &mut Cursor::new(bytes, endian);
        match bit {
            feature::TRACING_DATA => return self.read_tracing_data(bytes),
            feature::BUILD_ID => {
                self.build_ids.clear();
                BuildId::read_all(bytes, endian, &mut self.build_ids)?;
            }
            feature::HOSTNAME => self.hostname = Some(string(cursor)?),
            feature::OSRELEASE => self.os_release = Some(string(cursor)?),
            feature::VERSION => self.perf_version = Some(string(cursor)?),
            feature::ARCH => self.arch = Some(string(cursor)?),
            feature::NRCPUS => self.nr_cpus = Some(NrCpus::parse(cursor)?),
            feature::CPUDESC => self.cpu_desc = Some(string(cursor)?),
            feature::CPUID => self.cpuid = Some(string(cursor)?),
            feature::TOTAL_MEM => self.total_mem_kb = Some(cursor.u64()?),
            feature::CMDLINE => self.read_cmdline(cursor)?,
            feature::EVENT_DESC => {
                self.event_desc.clear();
                return recording::read_event_desc(cursor, &mut self.event_desc);
            }
            feature::CPU_TOPOLOGY => {
                let available = self.nr_cpus.map(|cpus| cpus.available);
                let topology = self.cpu_topology.insert(CpuTopology::default());
                topology.read(cursor, available)?;
            }
            feature::NUMA_TOPOLOGY => {
                self.numa_topology.clear();
                return topology::read_numa(cursor, &mut self.numa_topology);
            }
            feature::PMU_MAPPINGS => {
                self.pmu_mappings.clear();
                pmu::read_mappings(cursor, &mut self.pmu_mappings)?;
            }
            feature::GROUP_DESC => {
                self.group_desc.clear();
                pmu::read_groups(cursor, &mut self.group_desc)?;
            }
            feature::AUXTRACE => {
                self.auxtrace.clear();
                recording::read_auxtrace(cursor, &mut self.auxtrace)?;
            }
            feature::CACHE => {
                self.caches.clear();
                return topology::read_caches(cursor, &mut self.caches);
            }
            feature::SAMPLE_TIME => self.sample_time = Some(SampleTime::parse(cursor)?),
            feature::MEM_TOPOLOGY => {
                let topology = self.mem_topology.insert(MemTopology::default());
                return topology.read(cursor);
            }
            feature::CLOCKID => self.clockid_res = Some(cursor.u64()?),
            feature::DIR_FORMAT => self.dir_format = Some(cursor.u64()?),
            feature::BPF_PROG_INFO => self.bpf_prog_infos = Some(cursor.u32()?),
            feature::BPF_BTF => self.bpf_btfs = Some(cursor.u32()?),
            feature::COMPRESSED => self.compressed = Some(Compressed::parse(cursor)?),
            feature::CPU_PMU_CAPS => {
                self.cpu_pmu_caps.clear();
                pmu::read_caps(cursor, &mut self.cpu_pmu_caps)?;
            }
            feature::CLOCK_DATA => match ClockData::parse(cursor)? {
                Ok(data) => self.clock_data = Some(data),
                Err(note) => return Some(Err(note)),
            },
            feature::HYBRID_TOPOLOGY => {
                self.hybrid_topology.clear();
                pmu::read_hybrid(cursor, &mut self.hybrid_topology)?;
            }
            feature::PMU_CAPS => {
                self.pmu_caps.clear();
                pmu::read_all_caps(cursor, &mut self.pmu_caps)?;
            }
            feature::E_MACHINE => self.e_machine = Some(Machine::parse(cursor)?),
            foreign::FEATURE_SIMPLEPERF_META_INFO => self.meta_info = foreign::meta_info(bytes),
            foreign::FEATURE_SIMPLEPERF_FILE => {
                let mut files = Vec::new();
                let whole = symbol_files::read_plain(bytes, endian, &mut files);
                self.symbol_files = files.into();
                whole?;
            }
            foreign::FEATURE_SIMPLEPERF_FILE2 => {
                let mut files = Vec::new();
                let whole = symbol_files::read_protobuf(bytes, endian, &mut files);
                self.symbol_files = files.into();
                whole?;
            }
            foreign::FEATURE_HIPERF_WORKLOAD_CMD => self.workload_cmd = Some(string(cursor)?),
            foreign::FEATURE_HIPERF_RECORD_TIME => self.record_time = Some(string(cursor)?),
            _ => {}
        }
        Some(Ok(()))
    }

    /// An empty section is no damage: simpleperf brings the blob in a record.
    fn read_tracing_data(&mut self, bytes: &[u8]) -> Option<Result<(), Note>> {
        if bytes.is_empty() {
            return Some(Ok(()));
        }
        let data = self.tracing_data.insert(TracingData::parse(bytes)?);
        data.complete.then_some(Ok(()))
    }

    /// A list of texts; of hiperf one text, the arguments with spaces between.
    fn read_cmdline(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.cmdline.clear();
        let mut whole = *cursor;
        if strings(cursor, &mut self.cmdline).is_some() {
            return Some(());
        }
        if whole.u32()? as usize == whole.remaining() {
            let line = c_text(whole.rest());
            self.cmdline = line.split(' ').map(str::to_owned).collect();
            return Some(());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endianness::{BigEndian, LittleEndian};

    fn absorb(bit: u32, bytes: &[u8]) -> (Features, Result<(), Note>) {
        let mut features = Features::default();
        let result = features.absorb(bit, bytes, LittleEndian);
        (features, result)
    }

    #[test]
    fn plain_values() {
        let mut features = Features::default();
        let values: Vec<u8> = (1..=5).flat_map(u32::to_be_bytes).collect();
        for bit in [7, 10, 21, 23, 24, 25, 26, 27, 33] {
            assert_eq!(features.absorb(bit, &values, BigEndian), Ok(()));
        }
        assert_eq!(
            features.nr_cpus,
            Some(NrCpus {
                available: 1,
                online: 2
            })
        );
        assert_eq!(features.total_mem_kb, Some(1 << 32 | 2));
        let (first, last) = (1 << 32 | 2, 3 << 32 | 4);
        assert_eq!(features.sample_time, Some(SampleTime { first, last }));
        assert_eq!(
            (features.bpf_prog_infos, features.bpf_btfs),
            (Some(1), Some(1))
        );
        assert_eq!(features.compressed.unwrap().mmap_len, 5);
        assert_eq!(features.e_machine.unwrap().e_flags, 2);
        assert_eq!(features.present, [7, 10, 21, 23, 24, 25, 26, 27, 33]);
    }

    #[test]
    fn command_lines_of_perf_and_hiperf() {
        let (features, _) = absorb(11, b"\x02\0\0\0\x05\0\0\0perf\0\x08\0\0\0record\0\0");
        assert_eq!(features.cmdline, ["perf", "record"]);
        let (features, result) = absorb(11, b"\x0e\0\0\0hiperf record\0");
        assert_eq!(
            (features.cmdline, result),
            (vec!["hiperf".into(), "record".into()], Ok(()))
        );
    }

    #[test]
    fn damage_is_told_and_what_is_there_is_kept() {
        let (features, result) = absorb(16, b"\xff\xff\xff\xff\x04\0\0\0\x04\0\0\0cpu\0");
        assert_eq!(features.pmu_mappings, [(4, "cpu".to_owned())]);
        assert_eq!(result, Err(Note::FeatureCut { bit: 16 }));
        let (features, result) = absorb(18, b"\xff\xff\xff\xff\xff\xff\xff\xff12345678abcdefgh12");
        assert_eq!(features.auxtrace.len(), 1);
        assert_eq!(result, Err(Note::FeatureCut { bit: 18 }));
        let (_, result) = absorb(29, b"\x02\0\0\0");
        assert_eq!(
            result,
            Err(Note::FeatureVersion {
                bit: 29,
                version: 2
            })
        );
        let (features, result) = absorb(256, b"");
        assert_eq!(
            (features.present.len(), result),
            (0, Err(Note::FeatureUnknown { bit: 256 }))
        );
    }

    #[test]
    fn unknown_bits_are_listed() {
        let (mut features, result) = absorb(77, b"whatever");
        assert_eq!(result, Ok(()));
        features.absorb(3, b"\x02\0\0\0h\0", LittleEndian).unwrap();
        assert_eq!(features.present, [3, 77]);
        assert_eq!(features.unknown().collect::<Vec<_>>(), [77]);
        assert!(features.has(77) && !features.has(4));
        assert_eq!(features.hostname.as_deref(), Some("h"));
    }
}
