//! A PUT to an address that was signed for it, as object stores give them out.
//!
//! Through the `curl` of this machine: TLS of our own would make the recorder larger than
//! it may be (ureq, rustls and ring made it 2.8 MB instead of 1.6 MB), and `curl` knows the
//! certificates and proxies that are configured here.
//!
//! Such an address takes the whole object at once, with its length in front, so the
//! bundle is sent when it is whole, and a broken try is begun again. `Content-MD5` lets
//! the store refuse what was damaged on the way, and what it answers is compared.

use super::Arrival;
use super::destination::without_query;
use super::follow::{Growing, hex};
use crate::say::say;
use crate::session::Signals;
use anyhow::{Context, Result, bail};
use md5::{Digest, Md5};
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Waits between tries.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(9),
];
/// The most of an answer that is looked at, in bytes.
const ANSWER: u64 = 64 << 10;
/// The most of a refusal that is shown, in characters.
const REFUSAL: usize = 300;

/// Exit statuses of `curl(1)` that another try does not change: a malformed address, a
/// name that is not known, what cannot be read here, certificates.
const HOPELESS: [i32; 9] = [1, 3, 5, 6, 26, 35, 58, 60, 77];

/// Why a try ended.
enum Failure {
    /// Worth another try.
    Transient(String),
    /// Another try would end the same way.
    Final(String),
}

