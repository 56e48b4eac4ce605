//! The kernel's own types (BTF), as far as loading must ask what aya does not
//! tell. Layout: `include/uapi/linux/btf.h`.

/// Kinds of types.
const PTR: u32 = 2;
const TYPEDEF: u32 = 8;
const FUNC_PROTO: u32 = 13;
const VAR: u32 = 14;

/// A type: its number, kind, and the rest that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Type {
    kind: u32,
    /// Members, parameters and the like.
    count: u32,
    /// The type it refers to.
    to: u32,
    name: u32,
}

/// The kernel's types, opened for a few questions.
#[derive(Debug)]
pub(super) struct KernelTypes<'a> {
    types: Vec<Type>,
    strings: &'a [u8],
}

impl<'a> KernelTypes<'a> {
    /// Opens what `/sys/kernel/btf/vmlinux` holds; absent when it is not that.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        const MAGIC: u16 = 0xeb9f;
        let word = |at: usize| {
            let word = bytes.get(at..at + 4)?;
            Some(u32::from_ne_bytes(word.try_into().ok()?))
        };
        if word(0)? as u16 != MAGIC {
            return None;
        }
        let head = word(4)? as usize;
        let section = |offset, length| {
            let start = head.checked_add(word(offset)? as usize)?;
            bytes.get(start..start.checked_add(word(length)? as usize)?)
        };
        let (types, strings) = (section(8, 12)?, section(16, 20)?);
        let mut found = Vec::new();
        let mut words = types
            .chunks_exact(4)
            .map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]]));
        while let (Some(name), Some(info), Some(to)) = (words.next(), words.next(), words.next()) {
            let (kind, count) = (info >> 24 & 0x1f, info & 0xffff);
            let more = match kind {
                1 | 14 | 17 => 1,             // INT, VAR, DECL_TAG
                3 => 3,                       // ARRAY
                4 | 5 | 15 | 19 => 3 * count, // STRUCT, UNION, DATASEC, ENUM64
                6 | 13 => 2 * count,          // ENUM, FUNC_PROTO
                _ => 0,
            };
            if more > 0 {
                words.nth(more as usize - 1)?;
            }
            found.push(Type {
                kind,
                count,
                to,
                name,
            });
        }
        Some(Self {
            types: found,
            strings,
        })
    }

    fn named(&self, kind: u32, name: &str) -> Option<u32> {
        let is_it = |found: &Type| {
            let text = self.strings.get(found.name as usize..);
            found.kind == kind
                && text.is_some_and(|text| {
                    text.strip_prefix(name.as_bytes())
                        .is_some_and(|rest| rest.first() == Some(&0))
                })
        };
        // Type 0 is void and has no entry.
        self.types.iter().position(is_it).map(|at| at as u32 + 1)
    }

    fn get(&self, id: u32) -> Option<&Type> {
        self.types.get(id.checked_sub(1)? as usize)
    }

    /// How many arguments a tracepoint has.
    pub(super) fn tracepoint_arguments(&self, name: &str) -> Option<u32> {
        let typedef = self.get(self.named(TYPEDEF, &format!("btf_trace_{name}"))?)?;
        let pointer = self.get(typedef.to).filter(|to| to.kind == PTR)?;
        let prototype = self.get(pointer.to).filter(|to| to.kind == FUNC_PROTO)?;
        // The first is the registrant's own.
        prototype.count.checked_sub(1)
    }

    /// The number of a variable that the kernel exports to BPF programs: one a CPU.
    pub(super) fn variable(&self, name: &str) -> Option<u32> {
        self.named(VAR, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_counted_through_pointers() {
        let strings = b"\0btf_trace_x\0count\0";
        let words: Vec<u32> = vec![
            // 1: typedef btf_trace_x → 2
            1,
            8 << 24,
            2, //
            // 2: pointer → 3
            0,
            2 << 24,
            3, //
            // 3: prototype with three parameters
            0,
            13 << 24 | 3,
            0,
            0,
            0,
            0,
            0,
            0,
            0, //
            // 4: variable
            13,
            14 << 24,
            0,
            1,
        ];
        let types = words.len() as u32 * 4;
        let head = [0x0001_eb9f, 24, 0, types, types, strings.len() as u32];
        let mut bytes: Vec<u8> = head
            .iter()
            .chain(&words)
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        bytes.extend(strings);
        let types = KernelTypes::open(&bytes).unwrap();
        assert_eq!(types.tracepoint_arguments("x"), Some(2));
        assert_eq!(types.tracepoint_arguments("y"), None);
        assert_eq!(types.variable("count"), Some(4));
        assert!(KernelTypes::open(&bytes[1..]).is_none());
    }
}
