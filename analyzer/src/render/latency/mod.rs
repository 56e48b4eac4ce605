//! `contend latency`: the table and the picture.

mod name;
mod table;

pub(crate) use table::table;

use crate::result::LatencyReport;
use std::io::{self, Write};

/// Draws the picture.
pub(crate) fn picture(
    _out: &mut dyn Write,
    _result: &LatencyReport,
    _top: Option<usize>,
) -> io::Result<()> {
    Ok(())
}
