//! Names for the frames of stacks, once all stacks are known.

use super::frame::{Frame, Mode};
use super::tree::{StackId, Stacks};
use crate::result::{MissingBinary, StackFrame};
use crate::space::{AddressSpace, DsoId, DsoKind};
use crate::symbols::{Answer, Locator, Names, Spot};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A frame with its name; equal ones are one.
pub(crate) type NamedFrame = Arc<StackFrame>;

/// Names for all frames of some stacks.
#[derive(Debug, Default)]
pub(crate) struct NamedStacks {
    /// By frame of the tree: its function behind those that are inlined into it
    /// backwards, so the caller first.
    frames: Vec<Vec<NamedFrame>>,
    /// Binaries that are needed and not here, by path.
    pub(crate) missing: Vec<MissingBinary>,
    /// What else the reader should know.
    pub(crate) warnings: Vec<String>,
}

impl NamedStacks {
    /// Looks up the names of all frames.
    ///
    /// # Errors
    /// When a file or folder that the user named cannot be used.
    pub(crate) fn look_up(
        space: &AddressSpace,
        stacks: &Stacks,
        locator: &Locator,
        pool: &rayon::ThreadPool,
    ) -> Result<Self> {
        let frames = stacks.distinct_frames();
        let spots = frames.iter().filter_map(|frame| match frame {
            Frame::Code { spot, .. } => Some(*spot),
            Frame::Nowhere { .. } => None,
        });
        let spots: BTreeSet<Spot> = spots.collect();
        let mut names = Names::look_up(space, spots, locator, pool)?;
        let mut known: BTreeSet<NamedFrame> = BTreeSet::new();
        let mut one = |frame: StackFrame| match known.get(&frame) {
            Some(known) => Arc::clone(known),
            None => {
                let frame = Arc::new(frame);
                known.insert(Arc::clone(&frame));
                frame
            }
        };
        let mut objects: BTreeMap<(DsoId, i32), Arc<str>> = BTreeMap::new();
        let named = frames.iter().map(|frame| match *frame {
            Frame::Code { mode, spot, pid } => {
                let dso = spot.dso();
                let object = objects.entry((dso, pid));
                let object = object.or_insert_with(|| space.dso(dso).perf_name(pid).into());
                let is_anonymous = space.dso(dso).kind == DsoKind::Anonymous;
                let place = match is_anonymous {
                    true => format!("{object}"),
                    false => format!("{object}+{:#x}", spot.place()),
                };
                let frames = functions(names.get(spot), place);
                let frames = frames
                    .into_iter()
                    .map(|(function, inlined, named)| StackFrame {
                        function,
                        dso: Some(Arc::clone(object)),
                        kernel: mode == Mode::Kernel,
                        inlined,
                        named,
                    });
                frames.map(&mut one).collect()
            }
            Frame::Nowhere { mode, .. } => {
                let function = match mode {
                    Mode::User | Mode::Kernel => "[unknown]",
                    Mode::Guest => "[guest]",
                    Mode::Hypervisor => "[hypervisor]",
                };
                vec![one(StackFrame {
                    function: function.to_owned(),
                    dso: None,
                    kernel: mode == Mode::Kernel,
                    inlined: false,
                    named: false,
                })]
            }
        });
        let frames = named.collect();
        Ok(Self {
            frames,
            missing: std::mem::take(&mut names.missing),
            warnings: std::mem::take(&mut names.warnings),
        })
    }

    /// The frames of a stack, the root first, inlined functions behind the one
    /// that they are part of.
    pub(crate) fn root_first(&self, stacks: &Stacks, stack: StackId) -> Vec<NamedFrame> {
        let leaf_first = stacks.leaf_first(stack);
        let frames = leaf_first.flat_map(|frame| self.frames[frame].iter().rev());
        let mut frames: Vec<NamedFrame> = frames.cloned().collect();
        frames.reverse();
        frames
    }
}

/// The functions at an instruction, the caller first: name, whether it is
/// inlined, whether the name is one. The symbol table names the function that
/// was compiled, debug information those that are inlined.
fn functions(answer: Option<&Answer>, place: String) -> Vec<(String, bool, bool)> {
    let symbol = answer.and_then(|answer| answer.symbol.as_ref());
    let mut outer_first = answer
        .into_iter()
        .flat_map(|answer| answer.frames.iter().rev());
    let compiled = outer_first.next();
    let outermost = symbol.map(|symbol| symbol.name.clone());
    let outermost = outermost.or_else(|| compiled?.function.clone());
    let outermost = match outermost {
        Some(name) => (name, false, true),
        None => (place, false, false),
    };
    let inlined = outer_first.map(|frame| match &frame.function {
        Some(name) => (name.clone(), true, true),
        None => ("[inlined]".to_owned(), true, false),
    });
    std::iter::once(outermost).chain(inlined).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{NamedFunction, Symbol};

    fn answer(symbol: Option<&str>, functions: &[&str]) -> Answer {
        Answer {
            symbol: symbol.map(|name| Symbol {
                name: name.to_owned(),
                offset: 4,
            }),
            frames: functions
                .iter()
                .map(|name| NamedFunction {
                    function: Some((*name).to_owned()),
                    source: None,
                })
                .collect(),
        }
    }

    fn names(answer: Option<&Answer>) -> Vec<(String, bool)> {
        let functions = functions(answer, "lib+0x10".to_owned());
        functions
            .into_iter()
            .map(|(name, inlined, _)| (name, inlined))
            .collect()
    }

    #[test]
    fn symbols_name_what_was_compiled_and_debug_information_what_is_inlined() {
        let known = answer(Some("outer.isra.0"), &["inner", "middle", "outer"]);
        let expected = [("outer.isra.0", false), ("middle", true), ("inner", true)];
        let expected = expected.map(|(name, inlined)| (name.to_owned(), inlined));
        assert_eq!(names(Some(&known)), expected);
        let stripped = answer(None, &["outer"]);
        assert_eq!(names(Some(&stripped)), [("outer".to_owned(), false)]);
        assert_eq!(names(None), [("lib+0x10".to_owned(), false)]);
    }
}
