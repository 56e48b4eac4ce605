//! To a store of objects, by PUT.

use super::{bundle, ship};
use crate::support::*;
use md5::{Digest, Md5};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

/// The head and the body of a request.
type Put = (String, Vec<u8>);

/// Answers each PUT in turn; hands out what came.
fn store(answers: Vec<fn(&[u8]) -> String>) -> (u16, std::thread::JoinHandle<Vec<Put>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let mut seen = Vec::new();
        for answer in answers {
            let (mut client, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && client.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let field = |name: &str| {
                head.lines()
                    .find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
            };
            let length: usize = field("Content-Length:").unwrap().parse().unwrap();
            if field("Expect:").is_some() {
                client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
            }
            let mut body = vec![0; length];
            client.read_exact(&mut body).unwrap();
            client.write_all(answer(&body).as_bytes()).unwrap();
            seen.push((head, body));
        }
        seen
    });
    (port, thread)
}

fn digest(bytes: &[u8]) -> String {
    Md5::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn a_store_gets_one_object_of_known_length_and_is_verified() {
    if !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = bundle(folder.path(), 2_500_000);
    let busy = |_: &[u8]| {
        "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
    };
    let good = |body: &[u8]| {
        format!(
            "HTTP/1.1 200 OK\r\nETag: \"{}\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            digest(body)
        )
    };
    let (port, store) = store(vec![busy, good]);
    let output = ship(
        &path,
        &format!("http://127.0.0.1:{port}/b?X-Amz-Signature=hunter2"),
    );
    assert!(output.status.success(), "{}", said(&output));
    let text = said(&output);
    assert!(
        text.contains("503") && text.contains("verified") && !text.contains("hunter2"),
        "{text}"
    );
    let seen = store.join().unwrap();
    assert_eq!(seen.len(), 2);
    let (head, body) = &seen[1];
    assert!(
        head.starts_with("PUT /b?X-Amz-Signature=hunter2 "),
        "{head}"
    );
    assert!(
        head.contains("Content-MD5: ") && !head.contains("chunked"),
        "{head}"
    );
    assert_eq!(body, &fs::read(&path).unwrap());
}

#[test]
fn what_a_store_refuses_is_said_and_kept() {
    if !has("curl") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = bundle(folder.path(), 1000);
    let denied = |_: &[u8]| {
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 24\r\nConnection: close\r\n\r\n<Code>Expired\nURL</Code>".to_owned()
    };
    let (port, store) = store(vec![denied]);
    let line = refusal(&ship(
        &path,
        &format!("http://localhost:{port}/b?X-Amz-Signature=hunter2"),
    ));
    store.join().unwrap();
    assert!(
        line.contains("403") && line.contains("Expired") && !line.contains("hunter2"),
        "{line}"
    );
    assert!(path.exists());
    // Without curl there is nobody to send.
    let output = recorder()
        .args(["ship", path.to_str().unwrap(), "https://store.invalid/b"])
        .env("PATH", folder.path())
        .output()
        .unwrap();
    assert!(refusal(&output).contains("no curl"));
    assert!(refusal(&ship(&path, "http://store.invalid/b")).contains("https://"));
}
