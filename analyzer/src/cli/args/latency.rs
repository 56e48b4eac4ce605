//! What `contend latency` is asked.

use super::{Common, Filters, SymbolArguments};
use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
pub(in crate::cli) struct LatencyArguments {
    #[command(flatten)]
    pub(in crate::cli) common: Common,

    /// What to tell accesses apart by
    #[arg(long, value_name = "KEY", default_value = "source")]
    pub(in crate::cli) by: LatencyBy,

    /// Which latency: the weight of samples, which is the total latency of Arm SPE; the second
    /// or third part of a weight of three; until the issue, or of the translation, of Arm SPE
    #[arg(long, value_name = "METRIC", default_value = "weight")]
    pub(in crate::cli) metric: LatencyMetric,

    /// How latencies are divided in the histogram and the picture
    #[arg(long, value_name = "SCALE", default_value = "log")]
    pub(in crate::cli) scale: LatencyScale,

    /// Bytes of a cache line [default: what the capture says, otherwise 64]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) line_size: Option<u64>,

    /// Show at most N groups [default: 20 in the table, 8 in the picture, all in JSON]
    #[arg(long, value_name = "N")]
    pub(in crate::cli) top: Option<usize>,

    /// Look up no names
    #[arg(long, conflicts_with_all = ["symbol_dir", "kallsyms", "debuginfod"])]
    pub(in crate::cli) no_symbols: bool,

    #[command(flatten)]
    pub(in crate::cli) symbols: SymbolArguments,

    #[command(flatten)]
    pub(in crate::cli) filters: Filters,
}

/// What latencies are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LatencyBy {
    /// Who answered
    Source,
    /// Function of the instruction
    Function,
    /// Cache line of the data
    Line,
    /// Thread
    Thread,
    /// CPU
    Cpu,
    /// NUMA node of the CPU, and that of the data where physical addresses tell
    Node,
}

/// Which latency is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(in crate::cli) enum LatencyMetric {
    /// Main weight of a sample; of Arm SPE, the total latency
    Weight,
    /// Instruction latency (Intel), tag to retire (AMD), finish cycles (Power)
    InsLat,
    /// Retire latency (Intel), dispatch cycles (Power)
    RetireLat,
    /// Until the operation was issued (Arm SPE)
    Issue,
    /// Of the translation of the address (Arm SPE)
    Translation,
}

/// How latencies are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LatencyScale {
    /// By equal factors
    Log,
    /// By equal numbers of cycles, up to the 99.9th percentile
    Linear,
}
