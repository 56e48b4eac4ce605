//! What can be typed.

use super::units::{call_graph, duration};
use crate::perf::CallGraph;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Records, on the machine with the problem, why a program stops scaling, and packs it
/// into one file that `contend` reads anywhere.
#[derive(Debug, Parser)]
#[command(name = "contend-record", version, disable_help_subcommand = true)]
pub(super) struct Options {
    /// The command.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What this machine can record, what not and why, and the one thing to change for each
    Doctor {
        /// Print a JSON document
        #[arg(long)]
        json: bool,
        /// The perf to use instead of the first in PATH
        #[arg(long, value_name = "PATH")]
        perf: Option<PathBuf>,
    },
    /// Memory samples with their data source: which cache lines cores fight over
    C2c(Record),
    /// Memory samples of Arm's SPE with all their packets
    Spe(Record),
    /// Where threads wait, by the bundled BPF collector
    Offcpu(Record),
    /// Where threads run: samples with stacks
    Cpu(Record),
    /// All of these that work here, at the same time, into one bundle
    All(Record),
    /// Pack perf.data files with what reading them on another machine needs
    Pack {
        /// The perf.data files, recorded on this machine
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Send a bundle and verify what arrived; the bundle stays
    Ship {
        /// The bundle
        bundle: PathBuf,
        /// ssh://USER@HOST:PORT/PATH (USER and PORT if needed), an https:// address for PUT, or exec:COMMAND
        #[arg(value_name = "DEST")]
        destination: String,
    },
}

/// What is recorded, and where it goes.
#[derive(Clone, Debug, Args)]
pub(super) struct Record {
    /// Record these processes with all their threads
    #[arg(short, long, value_name = "PID", value_delimiter = ',', conflicts_with_all = ["all_cpus", "workload"])]
    pub(super) pid: Vec<u32>,
    /// Record the whole machine
    #[arg(short, long)]
    pub(super) all_cpus: bool,
    /// Start this program, and record it (with -a: the whole machine) until it ends
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) workload: Vec<OsString>,
    /// End after this time: 10s, 500ms, 2m; else at the end of COMMAND or at Ctrl-C
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(super) time: Option<Duration>,
    /// The perf to use instead of the first in PATH
    #[arg(long, value_name = "PATH")]
    pub(super) perf: Option<PathBuf>,
    /// Show the exact commands and events, and run nothing
    #[arg(long)]
    pub(super) print: bool,
    /// Samples a second on each CPU, of cpu and c2c
    #[arg(short = 'F', long, alias = "freq", value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "period")]
    pub(super) frequency: Option<u32>,
    /// Memory accesses: a sample every so many events
    #[arg(short = 'c', long, alias = "count", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) period: Option<u64>,
    /// Memory accesses: only loads that take so many cycles
    #[arg(long, value_name = "CYCLES", value_parser = clap::value_parser!(u32).range(0..=65_535))]
    pub(super) ldlat: Option<u32>,
    /// Stacks of samples: fp, dwarf, dwarf,BYTES, lbr or none
    #[arg(long, value_name = "HOW", value_parser = call_graph)]
    pub(super) call_graph: Option<CallGraph>,
    /// Waits: leave out those that are shorter (0: none)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) min_block: Option<Duration>,
    /// Waits: also record where wakers were
    #[arg(long)]
    pub(super) wakers: bool,
    /// Waits: stacks of the kernel only
    #[arg(long, conflicts_with = "user_stacks")]
    pub(super) kernel_stacks: bool,
    /// Waits: stacks of the program only
    #[arg(long)]
    pub(super) user_stacks: bool,
    /// Waits: only these threads
    #[arg(long, value_name = "TID", value_delimiter = ',')]
    pub(super) tid: Vec<u32>,
    /// Waits: only threads of these names
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) comm: Vec<String>,
    /// Waits: only threads in this folder of the cgroup tree and below
    #[arg(long, value_name = "FOLDER")]
    pub(super) cgroup: Option<PathBuf>,
    /// What is packed and where it goes.
    #[command(flatten)]
    pub(super) output: Output,
}

/// What is packed and where it goes.
#[derive(Clone, Debug, Args)]
pub(super) struct Output {
    /// The bundle; - for standard output [default: contend-WHAT-DATE.tar.zst]. What has its name stays as FILE.old
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Send the bundle while it is packed: ssh://USER@HOST:PORT/PATH (USER and PORT if needed), an https:// address
    /// for PUT, or exec:COMMAND that reads it
    #[arg(long, value_name = "DEST")]
    pub(super) ship: Option<String>,
    /// Leave out programs and libraries: names then need them on the machine that reads
    #[arg(long)]
    pub(super) no_binaries: bool,
    /// Leave out host name, command lines and user names (docs/recording.md says what stays)
    #[arg(long)]
    pub(super) redact: bool,
}
