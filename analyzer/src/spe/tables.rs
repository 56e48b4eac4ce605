//! What the data-source numbers of each core mean: data, one file a family.
//!
//! ```text
//! table NAME
//! core IMPLEMENTER PART perf|ours NAME OF THE CORE
//! code NUMBER LEVEL SNOOP
//! ```
//! `perf` marks the cores that perf 7.2 has in its own tables. Of a core that several
//! tables name the last one counts, alone, so that a file of the user corrects what is
//! built in.

use super::level::{Answer, Level, Snoop};
use anyhow::{Context, Result, bail};
use contend_perfdata::Midr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The tables that are built in.
const BUILT_IN: [&str; 4] = [
    include_str!("tables/names.table"),
    include_str!("tables/arm.table"),
    include_str!("tables/ampereone.table"),
    include_str!("tables/hip12.table"),
];

/// More lines than this are no table.
const MOST_LINES: usize = 100_000;

/// What one family's numbers mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    answers: BTreeMap<u16, Answer>,
}

impl Table {
    /// What a number means; absent when the table does not have it.
    pub(super) fn answer(&self, code: u16) -> Option<Answer> {
        self.answers.get(&code).copied()
    }
}

/// A kind of core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// What people call it.
    pub(super) name: Arc<str>,
    /// Whether perf 7.2 knows its numbers.
    pub(super) is_in_perf: bool,
    /// What its numbers mean; absent when that is not known.
    pub(super) table: Option<Arc<Table>>,
}

/// All tables.
#[derive(Clone, Debug)]
pub(crate) struct Tables {
    cores: BTreeMap<(u8, u16), Known>,
}

impl Tables {
    /// The built-in tables, with those of a file of the user on top.
    ///
    /// # Errors
    /// The first line of the file that is no line of a table.
    pub(crate) fn new(own: Option<&str>) -> Result<Self> {
        let mut tables = Self {
            cores: BTreeMap::new(),
        };
        for text in BUILT_IN {
            tables.add(text)?;
        }
        if let Some(own) = own {
            tables.add(own)?;
        }
        Ok(tables)
    }

    /// The name of the core with this identification register, as captures have it
    /// (`0x00000000413fd0c1`); absent where no built-in table has it.
    pub(crate) fn built_in_name(midr: &str) -> Option<Arc<str>> {
        let midr = Midr::parse(midr)?;
        let tables = Self::new(None).ok()?;
        tables.core(midr).map(|known| Arc::clone(&known.name))
    }

    /// What is known of a core. perf looks at implementer and part only.
    pub(super) fn core(&self, midr: Midr) -> Option<&Known> {
        self.cores.get(&(midr.implementer(), midr.part()))
    }

    fn add(&mut self, text: &str) -> Result<()> {
        let mut family = Family::default();
        let mut cores = 0;
        for (number, line) in (1..).zip(text.lines()) {
            if number > MOST_LINES {
                bail!("more than {MOST_LINES} lines");
            }
            let line = line.split('#').next().unwrap_or("").trim();
            let what = || format!("line {number}: {line}");
            if line.split_whitespace().next() == Some("table") {
                cores += self
                    .finish(std::mem::take(&mut family))
                    .with_context(what)?;
            }
            family.line(line).with_context(what)?;
        }
        cores += self.finish(family).context("at the end")?;
        if cores == 0 {
            bail!("it names no core (docs/c2c.md says how such files are written)");
        }
        Ok(())
    }

    /// Takes a table; returns how many cores it has.
    fn finish(&mut self, family: Family) -> Result<usize> {
        let cores = family.cores.len();
        if cores == 0 && !family.table.answers.is_empty() {
            bail!("the table in front of it names no core");
        }
        let table = (!family.table.answers.is_empty()).then(|| Arc::new(family.table));
        for (key, is_in_perf, name) in family.cores {
            let known = Known {
                name,
                is_in_perf: is_in_perf && table.is_some(),
                table: table.clone(),
            };
            self.cores.insert(key, known);
        }
        Ok(cores)
    }
}

/// A table on its way.
#[derive(Default)]
struct Family {
    cores: Vec<((u8, u16), bool, Arc<str>)>,
    table: Table,
}

