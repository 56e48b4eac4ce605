//! A source, and another for where it does not work.

use crate::source::{Capture, Source};
use anyhow::{Context, Result};

/// What makes the second source.
type Make = Box<dyn FnOnce() -> Result<Box<dyn Source>>>;

/// Tries one source, and says so when the other takes its place.
pub struct WithFallback {
    source: Box<dyn Source>,
    fallback: Option<Make>,
    /// What it is instead, for people.
    instead: String,
    note: Option<String>,
}

impl WithFallback {
    /// `source`, or what `fallback` makes; `instead` says what that means.
    #[must_use]
    pub fn new(source: Box<dyn Source>, fallback: Make, instead: impl Into<String>) -> Self {
        Self {
            source,
            fallback: Some(fallback),
            instead: instead.into(),
            note: None,
        }
    }
}

impl Source for WithFallback {
    fn kind(&self) -> &'static str {
        self.source.kind()
    }

    fn start(&mut self) -> Result<()> {
        let Err(error) = self.source.start() else {
            return Ok(());
        };
        let first = format!("{error:#}");
        let make = self.fallback.take().context(first.clone())?;
        let second = make().and_then(|mut source| {
            source.start()?;
            Ok(source)
        });
        self.source = second.with_context(|| format!("{first}; nor does perf record it"))?;
        self.note = Some(format!("{first}: {}", self.instead));
        Ok(())
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<_> = self.note.iter().cloned().collect();
        remarks.extend(self.source.remarks());
        remarks
    }

    fn poll(&mut self) -> Result<bool> {
        self.source.poll()
    }

    fn stop(&mut self) -> Result<Capture> {
        let mut capture = self.source.stop()?;
        capture.notes.splice(0..0, self.note.take());
        Ok(capture)
    }
}
