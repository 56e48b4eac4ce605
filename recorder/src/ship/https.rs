//! A PUT to an address that was signed for it, as object stores give them out.
//!
//! Such an address takes the whole object at once, with its length in front, so the
//! bundle is sent when it is whole, and a broken try is begun again. `Content-MD5` lets
//! the store refuse what was damaged on the way, and what it answers is compared.

use super::Arrival;
use super::destination::without_query;
use super::follow::{Follower, Growing, hex};
use crate::say::say;
use crate::session::Signals;
use anyhow::{Context, Result, bail};
use md5::{Digest, Md5};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, SendBody};

/// Waits between tries.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(9),
];
/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take to answer once it has everything: stores copy and hash first.
const ANSWER: Duration = Duration::from_secs(300);
/// The most of a refusal that is shown, in bytes.
const REFUSAL: u64 = 600;

/// Why a try ended.
enum Failure {
    /// Worth another try.
    Transient(String),
    /// Another try would end the same way.
    Final(String),
}

pub(super) fn send(bundle: &Growing, address: &str, signals: &Signals) -> Result<Arrival> {
    let calm = signals.count();
    let Some(sums) = bundle.sums() else {
        bail!("the bundle was not finished");
    };
    let digest = md5(bundle.from(0)).context("cannot read the bundle")?;
    let shown = without_query(address);
    let agent = agent(address.starts_with("https://"));
    let mut waits = WAITS.iter();
    loop {
        let why = match put(&agent, bundle, sums.size, address, digest, signals) {
            Ok(arrival) => return Ok(arrival),
            Err(Failure::Final(why)) => bail!("{shown}: {why}"),
            Err(Failure::Transient(why)) => why,
        };
        let Some(&wait) = waits.next() else {
            bail!("{shown}: {why}");
        };
        say!("{shown}: {why}; trying again");
        let start = Instant::now();
        while start.elapsed() < wait {
            if signals.count() > calm {
                bail!("{shown}: stopped");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn put(
    agent: &Agent,
    bundle: &Growing,
    size: u64,
    address: &str,
    digest: [u8; 16],
    signals: &Signals,
) -> Result<Arrival, Failure> {
    let mut from = Interruptible {
        from: bundle.from(0),
        calm: signals.count(),
        signals,
    };
    let encoded = base64(&digest);
    let mut request = agent
        .put(address)
        .header("content-length", size.to_string());
    if !is_signed_with_headers(address) {
        request = request.header("content-md5", &encoded);
    }
    if address.contains(".blob.core.windows.net/") {
        request = request.header("x-ms-blob-type", "BlockBlob");
    }
    let response = request.send(SendBody::from_reader(&mut from));
    let mut response = match response {
        Ok(response) => response,
        Err(_) if signals.count() > from.calm => return Err(Failure::Final("stopped".into())),
        Err(error) => {
            let why = error.to_string();
            let is_final = matches!(
                error,
                ureq::Error::HostNotFound
                    | ureq::Error::BadUri(_)
                    | ureq::Error::Tls(_)
                    | ureq::Error::Rustls(_)
            ) || why.contains("certificate");
            return Err(if is_final {
                Failure::Final(why)
            } else {
                Failure::Transient(why)
            });
        }
    };
    let status = response.status();
    if !status.is_success() {
        let mut text = String::new();
        let _ = response
            .body_mut()
            .as_reader()
            .take(REFUSAL)
            .read_to_string(&mut text);
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let why = format!("{status} {}", text.trim());
        let is_transient =
            status.is_server_error() || status.as_u16() == 408 || status.as_u16() == 429;
        return Err(if is_transient {
            Failure::Transient(why)
        } else {
            Failure::Final(why)
        });
    }
    let header = |name: &str| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let plain = hex(&digest);
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

/// Whether an old kind of signature covers all headers, so that none may be added
/// (versions 2 of Amazon's and Google's).
fn is_signed_with_headers(address: &str) -> bool {
    address.contains("Signature=")
        && !address.contains("X-Amz-Signature=")
        && !address.contains("X-Goog-Signature=")
}

fn agent(needs_tls: bool) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER))
        .user_agent(concat!("contend-record/", env!("CARGO_PKG_VERSION")));
    if needs_tls {
        let found = rustls_native_certs::load_native_certs();
        let certificates = found
            .certs
            .iter()
            .map(|it| Certificate::from_der(it).to_owned());
        config = config.tls_config(
            TlsConfig::builder()
                .root_certs(RootCerts::Specific(Arc::new(certificates.collect())))
                .unversioned_rustls_crypto_provider(Arc::new(
                    rustls::crypto::ring::default_provider(),
                ))
                .build(),
        );
    }
    config.build().into()
}

/// Ends when somebody presses Ctrl-C.
struct Interruptible<'a> {
    from: Follower,
    calm: u32,
    signals: &'a Signals,
}

impl Read for Interruptible<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.signals.count() > self.calm {
            return Err(io::Error::other("stopped"));
        }
        self.from.read(buffer)
    }
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
        assert!(!is_signed_with_headers("https://b/x?X-Amz-Signature=b"));
        assert!(!is_signed_with_headers("https://b/x"));
    }
}
