//! Ctrl-C, and its kin: counted, so that who presses it again can be answered.

use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    COUNT.fetch_add(1, Ordering::SeqCst);
}

/// The signals that end a recording, from now on only counted.
///
/// Nothing is ever interrupted in the middle by them: whoever waits looks at the
/// count, and so no capture is lost however often Ctrl-C is pressed.
#[derive(Debug)]
pub struct Signals(());

impl Signals {
    /// Takes `SIGINT`, `SIGTERM` and `SIGHUP` over. One that is ignored, as under
    /// `nohup`, stays ignored.
    #[must_use]
    pub fn take() -> Self {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: both structures are plain data, for which zeros are valid; the
            // handler does nothing but add to an atomic.
            unsafe {
                let mut old: libc::sigaction = std::mem::zeroed();
                if libc::sigaction(signal, std::ptr::null(), &mut old) == 0
                    && old.sa_sigaction == libc::SIG_IGN
                {
                    continue;
                }
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = count as extern "C" fn(libc::c_int) as usize;
                action.sa_flags = libc::SA_RESTART;
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
        }
        Self(())
    }

    /// Leaves signals as they are, so that none is ever counted.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(())
    }

    /// How many came since they were taken.
    #[must_use]
    pub fn count(&self) -> u32 {
        COUNT.load(Ordering::SeqCst)
    }
}
