//! `contend offcpu`.

use super::args::{OffCpuArguments, OffCpuView, StateChoice};
use super::filters::filter;
use super::open::open;
use super::output;
use super::progress::Progress;
use crate::capture::Capture;
use crate::info::info;
use crate::offcpu::{self, Options, Which};
use crate::render::{self, cut_path, offcpu::View};
use crate::result::{Can, OffCpu};
use crate::stack::Unwinding;
use crate::symbols::Locator;
use anyhow::{Result, bail};
use std::io;

/// Columns of the capture's path in a line.
const PATH: usize = 60;

pub(super) fn run(arguments: &OffCpuArguments) -> Result<()> {
    let common = &arguments.common;
    output::check(common)?;
    let mut capture = open(common, &["offcpu"])?;
    let progress = Progress::start(common, &capture);
    let result = analyze(arguments, &mut capture);
    drop(progress);
    let mut result = result?;
    let view = arguments.by.map(view);
    let (picture, text) = output::places(common);
    if let Some(picture) = picture {
        if let Some(reason) = render::offcpu::nothing_to_draw(&result, view) {
            let path = cut_path(&capture.path().to_string_lossy(), PATH);
            bail!("{path}: {reason}");
        }
        let drawn = |out: &mut dyn io::Write| render::offcpu::picture(out, &result, view);
        output::write_to(Some(picture), drawn)?;
    }
    if common.json {
        let top = arguments.top.unwrap_or(usize::MAX);
        result.threads.truncate(top);
        result.locks.truncate(top);
        result.syscalls.truncate(top);
        result.wakers.truncate(top);
        result.stacks.truncate(top);
        return output::json_to(text, &result);
    }
    let color = output::color(common);
    if arguments.folded {
        for remark in render::offcpu::remarks(&result) {
            eprintln!("contend: {remark}");
        }
    }
    output::write_to(text, |out| match arguments.folded {
        true => render::offcpu::folded(out, &result),
        false => render::offcpu::table(out, &result, view, arguments.top, color),
    })
}

fn view(by: OffCpuView) -> View {
    match by {
        OffCpuView::Stack => View::Stack,
        OffCpuView::Lock => View::Lock,
        OffCpuView::Waker => View::Waker,
        OffCpuView::Thread => View::Thread,
        OffCpuView::State => View::State,
        OffCpuView::Syscall => View::Syscall,
    }
}

fn analyze(arguments: &OffCpuArguments, capture: &mut Capture) -> Result<OffCpu> {
    let (mut survey, walk) = capture.survey()?;
    let space = capture.address_space(&mut survey);
    let mut sources = arguments.symbols.sources();
    sources.enabled = !arguments.no_symbols;
    let locator = Locator::new(&sources, capture)?;
    // Stacks must be unwound although nobody wants names.
    let binaries = match sources.enabled {
        true => None,
        false => {
            sources.enabled = true;
            Some(Locator::new(&sources, capture)?)
        }
    };
    let unwinding = Unwinding::new(capture, &space, binaries.as_ref().unwrap_or(&locator));
    let options = Options {
        which: match arguments.state {
            StateChoice::Blocked => Which::Blocked,
            StateChoice::Preempted => Which::Preempted,
            StateChoice::Runnable => Which::Runnable,
            StateChoice::All => Which::All,
        },
        filter: filter(&arguments.filters, Some(&space), survey.times())?,
    };
    let path = cut_path(&capture.path().to_string_lossy(), PATH);
    let facts = info(capture, &survey, &walk, None);
    if let Some(Can::No(reason)) = facts.can.get("offcpu") {
        bail!("{path}: {reason}");
    }
    let analysis = offcpu::analyze(capture, (survey, walk), &unwinding, &options)?;
    if analysis.is_empty() {
        if analysis.filtered > 0 {
            let left_out = analysis.filtered;
            bail!(
                "{path}: no time off the CPU passes the filters, which left out {left_out} intervals"
            );
        }
        let state = match options.which {
            Which::All => "no thread is seen to leave the CPU and come back",
            Which::Blocked => "no thread is seen to wait for something",
            Which::Preempted => "no thread is seen to lose the CPU to another",
            Which::Runnable => "no thread is seen to wait for a CPU after it was woken",
        };
        let how = analysis.what_to_record();
        bail!("{path}: off the CPU, {state}: {how}");
    }
    offcpu::report(
        capture,
        &analysis,
        &unwinding,
        &locator,
        arguments.hide_idle,
    )
}
