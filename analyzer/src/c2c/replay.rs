//! What perf computes in the order of time, for `--perf-compat` only.
//!
//! `PA cnt` counts how often the physical address differed from that of the
//! sample before, and the means are running means whose rounding depends on the
//! order (`c2c_he__set_node`, `update_stats`). The samples of the shown lines
//! are put in order of time and gone through once.

use super::part::MEANS;
use super::rows::RowKey;
use contend_perfdata::At;
use foldhash::HashMap;
use rayon::prelude::*;

/// One sample of a shown line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replay {
    pub(super) line: u32,
    pub(super) at: At,
    pub(super) row: RowKey,
    pub(super) phys_addr: u64,
    /// perf counts no change where it does not know the node of the address.
    pub(super) phys_node_known: bool,
    pub(super) weight: u64,
    pub(super) mean: Option<usize>,
}

/// What perf shows of a line or a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Replayed {
    /// How often the physical address changed.
    pub pa_count: u64,
    /// The running means in the order of perf's columns; 0 where there is none.
    pub means: [f64; MEANS.len()],
    counts: [u64; MEANS.len()],
    last_address: u64,
}

/// By line, and by line and row.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplayedLines {
    pub(super) lines: HashMap<u32, Replayed>,
    pub(super) rows: HashMap<(u32, RowKey), Replayed>,
}

/// Goes through the samples in the order of time.
pub(super) fn replay(mut samples: Vec<Replay>) -> ReplayedLines {
    samples.par_sort_unstable_by_key(|sample| sample.at);
    let mut all = ReplayedLines::default();
    for sample in &samples {
        all.lines.entry(sample.line).or_default().add(sample);
        let row = (sample.line, sample.row);
        all.rows.entry(row).or_default().add(sample);
    }
    all
}

impl Replayed {
    fn add(&mut self, sample: &Replay) {
        if sample.phys_addr != 0 && sample.phys_node_known && sample.phys_addr != self.last_address
        {
            self.pa_count += 1;
            self.last_address = sample.phys_addr;
        }
        if let Some(mean) = sample.mean {
            self.counts[mean] += 1;
            let delta = sample.weight as f64 - self.means[mean];
            self.means[mean] += delta / self.counts[mean] as f64;
        }
    }
}
