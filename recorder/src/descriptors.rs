//! How many files may be open.

/// Descriptors that are wanted: some for each CPU while it is recorded, and one for each
/// file of a process that may end while it is packed.
const WANTED: u64 = 65_536;

/// Lets this process, and what it starts from now on, have as many open files as the
/// system allows.
pub(crate) fn raise() {
    // SAFETY: plain data and valid places for it.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit
                .rlim_max
                .min(WANTED as libc::rlim_t)
                .max(limit.rlim_cur);
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
