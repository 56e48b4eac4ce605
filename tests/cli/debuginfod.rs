//! What is asked of debuginfod servers, what is kept of their answers, and what
//! goes wrong with them.

mod server;

use crate::common::{Run, contend, run, skipped, synthetic, workspace};
use serde_json::Value;
use server::{Answer, Server};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The build-id of `fixtures/demo/ingestd`, as the demo recorded it.
const BUILD_ID: &str = "c023ca0249c8a7a605277c9ab4cc14ab89b44249";

fn demo(name: &str) -> PathBuf {
    workspace().join("fixtures/demo").join(name)
}

fn ingestd() -> Vec<u8> {
    std::fs::read(demo("ingestd")).unwrap()
}

/// A program that names everything, and every name is wrong.
fn other_build() -> Vec<u8> {
    let symbol = contend_fixtures::ElfSymbol {
        name: "wrong".to_owned(),
        address: 0x1000,
        size: 0x8000,
        object: false,
    };
    contend_fixtures::elf_program(&[0xab; 20], &[symbol])
}

/// Runs the command with these servers, and with the patience that a server on a loaded
/// machine may need.
fn asking(urls: &str, cache: &Path, args: &[&str], capture: &Path) -> Run {
    asking_for("60", urls, cache, args, capture)
}

/// The same with so many seconds of patience.
fn asking_for(patience: &str, urls: &str, cache: &Path, args: &[&str], capture: &Path) -> Run {
    let mut command = contend();
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command
        .env("DEBUGINFOD_URLS", urls)
        .env("DEBUGINFOD_CACHE_PATH", cache)
        .env("DEBUGINFOD_TIMEOUT", patience);
    run(command.args(args).arg(capture))
}

fn c2c(urls: &str, cache: &Path) -> Value {
    let capture = demo("false-sharing.perf.data");
    asking(urls, cache, &["c2c", "--json", "--debuginfod"], &capture).json("c2c")
}

fn first_function(document: &Value) -> Option<&str> {
    document["lines"][0]["rows"][0]["function"].as_str()
}

