//! User stacks from the registers and the stack bytes of a sample, by what
//! binaries say of their functions, through `framehop`.
//!
//! The architecture is that of the capture, not of this machine. Every frame is
//! looked up in the address space of its moment; each binary has an unwinder of
//! its own that knows it at the addresses (SVMA) that it states itself, so it
//! serves all processes, wherever they mapped it.

mod modules;
mod registers;

pub(crate) use modules::Unwinding;

use super::frame::{Frame, Mode};
use crate::symbols::Content;
use contend_perfdata::{At, CpuMode, Registers, UserStack};
use framehop::aarch64::{CacheAarch64, UnwindRegsAarch64, UnwinderAarch64};
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{Error, FrameAddress, Unwinder};
use modules::Module;
use registers::Start;

/// The deepest user stack that is unwound, in frames: the default of perf
/// (`PERF_MAX_STACK_DEPTH`).
const DEEPEST: usize = 127;

/// How far above the copied bytes a stack may go on: beyond, an address is none
/// of the stack.
const LARGEST_STACK: u64 = 1 << 30;

/// How unwinding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At the function that started the thread.
    Root,
    /// The stack goes on where its bytes were not copied.
    Truncated,
    /// At something that is no caller.
    Broken,
    /// The stack is deeper than is unwound.
    TooDeep,
    /// The registers are of a program that cannot be unwound.
    OtherArch,
}

/// What came of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) end: End,
    /// Some caller was found by its frame pointer alone, because its callee has
    /// no unwind information here.
    pub(super) guessed: bool,
}

/// Unwinds for one worker.
#[derive(Default)]
pub(super) struct UserStacks {
    x86: CacheX86_64,
    /// Knows no binary and so follows frame pointers.
    x86_blind: UnwinderX86_64<Content>,
    arm: CacheAarch64,
    arm_blind: UnwinderAarch64<Content>,
}

impl std::fmt::Debug for UserStacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserStacks").finish_non_exhaustive()
    }
}

impl UserStacks {
    /// Adds the user frames of a sample, the leaf first.
    pub(super) fn unwind(
        &mut self,
        unwinding: &Unwinding<'_>,
        (registers, stack): (&Registers<'_>, &UserStack<'_>),
        (pid, at): (i32, At),
        frames: &mut Vec<Frame>,
    ) -> Outcome {
        let walk = Walk {
            unwinding,
            pid,
            at,
            stack,
        };
        match Start::new(unwinding.arch(), registers) {
            Some(Start::X86(registers)) => walk.run(
                (&self.x86_blind, Module::x86),
                &mut self.x86,
                (registers.ip(), registers),
                UnwindRegsX86_64::sp,
                frames,
            ),
            Some(Start::Arm(ip, registers)) => walk.run(
                (&self.arm_blind, Module::arm),
                &mut self.arm,
                (ip, registers),
                UnwindRegsAarch64::sp,
                frames,
            ),
            None => Outcome {
                end: End::OtherArch,
                guessed: false,
            },
        }
    }
}

struct Walk<'a> {
    unwinding: &'a Unwinding<'a>,
    pid: i32,
    at: At,
    stack: &'a UserStack<'a>,
}

impl Walk<'_> {
    fn run<U: Unwinder>(
        &self,
        (blind, of_module): (&U, fn(&Module) -> Option<&U>),
        cache: &mut U::Cache,
        (ip, mut registers): (u64, U::UnwindRegs),
        stack_pointer: fn(&U::UnwindRegs) -> u64,
        frames: &mut Vec<Frame>,
    ) -> Outcome {
        let bottom = stack_pointer(&registers);
        let top = bottom.saturating_add(self.stack.bytes.len() as u64);
        let mut read = |address: u64| self.word(bottom, address).ok_or(());
        let mut guessed = false;
        let mut address = ip;
        for depth in 0..DEEPEST {
            // Of callers, the call counts.
            let is_caller = depth > 0;
            let place = if is_caller { address - 1 } else { address };
            let space = self.unwinding.space();
            let map = space.find_executable(CpuMode::User, self.pid, place, self.at);
            let Some(map) = map else {
                if !is_caller {
                    frames.push(Frame::Nowhere {
                        mode: Mode::User,
                        address,
                    });
                }
                return Outcome {
                    end: End::Broken,
                    guessed,
                };
            };
            frames.push(Frame::in_map(space, Mode::User, self.pid, map, place));
            let module = self.unwinding.module(space.map(map).dso);
            let svma = module.and_then(|module| module.svma(space.map_relative(map, place)));
            let known = module.and_then(of_module).zip(svma);
            guessed |= known.is_none();
            let (unwinder, place) = known.unwrap_or((blind, place));
            let frame = if is_caller {
                FrameAddress::from_return_address(place.wrapping_add(1))
            } else {
                Some(FrameAddress::from_instruction_pointer(place))
            };
            let next = match frame {
                Some(frame) if stack_pointer(&registers) >= bottom => {
                    unwinder.unwind_frame(frame, &mut registers, cache, &mut read)
                }
                _ => Err(Error::DidNotAdvance),
            };
            let end = match next {
                Ok(Some(0) | None) => End::Root,
                Ok(Some(next)) => {
                    address = next;
                    continue;
                }
                Err(Error::CouldNotReadStack(missing)) if known.is_some() => {
                    self.end_at(missing, top)
                }
                Err(_) => End::Broken,
            };
            return Outcome { end, guessed };
        }
        Outcome {
            end: End::TooDeep,
            guessed,
        }
    }

    /// Why a word of the stack could not be read. The kernel copies less than it
    /// is asked for where the memory ends.
    fn end_at(&self, missing: u64, top: u64) -> End {
        let is_beyond =
            (top..top.saturating_add(LARGEST_STACK)).contains(&missing.saturating_add(7));
        let is_full = self.stack.bytes.len() as u64 >= self.stack.requested;
        if is_beyond && is_full {
            End::Truncated
        } else {
            End::Broken
        }
    }

    /// A word of the stack. Both architectures are little endian.
    fn word(&self, bottom: u64, address: u64) -> Option<u64> {
        let place = usize::try_from(address.checked_sub(bottom)?).ok()?;
        let bytes = self.stack.bytes.get(place..)?.first_chunk()?;
        Some(u64::from_le_bytes(*bytes))
    }
}
