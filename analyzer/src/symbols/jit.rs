//! Code that programs made while they ran.
//!
//! ```text
//! --symbol-dir   jit-PID.dump   what was where, and when   (jitdump)
//!                perf-PID.map   what was where at the end  (perf_map)
//! ```
//! The files are read when the address space is known and before addresses are
//! collected: an address of a process at a moment becomes a [`Spot`] that says
//! which code it is, so that a function is one place however often it was
//! sampled. Only folders that the user named are looked into. In `/tmp` of the
//! machine that reads are other programs with the same numbers.

use super::binary::Answer;
use super::dwarf::Frame;
use super::folders::relative;
use super::jitdump;
use super::locate::SymbolSources;
use super::names::Spot;
use super::perf_map;
use super::regular::open_regular;
use super::symtab::Symbol;
use crate::space::{AddressSpace, DsoKind, MapId, MapSet, Sweep};
use contend_perfdata::At;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many entries of a folder are looked at.
const MOST_ENTRIES: usize = 1 << 20;

/// A function that was made while the program ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    /// First address (AVMA).
    pub(super) start: u64,
    /// Behind the last address.
    pub(super) end: u64,
    /// Its name, as its compiler wrote it.
    pub(super) name: Arc<str>,
    /// Its source lines, by address; absent when its compiler wrote none.
    pub(super) lines: Option<Arc<[LineAt]>>,
}

/// From an address on, a source line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineAt {
    pub(super) address: u64,
    pub(super) line: u32,
    pub(super) file: Arc<str>,
}

impl Code {
    pub(super) fn new(start: u64, end: u64, name: &[u8]) -> Self {
        Self {
            start,
            end,
            name: String::from_utf8_lossy(name).into(),
            lines: None,
        }
    }
}

/// How much is read of all files together, and what was wrong with one.
#[derive(Debug)]
pub(super) struct Limits {
    /// Functions and source lines that may still come.
    pub(super) codes: usize,
    /// Bytes of names that may still come.
    pub(super) names: usize,
    /// Lines or records that say nothing.
    pub(super) damaged: u64,
    /// Whether the rest was left out.
    pub(super) is_cut: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            codes: 16 << 20,
            names: 1 << 30,
            damaged: 0,
            is_cut: false,
        }
    }
}

impl Limits {
    /// Longer names are damage in a list, and cut in a dump, in bytes.
    pub(super) const LONGEST_NAME: usize = 4 << 10;

    /// Whether one more is taken.
    pub(super) fn takes(&mut self, name: usize) -> bool {
        match (self.codes.checked_sub(1), self.names.checked_sub(name)) {
            (Some(codes), Some(names)) => {
                (self.codes, self.names) = (codes, names);
                true
            }
            _ => {
                self.is_cut = true;
                false
            }
        }
    }

    /// Reads the next line that is not too long; false at the end.
    pub(super) fn line(&mut self, from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
        let longest = Self::LONGEST_NAME + 64;
        loop {
            line.clear();
            let mut piece = from.by_ref().take(longest as u64);
            let read = piece.read_until(b'\n', line)?;
            if read < longest || line.ends_with(b"\n") {
                return Ok(read > 0);
            }
            self.damaged += 1;
            from.skip_until(b'\n')?;
        }
    }
}

/// All code of which the capture's processes left a list or a dump.
#[derive(Debug, Default)]
pub(crate) struct Jit {
    codes: Vec<Code>,
    /// What each process had where, the better source first.
    processes: BTreeMap<i32, Vec<Source>>,
    /// What the reader should know.
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug)]
struct Source {
    /// The places in `codes`.
    maps: MapSet,
    /// Whether times say which one of two was there.
    is_timed: bool,
}

impl Jit {
    /// Reads the lists and dumps of the capture's processes. `is_monotonic` tells
    /// whether its times are those of `CLOCK_MONOTONIC`, as in dumps.
    pub(crate) fn open(space: &AddressSpace, sources: &SymbolSources, is_monotonic: bool) -> Self {
        let mut jit = Self::default();
        if !sources.enabled {
            return jit;
        }
        let mut limits = Limits::default();
        for (pid, files) in files(space, sources) {
            // The first folder wins, as with binaries.
            if let Some(path) = files.dumps.first() {
                jit.dump(pid, path, is_monotonic, &mut limits);
            }
            if let Some(path) = files.lists.first() {
                jit.list(pid, path, &mut limits);
            }
        }
        jit
    }

    fn dump(&mut self, pid: i32, path: &Path, is_monotonic: bool, limits: &mut Limits) {
        limits.damaged = 0;
        let dump = opened(path).and_then(|file| jitdump::read(file, limits));
        let dump = match dump {
            Ok(dump) => dump,
            Err(error) => return self.warn(path, &error.to_string()),
        };
        // A process in a container knows itself by another number.
        if dump.pid != pid as u32 {
            self.warn(
                path,
                &format!("it was written by a process that calls itself {}", dump.pid),
            );
        }
        self.remark(path, limits);
        let is_timed = is_monotonic && !dump.has_cpu_times;
        let mut codes = dump.codes;
        if is_timed {
            codes.sort_by_key(|&(time, _)| time);
        } else if !codes.is_empty() {
            self.warn(
                path,
                "its times are of another clock than the capture's (perf record -k mono): where \
                 code was replaced, the last one is named",
            );
        }
        let codes = codes.into_iter();
        let codes = codes.map(|(time, code)| (if is_timed { time } else { 0 }, code));
        self.add(pid, codes.collect(), is_timed);
    }

