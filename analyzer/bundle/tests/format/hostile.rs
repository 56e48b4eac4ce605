//! What nobody packed by accident: each is refused with one line, soon.

use crate::make::{FRAME, compress, file, frames, header, member, open, tar};
use contend_bundle::{Binaries, Bundle, Error, Limits};
use proptest::prelude::*;
use std::io::Write;

/// The one line by which it is refused, packed and plain.
fn refused(more: &[u8]) -> String {
    let plain = open(&tar(more)).unwrap_err().to_string();
    let packed = open(&frames(&tar(more))).unwrap_err().to_string();
    assert_eq!(plain, packed);
    assert!(!plain.contains('\n'), "{plain}");
    plain
}

#[test]
fn names_that_lead_outside() {
    for (name, why) in [
        ("/etc/passwd", "absolute"),
        ("../x", "leads outside"),
        ("a/../../x", "leads outside"),
        ("./../x", "leads outside"),
        ("a\\..\\x", "a backslash"),
        ("C:x", "a drive letter"),
        ("a\u{1b}[2J", "control characters"),
        ("", "empty"),
    ] {
        let text = refused(&member(name, b"x"));
        assert!(text.contains("unsafe name") && text.contains(why), "{text}");
    }
    assert!(refused(&header(b"../d", 0, b'5')).contains("leads outside"));
    assert!(refused(&member("x\u{1b}", b"")).contains("\\u{1b}"));
}

#[test]
fn names_that_lead_outside_in_extension_headers() {
    let mut pax = header(b"pax", 15, b'x');
    pax.extend(b"15 path=../../x");
    pax.resize(1024, 0);
    // A record without its newline is malformed, and what follows is not trusted.
    pax.extend(member("good", b""));
    let bundle = open(&tar(&pax)).unwrap();
    assert!(bundle.notes()[0].contains("an extended header is malformed"));
    assert!(bundle.member("good").is_none());

    let mut pax = header(b"pax", 16, b'x');
    pax.extend(b"16 path=../../x\n");
    pax.resize(1024, 0);
    pax.extend(member("good", b""));
    assert!(refused(&pax).contains("leads outside"));

    let mut long = header(b"././@LongLink", 6, b'L');
    long.extend(b"/etc/x");
    long.resize(1024, 0);
    long.extend(member("good", b""));
    assert!(refused(&long).contains("absolute"));
}

#[test]
fn links_and_devices() {
    for (kind, what) in [
        (b'1', "hard link"),
        (b'2', "symbolic link"),
        (b'3', "character device"),
        (b'4', "block device"),
        (b'6', "named pipe"),
        (b'S', "sparse file"),
    ] {
        let text = refused(&header(b"kallsyms", 0, kind));
        assert!(text.contains(&format!("is a {what}, not a file")), "{text}");
    }
}

#[test]
fn two_members_with_one_name() {
    let text = refused(&[member("a", b"1"), member("./a", b"2")].concat());
    assert_eq!(text, "it is refused: it has two members \"a\"");
    assert!(refused(&member("manifest.json", b"{}")).contains("two members"));
}

#[test]
fn a_terabyte_of_zeros_in_frames() {
    let mut first = member("manifest.json", b"{\"version\":1}");
    first.extend(header(b"x.perf.data", 0, b'0'));
    first.resize(FRAME, 0);
    let zeros = compress(&vec![0; FRAME]);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&compress(&first)).unwrap();
    for _ in 0..16 {
        file.write_all(&zeros.repeat((1 << 40) / FRAME / 16))
            .unwrap();
    }
    let error = Bundle::from_file(file, &Limits::default()).unwrap_err();
    // The limit grows with what was read, and this is the one of the beginning.
    assert_eq!(
        error.to_string(),
        "it is refused: it has more than 1073741824 bytes when inflated, \
         which no capture of its size has"
    );
}

