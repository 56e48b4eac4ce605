//! The core of a CPU: what its numbers and events mean.

use super::tables::{Known, Table, Tables};
use contend_perfdata::{CpuMetadata, Midr, spe_event as event};
use std::sync::Arc;

/// A kind of core as the capture has it. CPUs with the same core share one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Core {
    /// Which core it is; absent where the capture does not tell.
    pub(crate) midr: Option<Midr>,
    /// The events that it reports; absent where the capture does not tell
    /// (metadata of version 1).
    event_filter: Option<u64>,
    known: Option<Known>,
    name: Arc<str>,
}

/// AmpereOne, whose numbers perf translates to Arm's.
const AMPERE_ONE: (u8, u16) = (0xc0, 0xac4);

impl Core {
    pub(super) fn new(tables: &Tables, midr: Option<Midr>, cpu: Option<&CpuMetadata>) -> Self {
        let known = midr.and_then(|midr| tables.core(midr)).cloned();
        let name = match (&known, midr) {
            (Some(known), _) => Arc::clone(&known.name),
            (None, Some(midr)) => format!(
                "unknown core (implementer {:#x}, part {:#x})",
                midr.implementer(),
                midr.part()
            )
            .into(),
            (None, None) => "unknown core".into(),
        };
        Self {
            midr,
            event_filter: cpu.and_then(|cpu| cpu.event_filter),
            known,
            name,
        }
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What its data-source numbers mean; absent when that is not known.
    pub(super) fn table(&self) -> Option<&Table> {
        self.known.as_ref()?.table.as_deref()
    }

    /// Whether its data-source numbers are known here.
    pub(crate) fn has_table(&self) -> bool {
        self.table().is_some()
    }

    /// Whether its table has a number; absent where it has no table.
    #[inline]
    pub(super) fn knows(&self, code: Option<u16>) -> Option<bool> {
        let table = self.table()?;
        Some(code.is_some_and(|code| table.answer(code).is_some()))
    }

    /// The table that counts for perf's counters: that of perf 7.2, and where perf
    /// has none and would see nothing of how lines are shared, the one that it
    /// would have.
    pub(super) fn perf_table(&self) -> Option<&Table> {
        let is_in_perf = self.known.as_ref().is_some_and(|known| known.is_in_perf);
        self.table().filter(|_| is_in_perf || !self.has_1p4())
    }

    /// Whether perf's counters come from a table that perf 7.2 does not have.
    pub(crate) fn is_beyond_perf(&self) -> bool {
        let is_in_perf = self.known.as_ref().is_some_and(|known| known.is_in_perf);
        !is_in_perf && self.perf_table().is_some()
    }

    /// Whether perf translates its numbers.
    pub(super) fn translates(&self) -> bool {
        self.midr
            .is_some_and(|midr| (midr.implementer(), midr.part()) == AMPERE_ONE)
    }

    /// Whether the capture says that the core reports an event.
    pub(super) fn reports(&self, bits: u64) -> bool {
        self.event_filter.is_some_and(|filter| filter & bits != 0)
    }

    /// Whether event bits 19 to 23 are those of FEAT_SPEv1p4: then at least one of
    /// them can be filtered by.
    pub(super) fn has_1p4(&self) -> bool {
        self.reports(event::SPE_1P4)
    }

    /// Whether its records can tell that another cache had the line modified.
    pub(crate) fn tells_modified(&self) -> bool {
        self.has_1p4() || self.table().is_some_and(Table::tells_modified)
    }

    /// Whether its records can tell that another core's cache answered.
    pub(crate) fn tells_peers(&self) -> bool {
        self.has_1p4() || self.table().is_some_and(Table::tells_peers)
    }

    /// What the maker says is wrong with its SPE.
    pub(crate) fn erratum(&self) -> Option<&'static str> {
        let midr = self.midr?;
        let revision = (midr.variant(), midr.revision());
        ERRATA
            .iter()
            .find(|erratum| {
                (midr.implementer(), midr.part()) == erratum.core && revision < erratum.fixed_in
            })
            .map(|erratum| erratum.text)
    }
}

/// A fault of a core's SPE.
struct Erratum {
    core: (u8, u16),
    /// The first revision (major, minor) without it.
    fixed_in: (u8, u8),
    text: &'static str,
}

/// Faults that can be read up: the errata notices of the makers. The kernel's list
/// (`Documentation/arch/arm64/silicon-errata.rst`) has none of SPE.
const ERRATA: [Erratum; 1] = [Erratum {
    core: (0x41, 0xd0c),
    fixed_in: (4, 1),
    text: "erratum 1694299 of Neoverse N1 before r4p1: instructions at branch targets are sampled \
           too often, those close behind them too rarely",
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_erratum_of_n1_ends_with_r4p1() {
        let tables = Tables::new(None).unwrap();
        let erratum = |midr| Core::new(&tables, Some(Midr(midr)), None).erratum();
        assert!(erratum(0x413f_d0c1).is_some());
        assert!(erratum(0x414f_d0c0).is_some());
        assert_eq!(erratum(0x414f_d0c1), None);
        assert_eq!(erratum(0x410f_d4f0), None);
    }

    #[test]
    fn a_core_that_nobody_knows_has_a_name_all_the_same() {
        let tables = Tables::new(None).unwrap();
        let core = Core::new(&tables, Some(Midr(0x510f_0010)), None);
        assert_eq!(&**core.name(), "unknown core (implementer 0x51, part 0x1)");
        assert!(core.table().is_none() && core.perf_table().is_none());
    }
}
