//! How much is packed.

/// Bounds of what goes into a bundle beside the captures, in bytes before compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one binary.
    pub file: u64,
    /// Of all binaries together.
    pub total: u64,
    /// Of a list or dump of made code.
    pub code_list: u64,
    /// Of a file of `/proc` or `/sys`, which is held in memory while it is packed.
    pub fact: u64,
}

impl Default for Limits {
    /// The largest programs with debug information are about a gigabyte. All of it goes
    /// over somebody's network.
    fn default() -> Self {
        Self {
            file: 2 << 30,
            total: 4 << 30,
            code_list: 512 << 20,
            fact: 64 << 20,
        }
    }
}
