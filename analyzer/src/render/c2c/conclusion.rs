//! What the report comes to, in a sentence.

use super::{by_metric, findings, metric_name, plural};
use crate::c2c::{LEAST_SIGNAL, THREADLESS, TOO_FEW, Verdict};
use crate::memory::{Counter, Counters};
use crate::render::style::count;
use crate::result::{C2c, FILTERED};
use crate::stats::percent;

/// HITMs that are spread thinly over lines are worth a word from so many on.
const MANY: u64 = 100;

/// The words for a verdict.
pub(super) fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::FalseSharing => "false sharing",
        Verdict::TrueSharing => "true sharing",
        Verdict::Mixed => "true and false sharing",
        Verdict::ReadMostly => "read mostly",
        Verdict::Unknown => "slow loads",
    }
}

pub(super) fn conclusion(result: &C2c) -> String {
    let counters = &result.perf_counters;
    let metric = metric_name(result);
    let total = by_metric(result.sort, counters);
    let findings = findings(result);
    let mut text = if let Some(baseline) = result.baseline_latency {
        by_latency(result, baseline)
    } else if total == 0 {
        nothing(result.sort, counters)
    } else if findings.is_empty() {
        no_verdict(result, total)
    } else {
        let mut parts: Vec<(Verdict, f64)> = Vec::new();
        for line in &findings {
            match parts
                .iter_mut()
                .find(|(verdict, _)| *verdict == line.verdict)
            {
                Some((_, share)) => *share += line.share,
                None => parts.push((line.verdict, line.share)),
            }
        }
        // Stable: equal parts stay in the order of the lines.
        parts.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let kinds: Vec<String> = match parts.as_slice() {
            [(verdict, _)] => vec![verdict_name(*verdict).to_owned()],
            parts => parts
                .iter()
                .map(|(verdict, share)| format!("{} {}", percent(*share), verdict_name(*verdict)))
                .collect(),
        };
        let number = findings.len() as u64;
        format!(
            "{} {} {} of all {metric}: {}",
            plural(number, "line", "lines"),
            if number == 1 { "holds" } else { "hold" },
            percent(findings.iter().map(|line| line.share).sum()),
            kinds.join(", "),
        )
    };
    if findings.iter().any(|line| line.judged_by.is_some()) {
        text += "; CPUs stand for threads, which the capture does not tell";
    }
    if is_filtered(result) {
        text += " (of the samples that pass the filters)";
    }
    text
}

/// Whether filters left something out.
pub(super) fn is_filtered(result: &C2c) -> bool {
    result.quality.skipped.contains_key(FILTERED)
}

/// Neither HITM nor peer snoops: what lines are ordered by.
fn by_latency(result: &C2c, baseline: u64) -> String {
    let share = result.lines.iter().map(|line| line.share).sum::<f64>();
    let number = result.lines.len() as u64;
    let counters = &result.perf_counters;
    let is_told = counters.get(Counter::TotHitm) + counters.get(Counter::TotPeer) > 0;
    let why = if is_told {
        "L"
    } else {
        "Neither peer snoops nor HITM were sampled: l"
    };
    format!(
        "{why}ines are ordered by excess latency, the cycles of their loads beyond {baseline} each \
         (the median of all loads); {} {} {} of it",
        plural(number, "line", "lines"),
        if number == 1 { "holds" } else { "hold" },
        percent(share),
    )
}

/// The metric is nowhere: what there is instead.
fn nothing(sort: &str, counters: &Counters) -> String {
    let hitm = counters.get(Counter::TotHitm);
    let peer = counters.get(Counter::TotPeer);
    match sort {
        "peer" if hitm > 0 => format!(
            "No peer snoops were sampled, but {} HITM: `--sort tot` orders lines by them",
            count(hitm)
        ),
        "rmt" if hitm > 0 => format!(
            "No remote HITM were sampled, but {} local: `--sort lcl` orders lines by them",
            count(hitm)
        ),
        "lcl" if hitm > 0 => format!(
            "No local HITM were sampled, but {} remote: `--sort rmt` orders lines by them",
            count(hitm)
        ),
        "tot" | "rmt" | "lcl" if peer > 0 => format!(
            "No HITM were sampled, but {}: `--sort peer` orders lines by them",
            plural(peer, "peer snoop", "peer snoops")
        ),
        "peer" => "Neither peer snoops nor HITM were sampled: contention on cache lines is not \
                   visible here"
            .to_owned(),
        _ => "No HITM were sampled: contention on cache lines is not visible here".to_owned(),
    }
}

/// The metric is there, and no line has a verdict.
fn no_verdict(result: &C2c, total: u64) -> String {
    let metric = metric_name(result);
    let unclear = result.lines.iter();
    let unexplained = unclear.filter(|line| !line.why.ends_with(TOO_FEW)).count() as u64;
    let nameless = result.lines.iter();
    let nameless = nameless.filter(|line| line.why.ends_with(THREADLESS));
    let nameless = nameless.count() as u64;
    if nameless > 0 && nameless == unexplained {
        format!(
            "No line has a verdict: the capture does not tell the threads of the {metric} of {}",
            plural(nameless, "line", "lines")
        )
    } else if unexplained > 0 {
        format!(
            "No line has a verdict: no stores were sampled that explain the {metric} of {}",
            plural(unexplained, "line", "lines")
        )
    } else if total >= MANY {
        format!(
            "No line has enough {metric} for a verdict ({LEAST_SIGNAL}): {} are spread over {}",
            count(total),
            plural(result.shared_lines, "line", "lines")
        )
    } else {
        format!(
            "No line has enough {metric} for a verdict: contention on cache lines is not visible \
             here"
        )
    }
}
