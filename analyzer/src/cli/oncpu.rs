//! `contend oncpu`.

use super::args::OncpuArguments;
use super::filters::filter;
use super::open::open;
use super::output;
use super::progress::Progress;
use crate::capture::Capture;
use crate::oncpu::{OnCpuOptions, oncpu};
use crate::render;
use crate::result::OnCpu;
use anyhow::Result;
use std::io;

pub(super) fn run(arguments: &OncpuArguments) -> Result<()> {
    let common = &arguments.common;
    output::check(common)?;
    let mut capture = open(common, &["cpu"])?;
    let progress = Progress::start(common, &capture);
    let result = analyze(arguments, &mut capture);
    drop(progress);
    let mut result = result?;
    let (picture, text) = output::places(common);
    if let Some(picture) = picture {
        let drawn = |out: &mut dyn io::Write| render::oncpu::picture(out, &result);
        output::write_to(Some(picture), drawn)?;
    }
    if common.json {
        let top = arguments.top.unwrap_or(usize::MAX);
        result.functions.truncate(top);
        result.stacks.truncate(top);
        return output::json_to(text, &result);
    }
    let color = output::color(common);
    output::write_to(text, |out| match arguments.folded {
        true => render::oncpu::folded(out, &result),
        false => render::oncpu::table(out, &result, arguments.top, color),
    })
}

fn analyze(arguments: &OncpuArguments, capture: &mut Capture) -> Result<OnCpu> {
    let (mut survey, walk) = capture.survey()?;
    let space = capture.address_space(&mut survey);
    let options = OnCpuOptions {
        event: arguments.event.clone(),
        filter: filter(&arguments.filters, Some(&space), survey.times())?,
    };
    let mut sources = arguments.symbols.sources();
    sources.enabled = !arguments.no_symbols;
    oncpu(capture, &survey, &walk, &space, &options, &sources)
}
