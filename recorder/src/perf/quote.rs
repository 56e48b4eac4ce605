//! Command lines as a shell takes them.

/// Arguments in one line.
pub(super) fn line(args: &[String]) -> String {
    args.iter()
        .map(|arg| quoted(arg))
        .collect::<Vec<_>>()
        .join(" ")
}

/// `arg`, in single quotes when a shell would see more in it than text.
fn quoted(arg: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn only_what_needs_quotes_has_them() {
        assert_eq!(
            quoted("cpu/mem-loads,ldlat=30/P"),
            "cpu/mem-loads,ldlat=30/P"
        );
        assert_eq!(quoted("{cpu/a/,cpu/b/}:P"), "'{cpu/a/,cpu/b/}:P'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
