//! Tables of columns under two lines of headers.
//!
//! ```text
//! #        ----------- Cacheline ----------      Tot     upper, may span columns
//! # Index             Address  Node  PA cnt     Hitm     lower
//! # .....  ..................  ....  ......  .......     widths
//! ```
//!
//! Headers are right-aligned and rows begin with the two blanks that stand
//! between all columns (`hists__fprintf_standard_headers` and
//! `__hist_entry__snprintf` in `tools/perf/ui/stdio/hist.c`, `c2c_header` in
//! `tools/perf/builtin-c2c.c`).

use std::io::{self, Write};

/// What stands in the first header line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Upper {
    /// A text over this column; the columns behind that it reaches over are
    /// [`Upper::Covered`].
    Text(&'static str),
    /// Part of the text over an earlier column.
    Covered,
}

/// Where the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
    /// The last column, which is not filled up.
    Ragged,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) upper: Upper,
    pub(super) lower: &'static str,
    pub(super) width: usize,
    pub(super) align: Align,
}

impl Column {
    pub(super) fn new(upper: Upper, lower: &'static str, width: usize) -> Self {
        Self {
            upper,
            lower,
            width,
            align: Align::Right,
        }
    }

    pub(super) fn aligned(self, align: Align) -> Self {
        Self { align, ..self }
    }
}

/// The columns of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns(Vec<Column>);

impl Columns {
    pub(super) fn push(&mut self, column: Column) {
        self.0.push(column);
    }

    pub(super) fn extend(&mut self, columns: impl IntoIterator<Item = Column>) {
        self.0.extend(columns);
    }

    /// Writes the header lines.
    pub(super) fn header(&self, out: &mut dyn Write) -> io::Result<()> {
        let lower = self.0.iter().map(|c| right(c.lower, c.width));
        let dots = self.0.iter().map(|c| ".".repeat(c.width));
        writeln!(out, "# {}", self.upper())?;
        writeln!(out, "# {}", lower.collect::<Vec<_>>().join("  "))?;
        writeln!(out, "# {}", dots.collect::<Vec<_>>().join("  "))?;
        writeln!(out, "#")
    }

    fn upper(&self) -> String {
        let texts = self.0.iter().filter_map(|column| match column.upper {
            Upper::Text(text) => Some(right(text, column.width)),
            Upper::Covered => None,
        });
        texts.collect::<Vec<_>>().join("  ")
    }

    /// Writes a row with as many cells as there are columns.
    pub(super) fn row(&self, out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
        debug_assert_eq!(cells.len(), self.0.len());
        let mut text = String::new();
        for (column, cell) in self.0.iter().zip(cells) {
            text.push_str("  ");
            match column.align {
                Align::Left => text.push_str(&left(cell, column.width)),
                Align::Right => text.push_str(&right(cell, column.width)),
                Align::Ragged => text.push_str(cell),
            }
        }
        writeln!(out, "{text}")
    }
}

/// C's `%*s`: widths are bytes.
fn right(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.len());
    format!("{}{text}", " ".repeat(blanks))
}

/// C's `%-*.*s`: what is too long is cut.
pub(super) fn left(text: &str, width: usize) -> String {
    let mut end = width.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{}", &text[..end], " ".repeat(width - end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        let mut columns = Columns::default();
        columns.push(Column::new(Upper::Text(""), "Index", 5));
        columns.push(Column::new(Upper::Text("-- Line --"), "At", 4));
        columns.push(Column::new(Upper::Covered, "Node", 4));
        columns.push(Column::new(Upper::Text("Shared"), "Object", 8).aligned(Align::Left));
        columns.push(Column::new(Upper::Text(""), "Node", 4).aligned(Align::Ragged));
        columns
    }

    #[test]
    fn spans_cover_the_columns_behind() {
        let mut out = Vec::new();
        columns().header(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "#        -- Line --    Shared      ");
        assert_eq!(lines[1], "# Index    At  Node    Object  Node");
        assert_eq!(lines[2], "# .....  ....  ....  ........  ....");
        assert_eq!(lines[3], "#");
    }

    #[test]
    fn cells_are_cut_or_grow_as_in_c() {
        let cells = ["7", "0x12345", "1", "libverylong.so", " 0  1"].map(str::to_owned);
        let mut out = Vec::new();
        columns().row(&mut out, &cells).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "      7  0x12345     1  libveryl   0  1\n"
        );
    }

    #[test]
    fn text_is_not_cut_inside_a_character() {
        assert_eq!(left("aé", 2), "a ");
    }
}
