//! The picture: distributions of the groups that lost most, and latencies over time.

use super::distribution::{self, HEIGHT, Panel, Series};
use super::heatmap::{Area, heat_map};
use super::name::{has_models, heading, hidden_below, lost, name, thresholds};
use super::scale::LogScale;
use crate::render::heads::processor;
use crate::render::style::{count, cut, duration};
use crate::render::svg::{Anchor, Px, escape, line, text};
use crate::result::{LatencyReport, Quality};
use crate::stats::percent;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Groups unless asked otherwise.
const TOP: usize = 8;

/// More than these make no picture that can be read.
const MOST: usize = 64;

/// Pixels.
const WIDTH: f64 = 800.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 788.0;
const HEAT: f64 = 190.0;

/// Characters of a line of small text, and of the title.
const LINE: usize = 128;
const TITLE: usize = 78;

const STYLE: &str = "\
text{font-family:Helvetica,Arial,'Liberation Sans',sans-serif;font-size:11px;fill:#111}
.title{font-size:14px;font-weight:bold}
.name{font-size:12px;font-weight:bold}
.heading{font-size:13px;font-weight:bold}
.note,.label,.said{fill:#333}
.mark{font-size:10px}
.tick{font-size:10px;fill:#333}
.light{fill:#fff}
line{stroke-width:1}
line.mark{stroke:#111;stroke-width:.8}
line.median{stroke-width:1.8}
line.axis{stroke:#444}
line.grid{stroke:#ececec}
line.major{stroke:#cfcfcf}
line.base{stroke:#555;stroke-dasharray:3 3}
path.one{fill:#8fb0d4;stroke:#244c7d;stroke-width:.8}
path.before{fill:#d0d0d0;stroke:none}
path.after{fill:none;stroke:#0c2a50;stroke-width:1.6}
path.was{fill:#888}
.hidden{fill:#f3f3f3}
.hover{fill:#fff;fill-opacity:0}
";

/// Draws the picture.
pub(crate) fn picture(
    out: &mut dyn Write,
    result: &LatencyReport,
    top: Option<usize>,
) -> io::Result<()> {
    let with_model = has_models(result);
    let groups = result.groups.iter().filter(|group| group.latency.count > 0);
    let groups = groups.take(top.unwrap_or(TOP).min(MOST));
    let all = Panel {
        name: "all accesses".to_owned(),
        note: samples(result.total.count),
        series: vec![Series {
            label: "",
            latency: &result.total,
        }],
    };
    let groups = groups.map(|group| Panel {
        name: name(&group.key, with_model),
        note: format!(
            "{} of the cycles lost · {}",
            percent(group.share),
            samples(group.latency.count)
        ),
        series: vec![Series {
            label: "",
            latency: &group.latency,
        }],
    });
    let panels: Vec<Panel<'_>> = std::iter::once(all).chain(groups).collect();
    let mut body = String::new();
    let mut y = head(&mut body, result);
    y = distributions(&mut body, result, &panels, y);
    y = over_time(&mut body, result, y);
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" \
         width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\">\n<title>{2}</title>\n\
         <style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        Px(WIDTH),
        Px(y),
        escape(&title(result))
    );
    svg += &body;
    svg += "</svg>\n";
    out.write_all(svg.as_bytes())
}

fn samples(number: u64) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} sample{plural}", count(number))
}

fn title(result: &LatencyReport) -> String {
    let capture = &result.capture;
    let mut parts = vec![format!("Memory latency by {}", heading(result.by))];
    parts.push(
        capture
            .host
            .clone()
            .unwrap_or_else(|| "unknown host".to_owned()),
    );
    parts.extend(processor(&result.capture, &result.quality));
    parts.join(" · ")
}

/// The title and what must be known to read the picture; returns where the rest
/// begins.
fn head(out: &mut String, result: &LatencyReport) -> f64 {
    *out += &text(
        12.0,
        22.0,
        Anchor::Start,
        "title",
        &cut(&title(result), TITLE),
    );
    let mut lines = vec![
        facts(result),
        format!("{}: {}", result.metric, result.meaning),
    ];
    lines.push(thresholds(result));
    lines.push(lost(result));
    let mut y = 26.0;
    for line in lines
        .iter()
        .flat_map(|line| super::super::style::wrap(line, LINE, 3))
    {
        y += 14.0;
        *out += &text(12.0, y, Anchor::Start, "said", &line);
    }
    y + 12.0
}

fn facts(result: &LatencyReport) -> String {
    let total = &result.total;
    let mut parts = Vec::new();
    parts.extend(
        result
            .capture
            .duration_s
            .map(|time| format!("{} recorded", duration(time))),
    );
    parts.push(format!(
        "{} with a latency, {} without",
        samples(total.count),
        count(total.without)
    ));
    parts.push(losses(&result.quality));
    parts.join(" · ")
}

fn losses(quality: &Quality) -> String {
    let lost = [
        (quality.lost_events, "records lost"),
        (quality.lost_samples, "samples lost"),
        (quality.throttled, "times throttled"),
        (quality.truncated_bytes, "bytes missing"),
    ];
    let lost = lost.iter().filter(|(number, _)| *number > 0);
    let mut lost: Vec<String> = lost
        .map(|(number, what)| format!("{} {what}", count(*number)))
        .collect();
    if let Some(spe) = &quality.spe {
        let told = &spe.area.told;
        let unread = spe.damaged_records + spe.cut_records;
        let of_spe = [
            (told.truncated, "times the SPE buffer was full"),
            (told.collisions, "times SPE samples collided"),
            (told.missing_chunks, "chunks of SPE data missing"),
            (unread, "SPE records damaged or cut off"),
        ];
        let of_spe = of_spe.iter().filter(|(number, _)| *number > 0);
        lost.extend(of_spe.map(|(number, what)| format!("{} {what}", count(*number))));
    }
    match lost.is_empty() {
        true => "no samples lost".to_owned(),
        false => lost.join(", "),
    }
}

/// Draws all panels; returns where the rest begins.
fn distributions(out: &mut String, result: &LatencyReport, panels: &[Panel<'_>], top: f64) -> f64 {
    let scale = distribution::scale(panels, LEFT, RIGHT);
    let mut y = top;
    let bottom = top + HEIGHT * panels.len() as f64;
    if let Some(threshold) = hidden_below(result) {
        let x = scale.place(threshold as f64);
        for number in 0..panels.len() {
            let above = top + HEIGHT * number as f64 + distribution::TOP;
            let _ = writeln!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"hidden\"><title>{}</title></rect>",
                Px(LEFT),
                Px(above),
                Px(x - LEFT),
                Px(distribution::BOTTOM - distribution::TOP),
                escape(&format!("not sampled below {threshold} {}", result.unit))
            );
        }
    }
    for panel in panels {
        distribution::panel(out, panel, (LEFT, RIGHT), &scale, y, result.unit);
        y += HEIGHT;
    }
    if let Some(baseline) = result.baseline.load.or(result.baseline.store) {
        let x = scale.place(baseline as f64);
        for number in 0..panels.len() {
            let top = top + HEIGHT * number as f64;
            let (above, below) = (top + distribution::TOP, top + distribution::BOTTOM);
            *out += &line((x, above), (x, below), "base");
        }
    }
    axis(out, result, &scale, bottom - 11.0);
    bottom + 52.0
}

fn axis(out: &mut String, result: &LatencyReport, scale: &LogScale, y: f64) {
    for tick in scale.ticks() {
        let x = scale.place(tick.value as f64);
        *out += &line((x, y), (x, y + 4.0), "axis");
        *out += &text(x, y + 15.0, Anchor::Middle, "tick", &tick.text);
    }
    let label = format!(
        "latency in {}, log scale; height: share of the samples of a group, to the highest of its own",
        result.unit
    );
    *out += &text(
        (LEFT + RIGHT) / 2.0,
        y + 30.0,
        Anchor::Middle,
        "label",
        &label,
    );
    let mut legend = vec!["thick mark: median".to_owned()];
    let baseline = result.baseline.load.or(result.baseline.store);
    legend.extend(baseline.map(|baseline| {
        let unit = result.unit;
        format!("dashed: {baseline} {unit}, cycles above it are lost")
    }));
    let is_hidden = |&threshold: &u64| scale.place(threshold as f64) > LEFT + 1.0;
    let hidden = hidden_below(result).filter(is_hidden);
    legend.extend(hidden.map(|_| "grey: not sampled".to_owned()));
    let legend = legend.join(" · ");
    let middle = (LEFT + RIGHT) / 2.0;
    *out += &text(middle, y + 44.0, Anchor::Middle, "label", &legend);
}

/// Draws the heat map, where records have times; returns where the picture ends.
fn over_time(out: &mut String, result: &LatencyReport, top: f64) -> f64 {
    let Some(map) = result.heat.as_ref().filter(|map| !map.cells.is_empty()) else {
        return top;
    };
    let title = format!(
        "All accesses over time: latency in {}, log scale",
        result.unit
    );
    *out += &text(LEFT, top + 12.0, Anchor::Start, "heading", &title);
    let area = Area {
        left: LEFT,
        right: RIGHT,
        top: top + 22.0,
        bottom: top + 22.0 + HEAT,
    };
    let (low, high) = (result.total.min, result.total.max);
    let scale = LogScale::new(low.unwrap_or(1), high.unwrap_or(1), area.bottom, area.top);
    let start = result.capture.first_ns.unwrap_or(0);
    heat_map(out, map, area, &scale, start, result.unit);
    area.bottom + 46.0
}
