//! The reader of perf's text, on an excerpt in perf's layout and on what perf wrote.

use crate::common::capture::Capture;
use crate::common::compare::{self, Ties};
use crate::common::counters::COUNTERS;
use crate::common::perf_report::parse;
use crate::common::shared_captures;
use serde_json::{Value, json};

/// Two lines in the layout of perf 7.2: with source, without, unknown nodes,
/// names with blanks, a name cut at 30 columns.
const EXCERPT: &str = "\
=================================================
            Trace Event Information              
=================================================
  Total records                     :         12
  Load LLC Misses                   :          0
  LLC Misses to Local DRAM          :       -nan%
  Store Operations                  :          5

=================================================
    Global Shared Cache Line Event Information   
=================================================
  Total Shared Cache Lines          :          1

=================================================
                 c2c details                     
=================================================
  Events                            : cpu/mem-loads,ldlat=30/P
                                    : cpu/mem-stores/P
  Cachelines sort on                : Total HITMs
  Cacheline data grouping           : offset,iaddr

=================================================
           Shared Data Cache Line Table          
=================================================
#
#        ----------- Cacheline ----------      Tot  ------- Load Hitm -------    Total    Total    Total  --------- Stores --------  ----- Core Load Hit -----  - LLC Load Hit --  - RMT Load Hit --  --- Load Dram ----
# Index             Address  Node  PA cnt     Hitm    Total  LclHitm  RmtHitm  records    Loads   Stores    L1Hit   L1Miss      N/A       FB       L1       L2    LclHit  LclHitm    RmtHit  RmtHitm       Lcl       Rmt
# .....  ..................  ....  ......  .......  .......  .......  .......  .......  .......  .......  .......  .......  .......  .......  .......  .......  ........  .......  ........  .......  ........  ........
#
      0            0x404080   0-1       3   75.00%        4        3        1       11        6        5        3        2        0        0        1        0         0        3         0        1         0         1
      1      0x7f60ed230cc0   N/A       0    0.00%        0        0        0        1        1        0        0        0        0        0        0        0         0        0         0        0         1         0

=================================================
      Shared Cache Line Distribution Pareto      
