//! Answers for the addresses of one binary.

use super::dwarf::{Frame, Lines, Sections};
use super::elf::{Bytes, Elf, Use};
use super::image::Image;
use super::locate::Found;
use super::minidebug;
use super::plt::Plt;
use super::symtab::{Symbol, Symbols};
use std::fmt::Display;

/// A place in a file (its offset in bytes), and what it is used for.
pub(crate) type Place = (Use, u64);

/// What is at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The function, or the variable.
    pub(crate) symbol: Option<Symbol>,
    /// Of code: functions with their source lines, the innermost inlined one
    /// first. Empty without debug information.
    pub(crate) frames: Vec<Frame>,
}

/// What one binary says.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// One for each place that was asked for, in their order; nothing for those
    /// that are in no segment.
    pub(super) places: Vec<Option<Answer>>,
    /// What could not be read, for people.
    pub(super) remarks: Vec<String>,
}

/// Looks up places of a binary. It is quickest when they are sorted.
pub(super) fn answer(found: &Found, places: &[Place]) -> Answers {
    let mut remarks = Vec::new();
    let mut remark = |file: &Image, error: &dyn Display| {
        remarks.push(format!("{file}: {error}"));
    };
    let image = opened(&found.image, &mut remark);
    let debug = found.debug.as_ref();
    let debug = debug.and_then(|file| Some((file, opened(file, &mut remark)?)));
    let shared = found.shared.as_ref();
    let shared = shared.and_then(|file| Some((file, opened(file, &mut remark)?)));
    let mut parsed = |file: &Image, bytes| match Elf::parse(bytes) {
        Ok(elf) => Some(elf),
        Err(error) => {
            remark(file, &error);
            None
        }
    };
    let image = image.as_ref().and_then(|bytes| parsed(&found.image, bytes));
    let debug = debug
        .as_ref()
        .and_then(|(file, bytes)| Some((*file, parsed(file, bytes)?)));
    let shared = shared
        .as_ref()
        .and_then(|(file, bytes)| Some((*file, parsed(file, bytes)?)));
    let Some(image) = image else {
        return Answers {
            places: vec![None; places.len()],
            remarks,
        };
    };
    // A table that another file has whole is not needed in part.
    let is_needed = debug.is_none() && !image.has_symbols();
    let mini = if is_needed {
        minidebug::open(&image)
    } else {
        Ok(None)
    };
    let inflated = mini.as_ref().ok().and_then(Option::as_ref);
    let inside = inflated.and_then(|bytes| parsed(&found.image, bytes));
    if let Err(error) = &mini {
        remark(&found.image, error);
    }
    let with_lines = match &debug {
        Some((file, elf)) => (*file, elf),
        None => (&found.image, &image),
    };
    let mut sections = |file: &Image, elf| match Sections::load(elf) {
        Ok(sections) => Some(sections),
        Err(error) => {
            remark(file, &error);
            None
        }
    };
    let wants_lines =
        places.iter().any(|&(used, _)| used == Use::Code) && with_lines.1.has_debug_info();
    let main = wants_lines
        .then(|| sections(with_lines.0, with_lines.1))
        .flatten();
    let shared = shared.as_ref().filter(|_| wants_lines);
    let shared = shared.and_then(|(file, elf)| sections(file, elf));
    let lines =
        main.as_ref().and_then(
            |main| match Lines::new(with_lines.1, main, shared.as_ref()) {
                Ok(lines) => Some(lines),
                Err(error) => {
                    remark(with_lines.0, &error);
                    None
                }
            },
        );
    let tables = Tables {
        image: &image,
        stubs: Plt::new(&image),
        // Split debug files have the whole table, the stripped binary the
        // dynamic one.
        elves: debug
            .iter()
            .map(|(_, elf)| elf)
            .chain([&image])
            .chain(&inside)
            .collect(),
        lines,
    };
    Answers {
        places: tables.answer(places),
        remarks,
    }
}

