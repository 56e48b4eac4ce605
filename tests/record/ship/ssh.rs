//! Through ssh, to an sshd of our own.

use super::bundle;
use crate::support::*;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An sshd of our own, and a `ssh` in front of the PATH that knows it.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn start() -> Option<Self> {
        if !is_root() || !has("sshd") || !has("ssh") || !has("ssh-keygen") {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", &path(key)])
                .status();
            assert!(made.unwrap().success());
        }
        fs::copy(path("user.pub"), path("authorized")).unwrap();
        let config = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\n",
            path("host"),
            path("authorized")
        );
        fs::write(path("sshd_config"), config).unwrap();
        let client = format!(
            "#!/bin/sh\nexec $(PATH=${{PATH#*:}} command -v ssh) -F none -i {} -oIdentitiesOnly=yes -oBatchMode=yes \
             -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -oLogLevel=ERROR \"$@\"\n",
            path("user")
        );
        fs::create_dir(path("bin")).unwrap();
        script(Path::new(&path("bin/ssh")), &client);
        // Where it separates privileges; packages make it when the service starts.
        let _ = fs::create_dir_all("/run/sshd");
        let (program, log) = (path("bin/ssh"), path("sshd.log"));
        let port = serve(path("sshd_config"), log.clone());
        let server = Self { folder, port };
        // Where root may not come in, there is nothing to send to.
        let mut ssh = Command::new(program);
        ssh.args([&format!("-p{port}"), "root@127.0.0.1", "true"])
            .env("PATH", server.search_path());
        let output = ssh.stdin(Stdio::null()).output().unwrap();
        if !output.status.success() {
            let log = fs::read_to_string(log).unwrap_or_default();
            skipped(&format!("no ssh to root here: {}{log}", said(&output)));
            return None;
        }
        Some(server)
    }

    /// The PATH with the `ssh` of this server in front.
    fn search_path(&self) -> String {
        let bin = self.folder.path().join("bin");
        let usual = std::env::var("PATH").unwrap_or_default();
        format!("{}:{usual}", bin.display())
    }

    fn ship(&self, bundle: &Path, port: u16, path: &str) -> Output {
        recorder()
            .arg("ship")
            .arg(bundle)
            .arg(format!("ssh://root@127.0.0.1:{port}{path}"))
            .env("PATH", self.search_path())
            .output()
            .unwrap()
    }
}

/// Takes connections at a port that is ours as long as the tests run, and starts an sshd
/// for each of them, as inetd does.
fn serve(config: String, log: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let log = fs::File::options().create(true).append(true).open(&log);
            // The test that it was for is over when its folder is gone.
            let (Ok(log), Ok(other)) = (log, client.try_clone()) else {
                return;
            };
            let sshd = Command::new("/usr/sbin/sshd")
                .args(["-i", "-e", "-f", &config])
                .stdin(OwnedFd::from(client))
                .stdout(OwnedFd::from(other))
                .stderr(log)
                .spawn();
            let mut sshd = sshd.unwrap();
            std::thread::spawn(move || drop(sshd.wait()));
        }
    });
    port
}

/// Hands connections on, and cuts those that carried so many bytes: the `cuts` first
/// ones that do.
fn cutting_relay(to: u16, after: usize, cuts: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else {
                return;
            };
            let (mut back_from, mut back_to) =
                (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut back_from, &mut back_to);
                let _ = back_to.shutdown(Shutdown::Both);
            });
            let count = Arc::clone(&count);
            std::thread::spawn(move || {
                let (mut from, mut to) = (client, server);
                let mut piece = [0; 4096];
                let mut carried = 0;
                while let Ok(size @ 1..) = from.read(&mut piece) {
                    carried += size;
                    if carried > after && count.load(Ordering::SeqCst) < cuts {
                        count.fetch_add(1, Ordering::SeqCst);
                        let _ = from.shutdown(Shutdown::Both);
                        break;
                    }
                    if to.write_all(&piece[..size]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    });
    (port, done)
}

#[test]
fn ssh_verifies_and_renames() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = bundle(folder.path(), 2_000_000);
    let there = folder.path().join("a place");
    fs::create_dir(&there).unwrap();
    let output = server.ship(&path, server.port, &format!("{}/", there.display()));
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("verified"), "{}", said(&output));
    assert_eq!(names(&there), ["b.tar.zst"]);
    assert_eq!(
        fs::read(there.join("b.tar.zst")).unwrap(),
        fs::read(&path).unwrap()
    );

    // A rest of another bundle under the same name does no harm.
    fs::write(there.join("c.part"), [0; 100]).unwrap();
    let output = server.ship(&path, server.port, &format!("{}/c", there.display()));
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(fs::read(there.join("c")).unwrap(), fs::read(&path).unwrap());

    // A folder without the slash would get the part, and the next bundle over it.
    let line = refusal(&server.ship(&path, server.port, there.to_str().unwrap()));
    assert!(line.contains("end the path with /"), "{line}");
    assert_eq!(names(&there), ["b.tar.zst", "c"]);
    assert_eq!(names(folder.path()), ["a place", "b.tar.zst"]);

    // What the other side refuses is said in its words, at once.
    let line = refusal(&server.ship(&path, server.port, "/no/such/folder/x"));
    assert!(
        line.contains("No such file") || line.contains("cannot create"),
        "{line}"
    );
    assert!(line.contains(path.to_str().unwrap()), "{line}");
    assert!(path.exists());
}

#[test]
fn a_full_disk_on_the_other_side_is_said() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(folder.path(), 64 << 10) else {
        return;
    };
    let path = bundle(folder.path(), 1_000_000);
    let line = refusal(&server.ship(&path, server.port, &format!("{}/x", small.path().display())));
    assert!(line.contains("No space left"), "{line}");
    assert!(path.exists());
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = bundle(folder.path(), 3_000_000);
    let there = folder.path().join("x");
    let (port, cuts) = cutting_relay(server.port, 1_000_000, 2);
    let output = server.ship(&path, port, there.to_str().unwrap());
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(cuts.load(Ordering::SeqCst), 2);
    assert!(
        said(&output).contains("going on behind"),
        "{}",
        said(&output)
    );
    assert_eq!(fs::read(&there).unwrap(), fs::read(&path).unwrap());
}

#[test]
fn a_vanished_peer_costs_nothing_but_the_time() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = bundle(folder.path(), 3_000_000);
    let (port, _) = cutting_relay(server.port, 200_000, usize::MAX);
    let there = folder.path().join("x");
    let line = refusal(&server.ship(&path, port, there.to_str().unwrap()));
    assert!(
        line.contains(path.to_str().unwrap()) && line.contains("ship"),
        "{line}"
    );
    assert!(path.exists() && !there.exists());
}

#[test]
fn what_is_sent_and_verified_needs_no_copy_here() {
    let Some(server) = Server::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = busy(folder.path(), "moved") else {
        return;
    };
    let capture = folder.path().join("run.data");
    if !perf_record(&capture, &[], &program, "0.2") {
        return;
    }
    let here = folder.path().join("here");
    fs::create_dir(&here).unwrap();
    let there = folder.path().join("there.tar.zst");
    let output = recorder()
        .arg("pack")
        .arg(&capture)
        .arg("--ship")
        .arg(format!(
            "ssh://root@127.0.0.1:{}{}",
            server.port,
            there.display()
        ))
        .env("PATH", server.search_path())
        .current_dir(&here)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(open(&there).captures().count(), 1);
    assert!(names(&here).is_empty());
    assert!(capture.exists());
}
