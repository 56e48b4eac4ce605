//! Stacks joined by the labels of their frames.

use super::label::Label;
use std::collections::{BTreeMap, BTreeSet};

/// Weights beyond this are scaled down: sums must fit 64 bits.
const LARGEST: u128 = 1 << 60;

/// What stands for frames that are too narrow, where nothing is below them.
pub(super) const LEFT_OUT: &str = "…";

#[derive(Debug, Default)]
struct Node {
    /// With all that is on top of it.
    total: u128,
    /// Alone.
    own: u128,
    children: BTreeMap<u32, u32>,
}

/// Frames on top of frames.
#[derive(Debug)]
pub(super) struct Tree {
    deepest: usize,
    labels: Vec<Label>,
    known: BTreeMap<Label, u32>,
    /// The first one is below all.
    nodes: Vec<Node>,
    too_deep: u64,
}

/// The frames that are wide enough.
#[derive(Debug)]
pub(super) struct Drawn {
    /// Folded stacks: labels with `;` between them and a weight.
    pub(super) lines: Vec<String>,
    /// All labels in them.
    pub(super) labels: BTreeSet<Label>,
    /// What the weights must be multiplied with.
    pub(super) scale: f64,
    /// How many stacks were cut.
    pub(super) too_deep: u64,
}

impl Tree {
    /// A tree of so many frames on top of each other.
    pub(super) fn new(deepest: usize) -> Self {
        Self {
            deepest,
            labels: Vec::new(),
            known: BTreeMap::new(),
            nodes: vec![Node::default()],
            too_deep: 0,
        }
    }

    /// Adds a stack, the root first.
    pub(super) fn add(&mut self, frames: &[Label], weight: u64) {
        let weight = u128::from(weight);
        self.too_deep += u64::from(frames.len() > self.deepest);
        let mut at = 0;
        self.nodes[at].total += weight;
        for label in frames.iter().take(self.deepest) {
            let label = self.label(label);
            let next = self.nodes.len();
            let child = *self.nodes[at].children.entry(label).or_insert(next as u32);
            at = child as usize;
            if at == next {
                self.nodes.push(Node::default());
            }
            self.nodes[at].total += weight;
        }
        self.nodes[at].own += weight;
    }

    fn label(&mut self, label: &Label) -> u32 {
        if let Some(&known) = self.known.get(label) {
            return known;
        }
        let id = self.labels.len() as u32;
        self.labels.push(label.clone());
        self.known.insert(label.clone(), id);
        id
    }

    /// The stacks without frames narrower than a pixel of `width`, in the order
    /// of labels. What is left out stays in the width of what is below it.
    pub(super) fn lines(&self, width: u64) -> Drawn {
        let total = self.nodes[0].total;
        let shift = (0..128).find(|shift| total >> shift <= LARGEST);
        let shift = shift.unwrap_or(0);
        let mut drawn = Drawn {
            lines: Vec::new(),
            labels: BTreeSet::new(),
            scale: (1u128 << shift) as f64,
            too_deep: self.too_deep,
        };
        let is_seen = |node: &Node| node.total.saturating_mul(u128::from(width)) >= total;
        // Each node with the length of the line in front of it.
        let mut path = String::new();
        let mut waiting: Vec<(u32, usize, Option<u32>)> = vec![(0, 0, None)];
        while let Some((node, length, label)) = waiting.pop() {
            path.truncate(length);
            if let Some(label) = label {
                let label = &self.labels[label as usize];
                if !path.is_empty() {
                    path.push(';');
                }
                path.push_str(&label.key());
                drawn.labels.insert(label.clone());
            }
            let node = &self.nodes[node as usize];
            let mut own = node.own;
            let mut seen: Vec<(u32, u32)> = Vec::new();
            for (&label, &child) in &node.children {
                let below = &self.nodes[child as usize];
                if is_seen(below) {
                    seen.push((label, child));
                } else {
                    own += below.total;
                }
            }
            if own >> shift > 0 {
                let path = if path.is_empty() { LEFT_OUT } else { &path };
                drawn.lines.push(format!("{path} {}", own >> shift));
            }
            seen.sort_by(|(a, _), (b, _)| {
                let order = |label: &u32| &self.labels[*label as usize];
                order(b).cmp(order(a))
            });
            let below = path.len();
            waiting.extend(
                seen.into_iter()
                    .map(|(label, child)| (child, below, Some(label))),
            );
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::super::label::Kind;
    use super::*;

    fn labels(names: &[&str]) -> Vec<Label> {
        names
            .iter()
            .map(|name| Label::new(name, Kind::User))
            .collect()
    }

    #[test]
    fn what_is_narrow_alone_may_be_wide_together() {
        let mut tree = Tree::new(10);
        for _ in 0..50 {
            tree.add(&labels(&["main", "busy"]), 1);
        }
        for thread in 0..50 {
            let name = format!("rare{thread}");
            tree.add(&labels(&["main", &name]), 1);
        }
        let drawn = tree.lines(10);
        assert_eq!(drawn.lines, ["main 50", "main;busy 50"]);
        assert_eq!(drawn.labels.len(), 2);
    }

    #[test]
    fn deep_stacks_are_cut_and_counted() {
        let mut tree = Tree::new(3);
        tree.add(&labels(&["a", "a", "a", "a", "b"]), 7);
        let drawn = tree.lines(100);
        assert_eq!(drawn.lines, ["a;a;a 7"]);
        assert_eq!(drawn.too_deep, 1);
    }

    #[test]
    fn weights_of_any_size_fit() {
        let mut tree = Tree::new(3);
        for name in ["a", "b", "c"] {
            tree.add(&labels(&[name]), u64::MAX);
        }
        let drawn = tree.lines(100);
        let weights: Vec<u128> = drawn
            .lines
            .iter()
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(weights.len(), 3);
        assert!(weights.iter().sum::<u128>() <= LARGEST);
    }

    #[test]
    fn stacks_without_frames_have_a_width() {
        let mut tree = Tree::new(3);
        tree.add(&[], 7);
        assert_eq!(tree.lines(100).lines, ["… 7"]);
        assert!(Tree::new(3).lines(100).lines.is_empty());
    }
}