pub(super) fn send(bundle: &Growing, address: &str, signals: &Signals) -> Result<Arrival> {
    let calm = signals.count();
    if bundle.sums().is_none() {
        bail!("the bundle was not finished");
    }
    let digest = md5(bundle.from(0)).context("cannot read the bundle")?;
    let shown = without_query(address);
    let mut waits = WAITS.iter();
    loop {
        let why = match put(bundle, address, digest) {
            Ok(arrival) => return Ok(arrival),
            Err(Failure::Final(why)) => bail!("{shown}: {why}"),
            Err(Failure::Transient(why)) => why,
        };
        let Some(&wait) = waits.next() else {
            bail!("{shown}: {why}");
        };
        if signals.count() == calm {
            say!("{shown}: {why}; trying again");
        }
        let start = Instant::now();
        while start.elapsed() < wait {
            if signals.count() > calm {
                bail!("{shown}: stopped");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn put(bundle: &Growing, address: &str, digest: [u8; 16]) -> Result<Arrival, Failure> {
    let encoded = base64(&digest);
    let file = bundle.file().as_raw_fd();
    // Options go through a pipe: the address is a key, and everybody may read the command
    // lines of others.
    let mut options = format!(
        "url = \"{}\"\nupload-file = \"/dev/fd/{file}\"\ndump-header = \"-\"\noutput = \"-\"\n",
        escape(address)
    );
    options
        .push_str("silent\nshow-error\nconnect-timeout = 10\nspeed-limit = 1\nspeed-time = 60\n");
    if !is_signed_with_headers(address) {
        let _ = writeln!(options, "header = \"Content-MD5: {encoded}\"");
    }
    if address.contains(".blob.core.windows.net/") {
        options.push_str("header = \"x-ms-blob-type: BlockBlob\"\n");
    }
    let mut command = Command::new("curl");
    command
        .args(["-K", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: between fork and exec only fcntl(2) is called, on a file that stays open
    // in this process meanwhile.
    unsafe {
        command.pre_exec(move || match libc::fcntl(file, libc::F_SETFD, 0) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Failure::Final(
                "there is no curl here: install it, or use ssh:// or exec:".into(),
            ));
        }
        Err(error) => return Err(Failure::Final(format!("cannot run curl: {error}"))),
    };
    let outcome = child
        .stdin
        .take()
        .map_or(Ok(()), |mut stdin| stdin.write_all(options.as_bytes()));
    let mut answer = Vec::new();
    if let Some(stdout) = &mut child.stdout {
        let _ = stdout.take(ANSWER).read_to_end(&mut answer);
        let _ = io::copy(stdout, &mut io::sink());
    }
    let mut said = String::new();
    if let Some(stderr) = &mut child.stderr {
        let _ = stderr.take(ANSWER).read_to_string(&mut said);
    }
    let status = child
        .wait()
        .map_err(|error| Failure::Final(error.to_string()))?;
    if !status.success() || outcome.is_err() {
        let why = match said.lines().last() {
            Some(line) if !line.trim().is_empty() => line.trim().to_owned(),
            _ => format!("curl ended with {status}"),
        };
        let is_hopeless = status.code().is_some_and(|code| HOPELESS.contains(&code));
        return Err(if is_hopeless {
            Failure::Final(why)
        } else {
            Failure::Transient(why)
        });
    }
    judge(&String::from_utf8_lossy(&answer), digest, address)
}

/// What the server says: headers of interim answers, of the last one, and its text.
fn judge(answer: &str, digest: [u8; 16], address: &str) -> Result<Arrival, Failure> {
    let mut rest = answer;
    let (mut head, mut status) = ("", 0u16);
    while rest.starts_with("HTTP/") {
        let (block, behind) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
        let code = block
            .split_whitespace()
            .nth(1)
            .and_then(|code| code.parse().ok());
        (head, rest) = (block, behind);
        status = code.unwrap_or(0);
        if status >= 200 {
            break;
        }
    }
    let first = head.lines().next().unwrap_or("no answer that is HTTP");
    if !(200..300).contains(&status) {
        let text: String = rest
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(REFUSAL)
            .collect();
        let why = format!("{first} {}", text.trim()).trim().to_owned();
        let is_transient = status >= 500 || matches!(status, 0 | 408 | 429);
        return Err(if is_transient {
            Failure::Transient(why)
        } else {
            Failure::Final(why)
        });
    }
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    let (plain, encoded) = (hex(&digest), base64(&digest));
    let is_same = header("etag").is_some_and(|tag| tag.trim_matches('"') == plain)
        || header("content-md5") == Some(&encoded)
        || header("x-goog-hash").is_some_and(|list| list.contains(&format!("md5={encoded}")));
    let shown = without_query(address);
    Ok(match is_same {
        true => Arrival::Verified(shown.to_owned()),
        false => Arrival::Taken(format!(
            "{shown} answered {status} and tells no MD5 to compare"
        )),
    })
}

/// Text between the quotes of curl's option files.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Whether an old kind of signature covers all headers, so that none may be added
/// (versions 2 of Amazon's and Google's).
fn is_signed_with_headers(address: &str) -> bool {
    address.contains("Signature=")
        && !address.contains("X-Amz-Signature=")
        && !address.contains("X-Goog-Signature=")
}

fn md5(mut from: impl Read) -> io::Result<[u8; 16]> {
    let mut hash = Md5::new();
    let mut piece = vec![0; 128 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => hash.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes in base64 (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let mut padded = [0; 3];
        padded[..three.len()].copy_from_slice(three);
        let [a, b, c] = padded.map(u32::from);
        let bits = a << 16 | b << 8 | c;
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://store/x?X-Amz-Signature=s";

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn md5_is_that_of_the_rfc() {
        // RFC 1321, appendix A.5.
        let digest = md5(&b"message digest"[..]).unwrap();
        assert_eq!(hex(&digest), "f96b697d7cb7938d525a2f31aaf161d0");
    }

    #[test]
    fn old_signatures_allow_no_other_headers() {
        assert!(is_signed_with_headers(
            "https://b/x?AWSAccessKeyId=a&Signature=b"
        ));
        assert!(!is_signed_with_headers(ADDRESS));
        assert!(!is_signed_with_headers("https://b/x"));
    }

    #[test]
    fn what_a_store_answers_is_compared() {
        let digest = md5(&b"message digest"[..]).unwrap();
        let said = |answer: &str| judge(answer, digest, ADDRESS);
        let etag = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nETag: \"f96b697d7cb7938d525a2f31aaf161d0\"\r\n\r\n";
        assert!(matches!(said(etag), Ok(Arrival::Verified(place)) if place == "https://store/x"));
        let hash = "HTTP/2 200\r\nx-goog-hash: crc32c=x,md5=+WtpfXy3k41SWi8xqvFh0A==\r\n\r\n";
        assert!(matches!(said(hash), Ok(Arrival::Verified(_))));
        let other = "HTTP/1.1 200 OK\r\nETag: \"0-encrypted\"\r\n\r\n";
        assert!(matches!(said(other), Ok(Arrival::Taken(_))));
        let denied = "HTTP/1.1 403 Forbidden\r\n\r\n<Code>Access\nDenied</Code>";
        assert!(
            matches!(said(denied), Err(Failure::Final(why)) if why.contains("403") && !why.contains('\n'))
        );
        for answer in [
            "HTTP/1.1 503 Slow Down\r\n\r\n",
            "",
            "SSH-2.0-x\r\n",
            "HTTP/1.1\r\n\r\n",
        ] {
            assert!(
                matches!(said(answer), Err(Failure::Transient(_))),
                "{answer}"
            );
        }
    }
}
