//! The child process itself: how it starts, how it is told to end, and how one
//! sees that it works. What needs the C library directly is here.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A started perf.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// Where commands are written and answers come, with `--control`.
    pipes: Option<(PipeWriter, PipeReader)>,
}

/// How waiting for the first events went.
pub(super) enum Begun {
    /// It records.
    Recording,
    /// It ended before.
    Ended(ExitStatus),
    /// It neither records nor ends.
    Silent,
}

impl Process {
    /// Starts `argv`, which writes what it says to `messages`. With `control` perf gets
    /// a pair of pipes, through which it says when it records.
    pub(super) fn start(argv: &[String], control: bool, messages: &Path) -> io::Result<Self> {
        let (program, args) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let output = File::create(messages)?;
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        // Settings of the user would change what was planned, and DEBUGINFOD_URLS
        // would make perf download at the end. A group of its own keeps the
        // terminal's Ctrl-C from it: the session ends its sources in order.
        command
            .env("PERF_CONFIG", "/dev/null")
            .env_remove("DEBUGINFOD_URLS")
            .process_group(0);
        let mut inherited: Vec<RawFd> = Vec::new();
        let mut pipes = None;
        let mut theirs = None;
        if control {
            let (commands, to_perf) = io::pipe()?;
            let (from_perf, answers) = io::pipe()?;
            command.arg(format!(
                "--control=fd:{},{}",
                commands.as_raw_fd(),
                answers.as_raw_fd()
            ));
            // It also gets the end that commands are written to: a perf whose pipe is
            // closed when the recorder dies takes its tables of descriptors for
            // broken ("Thread and evlist pollfd index mismatch", 6.1) and ends
            // without the end of its file.
            inherited.extend([
                commands.as_raw_fd(),
                answers.as_raw_fd(),
                to_perf.as_raw_fd(),
            ]);
            pipes = Some((to_perf, from_perf));
            theirs = Some((commands, answers));
        }
        let parent = std::process::id();
        // SAFETY: between fork and exec only system calls are made (prctl, getppid,
        // capget, capset, fcntl, _exit), all of them async-signal-safe; the descriptors are open, as
        // `theirs` lives until the child is started.
        unsafe {
            command.pre_exec(move || {
                // A recorder that is killed must not leave a perf of all CPUs behind:
                // on SIGTERM perf closes its file and ends.
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong) != 0 {
                    return Err(io::Error::last_os_error());
                }
                if libc::getppid().cast_unsigned() != parent {
                    libc::_exit(1);
                }
                pass_rights_on();
                for fd in &inherited {
                    if libc::fcntl(*fd, libc::F_SETFD, 0) != 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
        let child = command.spawn()?;
        drop(theirs);
        Ok(Self { child, pipes })
    }

    /// Waits until it records.
    pub(super) fn begun(&mut self, patience: Duration) -> io::Result<Begun> {
        /// How long one waits for an answer before one looks whether it still runs.
        const STEP: Duration = Duration::from_millis(10);
        let start = Instant::now();
        if let Some((commands, _)) = &mut self.pipes {
            // Enabling what is enabled changes nothing; the answer comes out of the
            // loop that reads the buffers. A perf that is gone tells by its status.
            let _ = commands.write_all(b"enable\n");
        }
        // What has no pipes is believed once its events are open and it sleeps.
        let mut asleep = 0;
        while start.elapsed() < patience {
            if let Some(status) = self.ended()? {
                return Ok(Begun::Ended(status));
            }
            if let Some((_, answers)) = &mut self.pipes {
                if readable(answers.as_raw_fd(), STEP)? {
                    let mut answer = [0; 16];
                    if answers.read(&mut answer)? > 0 {
                        return Ok(Begun::Recording);
                    }
                    // The pipe was closed: it is about to end.
                    std::thread::sleep(STEP);
                }
            } else {
                asleep = if self.sleeps_with_events() {
                    asleep + 1
                } else {
                    0
                };
                if asleep >= 10 {
                    return Ok(Begun::Recording);
                }
                std::thread::sleep(STEP);
            }
        }
        Ok(Begun::Silent)
    }

    /// Its status once it ended.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Tells it to end, and waits while it still works at its file; what does not
    /// end is killed.
    pub(super) fn end(&mut self) -> io::Result<ExitStatus> {
        /// Nothing was written and no time was used for so long: it hangs.
        const IDLE: Duration = Duration::from_secs(10);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGKILL] {
            self.signal(signal);
            let mut progress = self.cpu_ticks();
            let mut since = Instant::now();
            while since.elapsed() < IDLE {
                if let Some(status) = self.ended()? {
                    return Ok(status);
                }
                std::thread::sleep(Duration::from_millis(5));
                let now = self.cpu_ticks();
                if now != progress {
                    progress = now;
                    since = Instant::now();
                }
            }
        }
        self.child.wait()
    }

    fn signal(&self, signal: libc::c_int) {
        let Ok(pid) = libc::pid_t::try_from(self.child.id()) else {
            return;
        };
        // SAFETY: kill has no memory effects; the child was not waited for, so the
        // number is still its own.
        unsafe { libc::kill(pid, signal) };
    }

    /// Its name, state and so on, behind the name: fields of proc_pid_stat(5) from
    /// the third on.
    fn stat(&self) -> Vec<String> {
        let text =
            std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let behind = text.rsplit_once(") ").map_or("", |parts| parts.1);
        behind.split_whitespace().map(str::to_owned).collect()
    }

    /// User and system time that it used.
    fn cpu_ticks(&self) -> u64 {
        self.stat()
            .iter()
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum()
    }

    fn sleeps_with_events(&self) -> bool {
        let folder = format!("/proc/{}/fd", self.child.id());
        let events = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| {
                std::fs::read_link(entry.path())
                    .is_ok_and(|to| to.to_string_lossy().contains("[perf_event]"))
            });
        events && self.stat().first().is_some_and(|state| state == "S")
    }
}

impl Drop for Process {
    /// Nothing is left running when a session ends by an error.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(libc::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Lets the program that is executed next have the rights of this one, where they come
/// from the file capabilities of this one (`setcap cap_perfmon+ep contend-record`), which
/// exec drops (capabilities(7), ambient set). What fails is left to perf to tell.
fn pass_rights_on() {
    /// CAP_IPC_LOCK, CAP_SYS_PTRACE, CAP_SYSLOG, CAP_PERFMON of
    /// include/uapi/linux/capability.h.
    const RIGHTS: [u32; 4] = [14, 19, 34, 38];
    /// `_LINUX_CAPABILITY_VERSION_3`.
    const VERSION: u32 = 0x2008_0522;
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    #[derive(Clone, Copy, Default)]
    #[repr(C)]
    struct Sets {
        effective: u32,
        permitted: u32,
        inheritable: u32,
    }
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut sets = [Sets::default(); 2];
    // SAFETY: a header and two sets, as this version takes them, which live during the call.
    if unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) } != 0 {
        return;
    }
    let held =
        |sets: &[Sets; 2], right: u32| sets[right as usize / 32].permitted >> (right % 32) & 1 == 1;
    for right in RIGHTS {
        if held(&sets, right) {
            sets[right as usize / 32].inheritable |= 1 << (right % 32);
        }
    }
    // SAFETY: likewise.
    if unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) } != 0 {
        return;
    }
    for right in RIGHTS {
        if held(&sets, right) {
            let (right, none) = (libc::c_ulong::from(right), 0 as libc::c_ulong);
            // SAFETY: numbers only.
            unsafe {
                libc::prctl(
                    libc::PR_CAP_AMBIENT,
                    libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong,
                    right,
                    none,
                    none,
                );
            }
        }
    }
}

/// Waits until there is something to read, or the time is over.
fn readable(fd: RawFd, patience: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let millis = libc::c_int::try_from(patience.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: one pollfd, which lives during the call.
    let count = unsafe { libc::poll(&raw mut poll, 1, millis) };
    match count {
        0.. => Ok(count > 0),
        _ => {
            let error = io::Error::last_os_error();
            if error.kind() == io::ErrorKind::Interrupted {
                Ok(false)
            } else {
                Err(error)
            }
        }
    }
}
