//! What can be typed. Each option is documented once, here.

mod latency;

use clap::{Args, Parser, Subcommand, ValueEnum};
use contend_perfdata::DEFAULT_CHUNK;
pub(super) use latency::{LatencyArguments, LatencyBy, LatencyMetric, LatencyScale};
use std::path::PathBuf;

const EXAMPLE: &str = "\
Example:
  perf c2c record -a -o c2c.perf.data -- sleep 10    on the machine with the problem
  contend info c2c.perf.data                         what is in it
  contend c2c c2c.perf.data                          which cache lines cores fight over";

/// Why does this program stop scaling when it gets more cores?
///
/// Reads captures of Linux perf on any machine.
#[derive(Debug, Parser)]
#[command(name = "contend", version, max_term_width = 100, after_long_help = EXAMPLE)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What is in a capture, what was lost, and which questions it can answer
    Info(InfoArguments),
    /// Which cache lines cores fight over
    ///
    /// Prints how often loads found their line modified in another core's cache
    /// (HITM), on which lines, who writes and who reads them, and whether the
    /// threads touch the same bytes.
    ///
    /// Example: contend c2c perf.data
    C2c(Box<C2cArguments>),
    /// How slow memory is: distributions of latencies, and who loses how many cycles
    ///
    /// Takes the latencies that the hardware notes of sampled accesses (Intel PEBS, AMD
    /// IBS, Power, Arm SPE) and prints how they are distributed by who answered, by
    /// function, cache line, thread, CPU or node, in the order of the cycles lost:
    /// what is above the median of the capture's own hits in the first two levels.
    /// What the number means on the hardware, and below which latency nothing was
    /// sampled, is printed with it.
    ///
    /// Example: contend latency --by function perf.data -o latency.svg
    Latency(Box<LatencyArguments>),
    /// Where threads wait, for how long, and on which lock
    ///
    /// Takes switches between threads (`sched:sched_switch`, `--switch-events`),
    /// or the off-CPU events of a collector, and adds up how long threads were off
    /// the CPU: blocked, preempted, or woken and waiting for a CPU. What has no
    /// end in the capture is counted and not guessed. Record with `--buildid-all`:
    /// without it perf notes no build-ids of programs, and they have no names.
    ///
    /// Example: contend offcpu perf.data -o waiting.svg
    Offcpu(Box<OffCpuArguments>),
    /// Where threads run: the hottest functions and stacks, or a flamegraph
    ///
    /// Takes the samples of cycles or of a clock, weighted by their period as
    /// `perf report` does. Stacks are recorded with `-g`, or with
    /// `--call-graph dwarf` for programs without frame pointers.
    ///
    /// Example: contend oncpu perf.data -o cpu.svg
    Oncpu(Box<OncpuArguments>),
    /// Which binaries a capture needs for names, which are found, which are missing
    ///
    /// A binary is found by its build-id. One of another build is refused.
    ///
    /// Example: contend symbols --symbol-dir ./binaries perf.data
    Symbols(SymbolsArguments),
}

/// Options of every command.
#[derive(Args, Debug)]
pub(super) struct Common {
    /// A perf.data file, a `perf record --threads` directory, a capture bundle, or - for standard
    /// input
    pub(super) capture: PathBuf,

    /// Print the JSON document instead of the table
    #[arg(long)]
    pub(super) json: bool,

    /// Write the output to FILE; - is standard output. Where FILE ends in .svg, latency, offcpu and
    /// oncpu draw a picture
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,

    /// Work on N threads, at most 256 [default: one for each CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) threads: Option<u16>,

    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,

    /// Print no progress and no warnings
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// Take what the data-source numbers of Arm cores mean from FILE too (docs/c2c.md)
    #[arg(long, value_name = "FILE")]
    pub(super) spe_tables: Option<PathBuf>,

    /// Bytes of the chunks that threads work on
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_CHUNK, hide = true)]
    pub(super) chunk_size: usize,
}

/// Where names come from.
#[derive(Args, Debug)]
#[command(next_help_heading = "Symbols")]
pub(super) struct SymbolArguments {
    /// Look for the capture's binaries in DIR: a .build-id tree, perf's cache, a debug tree, a
    /// copy of the machine's files, the files alone, or a tarball of perf archive (repeatable)
    #[arg(long, value_name = "DIR")]
    pub(super) symbol_dir: Vec<PathBuf>,

    /// Take the kernel's names from this copy of the machine's /proc/kallsyms [default: the
    /// bundle's]
    #[arg(long, value_name = "FILE")]
    pub(super) kallsyms: Option<PathBuf>,

    /// Ask the debuginfod servers of $DEBUGINFOD_URLS for binaries that are not here: sends their
    /// build-ids
    #[arg(long)]
    pub(super) debuginfod: bool,
}

impl SymbolArguments {
    /// The same for the library.
    pub(super) fn sources(&self) -> crate::SymbolSources {
        crate::SymbolSources {
            enabled: true,
            folders: self.symbol_dir.clone(),
            kallsyms: self.kallsyms.clone(),
            debuginfod: self.debuginfod,
        }
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Which samples to take.
#[derive(Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(super) struct Filters {
    /// Only samples from A to B: seconds from the first record, or percent (10..20%)
    #[arg(long, value_name = "A..B")]
    pub(super) time: Option<String>,

    /// Only these processes
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub(super) pid: Vec<i32>,

    /// Only these threads
    #[arg(long, value_name = "TID", value_delimiter = ',')]
    pub(super) tid: Vec<i32>,

    /// Only threads with these names
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) comm: Vec<String>,

