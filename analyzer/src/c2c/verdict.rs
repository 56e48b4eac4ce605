//! Why a line is contended: do the threads that fight touch the same bytes?
//!
//! A load that found its line modified elsewhere was made to wait by the stores
//! of other threads since its own thread last had the line. It is true sharing
//! when one of them wrote the bytes that it wants, false sharing otherwise.
//! Samples do not tell which stores those were, but how many there are between
//! two such loads (by the periods of the samples), and which part of them goes
//! to which offset:
//!
//! ```text
//! m = stores of other threads / HITM loads of this thread   (at least 1)
//! p = part of those stores that go to the offset of the load
//! P(true sharing) = 1 - (1 - p)^m
//! ```
//! Offsets stand for bytes: the sizes of accesses are not in a sample.
//!
//! Where the capture does not tell threads, CPUs stand for them. That is what the
//! hardware sees: a load waits because another CPU's cache has the line. What is lost is
//! who it was: a thread that moves is two, and threads of one CPU are one.

mod events;
mod scene;

use super::uses::{Use, UseKey};
use crate::stats::percent;
use events::Events;
use foldhash::HashMap;
use scene::Scene;
use serde::Serialize;

/// Below this many HITM (or peer) loads a line gets no verdict. Allocators,
/// thread start and barriers leave lines with one to three.
pub(crate) const LEAST_SIGNAL: u64 = 10;

/// The end of the reason then.
pub(crate) const TOO_FEW: &str = "too few samples to say";

/// The end of the reason where threads are not known.
pub(crate) const THREADLESS: &str = "are of threads that the capture does not tell";

/// With fewer sampled stores than this nobody knows where the others went. Lines
/// without any are judged by locked loads, if there are some.
const LEAST_STORES: u64 = 3;

/// One kind of sharing prevails when it makes more than this many times the
/// other's HITM loads.
const PREVAILS: f64 = 4.0;

/// A truly shared line is read mostly when at most this share of its sampled
/// accesses are stores.
const FEW_STORES: f64 = 0.02;

/// How the threads share a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The threads touch different bytes: padding or another layout helps.
    FalseSharing,
    /// The threads touch the same bytes: only less sharing helps.
    TrueSharing,
    /// Both, neither prevails.
    Mixed,
    /// Many threads read what is rarely written.
    ReadMostly,
    /// Too few samples to say, or no store was sampled, or threads are not known.
    Unknown,
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    /// One sentence.
    pub(super) why: String,
    /// Whether CPUs stood for threads.
    pub(super) by_cpu: bool,
}

impl Judgement {
    fn unknown(why: String) -> Self {
        Self {
            verdict: Verdict::Unknown,
            why,
            by_cpu: false,
        }
    }
}

