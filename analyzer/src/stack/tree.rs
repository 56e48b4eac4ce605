//! Stacks as a tree of prefixes: equal stacks are one number, and stacks that
//! share callers share them in memory.

use super::frame::Frame;
use foldhash::HashMap;

/// A stack of a [`Stacks`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StackId(u32);

impl StackId {
    /// The stack without a frame.
    pub(crate) const EMPTY: Self = Self(0);

    /// Any stack, for tests that look into none.
    #[cfg(test)]
    pub(crate) fn any(number: u32) -> Self {
        Self(number)
    }

    /// Its place among all stacks of its tree.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Node {
    parent: u32,
    /// Of the frame; without meaning in the root.
    frame: u32,
}

/// The stacks that one worker met, or all of them.
#[derive(Debug)]
pub(crate) struct Stacks {
    frames: Vec<Frame>,
    known_frames: HashMap<Frame, u32>,
    /// A parent stands before its children; the first is the empty stack.
    nodes: Vec<Node>,
    known_nodes: HashMap<Node, u32>,
}

/// What the trees of all workers came to.
#[derive(Debug)]
pub(crate) struct Merged {
    /// All stacks, in the order of their frames: it does not matter which worker
    /// met what.
    pub(crate) stacks: Stacks,
    /// By worker: what its stacks are called now.
    pub(crate) renamed: Vec<Vec<StackId>>,
}

impl Default for Stacks {
    fn default() -> Self {
        let root = Node {
            parent: 0,
            frame: u32::MAX,
        };
        Self {
            frames: Vec::new(),
            known_frames: HashMap::default(),
            nodes: vec![root],
            known_nodes: HashMap::default(),
        }
    }
}

impl Stacks {
    /// The stack with these frames, the root first.
    pub(crate) fn intern(&mut self, frames: impl IntoIterator<Item = Frame>) -> StackId {
        let mut node = 0;
        for frame in frames {
            let frame = self.frame(frame);
            node = self.child(node, frame);
        }
        StackId(node)
    }

    fn frame(&mut self, frame: Frame) -> u32 {
        let next = self.frames.len() as u32;
        let id = *self.known_frames.entry(frame).or_insert(next);
        if id == next {
            self.frames.push(frame);
        }
        id
    }

    fn child(&mut self, parent: u32, frame: u32) -> u32 {
        let node = Node { parent, frame };
        let next = self.nodes.len() as u32;
        let id = *self.known_nodes.entry(node).or_insert(next);
        if id == next {
            self.nodes.push(node);
        }
        id
    }

    /// How many stacks there are, prefixes and the empty one included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// All distinct frames.
    pub(crate) fn distinct_frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The stack without its leaf, and the leaf as an index into
    /// [`Stacks::distinct_frames`]; absent for the empty stack.
    pub(crate) fn split_leaf(&self, stack: StackId) -> Option<(StackId, usize)> {
        let node = self.nodes.get(stack.index()).filter(|_| stack.0 > 0)?;
        Some((StackId(node.parent), node.frame as usize))
    }

    /// The frames of a stack as indices into [`Stacks::distinct_frames`], the leaf
    /// first.
    pub(crate) fn leaf_first(&self, stack: StackId) -> impl Iterator<Item = usize> {
        let mut at = stack;
        std::iter::from_fn(move || {
            let (caller, frame) = self.split_leaf(at)?;
            at = caller;
            Some(frame)
        })
    }

    /// Makes one tree of those of all workers.
    pub(crate) fn merge(parts: Vec<Self>) -> Merged {
        let mut all = Self::default();
        let mut into_all: Vec<Vec<u32>> = Vec::new();
        for part in parts {
            let frames = part.frames.into_iter();
            let frames: Vec<u32> = frames.map(|frame| all.frame(frame)).collect();
            let mut ids: Vec<u32> = vec![0];
            for node in &part.nodes[1..] {
                let parent = ids[node.parent as usize];
                ids.push(all.child(parent, frames[node.frame as usize]));
            }
            into_all.push(ids);
        }
        let (stacks, places) = all.in_order();
        let renamed = into_all
            .into_iter()
            .map(|ids| ids.into_iter().map(|id| places[id as usize]).collect())
            .collect();
        Merged { stacks, renamed }
    }