    /// Only these CPUs: 0-7,16
    #[arg(long, value_name = "LIST")]
    pub(super) cpu: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct InfoArguments {
    #[command(flatten)]
    pub(super) common: Common,
}

#[derive(Args, Debug)]
pub(super) struct SymbolsArguments {
    #[command(flatten)]
    pub(super) common: Common,

    #[command(flatten)]
    pub(super) symbols: SymbolArguments,
}

#[derive(Args, Debug)]
pub(super) struct OffCpuArguments {
    #[command(flatten)]
    pub(super) common: Common,

    /// What to add time up by
    #[arg(long, value_name = "VIEW")]
    pub(super) by: Option<OffCpuView>,

    /// Which time to show
    #[arg(long, value_name = "STATE", default_value = "all")]
    pub(super) state: StateChoice,

    /// Leave out waits for work: for events, connections, time, tasks of a pool. How much that is
    /// is printed
    #[arg(long)]
    pub(super) hide_idle: bool,

    /// Print a line for each stack, with its time in ns: `state;comm;root;...;leaf 123`
    #[arg(long, conflicts_with = "json")]
    pub(super) folded: bool,

    /// Show at most N rows [default: 20 of one view, 8 of several, all in JSON]
    #[arg(long, value_name = "N")]
    pub(super) top: Option<usize>,

    /// Look up no names
    #[arg(long, conflicts_with_all = ["symbol_dir", "kallsyms"])]
    pub(super) no_symbols: bool,

    #[command(flatten)]
    pub(super) symbols: SymbolArguments,

    #[command(flatten)]
    pub(super) filters: Filters,
}

/// What time off the CPU is added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OffCpuView {
    /// Stack with which a thread left the CPU
    Stack,
    /// Lock that it waited for
    Lock,
    /// Thread that ended the wait, and its stack
    Waker,
    /// Thread, with how its waits are distributed
    Thread,
    /// State in which it left
    State,
    /// System call that it was in
    Syscall,
}

#[derive(Args, Debug)]
pub(super) struct OncpuArguments {
    #[command(flatten)]
    pub(super) common: Common,

    /// Take the samples of this event [default: cycles, or else a clock]
    #[arg(long, value_name = "NAME")]
    pub(super) event: Option<String>,

    /// Print a line for each stack, with its weight: `comm;root;...;leaf 123`
    #[arg(long, conflicts_with = "json")]
    pub(super) folded: bool,

    /// Show at most N functions and N stacks [default: 20 functions and 5 stacks in the table,
    /// all in JSON]
    #[arg(long, value_name = "N")]
    pub(super) top: Option<usize>,

    /// Look up no names
    #[arg(long, conflicts_with_all = ["symbol_dir", "kallsyms"])]
    pub(super) no_symbols: bool,

    #[command(flatten)]
    pub(super) symbols: SymbolArguments,

    #[command(flatten)]
    pub(super) filters: Filters,
}

/// Which time off the CPU counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum StateChoice {
    /// Threads waited for something
    Blocked,
    /// Another thread had taken the CPU
    Preempted,
    /// Threads were woken and waited for a CPU
    Runnable,
    /// All of it
    All,
}

#[derive(Args, Debug)]
pub(super) struct C2cArguments {
    #[command(flatten)]
    pub(super) common: Common,

    /// Order lines by all, remote or local HITMs, by peer snoops, or by excess latency
    /// [default: tot; peer for aarch64 captures without HITM; latency where Arm SPE tells neither]
    #[arg(long, value_name = "METRIC")]
    pub(super) sort: Option<SortBy>,

    /// Tell rows of a line apart by these fields, besides the offset
    #[arg(
        long,
        value_name = "FIELDS",
        value_delimiter = ',',
        default_value = "iaddr"
    )]
    pub(super) coalesce: Vec<CoalesceBy>,

    /// Show every sampled line, also those that nobody fights over
    #[arg(long)]
    pub(super) show_all: bool,

    /// Bytes of a cache line [default: what the capture says, otherwise 64]
    #[arg(long, value_name = "N")]
    pub(super) line_size: Option<u64>,

    /// Show at most N lines [default: 10 in the table, all in JSON]
    #[arg(long, value_name = "N")]
    pub(super) top: Option<usize>,

    /// Show at most N rows of a line in the table [default: 8]
    #[arg(long, value_name = "N")]
    pub(super) rows: Option<usize>,

    /// Print the three tables of `perf c2c report --stdio`
    #[arg(long, conflicts_with = "json")]
    pub(super) perf_compat: bool,

    /// Look up no names
    #[arg(long, conflicts_with_all = ["symbol_dir", "kallsyms", "debuginfod"])]
    pub(super) no_symbols: bool,

    #[command(flatten)]
    pub(super) symbols: SymbolArguments,

    #[command(flatten)]
    pub(super) filters: Filters,
}

/// What lines are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SortBy {
    /// All HITMs
    Tot,
    /// Remote HITMs
    Rmt,
    /// Local HITMs
    Lcl,
    /// Peer snoops
    Peer,
    /// Cycles of loads beyond the median (Arm SPE)
    Latency,
}

/// What rows are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CoalesceBy {
    /// Instruction address
    Iaddr,
    /// Process
    Pid,
    /// Thread
    Tid,
    /// Binary of the instruction
    Dso,
}
