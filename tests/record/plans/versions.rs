//! Perfs of other versions.

use super::{all, command};
use crate::hosts;
use contend_record::perf::{Kind, PerfTool};
use std::path::Path;

/// What a perf of 2019 does not know is not asked of it.
#[test]
fn older_perf() {
    let [_, build, help] = hosts::perf_texts();
    let newer = [
        "--control",
        "--buildid-mmap",
        "--max-size",
        "--exclude-perf",
        "--off-cpu",
    ];
    let help: String = help
        .lines()
        .filter(|line| !newer.iter().any(|option| line.contains(option)))
        .fold(String::new(), |text, line| text + line + "\n");
    let tool = PerfTool::from_texts(
        Path::new("/opt/perf 5.4/perf"),
        "perf version 5.4.0\n",
        &build.replace("zstd: [ on  ]", "zstd: [ OFF ]"),
        &help,
    )
    .unwrap();
    let text = all(&hosts::host("skylake"), &tool, Kind::C2c);
    let line = command(&text);
    assert!(
        line.starts_with("'/opt/perf 5.4/perf' record -a "),
        "{line}"
    );
    assert!(
        line.contains("--buildid-all -N")
            && !line.contains("-z")
            && !line.contains("--buildid-mmap"),
        "{line}"
    );

    // No build-ids in mappings before Linux 5.12, whatever perf knows.
    let kernel = hosts::changed(
        "skylake",
        &[("proc/sys/kernel/osrelease", "5.10.0-28-amd64\n")],
    );
    assert!(all(&kernel, &hosts::perf(), Kind::C2c).contains("--buildid-all -N"));
}

#[test]
fn perf_that_cannot_be_used() {
    let [version, build, help] = hosts::perf_texts();
    let path = Path::new("/usr/bin/perf");
    let tool = hosts::perf();
    assert!(tool.has("switch-events") && tool.has("buildid-mmap") && tool.built_with("zstd"));
    assert!(
        !tool.has("off-cpu"),
        "Debian's perf 6.1 lists it and does not have it"
    );
    assert!(!tool.built_with("debuginfod"));
    let old = PerfTool::from_texts(path, "perf version 3.10.0-1160.el7.x86_64", &build, &help)
        .unwrap_err();
    assert!(old.to_string().contains("too old"), "{old}");
    let wrapper = "WARNING: perf not found for kernel 6.8.0-31\n\n  You may need to install the following packages\n";
    let missing = PerfTool::from_texts(path, wrapper, "", "").unwrap_err();
    assert!(
        missing.to_string().contains("perf not found for kernel"),
        "{missing}"
    );
    assert!(version.contains("6.1"));
    let absent = PerfTool::find(Some(Path::new("/nowhere/perf"))).unwrap_err();
    assert!(
        absent.to_string().contains("/nowhere/perf") && !absent.to_string().contains('\n'),
        "{absent}"
    );
}
