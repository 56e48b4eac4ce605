//! The thread that empties the ring buffer and the side band into the file.

use super::Options;
use super::counters::Counters;
use super::events;
use super::kernel::KernelMap;
use super::load::Programs;
use super::output::Output;
use super::sideband::SideBand;
use crate::source::Target;
use anyhow::{Context, Result, anyhow};
use aya::maps::{MapData, RingBuf};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the thread rests when there was little to do. The ring buffer holds
/// far more than machines write meanwhile.
const REST: Duration = Duration::from_millis(10);

/// How often losses are written down.
const TELL: Duration = Duration::from_secs(1);

/// Records of the ring in one round: behind so many the side band has its turn.
const ROUND: usize = 16_384;

/// Rounds at the end, in which programs that were just running may still write.
const LAST_ROUNDS: usize = 64;

/// CLOCK_MONOTONIC, in ns: the clock of the BPF programs.
pub(super) fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a whole struct.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A running collector.
#[derive(Debug)]
pub(super) struct Collector {
    thread: JoinHandle<Result<Vec<String>>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Set by the owner.
    stop: AtomicBool,
    /// Set by the thread when it cannot go on.
    broken: AtomicBool,
}

impl Collector {
    /// Begins to record. `kernel` finds where the kernel and its modules are.
    pub(super) fn start(
        mut programs: Programs,
        kernel: JoinHandle<Vec<KernelMap>>,
        options: &Options,
        file: File,
        command: &[String],
    ) -> Result<Self> {
        let side_band = SideBand::open(&events::side_band_event()).map_err(|error| {
            anyhow!("perf events: {error}; run as root, or give the program CAP_PERFMON")
        })?;
        let processes = match &options.target {
            Target::All => None,
            Target::Pids(pids) => Some(&pids[..]),
        };
        // A list that could not be made is an empty one, as of a kernel that hides it.
        let kernel = kernel.join().unwrap_or_default();
        let mut output = Output::new(file, &side_band, kernel, processes, command)
            .context("off-CPU capture: it cannot be written")?;
        // First what changes, then what is there: nothing falls in between.
        side_band.enable().context("perf events")?;
        let ring = programs.take_ring()?;
        output
            .processes()
            .context("off-CPU capture: it cannot be written")?;
        programs.attach()?;
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            programs,
            ring,
            side_band,
            output,
            scratch: Vec::new(),
        };
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("contend-offcpu".to_owned())
            .spawn(move || {
                let ended = worker.run(&theirs.stop);
                if ended.is_err() {
                    theirs.broken.store(true, Ordering::Release);
                }
                ended
            })
            .context("off-CPU collector: no thread")?;
        Ok(Self { thread, shared })
    }

    /// Whether it still records.
    pub(super) fn poll(&self, file: &Path) -> Result<bool> {
        if self.shared.broken.load(Ordering::Acquire) {
            return Err(anyhow!(
                "{}: recording off-CPU time broke off; what was recorded until then is kept",
                file.display()
            ));
        }
        Ok(!self.thread.is_finished())
    }

    /// Ends recording; what was lost, for people.
    pub(super) fn stop(self, file: &Path) -> Result<Vec<String>> {
        self.shared.stop.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(Ok(notes)) => Ok(notes),
            Ok(Err(error)) => {
                // The header is whole and names what follows it.
                let has_records = std::fs::metadata(file).is_ok_and(|facts| facts.len() > 4096);
                let error = format!("off-CPU time: {error:#}");
                if has_records {
                    Ok(vec![error])
                } else {
                    Err(anyhow!("{error}"))
                }
            }
            Err(_) => Err(anyhow!("off-CPU collector: its thread panicked")),
        }
    }
}

struct Worker {
    programs: Programs,
    ring: RingBuf<MapData>,
    side_band: SideBand,
    output: Output,
    scratch: Vec<u8>,
}

impl Worker {
    fn run(mut self, stop: &AtomicBool) -> Result<Vec<String>> {
        let broken = "it cannot be written any further";
        let mut told = Instant::now();
        while !stop.load(Ordering::Acquire) {
            let is_empty = self.round().context(broken)?;
            if told.elapsed() >= TELL {
                told = Instant::now();
                self.count()?;
                self.output.losses();
            }
            if is_empty {
                std::thread::sleep(REST);
            }
        }
        self.programs.detach()?;
        for _ in 0..LAST_ROUNDS {
            if self.round().context(broken)? {
                break;
            }
        }
        self.count()?;
        self.output.losses();
        self.output.end_round().context(broken)?;
        let mut notes = self.output.counters.notes();
        if self.output.hides_kernel {
            notes.push("the kernel hides its addresses (kernel.kptr_restrict, or CAP_SYSLOG is missing): its functions have no names".to_owned());
        }
        self.output.finish().context(broken)?;
        Ok(notes)
    }

    /// Takes what is there; whether that was all. The side band is older than what
    /// is read from the ring behind it.
    fn round(&mut self) -> std::io::Result<bool> {
        let output = &mut self.output;
        self.side_band
            .drain(&mut self.scratch, |record| output.side_band(record));
        for _ in 0..ROUND {
            let Some(record) = self.ring.next() else {
                self.output.end_round()?;
                return Ok(true);
            };
            self.output.record(&record)?;
        }
        Ok(false)
    }

    fn count(&mut self) -> Result<()> {
        let mut counters = Counters::default();
        self.programs.count(&mut counters)?;
        self.output.counters.take_kernel(&counters);
        Ok(())
    }
}
