//! The events of what the collector writes.

use contend_perfdata::write::{EventSpec, flag, sample};

/// `PERF_TYPE_SOFTWARE`, `PERF_COUNT_SW_BPF_OUTPUT` and `PERF_COUNT_SW_DUMMY`.
const SOFTWARE: u32 = 1;
const BPF_OUTPUT: u64 = 10;
const DUMMY: u64 = 9;

/// Places of the events.
pub(super) const TIME: usize = 0;
pub(super) const DETAIL: usize = 1;
pub(super) const WAKER: usize = 2;
pub(super) const SIDE_BAND: usize = 3;

/// The events of the capture. All of them have the fields that perf's own list of
/// samples prints of each, and the same in front and at the end.
pub(super) fn events() -> Vec<EventSpec> {
    let common = sample::IDENTIFIER | sample::IP | sample::TID | sample::TIME | sample::CPU;
    let event = |name: &str, config, more, flags| EventSpec {
        kind: SOFTWARE,
        config,
        period: u64::from(config == BPF_OUTPUT),
        sample_type: common | more,
        flags: flags | flag::SAMPLE_ID_ALL | flag::USE_CLOCKID,
        clock: libc::CLOCK_MONOTONIC,
        name: name.to_owned(),
        ids: Vec::new(),
    };
    let side_band = flag::MMAP
        | flag::MMAP2
        | flag::MMAP_DATA
        | flag::COMM
        | flag::COMM_EXEC
        | flag::TASK
        | flag::BUILD_ID;
    let time = sample::ADDR | sample::PERIOD | sample::CALLCHAIN;
    vec![
        event("offcpu-time", BPF_OUTPUT, time, 0),
        event("offcpu-detail", BPF_OUTPUT, sample::RAW, 0),
        event(
            "offcpu-waker",
            BPF_OUTPUT,
            sample::CALLCHAIN | sample::RAW,
            0,
        ),
        event("dummy:u", DUMMY, 0, side_band),
    ]
}

/// The side-band event to open: stopped until it is mapped.
pub(super) fn side_band_event() -> EventSpec {
    let mut event = events().swap_remove(SIDE_BAND);
    event.flags |= flag::DISABLED;
    event
}
