//! The program that is started to be recorded.

use anyhow::{Context, Result, bail, ensure};
use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a program may take to end after it was asked to.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "ended with exit status {status}"),
            Self::Killed(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

/// A process that waits to become the program until every source records it:
/// forked, but not executed yet.
#[derive(Debug)]
pub struct Workload {
    pid: libc::pid_t,
    name: String,
    /// Closing or writing it lets the program run.
    go: Option<File>,
    /// Tells why the program could not be executed; closed when it was.
    failure: File,
    ended: Option<Ended>,
}

impl Workload {
    /// Forks a process for this command line. It does nothing yet. With `is_aside` it will
    /// print to standard error: standard output is for the bundle then.
    ///
    /// # Errors
    /// When there is no such program, or no process can be made.
    pub fn prepare(command: &[OsString], is_aside: bool) -> Result<Self> {
        let name = command.first().context("no command behind --")?;
        let program = find(name)?;
        let text = |text: &OsStr| CString::new(text.as_bytes());
        let path = text(program.as_os_str()).context("a zero byte in the command")?;
        let arguments: Vec<CString> = command
            .iter()
            .map(|argument| text(argument))
            .collect::<Result<_, _>>()
            .context("a zero byte in the command")?;
        let mut pointers: Vec<_> = arguments.iter().map(|argument| argument.as_ptr()).collect();
        pointers.push(std::ptr::null());
        // What shells do with a script that does not name its own; not with what is for
        // another machine.
        let mut by_shell = Vec::new();
        if !is_elf(&program) {
            by_shell.extend([c"/bin/sh".as_ptr(), path.as_ptr()]);
            by_shell.extend(pointers.iter().skip(1));
        }
        let (go_read, go) = pipe()?;
        let (failure, failure_write) = pipe()?;
        // SAFETY: the child calls nothing but functions that are safe after a fork
        // (close, read, signal, dup2, execv, write, _exit) on memory that was made before it.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: see above.
            unsafe {
                become_program(
                    &go_read,
                    go.as_raw_fd(),
                    &failure_write,
                    is_aside,
                    [&pointers, &by_shell],
                    &path,
                )
            }
        }
        ensure!(
            pid > 0,
            "cannot start a process: {}",
            std::io::Error::last_os_error()
        );
        Ok(Self {
            pid,
            name: name.to_string_lossy().into_owned(),
            go: Some(go),
            failure,
            ended: None,
        })
    }

    /// Its process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Lets it run.
    ///
    /// # Errors
    /// When the program cannot be executed.
    pub fn run(&mut self) -> Result<()> {
        let Some(mut go) = self.go.take() else {
            return Ok(());
        };
        let _ = go.write_all(&[1]);
        drop(go);
        // Nothing to read: the file was closed by a successful exec.
        let mut error = [0; 4];
        if self.failure.read_exact(&mut error).is_ok() {
            let error = std::io::Error::from_raw_os_error(i32::from_ne_bytes(error));
            self.wait(true);
            bail!("cannot run {}: {error}", self.name);
        }
        Ok(())
    }

    /// Whether it ended.
    pub fn is_over(&mut self) -> bool {
        self.wait(false);
        self.ended.is_some()
    }

    /// How it ended, once it did.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Asks it to end, as `timeout` does, and waits a little. Who does not want to is
    /// left alone.
    ///
    /// # Errors
    /// When it goes on.
    pub fn end(&mut self) -> Result<()> {
        if self.is_over() {
            return Ok(());
        }
        // SAFETY: the process is our child and was not waited for, so that the number
        // is no other's.
        unsafe { libc::kill(self.pid, libc::SIGTERM) };
        let asked = Instant::now();
        while !self.is_over() {
            if asked.elapsed() > PATIENCE {
                bail!(
                    "{} (process {}) still runs: it does not end at SIGTERM",
                    self.name,
                    self.pid
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn wait(&mut self, block: bool) {
        if self.ended.is_some() {
            return;
        }
        let mut status = 0;
        let flags = if block { 0 } else { libc::WNOHANG };
        // SAFETY: `status` is a valid place for the answer.
        let pid = unsafe { libc::waitpid(self.pid, &mut status, flags) };
        if pid == self.pid {
            self.ended = Some(match libc::WIFEXITED(status) {
                true => Ended::Exited(libc::WEXITSTATUS(status)),
                false => Ended::Killed(libc::WTERMSIG(status)),
            });
        }
    }
}

impl Drop for Workload {
    /// A process that never became the program goes away without a trace.
    fn drop(&mut self) {
        if self.go.take().is_some() {
            // SAFETY: our child, not waited for.
            unsafe { libc::kill(self.pid, libc::SIGKILL) };
            self.wait(true);
        }
    }
}

/// The child's part.
///
/// # Safety
/// Only between fork and exec; both lists of arguments, of the program and of a shell in
/// its place (which may be empty), end with a null pointer and point to strings.
unsafe fn become_program(
    go: &File,
    go_write: libc::c_int,
    failure: &File,
    is_aside: bool,
    [arguments, by_shell]: [&[*const libc::c_char]; 2],
    path: &CString,
) -> ! {
    // SAFETY: plain system calls on valid memory and open files.
    unsafe {
        // Else this process would keep the pipe open for itself, and wait forever when the
        // recorder is killed.
        libc::close(go_write);
        let mut byte = 0u8;
        let mut got = -1;
        while got < 0 {
            got = libc::read(go.as_raw_fd(), (&raw mut byte).cast(), 1);
            if got < 0 && *libc::__errno_location() != libc::EINTR {
                break;
            }
        }
        // The recorder is gone.
        if got != 1 {
            libc::_exit(127);
        }
        // Rust ignores it, and ignored signals survive an exec.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        if is_aside {
            libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO);
        }
        libc::execv(path.as_ptr(), arguments.as_ptr());
        if *libc::__errno_location() == libc::ENOEXEC && !by_shell.is_empty() {
            libc::execv(by_shell[0], by_shell.as_ptr());
        }
        let error = (*libc::__errno_location()).to_ne_bytes();
        libc::write(failure.as_raw_fd(), error.as_ptr().cast(), error.len());
        libc::_exit(127)
    }
}

/// A pipe that programs do not inherit: where it is read, and where it is written.
fn pipe() -> Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors, which are ours alone afterwards.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(std::io::Error::last_os_error()).context("cannot make a pipe");
        }
        Ok((File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])))
    }
}

