//! An open capture with what every command needs to walk it.

use crate::input::{self, Form, Input, Which};
use crate::space::AddressSpace;
use crate::spe::Tables;
use crate::survey::{LateRecord, SAMPLE, SIDE_BAND_LIMIT, Survey};
use anyhow::{Context, Result, bail};
use contend_bundle::layout::BUILD_ID_LIST;
use contend_bundle::{BuildIdList, Bundle, MAX_BUILD_ID_LIST};
use contend_perfdata::{
    At, Attr, AttrFlags, Batch, BuildId, Header, PerfData, RawRecord, SideBand, SymbolFile,
    SymbolFileKind, WalkReport, Walker,
};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file of tables that is larger is none.
const LARGEST_TABLES: u64 = 1 << 20;

/// As `clock_gettime(2)` numbers it.
const CLOCK_MONOTONIC: i32 = 1;

/// A capture, the threads that work on it and its cuts.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    input: Input,
    walker: Walker,
    pool: rayon::ThreadPool,
    meter: Arc<Meter>,
    /// Whether the header has what stands behind the first sample.
    has_late: bool,
    /// Look-ups in the last address space that were given up.
    given_up: Arc<AtomicU64>,
    /// What the data-source numbers of Arm SPE mean; absent for what is built in.
    spe_tables: Option<Tables>,
}

/// How far the walks through a capture have come.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    walks: AtomicU64,
    /// Bytes of records that the current walk has handed out.
    done: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    /// The number of the current walk, how many bytes of records it has handed
    /// out, and how many there are. Compressed captures hand out more than
    /// there are.
    pub(crate) fn state(&self) -> (u64, u64, u64) {
        let [walks, done, total] =
            [&self.walks, &self.done, &self.total].map(|part| part.load(Ordering::Relaxed));
        (walks, done, total)
    }

    fn begin(&self, total: u64) {
        self.walks.fetch_add(1, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }
}

/// How many threads work at most: more take memory and are not faster.
const MOST_THREADS: usize = 256;

/// Bytes that the chunks of all threads hold together, and those of one thread
/// however many there are.
const MOST_IN_CHUNKS: usize = 32 << 20;
const SMALLEST_SHARE: usize = 64 << 10;

impl Capture {
    /// Opens the capture at `path` (`-` is standard input) for `threads`
    /// threads, 0 being one for each CPU, at most 256, and chunks of about `chunk` bytes, less
    /// where threads are so many that their chunks would fill the memory.
    ///
    /// # Errors
    /// One line that says what is wrong with the path or its content.
    pub fn open(path: &Path, threads: usize, chunk: usize) -> Result<Self> {
        Self::open_for(path, &[], threads, chunk)
    }

    /// As [`Capture::open`]; of a bundle with several captures it opens the first of
    /// one of these kinds of the manifest, and the first one if there is none.
    ///
    /// # Errors
    /// As [`Capture::open`].
    pub fn open_for(path: &Path, kinds: &[&str], threads: usize, chunk: usize) -> Result<Self> {
        Self::open_which(path, Which::Kinds(kinds), threads, chunk)
    }