=================================================
#
#        ----- HITM -----  ------- Store Refs ------  --------- Data address ---------                      ---------- cycles ----------    Total       cpu                                 Shared                     
#   Num  RmtHitm  LclHitm   L1 Hit  L1 Miss      N/A              Offset  Node  PA cnt        Code address  rmt hitm  lcl hitm      load  records       cnt                       Symbol    Object    Source:Line  Node
# .....  .......  .......  .......  .......  .......  ..................  ....  ......  ..................  ........  ........  ........  .......  ........  ...........................  ........  .............  ....
#
  ----------------------------------------------------------------------
      0        1        3        3        2        0            0x404080
  ----------------------------------------------------------------------
         100.00%   33.33%   -nan%    0.00%    0.00%                 0x8   0-1       2            0x401295      1568      1330       164        5        16  [.] add(Counter*, int, std::p  my prog   counter.c:36   0  1
           0.00%   66.67%  100.00%    0.00%    0.00%                0x10   N/A       0            0x4012a0         0      1322         0        6         1  [.] main                     my prog   counter.c:37   1

  ----------------------------------------------------------------------
      1        0        0        0        0        0      0x7f60ed230cc0
  ----------------------------------------------------------------------
";

#[test]
fn reads_every_section() {
    let report = parse(EXCERPT).unwrap();
    assert_eq!(report.stats["Total records"], 12);
    assert_eq!(report.stats["Store Operations"], 5);
    assert!(report.stat_percents["LLC Misses to Local DRAM"].is_nan());
    assert_eq!(report.shared["Total Shared Cache Lines"], 1);
    assert_eq!(
        report.events,
        ["cpu/mem-loads,ldlat=30/P", "cpu/mem-stores/P"]
    );
    assert_eq!(report.sort_on, "Total HITMs");
    assert_eq!(report.grouping, "offset,iaddr");
    assert!(!report.peer_mode());

    assert_eq!(report.lines.len(), 2);
    let line = &report.lines[0];
    assert_eq!((line.index, line.address, line.pa_cnt), (0, 0x40_4080, 3));
    assert_eq!(line.node, [0, 1]);
    assert_eq!((line.share, line.metric), (75.0, [4, 3, 1]));
    assert_eq!((line.records, line.loads, line.stores), (11, 6, 5));
    assert_eq!((line.st_l1hit, line.st_l1miss, line.ld_l1hit), (3, 2, 1));
    assert_eq!((line.lcl_hitm, line.rmt_hitm, line.rmt_dram), (3, 1, 1));
    assert!(report.lines[1].node.is_empty());
    assert_eq!(report.lines[1].lcl_dram, 1);
}

#[test]
fn reads_rows_with_blanks_in_their_names() {
    let report = parse(EXCERPT).unwrap();
    assert_eq!(report.pareto.len(), 2);
    let line = &report.pareto[0];
    assert_eq!(
        (line.metric, line.stores, line.address),
        ([1, 3], [3, 2, 0], 0x40_4080)
    );
    let [first, second] = line.rows.as_slice() else {
        panic!("{} rows", line.rows.len())
    };
    assert_eq!(first.symbol, "[.] add(Counter*, int, std::p");
    assert_eq!(
        (first.object.as_str(), first.source.as_deref()),
        ("my prog", Some("counter.c:36"))
    );
    assert_eq!(first.nodes, [0, 1]);
    assert_eq!(first.cycles, [1568, 1330, 164]);
    assert_eq!((first.records, first.cpus, first.ip), (5, 16, 0x40_1295));
    assert!(first.percent[2].is_nan());
    assert_eq!(
        (second.offset, second.percent[1], second.nodes.as_slice()),
        (0x10, 66.67, [1].as_slice())
    );
    assert!(report.pareto[1].rows.is_empty());
}

#[test]
fn without_the_source_column_the_node_follows_the_object() {
    let text = EXCERPT
        .replace("Source:Line", "")
        .replace("counter.c:36", "")
        .replace("counter.c:37", "");
    let rows = &parse(&text).unwrap().pareto[0].rows;
    assert_eq!(
        (rows[0].object.as_str(), rows[0].source.as_deref()),
        ("my prog", None)
    );
    assert_eq!(rows[0].nodes, [0, 1]);
}

#[test]
fn a_line_that_is_not_perfs_is_named() {
    let text = EXCERPT.replace("75.00%", "many");
    let error = parse(&text).unwrap_err();
    assert!(error.contains("line 30: line row"), "{error}");
}

/// Values looked up by hand.
#[test]
fn reads_what_perf_wrote() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let read = |path: &str| {
        let text = std::fs::read_to_string(captures.join(path)).unwrap();
        parse(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
    };

    let amd = read("golden/amd-epyc9254-ibs-c2c-ring.c2c.perf7.2.txt");
    assert_eq!(amd.stats["Unable to parse data source"], 20291);
    assert_eq!(amd.shared["Store HITs on shared lines"], 99);
    assert_eq!(amd.lines.len(), amd.pareto.len());
    assert_eq!(amd.lines[0].address, 0x624b_89b1_7180);
    assert_eq!(
        (
            amd.lines[0].records,
            amd.lines[0].stores,
            amd.lines[0].st_na
        ),
        (124, 99, 78)
    );
    let rows = &amd.pareto[0].rows;
    assert_eq!(rows.len(), 3);
    assert_eq!(
        (rows[2].percent[2], rows[2].percent[4], rows[2].records),
        (95.24, 83.33, 85)
    );
    assert_eq!(
        (
            rows[0].cycles[0],
            rows[0].object.as_str(),
            rows[0].nodes.as_slice()
        ),
        (616, "bench", [0].as_slice())
    );
    assert_eq!(amd.pareto[2].rows[2].cpus, 2);
    assert!(amd.pareto[2].rows[2].node.is_empty());

    let skx = read("golden/intel-skx-load-latency-weight-struct.c2c.perf7.2.txt");
    assert!(skx.stat_percents["LLC Misses to Local DRAM"].is_nan());
    assert_eq!(skx.events.len(), 2);
    assert_eq!((skx.lines.len(), skx.lines[13].address), (14, 0x4e7_ca80));

    let mutex = read("mem-realistic/d_mutex.c2c-report-perf7.2.txt");
    let row = &mutex.pareto[0].rows[0];
    assert_eq!(
        (row.symbol.as_str(), row.source.as_deref()),
        ("[.] __GI___lll_lock_wait", Some("lowlevellock.c:45"))
    );
    assert_eq!(
        (row.cycles, row.records, row.cpus, row.nodes.as_slice()),
        ([460, 231, 287], 302, 8, [0, 1].as_slice())
    );

    let heap = read("mem-realistic/b_heap.c2c-report-perf7.2.txt");
    assert_eq!(
        heap.pareto[0].rows[0].symbol,
        "[.] count_job(WorkerCounter*,"
    );
    assert_eq!(heap.pareto[2].rows[1].symbol, "[.] main");
}

/// The two tables of a report tell of the same lines, and every percentage of a
/// row is a whole number of the line's samples: a column read for another would
/// not be.
#[test]
fn tables_that_perf_wrote_agree() {
    let Some(captures) = shared_captures() else {
        return;
    };
    let mut rows = 0;
    for folder in ["golden", "mem-realistic"] {
        for entry in std::fs::read_dir(captures.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.to_string_lossy().into_owned();
            if !name.ends_with(".c2c.perf7.2.txt") && !name.ends_with(".c2c-report-perf7.2.txt") {
                continue;
            }
            let report = parse(&std::fs::read_to_string(&path).unwrap());
            let report = report.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(
                report.stats.len() == 31 && report.shared.len() == 13,
                "{name}"
            );
            assert_eq!(report.lines.len(), report.pareto.len(), "{name}");
            for (line, pareto) in report.lines.iter().zip(&report.pareto) {
                assert_eq!(
                    (line.index, line.address),
                    (pareto.index, pareto.address),
                    "{name}"
                );
                assert_eq!([line.rmt_hitm, line.lcl_hitm], pareto.metric, "{name}");
                assert_eq!(
                    [line.st_l1hit, line.st_l1miss, line.st_na],
                    pareto.stores,
                    "{name}"
                );
                let stores = pareto.stores;
                let of = [
                    pareto.metric[0],
                    pareto.metric[1],
                    stores[0],
                    stores[1],
                    stores[2],
                ];
                for row in &pareto.rows {
                    for (percent, of) in row.percent.iter().zip(of) {
                        let count = percent * of as f64 / 100.0;
                        assert!(
                            (count - count.round()).abs() < 0.06 * (1.0 + of as f64 / 500.0),
                            "{name}: {row:?}"
                        );
                    }
                    assert!(
                        row.offset < 64 && row.cpus >= 1 && !row.nodes.is_empty(),
                        "{name}: {row:?}"
                    );
                    rows += 1;
                }
            }
        }
    }
    assert!(rows > 100, "{rows} rows");
}

/// The decoder that the tests of damage count with.
#[test]
fn own_decoder_counts_as_perf_does() {
    let Some(captures) = shared_captures() else {
        return;
    };
    for name in [
        "a_static", "b_heap", "c_atomic", "d_mutex", "f_config", "g_rust",
    ] {
        let folder = captures.join("mem-realistic");
        let bytes = std::fs::read(folder.join(format!("{name}.perf.data"))).unwrap();
        let counted = Capture::new(bytes).counters_after_each_record();
        let counted = counted.last().unwrap();
        let mut counters: Value = COUNTERS
            .iter()
            .map(|name| (name.to_string(), json!(counted.get(name))))
            .collect();
        counters["nomap"] = 0.into();
        let path = folder.join(format!("{name}.c2c-report-perf7.2.txt"));
        let report = parse(&std::fs::read_to_string(path).unwrap()).unwrap();
        compare::assert_none(
            name,
            &compare::stats(&json!({ "perf_counters": counters }), &report),
        );
    }
}

/// A document with the excerpt's numbers is equal to it, and one wrong number anywhere
/// is a difference.
#[test]
fn comparison_misses_nothing() {
    fn counters(set: &[(&str, u64)]) -> Value {
        let mut counters: Value = COUNTERS
            .iter()
            .map(|name| (name.to_string(), json!(0)))
            .collect();
        counters["nomap"] = 0.into();
        for (name, value) in set {
            counters[*name] = (*value).into();
        }
        counters
    }
    let first = counters(&[
        ("lcl_hitm", 3),
        ("rmt_hitm", 1),
        ("tot_hitm", 4),
        ("rmt_dram", 1),
        ("ld_l1hit", 1),
        ("store", 5),
        ("st_l1hit", 3),
        ("st_l1miss", 2),
    ]);
    let rows = json!([
        {
            "offset": "0x8", "ip": "0x401295", "cpus": 16, "nodes": [0, 1],
            "perf_counters": counters(&[("lcl_hitm", 1), ("rmt_hitm", 1), ("rmt_dram", 1), ("st_l1hit", 2)]),
            "latency": { "mean_rmt_hitm": 1568.4, "mean_lcl_hitm": 1329.5, "mean_load": 164.0 },
        },
        {
            "offset": 16, "ip": "0x4012a0", "cpus": 1, "nodes": [1],
            "perf_counters": counters(&[("lcl_hitm", 2), ("st_l1hit", 3), ("ld_l1hit", 1)]),
            "latency": { "mean_lcl_hitm": 1322.0 },
        },
    ]);
    let document = json!({
        "perf_counters": counters(&[("nr_entries", 12), ("lcl_hitm", 3), ("rmt_hitm", 1), ("store", 5)]),
        "lines": [
            { "rank": 0, "address": "0x404080", "share": 1.0, "node": [0, 1], "perf_counters": first, "rows": rows },
            { "rank": 1, "address": "0x7f60ed230cc0", "share": 0.0, "perf_counters": counters(&[("lcl_dram", 1)]), "rows": [] },
        ],
    });
    let text = EXCERPT
        .replace("75.00%        4", "100.00%        4")
        .replace("33.33%   -nan%", "33.33%   66.67%");
    let report = parse(&text).unwrap();
    compare::assert_none("equal", &compare::tables(&document, &report, Ties::Ordered));
    compare::assert_none("equal", &compare::tables(&document, &report, Ties::Free));

    let paths = paths_of_numbers(&document["lines"], "/lines");
    assert!(paths.len() > 100);
    // perf prints neither of these on a line or a row.
    let unseen = [
        "nr_entries",
        "locks",
        "blk_data",
        "blk_addr",
        "/load",
        "ld_noadrs",
        "ld_uncache",
        "ld_io",
        "tot_hitm",
        "lcl_peer",
        "rmt_peer",
        "tot_peer",
        "ld_shared",
        "ld_excl",
        "ld_miss",
        "st_noadrs",
        "st_uncache",
        "nomap",
        "noparse",
    ];
    for path in paths
        .iter()
        .filter(|path| !unseen.iter().any(|name| path.ends_with(name)))
    {
        // On a row, `store` is only the reason why it is shown.
        if path.contains("/rows/") && path.ends_with("/store") {
            continue;
        }
        let mut wrong = document.clone();
        let number = wrong.pointer_mut(path).unwrap();
        *number = json!(number.as_f64().unwrap() as u64 + 3);
        let found = compare::tables(&wrong, &report, Ties::Ordered);
        assert!(
            !found.is_empty(),
            "{path} may be wrong without a difference"
        );
    }
}

fn paths_of_numbers(value: &Value, path: &str) -> Vec<String> {
    match value {
        Value::Number(_) => vec![path.to_owned()],
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| paths_of_numbers(field, &format!("{path}/{name}")))
            .collect(),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items
                .flat_map(|(index, item)| paths_of_numbers(item, &format!("{path}/{index}")))
                .collect()
        }
        _ => Vec::new(),
    }
}
