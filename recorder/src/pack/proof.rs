//! What shows that a file is the recorded one.

use super::needs::{File, Identity};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// What a file must be.
pub(super) struct Proof<'a> {
    /// Any of these; empty where none is known.
    pub(super) build_ids: Vec<&'a [u8]>,
    inode: Option<u64>,
    is_same_machine: bool,
}

impl<'a> Proof<'a> {
    pub(super) fn new(
        file: &'a File,
        recorded: Option<&'a BTreeSet<Vec<u8>>>,
        is_same_machine: bool,
    ) -> Self {
        let (mut build_ids, mut inode) = (Vec::new(), None);
        match &file.identity {
            Identity::BuildId(bytes, length) => {
                build_ids.extend(bytes.get(..usize::from(*length)));
            }
            other => {
                if let Identity::Inode(number) = *other {
                    inode = Some(number);
                }
                build_ids.extend(recorded.into_iter().flatten().map(Vec::as_slice));
            }
        }
        Self {
            build_ids,
            inode,
            is_same_machine,
        }
    }

    /// # Errors
    /// Why it is not the file, or may not be.
    pub(super) fn holds(
        &self,
        found: &[u8],
        facts: &fs::Metadata,
        is_mapped: bool,
    ) -> Result<(), &'static str> {
        if !self.build_ids.is_empty() {
            let is_one = self
                .build_ids
                .iter()
                .any(|recorded| is_same_id(recorded, found));
            return is_one
                .then_some(())
                .ok_or("what is there now is another build");
        }
        if !self.is_same_machine {
            return Err("the capture does not say which build it was");
        }
        if is_mapped {
            return Ok(());
        }
        match self.inode {
            // The device is not compared: some file systems (btrfs, overlayfs) tell programs
            // another one than the kernel records.
            Some(inode) => (facts.ino() == inode)
                .then_some(())
                .ok_or("it was replaced since"),
            None => Err("the capture does not say which build it was"),
        }
    }
}

/// Whether two build-ids are one: older perf pads them with zeros to 20 bytes.
fn is_same_id(recorded: &[u8], found: &[u8]) -> bool {
    let padding = recorded.strip_prefix(found);
    padding.is_some_and(|padding| padding.iter().all(|&byte| byte == 0))
}