#[test]
fn a_terabyte_of_zeros_in_one_frame() {
    // One byte that stands for 128 KiB, eight million times: RFC 8878, RLE_Block.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58];
    let mut first = member("manifest.json", b"{\"version\":1}");
    first.resize(128 << 10, 0);
    frame.extend(&((128_u32 << 10) << 3).to_le_bytes()[..3]);
    frame.extend(first);
    let mut zeros = ((128_u32 << 10) << 3 | 2).to_le_bytes()[..3].to_vec();
    zeros.push(0);
    let mut bytes = frame;
    bytes.extend(zeros.repeat(100_000));
    // The real thing would fill the disk if it were not stopped; less will do.
    let limits = limits(|limits| limits.inflated_free = 64 << 20);
    let error = Bundle::from_file(file(&bytes), &limits).unwrap_err();
    assert!(matches!(error, Error::TooMany { .. }), "{error}");
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn a_million_members() {
    let mut more = Vec::new();
    for index in 0..150_000 {
        more.extend(header(format!("{index}").as_bytes(), 0, b'0'));
    }
    assert_eq!(
        refused(&more),
        "it is refused: it has more than 100000 members"
    );
    // Headers that stand for no member count as well.
    let more = header(b"pax", 0, b'g').repeat(150_000);
    assert_eq!(
        refused(&more),
        "it is refused: it has more than 100000 members"
    );
}

#[test]
fn sizes_beyond_everything() {
    // Octal digits hold 8 GiB; base 256 holds more than there is.
    let mut block = header(b"x.perf.data", 0, b'0');
    block[124..136].copy_from_slice(&[
        0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ]);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let bundle = open(&tar(&block)).unwrap();
    assert!(bundle.notes()[0].contains("states 18446744073709551615 bytes"));
    assert_eq!(bundle.members().len(), 1);

    let bundle = open(&tar(&header(b"x.perf.data", 0o77_777_777_777, b'0'))).unwrap();
    let extracted = bundle.extract("x.perf.data").unwrap();
    assert_eq!(extracted.length, 1024);
    assert!(matches!(
        bundle.read("x.perf.data", u64::MAX),
        Err(Error::Cut { .. })
    ));
}

#[test]
fn a_manifest_without_end() {
    let json = vec![b' '; (1 << 20) + 1];
    let mut bytes = member("manifest.json", &json);
    bytes.extend([0; 1024]);
    let error = open(&bytes).unwrap_err().to_string();
    assert_eq!(
        error,
        "member manifest.json has 1048577 bytes; at most 1048576 are read"
    );
    // Nesting ends at 128 in the JSON reader, before the stack does.
    let json = format!("{{\"version\":1,\"x\":{}", "[".repeat(500_000));
    let mut bytes = member("manifest.json", json.as_bytes());
    bytes.extend([0; 1024]);
    assert!(matches!(open(&bytes), Err(Error::Manifest { .. })));
}

#[test]
fn what_is_no_bundle() {
    assert_eq!(
        open(b"PERFILE2 and so on").unwrap_err().to_string(),
        "it is not a tar archive, plain or compressed with zstd, gzip or bzip2; \
         its first bytes are [50, 45, 52, 46, 49, 4c, 45, 32]"
    );
    let mut bytes = member("elf", b"");
    bytes.extend([0; 1024]);
    assert_eq!(
        open(&frames(&bytes)).unwrap_err().to_string(),
        "the archive has no manifest.json, so it is not a capture bundle; \
         a tar of binaries, as `perf archive` makes, holds no capture"
    );
    for bytes in [
        &b""[..],
        b"BZh",
        b"BZh9",
        &[0x1f, 0x8b],
        &[0; 2000],
        b"\x28\xb5\x2f\xfd",
    ] {
        assert!(open(bytes).is_err(), "{bytes:?}");
    }
    let mut bytes = member("manifest.json", b"{\"version\":2}");
    bytes.extend([0; 1024]);
    assert_eq!(
        open(&bytes).unwrap_err().to_string(),
        "the bundle has format version 2, and this program reads versions 1 to 1; use a newer one"
    );
}

/// Opens it as everything that it could be and reads all there is.
fn touch(bytes: &[u8]) {
    let limits = limits(|limits| limits.inflated_free = 16 << 20);
    if let Ok(bundle) = Bundle::from_file(file(bytes), &limits) {
        bundle.verify();
        for member in bundle.members() {
            let _ = bundle.extract(member.name());
        }
    }
    if let Ok(binaries) = Binaries::from_file(file(bytes), &limits) {
        for (id, part) in binaries.parts() {
            let _ = binaries.read(id, part);
        }
    }
}

/// Beginnings that lead into each of the decoders.
const BEGINNINGS: [&[u8]; 6] = [
    b"",
    b"\x28\xb5\x2f\xfd",
    b"\x28\xb5\x2f\xfd\x24",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    b"BZh9",
    b"BZh1\x31\x41\x59\x26\x53\x59",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_no_panic(
        beginning in 0..BEGINNINGS.len(),
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        touch(&[BEGINNINGS[beginning], &bytes].concat());
    }

    #[test]
    fn any_changes_to_a_tar_are_no_panic(
        changes in prop::collection::vec((0..6000_usize, any::<u8>()), 1..8),
        repair in any::<bool>(),
    ) {
        let mut pax = header(b"pax", 12, b'x');
        pax.extend(b"12 path=a/b\n");
        pax.resize(1024, 0);
        let members = [pax, member("x", &[7; 900]), member("y.perf.data", b"PERFILE2")];
        let mut bytes = tar(&members.concat());
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if repair {
            // Right checksums, so that the changed fields are looked at.
            for block in bytes.chunks_exact_mut(512) {
                if block[257..262] == *b"ustar" {
                    block[148..156].fill(b' ');
                    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
                    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
                }
            }
        }
        touch(&bytes);
        touch(&frames(&bytes));
    }
}
