//! The perf of this machine, and the command beside it.

use crate::common::compare::{self, Ties};
use crate::common::{contend_on, installed_perf, perf_c2c, perf_report};
use crate::known::{self, Known};
use perf_report::Report;
use serde_json::Value;
use std::path::Path;

/// perf reads the source with addr2line unless told not to, and dies of that. Call
/// chains would stand between the rows.
const ALWAYS: [&str; 3] = ["--no-source", "-g", "none"];

/// From here on lines of the same metric are in the order that this perf has.
const SAME_TIES: (u32, u32) = (6, 3);

/// A perf that groups by lines of 64 bytes.
pub(crate) struct Oracle {
    version: (u32, u32),
}

impl Oracle {
    /// The perf of this machine, or why it is not asked.
    pub(crate) fn new() -> Result<Self, String> {
        let version = installed_perf().ok_or("perf is not on PATH: nothing is compared with it")?;
        let size = "/sys/devices/system/cpu/cpu0/cache/index0/coherency_line_size";
        match std::fs::read_to_string(size).as_deref().map(str::trim) {
            Ok("64") | Err(_) => Ok(Self { version }),
            Ok(other) => Err(format!(
                "perf would use this machine's cache lines of {other} bytes"
            )),
        }
    }

    /// Every difference between the command and perf on one capture.
    pub(crate) fn differences(&self, name: &str, capture: &Path) -> Vec<String> {
        let known = known::known(name, self.version);
        let mut found = match known {
            Some(Known::Refuses(message)) => match perf_c2c(capture, &ALWAYS) {
                Err(error) if error.contains(message) => Vec::new(),
                Err(error) => vec![format!("perf refuses it otherwise than known: {error}")],
                Ok(_) => vec!["perf reads it, other than known".to_owned()],
            },
            Some(Known::OutsideTheNodes) => Vec::new(),
            None | Some(Known::HitmInL2) => self.tables(capture, known),
        };
        if !matches!(known, Some(Known::Refuses(_))) {
            let stats = compare::stats(
                &self.document(capture, known, &[]),
                &report(capture, &["--stats"]),
            );
            found.extend(stats.iter().map(|text| format!("--stats: {text}")));
        }
        found
            .into_iter()
            .map(|difference| format!("{name}: {difference}"))
            .collect()
    }

    fn tables(&self, capture: &Path, known: Option<Known>) -> Vec<String> {
        let ties = if self.version < SAME_TIES {
            Ties::Free
        } else {
            Ties::Ordered
        };
        let all = self.document(capture, known, &["--show-all"]);
        let printed = report(capture, &["--show-all", "-c", "iaddr"]);
        let mut found = compare::stats(&all, &printed);
        found.extend(compare::shared_block(&all, &printed));
        found.extend(compare::tables(&all, &printed, ties));
        assert!(!printed.lines.is_empty(), "perf prints lines");

        // Which lines are shown without --show-all depends on the HITM in all.
        if known.is_none() {
            let shown = self.document(capture, known, &[]);
            let printed = report(capture, &[]);
            let tables = compare::tables(&shown, &printed, ties);
            found.extend(tables.iter().map(|text| format!("shown lines: {text}")));
        }
        found
    }

    fn document(&self, capture: &Path, known: Option<Known>, args: &[&str]) -> Value {
        let args = [&["c2c", "--json", "--line-size", "64"], args].concat();
        let document = contend_on(capture, &args).json(&capture.display().to_string());
        match known {
            Some(Known::HitmInL2) => known::with_hitm_in_l2_as_hits(document),
            _ => document,
        }
    }
}

fn report(capture: &Path, args: &[&str]) -> Report {
    let what = format!("perf on {} {args:?}", capture.display());
    let text = perf_c2c(capture, &[&ALWAYS, args].concat())
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    perf_report::parse(&text).unwrap_or_else(|error| panic!("{what}: {error}"))
}