/// Judges a line by what its threads did at its offsets.
pub(super) fn judge(uses: &HashMap<UseKey, Use>) -> Judgement {
    let hitm: u64 = uses.values().map(|used| used.hitm).sum();
    let peer: u64 = uses.values().map(|used| used.peer).sum();
    // Cores that cannot tell HITM report that another cache answered.
    type Field = fn(&Use) -> u64;
    // Few HITMs say nothing; they do not hide that there are many peer snoops.
    let is_hitm = hitm > 0 && (hitm >= LEAST_SIGNAL || peer < LEAST_SIGNAL);
    let (signal_of, events_of, signal, name): (Field, Field, u64, &str) = if is_hitm {
        (|used| used.hitm, |used| used.hitm_events, hitm, "HITM")
    } else {
        (
            |used| used.peer,
            |used| used.peer_events,
            peer,
            "peer-snoop",
        )
    };
    if signal < LEAST_SIGNAL {
        let plural = if signal == 1 { "" } else { "s" };
        return Judgement::unknown(format!("{signal} {name} load{plural}: {TOO_FEW}"));
    }
    // Without a single sampled store, locked read-modify-writes that were
    // sampled as loads tell who writes.
    let stores: u64 = uses.values().map(|used| used.stores).sum();
    let has_stores = stores > 0;
    if has_stores && stores < LEAST_STORES {
        let were = if stores == 1 { " was" } else { "s were" };
        return Judgement::unknown(format!(
            "{signal} {name} loads, but only {stores} store{were} sampled on the line: too few to \
             say which bytes they waited for"
        ));
    }
    let writes_of: Field = if has_stores {
        |used| used.store_events
    } else {
        |used| used.locked_events
    };
    let writes = Events::new(uses, writes_of);
    let waits = Events::new(uses, events_of);
    let unnamed = uses.iter().filter(|(key, _)| !key.actor.is_thread());
    let unnamed: u64 = unnamed.map(|(_, used)| signal_of(used)).sum();
    // On which CPU a thread wrote that is known is not known here.
    let by_cpu = unnamed * 2 > signal && writes.of_threads() == 0;
    let (mut same, mut other, mut unexplained) = (0.0, 0.0, 0u64);
    let mut nameless = 0u64;
    // In a fixed order: sums of floats depend on it.
    let mut in_order: Vec<_> = uses.iter().collect();
    in_order.sort_unstable_by_key(|(key, _)| **key);
    for (key, used) in in_order {
        let count = signal_of(used);
        if count == 0 {
            continue;
        }
        // All that nobody's threads did would be one thread's.
        let is_told = match by_cpu {
            true => key.actor.cpu().is_some(),
            false => key.actor.is_thread(),
        };
        if !is_told {
            nameless += count;
            continue;
        }
        let here = writes.offset(key.offset).saturating_sub(writes_of(used)) as f64;
        let all = writes.total.saturating_sub(writes.actor(key)) as f64;
        if all == 0.0 {
            unexplained += count;
            continue;
        }
        let stores_per_wait = (all / waits.actor(key).max(1) as f64).max(1.0);
        let is_same = 1.0 - (1.0 - (here / all).min(1.0)).powf(stores_per_wait);
        same += count as f64 * is_same;
        other += count as f64 * (1.0 - is_same);
    }
    if nameless * 2 > signal {
        let why = format!("{signal} {name} loads, but {nameless} of them {THREADLESS}");
        return Judgement::unknown(why);
    }
    if (unexplained + nameless) * 2 > signal {
        let who = if by_cpu { "CPU" } else { "thread" };
        return Judgement::unknown(format!(
            "{signal} {name} loads, but no store of another {who} was sampled on the line for \
             {unexplained} of them"
        ));
    }
    let scene = Scene::new(uses);
    let (same_part, other_part) = (same / (same + other), other / (same + other));
    let (same_part, other_part) = (percent(same_part), percent(other_part));
    let (verdict, part, bytes) = if other > PREVAILS * same {
        (Verdict::FalseSharing, other_part, "other bytes")
    } else if same > PREVAILS * other {
        // Without sampled stores their share of the samples says nothing.
        let rarely_written =
            has_stores && scene.stores as f64 <= FEW_STORES * (scene.loads + scene.stores) as f64;
        let verdict = match rarely_written {
            true => Verdict::ReadMostly,
            false => Verdict::TrueSharing,
        };
        (verdict, same_part, "the same bytes")
    } else {
        (Verdict::Mixed, same_part, "the same bytes")
    };
    Judgement {
        verdict,
        why: format!("{scene}; {part} of {signal} {name} loads waited for stores to {bytes}"),
        by_cpu,
    }
}

