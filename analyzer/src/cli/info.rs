//! `contend info`.

use super::args::InfoArguments;
use super::open::{open, open_member};
use super::output;
use super::progress::Progress;
use crate::capture::Capture;
use crate::info::info;
use crate::input;
use crate::render;
use crate::result::{Can, Info, OtherCapture};
use crate::spe;
use anyhow::Result;
use std::path::Path;

/// Captures of a bundle that are read behind the first: a recorder makes one a kind.
const MOST_CAPTURES: usize = 32;

pub(super) fn run(arguments: &InfoArguments) -> Result<()> {
    let common = &arguments.common;
    output::check(common)?;
    output::has_no_picture(common, "info")?;
    let mut capture = open(common, &[])?;
    let progress = Progress::start(common, &capture);
    let mut result = survey(&mut capture)?;
    drop(progress);
    let (others, unread) = captures_beside(&capture, &common.capture);
    if !others.is_empty() {
        let warnings = &mut result.quality.warnings;
        warnings.retain(|warning| !input::tells_of_unread(warning));
        if unread > 0 {
            warnings.push(format!(
                "{unread} more captures of the bundle are not looked at"
            ));
        }
    }
    for (member, kind) in others {
        match open_member(common, &member).and_then(|mut other| survey(&mut other)) {
            Ok(other) => add(&mut result, member, kind, other),
            Err(error) => {
                let warning = format!("{member} in the bundle: {error:#}");
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

fn survey(capture: &mut Capture) -> Result<Info> {
    let (mut survey, walk) = capture.survey()?;
    let spe = spe::count(capture)?;
    if let Some((_, sums)) = &spe {
        survey.spe(sums);
    }
    Ok(info(capture, &survey, &walk, spe.as_ref()))
}

/// The other captures in the bundle, and their kinds, and how many more there are;
/// standard input cannot be read again for them.
fn captures_beside(capture: &Capture, path: &Path) -> (Vec<(String, Option<String>)>, usize) {
    let Some(bundle) = capture.bundle().filter(|_| path != Path::new("-")) else {
        return (Vec::new(), 0);
    };
    let kind = |member: &str| {
        let mut facts = bundle.manifest().captures.iter();
        facts.find(|facts| facts.member == member)?.kind.clone()
    };
    let mut others = bundle.captures().skip(1);
    let read = others.by_ref().take(MOST_CAPTURES);
    let read = read.map(|member| (member.to_owned(), kind(member)));
    (read.collect(), others.count())
}

/// The questions for which a capture of this kind is read where it is not the first
/// (the kinds that each command gives to [`Capture::open_for`]).
fn questions(kind: &str) -> &'static [&'static str] {
    match kind {
        "c2c" => &["c2c", "latency"],
        "spe" => &["c2c", "latency", "spe"],
        "offcpu" => &["offcpu"],
        "cpu" => &["oncpu"],
        _ => &[],
    }
}

/// Adds what another capture of the bundle is, and what it answers.
fn add(result: &mut Info, member: String, kind: Option<String>, other: Info) {
    let asked = questions(kind.as_deref().unwrap_or_default());
    let answers = other.can.into_iter();
    result
        .can
        .extend(answers.filter(|(question, can)| *can == Can::Yes && asked.contains(question)));
    let mut quality = other.quality;
    let known = &result.quality.warnings;
    quality.warnings.retain(|warning| !known.contains(warning));
    result.other_captures.push(OtherCapture {
        member,
        kind,
        capture: other.capture,
        quality,
        events: other.events,
        records: other.records,
    });
}
