//! Cutting a capture at many places, through the library.

use crate::common::compare;
use crate::common::counters::{COUNTERS, Counters};
use crate::subject::{Scratch, Subject};
use contend::{Capture, Coalesce, Filter, Options, Sort, SymbolSources, analyze, report};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::path::Path;

/// The parts of the document of `c2c` that do not hold lines, made by the
/// library; an error where the command would refuse.
pub(crate) fn document(file: &Path) -> Result<Value, String> {
    let mut capture = Capture::open(file, 1, 1 << 20).map_err(|error| format!("{error:#}"))?;
    let options = Options {
        sort: Some(Sort::Total),
        coalesce: vec![Coalesce::Iaddr],
        show_all: false,
        line_size: 64,
        filter: Filter::default(),
        replay: false,
    };
    let analysis = analyze(&mut capture, options).map_err(|error| format!("{error:#}"))?;
    let result = report(&capture, analysis, 64, &SymbolSources::default()).unwrap();
    Ok(json!({
        "quality": result.quality,
        "perf_counters": result.perf_counters,
        "classes": result.classes,
    }))
}

/// Cuts the capture at each place. One file shrinks from cut to cut, so nothing
/// is written again.
pub(crate) fn differences(subject: &Subject, cuts: &[usize]) -> Vec<String> {
    let mut cuts = cuts.to_vec();
    cuts.sort_unstable_by(|a, b| b.cmp(a));
    cuts.dedup();
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers)
            .map(|worker| {
                let mine = cuts.iter().copied().skip(worker).step_by(workers);
                scope.spawn(move || {
                    let scratch = Scratch::new(&subject.capture.bytes);
                    let file = OpenOptions::new().write(true).open(&scratch.file).unwrap();
                    let cut = |at: usize| {
                        file.set_len(at as u64).unwrap();
                        one(subject, at, &scratch.file)
                    };
                    mine.flat_map(cut).collect::<Vec<_>>()
                })
            })
            .collect();
        let found = handles
            .into_iter()
            .flat_map(|handle| handle.join().unwrap());
        found.collect()
    })
}

fn one(subject: &Subject, at: usize, file: &Path) -> Vec<String> {
    match document(file) {
        Ok(document) => compare(subject, at, &document),
        // Only a capture without a whole header may be refused.
        Err(_) if at < subject.capture.data.start => Vec::new(),
        Err(error) => vec![format!("{} cut at {at}: {error}", subject.name)],
    }
}

/// Every difference between the document of the capture cut at `at` and what is
/// expected of it.
pub(crate) fn compare(subject: &Subject, at: usize, document: &Value) -> Vec<String> {
    let none = Counters::default();
    let expected = subject.before(at).unwrap_or(&none);
    let mut found = counter_differences(&document["perf_counters"], expected);
    let quality = &document["quality"];
    if quality["samples"].as_u64() != Some(expected.get("nr_entries")) {
        found.push(format!("samples: {}", quality["samples"]));
    }
    let classes = document["classes"].as_array().expect("classes");
    let classes: u64 = classes
        .iter()
        .filter_map(|class| class["count"].as_u64())
        .sum();
    if quality["memory_samples"].as_u64() != Some(classes) {
        found.push(format!(
            "classes have {classes} samples, memory_samples is {}",
            quality["memory_samples"]
        ));
    }
    // The loss is stated: in words always, in bytes where data was lost.
    if at < subject.capture.bytes.len() && quality["warnings"].as_array().is_none_or(Vec::is_empty)
    {
        found.push("no warning".to_owned());
    }
    if at >= subject.capture.data.start {
        let lost = subject.lost(at) as u64;
        if quality["truncated_bytes"].as_u64() != Some(lost) {
            found.push(format!(
                "truncated_bytes {}, {lost} are lost",
                quality["truncated_bytes"]
            ));
        }
    }
    found
        .into_iter()
        .map(|what| format!("{} cut at {at}: {what}", subject.name))
        .collect()
}

/// Every counter that differs. `nomap` needs the address spaces and is not among
/// those expected.
pub(crate) fn counter_differences(ours: &Value, expected: &Counters) -> Vec<String> {
    let ours = compare::Counters(ours);
    let names = COUNTERS.iter();
    names
        .filter(|name| ours.get(name) != expected.get(name))
        .map(|name| {
            format!(
                "{name}: {}, in the whole records are {}",
                ours.get(name),
                expected.get(name)
            )
        })
        .collect()
}
