//! Findings for people and for programs.

use super::{Finding, State};
use crate::host::{Host, Machine};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

const COMMANDS: usize = 4;

/// The findings for people: the commands, then what is not as it should be, then the rest.
#[must_use]
pub fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    let (commands, points) = findings.split_at(COMMANDS.min(findings.len()));
    for finding in commands {
        let answer = match finding.state {
            State::Ok => "yes",
            State::Limited => "partly",
            State::Failed => "no",
        };
        line(
            &mut text,
            &format!("{:<8}{answer:<8}", finding.subject),
            finding,
        );
    }
    for (title, states) in [
        ("\nTo change:\n", &[State::Failed, State::Limited][..]),
        ("\nAs it should be:\n", &[State::Ok][..]),
    ] {
        let mut title = Some(title);
        for state in states {
            for finding in points.iter().filter(|point| point.state == *state) {
                text.push_str(title.take().unwrap_or_default());
                line(&mut text, &format!("  {:<18}", finding.subject), finding);
            }
        }
    }
    text
}

/// What was found behind its name, and below it what it means and what to do.
fn line(text: &mut String, head: &str, finding: &Finding) {
    let below = " ".repeat(head.len());
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{head}{}", finding.found);
    let mut told: Vec<&String> = Vec::new();
    for what in finding.means.values() {
        if told.contains(&what) {
            continue;
        }
        told.push(what);
        let whose = finding
            .means
            .iter()
            .filter(|means| means.1 == what)
            .map(|means| *means.0);
        let _ = writeln!(
            text,
            "{below}{}: {what}",
            whose.collect::<Vec<_>>().join(", ")
        );
    }
    if let Some(todo) = &finding.todo {
        let _ = writeln!(text, "{below}→ {todo}");
    }
}

/// The document of `doctor --json` (`contend.doctor/1`, docs/formats/json.md).
#[must_use]
pub fn json(host: &Host, findings: &[Finding]) -> String {
    let (commands, points) = findings.split_at(COMMANDS.min(findings.len()));
    let can: Map<String, Value> = commands
        .iter()
        .map(|finding| {
            let answer = if finding.state == State::Failed {
                Value::from(finding.found.as_str())
            } else {
                Value::from(true)
            };
            (finding.subject.to_owned(), answer)
        })
        .collect();
    let nodes: Vec<Value> = host
        .nodes
        .iter()
        .map(|(id, cpus)| json!({"id": id, "cpus": cpus}))
        .collect();
    let document = json!({
        "schema": "contend.doctor/1",
        "host": {
            "kernel": host.kernel.release,
            "arch": host.cpu.arch,
            "cpu": host.cpu.name,
            "cpus_online": host.cpu.online,
            "memory_bytes": host.memory,
            "virtual": match &host.machine { Machine::Virtual(name) => Some(name), Machine::Metal => None },
            "container": host.container,
            "nodes": nodes,
        },
        "can": can,
        "commands": commands,
        "findings": points,
    });
    format!("{document:#}\n")
}
