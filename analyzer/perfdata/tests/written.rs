//! What the writer writes, the reader reads, and so does a second reader.

#![allow(clippy::unwrap_used)]

use contend_perfdata::write::{
    EventSpec, FeatureSet, FileIdentity, FileWriter, Mapping, RecordBuffer, SampleFields, Stamp,
    feature_bit, flag, misc, sample,
};
use contend_perfdata::{FileSource, PerfData};
use std::sync::Arc;

fn event(name: &str, more: u64, id: u64) -> EventSpec {
    EventSpec {
        kind: 1,
        config: 10,
        period: 1,
        sample_type: sample::IDENTIFIER
            | sample::IP
            | sample::TID
            | sample::TIME
            | sample::CPU
            | more,
        flags: flag::SAMPLE_ID_ALL | flag::USE_CLOCKID,
        clock: 1,
        name: name.to_owned(),
        ids: vec![id],
    }
}

/// A file of two events, with features or as a killed recorder leaves it.
fn written(is_whole: bool) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let events = [
        event(
            "time",
            sample::ADDR | sample::PERIOD | sample::CALLCHAIN,
            71,
        ),
        event("detail", sample::RAW, 72),
    ];
    let mut features = FeatureSet::new();
    features.text(feature_bit::HOSTNAME, "somewhere");
    features.cpus(8, 6);
    features.command(&["record".to_owned(), "-a".to_owned()]);
    features.events(&events);
    features.build_id(&[7; 20], b"/bin/x", false);
    let mut writer = FileWriter::new(file.reopen().unwrap(), &events).unwrap();
    let mut records = RecordBuffer::new();
    for event in &events {
        records.event_name(event);
    }
    let stamp = Stamp {
        pid: 3,
        tid: 4,
        time: 1000,
        cpu: 5,
    };
    let mapping = Mapping {
        start: 0x1000,
        len: 0x2000,
        offset: 0,
        protection: 5,
        flags: 2,
        identity: FileIdentity::BuildId(vec![7; 20]),
        path: b"/bin/x",
    };
    records.mmap2(&events[0], stamp, &mapping);
    records.comm(&events[0], stamp, b"thread");
    writer.append(records.bytes()).unwrap();
    records.clear();
    let fields = SampleFields {
        ip: 0x1010,
        stamp,
        addr: 0xabc,
        period: 77,
        kernel: &[0xffff_8000_0000_1000],
        user: &[0x1010, 0x1020],
        raw: b"twelve bytes",
    };
    records.sample(&events[0], misc::KERNEL, &fields);
    records.sample(&events[1], misc::USER, &fields);
    records.finished_round();
    writer.append(records.bytes()).unwrap();
    if is_whole {
        writer.finish(&features).unwrap();
    }
    file
}

#[test]
fn samples_and_features_come_back() {
    for is_whole in [true, false] {
        let file = written(is_whole);
        let source = FileSource::new(file.reopen().unwrap()).unwrap();
        let data = PerfData::open(Arc::new(source)).unwrap();
        let header = data.header();
        assert!(header.notes.is_empty(), "{:?}", header.notes);
        let names = header
            .attrs
            .iter()
            .map(|it| it.display_name(&header.features));
        assert_eq!(names.collect::<Vec<_>>(), ["time", "detail"]);
        if is_whole {
            assert_eq!(header.features.hostname.as_deref(), Some("somewhere"));
            assert_eq!(header.features.cmdline, ["record", "-a"]);
            assert_eq!(header.features.build_ids.len(), 1);
        }
        let pool = rayon_pool();
        let (found, report) = data
            .walker(1 << 16)
            .walk(&pool, Vec::new, |found: &mut Vec<_>, batch| {
                for record in batch.records().filter(|record| record.kind == 9) {
                    let events = data.events();
                    let event = events.event_of(record.body).unwrap();
                    let sample = events.layout(event).unwrap().decode(record.body).unwrap();
                    assert_eq!(sample.pid_tid, Some((3, 4)));
                    assert_eq!((sample.time, sample.cpu), (Some(1000), Some(5)));
                    let chain = sample.callchain.map(|chain| chain.len());
                    let raw = sample.raw.map(<[u8]>::to_vec);
                    found.push((event, sample.addr, sample.period, chain, raw));
                }
            })
            .unwrap();
        assert_eq!(report.lost_bytes(), 0);
        let found: Vec<_> = found.into_iter().flatten().collect();
        assert_eq!(found[0], (0, Some(0xabc), Some(77), Some(5), None));
        let raw = found[1].4.as_deref().unwrap();
        assert!(raw.starts_with(b"twelve bytes"));
    }
}

fn rayon_pool() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build()
        .unwrap()
}

#[test]
fn a_second_reader_agrees() {
    let file = written(true);
    let reader = std::io::BufReader::new(file.reopen().unwrap());
    let mut perf = linux_perf_data::PerfFileReader::parse_file(reader).unwrap();
    let names: Vec<_> = perf
        .perf_file
        .event_attributes()
        .iter()
        .map(|it| it.name.clone())
        .collect();
    assert_eq!(names, [Some("time".to_owned()), Some("detail".to_owned())]);
    let mut records = 0;
    while let Some(record) = perf.record_iter.next_record(&mut perf.perf_file).unwrap() {
        if let linux_perf_data::PerfFileRecord::EventRecord { .. } = record {
            records += 1;
        }
    }
    assert!(records >= 4, "{records}");
}
