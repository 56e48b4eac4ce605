//! Binaries made of bytes that nobody should trust.

use super::*;
use contend_fixtures::{ElfSymbol, elf_program};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn sample() -> Vec<u8> {
    let symbol = |name: &str, address, size, object| ElfSymbol {
        name: name.to_owned(),
        address,
        size,
        object,
    };
    elf_program(
        &[7; 20],
        &[
            symbol("_Z4worki", 0x1100, 0x40, false),
            symbol("counter", 0xb040, 0x40, true),
        ],
    )
}

fn found(image: &Path) -> Found {
    Found {
        image: image.to_owned(),
        debug: None,
        shared: None,
        has_lines: false,
        is_proven: true,
    }
}

fn places() -> Vec<Place> {
    vec![
        (Use::Code, 0x1110),
        (Use::Code, 0x7fff_ffff_ffff_ffff),
        (Use::Data, 0xa048),
        (Use::Data, u64::MAX),
    ]
}

#[test]
fn symbols_are_found_by_their_place_in_the_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sample()).unwrap();
    let answers = answer(&found(file.path()), &places());
    assert_eq!(answers.remarks, Vec::<String>::new());
    let symbol = |place| {
        let answer: Option<&Answer> = answers.places.get(&place);
        let symbol = answer?.symbol.clone()?;
        Some((symbol.name, symbol.offset))
    };
    assert_eq!(
        symbol((Use::Code, 0x1110)),
        Some(("work(int)".into(), 0x10))
    );
    assert_eq!(symbol((Use::Data, 0xa048)), Some(("counter".into(), 8)));
    assert_eq!(symbol((Use::Data, u64::MAX)), None);
}

#[test]
fn what_is_no_binary_is_a_remark() {
    let nothing = answer(&found(&PathBuf::from("/nonexistent/x")), &places());
    assert_eq!(nothing.remarks.len(), 1);
    assert!(nothing.places.is_empty());
    let folder = answer(&found(&std::env::temp_dir()), &places());
    assert!(
        folder.remarks[0].contains("regular file"),
        "{:?}",
        folder.remarks
    );
}

/// A program with debug information, if there is a collection of captures.
fn real() -> Option<Vec<u8>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    let captures = std::env::var_os("CONTEND_SHARED")
        .map_or(beside, |shared| PathBuf::from(shared).join("captures"));
    let read = std::fs::read(captures.join("mem-realistic/bin/c_atomic")).ok();
    if read.is_none() {
        eprintln!("no mem-realistic: only a binary without debug information is damaged");
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Reading ends with an answer, whatever the bytes are.
    #[test]
    fn damaged_binaries_never_panic(
        real_one: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        in_headers in prop::collection::vec((0usize..512, any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let base = if real_one { real() } else { None };
        let mut bytes = base.unwrap_or_else(sample);
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        // The tables of sections and segments are where lengths are believed.
        let tables = bytes.len().saturating_sub(4096);
        for (at, value) in in_headers {
            bytes[at] = value;
            if let Some(byte) = bytes.get_mut(tables + at * 8) {
                *byte = value;
            }
        }
        if let Some(cut) = cut {
            let length = cut.index(bytes.len());
            bytes.truncate(length);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let mut places = places();
        places.extend((0x1000..0x1400).step_by(16).map(|at| (Use::Code, at)));
        drop(answer(&found(file.path()), &places));
    }
}
