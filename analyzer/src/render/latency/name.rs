//! What a group is called, and other words that table and picture share.

use crate::memory::{Class, Op};
use crate::render::c2c::classes::class_text;
use crate::render::style::count;
use crate::result::{LatencyKey, LatencyReport};

/// In front of a place in the kernel, as perf writes it.
const KERNEL_PLACE: &str = "[kernel.kallsyms]+";

/// Whether there are several kinds of cores, whose data sources are told apart.
pub(super) fn has_models(result: &LatencyReport) -> bool {
    let models = result.groups.iter().map(|group| match &group.key {
        LatencyKey::Source { cpu_model, .. } => cpu_model.as_deref(),
        _ => None,
    });
    let mut models = models.flatten();
    let first = models.next();
    models.any(|model| Some(model) != first)
}

/// What a group is called; with the kind of core where there are several.
pub(super) fn name(key: &LatencyKey, with_model: bool) -> String {
    match key {
        LatencyKey::Source {
            op,
            level,
            snoop,
            place,
            code,
            cpu_model,
        } => {
            let class = Class {
                op: *op,
                level: *level,
                snoop: *snoop,
                place: *place,
            };
            let op = match op {
                Op::Load => "load",
                Op::Store => "store",
                Op::Prefetch => "prefetch",
                Op::Other => "fetch",
            };
            let code = code.map(|code| format!(" [{code}]"));
            let model = cpu_model.as_ref().filter(|_| with_model);
            let model = model.map(|model| format!(" {model}"));
            format!(
                "{op}: {}{}{}",
                class_text(&class, cpu_model.is_some()),
                code.unwrap_or_default(),
                model.unwrap_or_default()
            )
        }
        LatencyKey::Function {
            function,
            dso,
            kernel,
        } => {
            let mark = if *kernel { " [k]" } else { "" };
            // A place has its binary in front; that of the kernel's is its address.
            if let Some(address) = function.strip_prefix(KERNEL_PLACE) {
                return format!("{address}{mark}");
            }
            match dso {
                Some(dso) if !function.starts_with(&format!("{dso}+")) => {
                    format!("{function}{mark} in {dso}")
                }
                _ => format!("{function}{mark}"),
            }
        }
        LatencyKey::Line {
            address, object, ..
        } => match object {
            Some(object) => {
                let what = match &object.name {
                    Some(name) => format!("{name}+{} in {}", object.offset, object.dso),
                    // Memory without a file has no offset of its own.
                    None if object.offset == *address => object.dso.clone(),
                    None => format!("{}+{}", object.dso, object.offset),
                };
                format!("{address} {what}")
            }
            None => format!("{address} not mapped"),
        },
        LatencyKey::Thread { tid: -1, .. } => "thread not told".to_owned(),
        LatencyKey::Thread { pid, tid, comm } => {
            // What perf calls the idle threads, which nobody names.
            let unnamed = if *tid == 0 { "swapper" } else { "?" };
            let comm = comm.as_deref().unwrap_or(unnamed);
            match pid == tid {
                true => format!("{comm}/{tid}"),
                false => format!("{comm}/{tid} of {pid}"),
            }
        }
        LatencyKey::Cpu { cpu } => match cpu {
            Some(cpu) => format!("CPU {cpu}"),
            None => "CPU not told".to_owned(),
        },
        LatencyKey::Node { node, memory_node } => {
            let node = match node {
                Some(node) => format!("CPUs of node {node}"),
                None => "CPUs of no known node".to_owned(),
            };
            match memory_node {
                Some(memory) => format!("{node}, memory of node {memory}"),
                None => node,
            }
        }
    }
}

/// What groups are, for a heading.
pub(super) fn heading(by: &str) -> &'static str {
    match by {
        "source" => "who answered",
        "function" => "function",
        "line" => "cache line",
        "thread" => "thread",
        "cpu" => "CPU",
        _ => "node",
    }
}

/// Which latencies were not sampled.
pub(super) fn thresholds(result: &LatencyReport) -> String {
    let unit = result.unit;
    // Hardware compares the main latency.
    let accesses = match result.metric {
        "weight" => "accesses",
        _ => "accesses with a weight",
    };
    let option = match result.quality.spe.is_some() {
        true => "min_latency",
        false => "ldlat",
    };
    let events = || result.events.iter().filter(|event| event.count > 0);
    let first = events().next().map(|event| event.threshold);
    if events().any(|event| Some(event.threshold) != first) {
        let each = events().map(|event| match (event.threshold, event.has_threshold) {
            (Some(cycles), _) => format!("{cycles} of {}", event.name),
            (None, Some(_)) => format!("none of {}", event.name),
            (None, None) => format!("not told of {}", event.name),
        });
        let each: Vec<String> = each.collect();
        return format!(
            "{accesses} below a threshold were not sampled, and events have different ones ({option}), \
             in {unit}: {}; distributions are mixed",
            each.join(", ")
        );
    }
    match first.flatten() {
        Some(cycles) => format!(
            "{accesses} below {cycles} {unit} were not sampled ({option}): percentiles are of the slower \
             ones"
        ),
        None if events().all(|event| event.has_threshold.is_some()) => {
            format!("no threshold ({option}): no latency was too short to be sampled")
        }
        None => {
            "threshold: the capture does not tell whether short latencies were left out".to_owned()
        }
    }
}

/// Below what nothing was sampled of the latency that is shown.
pub(super) fn hidden_below(result: &LatencyReport) -> Option<u64> {
    let mut events = result.events.iter().filter(|event| event.count > 0);
    let first = events.next()?.threshold?;
    let least = events.try_fold(first, |least, event| Some(least.min(event.threshold?)));
    least.filter(|_| result.metric == "weight")
}

/// What "lost" is in this result.
pub(super) fn lost(result: &LatencyReport) -> String {
    let unit = result.unit;
    let baseline = &result.baseline;
    let above = match (baseline.load, baseline.store) {
        (Some(load), Some(store)) if load != store => format!(
            "{unit} above {load} (loads) and {store} (stores), the medians of the capture's own {} \
             L1 and L2 hits",
            count(baseline.load_hits + baseline.store_hits)
        ),
        (Some(one), _) | (None, Some(one)) => {
            let hits = count(baseline.load_hits.max(baseline.store_hits));
            format!("{unit} above {one}, the median of the capture's own {hits} L1 and L2 hits")
        }
        (None, None) => format!("all {unit}, as no L1 or L2 hit of the capture has a latency"),
    };
    let scale = match result.order {
        "lost_estimated" => "estimated for all accesses by the periods of the samples",
        _ => "of the samples only, which do not tell how many accesses they stand for",
    };
    format!("lost: {above}; {scale}")
}

/// A number in three or four characters, and a letter for thousands.
pub(super) fn short(number: u128) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 99.95 { 0 } else { 1 };
    format!("{value:.digits$}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_have_few_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.0k"),
            (12_345, "12.3k"),
            (99_999, "100k"),
            (999_499, "999k"),
            (999_500, "1.0M"),
            (7_600_000_000, "7.6G"),
        ] {
            assert_eq!(short(number), text);
        }
        assert!(short(u128::MAX).ends_with('E'));
    }
}
