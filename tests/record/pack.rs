//! Packing: what a capture needs is in the bundle, and nothing that it is not.

use super::support::*;
use contend_perfdata::write::{EventSpec, FeatureSet, FileWriter, feature_bit, sample};
use contend_perfdata::{FileSource, PerfData};
use contend_record::pack::{Input, Job, Limits, Plan};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A program and a capture of it.
struct Recorded {
    folder: tempfile::TempDir,
    program: PathBuf,
    capture: PathBuf,
}

fn recorded(options: &[&str]) -> Option<Recorded> {
    let folder = tempfile::tempdir().unwrap();
    let program = busy(folder.path(), "first")?;
    let capture = folder.path().join("run.data");
    perf_record(&capture, options, &program, "0.2").then_some(Recorded {
        folder,
        program,
        capture,
    })
}

impl Recorded {
    fn pack(&self, options: &[&str]) -> (PathBuf, String) {
        let bundle = self.folder.path().join("x.tar.zst");
        let mut args = vec![
            "pack",
            self.capture.to_str().unwrap(),
            "-o",
            bundle.to_str().unwrap(),
        ];
        args.extend(options);
        let text = succeeds(args);
        (bundle, text)
    }
}

#[test]
fn a_bundle_has_the_capture_its_binaries_and_the_kernel() {
    let Some(recorded) = recorded(&["--buildid-all"]) else {
        return;
    };
    let (path, _) = recorded.pack(&[]);
    let program = fs::read(&recorded.program).unwrap();
    let bundle = open(&path);
    assert_eq!(bundle.captures().collect::<Vec<_>>(), ["run.perf.data"]);
    assert_eq!(
        member(&bundle, "run.perf.data"),
        fs::read(&recorded.capture).unwrap()
    );
    assert_eq!(member(&bundle, &binary_member(&recorded.program)), program);
    assert!(bundle.member("proc/cpuinfo").is_some());
    assert!(bundle.member("sys/devices/system/cpu/online").is_some());
    // The kernel's symbols are in it, or a note says why not.
    let notes = bundle.manifest().notes.join("\n");
    assert!(
        bundle.member("kallsyms").is_some() || notes.contains("kptr_restrict"),
        "{notes}"
    );
    assert!(bundle.manifest().host.kernel.is_some());
    // Only its owner reads what programs had in memory.
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

/// In production nobody can ask for the same moment again.
#[test]
fn what_has_the_name_of_the_bundle_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let capture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/demo/false-sharing.perf.data");
    let bundle = folder.path().join("x.tar.zst");
    let pack = || {
        let text = succeeds([
            "pack",
            capture.to_str().unwrap(),
            "-o",
            bundle.to_str().unwrap(),
        ]);
        open(&bundle);
        text
    };
    fs::write(&bundle, "first").unwrap();
    let text = pack();
    let old = folder.path().join("x.tar.zst.old");
    let told = format!("what was {} before is {}", bundle.display(), old.display());
    assert!(text.contains(&told), "{text}");
    let second = fs::read(&bundle).unwrap();
    pack();
    assert_eq!(fs::read(&old).unwrap(), b"first");
    assert_eq!(
        fs::read(folder.path().join("x.tar.zst.old.2")).unwrap(),
        second
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    // A name that nothing has leaves nothing behind.
    let other = folder.path().join("y.tar.zst");
    let (from, to) = (capture.to_str().unwrap(), other.to_str().unwrap());
    let text = succeeds(["pack", from, "-o", to]);
    assert!(!text.contains("before"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    // A device is not replaced by a file.
    let line = refusal(&run(["pack", from, "-o", "/dev/null"]));
    assert!(line.contains("is no regular file"), "{line}");
}

#[test]
fn build_ids_that_perf_did_not_record_are_the_recorders_own() {
    // Without --buildid-all perf knows only binaries that were sampled in; with -B none.
    let Some(recorded) = recorded(&["-B"]) else {
        return;
    };
    let (path, _) = recorded.pack(&[]);
    let bundle = open(&path);
    let list = String::from_utf8(member(&bundle, "build-ids")).unwrap();
    let line = list
        .lines()
        .find(|line| line.ends_with(recorded.program.to_str().unwrap()));
    let id = line.expect(&list).split(' ').next().unwrap();
    let place = contend_bundle::layout::binary(id).unwrap();
    assert_eq!(
        member(&bundle, &place),
        fs::read(&recorded.program).unwrap()
    );
    let Some(contend) = contend() else {
        return;
    };
    fs::remove_file(&recorded.program).unwrap();
    let output = Command::new(contend)
        .arg("oncpu")
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("work_in_first"), "{text}{}", said(&output));
}

#[test]
fn another_build_under_the_same_path_is_not_packed() {
    for options in [&["--buildid-all"][..], &["-B"]] {
        let Some(recorded) = recorded(options) else {
            return;
        };
        let other = busy(recorded.folder.path(), "second").unwrap();
        let place = binary_member(&other);
        fs::remove_file(&recorded.program).unwrap();
        fs::rename(&other, &recorded.program).unwrap();
        let (path, text) = recorded.pack(&[]);
        let bundle = open(&path);
        assert!(bundle.member(&place).is_none(), "{options:?}");
        let notes = bundle.manifest().notes.join("\n");
        let name = recorded.program.to_str().unwrap();
        assert!(notes.contains(name) && text.contains(name), "{notes}");
    }
}

#[test]
fn a_deleted_program_that_still_runs_is_packed() {
    let Some(recorded) = recorded(&["--buildid-all"]) else {
        return;
    };
    // Its recorded process is gone; another one that is recorded alive is not.
    let capture = recorded.folder.path().join("alive.data");
    let mut child = Command::new(&recorded.program)
        .args(["1", "600"])
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let target = ["-p", &pid, "--", "sleep", "0.3"];
    if !perf_record_of(&capture, &["--buildid-all"], &target) {
        child.kill().unwrap();
        child.wait().unwrap();
        return;
    }
    let place = binary_member(&recorded.program);
    let content = fs::read(&recorded.program).unwrap();
    fs::remove_file(&recorded.program).unwrap();
    // What a just-in-time compiler leaves for perf is named after the process.
    let list = PathBuf::from(format!("/tmp/perf-{pid}.map"));
    fs::write(&list, "1000 10 made\n").unwrap();
    let bundle = recorded.folder.path().join("alive.tar.zst");
    let output = run([Path::new("pack"), &capture, Path::new("-o"), &bundle]);
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_file(&list).unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let made = format!("perf-{pid}.map");
    assert_eq!(member(&open(&bundle), &made), b"1000 10 made\n");
    assert_eq!(member(&open(&bundle), &place), content);
}

#[test]
fn binaries_are_left_out_when_asked() {
    let Some(recorded) = recorded(&["--buildid-all"]) else {
        return;
    };
    let (path, _) = recorded.pack(&["--no-binaries"]);
    let bundle = open(&path);
    assert!(bundle.member(&binary_member(&recorded.program)).is_none());
    assert!(
        bundle
            .manifest()
            .notes
            .iter()
            .any(|note| note.contains("as asked"))
    );
}

#[test]
fn redacted_bundles_name_no_machine_and_no_command() {
    let Some(recorded) = recorded(&["--buildid-all"]) else {
        return;
    };
    let capture = |path: &Path| {
        let source = FileSource::new(fs::File::open(path).unwrap()).unwrap();
        PerfData::open(Arc::new(source)).unwrap()
    };
    let plain = capture(&recorded.capture);
    let features = &plain.header().features;
    let host = features.hostname.clone().unwrap();
    assert!(!host.is_empty() && features.cmdline.len() > 3);

    let (path, _) = recorded.pack(&["--redact"]);
    let bundle = open(&path);
    let manifest = bundle.manifest();
    assert_eq!(manifest.host.name, None);
    assert!(manifest.host.kernel.is_some());
    assert_eq!(manifest.command[1], "pack");
    assert!(!manifest.command.join(" ").contains("run.data"));
    assert!(bundle.member("proc/version").is_none());
    let copy = recorded.folder.path().join("redacted.data");
    let bytes = member(&bundle, "run.perf.data");
    fs::write(&copy, &bytes).unwrap();
    let redacted = capture(&copy);
    let features = &redacted.header().features;
    assert_eq!(features.hostname.as_deref().unwrap_or_default(), "");
    assert!(
        features.cmdline.iter().all(String::is_empty),
        "{:?}",
        features.cmdline
    );
    // All else is as it was recorded.
    let original = fs::read(&recorded.capture).unwrap();
    assert_eq!(bytes.len(), original.len());
    let changed = bytes.iter().zip(&original).filter(|(a, b)| a != b);
    let named: usize = host.len()
        + plain
            .header()
            .features
            .cmdline
            .iter()
            .map(String::len)
            .sum::<usize>();
    assert_eq!(changed.count(), named);
}

/// The name of the machine that recorded is as much a secret as that of the one that packs.
#[test]
fn redacted_bundles_do_not_name_the_machine_that_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("run.data");
    let event = EventSpec {
        // PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK.
        kind: 1,
        config: 0,
        period: 1_000_000,
        sample_type: sample::IP | sample::TID | sample::TIME,
        flags: 0,
        clock: 0,
        name: "cpu-clock".into(),
        ids: vec![1],
    };
    let events = [event];
    let mut features = FeatureSet::new();
    features.text(feature_bit::HOSTNAME, "db7-of-nobody.example");
    features.events(&events);
    let file = fs::File::create_new(&capture).unwrap();
    let writer = FileWriter::new(file, &events).unwrap();
    writer.finish(&features).unwrap();

    let out = folder.path().join("x.tar.zst");
    let pack = |options: &[&str]| {
        let files = [capture.to_str().unwrap(), "-o", out.to_str().unwrap()];
        let text = succeeds([&["pack"], &files[..], options].concat());
        let notes = open(&out).manifest().notes.join("\n");
        let capture = member(&open(&out), "run.perf.data");
        fs::remove_file(&out).unwrap();
        let secret = b"db7-of-nobody";
        let is_in = capture.windows(secret.len()).any(|part| part == secret);
        (text, notes, is_in)
    };
    let (_, notes, is_in) = pack(&[]);
    assert!(notes.contains("on db7-of-nobody.example with"), "{notes}");
    assert!(is_in);
    let (text, notes, is_in) = pack(&["--redact"]);
    assert!(notes.contains("on [redacted] with"), "{notes}");
    for text in [text, notes] {
        assert!(!text.contains("nobody"), "{text}");
    }
    assert!(!is_in);
}

#[test]
fn bundles_go_to_standard_output() {
    let Some(recorded) = recorded(&[]) else {
        return;
    };
    let output = run([
        Path::new("pack"),
        &recorded.capture,
        Path::new("-o"),
        Path::new("-"),
    ]);
    assert!(output.status.success(), "{}", said(&output));
    let path = recorded.folder.path().join("out.tar.zst");
    fs::write(&path, output.stdout).unwrap();
    let unpacked = Command::new("tar")
        .args(["--zstd", "-tf"])
        .arg(&path)
        .output();
    assert!(unpacked.unwrap().status.success());
    assert_eq!(open(&path).captures().count(), 1);
}

#[test]
fn what_cannot_be_packed_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "no capture").unwrap();
    let out = folder.path().join("x.tar.zst");
    let pack = |file: &Path, out: &Path| run([Path::new("pack"), file, Path::new("-o"), out]);
    assert!(refusal(&pack(&text, &out)).contains("text"));
    assert!(refusal(&pack(&folder.path().join("none"), &out)).contains("none"));
    assert!(refusal(&pack(folder.path(), &out)).contains("--threads"));
    let nowhere = folder.path().join("no/folder/x");
    assert!(refusal(&pack(&text, &nowhere)).contains("no folder"));
    assert_eq!(names(folder.path()), ["text"]);
}

