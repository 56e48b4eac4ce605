//! What reading a capture needs: the files that are mapped in it, the build-ids
//! that it knows of them, the processes in it.

use anyhow::{Context, Result};
use contend_perfdata::record_kind::HEADER_BUILD_ID;
use contend_perfdata::{
    Batch, CpuMode, FileId, FileSource, Mmap, PerfData, RawRecord, RecordHeader, SideBand,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Bytes of the capture in memory at a time.
const CHUNK: usize = 1 << 20;
/// Distinct files that are kept: far more than any machine maps, and a bound.
const MAX_FILES: usize = 1 << 15;
/// Processes that are kept.
const MAX_PIDS: usize = 1 << 18;
/// Places of a file that are remembered: one process may be gone, another not.
const MAX_PLACES: usize = 4;
/// `PROT_EXEC`.
const EXECUTABLE: u32 = 4;

/// Which file it was when it was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Identity {
    /// Not told.
    Unknown,
    /// Its inode, on whatever device.
    Inode(u64),
    /// The first bytes of the build-id, and how many there are.
    BuildId([u8; 20], u8),
}

/// A file that is mapped in the capture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    /// Its path as recorded, in its process's view.
    pub(super) path: Vec<u8>,
    /// Which file it was.
    pub(super) identity: Identity,
}

/// Where a file was mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// In which process.
    pub(super) pid: u32,
    /// First address.
    pub(super) start: u64,
    /// First address behind it.
    pub(super) end: u64,
}

/// How much a file is wanted when not all have room, the least first. By mappings alone:
/// nothing is counted on the machine with the problem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Only data of it is mapped.
    #[default]
    Data,
    /// Some process has code of it.
    Code,
    /// Some process runs it: the first code that it mapped.
    Program,
    /// A process that was to be recorded has code of it.
    MainCode,
    /// Such a process runs it.
    MainProgram,
}

/// What is known of a mapped file.
#[derive(Clone, Debug, Default)]
pub(super) struct Use {
    /// How much it is wanted.
    pub(super) rank: Rank,
    /// Some of its places.
    pub(super) places: Vec<Place>,
}

/// What some captures need.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// How many captures.
    pub(super) captures: usize,
    /// Mapped files.
    pub(super) files: BTreeMap<File, Use>,
    /// Build-ids that the captures know, by path.
    pub(super) build_ids: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
    /// Processes in them.
    pub(super) pids: BTreeSet<u32>,
    /// What they were recorded on: name, kernel release, architecture.
    pub(super) machines: BTreeSet<(String, String, String)>,
    /// Modules of the kernel, by path.
    pub(super) modules: BTreeSet<Vec<u8>>,
    /// Versions of perf that wrote them.
    pub(super) recorders: BTreeSet<String>,
    /// The processes that were to be recorded, and what they started, where that is not
    /// everybody.
    main: BTreeSet<u32>,
    /// Processes whose program was seen.
    begun: BTreeSet<u32>,
    /// What the captures say is wrong with them, for people.
    pub(super) notes: Vec<String>,
    /// Whether there was more than is kept.
    is_full: bool,
}

impl Needs {
    /// Nothing yet; `main` are the processes that were to be recorded.
    pub(super) fn of(main: &[u32]) -> Self {
        Self {
            main: main.iter().copied().collect(),
            ..Self::default()
        }
    }

