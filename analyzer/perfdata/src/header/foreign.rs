//! Numbers that writers other than perf use in perf.data files: Android's
//! simpleperf (platform/system/extras, simpleperf/record.h and
//! record_file_format.h) and OpenHarmony's hiperf (developtools_hiperf,
//! include/perf_file_format.h).

/// The first feature bit of simpleperf's own.
pub const FEATURE_SIMPLEPERF: u32 = 128;
/// simpleperf: symbols of binaries, in a layout of its own.
pub const FEATURE_SIMPLEPERF_FILE: u32 = 128;
/// simpleperf: pairs of NUL-terminated key and value.
pub const FEATURE_SIMPLEPERF_META_INFO: u32 = 129;
/// simpleperf: what its unwinder met.
pub const FEATURE_SIMPLEPERF_DEBUG_UNWIND: u32 = 130;
/// simpleperf: files kept to repeat an unwind.
pub const FEATURE_SIMPLEPERF_DEBUG_UNWIND_FILE: u32 = 131;
/// simpleperf: symbols of binaries, as protocol buffers.
pub const FEATURE_SIMPLEPERF_FILE2: u32 = 132;
/// simpleperf: branches from ETM data.
pub const FEATURE_SIMPLEPERF_ETM_BRANCH_LIST: u32 = 133;
/// The first feature bit of hiperf's own.
pub const FEATURE_HIPERF: u32 = 192;
/// hiperf: symbols of binaries.
pub const FEATURE_HIPERF_FILES_SYMBOL: u32 = 192;
/// hiperf: the command that was started and recorded, a string.
pub const FEATURE_HIPERF_WORKLOAD_CMD: u32 = 193;
/// hiperf: when it was recorded, a string.
pub const FEATURE_HIPERF_RECORD_TIME: u32 = 194;
/// hiperf: whether time off the CPU was recorded.
pub const FEATURE_HIPERF_CPU_OFF: u32 = 195;

/// Records of a type from here on are simpleperf's own, and their header has
/// another form: see [`record_size`].
pub const RECORD_SIMPLEPERF: u32 = 32_768;
/// simpleperf: the text of /proc/kallsyms.
pub const RECORD_KERNEL_SYMBOL: u32 = 32_769;
/// simpleperf: a binary.
pub const RECORD_DSO: u32 = 32_770;
/// simpleperf: a symbol.
pub const RECORD_SYMBOL: u32 = 32_771;
/// simpleperf: a piece of a record that is too long for perf's header.
pub const RECORD_SPLIT: u32 = 32_772;
/// simpleperf: the end of such pieces, which together are a record.
pub const RECORD_SPLIT_END: u32 = 32_773;
/// simpleperf: u64 count, then pairs of u64: number of the attribute, id.
pub const RECORD_EVENT_ID: u32 = 32_774;
/// simpleperf: a call chain, unwound while recording.
pub const RECORD_CALLCHAIN: u32 = 32_775;
/// simpleperf: how an unwind ended.
pub const RECORD_UNWINDING_RESULT: u32 = 32_776;
/// simpleperf: u32 size, then the blob of
/// [`TracingData`](crate::TracingData).
pub const RECORD_TRACING_DATA: u32 = 32_777;
/// simpleperf: a text for its developers.
pub const RECORD_DEBUG: u32 = 32_778;

/// The length of a record in bytes, header included, from the three fields of
/// its header. simpleperf has no use for `misc` in its own records and keeps
/// the upper half of the length there (struct simpleperf_record_header).
#[must_use]
pub fn record_size(kind: u32, misc: u16, size: u16) -> u32 {
    match kind {
        RECORD_SIMPLEPERF.. => u32::from(misc) << 16 | u32::from(size),
        _ => u32::from(size),
    }
}

/// The pairs of simpleperf's META_INFO: NUL-terminated key, NUL-terminated
/// value.
pub(super) fn meta_info(bytes: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut parts = bytes.split(|&byte| byte == 0).map(text);
    let mut pairs = Vec::new();
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        if !key.is_empty() {
            pairs.push((key, value));
        }
    }
    pairs
}

/// The lines of META_INFO's `event_type_info`: name, type and config. A name
/// may have commas of its own, so the numbers are taken from the end.
pub(super) fn event_types(lines: &str) -> impl Iterator<Item = (&str, u32, u64)> {
    lines.lines().map(|line| {
        let mut parts = line.rsplitn(3, ',');
        let config = parts.next().and_then(|config| config.parse().ok());
        let kind = parts.next().and_then(|kind| kind.parse().ok());
        match (parts.next(), kind, config) {
            (Some(name), Some(kind), Some(config)) => (name, kind, config),
            // Kept, so that the lines after it stay at their places.
            _ => ("", u32::MAX, u64::MAX),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_both_header_forms() {
        assert_eq!(record_size(9, 0x4002, 64), 64);
        assert_eq!(record_size(RECORD_TRACING_DATA, 2, 0x1a0c), 0x2_1a0c);
    }

    #[test]
    fn meta_info_gives_event_names() {
        let bytes =
            b"clockid\0perf\0event_type_info\0cpu-cycles,0,0\nsched:sched_switch,2,45\nodd\0\0";
        let pairs = meta_info(bytes);
        assert_eq!(pairs.len(), 2);
        assert_eq!(pairs[0], ("clockid".to_owned(), "perf".to_owned()));
        let types: Vec<_> = event_types(&pairs[1].1).collect();
        assert_eq!(types[0], ("cpu-cycles", 0, 0));
        assert_eq!(types[1], ("sched:sched_switch", 2, 45));
        assert_eq!(types[2].0, "");
        assert_eq!(
            event_types("a,b/x=1,y=2/,8,4").next(),
            Some(("a,b/x=1,y=2/", 8, 4))
        );
    }
}
