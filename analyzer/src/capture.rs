//! An open capture with what every command needs to walk it.

use crate::input::{self, Form, Input};
use crate::space::AddressSpace;
use crate::survey::{SAMPLE, Survey};
use anyhow::{Context, Result};
use contend_bundle::Bundle;
use contend_perfdata::{Batch, Header, PerfData, WalkReport, Walker};
use std::path::{Path, PathBuf};

/// A capture, the threads that work on it and its cuts.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    input: Input,
    walker: Walker,
    pool: rayon::ThreadPool,
}

impl Capture {
    /// Opens the capture at `path` (`-` is standard input) for `threads`
    /// threads, 0 being one for each CPU, and chunks of about `chunk` bytes.
    ///
    /// # Errors
    /// One line that says what is wrong with the path or its content.
    pub fn open(path: &Path, threads: usize, chunk: usize) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .context("cannot start threads")?;
        let input = pool.install(|| input::open(path))?;
        Ok(Self {
            path: path.to_owned(),
            walker: input.data.walker(chunk),
            input,
            pool,
        })
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
    pub fn bundle(&self) -> Option<&Bundle> {
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

    /// Walks all records; see [`Walker::walk`].
    ///
    /// # Errors
    /// When the capture cannot be read.
    pub fn walk<S: Send>(
        &self,
        start: impl Fn() -> S + Sync,
        each: impl Fn(&mut S, &Batch) + Sync,
    ) -> Result<(Vec<S>, WalkReport)> {
        self.walker
            .walk(&self.pool, start, each)
            .with_context(|| format!("cannot read {}", self.path.display()))
    }

    /// Notes what is in the capture, without looking into samples further than
    /// their event and time.
    ///
    /// # Errors
    /// When the capture cannot be read.
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
        let survey = self.finish_survey(parts);
        Ok((survey, report))
    }

    /// Joins the surveys of all threads and takes the header-like records that
    /// they found behind the first sample.
    pub fn finish_survey(&mut self, parts: Vec<Survey>) -> Survey {
        let mut survey = Survey::new(self.input.data.events().len());
        for part in parts {
            survey.merge(part);
        }
        survey.late.sort_unstable();
        for record in std::mem::take(&mut survey.late) {
            self.input
                .data
                .absorb(record.kind, record.misc, &record.body);
        }
        survey
    }

    /// Builds the address space from the side band of a survey, which gives it
    /// away.
    pub fn address_space(&self, survey: &mut Survey) -> AddressSpace {
        let side_band = std::mem::take(&mut survey.side_band);
        let build_ids = &self.header().features.build_ids;
        AddressSpace::build(side_band, build_ids)
    }
}
