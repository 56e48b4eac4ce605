//! The format from outside: what is written is read, by this crate and by the
//! tools of any machine; what was never written is refused.

// A test that cannot go on panics.
#![allow(clippy::unwrap_used)]

mod archives;
mod damage;
mod hostile;
mod interop;
mod make;
mod roundtrip;
mod versions;
