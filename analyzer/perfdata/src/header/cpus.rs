//! Lists of CPU numbers as the kernel prints them: `0-7,16-23`.

/// CPU numbers at or above this are taken for damage, and no list holds more
/// than this many. The largest Linux kernel is built for 8,192.
pub const MAX_CPUS: u32 = 65_536;

/// The CPUs that a list such as `0-7,16-23` names, in the order of the list.
/// Numbers from [`MAX_CPUS`] on and pieces that are not numbers are left out.
#[must_use]
pub fn cpu_list(text: &str) -> Vec<u32> {
    let mut cpus = Vec::new();
    extend(&mut cpus, text, MAX_CPUS as usize);
    cpus
}

/// Appends the CPUs of a list, at most `budget` of them; returns how many
/// numbers or unreadable pieces were left out.
///
/// The budget is for callers with many lists: a range of seven bytes may stand
/// for 65,536 numbers, so a small file could ask for gigabytes.
pub(super) fn extend(cpus: &mut Vec<u32>, text: &str, mut budget: usize) -> u64 {
    let mut dropped = 0_u64;
    for piece in text
        .split(',')
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
    {
        let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
        let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else {
            dropped = dropped.saturating_add(1);
            continue;
        };
        if last < first {
            dropped = dropped.saturating_add(1);
            continue;
        }
        let named = u64::from(last - first) + 1;
        let before = cpus.len();
        cpus.extend((first..=last.min(MAX_CPUS - 1)).take(budget));
        let taken = cpus.len() - before;
        budget -= taken;
        dropped = dropped.saturating_add(named - taken as u64);
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_numbers() {
        assert_eq!(cpu_list("0-3,8,10-11"), [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(cpu_list("5\n"), [5]);
        assert_eq!(cpu_list(""), [0; 0]);
        assert_eq!(cpu_list("(null)"), [0; 0]);
    }

    #[test]
    fn impossible_lists_are_bounded_and_counted() {
        let mut cpus = Vec::new();
        assert_eq!(
            extend(&mut cpus, "0-4294967295", usize::MAX),
            4_294_967_296 - 65_536
        );
        assert_eq!(cpus.len(), 65_536);
        cpus.clear();
        assert_eq!(
            extend(&mut cpus, "0-9,4-3,x,70000,1-", 4),
            6 + 1 + 1 + 1 + 1
        );
        assert_eq!(cpus, [0, 1, 2, 3]);
        assert_eq!(cpu_list("70000-80000"), [0; 0]);
    }
}
