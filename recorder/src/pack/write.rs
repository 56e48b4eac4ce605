//! Writes what was planned.

use super::binaries::Binary;
use super::facts;
use super::kernel::KALLSYMS;
use super::plan::{Plan, PlannedCapture};
use super::redact::Blanked;
use crate::say::say;
use anyhow::{Context, Result, bail};
use contend_bundle::{BundleWriter, layout};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// The most that is kept of what a recording program said, in bytes.
const MESSAGES: u64 = 1 << 20;
/// Where it stands in the bundle.
const MESSAGES_FOLDER: &str = "messages";
/// Facts that name people or the machine.
const PRIVATE: [&str; 1] = ["/proc/version"];
/// Lines of `/proc/cpuinfo` that tell one machine from all others.
const SERIAL: &str = "Serial";

/// What was written.
#[derive(Debug)]
pub struct Packed<W> {
    /// The output, flushed.
    pub output: W,
    /// What was found missing only while packing.
    pub notes: Vec<String>,
}

impl Plan {
    /// Writes the bundle. `is_stopped` is asked now and then whether to give up.
    ///
    /// # Errors
    /// When the output refuses, a capture cannot be read, or it was stopped. What was
    /// written is no bundle then; the captures are as they were.
    pub fn write<W: Write>(self, output: W, is_stopped: &dyn Fn() -> bool) -> Result<Packed<W>> {
        let output = Stoppable { output, is_stopped };
        let mut bundle = BundleWriter::new(output, &self.manifest)?;
        let mut notes = Vec::new();
        for capture in &self.captures {
            add_capture(&mut bundle, capture)?;
        }
        if !self.redaction.is_on() {
            for PlannedCapture { input, .. } in &self.captures {
                let kind = input.member.trim_end_matches(layout::CAPTURE_SUFFIX);
                let member = format!("{MESSAGES_FOLDER}/{kind}.txt");
                if let Some(text) = input
                    .messages
                    .as_deref()
                    .and_then(|path| held(path, MESSAGES).ok())
                    && !text.is_empty()
                {
                    bundle.add_bytes(&member, &text)?;
                }
            }
        }
        if self.with_kernel {
            self.add_kernel(&mut bundle)?;
            self.add_facts(&mut bundle)?;
        }
        for list in &self.lists {
            let outcome =
                File::open(&list.path).and_then(|file| Ok((file.metadata()?.len(), file)));
            match outcome {
                Ok((size, file)) if size <= self.limits.code_list => {
                    let file = file.chain(io::repeat(b'\n'));
                    bundle.add(&list.member, size, file)?;
                }
                Ok((size, _)) => notes.push(format!(
                    "not packed: {} ({})",
                    list.path.display(),
                    crate::say::bytes(size)
                )),
                Err(error) => notes.push(format!("not packed: {}: {error}", list.path.display())),
            }
        }
        if !self.binaries.index.is_empty() {
            bundle.add_bytes(layout::BUILD_ID_LIST, &self.binaries.index.build())?;
        }
        for Binary {
            member,
            path,
            size,
            content,
        } in self.binaries.packed
        {
            if bundle.contains(&member) {
                continue;
            }
            match content.open(size) {
                Ok(content) => bundle.add(&member, size, content)?,
                Err(error) => notes.push(format!("not packed: {path}: {error}")),
            }
        }
        for note in &notes {
            say!("{note}");
        }
        let Stoppable { output, .. } = bundle.finish()?;
        Ok(Packed { output, notes })
    }

    fn add_kernel<W: Write>(&self, bundle: &mut BundleWriter<W>) -> Result<()> {
        let members = [
            (KALLSYMS, layout::KALLSYMS, self.with_kallsyms),
            ("/proc/modules", layout::MODULES, true),
            ("/sys/kernel/btf/vmlinux", layout::VMLINUX_BTF, true),
        ];
        for (path, member, is_wanted) in members {
            if let (Ok(bytes), true) = (held(Path::new(path), self.limits.fact), is_wanted) {
                bundle.add_bytes(member, &bytes)?;
            }
        }
        Ok(())
    }

    fn add_facts<W: Write>(&self, bundle: &mut BundleWriter<W>) -> Result<()> {
        for path in facts::files() {
            let text = path.to_string_lossy();
            let is_private = self.redaction.is_on() && PRIVATE.contains(&&*text);
            // What cannot be read says nothing: half of sysfs does not apply to a machine.
            if let (Some(member), false, Ok(mut bytes)) = (
                layout::fact(&text),
                is_private,
                held(&path, self.limits.fact),
            ) {
                if self.redaction.is_on() && text == "/proc/cpuinfo" {
                    bytes = without_lines(&bytes, SERIAL.as_bytes());
                }
                bundle.add_bytes(member, &bytes)?;
            }
        }
        Ok(())
    }
}

fn add_capture<W: Write>(bundle: &mut BundleWriter<W>, capture: &PlannedCapture) -> Result<()> {
    let PlannedCapture { input, blanks } = capture;
    let what = || format!("cannot pack {}", input.file.display());
    let file = File::open(&input.file).with_context(what)?;
    let size = file.metadata().with_context(what)?.len();
    bundle.add(&input.member, size, Blanked::new(file, blanks.clone()))?;
    Ok(())
}

/// A file whose size only its end tells.
fn held(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        bail!("{} is larger than {limit} bytes", path.display());
    }
    Ok(bytes)
}

/// The lines that do not begin with `start`.
fn without_lines(text: &[u8], start: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines
        .filter(|line| !line.starts_with(start))
        .flatten()
        .copied()
        .collect()
}

/// An output that can be given up.
struct Stoppable<'a, W> {
    output: W,
    is_stopped: &'a dyn Fn() -> bool,
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.is_stopped)() {
            return Err(io::Error::other("stopped"));
        }
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
