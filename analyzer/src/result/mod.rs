//! Results: the plain structs that every analysis returns and every renderer
//! takes. Their serialized form is the JSON of `docs/formats/json.md`.

mod c2c;
mod capture;
mod info;
mod latency;
mod offcpu;
mod oncpu;
mod quality;
mod spe;
mod stack;
mod symbols;

pub use c2c::{
    Access, C2c, ClassRow, Compat, HiddenWidths, InlineFrame, Latency, Line, LineCompat,
    MemoryObject, Ratios, Row, RowCompat, Variable,
};
pub(crate) use capture::cpu_ranges;
pub use capture::{CaptureFacts, NodeFacts};
pub use info::{Can, EventFacts, Info, OtherCapture};
pub use latency::{
    Distribution, LatencyBaseline, LatencyBucket, LatencyEvent, LatencyGroup, LatencyKey,
    LatencyReport, RestGroups,
};
pub use offcpu::{
    ByState, Holder, Idle, LengthBucket, LockRow, LockStack, OffCpu, OffCpuStack, StateRow, Sums,
    SyscallRow, ThreadRow, UpperBounds, WakerFacts, WakerRow,
};
pub use oncpu::{FunctionCost, OnCpu, StackCost, ThreadCost};
pub(crate) use quality::FILTERED;
pub use quality::{MissingBinary, Quality};
pub use spe::{AreaFacts, Attributions, AuxFacts, Interval, SpeCpu, SpeQuality, SpeSpan};
pub use stack::StackFrame;
pub use symbols::{BinaryFacts, OtherBuild, Symbols};

use serde::{Serialize, Serializer};

/// An address, written as a hex string: JSON numbers lose bits above 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex(pub u64);

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
