//! Binaries and debug files from debuginfod servers, if the user asks for it.
//!
//! ```text
//! CACHE/BUILDID/executable, debuginfo   as all debuginfod clients keep them
//!   ← GET SERVER/buildid/BUILDID/executable, debuginfo
//! ```
//! Servers, cache and limits are those of the environment (`debuginfod(7)`,
//! `debuginfod_find_debuginfo(3)`). Nothing but build-ids is sent. What comes is
//! kept only if it is whole and has the build-id that was asked for.

use super::hunt::{examine, hex, is_same_id};
use super::image::{Image, Origin};
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a server may say nothing, in seconds: that of other clients.
const SILENCE: u64 = 90;

/// How long one file may take, in seconds.
const LONGEST: u64 = 3600;

/// The largest file, in bytes: debug files of browsers have 2 GB.
const LARGEST: u64 = 8 << 30;

/// How many wrong or broken answers a server may give in a run.
const MOST_BAD: u32 = 3;

/// What a server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wanted {
    Executable,
    Debuginfo,
}

impl Wanted {
    /// Its name in addresses and in the cache.
    fn name(self) -> &'static str {
        match self {
            Self::Executable => "executable",
            Self::Debuginfo => "debuginfo",
        }
    }
}

/// The servers and the cache.
#[derive(Debug)]
pub(super) struct Debuginfod {
    agent: Agent,
    servers: Vec<Server>,
    cache: PathBuf,
    largest: u64,
    /// What was asked for in this run: once each.
    asked: Mutex<BTreeMap<(String, Wanted), Answer>>,
}

/// Comes when the servers were asked.
type Answer = Arc<OnceLock<Option<Image>>>;

#[derive(Debug)]
struct Server {
    url: String,
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    /// The first that went wrong.
    first: Option<String>,
    /// Answers that were wrong or broken.
    bad: u32,
    /// Whether it is not worth asking again.
    is_down: bool,
}

/// Why a server gave no file.
enum Failure {
    /// It has none.
    Unknown,
    /// It gave something else, or not all.
    Bad(String),
    /// It does not work.
    Down(String),
    /// The cache cannot be written.
    Cache(String),
}

impl Debuginfod {
    /// The servers of `DEBUGINFOD_URLS`.
    ///
    /// # Errors
    /// When there are none, or no place for the cache.
    pub(super) fn from_environment() -> Result<Self> {
        let urls = env::var("DEBUGINFOD_URLS").unwrap_or_default();
        // Other words are options of other clients, as `ima:enforcing`.
        let servers: Vec<&str> = urls
            .split_ascii_whitespace()
            .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
            .collect();
        if servers.is_empty() {
            bail!(
                "--debuginfod: DEBUGINFOD_URLS names no server; set it as in \
                 DEBUGINFOD_URLS=https://debuginfod.elfutils.org"
            );
        }
        let Some(cache) = cache() else {
            bail!("--debuginfod: no place for the cache; set DEBUGINFOD_CACHE_PATH");
        };
        let needs_tls = servers.iter().any(|server| server.starts_with("https://"));
        Ok(Self {
            agent: agent(needs_tls),
            servers: servers
                .into_iter()
                .map(|url| Server {
                    url: url.trim_end_matches('/').to_owned(),
                    trouble: Mutex::default(),
                })
                .collect(),
            cache,
            largest: number("DEBUGINFOD_MAXSIZE").unwrap_or(LARGEST),
            asked: Mutex::default(),
        })
    }

    /// Where the cache has it, if it does.
    pub(super) fn cached(&self, id: &str, wanted: Wanted) -> Image {
        Image::at(self.place(id, wanted), Origin::Debuginfod)
    }

    /// Asks the servers, one after the other, and puts what is right into the
    /// cache.
    pub(super) fn fetch(&self, id: &[u8], wanted: Wanted) -> Option<Image> {
        let key = (hex(id), wanted);
        let answer = Arc::clone(lock(&self.asked).entry(key).or_default());
        let answer = answer.get_or_init(|| {
            let mut servers = self.servers.iter();
            servers.find_map(|server| self.ask(server, id, wanted))
        });
        answer.clone()
    }

    fn ask(&self, server: &Server, id: &[u8], wanted: Wanted) -> Option<Image> {
        if lock(&server.trouble).is_down {
            return None;
        }
        let (message, is_down) = match self.get(server, id, wanted) {
            Ok(image) => return Some(image),
            Err(Failure::Unknown) => return None,
            Err(Failure::Bad(message)) => (message, false),
            Err(Failure::Down(message)) => (message, true),
            Err(Failure::Cache(message)) => (message, true),
        };
        let mut trouble = lock(&server.trouble);
        trouble.first.get_or_insert(message);
        trouble.bad += 1;
        trouble.is_down |= is_down || trouble.bad >= MOST_BAD;
        None
    }

