//! The numbers and names of features.

use super::foreign;
use crate::Endianness;

/// How many feature bits a file header has (HEADER_FEAT_BITS).
pub(super) const COUNT: u32 = 256;

macro_rules! features {
    ($($name:ident = $bit:literal, $what:literal;)*) => {
        /// The feature bits of perf (tools/perf/util/header.h).
        pub mod feature {
            $(#[doc = $what] pub const $name: u32 = $bit;)*
        }

        /// The names of the feature bits of perf, by number.
        const NAMES: &[(u32, &str)] = &[$(($bit, stringify!($name)),)*];
    };
}

features! {
    TRACING_DATA = 1, "The formats of tracepoints.";
    BUILD_ID = 2, "Build-ids of the binaries seen.";
    HOSTNAME = 3, "The name of the machine.";
    OSRELEASE = 4, "The version of the kernel.";
    VERSION = 5, "The version of the recorder.";
    ARCH = 6, "The architecture, as `uname -m` gives it.";
    NRCPUS = 7, "How many CPUs there are.";
    CPUDESC = 8, "The model of the CPU, for people.";
    CPUID = 9, "The model of the CPU, for programs.";
    TOTAL_MEM = 10, "The memory of the machine.";
    CMDLINE = 11, "The command line of the recorder.";
    EVENT_DESC = 12, "Attributes again, with names and ids.";
    CPU_TOPOLOGY = 13, "Cores, threads and dies.";
    NUMA_TOPOLOGY = 14, "NUMA nodes and their CPUs.";
    BRANCH_STACK = 15, "Set where samples have branch stacks; no content.";
    PMU_MAPPINGS = 16, "Names of the numbers of PMUs.";
    GROUP_DESC = 17, "Which events were counted together.";
    AUXTRACE = 18, "Where AUXTRACE records are.";
    STAT = 19, "Set where the file is of `perf stat`; no content.";
    CACHE = 20, "The caches.";
    SAMPLE_TIME = 21, "The times of the first and last sample.";
    MEM_TOPOLOGY = 22, "The memory of each node.";
    CLOCKID = 23, "The resolution of the clock.";
    DIR_FORMAT = 24, "The capture is a directory of files.";
    BPF_PROG_INFO = 25, "BPF programs.";
    BPF_BTF = 26, "BPF types.";
    COMPRESSED = 27, "How records are compressed.";
    CPU_PMU_CAPS = 28, "What the CPU's PMU can do.";
    CLOCK_DATA = 29, "One moment on two clocks.";
    HYBRID_TOPOLOGY = 30, "The CPUs of each kind in a hybrid processor.";
    PMU_CAPS = 31, "What each PMU can do.";
    CPU_DOMAIN_INFO = 32, "Scheduling domains; not read.";
    E_MACHINE = 33, "The architecture as in an ELF header.";
}

/// The name of a feature bit, or its number where it has none here.
#[must_use]
pub fn feature_name(bit: u32) -> String {
    let named = NAMES.iter().find(|(known, _)| *known == bit);
    named.map_or_else(|| bit.to_string(), |(_, name)| (*name).to_owned())
}

/// Whether [`Features::absorb`](super::Features::absorb) takes the content of a
/// feature.
pub(super) fn is_read(bit: u32) -> bool {
    const OTHERS: [u32; 5] = [
        foreign::FEATURE_SIMPLEPERF_FILE,
        foreign::FEATURE_SIMPLEPERF_FILE2,
        foreign::FEATURE_SIMPLEPERF_META_INFO,
        foreign::FEATURE_HIPERF_WORKLOAD_CMD,
        foreign::FEATURE_HIPERF_RECORD_TIME,
    ];
    let named = NAMES.iter().any(|(known, _)| *known == bit);
    bit != feature::CPU_DOMAIN_INFO && (named || OTHERS.contains(&bit))
}

/// Whether a feature bit has a name here.
pub(super) fn is_named(bit: u32) -> bool {
    NAMES.iter().any(|(known, _)| *known == bit)
}

/// The set bits of the feature bitmap, ascending.
///
/// The bitmap is an array of C `unsigned long`, whose size is that of the
/// recorder. In little-endian files it makes no difference. In big-endian ones
/// perf tries 8 bytes and, if that gives no HOSTNAME, which every perf writes,
/// 4 (perf_file_header__read).
pub(super) fn set_bits(bytes: &[u8; 32], endian: Endianness) -> Vec<u32> {
    let by_words = |word: usize| -> Vec<u32> {
        let place = |bit: usize| match endian {
            Endianness::LittleEndian => bit / 8,
            Endianness::BigEndian => bit / 8 / word * word + (word - 1 - bit / 8 % word),
        };
        let is_set = |&bit: &u32| bytes[place(bit as usize)] >> (bit % 8) & 1 != 0;
        (0..COUNT).filter(is_set).collect()
    };
    let long = by_words(8);
    if long.contains(&feature::HOSTNAME) {
        return long;
    }
    let short = by_words(4);
    match short.contains(&feature::HOSTNAME) {
        true => short,
        false => long,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Endianness::BigEndian;

    #[test]
    fn names_and_numbers() {
        assert_eq!(feature_name(feature::HYBRID_TOPOLOGY), "HYBRID_TOPOLOGY");
        assert_eq!(feature_name(200), "200");
        assert!(is_named(33) && !is_named(34));
        assert!(is_read(foreign::FEATURE_SIMPLEPERF_META_INFO) && is_read(feature::CACHE));
        assert!(
            !is_read(foreign::FEATURE_SIMPLEPERF_DEBUG_UNWIND)
                && !is_read(feature::CPU_DOMAIN_INFO)
        );
    }

    #[test]
    fn big_endian_bits_of_32_bit_recorders() {
        let mut words = [0; 32];
        words[..4].copy_from_slice(&(1_u32 << 3 | 1 << 12).to_be_bytes());
        words[4..8].copy_from_slice(&1_u32.to_be_bytes());
        assert_eq!(set_bits(&words, BigEndian), [3, 12, 32]);
        let mut words = [0; 32];
        words[..8].copy_from_slice(&(1_u64 << 3 | 1 << 33).to_be_bytes());
        words[24..].copy_from_slice(&(1_u64 << 63).to_be_bytes());
        assert_eq!(set_bits(&words, BigEndian), [3, 33, 255]);
    }
}
