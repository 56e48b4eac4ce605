//! Off-host analysis of perf captures.
