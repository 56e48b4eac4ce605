//! The files that a binary or a debug file names: its debug file
//! (`.gnu_debuglink`), and what several debug files share (`.gnu_debugaltlink`).

use super::debuginfod::Wanted;
use super::folders::relative;
use super::hunt::{Examined, examine, hex};
use super::image::{Image, Origin};
use super::locate::{Locator, Root};
use std::path::{Path, PathBuf};

impl Locator {
    /// The debug file that a binary names (`.gnu_debuglink`), where gdb looks for
    /// it. It is proven by its build-id, or by its checksum where the binary has
    /// no build-id.
    pub(super) fn by_link(&self, recorded: &Path, file: &Examined) -> Option<Examined> {
        let (name, _) = file.debug_link.as_ref()?;
        let name = Path::new(name).file_name()?;
        let folder = relative(recorded.parent()?)?;
        let own = file.image.path();
        let mut images = Vec::new();
        let mut add = |path: PathBuf, origin| {
            if own != Some(&path) {
                images.push(Image::at(path, origin));
            }
        };
        if let Some(beside) = own.and_then(Path::parent) {
            let origin = file.image.origin();
            add(beside.join(name), origin);
            add(beside.join(".debug").join(name), origin);
        }
        for root in &self.roots {
            match root {
                Root::Folder(root, Origin::Named) => {
                    let debug = root.join("usr/lib/debug");
                    add(debug.join(&folder).join(name), Origin::Named);
                    add(root.join(&folder).join(name), Origin::Named);
                    let beside = root.join(&folder).join(".debug");
                    add(beside.join(name), Origin::Named);
                    add(root.join(name), Origin::Named);
                }
                Root::Folder(root, Origin::System) => {
                    add(root.join(&folder).join(name), Origin::System);
                }
                _ => {}
            }
        }
        images.into_iter().find_map(|image| {
            let found = examine(image)?;
            file.owns(&found).then_some(found)
        })
    }

    /// The file with what several debug files share.
    pub(super) fn shared(&self, debug: &Image, name: &str, id: &[u8]) -> Option<Image> {
        let beside = debug.path().and_then(|path| {
            let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            Some(Image::at(real.parent()?.join(name), debug.origin()))
        });
        let in_roots = self.roots.iter().flat_map(|root| {
            let by_name = match root {
                Root::Folder(root, origin) => {
                    let inside = relative(Path::new(name)).map(|name| root.join(name));
                    let alone = Path::new(name).file_name().map(|name| root.join(name));
                    let paths = inside.into_iter().chain(alone);
                    paths.map(|path| Image::at(path, *origin)).collect()
                }
                Root::Archive(_) | Root::Program(..) => Vec::new(),
            };
            root.by_ids(vec![hex(id)]).chain(by_name)
        });
        let servers = self.debuginfod.iter().flat_map(|servers| {
            let cached = servers.cached(&hex(id), Wanted::Debuginfo);
            let fetched = std::iter::once_with(|| servers.fetch(id, Wanted::Debuginfo));
            [cached].into_iter().chain(fetched.flatten())
        });
        let images = beside.into_iter().chain(in_roots).chain(servers);
        let mut files = images.filter_map(examine);
        let found = files.find(|file| file.build_id.as_deref() == Some(id))?;
        Some(found.image)
    }
}
