//! Build-ids out of ELF notes.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bytes of notes that are looked at.
const MAX_NOTES: u64 = 64 << 10;

/// The GNU build-id in a run of ELF notes; absent when there is none.
pub(super) fn in_notes(mut notes: &[u8]) -> Option<Vec<u8>> {
    const GNU_BUILD_ID: u32 = 3;
    while notes.len() >= 12 {
        let word = |at: usize| {
            u32::from_ne_bytes([notes[at], notes[at + 1], notes[at + 2], notes[at + 3]])
        };
        let (names, length, kind) = (word(0) as usize, word(4) as usize, word(8));
        let body = 12usize.checked_add(names.checked_next_multiple_of(4)?)?;
        let end = body.checked_add(length)?;
        let content = notes.get(body..end)?;
        let is_gnu = notes.get(12..12 + names) == Some(b"GNU\0");
        if is_gnu && kind == GNU_BUILD_ID && (1..=20).contains(&length) {
            return Some(content.to_vec());
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
    None
}

/// The build-id of a 64-bit ELF file of this machine's byte order.
pub(super) fn of_file(file: &File) -> Option<Vec<u8>> {
    const NOTE: u32 = 4;
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0).ok()?;
    if &head[..5] != b"\x7fELF\x02" {
        return None;
    }
    let word = |at: usize| u64::from_ne_bytes(head[at..at + 8].try_into().unwrap_or_default());
    let half = |at: usize| u16::from_ne_bytes([head[at], head[at + 1]]);
    let (table, size, count) = (word(32), half(54), half(56));
    if size != 56 {
        return None;
    }
    let mut entries = vec![0; usize::from(count.min(256)) * 56];
    file.read_exact_at(&mut entries, table).ok()?;
    entries.chunks_exact(56).find_map(|entry| {
        let word = |at: usize| u64::from_ne_bytes(entry[at..at + 8].try_into().unwrap_or_default());
        if word(0) as u32 != NOTE {
            return None;
        }
        let mut notes = vec![0; word(32).min(MAX_NOTES) as usize];
        file.read_exact_at(&mut notes, word(8)).ok()?;
        in_notes(&notes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_id_is_found_behind_other_notes() {
        let mut notes = Vec::new();
        for (name, content, kind) in [(&b"GNU\0"[..], &[9; 5][..], 1u32), (b"GNU\0", &[7; 20], 3)] {
            notes.extend((name.len() as u32).to_ne_bytes());
            notes.extend((content.len() as u32).to_ne_bytes());
            notes.extend(kind.to_ne_bytes());
            notes.extend(name);
            notes.extend(content);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
        assert_eq!(in_notes(&notes), Some(vec![7; 20]));
        for end in 0..notes.len() {
            assert_eq!(in_notes(&notes[..end]), None);
        }
        assert_eq!(in_notes(&[0xff; 64]), None);
    }

    #[test]
    fn this_program_has_one_or_none_and_text_has_none() {
        let text = tempfile::tempfile().unwrap();
        assert_eq!(of_file(&text), None);
        let own = File::open("/proc/self/exe").unwrap();
        if let Some(id) = of_file(&own) {
            assert!((8..=20).contains(&id.len()));
        }
    }
}
