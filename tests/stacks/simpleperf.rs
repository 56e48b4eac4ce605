//! Captures of Android's simpleperf, whose binaries are nowhere: the names in
//! stacks against a decoding of the capture's symbols that shares no code.

use crate::common::{contend_on, shared_captures, skipped};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn text_at(bytes: &[u8], at: usize) -> String {
    let length = bytes[at..].iter().position(|&byte| byte == 0).unwrap();
    String::from_utf8(bytes[at..at + length].to_vec()).unwrap()
}

/// A file of the section FILE: its kind, what is added to an offset in it, and
/// start, length and name of its functions.
struct Known {
    kind: u32,
    shift: u64,
    symbols: Vec<(u64, u64, String)>,
}

impl Known {
    fn name(&self, place: u64) -> Option<&str> {
        let place = place.wrapping_add(self.shift);
        let spans =
            |&&(start, length, _): &&(u64, u64, String)| start <= place && place < start + length;
        let nearest = self.symbols.iter().filter(spans);
        nearest
            .max_by_key(|(start, ..)| *start)
            .map(|(.., name)| &**name)
    }
}

/// Where code of each file starts that is mapped, the lowest offset.
fn lowest_code(bytes: &[u8]) -> BTreeMap<String, u64> {
    const MMAP: u32 = 1;
    const MMAP2: u32 = 10;
    let mut lowest = BTreeMap::new();
    let (mut at, size) = (u64_at(bytes, 40) as usize, u64_at(bytes, 48) as usize);
    let end = at + size;
    while at < end {
        let kind = u32_at(bytes, at);
        let upper = u32_at(bytes, at + 4);
        let length = match kind {
            // The upper half of the length stands in the place of flags.
            32_768.. => upper >> 16 | (upper & 0xffff) << 16,
            _ => upper >> 16,
        };
        let path = match kind {
            // Only where code is, then.
            MMAP => Some(text_at(bytes, at + 40)),
            MMAP2 if u32_at(bytes, at + 64) & 4 != 0 => Some(text_at(bytes, at + 72)),
            _ => None,
        };
        if let Some(path) = path {
            let offset = u64_at(bytes, at + 32);
            let least = lowest.entry(path).or_insert(offset);
            *least = offset.min(*least);
        }
        at += length as usize;
    }
    lowest
}

/// All files of the section FILE, by the last part of their path.
fn known(bytes: &[u8]) -> BTreeMap<String, Vec<Known>> {
    const FILE: u32 = 128;
    let bit = |bit: u32| bytes[72 + bit as usize / 8] >> (bit % 8) & 1 == 1;
    assert!(bit(FILE));
    let before = (0..FILE).filter(|&number| bit(number)).count();
    let table = (u64_at(bytes, 40) + u64_at(bytes, 48)) as usize + 16 * before;
    let (mut at, size) = (
        u64_at(bytes, table) as usize,
        u64_at(bytes, table + 8) as usize,
    );
    let end = at + size;
    let lowest = lowest_code(bytes);
    let mut files: BTreeMap<String, Vec<Known>> = BTreeMap::new();
    while at < end {
        let next = at + 4 + u32_at(bytes, at) as usize;
        let path = text_at(bytes, at + 4);
        at += 4 + path.len() + 1;
        let (kind, min_vaddr) = (u32_at(bytes, at), u64_at(bytes, at + 4));
        let count = u32_at(bytes, at + 12);
        at += 16;
        let symbols = (0..count).map(|_| {
            let name = text_at(bytes, at + 12);
            let symbol = (u64_at(bytes, at), u32_at(bytes, at + 8).into(), name);
            at += 12 + symbol.2.len() + 1;
            symbol
        });
        let symbols = symbols.collect();
        let shift = match (kind, lowest.get(&path)) {
            (2, Some(&offset)) => min_vaddr.wrapping_sub(offset),
            _ => 0,
        };
        let file = path.rsplit('/').next().unwrap().to_owned();
        let known = Known {
            kind,
            shift,
            symbols,
        };
        files.entry(file).or_default().push(known);
        at = next;
    }
    files
}

/// The frames of a capture's stacks.
fn frames(capture: &Path, args: &[&str]) -> BTreeSet<String> {
    let args = [&["offcpu", "--json"], args].concat();
    let document = contend_on(capture, &args).json(&capture.display().to_string());
    let stacks = document["stacks"].as_array().unwrap();
    let frames = stacks
        .iter()
        .flat_map(|stack| stack["frames"].as_array().unwrap());
    let frames = frames.map(|frame: &Value| frame.as_str().unwrap().to_owned());
    frames.collect()
}

fn captures() -> Vec<PathBuf> {
    let Some(folder) = shared_captures() else {
        return Vec::new();
    };
    let names = ["raw-arm64-a", "v1-arm64"];
    let paths =
        names.map(|name| folder.join(format!("offcpu/simpleperf-traceoffcpu-{name}.perf.data")));
    let there = paths.into_iter().filter(|path| {
        let is_there = path.exists();
        if !is_there {
            skipped(&format!("{} is absent", path.display()));
        }
        is_there
    });
    there.collect()
}

#[test]
fn every_place_that_the_capture_names_has_its_name() {
    for capture in captures() {
        let bytes = std::fs::read(&capture).unwrap();
        let files = known(&bytes);
        let places = frames(&capture, &["--no-symbols"]);
        let named = frames(&capture, &[]);
        let (mut answered, mut mangled, mut nameless) = (0, 0, 0);
        for place in &places {
            let Some((file, offset)) = place.rsplit_once("+0x") else {
                continue;
            };
            let offset = u64::from_str_radix(offset, 16).unwrap();
            let same: &[Known] = files.get(file).map_or(&[], Vec::as_slice);
            // Of files with one name the places do not tell which it is.
            if same.len() > 1 || same.iter().any(|file| file.kind == 1) {
                continue;
            }
            match same.first().and_then(|file| file.name(offset)) {
                Some(name) => {
                    answered += 1;
                    assert!(!named.contains(place), "{place} is {name}");
                    if name.starts_with("_Z") {
                        mangled += 1;
                    } else {
                        assert!(named.contains(name), "{place} is {name}");
                    }
                }
                None => {
                    nameless += 1;
                    assert!(named.contains(place), "{place} has no name in the capture");
                }
            }
        }
        let shown = capture.display();
        assert!(
            answered >= 20 && mangled > 0 && mangled < answered,
            "{shown}: {answered} {mangled}"
        );
        eprintln!("{shown}: {answered} places with names, {nameless} without");
    }
}

#[test]
fn stacks_of_android_have_the_functions_of_their_sources() {
    for capture in captures() {
        let named = frames(&capture, &[]);
        let expected: &[&str] = if capture.to_string_lossy().contains("v1") {
            // simpleperf_runtest.
            &[
                "SleepFunction(unsigned long long)",
                "GlobalFunction()",
                "main",
                "nanosleep",
            ]
        } else {
            &[
                "__start_thread",
                "__pthread_start(void*)",
                "art::Thread::CreateCallback(void*)",
                "art::Monitor::Wait(art::Thread*, long, int, bool, art::ThreadState)",
                "art_quick_invoke_stub",
                "java.lang.Thread.sleep",
                "__epoll_pwait",
                "android::Looper::pollInner(int)",
            ]
        };
        for name in expected {
            assert!(named.contains(*name), "{}: {name}", capture.display());
        }
    }
}
