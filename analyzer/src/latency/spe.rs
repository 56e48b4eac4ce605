//! Operations of Arm SPE as accesses.

use super::access::{Access, Source};
use super::metric::Metric;
use crate::spe::SpeOp;
use contend_perfdata::Midr;

/// The latency of an operation; absent when its record has no such packet, or the
/// hardware no such latency. 0 is a latency.
#[inline]
pub(super) fn latency_of(op: &SpeOp<'_>, metric: Metric) -> Option<u64> {
    let cycles = match metric {
        Metric::Weight => op.total,
        Metric::Issue => op.issue,
        Metric::Translation => op.translation,
        Metric::InsLat | Metric::RetireLat => None,
    };
    cycles.map(u64::from)
}

/// Who answered an operation; absent when it is no access.
#[inline]
pub(super) fn source_of(op: &SpeOp<'_>) -> Option<Source> {
    op.class().map(|class| Source {
        class,
        code: op.code,
        model: op.core.midr.map_or(0, Midr::model),
    })
}

/// An operation as an access; absent when it is none.
#[inline]
pub(super) fn access_of(op: &SpeOp<'_>, metric: Metric, period: Option<u64>) -> Option<Access> {
    Some(Access {
        ip: op.ip,
        addr: op.addr,
        phys_addr: op.phys_addr,
        thread: (op.pid, op.tid),
        cpu: op.cpu,
        mode: op.mode as u8,
        at: op.at,
        has_time: op.time.is_some(),
        source: source_of(op)?,
        latency: latency_of(op, metric),
        period,
    })
}