    fn get(&self, server: &Server, id: &[u8], wanted: Wanted) -> Result<Image, Failure> {
        let text = hex(id);
        let url = format!("{}/buildid/{text}/{}", server.url, wanted.name());
        let response = match self.agent.get(&url).call() {
            Ok(response) => response,
            Err(ureq::Error::StatusCode(404)) => return Err(Failure::Unknown),
            Err(error) => return Err(Failure::Down(error.to_string())),
        };
        let cannot_write = |error: io::Error| {
            Failure::Cache(format!(
                "cannot write the cache {}: {error}",
                self.cache.display()
            ))
        };
        // Not yet into a folder of its own, which would stay when it is refused.
        fs::create_dir_all(&self.cache).map_err(cannot_write)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.cache).map_err(cannot_write)?;
        let mut body = response.into_body();
        // One byte more shows that there is more.
        let mut body = body.as_reader().take(self.largest.saturating_add(1));
        let mut piece = vec![0; 1 << 16];
        let mut length = 0;
        loop {
            let read = match body.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_timeout(&error) => return Err(Failure::Down(error.to_string())),
                Err(error) => return Err(Failure::Bad(format!("{url}: {error}"))),
            };
            length += read as u64;
            io::Write::write_all(&mut file, &piece[..read]).map_err(cannot_write)?;
        }
        if length > self.largest {
            let limit = self.largest;
            let message = format!("{url}: more than {limit} bytes (DEBUGINFOD_MAXSIZE)");
            return Err(Failure::Bad(message));
        }
        self.check(file.path(), id)
            .map_err(|why| Failure::Bad(format!("{url}: {why}")))?;
        let place = self.place(&text, wanted);
        let folder = place.parent().unwrap_or(&self.cache);
        fs::create_dir_all(folder).map_err(cannot_write)?;
        let kept = file.persist(&place).map_err(|error| error.error);
        kept.map_err(cannot_write)?;
        Ok(Image::at(place, Origin::Debuginfod))
    }

    /// Whether a file is what was asked for.
    fn check(&self, file: &Path, id: &[u8]) -> Result<(), String> {
        let Some(file) = examine(Image::at(file.to_owned(), Origin::Debuginfod)) else {
            return Err("it is no ELF file, or not all of it".to_owned());
        };
        match file.build_id {
            Some(own) if is_same_id(id, &own) => Ok(()),
            Some(own) => Err(format!("it gave another build, {}", hex(&own))),
            None => Err("it gave a file without a build-id".to_owned()),
        }
    }

    fn place(&self, id: &str, wanted: Wanted) -> PathBuf {
        self.cache.join(id).join(wanted.name())
    }

    /// What went wrong so far, once for each server.
    pub(super) fn remarks(&self) -> BTreeSet<String> {
        let troubles = self.servers.iter().filter_map(|server| {
            let trouble = lock(&server.trouble);
            let after = if trouble.is_down {
                "; it was not asked any more"
            } else {
                ""
            };
            let first = trouble.first.as_ref()?;
            Some(format!("debuginfod {}: {first}{after}", server.url))
        });
        troubles.collect()
    }
}

/// Whether a server said nothing for too long, or was too slow.
fn is_timeout(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    error.kind() == io::ErrorKind::TimedOut || matches!(inner, Some(ureq::Error::Timeout(_)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where debuginfod clients keep what they got (`debuginfod_find_debuginfo(3)`).
fn cache() -> Option<PathBuf> {
    let named = |name| env::var_os(name).filter(|text| !text.is_empty());
    let named = |name| named(name).map(PathBuf::from);
    named("DEBUGINFOD_CACHE_PATH")
        .or_else(|| Some(named("XDG_CACHE_HOME")?.join("debuginfod_client")))
        .or_else(|| Some(named("HOME")?.join(".cache/debuginfod_client")))
}

/// A number of the environment; 0 stands for no number, as in other clients.
fn number(name: &str) -> Option<u64> {
    let number = env::var(name).ok()?.trim().parse().ok()?;
    (number > 0).then_some(number)
}

fn agent(needs_tls: bool) -> Agent {
    let silence = Duration::from_secs(number("DEBUGINFOD_TIMEOUT").unwrap_or(SILENCE));
    let longest = Duration::from_secs(number("DEBUGINFOD_MAXTIME").unwrap_or(LONGEST));
    let mut config = Agent::config_builder()
        .timeout_resolve(Some(CONNECT.min(silence)))
        .timeout_connect(Some(CONNECT.min(silence)))
        .timeout_recv_response(Some(silence))
        .timeout_per_read(Some(silence))
        .timeout_global(Some(longest))
        .user_agent(concat!("contend/", env!("CARGO_PKG_VERSION")));
    if needs_tls {
        // Those of this machine, so that an administrator's own authority counts.
        let trusted = rustls_native_certs::load_native_certs().certs;
        let trusted: Vec<Certificate<'static>> = trusted
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&trusted))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        config = config.tls_config(tls.build());
    }
    config.build().new_agent()
}