    fn list(&mut self, pid: i32, path: &Path, limits: &mut Limits) {
        limits.damaged = 0;
        match opened(path).and_then(|file| perf_map::read(file, limits)) {
            Ok(codes) => {
                self.remark(path, limits);
                self.add(
                    pid,
                    codes.into_iter().map(|code| (0, code)).collect(),
                    false,
                );
            }
            Err(error) => self.warn(path, &error.to_string()),
        }
    }

    fn add(&mut self, pid: i32, codes: Vec<(u64, Code)>, is_timed: bool) {
        let mut sweep = Sweep::default();
        for (pos, (time, code)) in (0..).zip(codes) {
            let Some(id) = MapId::from_index(self.codes.len()) else {
                break;
            };
            sweep.map(code.start, code.end, id, At { time, pos });
            self.codes.push(code);
        }
        let maps = sweep.finish();
        let source = Source { maps, is_timed };
        self.processes.entry(pid).or_default().push(source);
    }

    fn warn(&mut self, path: &Path, what: &str) {
        self.warnings.push(format!("{}: {what}", path.display()));
    }

    fn remark(&mut self, path: &Path, limits: &mut Limits) {
        if limits.damaged > 0 {
            let count = limits.damaged;
            self.warn(path, &format!("{count} damaged entries are left out"));
        }
        if std::mem::take(&mut limits.is_cut) {
            self.warn(
                path,
                "it has more functions than are read: the rest is left out",
            );
        }
    }

    /// Whether an address of a process may be different code at different moments
    /// without a change of its mappings.
    pub(crate) fn is_timed(&self, pid: i32) -> bool {
        let sources = self.processes.get(&pid);
        sources.is_some_and(|sources| sources.iter().any(|source| source.is_timed))
    }

    /// An instruction of a process at a moment, at an address that is mapped.
    pub(crate) fn spot(
        &self,
        space: &AddressSpace,
        map: MapId,
        pid: i32,
        address: u64,
        at: At,
    ) -> Spot {
        let spot = Spot::code(space, map, address);
        let sources = self.processes.get(&pid);
        let sources = sources.filter(|_| may_be_made(space, map));
        let known = sources.and_then(|sources| {
            sources.iter().find_map(|source| {
                let last = if source.is_timed { at.time } else { u64::MAX };
                let at = At {
                    time: last,
                    pos: u64::MAX,
                };
                let found = source.maps.find(address, at).ok()??;
                Some(found.map)
            })
        });
        match known {
            Some(code) => spot.made(code, address),
            None => spot,
        }
    }

    /// What is known of a spot in code that a program made.
    pub(super) fn answer(&self, code: MapId, address: u64) -> Option<Answer> {
        let code = self.codes.get(code.index())?;
        let line = code.lines.as_ref().and_then(|lines| {
            let behind = lines.partition_point(|line| line.address <= address);
            lines.get(behind.checked_sub(1)?)
        });
        let frame = line.map(|line| Frame {
            function: Some(Arc::clone(&code.name)),
            source: Some(format!("{}:{}", line.file, line.line).into()),
        });
        Some(Answer {
            symbol: Some(Symbol {
                name: Arc::clone(&code.name),
                offset: address.checked_sub(code.start)?,
            }),
            frames: frame.into_iter().collect(),
        })
    }

    /// Where the function of a spot in code that a program made begins.
    pub(super) fn start(&self, code: MapId) -> Option<u64> {
        Some(self.codes.get(code.index())?.start)
    }
}

/// Whether memory may hold code that a program made: it has no file, or one in
/// memory only.
fn may_be_made(space: &AddressSpace, map: MapId) -> bool {
    let dso = space.dso(space.map(map).dso);
    dso.kind == DsoKind::Anonymous || dso.kind == DsoKind::File && dso.name.starts_with(b"/memfd:")
}

/// The files of one process, those of the first folder first.
#[derive(Debug, Default)]
struct Files {
    dumps: Vec<PathBuf>,
    lists: Vec<PathBuf>,
}

fn files(space: &AddressSpace, sources: &SymbolSources) -> BTreeMap<i32, Files> {
    let mut all: BTreeMap<i32, Files> = BTreeMap::new();
    // Compilers map their dumps, so that the capture knows where they were.
    let recorded: Vec<PathBuf> = space
        .dsos()
        .filter(|dso| dso.name.ends_with(b".dump"))
        .filter_map(|dso| relative(Path::new(dso.display_name().as_ref())))
        .collect();
    for folder in &sources.folders {
        let mut names: Vec<PathBuf> = Vec::new();
        for folder in [folder.clone(), folder.join("tmp")] {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            names.extend(entries.take(MOST_ENTRIES).map(|entry| entry.path()));
        }
        names.extend(recorded.iter().map(|path| folder.join(path)));
        names.sort();
        names.dedup();
        for path in names {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name else { continue };
            let number = |start, end| -> Option<i32> {
                let pid = name.strip_prefix(start)?.strip_suffix(end)?;
                pid.parse().ok().filter(|&pid| space.has_process(pid))
            };
            if let Some(pid) = number("jit-", ".dump") {
                if path.is_file() {
                    all.entry(pid).or_default().dumps.push(path);
                }
            } else if let Some(pid) = number("perf-", ".map") {
                all.entry(pid).or_default().lists.push(path);
            }
        }
    }
    all
}

fn opened(path: &Path) -> io::Result<BufReader<File>> {
    let file = open_regular(path)?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

#[cfg(test)]
#[path = "jit_tests.rs"]
mod tests;
