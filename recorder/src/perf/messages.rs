//! What perf says, and the one line of it that matters.
//!
//! The texts are those of tools/perf/builtin-record.c, util/evsel.c
//! (`evsel__open_strerror`), util/evlist.c and util/parse-events.c.

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The event is not to be had, or not like this.
    Event,
    /// Build-ids in mappings are not to be had.
    BuildIds,
    /// Anything else.
    Other,
}

struct Known {
    /// A part of the message.
    says: &'static str,
    fault: Fault,
    /// What it means.
    means: &'static str,
    /// The one thing to do.
    todo: &'static str,
}

const fn known(says: &'static str, fault: Fault, means: &'static str, todo: &'static str) -> Known {
    Known {
        says,
        fault,
        means,
        todo,
    }
}

/// More special ones first.
const KNOWN: &[Known] = &[
    known(
        "record build id in mmap events",
        Fault::BuildIds,
        "the kernel does not write build-ids into mappings",
        "use Linux 5.12 or later",
    ),
    known(
        "Permission error mapping pages",
        Fault::Other,
        "the buffers are larger than kernel.perf_event_mlock_kb allows",
        "run as root or with CAP_IPC_LOCK, or raise kernel.perf_event_mlock_kb",
    ),
    known(
        "can't access trace events",
        Fault::Other,
        "the scheduler's tracepoints cannot be read",
        "run as root, or `mount -o remount,mode=755 /sys/kernel/tracing`",
    ),
    known(
        "Access to performance monitoring and observability operations is limited",
        Fault::Other,
        "this user may not record that",
        "run as root or give perf CAP_PERFMON, and record only your own processes otherwise",
    ),
    known(
        "You may not have permission",
        Fault::Other,
        "this user may not record that",
        "run as root, or lower kernel.perf_event_paranoid",
    ),
    known(
        "Couldn't create thread/CPU maps: No such process",
        Fault::Other,
        "the process is not there",
        "check the number behind -p",
    ),
    known(
        "Too many events are opened",
        Fault::Other,
        "threads times CPUs times events are more than files may be open",
        "record all processes with -a, or raise the limit with `ulimit -n`",
    ),
    known(
        "No space left on device",
        Fault::Other,
        "the disk is full",
        "make room or record into another folder with -o; what was written is kept",
    ),
    known(
        "failed to mmap",
        Fault::Other,
        "the buffers could not be had",
        "run as root, or close other recordings",
    ),
    known(
        "Cannot find PMU",
        Fault::Event,
        "the kernel has no such unit",
        "see `contend-record doctor`",
    ),
    known(
        "event syntax error",
        Fault::Event,
        "this perf does not know the event",
        "use a newer perf with --perf PATH",
    ),
    known(
        "The PMU counters are busy",
        Fault::Event,
        "another profiler or the NMI watchdog holds the counters",
        "end it, or `sysctl kernel.nmi_watchdog=0`",
    ),
    known(
        "is not supported",
        Fault::Event,
        "the CPU or the kernel does not have the event",
        "see `contend-record doctor`",
    ),
    known(
        "sys_perf_event_open() syscall returned",
        Fault::Event,
        "the kernel refused the event",
        "see perf's messages beside the capture, and `dmesg`",
    ),
    known(
        "unknown option",
        Fault::Other,
        "this perf does not know an option",
        "use a newer perf with --perf PATH",
    ),
];

/// What perf says when all is well, with `--control`.
const USUAL: &[&str] = &["Events enabled", "Events disabled"];

fn find(text: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| text.contains(known.says))
}

/// What refused to work.
pub(super) fn fault(text: &str) -> Fault {
    find(text).map_or(Fault::Other, |known| known.fault)
}