    /// The same tree with frames in their order and stacks in that of their
    /// frames, and where each stack went.
    fn in_order(self) -> (Self, Vec<StackId>) {
        let mut order: Vec<u32> = (0..self.frames.len() as u32).collect();
        order.sort_unstable_by_key(|&frame| self.frames[frame as usize]);
        let mut ranks = vec![0; order.len()];
        for (rank, &frame) in (0..).zip(&order) {
            ranks[frame as usize] = rank;
        }
        // Children by parent, the last one first, as they are taken from a stack.
        let mut children: Vec<(u32, std::cmp::Reverse<u32>, u32)> = (0..)
            .zip(&self.nodes)
            .skip(1)
            .map(|(id, node)| {
                (
                    node.parent,
                    std::cmp::Reverse(ranks[node.frame as usize]),
                    id,
                )
            })
            .collect();
        children.sort_unstable();
        let mut places = vec![StackId::EMPTY; self.nodes.len()];
        let mut sorted = Self::default();
        let mut waiting: Vec<u32> = vec![0];
        while let Some(old) = waiting.pop() {
            if old > 0 {
                let node = self.nodes[old as usize];
                let parent = places[node.parent as usize];
                places[old as usize] = StackId(sorted.nodes.len() as u32);
                sorted.nodes.push(Node {
                    parent: parent.0,
                    frame: ranks[node.frame as usize],
                });
            }
            let first = children.partition_point(|&(parent, ..)| parent < old);
            let own = children[first..].iter();
            let own = own.take_while(|&&(parent, ..)| parent == old);
            waiting.extend(own.map(|&(_, _, id)| id));
        }
        let frames = order.into_iter().map(|frame| self.frames[frame as usize]);
        sorted.frames = frames.collect();
        (sorted, places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::frame::Mode;
    use proptest::prelude::*;

    fn frame(address: u64) -> Frame {
        Frame::Nowhere {
            mode: Mode::User,
            address,
        }
    }

    fn intern(stacks: &mut Stacks, addresses: &[u64]) -> StackId {
        stacks.intern(addresses.iter().map(|&address| frame(address)))
    }

    fn root_first(stacks: &Stacks, stack: StackId) -> Vec<Frame> {
        let frames = stacks.leaf_first(stack);
        let mut frames: Vec<Frame> = frames
            .map(|frame| stacks.distinct_frames()[frame])
            .collect();
        frames.reverse();
        frames
    }

    #[test]
    fn equal_stacks_are_one() {
        let mut stacks = Stacks::default();
        let a = intern(&mut stacks, &[1, 2, 3]);
        assert_eq!(intern(&mut stacks, &[1, 2, 3]), a);
        assert_ne!(intern(&mut stacks, &[1, 2]), a);
        assert_eq!(stacks.len(), 4);
        assert_eq!(intern(&mut stacks, &[]), StackId::EMPTY);
        assert_eq!(root_first(&stacks, a), [1, 2, 3].map(frame));
    }

    proptest! {
        /// However stacks are dealt out, the merged tree is the same, and each
        /// worker finds its own stacks in it.
        #[test]
        fn merging_does_not_depend_on_who_met_what(
            recorded in prop::collection::vec(prop::collection::vec(0..6u64, 0..6), 0..60),
            workers in 1..5usize,
        ) {
            let deal = |workers: usize| {
                let mut parts: Vec<Stacks> = (0..workers).map(|_| Stacks::default()).collect();
                let mut met = vec![Vec::new(); workers];
                for (index, addresses) in recorded.iter().enumerate() {
                    let worker = index % workers;
                    let id = intern(&mut parts[worker], addresses);
                    met[worker].push((index, id));
                }
                let merged = Stacks::merge(parts);
                let mut ids = vec![StackId::EMPTY; recorded.len()];
                for (worker, met) in met.into_iter().enumerate() {
                    for (index, id) in met {
                        ids[index] = merged.renamed[worker][id.index()];
                    }
                }
                (merged.stacks, ids)
            };
            let (alone, ids) = deal(1);
            let (shared, shared_ids) = deal(workers);
            prop_assert_eq!(&ids, &shared_ids);
            prop_assert_eq!(&alone.nodes, &shared.nodes);
            prop_assert_eq!(&alone.frames, &shared.frames);
            for (addresses, id) in recorded.iter().zip(ids) {
                let expected: Vec<Frame> = addresses.iter().map(|&it| frame(it)).collect();
                prop_assert_eq!(root_first(&alone, id), expected);
            }
            // Numbers follow the frames.
            let listed: Vec<Vec<Frame>> =
                (0..alone.len() as u32).map(|id| root_first(&alone, StackId(id))).collect();
            prop_assert!(listed.is_sorted());
        }
    }
}
