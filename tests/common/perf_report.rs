//! A reader of the text that `perf c2c report --stdio` prints, of perf 6.1 and 7.2.
//!
//! perf has no machine-readable form of this report. What helps: every column but
//! the last few (symbol, object, source line, node) is one word, and the header
//! says which of them there are. So a row is a known number of words, and then a
//! rest whose columns are at least two blanks apart.
//!
//! ```text
//!   100.00%    0.00%  …  0x8     0       1  0x401295  …  85    1  [.] name(int, char)  object   0  1
//!   └────────── words, one each ───────────────────────────────┘  └── rest, two blanks apart ──┘
//! ```

use std::collections::BTreeMap;

/// One report.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// "Trace Event Information", by printed label. Percentages are left out.
    pub(crate) stats: BTreeMap<String, i64>,
    /// The percentages of that block; not a number when there is no LLC miss.
    pub(crate) stat_percents: BTreeMap<String, f64>,
    /// "Global Shared Cache Line Event Information", by printed label.
    pub(crate) shared: BTreeMap<String, i64>,
    /// Events, in the order of the file.
    pub(crate) events: Vec<String>,
    /// "Cachelines sort on".
    pub(crate) sort_on: String,
    /// "Cacheline data grouping".
    pub(crate) grouping: String,
    /// "Shared Data Cache Line Table".
    pub(crate) lines: Vec<Line>,
    /// "Shared Cache Line Distribution Pareto".
    pub(crate) pareto: Vec<ParetoLine>,
}

/// A row of the line table. Counts are as printed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) index: usize,
    pub(crate) address: u64,
    /// Memory nodes; none for `N/A`.
    pub(crate) node: Vec<u32>,
    pub(crate) pa_cnt: u64,
    /// Per cent of all samples of the display metric.
    pub(crate) share: f64,
    /// Total, local, remote of the display metric: HITM, or peer in peer mode.
    pub(crate) metric: [u64; 3],
    pub(crate) records: u64,
    pub(crate) loads: u64,
    pub(crate) stores: u64,
    pub(crate) st_l1hit: u64,
    pub(crate) st_l1miss: u64,
    pub(crate) st_na: u64,
    pub(crate) ld_fbhit: u64,
    pub(crate) ld_l1hit: u64,
    pub(crate) ld_l2hit: u64,
    pub(crate) ld_llchit: u64,
    pub(crate) lcl_hitm: u64,
    pub(crate) rmt_hit: u64,
    pub(crate) rmt_hitm: u64,
    pub(crate) lcl_dram: u64,
    pub(crate) rmt_dram: u64,
}

/// The summary of a line in the Pareto table, and its rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ParetoLine {
    pub(crate) index: usize,
    /// Remote, local of the display metric, in the order that perf prints.
    pub(crate) metric: [u64; 2],
    pub(crate) stores: [u64; 3],
    pub(crate) address: u64,
    pub(crate) rows: Vec<Row>,
}

/// A row of the Pareto table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Remote and local metric, store L1 hit, L1 miss, N/A: per cent of the line's.
    pub(crate) percent: [f64; 5],
    pub(crate) offset: u64,
    pub(crate) node: Vec<u32>,
    pub(crate) pa_cnt: u64,
    pub(crate) pid: Option<i64>,
    pub(crate) ip: u64,
    /// Mean cycles of remote, local, other loads, as printed.
    pub(crate) cycles: [u64; 3],
    pub(crate) records: u64,
    pub(crate) cpus: u64,
    /// With perf's `[.]` or `[k]` in front.
    pub(crate) symbol: String,
    pub(crate) object: String,
    pub(crate) source: Option<String>,
    /// NUMA nodes whose CPUs were there.
    pub(crate) nodes: Vec<u32>,
}

impl Report {
    /// Whether perf showed peer snoops instead of HITM.
    pub(crate) fn peer_mode(&self) -> bool {
        self.sort_on == "Peer Snoop"
    }
}

#[derive(PartialEq)]
enum Section {
    None,
    Stats,
    Shared,
    Details,
    Lines,
    Pareto,
}

