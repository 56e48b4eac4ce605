//! Cut and changed bundles: what is whole is used, the loss is stated.

use crate::make::{content, file, frames, member, open, sample, tar, write};
use contend_bundle::{Bundle, Error, Limits};
use std::io::{Read, Seek};

/// Opens a cut bundle and checks that nothing in it is other than it was.
fn check(bytes: &[u8], members: &[(String, Vec<u8>)]) -> usize {
    let bundle = match open(bytes) {
        Ok(bundle) => bundle,
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n'), "{text}");
            return 0;
        }
    };
    let mut whole = 0;
    for (name, content) in members {
        let Some(found) = bundle.member(name) else {
            continue;
        };
        if found.available() == found.size() {
            if let Ok(read) = bundle.read(name, 1 << 30) {
                assert!(read == *content, "{name}");
                whole += 1;
            }
        } else {
            assert!(matches!(bundle.read(name, 1 << 30), Err(Error::Cut { .. })));
        }
        let Ok(extracted) = bundle.extract(name) else {
            continue;
        };
        let length = extracted.length as usize;
        assert_eq!(extracted.length + extracted.missing, content.len() as u64);
        assert_eq!(extracted.missing > 0, extracted.note.is_some());
        let mut file = extracted.file;
        file.rewind().unwrap();
        let mut read = Vec::new();
        file.read_to_end(&mut read).unwrap();
        assert!(read == content[..length], "{name}");
    }
    whole
}

#[test]
fn cut_anywhere_it_reads_up_to_there() {
    let members = sample();
    let bytes = write(&members);
    let mut last = 0;
    let cuts = (0..bytes.len() - 40).step_by(bytes.len() / 20);
    for cut in cuts.chain((bytes.len() - 40..bytes.len()).step_by(3)) {
        let whole = check(&bytes[..cut], &members);
        assert!(whole >= last, "{cut}");
        last = whole;
        if let Ok(bundle) = open(&bytes[..cut]) {
            assert!(!bundle.is_whole(), "{cut}");
            assert!(bundle.notes()[0].contains("cut or damaged"), "{cut}");
            // All that may be missing without a loss is the end mark.
            let sums = bundle.member("SHA256SUMS");
            let sums = sums.is_some_and(|sums| sums.available() == sums.size());
            assert_eq!(bundle.verify().is_empty(), sums, "{cut}");
        }
    }
    assert_eq!(check(&bytes, &members), members.len());
}

#[test]
fn blocks_of_a_cut_frame_are_used() {
    let members = sample();
    let bytes = write(&members);
    // In the middle of the first of three frames.
    let bundle = open(&bytes[..bytes.len() / 6]).unwrap();
    let extracted = bundle.extract("c2c.perf.data").unwrap();
    assert!(extracted.length > 500_000, "{}", extracted.length);
    let note = extracted.note.unwrap();
    assert!(note.ends_with("of 9000001 bytes of c2c.perf.data are missing: the bundle is cut"));
}

#[test]
fn every_cut_of_a_small_bundle_in_every_form() {
    let members = vec![
        ("a".to_owned(), content(3000, 5)),
        ("b".into(), vec![1; 700]),
    ];
    let bytes = write(&members);
    for cut in 0..bytes.len() {
        check(&bytes[..cut], &members);
    }
    let mut more = member("a", &members[0].1);
    more.extend(member("b", &members[1].1));
    let plain = tar(&more);
    for cut in 0..plain.len() {
        check(&plain[..cut], &members);
    }
}

#[test]
fn a_flipped_byte_is_never_other_content() {
    let members = vec![
        ("a".to_owned(), content(3000, 5)),
        ("b".into(), vec![1; 700]),
    ];
    let bytes = write(&members);
    for at in 0..bytes.len() {
        for bit in [0x01, 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] ^= bit;
            check(&bytes, &members);
        }
    }
}

#[test]
fn a_damaged_frame_costs_what_is_in_it_and_a_capture_what_is_behind() {
    let members = sample();
    let mut bytes = write(&members);
    // Content of the second of three frames, in a stored or compressed block.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    bytes[middle + 1] ^= 0x40;
    let bundle = open(&bytes).unwrap();
    assert_eq!(bundle.notes(), [""; 0]);
    assert!(bundle.read("kallsyms", 100).is_ok());
    let error = bundle.read("c2c.perf.data", 1 << 30).unwrap_err();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    let extracted = bundle.extract("c2c.perf.data").unwrap();
    assert_eq!(extracted.length, (4 << 20) - 2 * 512 - 512);
    assert!(extracted.note.unwrap().contains("is damaged ("));
    assert_eq!(bundle.verify().len(), 1);
}

#[test]
fn a_member_that_is_not_what_was_packed_is_refused() {
    let sums = format!("{}  a\n", "00".repeat(32));
    let mut more = member("a", b"changed");
    more.extend(member("SHA256SUMS", sums.as_bytes()));
    let bundle = open(&frames(&tar(&more))).unwrap();
    for error in [
        bundle.read("a", 100).unwrap_err(),
        bundle.extract("a").unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            "member a is refused: its SHA-256 is not the one in SHA256SUMS; \
             it was changed or damaged after packing, copy the bundle again"
        );
    }
    assert_eq!(
        bundle.notes(),
        ["SHA256SUMS does not list, so cannot vouch for: manifest.json"]
    );
}

#[test]
fn a_changed_manifest_is_refused() {
    let sums = format!("{}  manifest.json\n", "00".repeat(32));
    let error = open(&tar(&member("SHA256SUMS", sums.as_bytes()))).unwrap_err();
    assert!(matches!(error, Error::Sum { .. }), "{error}");
    let error = open(&tar(&member("SHA256SUMS", b"no sums"))).unwrap_err();
    assert!(matches!(error, Error::Sums { line: 1 }), "{error}");
}

#[test]
fn members_that_are_only_in_the_sums_are_named() {
    let zeros = "00".repeat(32);
    let sums: String = ["v", "w", "x", "y"]
        .map(|name| format!("{zeros}  {name}\n"))
        .concat();
    let bundle = open(&tar(&member("SHA256SUMS", sums.as_bytes()))).unwrap();
    assert!(!bundle.is_whole());
    assert_eq!(
        bundle.notes()[0],
        "SHA256SUMS lists what is not here: v, w, x and 1 more"
    );
    assert_eq!(bundle.verify().len(), 4);
}

#[test]
fn a_bundle_without_sums_says_so() {
    let bundle = Bundle::from_file(file(&tar(b"")), &Limits::default()).unwrap();
    assert!(!bundle.is_whole());
    assert!(bundle.notes()[0].starts_with("SHA256SUMS is not here"));
}