/// What happened, in one line, with what to do when that is known.
pub(super) fn essence(text: &str) -> String {
    if let Some(known) = find(text) {
        return format!(
            "{} (perf: {}); {}",
            known.means,
            line_with(text, known.says),
            known.todo
        );
    }
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    // "Error:" stands on a line of its own, and what it is on the next.
    let mut behind = lines().skip_while(|line| !line.starts_with("Error"));
    let error = behind
        .next()
        .map(|line| line.trim_start_matches("Error:").trim());
    let chosen = match error {
        Some("") => behind.next(),
        Some(line) => Some(line),
        None => lines().rfind(|line| !USUAL.contains(line)),
    };
    chosen.map_or_else(
        || "perf said nothing".to_owned(),
        |line| format!("perf: {}", short(line)),
    )
}

/// The line that holds `part`, with what a continuation line in front of it names.
fn line_with(text: &str, part: &str) -> String {
    let line = text
        .lines()
        .find(|line| line.contains(part))
        .unwrap_or(part);
    short(
        line.trim()
            .trim_start_matches("\\___ ")
            .trim_start_matches("Error:")
            .trim(),
    )
}

fn short(line: &str) -> String {
    /// A line of a terminal or two.
    const MOST: usize = 160;
    if line.chars().count() <= MOST {
        return line.to_owned();
    }
    line.chars().take(MOST).chain(['…']).collect()
}

/// Lines that tell of losses or of an early end; they belong into the notes.
pub(super) fn losses(text: &str) -> Vec<String> {
    const TELLS: &[&str] = &[
        " lost",
        "LOST",
        "size limit reached",
        "No space left",
        "AUX data",
        "trace data",
        "was throttled",
    ];
    let mut found: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim) {
        let line = short(line);
        if TELLS.iter().any(|part| line.contains(part)) && !found.contains(&line) {
            found.push(line);
        }
    }
    found.truncate(8);
    found
}

#[cfg(test)]
mod tests {
    use super::{Fault, essence, fault, losses};

    /// As perf 6.1 prints them.
    const NO_UNIT: &str = "event syntax error: 'ibs_op//'\n                     \\___ Cannot find PMU `ibs_op'. Missing kernel support?\nRun 'perf list' for a list of valid events\n\n Usage: perf record [<options>] [<command>]\n";
    const DENIED: &str = "Error:\nAccess to performance monitoring and observability operations is limited.\nConsider adjusting /proc/sys/kernel/perf_event_paranoid setting to open\n";

    #[test]
    fn known_messages_become_one_line_with_what_to_do() {
        assert_eq!(fault(NO_UNIT), Fault::Event);
        let line = essence(NO_UNIT);
        assert!(
            line.contains("Cannot find PMU `ibs_op'") && line.contains("doctor"),
            "{line}"
        );
        let line = essence(DENIED);
        assert!(
            line.contains("CAP_PERFMON") && !line.contains('\n'),
            "{line}"
        );
        assert_eq!(
            fault("Failed: no support to record build id in mmap events, update your kernel.\n"),
            Fault::BuildIds
        );
    }

    #[test]
    fn of_others_the_error_or_the_last_line_is_told() {
        assert_eq!(
            essence("hello\nError:\nthe moon is full\nmore\n"),
            "perf: the moon is full"
        );
        assert_eq!(
            essence("  Error: unknown thing `x'\n\n Usage:\n"),
            "perf: unknown thing `x'"
        );
        assert_eq!(essence("one\ntwo\n\n"), "perf: two");
        assert_eq!(essence(""), "perf said nothing");
        assert_eq!(essence("one\nEvents enabled\n"), "perf: one");
        assert_eq!(essence("Events enabled\n"), "perf said nothing");
        assert!(essence(&"x".repeat(10_000)).len() < 200);
    }

    #[test]
    fn losses_are_told_once() {
        let text = "[ perf record: Woken up 3 times ]\nWARNING: AUX data lost 2 times out of 10!\nWARNING: AUX data lost 2 times out of 10!\n[ perf record: Captured and wrote 1 MB ]\n";
        assert_eq!(losses(text), ["WARNING: AUX data lost 2 times out of 10!"]);
    }
}
