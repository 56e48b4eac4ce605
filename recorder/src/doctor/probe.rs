//! What only trying tells.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{io, mem};

/// What only trying tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    /// Whether the kernel loads a BPF program, or why not; `None` when it was not tried.
    pub bpf: Option<Result<(), String>>,
    /// Bytes that can still be written where captures go.
    pub free_bytes: Option<u64>,
}

impl Probes {
    /// Tries, on the running machine: `folder` is where captures go.
    #[must_use]
    pub fn try_here(folder: &Path) -> Self {
        Self {
            bpf: Some(load_program().map_err(|error| error.to_string())),
            free_bytes: free_bytes(folder),
        }
    }
}

/// Loads a program of the kind that may trace, which returns 0, and lets go of it.
///
/// It takes the rights that the collector's own take: CAP_BPF to load and
/// CAP_PERFMON to trace (`bpf_prog_load` in kernel/bpf/syscall.c).
fn load_program() -> io::Result<()> {
    /// include/uapi/linux/bpf.h.
    const BPF_PROG_LOAD: libc::c_long = 5;
    const BPF_PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
    /// The first fields of `union bpf_attr` for BPF_PROG_LOAD; the kernel takes what is
    /// behind them for zeros.
    #[repr(C)]
    struct Load {
        kind: u32,
        instructions: u32,
        first: u64,
        licence: u64,
        log_level: u32,
        log_size: u32,
        log: u64,
    }
    // r0 = 0; exit.
    let program: [u64; 2] = [0xb7, 0x95];
    let licence = c"GPL";
    let attributes = Load {
        kind: BPF_PROG_TYPE_RAW_TRACEPOINT,
        instructions: 2,
        first: program.as_ptr() as u64,
        licence: licence.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
    };
    // SAFETY: the kernel reads the attributes, the program and the licence, all of
    // which live during the call.
    let file = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_LOAD,
            &raw const attributes,
            mem::size_of::<Load>(),
        )
    };
    let Ok(file) = libc::c_int::try_from(file) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    if file < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nothing else knows it.
    unsafe { libc::close(file) };
    Ok(())
}

/// What a user without privilege can still write below `folder`.
fn free_bytes(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: all zeros is a value of this struct of numbers.
    let mut stat: libc::statvfs = unsafe { mem::zeroed() };
    // SAFETY: a string that ends with zero and a whole struct, which live during the call.
    let result = unsafe { libc::statvfs(path.as_ptr(), &raw mut stat) };
    (result == 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize))
}
