//! How much of what an archive may have.

use crate::FRAME_BYTES;

/// What is more than this is refused. The defaults are far above what captures
/// have and far below what a machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Members, extension headers counted as well. Each holds at most
    /// [`crate::layout::MAX_NAME`] bytes of name in memory.
    pub members: u64,
    /// Bytes of the inflated tar.
    pub inflated: u64,
    /// Bytes of the inflated tar for each byte of a compressed one, once there
    /// are more than [`Limits::inflated_free`]. Captures inflate ten to a
    /// hundred times.
    pub ratio: u64,
    /// Bytes to which anything may inflate, however small it is.
    pub inflated_free: u64,
    /// Bytes of a manifest.
    pub manifest: u64,
    /// Bytes of `SHA256SUMS`.
    pub sums: u64,
    /// Frames of a compressed tar; each takes 32 bytes of memory.
    pub frames: u64,
    /// Bytes of one binary that is read into memory.
    pub binary: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: 100_000,
            inflated: 1 << 40,
            ratio: 1000,
            inflated_free: 1 << 30,
            manifest: 1 << 20,
            sums: 128 << 20,
            frames: 1 << 20,
            binary: 8 << 30,
        }
    }
}

impl Limits {
    /// To how much the first `compressed` bytes of an archive may inflate.
    pub(super) fn inflated_from(&self, compressed: u64) -> u64 {
        compressed
            .saturating_mul(self.ratio)
            .max(self.inflated_free)
            .min(self.inflated)
    }
}

/// Frames that inflate to more are not inflated whole but as one stream: the
/// writer's own with room for other writers of such frames (pzstd).
pub(super) const MAX_FRAME: u64 = 2 * FRAME_BYTES as u64;
/// Window of a zstd stream that is not cut into frames, as a power of two: 128
/// MiB, which is what `zstd -d` allows without `--long` and what `zstd
/// --ultra -22` needs.
pub(super) const WINDOW_LOG: u32 = 27;
/// Frames that are inflated at the same time, at most. As many more are being
/// written out meanwhile.
pub(super) const MAX_WINDOW: usize = 16;