    /// Adds what the capture at `path` needs; its kind, if its events tell it.
    ///
    /// # Errors
    /// When it cannot be read, or is no perf.data.
    pub(super) fn add(&mut self, path: &Path) -> Result<Option<&'static str>> {
        let what = || format!("cannot read {}", path.display());
        let file = std::fs::File::open(path).with_context(what)?;
        let source = Arc::new(FileSource::new(file).with_context(what)?);
        let mut capture = PerfData::open(source).with_context(what)?;
        // One thread: the machine has other things to do.
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .context("cannot start a thread")?;
        let begin = || Found {
            needs: Self {
                main: self.main.clone(),
                ..Self::default()
            },
            late: Vec::new(),
        };
        let (found, report) = capture
            .walker(CHUNK)
            .walk(&pool, begin, |found, batch| found.take(batch))
            .with_context(what)?;
        for damage in &report.damage {
            self.notes.push(format!("{}: {damage}", file_name(path)));
        }
        for Found { needs, late } in found {
            self.merge(needs);
            for (misc, body, pos) in late {
                capture.absorb(&RawRecord::new(HEADER_BUILD_ID, misc, &body, pos));
            }
        }
        self.captures += 1;
        let features = &capture.header().features;
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let host = text(&features.hostname);
        self.machines
            .insert((host, text(&features.os_release), text(&features.arch)));
        self.recorders.extend(features.perf_version.clone());
        for id in &features.build_ids {
            self.name(id.filename.as_bytes(), &id.build_id);
        }
        if self.is_full {
            self.notes.push(format!(
                "{}: more files or processes than are looked for",
                file_name(path)
            ));
        }
        Ok(super::kind::of(capture.header()))
    }

    /// Adds a mapping.
    fn map(&mut self, mmap: &Mmap) {
        let is_module = mmap.path.starts_with(b"/") && mmap.path.ends_with(b".ko");
        if mmap.mode == CpuMode::Kernel || mmap.pid < 0 {
            if is_module && self.modules.len() < MAX_FILES {
                self.modules.insert(mmap.path.to_vec());
            }
            return;
        }
        if let FileId::BuildId(id) = mmap.file {
            self.name(&mmap.path, id.as_bytes());
        }
        let identity = match mmap.file {
            FileId::Inode(it) if it.inode != 0 => Identity::Inode(it.inode),
            FileId::BuildId(id) => {
                let mut bytes = [0; 20];
                bytes[..id.as_bytes().len()].copy_from_slice(id.as_bytes());
                Identity::BuildId(bytes, id.as_bytes().len() as u8)
            }
            _ => Identity::Unknown,
        };
        let is_code = mmap
            .protection
            .map_or(!mmap.is_data, |bits| bits & EXECUTABLE != 0);
        let pid = mmap.pid.unsigned_abs();
        let is_main = self.main.contains(&pid);
        // The kernel maps a program before what loads its libraries, and lists of mappings
        // are by address, in which the program is in front of them.
        let is_program = is_code
            && mmap.path.starts_with(b"/")
            && self.begun.len() < MAX_PIDS
            && self.begun.insert(pid);
        let rank = match (is_code, is_main, is_program) {
            (false, ..) => Rank::Data,
            (true, false, false) => Rank::Code,
            (true, false, true) => Rank::Program,
            (true, true, false) => Rank::MainCode,
            (true, true, true) => Rank::MainProgram,
        };
        let place = Place {
            pid,
            start: mmap.start,
            end: mmap.start.saturating_add(mmap.length),
        };
        self.file(
            File {
                path: mmap.path.to_vec(),
                identity,
            },
            rank,
            &[place],
        );
    }

    fn file(&mut self, file: File, rank: Rank, places: &[Place]) {
        if self.files.len() >= MAX_FILES && !self.files.contains_key(&file) {
            self.is_full = true;
            return;
        }
        let seen = self.files.entry(file).or_default();
        seen.rank = seen.rank.max(rank);
        for place in places {
            // One place a process: they are all asked for the same file.
            let known = seen.places.iter().any(|it| it.pid == place.pid);
            if !known && seen.places.len() < MAX_PLACES {
                seen.places.push(*place);
            }
        }
    }

    /// Adds what the capture knows of the build-id of a file.
    fn name(&mut self, path: &[u8], id: &[u8]) {
        if self.build_ids.len() < MAX_FILES || self.build_ids.contains_key(path) {
            self.build_ids
                .entry(path.to_vec())
                .or_default()
                .insert(id.to_vec());
        } else {
            self.is_full = true;
        }
    }

    /// A process began: it belongs to those of its parent.
    fn fork(&mut self, pid: i32, parent: i32) {
        let (Ok(pid), Ok(parent)) = (u32::try_from(pid), u32::try_from(parent)) else {
            return;
        };
        // A number may be given again.
        if pid != parent {
            self.begun.remove(&pid);
        }
        if self.main.contains(&parent) && self.main.len() < MAX_PIDS {
            self.main.insert(pid);
        }
    }

    fn process(&mut self, pid: i32) {
        match u32::try_from(pid) {
            Ok(0) | Err(_) => {}
            Ok(pid) if self.pids.len() < MAX_PIDS => {
                self.pids.insert(pid);
            }
            Ok(_) => self.is_full = true,
        }
    }

    fn merge(&mut self, other: Self) {
        for (file, seen) in other.files {
            self.file(file, seen.rank, &seen.places);
        }
        for (path, ids) in other.build_ids {
            for id in ids {
                self.name(&path, &id);
            }
        }
        self.pids.extend(other.pids);
        self.main.extend(other.main);
        self.modules.extend(other.modules);
        self.is_full |= other.is_full;
    }
}

