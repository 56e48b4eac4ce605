//! Where the files of a recording are until they are packed.

use anyhow::{Context, Result};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A folder of this recording alone, which only its user can read. It goes away
/// when its content is safe elsewhere, and stays where it is in every other case.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes `NAME.capture` in `parent`, beside the bundle that it will become: the
    /// user chose a place with room.
    ///
    /// # Errors
    /// When it cannot be made there.
    pub fn create(parent: &Path, name: &str) -> Result<Self> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        for attempt in 0..100 {
            let path = match attempt {
                0 => parent.join(format!("{name}.capture")),
                _ => parent.join(format!("{name}-{attempt}.capture")),
            };
            match builder.create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let what = "cannot record into";
                    let then = "choose a place with -o FILE";
                    return Err(error)
                        .with_context(|| format!("{what} {} ({then})", parent.display()));
                }
            }
        }
        anyhow::bail!(
            "{} is full of old captures: remove {name}*.capture",
            parent.display()
        )
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it if nothing is in it worth keeping: no file of more than nothing.
    pub fn discard(self) {
        let entries = std::fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .flatten();
        let mut captures = entries.filter(|entry| {
            let is_capture = entry.file_name().to_string_lossy().ends_with(".perf.data");
            is_capture && entry.metadata().is_ok_and(|facts| facts.len() > 0)
        });
        if captures.next().is_some() {
            crate::say::say!("what was recorded is in {}", self.path.display());
            return;
        }
        self.remove();
    }

    /// Removes it with all that is in it.
    pub fn remove(self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            crate::say::say!("cannot remove {}: {error}", self.path.display());
        }
    }
}
