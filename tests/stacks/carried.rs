//! Recorded here and read elsewhere: a bundle with what the recording needs, and
//! the programs taken away, has the names that perf printed on the spot, and the
//! inlined functions and lines of `addr2line`.

use crate::common::{contend_on, installed_perf, skipped};
use crate::perf::{compare, live_script};
use crate::programs::{CPP, RUST, compiled, is_there, recorded};
use crate::{document, stacks};
use contend::{Capture, NamedCode, SymbolSources, name_all_code};
use contend_bundle::{BundleWriter, Manifest, layout};
use object::read::elf::ElfFile64;
use object::{Object, ObjectSegment};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the debug information of a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Debug {
    /// In the program, which is in the bundle.
    Inside,
    /// In a file that the stripped program names; both are in a `--symbol-dir`
    /// and not in the bundle.
    Linked,
    /// In a file with its build-id; both are in the bundle.
    ById,
}

/// A program that was recorded and is not where it was any more.
struct Carried {
    /// The program with everything in it, where nobody looks for it.
    kept: PathBuf,
    bundle: PathBuf,
    /// The folder for `--symbol-dir`, if there is one.
    beside: Option<PathBuf>,
    /// What perf printed when all was in place.
    perf: crate::Counted,
}

fn tool(name: &str, args: &[&str]) {
    let output = Command::new(name).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {args:?}: {said}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Build-ids and paths of what a capture has code of.
fn build_ids(capture: &Path) -> Vec<(String, String)> {
    let mut command = Command::new("perf");
    let output = command.args(["buildid-list", "-i"]).arg(capture).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.trim().split_once(' '));
    lines
        .map(|(id, path)| (id.to_owned(), path.to_owned()))
        .collect()
}

/// Packs what reading the capture needs as long as everything is in place:
/// binaries by build-id with their debug information, except those in `left_out`,
/// the vdso from perf's cache, and what this kernel says of itself.
fn pack(capture: &Path, bundle: &Path, debug: &BTreeMap<String, PathBuf>, left_out: Option<&Path>) {
    let file = std::fs::File::create(bundle).unwrap();
    let mut writer = BundleWriter::new(file, &Manifest::default()).unwrap();
    let bytes = std::fs::read(capture).unwrap();
    writer.add_bytes("cpu.perf.data", &bytes).unwrap();
    let cache = capture.parent().unwrap().join(".debug");
    for (id, path) in build_ids(capture) {
        let file = match path.as_str() {
            "[vdso]" => cache.join("[vdso]").join(&id).join("vdso"),
            path => PathBuf::from(path),
        };
        if !file.is_file() || left_out == Some(&*file) {
            continue;
        }
        let bytes = std::fs::read(&file).unwrap();
        let member = layout::binary(&id).unwrap();
        writer.add_bytes(&member, &bytes).unwrap();
        let member = layout::debug_binary(&id).unwrap();
        let installed = Path::new("/usr/lib/debug").join(&member);
        let debug = debug.get(&path).unwrap_or(&installed);
        if debug.is_file() {
            let bytes = std::fs::read(debug).unwrap();
            writer.add_bytes(&member, &bytes).unwrap();
        }
    }
    for (member, file) in [
        (layout::KALLSYMS, "/proc/kallsyms"),
        (layout::MODULES, "/proc/modules"),
    ] {
        // A kernel may have no modules.
        if let Ok(file) = std::fs::File::open(file) {
            writer.add_unsized(member, file, 256 << 20).unwrap();
        }
    }
    writer.finish().unwrap().flush().unwrap();
}

