//! From a plan to a bundle that is where it should be.

use crate::pack::Plan;
use crate::patient::Patient;
use crate::say::{bytes, say};
use crate::session::Signals;
use crate::ship::{self, Arrival, Destination, Growing, Tracked};
use anyhow::{Context, Result, bail};
use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where a bundle goes.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The file; `None` for standard output.
    pub file: Option<PathBuf>,
    /// Where it is sent besides.
    pub ship: Option<Destination>,
    /// Whether the file goes away once it arrived and that is verified.
    pub is_temporary: bool,
    /// The folder of the captures: it goes away when the bundle is whole, and stays if it
    /// cannot be written.
    pub captures: Option<PathBuf>,
}

/// Packs, and sends if that is asked for.
///
/// # Errors
/// One line that says where what was captured is now.
pub fn deliver(plan: Plan, delivery: &Delivery, signals: &Signals) -> Result<()> {
    let count = plan.binaries();
    for note in plan.notes() {
        say!("{note}");
    }
    let calm = signals.count();
    let warned = Cell::new(false);
    let is_stopped = || {
        let presses = signals.count() - calm;
        if presses > 0 && !warned.replace(true) {
            let captures = delivery.captures.as_deref();
            let kept = captures.map_or_else(String::new, |path| {
                format!("; the captures stay in {}", path.display())
            });
            say!("still packing; once more gives up{kept}");
        }
        presses > 1
    };
    let Some(path) = &delivery.file else {
        let tell = || say!("nobody reads standard output; Ctrl-C twice gives up");
        let patient = Patient::new(&io::stdout(), &is_stopped, &tell);
        patient
            .map_err(Into::into)
            .and_then(|output| plan.write(output, &is_stopped))
            .map_err(|error| kept(error, "standard output", delivery))?;
        say!("wrote {count} binaries with the captures to standard output");
        remove_captures(delivery);
        return Ok(());
    };
    let name = path
        .file_name()
        .context("-o wants a file")?
        .to_string_lossy()
        .into_owned();
    let part = path.with_file_name(format!("{name}.part"));
    let shown = path.display().to_string();
    let file = create(&part).map_err(|error| kept(error.into(), &shown, delivery))?;
    let (tracked, growing) = Tracked::new(file);
    std::thread::scope(|scope| {
        let sender = delivery.ship.as_ref().map(|to| {
            let (growing, name) = (growing.clone(), name.clone());
            scope.spawn(move || ship::send(&growing, to, &name, signals))
        });
        let written = plan
            .write(tracked, &is_stopped)
            .and_then(|packed| Ok(packed.output.finish()?));
        let sums = match written {
            Ok(sums) => sums,
            Err(error) => {
                let _ = fs::remove_file(&part);
                if let Some(sender) = sender {
                    let _ = sender.join();
                }
                return Err(kept(error, &shown, delivery));
            }
        };
        // Whole or not at all under its name.
        let earlier = keep_earlier(path).and_then(|earlier| {
            fs::rename(&part, path)?;
            Ok(earlier)
        });
        let earlier = earlier.map_err(|error| kept(error.into(), &shown, delivery))?;
        remove_captures(delivery);
        if let Some(earlier) = earlier {
            say!("what was {shown} before is {}", earlier.display());
        }
        say!("wrote {shown}: {}, {count} binaries", bytes(sums.size));
        let sent = sender.map(|sender| sender.join());
        match sent {
            None => {
                say!("read it anywhere with: contend info {name}");
                Ok(())
            }
            Some(Ok(outcome)) => arrived(outcome, path, delivery),
            Some(Err(_)) => bail!("sending {shown} failed; {}", again(path)),
        }
    })
}

/// Sends a bundle that is there.
///
/// # Errors
/// One line that says that it is still there.
pub fn ship_file(path: &Path, to: &Destination, signals: &Signals) -> Result<()> {
    let what = || format!("cannot read {}", path.display());
    let bundle = Growing::whole(path).with_context(what)?;
    let name = path
        .file_name()
        .with_context(what)?
        .to_string_lossy()
        .into_owned();
    let delivery = Delivery {
        file: Some(path.to_owned()),
        ship: Some(to.clone()),
        is_temporary: false,
        captures: None,
    };
    arrived(ship::send(&bundle, to, &name, signals), path, &delivery)
}

fn arrived(outcome: Result<Arrival>, path: &Path, delivery: &Delivery) -> Result<()> {
    let shown = path.display();
    match outcome {
        Ok(Arrival::Verified(place)) => {
            let is_removed = delivery.is_temporary && fs::remove_file(path).is_ok();
            let here = if is_removed {
                "the copy here is removed".to_owned()
            } else {
                format!("{shown} stays")
            };
            say!("sent to {place}, SHA-256 or MD5 verified there; {here}");
            Ok(())
        }
        Ok(Arrival::Taken(how)) => {
            say!("sent: {how}; not verified by checksum, so {shown} stays");
            Ok(())
        }
        Err(error) => bail!(
            "not sent: {error:#}; the bundle is {shown}: {}",
            again(path)
        ),
    }
}

fn again(path: &Path) -> String {
    format!("send it with contend-record ship {} DEST", path.display())
}

/// Only its user may read it: it has what programs had in their memory.
fn create(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Gives what has this name another one, which nothing has: what was captured cannot be
/// captured again. `FILE.old`, as perf calls it; perf replaces that, here it is `FILE.old.2`
/// then. Absent when nothing has the name.
fn keep_earlier(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut count = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(".old");
        if count > 1 {
            name.push(format!(".{count}"));
        }
        let older = PathBuf::from(name);
        // A second name first, so that the file is under its own until the new one is.
        match fs::hard_link(path, &older) {
            Ok(()) => return Ok(Some(older)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(_) if older.symlink_metadata().is_ok() => count += 1,
            // Not all file systems have them, nor may everybody link what is another's.
            Err(_) => return fs::rename(path, &older).map(|()| Some(older)),
        }
    }
}

/// They are in the bundle now.
fn remove_captures(delivery: &Delivery) {
    if let Some(folder) = &delivery.captures
        && let Err(error) = fs::remove_dir_all(folder)
    {
        say!("cannot remove {}: {error}", folder.display());
    }
}

/// Says where the captures are when there is no bundle.
fn kept(error: anyhow::Error, what: &str, delivery: &Delivery) -> anyhow::Error {
    match &delivery.captures {
        Some(folder) => {
            let folder = folder.display();
            error.context(format!(
                "cannot write {what}; the captures are safe in {folder}: contend-record pack {folder}/*.perf.data -o FILE packs them"
            ))
        }
        None => error.context(format!("cannot write {what}")),
    }
}
