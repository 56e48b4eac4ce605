//! `contend latency`.

use super::args::{LatencyArguments, LatencyBy, LatencyMetric, LatencyScale};
use super::c2c::line_size;
use super::filters::filter;
use super::open::open;
use super::output;
use super::progress::Progress;
use super::refusal::{held, no_accesses, nothing_passes, path};
use crate::capture::Capture;
use crate::info::info;
use crate::latency::{By, LatencyOptions, Metric, Refusal, latency, scan};
use crate::render;
use crate::render::latency::Division;
use crate::result::LatencyReport;
use anyhow::{Result, bail};
use std::io;

pub(super) fn run(arguments: &LatencyArguments) -> Result<()> {
    let common = &arguments.common;
    output::check(common)?;
    let mut capture = open(common, &["c2c", "spe"])?;
    let progress = Progress::start(common, &capture);
    let result = analyze(arguments, &mut capture);
    drop(progress);
    let mut result = result?;
    let division = division(arguments.scale);
    let (picture, text) = output::places(common);
    if let Some(picture) = picture {
        let drawn = |out: &mut dyn io::Write| {
            render::latency::picture(out, &result, arguments.top, division)
        };
        output::write_to(Some(picture), drawn)?;
    }
    if common.json {
        result.groups.truncate(arguments.top.unwrap_or(usize::MAX));
        return output::json_to(text, &result);
    }
    let color = output::color(common);
    output::write_to(text, |out| {
        render::latency::table(out, &result, arguments.top, division, color)
    })
}

fn analyze(arguments: &LatencyArguments, capture: &mut Capture) -> Result<LatencyReport> {
    let mut warnings = Vec::new();
    let by = by(arguments.by);
    let size = line_size(arguments.line_size, capture, &mut warnings)?;
    if by != By::Line {
        warnings.clear();
    }
    let metric = metric(arguments.metric);
    let (mut scan, refusal) = scan(capture, metric)?;
    if let Some(refusal) = refusal {
        bail!("{}", refused(capture, &scan, &refusal, metric));
    }
    let space = capture.address_space(&mut scan.survey);
    let options = LatencyOptions {
        by,
        metric,
        filter: filter(&arguments.filters, Some(&space), scan.survey.times())?,
        line_size: size,
        with_heat: output::places(&arguments.common).0.is_some(),
    };
    let mut sources = arguments.symbols.sources();
    sources.enabled = !arguments.no_symbols;
    let mut result = latency(capture, &scan, &space, &options, &sources)?;
    if result.total.count == 0 {
        let filters = &arguments.filters;
        if result.total.without == 0
            && let Some(said) = nothing_passes(capture, &space, &scan.survey, filters)?
        {
            bail!("{said}");
        }
        bail!(
            "{}: {} memory accesses pass the filters, and none of them has a latency",
            path(capture),
            result.total.without
        );
    }
    result.quality.warnings.extend(warnings);
    Ok(result)
}

/// One line: why there is no such latency, what there is, and what to record.
fn refused(
    capture: &Capture,
    scan: &crate::latency::Scan,
    refusal: &Refusal,
    metric: Metric,
) -> String {
    let info = info(capture, &scan.survey, &scan.walk, scan.spe.as_ref());
    let path = path(capture);
    let name = metric.name();
    let article = match name.starts_with(['a', 'e', 'i', 'o', 'u']) {
        true => "an",
        false => "a",
    };
    match refusal {
        Refusal::NoAccess => no_accesses(capture, &info),
        Refusal::NotMeasured(measured) => format!(
            "{path}: no {name} here: the hardware that recorded this measures {}",
            names(measured)
        ),
        Refusal::NoLatency(others) if !others.is_empty() => format!(
            "{path}: no memory sample has {article} {name}, but they have {}",
            names(others)
        ),
        Refusal::NoLatency(_) => format!(
            "{path}: no memory sample has {article} {name}, it holds {}; record them with `{}` on the \
             host",
            held(&info),
            match metric {
                Metric::Weight => "perf mem record -a -- sleep 10",
                _ => "perf record -W -d -e cpu/mem-loads,ldlat=30/P -a -- sleep 10",
            }
        ),
    }
}

fn names(metrics: &[Metric]) -> String {
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
    names.join(", ")
}

fn by(typed: LatencyBy) -> By {
    match typed {
        LatencyBy::Source => By::Source,
        LatencyBy::Function => By::Function,
        LatencyBy::Line => By::Line,
        LatencyBy::Thread => By::Thread,
        LatencyBy::Cpu => By::Cpu,
        LatencyBy::Node => By::Node,
    }
}

fn division(typed: LatencyScale) -> Division {
    match typed {
        LatencyScale::Log => Division::Log,
        LatencyScale::Linear => Division::Linear,
    }
}

fn metric(typed: LatencyMetric) -> Metric {
    match typed {
        LatencyMetric::Weight => Metric::Weight,
        LatencyMetric::InsLat => Metric::InsLat,
        LatencyMetric::RetireLat => Metric::RetireLat,
        LatencyMetric::Issue => Metric::Issue,
        LatencyMetric::Translation => Metric::Translation,
    }
}
