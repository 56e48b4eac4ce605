//! Headers of real captures, compared with what the crate `linux-perf-data`
//! reads of them.
//!
//! The captures lie beside the repository, in `../shared/captures`; the
//! variable CONTEND_SHARED names another place for `../shared`. Without them
//! these tests say so and pass.

#![allow(
    clippy::unwrap_used,
    reason = "a test that fails by unwrapping fails as it should"
)]

use std::fs;
use std::io::Cursor as IoCursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use contend_perfdata::{
    Cursor, Endianness, Error, Format, Header, SampleFormat, Writer, foreign, record_kind as record,
};
use linux_perf_data::{PerfFile, PerfFileReader};

/// The captures by their path below `captures`, the packed ones unpacked.
fn captures() -> Vec<(String, Vec<u8>)> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("CONTEND_SHARED").map_or(beside, PathBuf::from);
    let folder = shared.join("captures");
    let mut paths = Vec::new();
    collect(&folder, &mut paths);
    paths.sort();
    if paths.is_empty() {
        println!("skipped: ../shared absent");
    }
    let name = |path: &Path| path.strip_prefix(&folder).unwrap().display().to_string();
    paths
        .iter()
        .filter_map(|path| Some((name(path), content(path)?)))
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, paths);
        } else if name.ends_with(".data") || name.ends_with(".data.xz") {
            paths.push(path);
        }
    }
}

fn content(path: &Path) -> Option<Vec<u8>> {
    if path.extension().is_some_and(|extension| extension == "xz") {
        let Ok(output) = Command::new("xz").arg("-dc").arg(path).output() else {
            println!("skipped: no xz to unpack {}", path.display());
            return None;
        };
        assert!(output.status.success(), "xz -dc {}", path.display());
        return Some(output.stdout);
    }
    Some(fs::read(path).unwrap())
}

/// Hands every record of the data section to the header, as the record walk
/// does. Stops where a record makes no sense.
fn absorb_records(header: &mut Header, bytes: &[u8]) {
    let range = header.data.start as usize..header.data.end as usize;
    let mut cursor = Cursor::new(&bytes[range], header.endian);
    let mut next = || {
        let (kind, misc, size) = (cursor.u32()?, cursor.u16()?, cursor.u16()?);
        let size = foreign::record_size(kind, misc, size) as usize;
        let body = cursor.bytes(size.checked_sub(8)?)?;
        let payload = match kind {
            record::HEADER_TRACING_DATA if body.len() <= 8 => {
                let size = Cursor::new(body, cursor.endian()).u32()?;
                cursor.bytes(size.next_multiple_of(8) as usize)?
            }
            record::AUXTRACE => {
                let size = Cursor::new(body, cursor.endian()).u64()?;
                cursor.bytes(size as usize)?
            }
            _ => &[],
        };
        header.absorb_record_with_misc(kind, misc, body, payload);
        Some(())
    };
    while next().is_some() {}
}

#[allow(clippy::ptr_arg, reason = "a slice is no sized source")]
fn open(bytes: &Vec<u8>) -> Result<Header, Error> {
    let mut header = Header::read(bytes)?;
    absorb_records(&mut header, bytes);
    Ok(header)
}

