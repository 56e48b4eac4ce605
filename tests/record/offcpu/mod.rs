//! The off-CPU collector, against a workload's own clock and other readers.

mod child;
mod killed;
mod rights;
mod truth;

use crate::support::skipped;
use std::path::PathBuf;

/// Whether BPF programs can be loaded here; says why not.
fn can_collect() -> bool {
    // SAFETY: takes no pointer.
    if unsafe { libc::geteuid() } != 0 {
        skipped("loading BPF programs needs root");
        return false;
    }
    if !contend_record::host::Host::read("/".as_ref()).rights.bpf() {
        skipped("this root may not load BPF programs");
        return false;
    }
    match contend_record::offcpu::why_not() {
        Some(why) => {
            skipped(&why);
            false
        }
        None => true,
    }
}

/// The analyzer, which a build of the whole workspace leaves beside this test.
fn contend() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let path = test.parent()?.parent()?.join("contend");
    if !path.is_file() {
        skipped(&format!("{} is not there", path.display()));
        return None;
    }
    Some(path)
}