impl Family {
    fn line(&mut self, line: &str) -> Result<()> {
        let mut words = line.split_whitespace();
        let Some(what) = words.next() else {
            return Ok(());
        };
        let mut word = || words.next().context("a word is missing");
        match what {
            "table" => {
                word()?;
            }
            "core" => {
                let implementer = u8::try_from(number(word()?)?);
                let implementer = implementer.context("the implementer has more than 8 bits")?;
                let part = u16::try_from(number(word()?)?).ok();
                let part = part.filter(|&part| part < 1 << 12);
                let key = (implementer, part.context("the part has more than 12 bits")?);
                let is_in_perf = match word()? {
                    "perf" => true,
                    "ours" => false,
                    other => bail!("{other} is neither `perf` nor `ours`"),
                };
                let name: Vec<&str> = words.collect();
                if name.is_empty() {
                    bail!("the name of the core is missing");
                }
                self.cores
                    .push((key, is_in_perf, name.join(" ").as_str().into()));
            }
            "code" => {
                let code = number(word()?)?;
                let code = u16::try_from(code).context("the number has more than 16 bits")?;
                let answer = Answer {
                    level: Level::named(word()?)?,
                    snoop: Snoop::named(word()?)?,
                };
                if let Some(more) = words.next() {
                    bail!("{more} is one word too many");
                }
                if self.table.answers.insert(code, answer).is_some() {
                    bail!("the table has this number already");
                }
            }
            other => bail!("{other} is none of `table`, `core`, `code`"),
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<u64> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.with_context(|| format!("{text} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_have_names() {
        let name = |midr| Tables::built_in_name(midr);
        assert_eq!(name("0x00000000413fd0c1").as_deref(), Some("Neoverse N1"));
        assert_eq!(name("0x00000000413fd0ff"), None);
        assert_eq!(name("Neoverse N1"), None);
    }

    #[test]
    fn built_in_tables_are_read() {
        let tables = Tables::new(None).unwrap();
        let core = |midr| tables.core(Midr(midr));
        let n1 = core(0x413f_d0c1).unwrap();
        assert!(n1.is_in_perf && &*n1.name == "Neoverse N1");
        let table = n1.table.as_ref().unwrap();
        let peer = table.answer(9).unwrap();
        assert_eq!((peer.level, peer.snoop), (Level::L2, Snoop::Peer));
        assert_eq!(table.answer(0xf), None);
        let cobalt = core(0x6d0f_d490).unwrap();
        assert!(!cobalt.is_in_perf && cobalt.table == n1.table);
        let n3 = core(0x410f_d8e0).unwrap();
        assert!(n3.table.is_none() && &*n3.name == "Neoverse N3");
        assert!(core(0x410f_ffff).is_none());
    }

    #[test]
    fn a_file_corrects_what_is_built_in() {
        let own = "table mine # a comment\ncore 0x41 0xd8e ours N3 by hand\ncode 9 l3 hitm\n";
        let tables = Tables::new(Some(own)).unwrap();
        let n3 = tables.core(Midr(0x410f_d8e0)).unwrap();
        assert_eq!(&*n3.name, "N3 by hand");
        assert_eq!(
            n3.table.as_ref().unwrap().answer(9).unwrap().snoop,
            Snoop::Hitm
        );
        assert_eq!(
            tables.core(Midr(0x410f_d0c0)).unwrap().table,
            Tables::new(None)
                .unwrap()
                .core(Midr(0x410f_d0c0))
                .unwrap()
                .table
        );
    }

    #[test]
    fn wrong_lines_are_named() {
        for wrong in [
            "core 0x41",
            "core 0x41 0xd8e maybe X",
            "code x l1 none",
            "code 0x10000 l1 none",
            "code 1 l9 none",
            "code 1 l1 often",
            "code 1 l1 none too",
            "core 0x141 0xd8e ours X",
            "core 0x41 0x1d8e ours X",
            "core 0x41 0xd8e ours",
            "tables yours",
            "colour blue",
        ] {
            let text = format!("table mine\n\n{wrong}\n");
            let error = Tables::new(Some(&text)).unwrap_err();
            assert!(error.to_string().starts_with("line 3: "), "{error}");
        }
        for (wrong, part) in [
            ("code 1 l1 none\ncode 1 l2 none\n", "line 2: code 1 l2 none"),
            ("code 1 l1 none\ntable mine\n", "line 2: table mine"),
            ("table mine\ncode 1 l1 none\n", "at the end"),
            ("# nothing\n", "names no core"),
        ] {
            let error = Tables::new(Some(wrong)).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