/// The file that a shell would run.
fn find(name: &OsStr) -> Result<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        let shown = name.to_string_lossy();
        ensure!(Path::new(name).exists(), "cannot run {shown}: no such file");
        ensure!(
            is_executable(Path::new(name)),
            "cannot run {shown}: it is not executable"
        );
        return Ok(name.into());
    }
    let folders = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
        .with_context(|| format!("cannot run {}: not in PATH", name.to_string_lossy()))
}

fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && &magic == b"\x7fELF"
}

/// Whether this is a file that its user may execute.
pub(crate) fn is_executable(path: &Path) -> bool {
    let Ok(text) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: a string that ends with a zero byte.
    path.is_file() && unsafe { libc::access(text.as_ptr(), libc::X_OK) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another process writes it: what this one has open for writing is for a moment also
    /// open in what other tests start meanwhile, and cannot be executed.
    fn script(file: &Path, line: &str) {
        let written = std::process::Command::new("sh")
            .args(["-c", "printf '%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\""])
            .arg(file)
            .arg(line)
            .status();
        assert!(written.unwrap().success());
    }

    fn command(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn end(workload: &mut Workload) -> Ended {
        while !workload.is_over() {
            std::thread::sleep(Duration::from_millis(1));
        }
        workload.ended().unwrap()
    }

    #[test]
    fn it_runs_when_it_is_let_and_keeps_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("echo $$ > {}; exit 3", file.display());
        let mut workload = Workload::prepare(&command(&["sh", "-c", &script]), false).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        assert!(!file.exists() && !workload.is_over());
        workload.run().unwrap();
        assert_eq!(end(&mut workload), Ended::Exited(3));
        let pid = std::fs::read_to_string(&file).unwrap();
        assert_eq!(pid.trim(), workload.pid().to_string());
    }

    #[test]
    fn who_does_not_run_leaves_nothing() {
        let workload = Workload::prepare(&command(&["sleep", "100"]), false).unwrap();
        let path = format!("/proc/{}", workload.pid());
        assert!(Path::new(&path).exists());
        drop(workload);
        assert!(!Path::new(&path).exists());
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("no-program");
        std::fs::write(&file, "text").unwrap();
        let text = file.to_str().unwrap();
        for words in [
            vec!["no-such-program-here"],
            vec!["/no/such"],
            vec![text],
            vec!["/"],
            vec![],
        ] {
            let words = command(&words);
            assert!(Workload::prepare(&words, false).is_err(), "{words:?}");
        }
        // What only the kernel sees.
        script(&file, "#!/no/such/interpreter");
        let mut workload = Workload::prepare(&[file.into()], false).unwrap();
        let error = workload.run().unwrap_err().to_string();
        assert!(
            error.contains("no-program") && error.contains("No such file"),
            "{error}"
        );
    }

    #[test]
    fn a_script_that_names_no_shell_is_run_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script");
        script(&file, "exit $1");
        let mut workload = Workload::prepare(&[file.into(), "7".into()], false).unwrap();
        workload.run().unwrap();
        assert_eq!(end(&mut workload), Ended::Exited(7));
    }

    #[test]
    fn it_is_ended_when_the_time_is_up() {
        let mut workload = Workload::prepare(&command(&["sleep", "100"]), false).unwrap();
        workload.run().unwrap();
        workload.end().unwrap();
        assert_eq!(workload.ended(), Some(Ended::Killed(libc::SIGTERM)));
    }
}
