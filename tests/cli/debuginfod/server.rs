//! A server of binaries in a few lines, on the loopback.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a server answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The program, and no debug file.
    Binary(Vec<u8>),
    /// Only this status.
    Status(u16),
    /// Nothing for long, and then the program.
    Silence(Vec<u8>),
    /// Half of the program, nothing for long, and then the rest.
    HalfAndSilence(Vec<u8>),
    /// Half of the program, though the header promises all.
    Half(Vec<u8>),
    /// Half of the program, with no promise.
    UnknownHalf(Vec<u8>),
}

/// How long a silent server is silent. Then it goes on: a command that waits as long as it
/// does when nobody sets its patience (90 seconds) gets the program.
const SILENCE: Duration = Duration::from_secs(60);

/// A server that counts what it is asked.
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (answer.clone(), Arc::clone(&log));
                // A client that goes away is no failure.
                std::thread::spawn(move || drop(serve(stream, &answer, &log)));
            }
        });
        Self { url, asked }
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, answer: &Answer, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        first += &format!("\n{line}");
    }
    let path = first.split(' ').nth(1).unwrap_or("").to_owned();
    log.lock().unwrap().push(first);
    let is_executable = path.ends_with("/executable");
    let mut stream = stream;
    let mut send = |status: u16, promised: Option<usize>, bytes: &[u8]| {
        let length = promised.map_or_else(String::new, |n| format!("Content-Length: {n}\r\n"));
        let head = format!("HTTP/1.1 {status} X\r\n{length}Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(bytes)?;
        stream.flush()
    };
    match answer {
        Answer::Binary(bytes) if is_executable => send(200, Some(bytes.len()), bytes),
        Answer::Binary(_) => send(404, Some(0), b""),
        Answer::Status(status) => send(*status, Some(0), b""),
        Answer::Half(bytes) => send(200, Some(bytes.len()), &bytes[..bytes.len() / 2]),
        Answer::UnknownHalf(bytes) => send(200, None, &bytes[..bytes.len() / 2]),
        Answer::HalfAndSilence(bytes) => {
            let (half, rest) = bytes.split_at(bytes.len() / 2);
            send(200, Some(bytes.len()), half)?;
            std::thread::sleep(SILENCE);
            stream.write_all(rest)
        }
        Answer::Silence(bytes) => {
            std::thread::sleep(SILENCE);
            send(200, Some(bytes.len()), bytes)
        }
    }
}
