//! Latencies of a document beside latencies that were found another way.

use serde_json::Value;

/// What a document says of some latencies must be what a sort of them says: counts and
/// sums exactly, percentiles within the precision that the document states.
pub(crate) fn differences(what: &str, ours: &Value, precision: f64, values: &[u64]) -> Vec<String> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let mut found = Vec::new();
    let sum: u64 = sorted.iter().sum();
    for (field, expected) in [
        ("count", Some(sorted.len() as u64)),
        ("sum", Some(sum)),
        ("min", sorted.first().copied()),
        ("max", sorted.last().copied()),
    ] {
        if ours[field].as_u64() != expected {
            found.push(format!(
                "{what}: {field} {}, expected {expected:?}",
                ours[field]
            ));
        }
    }
    let mean = (!sorted.is_empty()).then(|| sum as f64 / sorted.len() as f64);
    let same_mean = match (ours["mean"].as_f64(), mean) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b,
        (a, b) => a == b,
    };
    if !same_mean {
        found.push(format!("{what}: mean {}, expected {mean:?}", ours["mean"]));
    }
    for (field, per_mille) in [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)] {
        let Some(rank) = (sorted.len() * per_mille)
            .div_ceil(1000)
            .max(1)
            .checked_sub(1)
        else {
            continue;
        };
        let exact = sorted.get(rank).copied();
        let is_near = match (ours[field].as_u64(), exact) {
            (Some(ours), Some(exact)) => {
                ours >= exact && (ours - exact) as f64 <= exact as f64 * precision
            }
            (ours, exact) => ours == exact,
        };
        if !is_near {
            found.push(format!(
                "{what}: {field} {}, a sort has {exact:?}",
                ours[field]
            ));
        }
    }
    found.extend(buckets(what, ours, &sorted));
    found
}

/// Each bucket has what falls between its ends, and together they have everything.
fn buckets(what: &str, ours: &Value, sorted: &[u64]) -> Vec<String> {
    let mut found = Vec::new();
    let mut next = 0;
    for bucket in ours["buckets"].as_array().map_or(&[][..], Vec::as_slice) {
        let [low, high, count] =
            ["low", "high", "count"].map(|field| bucket[field].as_u64().unwrap_or(u64::MAX));
        let inside = sorted[next..].iter().take_while(|&&value| value <= high);
        let inside = inside.count();
        let is_below = sorted.get(next).is_some_and(|&value| value < low);
        if is_below || count != inside as u64 {
            found.push(format!("{what}: bucket {bucket}, a sort has {inside}"));
        }
        next += inside;
    }
    if next != sorted.len() {
        found.push(format!(
            "{what}: {} values are in no bucket",
            sorted.len() - next
        ));
    }
    found
}
