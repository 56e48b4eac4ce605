//! The picture: distributions of the groups that lost most, and latencies over time.

use super::distribution::{self, HEIGHT, Panel, Series};
use super::heatmap::{Area, beyond, heat_map};
use super::name::{has_models, heading, hidden_below, lost, name, thresholds};
use super::scale::{Division, Scale};
use crate::memory::Op;
use crate::render::heads::processor;
use crate::render::style::{count, cut, cut_middle, duration};
use crate::render::svg::{Anchor, Px, escape, line, text};
use crate::result::{FILTERED, LatencyBaseline, LatencyGroup, LatencyKey, LatencyReport, Quality};
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

/// Characters of the path of the capture.
const FILE: usize = 50;

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
    division: Division,
) -> io::Result<()> {
    let with_model = has_models(result);
    let groups = result.groups.iter().filter(|group| group.latency.count > 0);
    let groups: Vec<&LatencyGroup> = groups.take(top.unwrap_or(TOP).min(MOST)).collect();
    let Baselines { mixed, .. } = Baselines::new(result);
    let all = Panel {
        baseline: mixed,
        name: "all accesses".to_owned(),
        note: samples(result.total.count),
        series: vec![Series {
            label: "",
            latency: &result.total,
        }],
    };
    let drawn = groups.iter().map(|group| Panel {
        baseline: Baselines::new(result).of(group),
        name: name(&group.key, with_model),
        note: match group.share > 0.0 {
            true => format!(
                "{} of the cycles lost · {}",
                percent(group.share),
                samples(group.latency.count)
            ),
            false => format!("nothing lost · {}", samples(group.latency.count)),
        },
        series: vec![Series {
            label: "",
            latency: &group.latency,
        }],
    });
    let panels: Vec<Panel<'_>> = std::iter::once(all).chain(drawn).collect();
    let mut body = String::new();
    let mut y = head(&mut body, result, &groups);
    let scale = distribution::scale(&panels, division, LEFT, RIGHT);
    y = distributions(&mut body, result, &panels, &scale, y);
    y = over_time(&mut body, result, division, y);
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

/// Baselines of the panels: of groups of stores alone that of stores.
#[derive(Clone, Copy)]
struct Baselines {
    mixed: Option<u64>,
    store: Option<u64>,
}

impl Baselines {
    fn new(result: &LatencyReport) -> Self {
        let LatencyBaseline { load, store, .. } = result.baseline;
        Self {
            mixed: load.or(store),
            store: store.or(load),
        }
    }

    fn of(self, group: &LatencyGroup) -> Option<u64> {
        match group.key {
            LatencyKey::Source { op: Op::Store, .. } => self.store,
            _ => self.mixed,
        }
    }
}

fn title(result: &LatencyReport) -> String {
    let host = result.capture.host.as_deref();
    let by = heading(result.by);
    format!(
        "Memory latency by {by} · {}",
        host.unwrap_or("unknown host")
    )
}

/// Which capture it is, and of which machine.
fn origin(result: &LatencyReport) -> String {
    let capture = &result.capture;
    let mut parts = vec![cut_middle(&capture.file, FILE)];
    parts.extend(processor(capture, &result.quality));
    parts.extend(capture.cpus_online.map(|cpus| format!("{cpus} CPUs")));
    parts.extend(
        capture
            .duration_s
            .map(|time| format!("{} recorded", duration(time))),
    );
    parts.join(" · ")
}

/// The title and what must be known to read the picture; returns where the rest
/// begins.
fn head(out: &mut String, result: &LatencyReport, drawn: &[&LatencyGroup]) -> f64 {
    *out += &text(
        12.0,
        22.0,
        Anchor::Start,
        "title",
        &cut(&title(result), TITLE),
    );
    let mut lines = vec![
        origin(result),
        facts(result),
        format!("{}: {}", result.metric, result.meaning),
    ];
    lines.push(thresholds(result));
    lines.push(lost(result));
    lines.extend(left_out(result, drawn));
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
    let mut facts = format!(
        "{} with a latency, {} without",
        samples(total.count),
        count(total.without)
    );
    // Who sees a picture does not see the command.
    if let Some(filtered) = result.quality.skipped.get(FILTERED) {
        facts += &format!(", {} left out by filters", count(*filtered));
    }
    format!("{facts} · {}", losses(&result.quality))
}

/// How much of everything the drawn groups are; absent where they are all.
fn left_out(result: &LatencyReport, drawn: &[&LatencyGroup]) -> Option<String> {
    let groups = result.groups.iter().filter(|group| group.latency.count > 0);
    let all = groups.count() as u64 + result.rest.as_ref().map_or(0, |rest| rest.groups);
    let share: f64 = drawn.iter().map(|group| group.share).sum();
    ((drawn.len() as u64) < all).then(|| {
        format!(
            "drawn: {} of {} groups, those that lost most: {} of the cycles lost",
            drawn.len(),
            count(all),
            percent(share)
        )
    })
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
fn distributions(
    out: &mut String,
    result: &LatencyReport,
    panels: &[Panel<'_>],
    scale: &Scale,
    top: f64,
) -> f64 {
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
        distribution::panel(out, panel, (LEFT, RIGHT), scale, y, result.unit);
        y += HEIGHT;
    }
    axis(out, result, panels, scale, bottom - 11.0);
    bottom + 52.0
}

fn axis(out: &mut String, result: &LatencyReport, panels: &[Panel<'_>], scale: &Scale, y: f64) {
    for tick in scale.ticks() {
        let x = scale.place(tick.value as f64);
        *out += &line((x, y), (x, y + 4.0), "axis");
        *out += &text(x, y + 15.0, Anchor::Middle, "tick", &tick.text);
    }
    let label = format!(
        "latency in {}, {}; height: share of the samples of a group, to the highest of its own",
        result.unit,
        scale.words()
    );
    *out += &text(
        (LEFT + RIGHT) / 2.0,
        y + 30.0,
        Anchor::Middle,
        "label",
        &label,
    );
    let mut legend = vec!["thick mark: median".to_owned()];
    legend.extend(distribution::legend(panels));
    let Baselines { mixed, store } = Baselines::new(result);
    let of_stores = panels.iter().any(|panel| panel.baseline != mixed);
    legend.extend(mixed.map(|baseline| {
        let of_stores = store.filter(|_| of_stores);
        let of_stores = of_stores.map_or(String::new(), |store| format!(" ({store} of stores)"));
        let unit = result.unit;
        format!("dashed: {baseline}{of_stores}, {unit} above it are lost")
    }));
    let is_hidden = |&threshold: &u64| scale.place(threshold as f64) > LEFT + 1.0;
    let hidden = hidden_below(result).filter(is_hidden);
    legend.extend(hidden.map(|_| "grey: not sampled".to_owned()));
    let legend = legend.join(" · ");
    let middle = (LEFT + RIGHT) / 2.0;
    *out += &text(middle, y + 44.0, Anchor::Middle, "label", &legend);
}

/// Draws the heat map, where records have times; returns where the picture ends.
fn over_time(out: &mut String, result: &LatencyReport, division: Division, top: f64) -> f64 {
    let Some(map) = result.heat.as_ref().filter(|map| !map.cells.is_empty()) else {
        let said = "not drawn: latencies over time, as the records do not tell their times";
        *out += &text(LEFT, top + 6.0, Anchor::Start, "said", said);
        return top + 20.0;
    };
    let area = Area {
        left: LEFT,
        right: RIGHT,
        top: top + 22.0,
        bottom: top + 22.0 + HEAT,
    };
    let total = &result.total;
    let scale = match division {
        Division::Log => Scale::log(
            total.min.unwrap_or(1),
            total.max.unwrap_or(1),
            area.bottom,
            area.top,
        ),
        Division::Linear => Scale::linear(
            total.p999.unwrap_or(1).saturating_add(1),
            area.bottom,
            area.top,
        ),
    };
    let mut title = format!(
        "All accesses over time: latency in {}, {}",
        result.unit,
        scale.words()
    );
    let above = beyond(map, &scale);
    if above > 0 {
        title += &format!("; {} above the axis", samples(above));
    }
    *out += &text(LEFT, top + 12.0, Anchor::Start, "heading", &title);
    let start = result.capture.first_ns.unwrap_or(0);
    heat_map(out, map, area, &scale, start, result.unit);
    area.bottom + 46.0
}
