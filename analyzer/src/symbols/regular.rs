//! Opens files that anybody may have named: in captures, in folders of binaries.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file, and nothing else: the opening of a pipe waits for its other end,
/// that of a device may do anything, and reading it may never end.
///
/// # Errors
/// When it is no regular file, or cannot be opened.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let is_regular = |meta: std::fs::Metadata| match meta.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("not a regular file")),
    };
    is_regular(std::fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    // A pipe that took its place in between does not wait either.
    #[cfg(target_os = "linux")]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NONBLOCK);
    let file = options.read(true).open(path)?;
    is_regular(file.metadata()?)?;
    Ok(file)
}

/// `O_NONBLOCK` (`include/uapi/asm-generic/fcntl.h`; some machines have their own).
#[cfg(target_os = "linux")]
const NONBLOCK: i32 = match () {
    _ if cfg!(any(target_arch = "mips", target_arch = "mips64")) => 0x80,
    _ if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) => 0x4000,
    _ => 0o4000,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::SymbolSources;
    use crate::symbols::image::{Image, Origin};
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let scratch = tempfile::tempdir().unwrap();
        let pipe = scratch.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if !made.is_ok_and(|ended| ended.success()) {
            eprintln!("skipped: no mkfifo");
            return;
        }
        let (done, waits) = mpsc::channel();
        std::thread::spawn(move || {
            assert!(open_regular(&pipe).is_err());
            let image = Image::at(pipe.clone(), Origin::Recorded);
            assert!(image.open().is_err());
            let sources = SymbolSources {
                enabled: true,
                kallsyms: Some(pipe.clone()),
                ..SymbolSources::default()
            };
            let locator = crate::symbols::Locator::without_capture(&sources);
            let space = crate::space::AddressSpace::build(Vec::new(), &[]);
            let opened =
                crate::symbols::kernel::Kernel::open(&space, &locator, true, &mut Vec::new());
            let error = format!("{:#}", opened.unwrap_err());
            assert!(error.contains("not a regular file"), "{error}");
            done.send(()).unwrap();
        });
        // Who waits for a pipe that nobody writes to waits for ever.
        let ended = waits.recv_timeout(Duration::from_secs(120));
        assert_eq!(ended, Ok(()), "it waits, or failed");
    }

    #[test]
    fn devices_and_folders_are_no_files() {
        for path in ["/dev/null", "/"] {
            assert!(open_regular(Path::new(path)).is_err());
        }
        assert!(
            open_regular(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("Cargo.toml")
                    .as_path()
            )
            .is_ok()
        );
    }
}
