//! The mappings of one process over time.
//!
//! A mapping is a rectangle: a range of addresses times a range of moments. A
//! new mapping ends what it covers of older ones, so the rectangles of a process
//! never overlap, and a mapping leaves at most three of them behind.
//!
//! ```text
//! address │ ┌───────────────┐ libc
//!         │ │      ┌────────┴──────  anonymous, mapped over a part of it
//!         │ └──────┴───────────────  the rest of libc goes on
//!         └──────────────────────── time
//! ```

use super::MapId;
use contend_perfdata::At;
use std::collections::BTreeMap;

/// Behind every record.
const FOREVER: At = At {
    time: u64::MAX,
    pos: u64::MAX,
};

/// How many groups of mappings a look-up visits at most. A real address is in
/// one or two; only hostile captures nest thousands of different mappings.
const MOST_VISITS: usize = 10_000;

/// A look-up met more mappings than [`MOST_VISITS`] and found nothing so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooManyVisits;

/// One mapping, or a part of it, while it was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) start: u64,
    /// Behind the last address.
    pub(super) end: u64,
    pub(super) map: MapId,
    pub(super) from: At,
    /// From here on it is gone.
    pub(super) to: At,
}

impl Rect {
    fn holds(&self, address: u64, at: At) -> bool {
        self.start <= address && address < self.end && self.from <= at && self.outlasts(at)
    }

    /// Whether it is still there behind a moment, be it the last there is.
    pub(super) fn outlasts(&self, at: At) -> bool {
        self.to > at || self.to == FOREVER
    }
}

/// Mappings while events are read in order.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// What is mapped now, by start.
    live: BTreeMap<u64, Rect>,
    done: Vec<Rect>,
}

impl Sweep {
    /// What is mapped at an address now.
    pub(super) fn rect_at(&self, address: u64) -> Option<&Rect> {
        let (_, rect) = self.live.range(..=address).next_back()?;
        (address < rect.end).then_some(rect)
    }

    /// Whether nothing was mapped so far.
    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty() && self.done.is_empty()
    }

    /// Stretches mappings that `reaches` names up to the next one above.
    pub(super) fn stretch(&mut self, reaches: impl Fn(MapId) -> bool) {
        let mut above: Option<u64> = None;
        for (&start, rect) in self.live.iter_mut().rev() {
            if let Some(above) = above
                && reaches(rect.map)
            {
                rect.end = rect.end.max(above);
            }
            above = Some(start);
        }
    }

    /// Maps a range, and ends what it covers.
    pub(super) fn map(&mut self, start: u64, end: u64, map: MapId, at: At) {
        self.unmap(start, end, at);
        let rect = Rect {
            start,
            end,
            map,
            from: at,
            to: FOREVER,
        };
        self.live.insert(start, rect);
    }

    /// Ends what is mapped in a range.
    pub(super) fn unmap(&mut self, start: u64, end: u64, at: At) {
        let first = match self.live.range(..=start).next_back() {
            Some((&key, rect)) if rect.end > start => key,
            _ => start,
        };
        let covered: Vec<u64> = self.live.range(first..end).map(|(&key, _)| key).collect();
        for key in covered {
            let Some(old) = self.live.remove(&key) else {
                continue;
            };
            if old.start < start {
                self.live.insert(old.start, Rect { end: start, ..old });
            }
            if old.end > end {
                self.live.insert(end, Rect { start: end, ..old });
            }
            if old.from < at {
                self.done.push(Rect {
                    start: old.start.max(start),
                    end: old.end.min(end),
                    to: at,
                    ..old
                });
            }
        }
    }

    /// The finished set.
    pub(super) fn finish(mut self) -> MapSet {
        self.done.extend(self.live.into_values());
        MapSet::new(self.done)
    }
}

/// Rectangles that begin at the same address, in the order of time.
#[derive(Clone, Copy, Debug)]
struct Group {
    start: u64,
    /// The largest end of the group's rectangles.
    end: u64,
    first: u32,
    last: u32,
}