/// Records, lets perf print, packs, and takes everything away that it was read
/// from. Nothing where perf does not record.
fn carry(folder: &Path, program: &Path, debug: Debug, graph: &[&str]) -> Option<Carried> {
    let name = program.file_name().unwrap().to_str().unwrap();
    let away = folder.join("away");
    std::fs::create_dir(&away).unwrap();
    let kept = away.join(format!("{name}-whole"));
    std::fs::copy(program, &kept).unwrap();
    let split = program.with_extension("debug");
    if debug != Debug::Inside {
        tool(
            "objcopy",
            &["--only-keep-debug", text(program), text(&split)],
        );
        tool("strip", &["--strip-all", text(program)]);
    }
    if debug == Debug::Linked {
        let link = format!("--add-gnu-debuglink={}", text(&split));
        tool("objcopy", &[&link, text(program)]);
    }
    // By default only binaries that a sample or call chain names get their build-id
    // recorded, and not those that only unwinding comes through.
    let args = [graph, &["--buildid-all"]].concat();
    let capture = recorded(folder, program, &args)?;
    let mut splits = BTreeMap::new();
    if debug == Debug::ById {
        // perf finds it in its own cache or in /usr/lib/debug.
        let (id, _) = build_ids(&capture)
            .into_iter()
            .find(|(_, path)| path == text(program))
            .unwrap();
        let binary = layout::binary(&id).unwrap();
        let cached = folder.join(".debug").join(binary).join("debug");
        std::fs::copy(&split, cached).unwrap();
        splits.insert(text(program).to_owned(), split.clone());
    }
    let perf = live_script(&capture);
    let bundle = folder.join("carried.tar.zst");
    let left_out = (debug == Debug::Linked).then_some(program);
    pack(&capture, &bundle, &splits, left_out);

    let beside = (debug == Debug::Linked).then(|| away.join("beside"));
    if let Some(beside) = &beside {
        std::fs::create_dir(beside).unwrap();
        for file in [program, &split] {
            std::fs::rename(file, beside.join(file.file_name().unwrap())).unwrap();
        }
    } else {
        std::fs::remove_file(program).unwrap();
        drop(std::fs::remove_file(&split));
    }
    std::fs::remove_dir_all(folder.join(".debug")).unwrap();
    std::fs::remove_file(&capture).unwrap();
    Some(Carried {
        kept,
        bundle,
        beside,
        perf,
    })
}

impl Carried {
    /// Every binary with samples is found, by its build-id, in the bundle or
    /// beside it.
    fn has_all_binaries(&self, args: &[&str], what: &str) {
        let args = [&["symbols", "--json"], args].concat();
        let found = contend_on(&self.bundle, &args).json(what);
        for binary in found["binaries"].as_array().unwrap() {
            let source = binary["source"].as_str().unwrap_or("none");
            let is_carried = ["bundle", "symbol-dir"].contains(&source);
            // A list of the kernel's symbols has no build-id.
            let is_kernel = binary["path"] == "[kernel.kallsyms]";
            let is_verified = binary["verified"] == Value::Bool(true) || is_kernel;
            assert!(is_carried && is_verified, "{what}: {binary:#}");
        }
    }

    fn has_the_names_of_perf(&self, args: &[&str], what: &str) {
        let ours = stacks(&document(&self.bundle, "cpu-clock", args));
        let found = compare(&self.perf, &ours, true);
        assert!(found.frames > 2000, "{what}: {found:#?}");
        // Where this user may record the kernel.
        let calls = |all: &crate::Counted| {
            let names = all.keys().flatten();
            names.filter(|name| name.contains("sys")).count()
        };
        let has_calls = calls(&self.perf) == 0 || calls(&ours) > 0;
        assert!(has_calls, "{what}: no system call has a name");
        found.assert_agrees(what, ours.values().sum());
    }

    /// Instructions of the program with our functions and lines.
    fn instructions(&self) -> Vec<NamedCode> {
        let mut capture = Capture::open(&self.bundle, 2, contend_perfdata::DEFAULT_CHUNK).unwrap();
        let sources = SymbolSources {
            enabled: true,
            folders: self.beside.iter().cloned().collect(),
            ..SymbolSources::default()
        };
        let name = self.kept.file_name().unwrap().to_str().unwrap();
        let name = format!("/{}", name.strip_suffix("-whole").unwrap());
        let mut code = name_all_code(&mut capture, &sources).unwrap().code;
        code.retain(|code| code.path.ends_with(&name));
        code
    }

