//! Every shared capture has stacks or is refused in one line, the same for any
//! number of threads.

use crate::common::{contend_on, shared_captures, unpacked};
use std::path::PathBuf;

#[test]
fn every_capture_is_answered_or_refused_in_one_line() {
    let Some(shared) = shared_captures() else {
        return;
    };
    let folders = ["offcpu", "offcpu-local", "odd"].map(|name| shared.join(name));
    let files = folders.iter().flat_map(|folder| folder.read_dir().unwrap());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file() && path.extension().is_some_and(|end| end != "md"));
    files.sort();
    let scratch = tempfile::tempdir().unwrap();
    let (mut answered, mut refused) = (0, 0);
    for file in files {
        let file = match file.extension().is_some_and(|end| end == "xz") {
            true => unpacked(&file, scratch.path()),
            false => file,
        };
        let what = file.display().to_string();
        let [one, three] = ["1", "3"].map(|threads| {
            let args = ["oncpu", "--json", "--threads", threads, "--chunk-size"];
            let chunk = if threads == "1" { "4194304" } else { "16384" };
            contend_on(&file, &[&args[..], &[chunk]].concat())
        });
        if one.code == Some(0) {
            let document = one.json(&what);
            let stacks = document["stacks"].as_array().unwrap();
            let samples = stacks
                .iter()
                .map(|stack| stack["samples"].as_u64().unwrap());
            assert_eq!(
                Some(samples.sum::<u64>()),
                document["samples"].as_u64(),
                "{what}"
            );
            assert!(one.stdout == three.stdout, "{what}: depends on threads");
            answered += 1;
        } else {
            one.refused(&what);
            three.refused(&what);
            refused += 1;
        }
    }
    assert!(
        answered > 20 && refused > 5,
        "{answered} answered, {refused} refused"
    );
}
