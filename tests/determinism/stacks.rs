//! Stacks on and off the CPU, as documents, as folded lines and as pictures.

use crate::common::{contend, run, shared_captures};
use crate::{assert_same, in_parallel};
use std::path::{Path, PathBuf};

/// Chains and copied stacks, one compressed; a pipe; a collector in the kernel.
const RECORDED: [&str; 5] = [
    "cpp-fp-cpuclock-sched-switch.data",
    "cpp-nofp-cpuclock-sched-switch-dwarf-z.data",
    "cpp-fp-pipe.data",
    "bpf-offcpu-time.data",
    "rust-fp-switch-a-fp.data",
];

const THREADS: [&str; 3] = ["1", "2", "7"];

/// The default, which is one piece; the smallest that the command takes; one that
/// cuts the captures here into a few pieces.
const CHUNKS: [Option<&str>; 3] = [None, Some("4096"), Some("65536")];

/// What the command writes, and how it ends.
fn output(capture: &Path, command: &[&str], picture: Option<&Path>, cut: &[&str]) -> Vec<u8> {
    let mut contend = contend();
    contend.args(command).args(cut).arg(capture);
    if let Some(picture) = picture {
        contend.arg("-o").arg(picture);
    }
    let ended = run(&mut contend);
    if ended.code != Some(0) {
        // It has no such samples or intervals: then everybody says so.
        let what = format!("{command:?} {}", capture.display());
        return ended.refused(&what).as_bytes().to_vec();
    }
    let drawn = picture.map_or_else(Vec::new, |picture| std::fs::read(picture).unwrap());
    [ended.stdout, drawn].concat()
}

/// The captures, and a folder with the programs that they are of.
fn captures(shared: &Path) -> (Vec<PathBuf>, PathBuf) {
    let folder = shared.join("offcpu-local");
    let files = RECORDED.map(|name| folder.join(name));
    (files.to_vec(), folder.join("bin"))
}

#[test]
fn stacks_do_not_depend_on_how_the_work_was_cut() {
    let Some(shared) = shared_captures() else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let (files, programs) = captures(&shared);
    let answered = std::sync::atomic::AtomicUsize::new(0);
    in_parallel(&files, |file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        // The name of the file is not in a picture.
        let picture = scratch.path().join(format!("{name}.svg"));
        let symbols = ["--symbol-dir", programs.to_str().unwrap()];
        for (command, is_picture) in [
            (&["oncpu", "--json"][..], false),
            (&["oncpu"], true),
            (&["oncpu", "--folded"], false),
            (&["offcpu", "--json"], false),
            (&["offcpu"], true),
            (&["offcpu", "--folded"], false),
        ] {
            let command = [command, &symbols].concat();
            let picture = is_picture.then_some(&*picture);
            let expected = output(file, &command, picture, &["--threads", "1"]);
            assert!(!expected.is_empty(), "{name} {command:?}");
            answered.fetch_add(
                usize::from(expected.len() > 1000),
                std::sync::atomic::Ordering::Relaxed,
            );
            for threads in THREADS {
                for chunk in CHUNKS {
                    let mut cut = vec!["--threads", threads];
                    cut.extend(chunk.iter().flat_map(|chunk| ["--chunk-size", chunk]));
                    let what = format!("{name} {command:?} {cut:?}");
                    assert_same(&what, &expected, &output(file, &command, picture, &cut));
                }
            }
        }
    });
    let answered = answered.into_inner();
    assert!(answered >= 20, "{answered} answers");
}