    /// Gives how many instructions were compared, and how many of them are in
    /// inlined functions.
    fn has_the_inlined_functions_of_addr2line(&self, what: &str) -> (usize, usize) {
        let code = self.instructions();
        let bytes = std::fs::read(&self.kept).unwrap();
        let file = ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
        let segments: Vec<(u64, u64, u64)> = file
            .segments()
            .map(|segment| {
                let (offset, size) = segment.file_range();
                (offset, size, segment.address())
            })
            .collect();
        let stated = |offset: u64| {
            let segment = segments
                .iter()
                .find(|(start, size, _)| (*start..start + size).contains(&offset));
            let (start, _, address) = segment.unwrap();
            offset - start + address
        };
        let addresses: Vec<u64> = code.iter().map(|code| stated(code.offset)).collect();
        let theirs = addr2line(&self.kept, &addresses);
        assert_eq!(theirs.len(), code.len(), "{what}");
        let (mut inlined, mut local, mut stubs) = (0, 0, 0);
        let mut differences = Vec::new();
        for ((code, address), theirs) in code.iter().zip(addresses).zip(theirs) {
            let ours = code.frames.iter().map(|(function, source)| {
                let [function, source] =
                    [function, source].map(|text| text.as_deref().unwrap_or("??"));
                (function.to_owned(), source.to_owned())
            });
            let ours: Vec<(String, String)> = ours.collect();
            if theirs[0].0 == "??" {
                // It knows no function: a stub of the linker.
                stubs += 1;
                continue;
            }
            inlined += usize::from(theirs.len() > 1);
            // Without debug information (the compiler's own code at the end of a
            // program) there are no frames but the symbol.
            let is_bare = ours.is_empty()
                && matches!(theirs.as_slice(), [(function, source)]
                    if source == "??" && Some(&**function) == code.function.as_deref());
            if ours == theirs || is_bare {
                continue;
            }
            // Where DWARF has a function without the name that the linker would know
            // (it is local, or a lambda), binutils takes the symbol at the address
            // for it, although that is what it was inlined into.
            let is_symbol = Some(&*theirs[0].0) == code.function.as_deref();
            let is_local = ours.first().is_some_and(|(name, _)| {
                !name.contains("::") && (!name.ends_with(')') || name == "operator()")
            });
            let others = ours.len() > 1 && ours[1..] == theirs[1..] && ours[0].1 == theirs[0].1;
            if is_symbol && is_local && others {
                local += 1;
                continue;
            }
            differences.push(format!("{address:#x}: {ours:?}, addr2line {theirs:?}"));
        }
        eprintln!(
            "{what}: {} instructions, {inlined} of them inlined ({local} in a local function that \
             binutils calls by the symbol), {stubs} in stubs, {} differ from addr2line{}{}",
            code.len(),
            differences.len(),
            if differences.is_empty() { "" } else { ":\n" },
            differences.join("\n")
        );
        // Which instructions are sampled is chance, and compilers make odd ones.
        assert!(differences.len() * 100 <= code.len(), "{what}");
        (code.len(), inlined)
    }
}

/// Functions and lines at addresses of a file, the innermost first, as
/// `addr2line -i` prints them.
fn addr2line(file: &Path, addresses: &[u64]) -> Vec<Vec<(String, String)>> {
    let mut command = Command::new("addr2line");
    command
        .args(["-a", "-i", "-f", "-C", "-e"])
        .arg(file)
        .args(addresses.iter().map(|address| format!("{address:#x}")))
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut all: Vec<Vec<(String, String)>> = Vec::new();
    let mut lines = printed.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("0x") {
            all.push(Vec::new());
            continue;
        }
        let source = lines.next().unwrap();
        let source = source.split(" (discriminator").next().unwrap();
        // Code that the compiler made has the line 0, which is none.
        let source = match source.rsplit_once(':') {
            Some((_, "?" | "0")) => "??",
            _ => source,
        };
        let frames = all.last_mut().unwrap();
        frames.push((line.to_owned(), source.to_owned()));
    }
    all
}

#[test]
fn a_bundle_has_the_names_that_perf_had_on_the_spot() {
    if installed_perf().is_none() {
        return skipped("perf is not installed");
    }
    if !["addr2line", "objcopy", "strip"].into_iter().all(is_there) {
        return skipped("binutils are not installed");
    }
    let fp: &[&str] = &["g++", "-O2", "-g", "-fno-omit-frame-pointer", "-pthread"];
    let no_fp: &[&str] = &["g++", "-O2", "-g", "-fomit-frame-pointer", "-pthread"];
    let rust: &[&str] = &["rustc", "--edition", "2021", "-O", "-g"];
    let (chains, copies) = (&["-g"][..], &["--call-graph", "dwarf,8192"][..]);
    let programs = [
        ("cpp", fp, CPP, Debug::Inside, chains),
        ("cpp-linked", fp, CPP, Debug::Linked, chains),
        ("cpp-nofp", no_fp, CPP, Debug::ById, copies),
        ("rust", rust, RUST, Debug::Inside, copies),
        ("rust-by-id", rust, RUST, Debug::ById, copies),
    ];
    let (mut compared, mut inlined) = (0, 0);
    for (name, compiler, source, debug, graph) in programs {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path();
        let Some(program) = compiled(folder, name, compiler, source) else {
            continue;
        };
        let Some(carried) = carry(folder, &program, debug, graph) else {
            return;
        };
        let beside = carried.beside.as_deref().map(text);
        let args: Vec<&str> = beside.map_or(vec![], |beside| vec!["--symbol-dir", beside]);
        carried.has_all_binaries(&args, name);
        carried.has_the_names_of_perf(&args, name);
        let (code, with_inlined) = carried.has_the_inlined_functions_of_addr2line(name);
        compared += code;
        inlined += with_inlined;
    }
    if compared > 0 {
        assert!(compared > 300 && inlined > 100, "{compared}, {inlined}");
    }
}
