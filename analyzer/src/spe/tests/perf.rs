//! Every memory sample as perf 7.2 prints it.

use super::{Line, decoded, difference};

/// Nothing is known that perf does otherwise.
#[test]
fn memory_samples_are_those_of_perf() {
    for name in [
        "n1-v1meta",
        "v1-contexts",
        "v2-newbits",
        "ampereone",
        "hip12",
    ] {
        let Some(decoded) = decoded(name, 2) else {
            return;
        };
        let (ours, theirs) = (decoded.memory(), decoded.script());
        assert!(theirs.len() > 5000, "{name}");
        let (only_ours, only_theirs) = difference(&ours, &theirs);
        assert!(
            only_ours.is_empty() && only_theirs.is_empty(),
            "{name}: {} of {} only here, {} of {} only there; {:x?} {:x?}",
            only_ours.len(),
            ours.len(),
            only_theirs.len(),
            theirs.len(),
            only_ours.first(),
            only_theirs.first()
        );
    }
}

/// Branches with link and returns are the 232 samples more that perf has
/// (`perf_takes_branches_for_memory_samples`).
#[test]
fn an_unlisted_core_reads_as_in_perf_apart_from_branches() {
    let Some(decoded) = decoded("n3-unknown-mixed-ops", 2) else {
        return;
    };
    let (only_ours, only_theirs) = difference(&decoded.memory(), &decoded.script());
    assert_eq!(only_ours, []);
    assert_eq!(only_theirs.len(), 232);
}

/// perf does not look at who left the CPU first.
#[test]
fn threads_before_the_first_switch_are_known_here() {
    let Some(decoded) = decoded("biglittle-no-contexts", 2) else {
        return;
    };
    let (only_ours, only_theirs) = difference(&decoded.memory(), &decoded.script());
    let before = decoded.truth["records_before_first_switch_of_their_cpu"].as_u64();
    assert_eq!(Some(only_theirs.len() as u64), before);
    assert!(only_theirs.iter().all(|line| line.tid == -1));
    let as_perf: Vec<Line> = only_ours
        .iter()
        .map(|line| Line { tid: -1, ..*line })
        .collect();
    assert_eq!(difference(&as_perf, &only_theirs), (Vec::new(), Vec::new()));
    assert!(only_ours.iter().all(|line| line.tid > 0));
}

#[test]
fn without_times_all_else_is_as_in_perf() {
    let Some(decoded) = decoded("v1-bare", 2) else {
        return;
    };
    let bare = |lines: Vec<Line>| -> Vec<Line> {
        let bare = lines.iter().map(|line| Line {
            ns: 0,
            tid: -1,
            ..*line
        });
        bare.collect()
    };
    let (ours, theirs) = (bare(decoded.memory()), bare(decoded.script()));
    assert_eq!(difference(&ours, &theirs), (Vec::new(), Vec::new()));
}
