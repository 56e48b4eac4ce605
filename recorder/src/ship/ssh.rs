//! Through the `ssh` of this machine, with its keys, its configuration and its jump hosts.
//!
//! ```text
//! cat > FILE.part        while the bundle is packed
//! wc -c < FILE.part      when the connection broke: how far it got
//! cat >> FILE.part       the rest
//! sha256sum, mv          only what is whole and the same gets its name
//! ```

use super::Arrival;
use super::destination::Remote;
use super::follow::{Growing, UntilStopped};
use super::quote::quote;
use crate::say::{bytes, say};
use crate::session::Signals;
use anyhow::{Context, Result, bail};
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Waits between tries.
const WAITS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// Gives up connecting after ten seconds, and a connection after fifteen without a sign
/// of life: else a vanished peer would be waited for as long as TCP does, a quarter of an
/// hour.
const OPTIONS: [&str; 6] = [
    "-oConnectTimeout=10",
    "-oServerAliveInterval=5",
    "-oServerAliveCountMax=3",
    "-oControlPath=none",
    "-T",
    "-x",
];

/// What ssh says of itself when it, and not the command, failed.
const BROKEN: i32 = 255;

/// Why a try ended.
enum Failure {
    /// The connection: worth another try.
    Connection(String),
    /// Anything else: another try would end the same way.
    Final(String),
}

pub(super) fn send(
    bundle: &Growing,
    to: &Remote,
    name: &str,
    signals: &Signals,
) -> Result<Arrival> {
    let file = to.file(name);
    let part = format!("{file}.part");
    let calm = signals.count();
    let mut offset = 0;
    let mut waits = WAITS.iter();
    let mut is_again = false;
    let from = |offset| UntilStopped {
        from: bundle.from(offset),
        signals,
        calm,
    };
    loop {
        let outcome = stream(from(offset), to, &file, &part, offset).and_then(|()| {
            let Some(sums) = bundle.sums() else {
                return Err(Failure::Final("the bundle was not finished".into()));
            };
            verify(to, &part, &file, &sums.sha256)
        });
        let why = match outcome {
            Ok(true) => return Ok(Arrival::Verified(format!("{}:{file}", to.host))),
            // A part of an older try that is not the beginning of this bundle, or damage on
            // the way: all of it, once more.
            Ok(false) if !is_again => {
                is_again = true;
                offset = 0;
                continue;
            }
            Ok(false) => {
                bail!(
                    "{}:{part} has another SHA-256 than the bundle, twice",
                    to.host
                )
            }
            Err(Failure::Final(why)) => {
                if bundle.has_failed() {
                    let _ = run(to, &format!("rm -f {}", quote(&part)), io::empty());
                }
                bail!("{}: {why}", to.host)
            }
            Err(Failure::Connection(why)) => why,
        };
        // How far it got is asked on the new connection, which may fail as well.
        offset = loop {
            let Some(&wait) = waits.next() else {
                bail!("{}: {why}", to.host);
            };
            say!("ssh to {}: {why}; trying again", to.host);
            pause(wait, signals, calm)?;
            match arrived(to, &part) {
                Ok(size) => break size,
                Err(Failure::Connection(_)) => {}
                Err(Failure::Final(why)) => bail!("{}: {why}", to.host),
            }
        };
        if offset > 0 {
            say!("going on behind {}", bytes(offset));
        }
    }
}

/// Sends from `offset` on. Into a folder of the bundle's name the part would be moved
/// under its own name, and the next bundle over it.
fn stream(
    from: impl Read,
    to: &Remote,
    file: &str,
    part: &str,
    offset: u64,
) -> Result<(), Failure> {
    let sign = if offset > 0 { ">>" } else { ">" };
    let (file, part) = (quote(file), quote(part));
    let script = format!(
        "umask 077; if [ -d {file} ]; then \
         echo 'it is a folder: end the path with / to send into it' >&2; exit 1; fi; \
         exec cat {sign} {part}"
    );
    run(to, &script, from).map(drop)
}

/// How much of it is there.
fn arrived(to: &Remote, part: &str) -> Result<u64, Failure> {
    let part = quote(part);
    let script = format!("if [ -f {part} ]; then wc -c < {part}; else echo 0; fi");
    let answer = run(to, &script, io::empty())?;
    Ok(answer.trim().parse().unwrap_or(0))
}

