//! A recorder in a process of its own, which can be killed or have fewer rights.

use contend_record::offcpu::{OffCpu, Options};
use contend_record::source::Source;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FILE: &str = "CONTEND_TEST_OFFCPU_FILE";

/// What the child runs: records until its standard input ends.
#[test]
#[ignore = "is run by other tests, in a process of its own"]
fn records() {
    let Some(file) = std::env::var_os(FILE) else {
        return;
    };
    let mut options = Options::default();
    if let Ok(us) = std::env::var("CONTEND_TEST_MIN_BLOCK_US") {
        options.min_block = Duration::from_micros(us.parse().unwrap());
    }
    let mut source = OffCpu::new(options, file.into(), vec!["contend-record".into()]);
    let from = Instant::now();
    if let Err(error) = source.start() {
        println!("\nrefused: {error:#}");
        return;
    }
    println!("\nstarted in {} ms", from.elapsed().as_millis());
    let mut ended = [0];
    let _ = std::io::stdin().read(&mut ended);
    println!("{:?}", source.stop().unwrap());
}

/// The command that records into a file, with a program in front of it.
pub(super) fn command(program: &Path, before: &[&str], file: &Path) -> Command {
    let mut all = before
        .iter()
        .map(std::ffi::OsString::from)
        .collect::<Vec<_>>();
    all.push(program.into());
    let mut command = Command::new(&all[0]);
    command
        .args(&all[1..])
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "offcpu::child::records",
        ])
        .env(FILE, file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Waits until the child records; what it said.
pub(super) fn started(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let said = lines.find_map(|line| {
        let line = line.ok()?;
        (line.starts_with("started") || line.starts_with("refused")).then_some(line)
    });
    said.unwrap_or_default()
}