    /// As [`Capture::open`]; of a bundle with several captures it opens the one that is
    /// meant.
    ///
    /// # Errors
    /// As [`Capture::open`].
    pub(crate) fn open_which(
        path: &Path,
        which: Which<'_>,
        threads: usize,
        chunk: usize,
    ) -> Result<Self> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.min(MOST_THREADS))
            .build()
            .context("cannot start threads")?;
        let share = (MOST_IN_CHUNKS / pool.current_num_threads().max(1)).max(SMALLEST_SHARE);
        let chunk = chunk.min(share);
        let input = pool.install(|| input::open(path, which))?;
        Ok(Self {
            path: path.to_owned(),
            walker: input.data.walker(chunk),
            input,
            pool,
            meter: Arc::default(),
            has_late: false,
            given_up: Arc::default(),
            spe_tables: None,
        })
    }

    /// Takes tables of data-source numbers of Arm SPE from a file on top of what is
    /// built in.
    ///
    /// # Errors
    /// When the file cannot be read, or has a line that is none of a table.
    pub fn use_spe_tables(&mut self, path: &Path) -> Result<()> {
        let what = || format!("cannot use the SPE tables of {}", path.display());
        let file = std::fs::File::open(path).with_context(what)?;
        let mut text = String::new();
        file.take(LARGEST_TABLES)
            .read_to_string(&mut text)
            .with_context(what)?;
        self.spe_tables = Some(Tables::new(Some(&text)).with_context(what)?);
        Ok(())
    }

    /// The tables of data-source numbers of Arm SPE.
    pub(crate) fn spe_tables(&self) -> Result<Tables> {
        self.spe_tables
            .clone()
            .map_or_else(|| Tables::new(None), Ok)
    }

    /// The path as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the capture came.
    pub fn form(&self) -> Form {
        self.input.form
    }

    /// The bundle that the capture is in, if it is in one.
    pub fn bundle(&self) -> Option<&Arc<Bundle>> {
        self.input.bundle.as_ref()
    }

    /// What to know of the file or bundle around the capture, for people.
    pub fn notes(&self) -> &[String] {
        &self.input.notes
    }

    /// The header and the features.
    pub fn header(&self) -> &Header {
        self.input.data.header()
    }

    /// The records and events.
    pub fn data(&self) -> &PerfData {
        &self.input.data
    }

    /// The threads.
    pub fn pool(&self) -> &rayon::ThreadPool {
        &self.pool
    }

    /// How far the walks have come.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// How many look-ups in the address space were given up: see
    /// `AddressSpace::given_up`.
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Walks all records; see [`Walker::walk`].
    ///
    /// # Errors
    /// When the capture cannot be read.
    pub fn walk<S: Send>(
        &self,
        start: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &Batch) + Sync,
    ) -> Result<(Vec<S>, WalkReport)> {
        self.walk_some(|_| true, start, each)
    }

    /// Walks the records of some batches; see [`Walker::walk_some`].
    ///
    /// # Errors
    /// When the capture cannot be read.
    pub fn walk_some<S: Send>(
        &self,
        wanted: impl Fn(u64) -> bool + Sync,
        start: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &Batch) + Sync,
    ) -> Result<(Vec<S>, WalkReport)> {
        self.meter.begin(self.walker.total_bytes());
        let each = |state: &mut S, batch: &Batch| {
            each(state, batch);
            let bytes = batch.len() as u64;
            self.meter.done.fetch_add(bytes, Ordering::Relaxed);
        };
        self.walker
            .walk_some(&self.pool, wanted, start, each)
            .with_context(|| format!("cannot read {}", self.path.display()))
    }

    /// Notes what is in the capture, without looking into samples further than
    /// their event and time.
    ///
    /// # Errors
    /// As [`Capture::walk`] and [`Capture::finish_survey`].
    pub fn survey(&mut self) -> Result<(Survey, WalkReport)> {
        let events = self.input.data.events();
        let (parts, report) = self.walk(
            || Survey::new(events.len()),
            |survey, batch| {
                for record in batch.records() {
                    if record.kind != SAMPLE {
                        survey.record(&record, events);
                        continue;
                    }
                    let event = events.event_of(record.body);
                    match event.and_then(|event| Some((event, events.layout(event)?))) {
                        Some((event, layout)) => {
                            survey.sample(event, layout.time(record.body).unwrap_or(0));
                        }
                        None => survey.unknown_sample(),
                    }
                }
            },
        )?;
        Ok((self.finish_survey(parts)?, report))
    }

    /// Joins the surveys of all threads and takes the header-like records that
    /// they found behind the first sample.
    ///
    /// # Errors
    /// When there are more side-band records than any recording has.
    pub fn finish_survey(&mut self, parts: Vec<Survey>) -> Result<Survey> {
        let mut survey = Survey::new(self.input.data.events().len());
        for part in parts {
            survey.merge(part);
        }
        let late = survey.take_late();
        if !std::mem::replace(&mut self.has_late, true) {
            for record in &late {
                let LateRecord {
                    pos,
                    kind,
                    misc,
                    body,
                } = record;
                self.input
                    .data
                    .absorb(&RawRecord::new(*kind, *misc, body, *pos));
            }
        }
        if survey.is_side_band_refused() {
            bail!(
                "cannot read {}: its records of processes and mappings take more than {} MiB, \
                 which no recording does: it is damaged or made up",
                self.path.display(),
                SIDE_BAND_LIMIT >> 20
            );
        }
        Ok(survey)
    }

    /// Builds the address space from the side band of a survey, which gives it
    /// away.
    pub fn address_space(&mut self, survey: &mut Survey) -> AddressSpace {
        let mut side_band = std::mem::take(&mut survey.side_band);
        run_dex_code(&mut side_band, &self.header().features.symbol_files);
        let space = AddressSpace::build(side_band, &self.build_ids());
        self.given_up = space.given_up();
        space
    }

    /// What the capture itself knows of build-ids, and of other files what the
    /// recorder found. Whether a binary is the right one is seen when it is opened.
    fn build_ids(&self) -> Vec<BuildId> {
        const USER: u16 = 2;
        let mut known = self.header().features.build_ids.clone();
        let paths: BTreeSet<String> = known.iter().map(|id| id.filename.clone()).collect();
        let member = |bundle: &Arc<Bundle>| bundle.read(BUILD_ID_LIST, MAX_BUILD_ID_LIST).ok();
        let list = self.bundle().and_then(member).unwrap_or_default();
        for (digits, path) in BuildIdList::parse(&list).entries() {
            let filename = String::from_utf8_lossy(path).into_owned();
            let bytes = digits.as_bytes().chunks(2).map(|pair| {
                let pair = std::str::from_utf8(pair).unwrap_or_default();
                u8::from_str_radix(pair, 16)
            });
            let bytes: Result<Vec<u8>, _> = bytes.collect();
            if let (Ok(build_id), false) = (bytes, paths.contains(&filename)) {
                known.push(BuildId {
                    pid: -1,
                    misc: USER,
                    build_id,
                    filename,
                });
            }
        }
        known
    }

    /// Whether its times are those of `CLOCK_MONOTONIC`.
    pub(crate) fn is_monotonic(&self) -> bool {
        let attrs = &self.header().attrs;
        let is_monotonic =
            |attr: &Attr| attr.has_flags(AttrFlags::USE_CLOCKID) && attr.clockid == CLOCK_MONOTONIC;
        !attrs.is_empty() && attrs.iter().all(|event| is_monotonic(&event.attr))
    }
}
/// Makes code of what Android's virtual machine interprets: it is mapped as
/// data, and is in the call chains of simpleperf, which says that it has functions.
fn run_dex_code(side_band: &mut [(At, SideBand)], files: &[SymbolFile]) {
    const PROT_EXEC: u32 = 4;
    let dex = files.iter().filter(|file| file.kind == SymbolFileKind::Dex);
    let dex: BTreeSet<&[u8]> = dex.map(|file| file.path.as_bytes()).collect();
    if dex.is_empty() {
        return;
    }
    for (_, event) in side_band {
        if let SideBand::Mmap(mmap) = event
            && dex.contains(&*mmap.path)
        {
            mmap.protection = mmap.protection.map(|bits| bits | PROT_EXEC);
            mmap.is_data = false;
        }
    }
}
