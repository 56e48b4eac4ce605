//! `contend offcpu`.

use super::args::{OffCpuArguments, StateChoice};
use super::filters::filter;
use super::output;
use super::progress::Progress;
use crate::capture::Capture;
use crate::offcpu::{self, Options, Which};
use crate::render;
use crate::result::OffCpu;
use anyhow::{Result, bail};

pub(super) fn run(arguments: &OffCpuArguments) -> Result<()> {
    let common = &arguments.common;
    output::check(common)?;
    let threads = usize::from(common.threads.unwrap_or(0));
    let mut capture = Capture::open(&common.capture, threads, common.chunk_size)?;
    let progress = Progress::start(common, &capture);
    let result = analyze(arguments, &mut capture);
    drop(progress);
    let mut result = result?;
    if common.json {
        result.threads.truncate(arguments.top.unwrap_or(usize::MAX));
        return output::json(common, &result);
    }
    let color = output::color(common);
    output::write(common, |out| render::offcpu::table(out, &result, color))
}

fn analyze(arguments: &OffCpuArguments, capture: &mut Capture) -> Result<OffCpu> {
    let (mut survey, walk) = capture.survey()?;
    let space = capture.address_space(&mut survey);
    let options = Options {
        which: match arguments.state {
            StateChoice::Blocked => Which::Blocked,
            StateChoice::Preempted => Which::Preempted,
            StateChoice::Runnable => Which::Runnable,
            StateChoice::All => Which::All,
        },
        filter: filter(&arguments.filters, Some(&space), survey.times())?,
    };
    let analysis = offcpu::analyze(capture, (survey, walk), &space, &options)?;
    if analysis.is_empty() {
        bail!("{}: no time off the CPU", capture.path().display());
    }
    Ok(offcpu::report(capture, &analysis))
}
