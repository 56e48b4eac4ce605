//! `contend symbols`.

use super::args::SymbolsArguments;
use super::output;
use crate::capture::Capture;
use crate::render;
use crate::symbols::symbols;
use anyhow::Result;

pub(super) fn run(arguments: &SymbolsArguments) -> Result<()> {
    let common = &arguments.common;
    let threads = usize::from(common.threads.unwrap_or(0));
    let mut capture = Capture::open(&common.capture, threads, common.chunk_size)?;
    let result = symbols(&mut capture, &arguments.symbols.sources())?;
    if common.json {
        return output::json(common, &result);
    }
    let color = output::color(common);
    output::write(common, |out| render::symbols::table(out, &result, color))
}
