//! Reads everything that a capture tells.

use contend_perfdata::{
    AuxRecord, MemorySample, PerfData, RawRecord, RecordHeader, Sample, SampleLayout, SideBand,
    SpeDecoder, Switch, TraceFormat, feature_name, record_kind, record_name,
};
use std::fmt::Write;

/// Swallows text.
struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _: &str) -> std::fmt::Result {
        Ok(())
    }
}

macro_rules! swallow {
    ($($text:tt)*) => {
        write!(Nowhere, $($text)*).expect("nothing is written")
    };
}

/// The header, its features and its events.
pub(crate) fn header(capture: &PerfData) {
    let header = capture.header();
    swallow!("{header:?} {:?} {}", capture.events(), capture.is_pipe());
    for note in &header.notes {
        swallow!("{note}");
    }
    for index in 0..=header.attrs.len() {
        swallow!("{:?}", header.display_name(index));
    }
    for event in &header.attrs {
        let attr = &event.attr;
        swallow!("{:?} {:?}", attr.sample_format(), attr.attr_flags());
        swallow!("{} {}", attr.precise(), attr.is_frequency());
    }
    let features = &header.features;
    for &bit in &features.present {
        assert!(features.has(bit));
        swallow!("{}", feature_name(bit));
    }
    swallow!(
        "{} {:?}",
        features.unknown().count(),
        features.cache_line_size()
    );
    if let Some(tracing) = &features.tracing_data {
        for event in &tracing.events {
            swallow!("{:?}", TraceFormat::parse(&event.format));
            swallow!("{:?}", event.id.and_then(|id| tracing.event(id)));
        }
    }
}

/// The AUX area, of which each chunk is inside the file.
pub(crate) fn aux(capture: &PerfData, length: u64) {
    let aux = capture.aux();
    swallow!("{:?} {:?} {}", aux.info, aux.time_conv, aux.is_spe());
    let mut decoder = SpeDecoder::default();
    for chunk in &aux.chunks {
        assert!(chunk.place + chunk.available <= length && chunk.available <= chunk.size);
        let source = capture.source_of(chunk).expect("the file is open");
        let stats = decoder.chunk(chunk, source, |decoded| {
            let record = decoded.record;
            swallow!("{:?} {:?}", record.pc(), record.data_address());
            swallow!("{:?}", record.operation().op_class().name());
            if let (Some(conv), Some(count)) = (aux.time_conv, record.timestamp()) {
                conv.time(count);
            }
        });
        let stats = stats.expect("bytes in memory can be read");
        assert!(stats.skipped_bytes + stats.cut_bytes <= chunk.available);
    }
}

/// One record, as every analysis reads it.
pub(crate) fn record(capture: &PerfData, record: &RawRecord<'_>) {
    let &RawRecord {
        kind, misc, body, ..
    } = record;
    let events = capture.events();
    let endian = events.endian();
    swallow!("{}", record_name(kind));
    swallow!("{:?}", events.trailer_of(body).parse(body, endian));
    let header = RecordHeader { kind, misc };
    swallow!("{:?}", SideBand::parse(header, body, endian));
    swallow!("{:?}", AuxRecord::parse(body, endian));
    swallow!("{:?}", Switch::parse(kind, misc, body, endian));
    if kind != record_kind::SAMPLE {
        return;
    }
    let event = events.event_of(body);
    assert_eq!(event, events.event_in(body, record.window()));
    if let Some(layout) = event.and_then(|event| events.layout(event)) {
        sample(layout, record);
    }
    // As of another event: its layout fits the record less well.
    for index in 0..events.len().min(3) {
        sample(events.layout(index).expect("there is one"), record);
    }
}

fn sample(layout: &SampleLayout, record: &RawRecord<'_>) {
    let body = record.body;
    let memory = layout.decode_memory(body);
    let mut quick = MemorySample::default();
    let outcome = layout.decode_memory_in(body, record.window(), &mut quick);
    assert_eq!(outcome.map(|()| quick), memory);
    let time = layout.time(body);
    let Ok(sample) = layout.decode(body) else {
        return;
    };
    fields(&sample);
    let memory = memory.expect("all fields fit into the record");
    assert_eq!(memory.ip, sample.ip.unwrap_or(0));
    assert_eq!(memory.addr, sample.addr.unwrap_or(0));
    assert_eq!((memory.pid, memory.tid), sample.pid_tid.unwrap_or((-1, -1)));
    assert_eq!(memory.time, sample.time.unwrap_or(0));
    assert_eq!(memory.cpu, sample.cpu.unwrap_or(MemorySample::NO_CPU));
    assert_eq!(memory.period, sample.period.unwrap_or(1));
    assert_eq!(memory.data_src, sample.data_src.unwrap_or_default());
    assert_eq!(memory.phys_addr, sample.phys_addr.unwrap_or(0));
    assert_eq!(memory.weight, sample.weight.map_or(0, |it| it.weight));
    assert_eq!(layout.weight(body), sample.weight);
    assert_eq!(time, sample.time);
}

fn fields(sample: &Sample<'_>) {
    swallow!("{sample:?}");
    for words in [
        sample.callchain,
        sample.user_regs.map(|registers| registers.values),
        sample.intr_regs.map(|registers| registers.values),
    ] {
        let words = words.into_iter();
        words.for_each(|words| assert_eq!(words.iter().count(), words.len()));
    }
    if let Some(branches) = sample.branch_stack {
        assert_eq!(branches.iter().count(), branches.len());
        swallow!("{}", branches.counters().count());
    }
}
