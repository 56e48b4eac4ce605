//! The library that the kernel maps into every process: it is in no file, and this
//! process has it, too.

use std::io::Read;

/// The most that is taken for a vdso in bytes; those of today have two pages.
const MAX: usize = 1 << 20;

/// Its image, as ELF file.
pub(super) fn image() -> Option<Vec<u8>> {
    // SAFETY: reads a value that the kernel gave this process at its start.
    let start = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"))?;
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    let (from, to) = (address(from)?, address(to)?);
    #[allow(clippy::useless_conversion)]
    let is_it = from == u64::from(start);
    let size = usize::try_from(to.checked_sub(from)?).ok()?;
    if !is_it || size > MAX {
        return None;
    }
    let mut memory = std::fs::File::open("/proc/self/mem").ok()?;
    std::io::Seek::seek(&mut memory, std::io::SeekFrom::Start(from)).ok()?;
    let mut image = vec![0; size];
    memory.read_exact(&mut image).ok()?;
    Some(image)
}

#[cfg(test)]
mod tests {
    use super::super::elf::{Elf, look};

    #[test]
    fn the_vdso_is_an_elf_file_with_a_build_id() {
        let Some(image) = super::image() else {
            eprintln!("skipped: this kernel maps no vdso");
            return;
        };
        assert!(matches!(look(image.as_slice()), Elf::Named(_)));
    }
}
