//! Record types: their numbers and names.

use std::borrow::Cow;

/// Numbers of record types that the code asks for: the kernel's
/// (`include/uapi/linux/perf_event.h`) and, from 64 on, perf's own
/// (`tools/lib/perf/include/perf/event.h`), both without `PERF_RECORD_`.
/// simpleperf's are in [`crate::foreign`].
pub mod record_kind {
    /// Records that there was no room for.
    pub const LOST: u32 = 2;
    /// A thread ended.
    pub const EXIT: u32 = 4;
    /// A thread or process began.
    pub const FORK: u32 = 7;
    /// A sample.
    pub const SAMPLE: u32 = 9;
    /// New data in the AUX area.
    pub const AUX: u32 = 11;
    /// Samples that were dropped.
    pub const LOST_SAMPLES: u32 = 13;
    /// The flag of records of dropped samples that says that a BPF filter of the
    /// recording did it, as it was told to (`PERF_RECORD_MISC_LOST_SAMPLES_BPF`).
    pub const MISC_LOST_SAMPLES_BPF: u16 = 1 << 15;
    /// A thread that is recorded left the CPU or came back.
    pub const SWITCH: u32 = 14;
    /// A CPU that is recorded went from one thread to another.
    pub const SWITCH_CPU_WIDE: u32 = 15;
    /// Types from here on are written by perf and not by the kernel.
    pub const USER_TYPE_START: u32 = 64;
    /// An attribute and its ids.
    pub const HEADER_ATTR: u32 = 64;
    /// Number and name of an event; in old files only.
    pub const HEADER_EVENT_TYPE: u32 = 65;
    /// The size of the tracepoint formats that follow as payload.
    pub const HEADER_TRACING_DATA: u32 = 66;
    /// A binary and its build-id.
    pub const HEADER_BUILD_ID: u32 = 67;
    /// perf has emptied all of the kernel's buffers once more.
    pub const FINISHED_ROUND: u32 = 68;
    /// Which CPU or thread the buffer of an event's id is of.
    pub const ID_INDEX: u32 = 69;
    /// What writes the AUX area, and facts that only its decoder understands.
    pub const AUXTRACE_INFO: u32 = 70;
    /// The size of the trace data that follows as payload.
    pub const AUXTRACE: u32 = 71;
    /// The name, unit, scale or CPUs of an event.
    pub const EVENT_UPDATE: u32 = 78;
    /// How counts of a hardware timer become times.
    pub const TIME_CONV: u32 = 79;
    /// A feature bit and its content.
    pub const HEADER_FEATURE: u32 = 80;
    /// A piece of the zstd stream that holds the records.
    pub const COMPRESSED: u32 = 81;
    /// The same with its length, so that the record can be padded.
    pub const COMPRESSED2: u32 = 83;
}

/// The name of a record type as perf prints it (`perf_event__names` in
/// `tools/perf/util/event.c`), without `PERF_RECORD_`; simpleperf's from
/// `record.h` of simpleperf.
pub fn record_name(kind: u32) -> Cow<'static, str> {
    let name = match kind {
        1 => "MMAP",
        2 => "LOST",
        3 => "COMM",
        4 => "EXIT",
        5 => "THROTTLE",
        6 => "UNTHROTTLE",
        7 => "FORK",
        8 => "READ",
        9 => "SAMPLE",
        10 => "MMAP2",
        11 => "AUX",
        12 => "ITRACE_START",
        13 => "LOST_SAMPLES",
        14 => "SWITCH",
        15 => "SWITCH_CPU_WIDE",
        16 => "NAMESPACES",
        17 => "KSYMBOL",
        18 => "BPF_EVENT",
        19 => "CGROUP",
        20 => "TEXT_POKE",
        21 => "AUX_OUTPUT_HW_ID",
        22 => "CALLCHAIN_DEFERRED",
        64 => "HEADER_ATTR",
        65 => "EVENT_TYPE",
        66 => "TRACING_DATA",
        67 => "BUILD_ID",
        68 => "FINISHED_ROUND",
        69 => "ID_INDEX",
        70 => "AUXTRACE_INFO",
        71 => "AUXTRACE",
        72 => "AUXTRACE_ERROR",
        73 => "THREAD_MAP",
        74 => "CPU_MAP",
        75 => "STAT_CONFIG",
        76 => "STAT",
        77 => "STAT_ROUND",
        78 => "EVENT_UPDATE",
        79 => "TIME_CONV",
        80 => "FEATURE",
        81 => "COMPRESSED",
        82 => "FINISHED_INIT",
        83 => "COMPRESSED2",
        84 => "BPF_METADATA",
        85 => "SCHEDSTAT_CPU",
        86 => "SCHEDSTAT_DOMAIN",
        32_769 => "SIMPLEPERF_KERNEL_SYMBOL",
        32_770 => "SIMPLEPERF_DSO",
        32_771 => "SIMPLEPERF_SYMBOL",
        32_772 => "SIMPLEPERF_SPLIT",
        32_773 => "SIMPLEPERF_SPLIT_END",
        32_774 => "SIMPLEPERF_EVENT_ID",
        32_775 => "SIMPLEPERF_CALLCHAIN",
        32_776 => "SIMPLEPERF_UNWINDING_RESULT",
        32_777 => "SIMPLEPERF_TRACING_DATA",
        32_778 => "SIMPLEPERF_DEBUG",
        u32::MAX => "MORE_UNKNOWN_TYPES",
        other => return Cow::Owned(format!("UNKNOWN_{other}")),
    };
    Cow::Borrowed(name)
}

/// Whether [`record_name`] has a name for a record type.
pub fn is_known_record(kind: u32) -> bool {
    kind != u32::MAX && matches!(record_name(kind), Cow::Borrowed(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use linux_perf_event_reader::RecordType;

    #[test]
    fn names_agree_with_the_event_reader() {
        // An independent table of the same numbers.
        for kind in 1..=21 {
            assert_eq!(record_name(kind), format!("{:?}", RecordType(kind)));
        }
    }

    #[test]
    fn what_has_no_name_is_not_known() {
        for known in [1, 9, 22, 64, 86, 32_773] {
            assert!(is_known_record(known), "{known}");
        }
        for unknown in [0, 23, 63, 87, 32_768, 1 << 20, u32::MAX] {
            assert!(!is_known_record(unknown), "{unknown}");
        }
    }
}
