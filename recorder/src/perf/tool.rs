//! The installed perf: where it is, its version, what it can do.

use crate::host::Version;
use crate::refusal::Refusal;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Oldest perf that is used: the first with `-z` and with build-ids in all
/// formats that readers meet today.
pub const OLDEST: Version = Version(4, 18);

/// An installed perf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerfTool {
    /// The program.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
    /// `perf --version` without the words in front of the number.
    pub version_text: String,
    /// Long options of `perf record`, without dashes, that do something in this build.
    options: BTreeSet<String>,
    /// Features built in, as `perf version --build-options` names them.
    features: BTreeSet<String>,
}

impl PerfTool {
    /// Finds perf and asks it what it can do.
    ///
    /// `explicit` is what `--perf` says. Without it the one in `PATH` is taken, or
    /// one of those that distributions hide in folders of their own.
    ///
    /// # Errors
    /// When there is none, it does not run, or is older than [`OLDEST`].
    pub fn find(explicit: Option<&Path>) -> Result<Self, Refusal> {
        if let Some(path) = explicit {
            return Self::ask(path);
        }
        let mut failed = None;
        for path in candidates() {
            match Self::ask(&path) {
                Ok(tool) => return Ok(tool),
                Err(refusal) => failed = failed.or(Some(refusal)),
            }
        }
        Err(failed.unwrap_or_else(|| {
            Refusal::with(
                "perf is not installed",
                "install it (Debian: linux-perf, Ubuntu: linux-tools-$(uname -r), Fedora and RHEL: perf) or name one with --perf PATH",
            )
        }))
    }

    /// What the three texts say that perf prints about itself.
    ///
    /// # Errors
    /// When the version is not told, or too old.
    pub fn from_texts(
        path: &Path,
        version: &str,
        build: &str,
        help: &str,
    ) -> Result<Self, Refusal> {
        let name = path.display();
        // Ubuntu's wrapper without a perf behind it prints a number as well: its kernel's.
        let text = version
            .lines()
            .find_map(|line| line.trim().strip_prefix("perf version "));
        let text = text.unwrap_or_default().to_owned();
        let Some(number) = Version::parse(&text) else {
            let said = version
                .lines()
                .find(|line| !line.trim().is_empty())
                .unwrap_or("nothing");
            return Err(Refusal::with(
                format!("{name} does not tell its version, it says: {}", said.trim()),
                "name another with --perf PATH",
            ));
        };
        if number < OLDEST {
            return Err(Refusal::with(
                format!("{name} is of version {text}, too old"),
                format!(
                    "install perf {OLDEST} or later (6.1 or later tells most), or name one with --perf PATH"
                ),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            version: number,
            version_text: text,
            options: options(help),
            features: features(build),
        })
    }

    fn ask(path: &Path) -> Result<Self, Refusal> {
        let version = output(path, &["--version"])?;
        let build = output(path, &["version", "--build-options"])?;
        let help = output(path, &["record", "-h"])?;
        Self::from_texts(path, &version, &build, &help)
    }

    /// Whether `perf record` has this long option (`switch-events`) and does what it says.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.options.contains(option)
    }

    /// Whether a feature is built in, by the name of `--build-options` (`zstd`, `bpf_skeletons`).
    #[must_use]
    pub fn built_with(&self, feature: &str) -> bool {
        self.features.contains(feature)
    }
}

/// What `path ARGS` prints, on either stream. perf exits with 129 behind `-h`.
fn output(path: &Path, args: &[&str]) -> Result<String, Refusal> {
    let output = Command::new(path)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Refusal::with(
                format!("{} does not run: {error}", path.display()),
                "name another with --perf PATH",
            )
        })?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

/// Places of perf, best first.
fn candidates() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .map(|folder| folder.join("perf"))
        .filter(|path| path.is_file())
        .collect();
    // Debian's perf_6.1; Ubuntu's wrapper in PATH fails when the package of the
    // running kernel is not there, but any other's perf will do.
    let mut hidden: Vec<PathBuf> = Vec::new();
    for (folder, name) in [
        ("/usr/bin", "perf_"),
        ("/usr/lib", "linux-tools-"),
        ("/usr/lib/linux-tools", ""),
    ] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(name) {
                let path = if folder == "/usr/bin" {
                    entry.path()
                } else {
                    entry.path().join("perf")
                };
                hidden.extend(path.is_file().then_some(path));
            }
        }
    }
    hidden.sort();
    found.extend(hidden.into_iter().rev());
    found
}

/// Long options in the text of `perf record -h`. One that is listed but not built in
/// has `(not built-in because …)` in the line below it.
fn options(help: &str) -> BTreeSet<String> {
    let mut options = BTreeSet::new();
    let mut last = None;
    for line in help.lines() {
        let text = line.trim_start();
        if text.starts_with("(not built-in") {
            last.take().map(|option: String| options.remove(&option));
        } else if text.starts_with('-') {
            last = text.find("--").map(|at| {
                text[at + 2..]
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                    .collect::<String>()
            });
            options.extend(last.clone());
        }
    }
    options
}

/// Features that are `[ on  ]` in the text of `perf version --build-options`.
fn features(build: &str) -> BTreeSet<String> {
    build
        .lines()
        .filter_map(|line| {
            let (name, state) = line.split_once(": [")?;
            state
                .trim_start()
                .starts_with("on")
                .then(|| name.trim().to_owned())
        })
        .collect()
}
