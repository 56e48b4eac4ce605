//! Where the functions of addresses begin: what merges the frames of call chains
//! by function before any of them gets a name. Symbol tables tell; debug
//! information, which takes far longer to read, is left alone.

use super::binary::starts;
use super::elf::Use;
use super::jit::Jit;
use super::kernel::Kernel;
use super::locate::Locator;
use super::names::{Spot, has_kernel, is_needed};
use crate::space::{AddressSpace, DsoKind};
use anyhow::Result;
use rayon::prelude::*;

/// The first instructions of functions, by instructions in them.
#[derive(Debug, Default)]
pub(crate) struct FunctionStarts {
    /// In the order of the first.
    starts: Vec<(Spot, Spot)>,
}

impl FunctionStarts {
    /// Looks up the functions of all spots of code, each of which may be there
    /// any number of times. What is missing is told by the look-up of names.
    ///
    /// # Errors
    /// When a file or folder that the user named cannot be used.
    pub(crate) fn look_up(
        space: &AddressSpace,
        jit: &Jit,
        mut spots: Vec<Spot>,
        locator: &Locator,
        pool: &rayon::ThreadPool,
    ) -> Result<Self> {
        if !locator.sources().enabled {
            return Ok(Self::default());
        }
        spots.retain(|spot| spot.used == Use::Code);
        spots.sort_unstable();
        spots.dedup();
        let kernel = Kernel::open(space, locator, has_kernel(space, &spots), &mut Vec::new())?;
        let recorded = locator.recorded().placed(space);
        let runs = spots.chunk_by(|a, b| (a.dso, a.made) == (b.dso, b.made));
        let runs: Vec<&[Spot]> = runs.collect();
        let starts = pool.install(|| {
            let each = runs.par_iter().with_max_len(1).map(|spots| {
                let dso = space.dso(spots[0].dso);
                let behind: Vec<Option<u64>> = match dso.kind {
                    _ if spots[0].made.is_some() => {
                        let each = spots.iter();
                        each.map(|spot| spot.offset.checked_sub(jit.start(spot.made?)?))
                            .collect()
                    }
                    DsoKind::Anonymous => Vec::new(),
                    DsoKind::Kernel | DsoKind::Module => {
                        let each = spots.iter();
                        each.map(|spot| {
                            let symbol = kernel.symbol(dso, spot.address, spot.offset, spot.used);
                            let own = symbol.map(|symbol| symbol.offset);
                            own.or_else(|| recorded.behind(*spot))
                        })
                        .collect()
                    }
                    DsoKind::File | DsoKind::Vdso if !is_needed(dso, spots) => {
                        spots.iter().map(|&spot| recorded.behind(spot)).collect()
                    }
                    DsoKind::File | DsoKind::Vdso => {
                        let offsets: Vec<u64> = spots.iter().map(|spot| spot.offset).collect();
                        match locator.find(dso).found {
                            Some(found) => starts(&found, &offsets),
                            None => spots.iter().map(|&spot| recorded.behind(spot)).collect(),
                        }
                    }
                };
                let each = spots.iter().zip(behind);
                let known = each.filter_map(|(&spot, behind)| Some((spot, spot.before(behind?))));
                known.collect::<Vec<_>>()
            });
            each.collect::<Vec<_>>()
        });
        Ok(Self {
            starts: starts.into_iter().flatten().collect(),
        })
    }

    /// Where the function of a spot begins; absent where no symbol tells. It is a
    /// spot itself, whose name is the function's.
    pub(crate) fn start(&self, spot: Spot) -> Option<Spot> {
        let found = self.starts.binary_search_by_key(&spot, |&(spot, _)| spot);
        Some(self.starts[found.ok()?].1)
    }
}