/// What the walk finds.
#[derive(Debug, Default)]
struct Found {
    needs: Needs,
    /// Build-ids that a pipe has at its end: `misc`, body and place.
    late: Vec<(u16, Vec<u8>, u64)>,
}

impl Found {
    fn take(&mut self, batch: &Batch) {
        for record in batch.records() {
            if record.kind == HEADER_BUILD_ID && self.late.len() < MAX_FILES {
                self.late
                    .push((record.misc, record.body.to_vec(), record.pos));
            }
            let header = RecordHeader {
                kind: record.kind,
                misc: record.misc,
            };
            // A record that is damaged tells nothing; the analyzer counts it.
            match SideBand::parse(header, record.body, batch.endian()) {
                Ok(Some(SideBand::Mmap(mmap))) => {
                    self.needs.process(mmap.pid);
                    self.needs.map(&mmap);
                }
                Ok(Some(SideBand::Comm { pid, exec, .. })) => {
                    self.needs.process(pid);
                    if exec {
                        self.needs.begun.remove(&pid.unsigned_abs());
                    }
                }
                Ok(Some(SideBand::Fork {
                    pid, parent_pid, ..
                })) => {
                    self.needs.process(pid);
                    self.needs.fork(pid, parent_pid);
                }
                _ => {}
            }
        }
    }
}

/// The last part of a path, for people.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(needs: &mut Needs, pid: i32, start: u64, path: &str, protection: u32) {
        needs.map(&Mmap {
            pid,
            tid: pid,
            start,
            length: 0x1000,
            file_offset: 0,
            path: path.as_bytes().into(),
            file: FileId::Unknown,
            protection: Some(protection),
            flags: 2,
            is_data: protection & EXECUTABLE == 0,
            mode: CpuMode::User,
        });
    }

    fn rank(needs: &Needs, path: &str) -> Rank {
        let file = needs.files.keys().find(|file| file.path == path.as_bytes());
        needs.files[file.unwrap()].rank
    }

    #[test]
    fn what_the_recorded_program_runs_is_wanted_most() {
        let mut needs = Needs::of(&[10]);
        map(&mut needs, 10, 0x1000, "/bin/main", 1);
        map(&mut needs, 10, 0x2000, "/bin/main", 5);
        map(&mut needs, 10, 0x9000, "/lib/libc", 5);
        map(&mut needs, 10, 0xa000, "/data", 1);
        map(&mut needs, 20, 0x2000, "/bin/other", 5);
        map(&mut needs, 20, 0x9000, "/lib/libc", 5);
        map(&mut needs, 20, 0xb000, "/lib/theirs", 5);
        // What it starts is its own, and runs what it executes.
        needs.fork(11, 10);
        map(&mut needs, 11, 0x9000, "/lib/late", 5);
        needs.begun.remove(&11);
        map(&mut needs, 11, 0x2000, "/bin/child", 5);
        let order = [
            ("/data", Rank::Data),
            ("/lib/theirs", Rank::Code),
            ("/bin/other", Rank::Program),
            ("/lib/libc", Rank::MainCode),
            ("/bin/main", Rank::MainProgram),
            ("/bin/child", Rank::MainProgram),
        ];
        for (path, wanted) in order {
            assert_eq!(rank(&needs, path), wanted, "{path}");
        }
        assert!(order.is_sorted_by_key(|(_, rank)| *rank));
    }
}
