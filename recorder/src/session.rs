//! One recording: sources side by side, the workload in the middle.
//!
//! ```text
//! workload forked, waiting → every source starts → the workload runs
//!   → it ends, or the time is up, or Ctrl-C → every source stops
//! ```
//! So nothing of the workload is missed, not even its first instruction, and
//! whatever ends the recording, what was recorded until then is kept.

mod clocks;
mod fallback;
mod folder;
mod signals;
mod workload;

pub use clocks::{read as read_clocks, realtime_ns};
pub use fallback::WithFallback;
pub use folder::Folder;
pub use signals::Signals;
pub use workload::{Ended, Workload};

use crate::say::say;
use crate::source::{Capture, Source, Target};
use anyhow::{Result, anyhow, bail};
use contend_bundle::ClockReading;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often sources are asked how they are.
const TICK: Duration = Duration::from_millis(5);

/// What to record.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Whom, if it is not only the workload.
    pub target: Option<Target>,
    /// The program to start.
    pub workload: Option<Workload>,
    /// When to end.
    pub time: Option<Duration>,
    /// Where the files of the recording are.
    pub folder: &'a Path,
}

/// A source before it is made: its kind, and what makes it.
pub struct Planned {
    /// Its kind as in the manifest.
    pub kind: &'static str,
    /// Makes the source, once the workload's number is known.
    #[allow(clippy::type_complexity)]
    pub make: Box<dyn FnOnce(&Target, &Path) -> Result<Box<dyn Source>>>,
}

/// What a recording left.
#[derive(Debug)]
pub struct Recorded {
    /// The files.
    pub captures: Vec<Capture>,
    /// The clocks at the start and at the end.
    pub clocks: Vec<ClockReading>,
    /// What did not work, for people.
    pub notes: Vec<String>,
    /// The program that was started, if it still runs.
    pub workload: Option<Workload>,
}

/// Records.
///
/// # Errors
/// When no source starts or no source left a capture; nothing is left running.
pub fn record(asked: Asked<'_>, planned: Vec<Planned>, signals: &Signals) -> Result<Recorded> {
    let Asked {
        target,
        mut workload,
        time,
        folder,
    } = asked;
    let target = match (target, &workload) {
        (Some(target), _) => target,
        (None, Some(workload)) => Target::Pids(vec![workload.pid()]),
        (None, None) => bail!("nothing to record: give -a, -p PID or -- COMMAND"),
    };
    let mut notes = Vec::new();
    let mut running = start(planned, &target, folder, &mut notes)?;
    let mut clocks = vec![clocks::read()];
    let mut told = Vec::new();
    for source in &running {
        for remark in source.remarks() {
            let remark = format!("{}: {remark}", source.kind());
            say!("{remark}");
            told.push(remark);
        }
    }
    let names: Vec<_> = running.iter().map(|source| source.kind()).collect();
    let until = match (time, &workload) {
        (Some(time), _) => format!(" for {time:?}"),
        (None, Some(_)) => " until the command ends".into(),
        (None, None) => " until Ctrl-C".into(),
    };
    say!("recording {}{until}", names.join(", "));
    let begun = match &mut workload {
        _ if signals.count() > 0 => Err(anyhow!("stopped before it began")),
        Some(workload) => workload.run(),
        None => Ok(()),
    };
    if let Err(error) = begun {
        // What was recorded until here is of no use to anybody.
        for source in &mut running {
            if let Ok(capture) = source.stop() {
                let _ = std::fs::remove_file(capture.file);
            }
        }
        return Err(error);
    }
    let started = Instant::now();
    let mut is_over = vec![false; running.len()];
    while !is_over.iter().all(|&over| over) && signals.count() == 0 {
        if workload.as_mut().is_some_and(Workload::is_over)
            || time.is_some_and(|time| started.elapsed() >= time)
            || target_is_gone(&target, workload.is_some())
        {
            break;
        }
        for (source, over) in running.iter_mut().zip(&mut is_over) {
            if *over {
                continue;
            }
            match source.poll() {
                Ok(true) => {}
                Ok(false) => {
                    *over = true;
                    // Ctrl-C on a terminal reaches the children, too.
                    let gone = signals.count() > 0
                        || target_is_gone(&target, workload.is_some())
                        || workload.as_mut().is_some_and(Workload::is_over);
                    if !gone {
                        note(
                            &mut notes,
                            format!(
                                "{} ended before the others: its capture is partial",
                                source.kind()
                            ),
                        );
                    }
                }
                Err(error) => {
                    *over = true;
                    told.push(format!("{}: {error:#}", source.kind()));
                    note(
                        &mut notes,
                        format!(
                            "{} broke off, its capture is partial: {error:#}",
                            source.kind()
                        ),
                    );
                }
            }
        }
        std::thread::sleep(TICK);
    }
    if signals.count() > 0 {
        notes.push("ended by a signal before its time".into());
    }
    clocks.push(clocks::read());
    let mut captures = Vec::new();
    for source in &mut running {
        match source.stop() {
            Ok(capture) => {
                // What was lost is said now, not only by who reads the bundle.
                let notes = capture.notes.iter();
                for note in notes.map(|note| format!("{}: {note}", capture.kind)) {
                    if !told.contains(&note) {
                        say!("{note}");
                    }
                }
                captures.push(capture);
            }
            Err(error) => note(&mut notes, format!("{}: {error:#}", source.kind())),
        }
    }
    if let Some(workload) = &mut workload
        && workload.is_over()
    {
        match workload.ended() {
            Some(Ended::Exited(0)) | None => {}
            Some(ended) => note(&mut notes, format!("the command {ended}")),
        }
    }
    if captures.is_empty() {
        if let Some(workload) = &mut workload {
            let _ = workload.end();
        }
        bail!("nothing was recorded: {}", notes.join("; "));
    }
    Ok(Recorded {
        captures,
        clocks,
        notes,
        workload,
    })
}