/// Gives the part its name if it is the bundle.
fn verify(to: &Remote, part: &str, file: &str, sha256: &str) -> Result<bool, Failure> {
    let (part, file) = (quote(part), quote(file));
    let script = format!(
        "if command -v sha256sum > /dev/null; then s=$(sha256sum < {part}); \
         elif command -v shasum > /dev/null; then s=$(shasum -a 256 < {part}); \
         else s=$(openssl dgst -sha256 -r < {part}); fi || exit 1; \
         if [ \"${{s%% *}}\" = {sha256} ]; then mv -f {part} {file} && echo same; else echo other; fi"
    );
    let answer = run(to, &script, io::empty())?;
    match answer.trim() {
        "same" => Ok(true),
        "other" => Ok(false),
        _ => Err(Failure::Final("does not tell a SHA-256".into())),
    }
}

/// Runs a script of a POSIX shell there, and returns what it prints.
fn run(to: &Remote, script: &str, mut input: impl Read) -> Result<String, Failure> {
    let broken = |error: io::Error| Failure::Connection(error.to_string());
    let mut command = Command::new("ssh");
    command.args(OPTIONS);
    if let Some(port) = to.port {
        command.arg(format!("-p{port}"));
    }
    // Whatever shell the account has, it hands this to one that is known.
    let script = format!("sh -c {}", quote(script));
    let child = command
        .args(["--", &to.host, &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::Final(
                "there is no ssh here: install openssh-client, or use exec: or https://".into(),
            ));
        }
        Err(error) => return Err(Failure::Final(format!("cannot run ssh: {error}"))),
    };
    let stdin = child.stdin.take();
    let mut stderr = child.stderr.take();
    let mut said = String::new();
    let sent = std::thread::scope(|scope| {
        // Else who says much would wait for us while we wait for it.
        let messages = scope.spawn(|| {
            let mut bytes = Vec::new();
            if let Some(stderr) = &mut stderr {
                let _ = stderr.take(64 << 10).read_to_end(&mut bytes);
                let _ = io::copy(stderr, &mut io::sink());
            }
            bytes
        });
        let sent = stdin.map_or(Ok(0), |mut stdin| copy(&mut input, &mut stdin));
        if matches!(&sent, Err((Side::Input, _))) {
            let _ = child.kill();
        }
        let bytes = messages.join().unwrap_or_default();
        said = String::from_utf8_lossy(&bytes).into_owned();
        sent
    });
    let mut answer = String::new();
    if let Some(stdout) = &mut child.stdout {
        let _ = stdout.take(4096).read_to_string(&mut answer);
    }
    let status = child.wait().map_err(broken)?;
    if let Err((Side::Input, error)) = sent {
        return Err(Failure::Final(error.to_string()));
    }
    let why = || {
        let last = said
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty());
        last.map_or_else(|| format!("ssh ended with {status}"), str::to_owned)
    };
    match status.code() {
        Some(0) => match sent {
            Ok(_) => Ok(answer),
            Err((_, error)) => Err(Failure::Connection(error.to_string())),
        },
        // Keys and names do not get better by trying again.
        Some(BROKEN) if is_hopeless(&said) => Err(Failure::Final(why())),
        Some(BROKEN) | None => Err(Failure::Connection(why())),
        Some(_) => Err(Failure::Final(why())),
    }
}

/// Whether ssh failed for a reason that stays (messages of OpenSSH's client).
fn is_hopeless(said: &str) -> bool {
    let reasons = [
        "Permission denied",
        "Host key verification failed",
        "Could not resolve hostname",
        "Bad configuration option",
        "Too many authentication failures",
    ];
    reasons.iter().any(|reason| said.contains(reason))
}

/// Which side of a copy failed.
enum Side {
    Input,
    Output,
}

fn copy(input: &mut impl Read, output: &mut impl io::Write) -> Result<u64, (Side, io::Error)> {
    let mut piece = vec![0; 128 << 10];
    let mut sent = 0;
    loop {
        let count = match input.read(&mut piece) {
            Ok(0) => return Ok(sent),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err((Side::Input, error)),
        };
        output
            .write_all(&piece[..count])
            .map_err(|error| (Side::Output, error))?;
        sent += count as u64;
    }
}

/// Waits, unless somebody presses Ctrl-C.
fn pause(time: Duration, signals: &Signals, calm: u32) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < time {
        if signals.count() > calm {
            return Err(anyhow::anyhow!("stopped")).context("sending");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
