//! Where threads run: the stacks of samples of running code.
//!
//! ```text
//! walk 1   side band → address space
//! walk 2   samples of the chosen events → stacks, their weights
//! names    distinct frames → functions; stacks that look alike are joined
//! ```

mod choice;
mod collect;
mod report;

use crate::capture::Capture;
use crate::filter::Filter;
use crate::result::OnCpu;
use crate::space::AddressSpace;
use crate::stack::Unwinding;
use crate::survey::Survey;
use crate::symbols::{Locator, SymbolSources};
use anyhow::Result;
use contend_perfdata::WalkReport;

/// What the user asked for.
#[derive(Debug, Default)]
pub struct OnCpuOptions<'a> {
    /// The event whose samples to take, by name; otherwise the likeliest.
    pub event: Option<String>,
    /// Which samples to take.
    pub filter: Filter<'a>,
}

/// Says where threads ran, from what a first walk found out.
///
/// # Errors
/// When the capture cannot be read, has no samples to answer with, or a file or
/// folder that the user named cannot be used.
pub fn oncpu(
    capture: &Capture,
    survey: &Survey,
    walk: &WalkReport,
    space: &AddressSpace,
    options: &OnCpuOptions<'_>,
    sources: &SymbolSources,
) -> Result<OnCpu> {
    let choice = choice::choose(capture, survey, options.event.as_deref())?;
    let locator = Locator::new(sources, capture)?;
    // Stacks must be unwound although nobody wants names.
    let binaries = match sources.enabled {
        true => None,
        false => {
            let sources = SymbolSources {
                enabled: true,
                ..sources.clone()
            };
            Some(Locator::new(&sources, capture)?)
        }
    };
    let unwinding = Unwinding::new(capture, space, binaries.as_ref().unwrap_or(&locator));
    let collected = collect::collect(capture, &unwinding, &choice, &options.filter)?;
    report::report(
        capture, survey, walk, &unwinding, &choice, collected, &locator,
    )
}