/// Reads a report. An error names the line of text that was not understood.
pub(crate) fn parse(text: &str) -> Result<Report, String> {
    let mut report = Report::default();
    let mut section = Section::None;
    let mut columns = Columns::default();
    let mut expect_title = false;
    for (number, line) in text.lines().enumerate() {
        let failed = |what: &str| format!("line {}: {what}: {line:?}", number + 1);
        let trimmed = line.trim();
        if trimmed.starts_with("=====") {
            expect_title = !expect_title;
            continue;
        }
        if expect_title {
            section = match trimmed {
                "Trace Event Information" => Section::Stats,
                "Global Shared Cache Line Event Information" => Section::Shared,
                "c2c details" => Section::Details,
                "Shared Data Cache Line Table" => Section::Lines,
                "Shared Cache Line Distribution Pareto" => Section::Pareto,
                _ => return Err(failed("unknown section")),
            };
            continue;
        }
        if trimmed.is_empty() {
            continue;
        }
        match section {
            Section::None => {}
            Section::Stats | Section::Shared => {
                let (label, value) = trimmed
                    .rsplit_once(" : ")
                    .ok_or_else(|| failed("no value"))?;
                let (label, value) = (label.trim().to_owned(), value.trim());
                if let Some(percent) = value.strip_suffix('%') {
                    let percent = percent.trim_start_matches('-').parse();
                    let percent = percent.map_err(|_| failed("percentage"))?;
                    report.stat_percents.insert(label, percent);
                } else {
                    let value = value.parse().map_err(|_| failed("count"))?;
                    let block = if section == Section::Stats {
                        &mut report.stats
                    } else {
                        &mut report.shared
                    };
                    block.insert(label, value);
                }
            }
            Section::Details => {
                let (label, value) = trimmed.split_once(": ").ok_or_else(|| failed("no value"))?;
                let value = value.trim().to_owned();
                match label.trim() {
                    "Events" | "" => report.events.push(value),
                    "Cachelines sort on" => report.sort_on = value,
                    "Cacheline data grouping" => report.grouping = value,
                    _ => return Err(failed("unknown detail")),
                }
            }
            Section::Lines => {
                if !trimmed.starts_with('#') {
                    let row = parse_line(trimmed).ok_or_else(|| failed("line row"))?;
                    report.lines.push(row);
                }
            }
            Section::Pareto => {
                if trimmed.starts_with('#') {
                    columns.learn(trimmed);
                } else if trimmed.starts_with("-----") {
                } else if !trimmed.contains('%') && trimmed.split_whitespace().count() == 7 {
                    let summary = parse_summary(trimmed).ok_or_else(|| failed("summary"))?;
                    report.pareto.push(summary);
                } else {
                    let row = columns.parse_row(trimmed).ok_or_else(|| failed("row"))?;
                    let line = report.pareto.last_mut();
                    line.ok_or_else(|| failed("row before any line"))?
                        .rows
                        .push(row);
                }
            }
        }
    }
    Ok(report)
}

/// Columns of the Pareto table that are not always there.
#[derive(Default)]
struct Columns {
    pid: bool,
    source: bool,
}

impl Columns {
    fn learn(&mut self, header: &str) {
        if header.contains("Code address") {
            self.pid = header.split_whitespace().any(|word| word == "Pid");
            self.source = header.contains("Source:Line");
        }
    }

    fn parse_row(&self, text: &str) -> Option<Row> {
        let mut words = Words(text);
        let mut percent = [0.0; 5];
        for value in &mut percent {
            *value = words
                .word()?
                .strip_suffix('%')?
                .trim_start_matches('-')
                .parse()
                .ok()?;
        }
        let offset = hex(words.word()?)?;
        let node = node_list(words.word()?)?;
        let pa_cnt = words.word()?.parse().ok()?;
        let pid = if self.pid {
            Some(words.word()?.parse().ok()?)
        } else {
            None
        };
        let ip = hex(words.word()?)?;
        let mut cycles = [0; 3];
        for value in &mut cycles {
            *value = words.word()?.parse().ok()?;
        }
        let records = words.word()?.parse().ok()?;
        let cpus = words.word()?.parse().ok()?;

        let mut rest = words
            .0
            .split("  ")
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let symbol = rest.next()?.to_owned();
        let object = rest.next().unwrap_or_default().to_owned();
        let mut rest: Vec<&str> = rest.flat_map(str::split_whitespace).collect();
        let source = (self.source && !rest.is_empty()).then(|| rest.remove(0).to_owned());
        let nodes = rest
            .into_iter()
            .map(|node| node.parse().ok())
            .collect::<Option<_>>()?;
        Some(Row {
            percent,
            offset,
            node,
            pa_cnt,
            pid,
            ip,
            cycles,
            records,
            cpus,
            symbol,
            object,
            source,
            nodes,
        })
    }
}

fn parse_line(text: &str) -> Option<Line> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [index, address, node, pa_cnt, share, counts @ ..] = words.as_slice() else {
        return None;
    };
    let counts: Vec<u64> = counts
        .iter()
        .map(|word| word.parse().ok())
        .collect::<Option<_>>()?;
    let counts: [u64; 18] = counts.try_into().ok()?;
    let [
        total,
        local,
        remote,
        records,
        loads,
        stores,
        st_l1hit,
        st_l1miss,
        st_na,
        ..,
    ] = counts;
    let [
        ..,
        ld_fbhit,
        ld_l1hit,
        ld_l2hit,
        ld_llchit,
        lcl_hitm,
        rmt_hit,
        rmt_hitm,
        lcl_dram,
        rmt_dram,
    ] = counts;
    Some(Line {
        index: index.parse().ok()?,
        address: hex(address)?,
        node: node_list(node)?,
        pa_cnt: pa_cnt.parse().ok()?,
        share: share.strip_suffix('%')?.parse().ok()?,
        metric: [total, local, remote],
        records,
        loads,
        stores,
        st_l1hit,
        st_l1miss,
        st_na,
        ld_fbhit,
        ld_l1hit,
        ld_l2hit,
        ld_llchit,
        lcl_hitm,
        rmt_hit,
        rmt_hitm,
        lcl_dram,
        rmt_dram,
    })
}

fn parse_summary(text: &str) -> Option<ParetoLine> {
    let mut words = text.split_whitespace();
    let index = words.next()?.parse().ok()?;
    let mut count = || words.next()?.parse::<u64>().ok();
    let metric = [count()?, count()?];
    let stores = [count()?, count()?, count()?];
    Some(ParetoLine {
        index,
        metric,
        stores,
        address: hex(words.next()?)?,
        rows: Vec::new(),
    })
}

/// The part of a row not read yet.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn word(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

fn hex(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

/// `0-1,3` to 0, 1, 3.
fn node_list(word: &str) -> Option<Vec<u32>> {
    if word == "N/A" {
        return Some(Vec::new());
    }
    let mut nodes = Vec::new();
    for part in word.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        nodes.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(nodes)
}
