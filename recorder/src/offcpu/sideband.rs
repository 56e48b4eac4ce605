//! Mappings, names, begin and end of threads, as the kernel tells them: one
//! software event a CPU that counts nothing.

use contend_perfdata::write::{EventSpec, flag};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of records that a CPU can have waiting.
const RING_BYTES: usize = 256 << 10;

/// Where in the page in front of the records the positions are
/// (`struct perf_event_mmap_page`).
const HEAD_AT: usize = 1024;
const TAIL_AT: usize = 1032;

/// The event of one CPU.
#[derive(Debug)]
struct Ring {
    fd: File,
    base: NonNull<u8>,
    page: usize,
    bytes: usize,
}

// SAFETY: the mapping belongs to the ring alone, and only its owner reads it.
unsafe impl Send for Ring {}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: maps what `open` mapped, once.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.page + self.bytes) };
    }
}

/// The side band of the machine.
#[derive(Debug)]
pub(super) struct SideBand {
    rings: Vec<Ring>,
    pub(super) ids: Vec<u64>,
    /// Whether mappings come with build-ids.
    pub(super) has_build_ids: bool,
}

impl SideBand {
    /// Opens an event on each CPU that is online.
    pub(super) fn open(event: &EventSpec) -> io::Result<Self> {
        let mut event = event.clone();
        let mut found = Self {
            rings: Vec::new(),
            ids: Vec::new(),
            has_build_ids: true,
        };
        for cpu in online_cpus()? {
            let fd = match open_event(&event, cpu) {
                // Kernels before 5.12 do not know of build-ids.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    found.has_build_ids = false;
                    event.flags &= !flag::BUILD_ID;
                    open_event(&event, cpu)?
                }
                // It went offline meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => continue,
                opened => opened?,
            };
            found.ids.push(id_of(&fd)?);
            found.rings.push(map(fd)?);
        }
        Ok(found)
    }

    /// Gives every whole record that is there.
    pub(super) fn drain(&mut self, scratch: &mut Vec<u8>, mut sink: impl FnMut(&[u8])) {
        for ring in &mut self.rings {
            ring.drain(scratch, &mut sink);
        }
    }
}

impl Ring {
    fn position(&self, at: usize) -> &AtomicU64 {
        // SAFETY: the first page of the mapping, which lives as long as `self`;
        // both positions are aligned words that the kernel shares.
        unsafe { &*self.base.as_ptr().add(at).cast::<AtomicU64>() }
    }

    fn drain(&mut self, scratch: &mut Vec<u8>, sink: &mut impl FnMut(&[u8])) {
        let head = self.position(HEAD_AT).load(Ordering::Acquire);
        let tail = self.position(TAIL_AT).load(Ordering::Relaxed);
        let have = (head.wrapping_sub(tail) as usize).min(self.bytes);
        scratch.clear();
        let start = tail as usize & (self.bytes - 1);
        let first = have.min(self.bytes - start);
        // SAFETY: both parts are inside the records, and the kernel writes behind
        // `head` only, until the tail is moved.
        unsafe {
            let records = self.base.as_ptr().add(self.page);
            let part = |at: usize, n: usize| std::slice::from_raw_parts(records.add(at), n);
            scratch.extend_from_slice(part(start, first));
            scratch.extend_from_slice(part(0, have - first));
        }
        self.position(TAIL_AT)
            .store(tail + have as u64, Ordering::Release);
        let mut rest = &scratch[..];
        while rest.len() >= 8 {
            let size = usize::from(u16::from_ne_bytes([rest[6], rest[7]]));
            if size < 8 || size > rest.len() {
                break;
            }
            let (record, behind) = rest.split_at(size);
            sink(record);
            rest = behind;
        }
    }
}

fn open_event(event: &EventSpec, cpu: u32) -> io::Result<File> {
    /// `PERF_FLAG_FD_CLOEXEC`.
    const CLOSE_ON_EXEC: libc::c_ulong = 8;
    let attr = event.attr();
    // SAFETY: the attribute states its own size.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            attr.as_ptr(),
            -1,
            cpu,
            -1,
            CLOSE_ON_EXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that nobody else has.
    Ok(unsafe { File::from_raw_fd(fd as i32) })
}

fn id_of(fd: &File) -> io::Result<u64> {
    /// `PERF_EVENT_IOC_ID`: _IOR('$', 7, __u64 *).
    const GET_ID: u64 = 0x8008_2407;
    let mut id = 0u64;
    // SAFETY: the kernel writes one word.
    match unsafe { libc::ioctl(fd.as_raw_fd(), GET_ID as _, &raw mut id) } {
        0 => Ok(id),
        _ => Err(io::Error::last_os_error()),
    }
}

fn map(fd: File) -> io::Result<Ring> {
    // SAFETY: takes no pointer.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    let page = usize::try_from(page).map_err(|_| io::Error::last_os_error())?;
    let bytes = RING_BYTES.max(page);
    // SAFETY: a new mapping at an address that the kernel chooses.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            page + bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            fd.as_raw_fd(),
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    let base = NonNull::new(base.cast::<u8>()).ok_or_else(io::Error::last_os_error)?;
    Ok(Ring {
        fd,
        base,
        page,
        bytes,
    })
}

impl Ring {
    /// Begins to count.
    fn enable(&self) -> io::Result<()> {
        /// `PERF_EVENT_IOC_ENABLE`.
        const ENABLE: u64 = 0x2400;
        // SAFETY: takes no pointer.
        match unsafe { libc::ioctl(self.fd.as_raw_fd(), ENABLE as _, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl SideBand {
    /// Begins to record.
    pub(super) fn enable(&self) -> io::Result<()> {
        self.rings.iter().try_for_each(Ring::enable)
    }
}

/// The CPUs of `/sys/devices/system/cpu/online`: `0-3,8`.
pub(super) fn online_cpus() -> io::Result<Vec<u32>> {
    let list = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    Ok(cpus(&list))
}

/// How many CPUs the machine has, in use or not; 0 when it does not tell.
pub(super) fn present_cpus() -> usize {
    let list = std::fs::read_to_string("/sys/devices/system/cpu/present");
    cpus(&list.unwrap_or_default()).len()
}

fn cpus(list: &str) -> Vec<u32> {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpus("0-2,8\n"), [0, 1, 2, 8]);
        assert_eq!(cpus("0\n"), [0]);
        assert_eq!(cpus(""), [0u32; 0]);
    }
}
