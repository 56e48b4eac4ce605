//! The documents do not depend on how the work was cut, on round marks, or on
//! the container that the records came in.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod containers;
mod cuts;
mod latency;
mod rounds;
mod stacks;

/// The documents that are compared, as arguments of the command.
const DOCUMENTS: [&[&str]; 5] = [
    &["info", "--json"],
    &["c2c", "--json"],
    &["c2c", "--json", "--show-all"],
    &["c2c", "--json", "--coalesce", "tid,iaddr"],
    &[
        "c2c",
        "--json",
        "--show-all",
        "--coalesce",
        "pid,tid,iaddr,dso",
    ],
];

/// Says where two documents part instead of printing both.
fn assert_same(what: &str, left: &[u8], right: &[u8]) {
    if left != right {
        let at = left.iter().zip(right).take_while(|(a, b)| a == b).count();
        let excerpt = |bytes: &[u8]| {
            let end = bytes.len().min(at + 80);
            String::from_utf8_lossy(&bytes[at.saturating_sub(120).min(end)..end]).into_owned()
        };
        panic!(
            "{what}: differ at byte {at}:\n{}\n{}",
            excerpt(left),
            excerpt(right)
        );
    }
}

/// Runs `each` on all items, on as many threads as there are CPUs. A panic of one
/// of them ends the test.
fn in_parallel<T: Sync>(items: &[T], each: impl Fn(&T) + Sync) {
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let each = &each;
            scope.spawn(move || items.iter().skip(worker).step_by(workers).for_each(each));
        }
    });
}
