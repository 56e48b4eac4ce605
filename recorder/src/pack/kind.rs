//! What a capture is of, by its events: for files that nobody tells it of, such as those
//! of a recorder that was killed.

use contend_perfdata::Header;

/// `PERF_SAMPLE_DATA_SRC`.
const DATA_SRC: u64 = 1 << 15;

/// The kind as in the manifest, by which commands of `contend` find their capture; nothing
/// for others.
pub(super) fn of(header: &Header) -> Option<&'static str> {
    let names: Vec<String> = (0..header.attrs.len())
        .filter_map(|index| header.display_name(index))
        .collect();
    let has = |parts: &[&str]| {
        names
            .iter()
            .any(|name| parts.iter().any(|part| name.starts_with(part)))
    };
    let has_sources = || {
        let mut events = header.attrs.iter();
        events.any(|event| event.attr.sample_type & DATA_SRC != 0)
    };
    if has(&["arm_spe"]) {
        Some("spe")
    } else if has_sources() {
        Some("c2c")
    } else if has(&["offcpu-time", "sched:sched_switch"]) {
        Some("offcpu")
    } else if has(&["cycles", "cpu-clock", "cpu-cycles", "task-clock", "cpu_"]) {
        Some("cpu")
    } else {
        None
    }
}
