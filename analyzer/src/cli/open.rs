//! Opening the capture that a command reads.

use super::args::Common;
use crate::capture::Capture;
use crate::input::Which;
use anyhow::Result;

/// Opens the capture as the user said. Of a bundle it is the first capture of these
/// kinds, or else the first of all.
///
/// # Errors
/// When it cannot be opened, or the tables that the user named cannot be used.
pub(super) fn open(common: &Common, kinds: &[&str]) -> Result<Capture> {
    open_which(common, Which::Kinds(kinds))
}

/// As [`open`]; of a bundle it is the capture of this name.
///
/// # Errors
/// As [`open`].
pub(super) fn open_member(common: &Common, member: &str) -> Result<Capture> {
    open_which(common, Which::Member(member))
}

fn open_which(common: &Common, which: Which<'_>) -> Result<Capture> {
    let threads = usize::from(common.threads.unwrap_or(0));
    let mut capture = Capture::open_which(&common.capture, which, threads, common.chunk_size)?;
    if let Some(path) = &common.spe_tables {
        capture.use_spe_tables(path)?;
    }
    Ok(capture)
}
