//! `contend symbols`.

use super::args::SymbolsArguments;
use super::open::open;
use super::output;
use crate::render;
use crate::symbols::symbols;
use anyhow::Result;

pub(super) fn run(arguments: &SymbolsArguments) -> Result<()> {
    let common = &arguments.common;
    output::check(common)?;
    output::has_no_picture(common, "symbols")?;
    let mut capture = open(common, &[])?;
    let result = symbols(&mut capture, &arguments.symbols.sources())?;
    if common.json {
        return output::json(common, &result);
    }
    let color = output::color(common);
    output::write(common, |out| render::symbols::table(out, &result, color))
}