fn warnings(document: &Value) -> Vec<String> {
    let list = document["quality"]["warnings"].clone();
    serde_json::from_value(list).unwrap_or_default()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn nothing_is_asked_unless_the_user_says_so() {
    let scratch = tempfile::tempdir().unwrap();
    let server = Server::start(Answer::Binary(ingestd()));
    let capture = demo("false-sharing.perf.data");
    for command in ["c2c", "symbols", "info"] {
        asking(&server.url, scratch.path(), &[command, "--json"], &capture).json(command);
    }
    assert_eq!(server.asked(), Vec::<String>::new());
    assert_eq!(files(scratch.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_binary_comes_once_and_stays_in_the_cache() {
    let scratch = tempfile::tempdir().unwrap();
    let server = Server::start(Answer::Binary(ingestd()));
    let document = c2c(&server.url, scratch.path());
    assert_eq!(first_function(&document), Some("account_packet"));
    assert_eq!(warnings(&document), Vec::<String>::new());
    let asked = server.asked();
    let lines: Vec<&str> = asked
        .iter()
        .filter_map(|text| text.lines().next())
        .collect();
    let wanted = |what: &str| format!("GET /buildid/{BUILD_ID}/{what} HTTP/1.1");
    assert_eq!(lines, [wanted("executable"), wanted("debuginfo")]);
    // Nothing else of the capture or of this machine goes out.
    let header = asked[0].to_lowercase();
    let names: Vec<&str> = header
        .lines()
        .skip(1)
        .filter_map(|line| line.split(':').next())
        .collect();
    for name in names {
        let usual = [
            "host",
            "user-agent",
            "accept",
            "accept-encoding",
            "connection",
        ];
        assert!(usual.contains(&name), "{header}");
    }
    let kept = scratch.path().join(BUILD_ID).join("executable");
    assert_eq!(files(scratch.path()), std::slice::from_ref(&kept));
    assert_eq!(std::fs::read(&kept).unwrap(), ingestd());

    // The second time nobody is asked for it: the server is gone.
    let document = c2c("http://127.0.0.1:9", scratch.path());
    assert_eq!(first_function(&document), Some("account_packet"));
    let capture = demo("false-sharing.perf.data");
    let args = ["symbols", "--json", "--debuginfod"];
    let list = asking(&server.url, scratch.path(), &args, &capture).json("symbols");
    assert_eq!(list["binaries"][0]["state"], "found");
    assert_eq!(list["binaries"][0]["source"], "debuginfod");
    assert_eq!(list["binaries"][0]["file"], kept.to_str().unwrap());
    assert_eq!(list["binaries"][0]["verified"], true);
}

#[test]
fn the_next_server_is_asked_when_one_does_not_have_it() {
    let scratch = tempfile::tempdir().unwrap();
    let without = Server::start(Answer::Status(404));
    let with = Server::start(Answer::Binary(ingestd()));
    let urls = format!("ima:enforcing {}/ {}", without.url, with.url);
    let document = c2c(&urls, scratch.path());
    assert_eq!(first_function(&document), Some("account_packet"));
    assert_eq!(warnings(&document), Vec::<String>::new());
    assert_eq!(without.asked().len(), 2);
}

#[test]
fn what_is_wrong_or_not_whole_does_not_enter_the_cache() {
    for (answer, says) in [
        (Answer::Binary(other_build()), "it gave another build, abab"),
        (Answer::Binary(b"<html>no</html>".to_vec()), "no ELF file"),
        (Answer::Half(ingestd()), "/executable: "),
        (
            Answer::UnknownHalf(ingestd()),
            "no ELF file, or not all of it",
        ),
        (
            Answer::HalfAndSilence(ingestd()),
            "it was not asked any more",
        ),
        (Answer::Silence(ingestd()), "it was not asked any more"),
        (Answer::Status(500), "it was not asked any more"),
    ] {
        let what = format!("{answer:?}");
        let what = &what[..what.len().min(40)];
        let scratch = tempfile::tempdir().unwrap();
        // Only who says nothing is given up by the clock.
        let patience = match answer {
            Answer::Silence(_) | Answer::HalfAndSilence(_) => "1",
            _ => "60",
        };
        let server = Server::start(answer);
        let capture = demo("false-sharing.perf.data");
        let args = ["c2c", "--json", "--debuginfod"];
        let ended = asking_for(patience, &server.url, scratch.path(), &args, &capture);
        let document = ended.json(what);
        assert_eq!(first_function(&document), None, "{what}");
        let left: Vec<_> = scratch.path().read_dir().unwrap().collect();
        assert!(left.is_empty(), "{what}: {left:?}");
        let missing = &document["quality"]["missing_binaries"][0];
        assert_eq!(missing["build_id"], BUILD_ID, "{what}");
        let warnings = warnings(&document);
        let start = format!("debuginfod {}: ", server.url);
        assert!(
            matches!(&warnings[..], [one] if one.starts_with(&start) && one.contains(says)),
            "{what}: {warnings:?}"
        );
    }
}

#[test]
fn a_wrong_binary_in_the_cache_is_refused_and_fetched_anew() {
    let scratch = tempfile::tempdir().unwrap();
    let kept = scratch.path().join(BUILD_ID).join("executable");
    std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
    std::fs::write(&kept, other_build()).unwrap();
    let nothing = Server::start(Answer::Status(404));
    let document = c2c(&nothing.url, scratch.path());
    assert!(!document["lines"].to_string().contains("wrong"));
    let warnings = warnings(&document);
    assert!(warnings[0].contains("is not used for"), "{warnings:?}");

    let server = Server::start(Answer::Binary(ingestd()));
    let document = c2c(&server.url, scratch.path());
    assert_eq!(first_function(&document), Some("account_packet"));
    assert_eq!(std::fs::read(&kept).unwrap(), ingestd());
}

#[test]
fn a_server_that_fails_is_one_warning_for_all_binaries() {
    let scratch = tempfile::tempdir().unwrap();
    let all = synthetic::all();
    let capture = all.iter().find(|capture| capture.name.starts_with("intel"));
    let capture = synthetic::written(capture.unwrap(), scratch.path());
    let cache = scratch.path().join("cache");
    let server = Server::start(Answer::Status(503));
    let args = ["symbols", "--json", "--debuginfod", "--threads", "1"];
    let list = asking(&server.url, &cache, &args, &capture).json("symbols");
    let missing = list["binaries"].as_array().unwrap().iter();
    let missing = missing.filter(|it| it["state"] == "missing" && it["build_id"].is_string());
    assert!(missing.count() > 1, "{list}");
    let ours = warnings(&list);
    let ours = ours.iter().filter(|text| text.contains(&server.url));
    assert_eq!(ours.count(), 1);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_server_that_gives_junk_again_and_again_is_given_up() {
    let scratch = tempfile::tempdir().unwrap();
    let all = synthetic::all();
    let capture = all.iter().find(|capture| capture.name.starts_with("intel"));
    let capture = synthetic::written(capture.unwrap(), scratch.path());
    let cache = scratch.path().join("cache");
    let asked_with = |answer| {
        let server = Server::start(answer);
        let args = ["symbols", "--json", "--debuginfod", "--threads", "1"];
        let list = asking(&server.url, &cache, &args, &capture).json("symbols");
        (server.asked().len(), warnings(&list).join("\n"))
    };
    let (all, _) = asked_with(Answer::Status(404));
    let (asked, warnings) = asked_with(Answer::Binary(other_build()));
    assert_eq!(asked, all.min(3), "of {all}");
    assert_eq!(
        warnings.contains("not asked any more"),
        all >= 3,
        "{warnings}"
    );
}

#[test]
fn without_servers_it_says_what_to_set() {
    let scratch = tempfile::tempdir().unwrap();
    let capture = demo("false-sharing.perf.data");
    for urls in ["", "  ", "ftp://x"] {
        let ended = asking(urls, scratch.path(), &["c2c", "--debuginfod"], &capture);
        let line = ended.refused(urls);
        assert!(line.contains("DEBUGINFOD_URLS"), "{line}");
    }
}

/// A server with TLS, whose certificate is its own authority.
#[test]
fn servers_with_tls_are_asked_if_their_certificate_is_trusted() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let folder = path("www").join("buildid").join(BUILD_ID);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("executable"), ingestd()).unwrap();
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(path("key.pem"))
        .arg("-out")
        .arg(path("cert.pem"))
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        skipped("openssl makes no certificate here, TLS is not tested");
        return;
    }
    let mut server = Command::new("openssl")
        .args(["s_server", "-WWW", "-accept", "127.0.0.1:0"])
        .arg("-cert")
        .arg(path("cert.pem"))
        .arg("-key")
        .arg(path("key.pem"))
        .current_dir(path("www"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It says when it is ready, and at which port. A connection to find out would be
    // served first.
    let mut said = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    let port = loop {
        line.clear();
        if said.read_line(&mut line).unwrap() == 0 {
            server.wait().unwrap();
            skipped("openssl does not serve here, TLS is not tested");
            return;
        }
        if let Some(place) = line.strip_prefix("ACCEPT ") {
            break place.rsplit(':').next().unwrap().trim().to_owned();
        }
    };
    let with = |certificates: &Path, cache: &Path| {
        let mut command = contend();
        for proxy in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        command
            .env("DEBUGINFOD_URLS", format!("https://localhost:{port}"))
            .env("DEBUGINFOD_CACHE_PATH", cache)
            .env("DEBUGINFOD_TIMEOUT", "60")
            .env("SSL_CERT_FILE", certificates)
            .env_remove("SSL_CERT_DIR");
        let args = ["c2c", "--json", "--debuginfod"];
        run(command.args(args).arg(demo("false-sharing.perf.data")))
    };
    std::fs::write(path("none.pem"), "").unwrap();
    let trusted = with(&path("cert.pem"), &path("cache"));
    let strange = with(&path("none.pem"), &path("other"));
    server.kill().unwrap();
    server.wait().unwrap();
    let document = trusted.json("a trusted server");
    assert_eq!(
        first_function(&document),
        Some("account_packet"),
        "{:?}",
        warnings(&document)
    );
    let document = strange.json("a server that nobody vouches for");
    assert_eq!(first_function(&document), None);
    assert!(warnings(&document)[0].contains("it was not asked any more"));
    assert_eq!(files(&path("other")), Vec::<PathBuf>::new());
}