/// Says of a line without a verdict why it is shown, where lines are ordered by
/// latency.
pub(super) fn unjudged(
    judgement: &mut Judgement,
    uses: &HashMap<UseKey, Use>,
    excess: u64,
    baseline: u64,
) {
    if judgement.verdict == Verdict::Unknown {
        let scene = Scene::new(uses);
        judgement.why = format!(
            "{scene}; its loads took {excess} cycles more than as many at {baseline} each, and \
             nothing tells whether they waited for stores"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::uses::Actor;
    use super::*;
    use contend_perfdata::MemorySample;

    /// (offset, thread, loads, stores, HITM loads)
    fn uses(table: &[(u32, i32, u64, u64, u64)]) -> HashMap<UseKey, Use> {
        uses_of(table, |tid| Actor::thread(1, tid))
    }

    /// The same of actors.
    fn uses_of(
        table: &[(u32, i32, u64, u64, u64)],
        actor: impl Fn(i32) -> Actor,
    ) -> HashMap<UseKey, Use> {
        let entries = table.iter().map(|&(offset, who, loads, stores, hitm)| {
            let used = Use {
                loads,
                stores,
                hitm,
                peer: hitm,
                store_events: stores * 1000,
                hitm_events: hitm * 1000,
                peer_events: hitm * 1000,
                locked_events: 0,
            };
            (
                UseKey {
                    offset,
                    actor: actor(who),
                },
                used,
            )
        });
        entries.collect()
    }

    #[test]
    fn two_counters_of_two_threads_are_false_sharing() {
        let uses = uses(&[(0, 1, 50, 50, 40), (8, 2, 50, 50, 40)]);
        let judgement = judge(&uses);
        assert_eq!(judgement.verdict, Verdict::FalseSharing);
        assert_eq!(
            judgement.why,
            "2 threads wrote 2 offsets, 2 threads read 2 offsets; \
             100 % of 80 HITM loads waited for stores to other bytes"
        );
    }

    #[test]
    fn who_is_not_known_did_not_wait_for_itself() {
        let nobody = |_| Actor::on_cpu(MemorySample::NO_CPU);
        let uses = uses_of(&[(0, 0, 50, 50, 40), (8, 0, 50, 50, 40)], nobody);
        let judgement = judge(&uses);
        assert_eq!(judgement.verdict, Verdict::Unknown);
        assert_eq!(
            judgement.why,
            "80 HITM loads, but 80 of them are of threads that the capture does not tell"
        );
    }

    #[test]
    fn cpus_stand_for_threads_that_are_not_known() {
        let on_cpu = |cpu: i32| Actor::on_cpu(cpu as u32);
        let two = uses_of(&[(0, 0, 50, 50, 40), (8, 1, 50, 50, 40)], on_cpu);
        let judgement = judge(&two);
        assert_eq!(judgement.verdict, Verdict::FalseSharing);
        assert!(judgement.by_cpu);
        assert_eq!(
            judgement.why,
            "2 CPUs wrote 2 offsets, 2 CPUs read 2 offsets; \
             100 % of 80 HITM loads waited for stores to other bytes"
        );
        let mut mixed = two.clone();
        mixed.extend(uses(&[(0, 7, 1, 0, 0)]));
        let scene = Scene::new(&mixed).to_string();
        let wanted = "2 CPUs wrote 2 offsets, 1 thread and 2 CPUs read 2 offsets";
        let other = "1 thread and 2 CPUs wrote 2 offsets, 2 CPUs read 2 offsets";
        assert!(scene == wanted || scene == other, "{scene}");
        let same = uses_of(&[(0, 0, 50, 50, 40), (0, 7, 50, 50, 40)], on_cpu);
        assert_eq!(judge(&same).verdict, Verdict::TrueSharing);
        // One CPU waits for nobody that was seen.
        let one = uses_of(&[(0, 3, 50, 50, 40), (8, 3, 50, 50, 40)], on_cpu);
        let judgement = judge(&one);
        assert_eq!(judgement.verdict, Verdict::Unknown);
        assert!(judgement.why.contains("another CPU"), "{}", judgement.why);
        assert!(!judgement.by_cpu);
    }

    /// A known thread's stores may have been on the CPU that waited.
    #[test]
    fn cpus_are_not_compared_with_threads() {
        let mut mixed = uses_of(&[(0, 0, 50, 0, 40), (8, 1, 50, 0, 40)], |cpu| {
            Actor::on_cpu(cpu as u32)
        });
        mixed.extend(uses(&[(0, 7, 0, 50, 0)]));
        let judgement = judge(&mixed);
        assert_eq!(judgement.verdict, Verdict::Unknown);
        assert!(judgement.why.ends_with(THREADLESS), "{}", judgement.why);
    }

    #[test]
    fn one_counter_of_two_threads_is_true_sharing() {
        let uses = uses(&[(0, 1, 50, 50, 40), (0, 2, 50, 50, 40)]);
        assert_eq!(judge(&uses).verdict, Verdict::TrueSharing);
    }

    #[test]
    fn a_reader_beside_a_written_field_is_false_sharing() {
        let uses = uses(&[(0, 1, 0, 90, 0), (16, 2, 200, 0, 30), (16, 3, 200, 0, 30)]);
        assert_eq!(judge(&uses).verdict, Verdict::FalseSharing);
    }

    #[test]
    fn a_lock_beside_its_data_is_mixed() {
        let uses = uses(&[
            (0, 1, 50, 50, 30),
            (0, 2, 50, 50, 30),
            (8, 1, 50, 50, 30),
            (8, 2, 50, 50, 30),
        ]);
        assert_eq!(judge(&uses).verdict, Verdict::Mixed);
    }

    #[test]
    fn a_flag_that_is_rarely_written_is_read_mostly() {
        let uses = uses(&[(0, 1, 0, 5, 0), (0, 2, 400, 0, 30), (0, 3, 400, 0, 30)]);
        assert_eq!(judge(&uses).verdict, Verdict::ReadMostly);
    }

    #[test]
    fn one_hitm_does_not_hide_many_peer_snoops() {
        let mut uses = uses(&[(0, 1, 50, 50, 40), (8, 2, 50, 50, 40)]);
        uses.values_mut().for_each(|used| used.hitm = 0);
        assert_eq!(judge(&uses).verdict, Verdict::FalseSharing);
        uses.values_mut().take(1).for_each(|used| used.hitm = 1);
        let judgement = judge(&uses);
        assert_eq!(judgement.verdict, Verdict::FalseSharing);
        assert!(judgement.why.contains("80 peer-snoop"), "{}", judgement.why);
    }

    #[test]
    fn few_samples_or_no_writer_give_no_verdict() {
        let few = uses(&[(0, 1, 9, 9, 5), (8, 2, 9, 9, 4)]);
        assert_eq!(judge(&few).verdict, Verdict::Unknown);
        let unwritten = uses(&[(0, 1, 90, 0, 40), (8, 2, 90, 0, 40)]);
        let judgement = judge(&unwritten);
        assert_eq!(judgement.verdict, Verdict::Unknown);
        assert!(judgement.why.contains("no store"), "{}", judgement.why);
    }

    #[test]
    fn locked_loads_tell_who_writes_when_no_store_was_sampled() {
        let mut uses = uses(&[(0, 1, 50, 0, 40), (0, 2, 50, 0, 40)]);
        uses.values_mut()
            .for_each(|used| used.locked_events = 50_000);
        assert_eq!(judge(&uses).verdict, Verdict::TrueSharing);
    }
}
