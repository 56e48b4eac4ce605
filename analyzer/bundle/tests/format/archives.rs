//! Binaries out of what `perf archive` makes.

use crate::make::{content, file, header, member};
use contend_bundle::{Binaries, BundleWriter, Error, Limits, Manifest, Part};
use std::fs;
use std::process::Command;

const LS: &str = "0123456789abcdef0123456789abcdef01234567";
const KERNEL: &str = "89abcdef0123456789abcdef0123456701234567";

/// The order and kinds of members are those of `perf archive` of perf 6.1: the
/// link of a build-id, then the folder behind it.
fn archive(binary: &[u8]) -> Vec<u8> {
    [
        header(format!(".build-id/01/{}", &LS[2..]).as_bytes(), 0, b'2'),
        header(format!("usr/bin/ls/{LS}/").as_bytes(), 0, b'5'),
        member(&format!("usr/bin/ls/{LS}/elf"), binary),
        member(&format!("usr/bin/ls/{LS}/probes"), b""),
        header(format!(".build-id/89/{}", &KERNEL[2..]).as_bytes(), 0, b'2'),
        member(
            &format!("[kernel.kallsyms]/{KERNEL}/kallsyms"),
            b"0 T _text\n",
        ),
        vec![0; 1024],
    ]
    .concat()
}

fn check(binaries: &Binaries, binary: &[u8]) {
    assert_eq!(binaries.notes(), [""; 0]);
    let parts: Vec<_> = binaries.parts().collect();
    assert_eq!(parts, [(LS, Part::Binary), (KERNEL, Part::Kallsyms)]);
    let read = binaries.read(&LS.to_uppercase(), Part::Binary).unwrap();
    assert!(read.unwrap() == binary);
    assert!(binaries.read(LS, Part::Debug).unwrap().is_none());
    let symbols = binaries.read(KERNEL, Part::Kallsyms).unwrap().unwrap();
    assert_eq!(symbols, b"0 T _text\n");
}

#[test]
fn a_tarball_of_perf_archive_is_read_in_every_compression() {
    let binary = content(1_500_000, 3);
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("perf.data.tar");
    fs::write(&plain, archive(&binary)).unwrap();
    check(
        &Binaries::open(&plain, &Limits::default()).unwrap(),
        &binary,
    );
    for tool in ["bzip2", "gzip", "zstd"] {
        let output = Command::new(tool).arg("-c").arg(&plain).output();
        let Ok(output) = output else {
            eprintln!("skipped: there is no {tool} on this machine");
            continue;
        };
        let archive = file(&output.stdout);
        check(
            &Binaries::from_file(archive, &Limits::default()).unwrap(),
            &binary,
        );

        // Cut: what is in front is there, and the rest is said to be missing.
        let most = file(&output.stdout[..output.stdout.len() / 10 * 9]);
        let binaries = Binaries::from_file(most, &Limits::default()).unwrap();
        assert!(binaries.notes()[0].contains("cut or damaged"), "{tool}");
        let read = binaries.read(LS, Part::Binary);
        assert!(matches!(read, Err(Error::Cut { .. })), "{tool}: {read:?}");
    }
}

#[test]
fn a_bundle_is_an_archive_of_binaries_too() {
    let mut writer = BundleWriter::new(Vec::new(), &Manifest::default()).unwrap();
    let name = contend_bundle::layout::binary(LS).unwrap();
    writer.add_bytes(&name, b"\x7fELF").unwrap();
    let bytes = writer.finish().unwrap();
    let binaries = Binaries::from_file(file(&bytes), &Limits::default()).unwrap();
    let read = binaries.read(LS, Part::Binary).unwrap();
    assert_eq!(read.as_deref(), Some(&b"\x7fELF"[..]));
}

#[test]
fn strangers_are_passed_over_and_size_is_limited() {
    let bytes = [
        member("../../etc/passwd", b"x"),
        header(b"dev/null", 0, b'3'),
        archive(b"\x7fELF and more"),
    ]
    .concat();
    let mut limits = Limits::default();
    limits.binary = 4;
    let binaries = Binaries::from_file(file(&bytes), &limits).unwrap();
    assert_eq!(binaries.parts().count(), 2);
    let error = binaries.read(LS, Part::Binary).unwrap_err();
    assert!(
        matches!(error, Error::MemberTooLarge { limit: 4, .. }),
        "{error}"
    );
}

/// The real thing: what the installed perf packs is what its cache has.
#[test]
fn what_perf_archive_packs_here_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let perf = |arguments: &[&str]| {
        let mut perf = Command::new("perf");
        perf.args(arguments)
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .output()
            .is_ok_and(|output| output.status.success())
    };
    // One that runs long enough to be sampled, and that nothing is left of.
    let record = ["record", "-q", "-e", "cpu-clock", "--", "sh", "-c"];
    let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let tarball = folder.path().join("perf.data.tar.bz2");
    if !perf(&[&record[..], &[busy]].concat()) || !perf(&["archive"]) || !tarball.exists() {
        eprintln!("skipped: perf cannot record or archive on this machine");
        return;
    }
    let binaries = Binaries::open(&tarball, &Limits::default()).unwrap();
    assert_eq!(binaries.notes(), [""; 0]);
    let mut found = 0;
    for (id, part) in binaries.parts() {
        let link = folder
            .path()
            .join(".debug/.build-id")
            .join(&id[..2])
            .join(&id[2..]);
        let name = match part {
            Part::Binary if link.join("vdso").exists() => "vdso",
            Part::Binary => "elf",
            Part::Debug => "debug",
            _ => "kallsyms",
        };
        let cached = fs::read(link.join(name)).unwrap();
        assert!(binaries.read(id, part).unwrap().unwrap() == cached, "{id}");
        found += 1;
    }
    if found == 0 {
        eprintln!("skipped: perf had no samples with a binary");
    }
}
