//! Sends a bundle somewhere, and makes sure that it arrived.
//!
//! The bundle is always a local file first. Whoever sends it follows that file while it
//! grows, so that a slow or vanished peer never holds up the packing, and what was sent
//! can be sent again from any place on.

mod destination;
mod exec;
mod family;
mod follow;
mod https;
mod quote;
mod ssh;

pub use destination::Destination;
pub use follow::{Growing, Sums, Tracked};

use crate::session::Signals;
use anyhow::Result;

/// How sure it is that the bundle is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The other side's checksum is ours.
    Verified(String),
    /// The other side took all of it and tells no checksum.
    Taken(String),
}

/// Sends the bundle, while it grows or afterwards.
///
/// # Errors
/// When it did not arrive: one line. The bundle is as it was.
pub fn send(bundle: &Growing, to: &Destination, name: &str, signals: &Signals) -> Result<Arrival> {
    match to {
        Destination::Ssh(remote) => ssh::send(bundle, remote, name, signals),
        Destination::Http(address) => https::send(bundle, address, signals),
        Destination::Exec(command) => exec::send(bundle, command, name, signals),
    }
}