#[test]
fn a_full_disk_is_one_line_and_leaves_nothing_half() {
    let Some(recorded) = recorded(&[]) else {
        return;
    };
    let Some(small) = Small::mount(recorded.folder.path(), 64 << 10) else {
        return;
    };
    let out = small.path().join("x.tar.zst");
    let output = run([Path::new("pack"), &recorded.capture, Path::new("-o"), &out]);
    let line = refusal(&output);
    assert!(
        line.contains("No space left") && line.contains("x.tar.zst"),
        "{line}"
    );
    assert!(names(small.path()).is_empty());
    assert!(recorded.capture.exists());
}

#[test]
fn packing_that_is_given_up_leaves_the_capture() {
    let Some(recorded) = recorded(&[]) else {
        return;
    };
    let job = Job {
        inputs: vec![Input {
            file: recorded.capture.clone(),
            member: "x.perf.data".into(),
            ..Input::default()
        }],
        ..Job::default()
    };
    let before = fs::read(&recorded.capture).unwrap();
    let error = Plan::new(job)
        .unwrap()
        .write(Vec::new(), &|| true)
        .unwrap_err();
    assert!(format!("{error:#}").contains("stopped"), "{error:#}");
    assert_eq!(fs::read(&recorded.capture).unwrap(), before);
}

#[test]
fn what_is_too_large_is_left_out_and_named() {
    let Some(recorded) = recorded(&["--buildid-all"]) else {
        return;
    };
    let pack = |limits: Limits| {
        let job = Job {
            inputs: vec![Input {
                file: recorded.capture.clone(),
                member: "x.perf.data".into(),
                ..Input::default()
            }],
            limits,
            ..Job::default()
        };
        let plan = Plan::new(job).unwrap();
        (plan.binaries(), plan.notes().join("\n"))
    };
    let usual = Limits::default();
    let (all, _) = pack(usual);
    let size = fs::metadata(&recorded.program).unwrap().len();
    let (small, notes) = pack(Limits {
        file: size,
        ..usual
    });
    // The program itself fits, the C library does not.
    assert!(small > 0 && small < all, "{small} of {all}");
    assert!(
        notes.contains("libc") && !notes.contains("first"),
        "{notes}"
    );
    let (none, notes) = pack(Limits { total: 0, ..usual });
    assert_eq!(none, 0);
    assert!(notes.contains("first"), "{notes}");
}