/// Starts what can be started, and says what cannot.
fn start(
    planned: Vec<Planned>,
    target: &Target,
    folder: &Path,
    notes: &mut Vec<String>,
) -> Result<Vec<Box<dyn Source>>> {
    let mut running: Vec<Box<dyn Source>> = Vec::new();
    let mut failed = Vec::new();
    for Planned { kind, make } in planned {
        let started = make(target, folder).and_then(|mut source| {
            source.start()?;
            Ok(source)
        });
        match started {
            Ok(source) => running.push(source),
            Err(error) => failed.push((kind, error)),
        }
    }
    if running.is_empty() {
        if failed.len() == 1
            && let Some((_, error)) = failed.pop()
        {
            return Err(error);
        }
        let why: Vec<_> = failed
            .iter()
            .map(|(kind, error)| format!("{kind}: {error:#}"))
            .collect();
        bail!("nothing of this can be recorded here: {}", why.join("; "));
    }
    for (kind, error) in failed {
        note(notes, format!("{kind} is not recorded: {error:#}"));
    }
    Ok(running)
}

/// Whether no process that was asked for is left. The end of a workload is seen by its parent.
fn target_is_gone(target: &Target, has_workload: bool) -> bool {
    match target {
        Target::Pids(pids) if !has_workload => pids.iter().all(|&pid| is_gone(pid)),
        _ => false,
    }
}

/// Whether a process ended, also when its parent does not want to know.
fn is_gone(pid: u32) -> bool {
    // Without descriptors or rights nothing is known of it, which is not its end.
    let is_no_process = |error: std::io::Error| {
        error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
    };
    let stat = match std::fs::read(format!("/proc/{pid}/stat")) {
        // Names may have any bytes in them.
        Ok(stat) => String::from_utf8_lossy(&stat).into_owned(),
        Err(error) => return is_no_process(error),
    };
    // proc_pid_stat(5): the state is behind the name, which may have anything in it.
    let state = stat.rsplit_once(") ").map_or("", |parts| parts.1);
    if !state.starts_with(['Z', 'X']) {
        return false;
    }
    // Its first thread may have ended before the others.
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    threads.map_or_else(is_no_process, |threads| threads.count() <= 1)
}

/// Says it and keeps it for the bundle.
fn note(notes: &mut Vec<String>, text: String) {
    say!("{text}");
    notes.push(text);
}
