//! `contend info`.

use super::args::InfoArguments;
use super::output;
use super::progress::Progress;
use crate::capture::Capture;
use crate::info::info;
use crate::render;
use crate::spe;
use anyhow::Result;

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
    let result = info(&capture, &survey, &walk, spe.as_ref());
    if common.json {
        return output::json(common, &result);
    }
    let color = output::color(common);
    output::write(common, |out| render::info::table(out, &result, color))
}
