//! A recorded call chain, split into its parts.
//!
//! ```text
//! PERF_CONTEXT_KERNEL, ip, caller, caller, PERF_CONTEXT_USER, ip, caller, ...
//! ```
//! `include/uapi/linux/perf_event.h`, `enum perf_callchain_context`.

use super::frame::Mode;
use contend_perfdata::Sample;

/// Words from here up are marks (`PERF_CONTEXT_MAX`).
const FIRST_MARK: u64 = -4095i64 as u64;
const HYPERVISOR: u64 = -32i64 as u64;
const KERNEL: u64 = -128i64 as u64;
const USER: u64 = -512i64 as u64;
/// Behind it stands a cookie; the user part comes in a record of its own.
const USER_DEFERRED: u64 = -640i64 as u64;
const GUEST: u64 = -2048i64 as u64;
const GUEST_KERNEL: u64 = -2176i64 as u64;
const GUEST_USER: u64 = -2560i64 as u64;

/// The longest chain that is taken, in words; the kernel's limit is 127 unless
/// it is changed, and a record has room for 8191.
const MOST_WORDS: usize = 1024;

/// An address of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) mode: Mode,
    /// Where to look: the instruction itself, or the last byte of the call that
    /// a return address stands behind.
    pub(super) address: u64,
}

/// What else a chain says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its user part is in another record.
    pub(super) deferred: bool,
    /// It has a mark that means nothing, and ends there.
    pub(super) unknown_mark: bool,
    /// It was longer than is taken.
    pub(super) too_long: bool,
}

/// All addresses of code of a sample as they were recorded, whatever their mode.
pub(crate) fn instructions(sample: &Sample<'_>) -> impl Iterator<Item = u64> {
    let chain = sample.callchain.iter().flat_map(|chain| chain.iter());
    let all = sample.ip.into_iter().chain(chain);
    all.filter(|&address| address != 0 && address < FIRST_MARK)
}

/// The mark in front of addresses of a mode.
pub(super) fn mark(mode: Mode) -> u64 {
    match mode {
        Mode::Hypervisor => HYPERVISOR,
        Mode::Kernel => KERNEL,
        Mode::User => USER,
        Mode::Guest => GUEST,
    }
}

/// Splits a chain, leaf first. A chain without marks is of a process
/// (`thread__resolve_callchain_sample` in `tools/perf/util/machine.c`).
pub(super) fn split(words: impl Iterator<Item = u64>, steps: &mut Vec<Step>) -> Facts {
    let mut facts = Facts::default();
    let mut mode = Mode::User;
    // The first address behind a mark is where the CPU was, or where the
    // process left for the kernel; the others are return addresses.
    let mut is_first = true;
    let mut words = words.enumerate();
    while let Some((index, word)) = words.next() {
        if index >= MOST_WORDS {
            facts.too_long = true;
            break;
        }
        if word < FIRST_MARK {
            let address = if is_first {
                word
            } else {
                word.saturating_sub(1)
            };
            steps.push(Step { mode, address });
            is_first = false;
            continue;
        }
        is_first = true;
        mode = match word {
            HYPERVISOR => Mode::Hypervisor,
            KERNEL => Mode::Kernel,
            USER => Mode::User,
            GUEST | GUEST_KERNEL | GUEST_USER => Mode::Guest,
            USER_DEFERRED => {
                facts.deferred = true;
                words.next();
                Mode::User
            }
            _ => {
                facts.unknown_mark = true;
                break;
            }
        };
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(words: &[u64]) -> (Vec<(Mode, u64)>, Facts) {
        let mut steps = Vec::new();
        let facts = split(words.iter().copied(), &mut steps);
        let steps = steps.iter().map(|step| (step.mode, step.address));
        (steps.collect(), facts)
    }

    #[test]
    fn marks_tell_the_mode_and_callers_are_looked_up_at_their_calls() {
        let (found, facts) = steps(&[KERNEL, 0xf000, 0xf100, USER, 0x1000, 0x2000]);
        let expected = [
            (Mode::Kernel, 0xf000),
            (Mode::Kernel, 0xf0ff),
            (Mode::User, 0x1000),
            (Mode::User, 0x1fff),
        ];
        assert_eq!(found, expected);
        assert_eq!(facts, Facts::default());
    }

    #[test]
    fn without_marks_it_is_a_process() {
        let (found, _) = steps(&[0x1000, 0x2000]);
        assert_eq!(found, [(Mode::User, 0x1000), (Mode::User, 0x1fff)]);
    }

    #[test]
    fn guests_and_hypervisors_are_kept_apart() {
        let (found, _) = steps(&[HYPERVISOR, 1, GUEST_KERNEL, 2, GUEST_USER, 3, GUEST, 4]);
        let modes: Vec<Mode> = found.iter().map(|&(mode, _)| mode).collect();
        let guest = Mode::Guest;
        assert_eq!(modes, [Mode::Hypervisor, guest, guest, guest]);
    }

    #[test]
    fn the_cookie_of_a_deferred_stack_is_no_address() {
        let (found, facts) = steps(&[KERNEL, 0xf000, USER_DEFERRED, 77]);
        assert_eq!(found, [(Mode::Kernel, 0xf000)]);
        assert!(facts.deferred);
    }

    #[test]
    fn unknown_marks_and_endless_chains_end() {
        let (found, facts) = steps(&[0x1000, FIRST_MARK, 0x2000]);
        assert_eq!(found, [(Mode::User, 0x1000)]);
        assert!(facts.unknown_mark);
        let (found, facts) = steps(&vec![0x1000; 8000]);
        assert_eq!(found.len(), MOST_WORDS);
        assert!(facts.too_long);
    }
}