/// The same file by the other reader, where that can open it.
fn oracle(header: &Header, bytes: &[u8]) -> Option<PerfFile> {
    // It takes memory by the lengths in the file and asserts on some of them.
    let read = || match header.format {
        Format::File => PerfFileReader::parse_file(IoCursor::new(bytes)).map(|file| file.perf_file),
        _ => PerfFileReader::parse_pipe(IoCursor::new(bytes)).map(|file| file.perf_file),
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .ok()?
        .ok()
}

fn compare(name: &str, header: &Header, oracle: &PerfFile) {
    let features = &header.features;
    assert_eq!(
        features.hostname.as_deref(),
        oracle.hostname().unwrap(),
        "{name}"
    );
    assert_eq!(
        features.os_release.as_deref(),
        oracle.os_release().unwrap(),
        "{name}"
    );
    assert_eq!(
        features.perf_version.as_deref(),
        oracle.perf_version().unwrap(),
        "{name}"
    );
    assert_eq!(features.arch.as_deref(), oracle.arch().unwrap(), "{name}");
    assert_eq!(
        features.cpu_desc.as_deref(),
        oracle.cpu_desc().unwrap(),
        "{name}"
    );
    assert_eq!(
        features.cpuid.as_deref(),
        oracle.cpu_id().unwrap(),
        "{name}"
    );
    assert_eq!(features.total_mem_kb, oracle.total_mem().unwrap(), "{name}");
    let ours = features.nr_cpus.map(|cpus| (cpus.available, cpus.online));
    let theirs = oracle.nr_cpus().unwrap();
    let theirs = theirs.map(|cpus| (cpus.nr_cpus_available, cpus.nr_cpus_online));
    assert_eq!(ours, theirs, "{name}");
    if header.writer != Writer::Hiperf {
        let theirs = oracle.cmdline().unwrap().unwrap_or_default();
        assert_eq!(features.cmdline, theirs, "{name}");
    }
    let theirs = oracle.sample_time_range().unwrap();
    let theirs = theirs.map(|range| (range.first_sample_time, range.last_sample_time));
    let ours = features.sample_time.map(|time| (time.first, time.last));
    assert_eq!(ours, theirs, "{name}");
    let theirs = oracle.pmu_mappings().unwrap();
    let theirs = theirs.map_or(0, |mappings| mappings.0.len());
    assert_eq!(features.pmu_mappings.len(), theirs, "{name}");

    let theirs = oracle.event_attributes();
    assert_eq!(header.attrs.len(), theirs.len(), "{name}");
    for (ours, theirs) in header.attrs.iter().zip(theirs) {
        // Without EVENT_DESC it does not look for the ids of a file.
        if !theirs.ids().is_empty() {
            assert_eq!(ours.ids, theirs.ids(), "{name}");
        }
        if let Some(name_there) = theirs.name() {
            assert_eq!(ours.name.as_deref(), Some(name_there), "{name}");
        }
        let (attr, there) = (&ours.attr, theirs.attributes());
        assert_eq!(attr.sample_format(), there.sample_format, "{name}");
        assert_eq!(
            attr.branch_sample_type,
            there.branch_sample_format.bits(),
            "{name}"
        );
        assert_eq!(attr.sample_regs_user, there.sample_regs_user, "{name}");
        assert_eq!(attr.sample_stack_user, there.sample_stack_user, "{name}");
        assert_eq!(attr.sample_max_stack, there.sample_max_stack, "{name}");
        if header.endian == Endianness::LittleEndian {
            assert_eq!(attr.attr_flags(), there.flags, "{name}");
        }
    }
}

#[test]
fn every_capture_opens_or_says_why() {
    let mut compared = Vec::new();
    for (name, bytes) in captures() {
        let header = match open(&bytes) {
            Ok(header) => header,
            Err(error) => {
                println!("{name}: {error}");
                assert_eq!(error.to_string().lines().count(), 1);
                continue;
            }
        };
        let names: Vec<_> = header
            .attrs
            .iter()
            .take(6)
            .map(|event| event.display_name(&header.features))
            .collect();
        println!(
            "{name}: {:?} {:?} {:?}, data {:?}, {} events {names:?}",
            header.format,
            header.endian,
            header.writer,
            header.data,
            header.attrs.len(),
        );
        for note in &header.notes {
            println!("    {note}");
        }
        assert!(header.data.end <= bytes.len() as u64);
        let damaged = ["fuzz-", "truncated", "corrupted", "-cut"];
        let damaged = damaged.iter().any(|word| name.contains(word));
        if !damaged && header.format != Format::V1 && !name.contains("unfinished") {
            assert_eq!(header.notes, [], "{name}");
        }
        if !name.contains("fuzz-")
            && header.format != Format::V1
            && let Some(oracle) = oracle(&header, &bytes)
        {
            compare(&name, &header, &oracle);
            compared.push(name);
        }
    }
    println!("compared with linux-perf-data: {compared:#?}");
    assert!(
        compared.is_empty() || compared.len() > 40,
        "{}",
        compared.len()
    );
}

/// The header of one capture, by the end of its path.
fn capture(end: &str) -> Option<(Vec<u8>, Header)> {
    let (name, bytes) = captures()
        .into_iter()
        .find(|(name, _)| name.ends_with(end))?;
    println!("{name}");
    let header = open(&bytes).unwrap();
    Some((bytes, header))
}

#[test]
fn amd_ibs_capture_with_an_attribute_of_136_bytes() {
    let Some((_, header)) = capture("amd-epyc9254-ibs-c2c-ring.perf.data.xz") else {
        return;
    };
    assert_eq!(header.attrs[0].attr.size, 136);
    assert_eq!(header.display_name(0).as_deref(), Some("ibs_op//"));
    let memory = SampleFormat::DATA_SRC | SampleFormat::WEIGHT_STRUCT | SampleFormat::ADDR;
    assert!(header.attrs[0].attr.has(memory) || header.attrs[0].attr.has(SampleFormat::WEIGHT));
    assert_eq!(header.features.cache_line_size(), Some(64));
    assert_eq!(header.features.nr_cpus.unwrap().online, 48);
    assert_eq!(header.features.numa_topology.len(), 1);
    assert_eq!(
        header.features.numa_topology[0].cpus,
        (0..48).collect::<Vec<_>>()
    );
    let topology = header.features.cpu_topology.unwrap();
    assert_eq!(topology.cpus.len(), 48);
}

#[test]
fn four_sockets_with_cpus_that_are_not_there() {
    let Some((_, header)) = capture("intel-ivbep-4socket-mem-loads.perf.data") else {
        return;
    };
    let cpus = header.features.nr_cpus.unwrap();
    assert_eq!((cpus.available, cpus.online), (64, 32));
    let nodes: Vec<_> = header
        .features
        .numa_topology
        .iter()
        .map(|node| node.id)
        .collect();
    assert_eq!(nodes, [0, 1, 2, 3]);
    assert_eq!(header.attrs[0].attr.precise(), 2);
}

#[test]
fn damon_capture_as_perf_prints_it() {
    // perf report --header-only -I (perf 6.1).
    let Some((_, header)) = capture("tracepoint-damon-10k-perf512.perf.data") else {
        return;
    };
    let features = &header.features;
    assert_eq!(header.data, 408..1_392_632);
    assert_eq!(features.hostname.as_deref(), Some("lkhack"));
    assert_eq!(
        features.cmdline[1..],
        ["record", "-e", "damon:damon_aggregated"]
    );
    assert_eq!(
        (&header.attrs[0].ids, &header.attrs[1].ids),
        (&vec![41, 42], &vec![43, 44])
    );
    let memory = features.mem_topology.as_ref().unwrap();
    assert_eq!((memory.block_size, memory.nodes.len()), (0x800_0000, 1));
    assert_eq!(memory.nodes[0].blocks, [0..=23, 32..=39]);
    assert_eq!(features.caches.len(), 8);
    let time = features.sample_time.unwrap();
    assert_eq!(
        (time.first / 1_000, time.last / 1_000),
        (82_820_952_659, 82_877_315_633)
    );
    assert_eq!(features.bpf_prog_infos, Some(6));
    let sockets: Vec<_> = features
        .cpu_topology
        .as_ref()
        .unwrap()
        .cpus
        .iter()
        .map(|cpu| cpu.socket)
        .collect();
    assert_eq!(sockets, [Some(0), Some(1)]);
    let event = features
        .tracing_data
        .as_ref()
        .unwrap()
        .event(header.attrs[0].attr.config)
        .unwrap();
    assert_eq!(
        (event.system.as_str(), event.name.as_str()),
        ("damon", "damon_aggregated")
    );
}

#[test]
fn simpleperf_tracepoint_formats_in_split_records() {
    let Some((_, header)) = capture("simpleperf-split-records.perf.data") else {
        return;
    };
    assert_eq!(header.writer, Writer::Simpleperf);
    let formats = header.features.tracing_data.as_ref().unwrap();
    assert!(formats.complete);
    assert_eq!(header.attrs.len(), 200);
    for event in &header.attrs {
        let format = formats.event(event.attr.config).unwrap();
        let name = format!("{}:{}", format.system, format.name);
        assert_eq!(event.name.as_ref(), Some(&name));
    }
}

#[test]
fn hiperf_features() {
    let Some((_, header)) = capture("hiperf-arm64-fp-uncompress.perf.data") else {
        return;
    };
    assert_eq!(header.writer, Writer::Hiperf);
    assert_eq!(header.features.cmdline[..3], ["hiperf", "record", "-s"]);
    assert_eq!(
        header.features.record_time.as_deref(),
        Some("Sat Aug  5 17:06:03 2017")
    );
    assert_eq!(header.features.unknown().collect::<Vec<_>>(), [192, 194]);
    assert_eq!(header.display_name(0).as_deref(), Some("hw-cpu-cycles"));
}

#[test]
fn version_one() {
    let Some((bytes, header)) = capture("v1-magic-PERFFILE-el7.perf.data") else {
        return;
    };
    assert_eq!(header.format, Format::V1);
    assert_eq!(header.attrs.len(), 1);
    assert_eq!(
        (header.attrs[0].attr.size, header.attrs[0].ids.len()),
        (72, 1)
    );
    assert_eq!(header.display_name(0).as_deref(), Some("cpu-clock"));
    assert_eq!(header.data, 0x110..bytes.len() as u64 - 16);
}

#[test]
fn a_header_cut_at_every_byte_or_with_any_byte_changed() {
    let Some((bytes, header)) = capture("file-uncompressed-twin-perf616.perf.data") else {
        return;
    };
    let before = header.data.start as usize;
    let behind = header.data.end as usize;
    for cut in (0..before + 200).chain(behind - 8..bytes.len()) {
        match Header::read(&bytes[..cut].to_vec()) {
            Ok(header) => assert!(!header.notes.is_empty(), "cut at {cut}"),
            Err(error) => assert!(cut < 104, "cut at {cut}: {error}"),
        }
    }
    let mut changed = bytes.clone();
    for at in (0..before).chain(behind..bytes.len()) {
        for value in [0, 0xff, bytes[at] ^ 0x80, bytes[at].wrapping_add(1)] {
            changed[at] = value;
            if let Ok(header) = Header::read(&changed) {
                assert!(header.data.end <= bytes.len() as u64);
            }
        }
        changed[at] = bytes[at];
    }
}
