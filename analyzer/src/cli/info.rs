//! `contend info`.

use super::args::InfoArguments;
use super::output;
use super::progress::Progress;
use crate::capture::Capture;
use crate::info::info;
use crate::render;
use crate::result::Can;
use crate::spe;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(super) fn run(arguments: &InfoArguments) -> Result<()> {
    let common = &arguments.common;
    output::check(common)?;
    let threads = usize::from(common.threads.unwrap_or(0));
    let mut capture = Capture::open(&common.capture, threads, common.chunk_size)?;
    if let Some(path) = &common.spe_tables {
        capture.use_spe_tables(path)?;
    }
    let progress = Progress::start(common, &capture);
    let (mut survey, walk) = capture.survey()?;
    let spe = spe::count(&capture)?;
    if let Some((_, sums)) = &spe {
        survey.spe(sums);
    }
    drop(progress);
    let mut result = info(&capture, &survey, &walk, spe.as_ref());
    for kind in kinds_beside(&capture, &common.capture) {
        match answers_of(&common.capture, &kind, threads, common.chunk_size) {
            Ok(theirs) => result.can.extend(theirs),
            Err(error) => {
                let warning = format!("the capture of kind {kind} in the bundle: {error:#}");
                result.quality.warnings.push(warning);
            }
        }
    }
    if common.json {
        return output::json(common, &result);
    }
    let color = output::color(common);
    output::write(common, |out| render::info::table(out, &result, color))
}

/// Kinds of the other captures in the bundle; standard input cannot be read again for them.
fn kinds_beside(capture: &Capture, path: &Path) -> BTreeSet<String> {
    let Some(bundle) = capture.bundle().filter(|_| path != Path::new("-")) else {
        return BTreeSet::new();
    };
    let read = bundle.captures().next();
    let facts = bundle.manifest().captures.iter();
    let others = facts.filter(|facts| {
        Some(facts.member.as_str()) != read
            && bundle.captures().any(|member| member == facts.member)
    });
    others.filter_map(|facts| facts.kind.clone()).collect()
}

/// The questions that the bundle's capture of this kind answers.
fn answers_of(
    path: &Path,
    kind: &str,
    threads: usize,
    chunk: usize,
) -> Result<BTreeMap<&'static str, Can>> {
    let mut capture = Capture::open_for(path, &[kind], threads, chunk)?;
    let (mut survey, walk) = capture.survey()?;
    let spe = spe::count(&capture)?;
    if let Some((_, sums)) = &spe {
        survey.spe(sums);
    }
    let mut can = info(&capture, &survey, &walk, spe.as_ref()).can;
    can.retain(|_, can| *can == Can::Yes);
    Ok(can)
}