/// The mappings of one process, ready to be asked.
#[derive(Debug, Default)]
pub(super) struct MapSet {
    /// By start, then by time.
    rects: Vec<Rect>,
    groups: Vec<Group>,
    /// A binary tree over the groups in an array: the largest end below each
    /// node, so that an address finds the groups around it.
    ends: Vec<u64>,
    /// The moments at which anything was mapped or gone, in order.
    changes: Vec<At>,
}

impl MapSet {
    fn new(mut rects: Vec<Rect>) -> Self {
        rects.sort_unstable_by_key(|rect| (rect.start, rect.from));
        let mut groups: Vec<Group> = Vec::new();
        let mut first = 0;
        for run in rects.chunk_by(|a, b| a.start == b.start) {
            let last = first + run.len() as u32;
            groups.push(Group {
                start: run[0].start,
                end: run.iter().map(|rect| rect.end).max().unwrap_or(0),
                first,
                last,
            });
            first = last;
        }
        let leaves = groups.len().next_power_of_two();
        let mut ends = vec![0; 2 * leaves];
        for (leaf, group) in groups.iter().enumerate() {
            ends[leaves + leaf] = group.end;
        }
        for node in (1..leaves).rev() {
            ends[node] = ends[2 * node].max(ends[2 * node + 1]);
        }
        let moments = rects.iter().flat_map(|rect| [rect.from, rect.to]);
        let mut changes: Vec<At> = moments.collect();
        changes.sort_unstable();
        changes.dedup();
        Self {
            rects,
            groups,
            ends,
            changes,
        }
    }

    /// How many changes there were up to a moment, that moment included.
    pub(super) fn changes_before(&self, at: At) -> usize {
        self.changes.partition_point(|&change| change <= at)
    }

    /// How many rectangles there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rects.len()
    }

    /// What is mapped at an address at a moment.
    pub(super) fn find(&self, address: u64, at: At) -> Result<Option<&Rect>, TooManyVisits> {
        let mut found = None;
        let all_visited = self.groups_around(address, |group| {
            let rects = self.rects_of(group);
            let after = rects.partition_point(|rect| rect.from <= at);
            let rect = rects[..after].last();
            found = rect.filter(|rect| rect.holds(address, at));
            found.is_none()
        });
        if all_visited {
            Ok(found)
        } else {
            Err(TooManyVisits)
        }
    }

    /// Calls `each` with every rectangle that holds an address at some moment of
    /// a span; false when there were too many to visit all.
    pub(super) fn during<'a>(
        &'a self,
        address: u64,
        from: At,
        to: At,
        mut each: impl FnMut(&'a Rect),
    ) -> bool {
        self.groups_around(address, |group| {
            let rects = self.rects_of(group);
            let first = rects.partition_point(|rect| !rect.outlasts(from));
            for rect in &rects[first..] {
                if rect.from > to {
                    break;
                }
                if address < rect.end {
                    each(rect);
                }
            }
            true
        })
    }

    fn rects_of(&self, group: &Group) -> &[Rect] {
        &self.rects[group.first as usize..group.last as usize]
    }

    /// Visits the groups whose range holds an address, until `each` returns
    /// false; false when there were more than may be visited.
    fn groups_around(&self, address: u64, mut each: impl FnMut(&Group) -> bool) -> bool {
        let leaves = self.ends.len() / 2;
        let starts_before = self.groups.partition_point(|group| group.start <= address);
        let mut visits = 0;
        // From the nearest start downwards: walk the leaves from the right, and
        // leap over subtrees in which everything ends before the address.
        let mut leaf = starts_before;
        while leaf > 0 {
            // The largest subtree whose last leaf is `leaf - 1` and that can be
            // leapt over.
            let mut node = leaves + leaf - 1;
            if self.ends[node] > address {
                visits += 1;
                if visits > MOST_VISITS {
                    return false;
                }
                if !each(&self.groups[leaf - 1]) {
                    return true;
                }
                leaf -= 1;
                continue;
            }
            let mut width = 1;
            while node % 2 == 1 && node > 1 && self.ends[node / 2] <= address {
                node /= 2;
                width *= 2;
            }
            leaf -= width.min(leaf);
        }
        true
    }
}
