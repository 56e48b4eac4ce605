//! Where a bundle goes, as the user writes it.

use anyhow::{Result, bail, ensure};

/// Where a bundle goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file on a machine that `ssh` reaches.
    Ssh(Remote),
    /// An address that takes a PUT.
    Http(String),
    /// A command that reads the bundle.
    Exec(String),
}

/// A file on another machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// `HOST` or `USER@HOST`.
    pub host: String,
    /// The port, if it is not what ssh takes by itself.
    pub port: Option<u16>,
    /// The path; of a folder it ends with `/`.
    pub path: String,
}

impl Destination {
    /// Reads `ssh://[USER@]HOST[:PORT]/PATH`, `https://…` or `exec:COMMAND`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix("ssh://") {
            return Ok(Self::Ssh(Remote::parse(rest)?));
        }
        if let Some(command) = text.strip_prefix("exec:") {
            ensure!(
                !command.trim().is_empty(),
                "exec: wants a command behind it"
            );
            return Ok(Self::Exec(command.to_owned()));
        }
        let is_plain = |c: char| {
            c.is_ascii_graphic()
                && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
        };
        let is_address =
            |rest: &str| !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(is_plain);
        if let Some(rest) = text.strip_prefix("https://") {
            ensure!(is_address(rest), "{} is no address", without_query(text));
            return Ok(Self::Http(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("http://") {
            ensure!(is_address(rest), "{} is no address", without_query(text));
            let host = rest.split(['/', '?']).next().unwrap_or_default();
            let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
            ensure!(
                matches!(name, "localhost" | "127.0.0.1" | "[::1]"),
                "{} would send the bundle readable for all in between: use https://, or http:// on this machine itself",
                without_query(text)
            );
            return Ok(Self::Http(text.to_owned()));
        }
        bail!(
            "{} is no destination: write ssh://[USER@]HOST/PATH, https://… or exec:COMMAND",
            without_query(text)
        )
    }
}

/// An address without what signs it: that is a key.
pub(super) fn without_query(address: &str) -> &str {
    address.split('?').next().unwrap_or(address)
}

impl Remote {
    fn parse(rest: &str) -> Result<Self> {
        let Some((host, path)) = rest.split_once('/') else {
            bail!("ssh://{rest} has no path: write ssh://[USER@]HOST/PATH");
        };
        let colon = host.rfind(':').filter(|&at| !host[at..].contains(']'));
        let (host, port) = match colon {
            Some(at) => (&host[..at], Some(host[at + 1..].parse::<u16>())),
            None => (host, None),
        };
        let port = match port.transpose() {
            Ok(port) => port,
            Err(_) => bail!("ssh://{rest} has a port that is no number"),
        };
        // ssh would take a leading dash for an option, and options run commands.
        let name = host.rsplit('@').next().unwrap_or_default();
        let is_good = |c: char| {
            c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | ':' | '[' | ']' | '%')
        };
        ensure!(
            !name.is_empty()
                && !host.starts_with('-')
                && !name.starts_with('-')
                && host.chars().all(is_good),
            "ssh://{rest} has no host that ssh could reach"
        );
        ensure!(
            !path.contains('\0'),
            "ssh://{rest} has a zero byte in its path"
        );
        // As in scp: a path from the root, or from home behind `~`.
        let path = match path.strip_prefix("~/") {
            Some(home) => home.to_owned(),
            None => format!("/{path}"),
        };
        ensure!(!path.is_empty(), "ssh://{rest} has no path");
        Ok(Self {
            host: host.replace(['[', ']'], ""),
            port,
            path,
        })
    }

    /// The file, for a bundle of this name.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        match self.path.ends_with('/') {
            true => format!("{}{name}", self.path),
            false => self.path.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> Remote {
        match Destination::parse(text) {
            Ok(Destination::Ssh(remote)) => remote,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn machines_have_users_ports_and_paths() {
        let full = remote("ssh://ann@db7:2222/var/x.tar.zst");
        assert_eq!(
            (full.host.as_str(), full.port, full.file("n").as_str()),
            ("ann@db7", Some(2222), "/var/x.tar.zst")
        );
        let folder = remote("ssh://db7/var/");
        assert_eq!((folder.port, folder.file("n").as_str()), (None, "/var/n"));
        assert_eq!(remote("ssh://db7/~/x").path, "x");
        let six = remote("ssh://[fe80::1]:22/x");
        assert_eq!((six.host.as_str(), six.port), ("fe80::1", Some(22)));
        for text in [
            "ssh://db7",
            "ssh:///x",
            "ssh://-oProxyCommand=reboot/x",
            "ssh://ann@-oProxyCommand=x/x",
            "ssh://db7:x/x",
            "ssh://db7:99999/x",
            "ssh://a b/x",
            "ssh://a;b/x",
            "ftp://x/y",
            "exec: ",
            "https://",
            "https:///x",
            "https://a b",
            "http://db7/x",
            "",
        ] {
            assert!(Destination::parse(text).is_err(), "{text}");
        }
        for text in [
            "https://s/x?sig=1",
            "http://localhost:80/x",
            "http://127.0.0.1/x",
            "http://[::1]:8/x",
            "exec:cat > x",
        ] {
            assert!(Destination::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_signs_an_address_is_not_shown() {
        let error = Destination::parse("http://db7/x?key=hunter2").unwrap_err();
        assert!(!format!("{error:#}").contains("hunter2"));
    }
}