/// How many bytes in front of offsets of code their functions begin; absent
/// where no symbol tells.
pub(super) fn starts(found: &Found, offsets: &[u64]) -> Vec<Option<u64>> {
    let opened = |file: &Image| file.open().ok();
    let (image, debug) = (opened(&found.image), found.debug.as_ref().and_then(opened));
    let parsed = |bytes| Elf::parse(bytes).ok();
    let Some(image) = image.as_ref().and_then(parsed) else {
        return vec![None; offsets.len()];
    };
    let debug = debug.as_ref().and_then(parsed);
    // As for names: where the table of symbols is compressed it is that one.
    let is_needed = debug.is_none() && !image.has_symbols();
    let mini = is_needed.then(|| minidebug::open(&image).ok().flatten());
    let mini = mini.flatten();
    let inside = mini.as_ref().and_then(|bytes| Elf::parse(bytes).ok());
    let elves = debug.iter().chain([&image]).chain(&inside);
    let tables: Vec<_> = elves.map(|elf| Symbols::new(elf, Use::Code)).collect();
    let stubs = Plt::new(&image);
    let behind = offsets.iter().map(|&offset| {
        let svma = image.svma(offset, Use::Code)?;
        let spans = tables.iter().find_map(|table| table.start(svma));
        let before = || match stubs.holds(svma) {
            true => stubs.start(svma),
            false => tables.iter().find_map(|table| table.start_unsized(svma)),
        };
        Some(svma - spans.or_else(before)?)
    });
    behind.collect()
}

fn opened(file: &Image, remark: &mut impl FnMut(&Image, &dyn Display)) -> Option<Bytes> {
    match file.open() {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            remark(file, &error);
            None
        }
    }
}

struct Tables<'a> {
    image: &'a Elf<'a>,
    /// In the image itself: debug files have no code.
    stubs: Plt<'a>,
    elves: Vec<&'a Elf<'a>>,
    lines: Option<Lines<'a>>,
}

impl Tables<'_> {
    fn answer(&self, places: &[Place]) -> Vec<Option<Answer>> {
        let tables = |used: Use| -> Vec<Symbols<'_>> {
            let table = |wanted: Use| match wanted {
                Use::Beside => Use::Data,
                wanted => wanted,
            };
            let is_asked = places.iter().any(|&(wanted, _)| table(wanted) == used);
            let elves = self.elves.iter().filter(|_| is_asked);
            elves.map(|elf| Symbols::new(elf, used)).collect()
        };
        let (code, data) = (tables(Use::Code), tables(Use::Data));
        let answers = places.iter().map(|&(used, offset)| {
            let svma = self.image.svma(offset, used)?;
            Some(match used {
                Use::Data | Use::Beside => Answer {
                    symbol: data.iter().find_map(|table| table.find(svma)),
                    frames: Vec::new(),
                },
                Use::Code => self.code(&code, svma),
            })
        });
        answers.collect()
    }

    /// The symbol table names the function, as in perf, because debug
    /// information knows no clones; where no symbol spans the address the
    /// function of the debug information does, and a symbol without a size
    /// where there is none. Stubs have no symbol, and none in front of them reaches them.
    fn code(&self, tables: &[Symbols<'_>], svma: u64) -> Answer {
        let lines = self.lines.as_ref();
        let frames = lines.map_or_else(Vec::new, |lines| lines.frames(svma));
        let spans = tables.iter().find_map(|table| table.find(svma));
        let compiled = || {
            let name = frames.last()?.function.clone()?;
            // Where it starts is not known, and nobody asks for code.
            Some(Symbol { name, offset: 0 })
        };
        let before = || match self.stubs.holds(svma) {
            true => self.stubs.symbol(svma, |address| {
                tables.iter().find_map(|table| table.find(address))
            }),
            false => tables.iter().find_map(|table| table.find_unsized(svma)),
        };
        Answer {
            symbol: spans.or_else(compiled).or_else(before),
            frames,
        }
    }
}

#[cfg(test)]
#[path = "binary_tests.rs"]
mod tests;
