//! Command lines without what was given to them.

use super::MARK;

/// Options of one letter that take no value, so that others may stand behind them in the
/// same word: of `perf record`, and those that any other command of perf that records
/// takes the same way (tools/perf/builtin-*.c).
const OF_PERF_RECORD: &str = "abdginqsvBNPRTW";
const OF_PERF: &str = "agv";
/// Those of contend-record.
const OF_RECORDER: &str = "a";

/// The program, its commands and the names of its options; all else is marked.
pub(super) fn redacted(command: &[String]) -> Vec<String> {
    let flags = flags(command);
    let mut out = Vec::new();
    let mut is_workload = false;
    for (at, word) in command.iter().enumerate() {
        let is_option = word.starts_with('-') && !is_workload;
        let is_command = match at {
            1 => word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()),
            // `perf c2c record`.
            2 => word == "record",
            _ => false,
        };
        is_workload |= word == "--";
        out.push(match (at, is_option) {
            (0, _) => file_name(word).to_owned(),
            (_, true) => option(word, flags),
            _ if is_command => word.clone(),
            _ => MARK.to_owned(),
        });
    }
    out
}

/// The options without values of a program; none of one that is not known.
fn flags(command: &[String]) -> &'static str {
    let program = command.first().map_or("", |word| file_name(word));
    let is_record = command.get(1).is_some_and(|word| word == "record");
    // Distributions have several, by kernel: `perf_5.10`.
    if program.split(['_', '-']).next() == Some("perf") {
        if is_record { OF_PERF_RECORD } else { OF_PERF }
    } else if program.starts_with("contend-record") {
        OF_RECORDER
    } else {
        ""
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The name of an option without a value in the same word: `--name=value`, `-nvalue`,
/// `-abnvalue`.
fn option(word: &str, flags: &str) -> String {
    let name = word.split('=').next().unwrap_or(word);
    if name.starts_with("--") {
        return name.to_owned();
    }
    let mut letters = name.chars();
    let mut out: String = letters.by_ref().take(1).collect();
    for letter in letters {
        out.push(letter);
        if !flags.contains(letter) {
            // What stands behind it is its value.
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::redacted;

    fn words(line: &str) -> String {
        let command: Vec<String> = line.split(' ').map(str::to_owned).collect();
        redacted(&command).join(" ")
    }

    #[test]
    fn of_commands_the_shape_stays() {
        assert_eq!(
            words(
                "/usr/bin/perf record -F 99 -o/secret -é=x --output=/secret -- prog --key=hunter2"
            ),
            "perf record -F [redacted] -o -é --output -- [redacted] [redacted]"
        );
    }

    #[test]
    fn options_that_stand_together_stay_and_their_value_goes() {
        for (line, out) in [
            ("perf record -ag -F99", "perf record -ag -F"),
            ("perf_5.10 record -agF99", "perf_5.10 record -agF"),
            ("perf record -gosecret -agv", "perf record -go -agv"),
            // Of this one -d and -s may have values.
            ("perf trace -agv -dsecret", "perf trace -agv -d"),
            ("contend-record c2c -ap7", "contend-record c2c -ap"),
            ("perfect record -ag", "perfect record -a"),
            ("perf mem record -ag x", "perf mem record -ag [redacted]"),
            ("perf record -", "perf record -"),
            ("perf record -- -ag", "perf record -- [redacted]"),
        ] {
            assert_eq!(words(line), out);
        }
    }
}
