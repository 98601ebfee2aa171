//! Where the private server's files lie.
//!
//! All of them are in one directory, the home: `<state_dir>/postgres`. When an unprivileged account runs PostgreSQL and
//! cannot get there, that name is a link to a directory below [`SYSTEM_PLACE`]. It always holds that we write only
//! where the server's account cannot: `data` and the socket directory are its own, the rest is ours. Otherwise who
//! controls the database could make root write through a link.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::account::{self, Account};
use super::error::PrivateServerError;
use super::{Environment, Progress, directory};

/// Where clusters of root's projects lie when the server's account cannot enter the project.
const SYSTEM_PLACE: &str = "/var/lib/hedgerow";

/// `sizeof(sockaddr_un.sun_path)`, which includes the closing zero.
const SOCKET_PATH_SIZE: usize = if cfg!(target_os = "macos") { 104 } else { 108 };

/// The directory of one project's server, and the account that runs it.
pub(super) struct Home {
    pub(super) path: PathBuf,
    /// `None`: we run PostgreSQL ourselves.
    pub(super) account: Option<Account>,
}

impl Home {
    /// Finds the home of `state_dir`, or makes it. Says so when the data lie elsewhere.
    pub(super) fn locate(
        state_dir: &Path,
        environment: Environment<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Home, PrivateServerError> {
        directory::create(state_dir, 0o755).map_err(PrivateServerError::io("create", state_dir))?;
        let state_dir = fs::canonicalize(state_dir).map_err(PrivateServerError::io("resolve", state_dir))?;
        if state_dir.to_str().is_none() {
            let path = state_dir.display();
            return Err(PrivateServerError::Option(format!("`{path}`, a path that is not UTF-8,")));
        }
        let name = state_dir.join("postgres");
        let path = make_ours(&place(&state_dir, &name, environment)?)?;
        let data_dir = path.join("data");
        let account =
            if data_dir.exists() { Account::owning(&data_dir)? } else { Account::choose(environment)? };
        if let Some(account) = &account {
            if let Some(closed) = account.closed_directory(&path) {
                return Err(PrivateServerError::Unreachable { account: account.name.clone(), closed, path });
            }
            if path != name {
                let place = path.display();
                progress(Progress::Notice(match account.closed_directory(&state_dir) {
                    Some(closed) => format!(
                        "the database lies in `{place}`, because the account `{}`, which runs PostgreSQL, cannot \
                         enter `{}`",
                        account.name,
                        closed.display()
                    ),
                    None => format!("the database lies in `{place}`, where `{}` leads", name.display()),
                }));
            }
        }
        Ok(Home { path, account })
    }

    /// The data directory of PostgreSQL.
    pub(super) fn data_dir(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Makes the directory for the socket: in the home when the path is short enough for the operating system, else
    /// in the directory for temporary files. Only the server's account (and root) can enter it.
    pub(super) fn make_socket_dir(&self) -> Result<SocketDir, PrivateServerError> {
        let inside = self.path.join("socket");
        let short =
            |directory: &Path| directory.as_os_str().len() + "/.s.PGSQL.65535".len() < SOCKET_PATH_SIZE;
        if short(&inside) {
            return self.make_own_directory(&inside).map(|()| SocketDir(inside));
        }
        let name = format!("hedgerow-{}", hash(&self.path));
        let reachable =
            |place: &PathBuf| self.account.as_ref().is_none_or(|a| a.closed_directory(place).is_none());
        let outside = [env::temp_dir(), PathBuf::from("/tmp")]
            .into_iter()
            .filter(reachable)
            .map(|place| place.join(&name))
            .find(|directory| short(directory))
            .ok_or_else(|| {
                let path = inside.display();
                PrivateServerError::Option(format!("`{path}`, too long a path for a socket,"))
            })?;
        self.make_own_directory(&outside).map(|()| SocketDir(outside))
    }

    /// Makes a directory that belongs to the server's account alone. One that exists must be so already: a name in a
    /// shared place could have been taken by another user.
    pub(super) fn make_own_directory(&self, path: &Path) -> Result<(), PrivateServerError> {
        let (owner, group) = match &self.account {
            Some(account) => (account.uid, Some(account.gid)),
            None => (account::our_uid(), None),
        };
        match fs::create_dir(path) {
            Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700))
                .and_then(|()| chown(path, Some(owner), group))
                .map_err(PrivateServerError::io("set the owner of", path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(path).map_err(PrivateServerError::io("read", path))?;
                if found.is_dir() && found.uid() == owner && found.mode() & 0o077 == 0 {
                    return Ok(());
                }
                Err(PrivateServerError::UntrustedSocketDirectory(path.to_path_buf()))
            }
            Err(error) => Err(PrivateServerError::io("create", path)(error)),
        }
    }
}

/// Where `name` lies: there, or where it leads. A new name leads to the system's place if it has to.
fn place(state_dir: &Path, name: &Path, environment: Environment<'_>) -> Result<PathBuf, PrivateServerError> {
    if fs::symlink_metadata(name).is_err()
        && let Some(account) = Account::choose(environment)?
        && account.closed_directory(state_dir).is_some()
    {
        let elsewhere = Path::new(SYSTEM_PLACE).join(project_name(state_dir));
        match symlink(elsewhere, name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(PrivateServerError::io("create the link", name)(error));
            }
            _ => {}
        }
    }
    match fs::read_link(name) {
        Ok(target) if target.parent() == Some(Path::new(SYSTEM_PLACE)) => Ok(target),
        Ok(target) => Err(PrivateServerError::ForeignLink { link: name.to_path_buf(), target }),
        Err(_) => Ok(name.to_path_buf()),
    }
}

/// Makes the home, or checks that the one there is ours; its path without links.
fn make_ours(path: &Path) -> Result<PathBuf, PrivateServerError> {
    // As root: the server's account passes through, and sees what it knows the name of.
    let mode = if account::we_are_root() { 0o711 } else { 0o700 };
    let parent = path.parent().unwrap_or(path);
    directory::create(parent, 0o755)
        .and_then(|()| directory::create(path, mode))
        .map_err(PrivateServerError::io("create", path))?;
    let path = fs::canonicalize(path).map_err(PrivateServerError::io("resolve", path))?;
    let owner = fs::metadata(&path).map_err(PrivateServerError::io("read", &path))?.uid();
    match owner == account::our_uid() {
        true => Ok(path),
        false => Err(PrivateServerError::ForeignHome { path, owner }),
    }
}

/// The directory of the socket, removed when the server has ended.
#[derive(Debug)]
pub(super) struct SocketDir(pub(super) PathBuf);

impl Drop for SocketDir {
    fn drop(&mut self) {
        // Fails when a server that could not be stopped still has its socket there.
        let _ = fs::remove_dir(&self.0);
    }
}

/// A name for the project that people recognise and no other project has: `shop-3f9a0c12b4d5e677`.
fn project_name(state_dir: &Path) -> String {
    let project = state_dir.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let readable: String =
        project.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    format!("{}-{}", if readable.is_empty() { "project" } else { &readable }, hash(state_dir))
}

fn hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_names_are_readable_and_differ() {
        let name = project_name(Path::new("/root/my shop/.hedgerow"));
        assert!(name.starts_with("myshop-") && name.len() == "myshop-".len() + 16, "{name}");
        assert_ne!(name, project_name(Path::new("/srv/my shop/.hedgerow")));
        assert!(project_name(Path::new("/../.hedgerow")).starts_with("project-"));
    }

    #[test]
    fn a_directory_that_others_can_write_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home { path: directory.path().to_path_buf(), account: None };
        let check = |mode, expected: bool| {
            let path = directory.path().join("shared");
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let made = home.make_own_directory(&path);
            assert_eq!(made.is_ok(), expected, "{mode:o}: {made:?}");
            fs::remove_dir(path).unwrap();
        };
        check(0o700, true);
        check(0o770, false);
        check(0o1777, false);

        let elsewhere = directory.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::set_permissions(&elsewhere, Permissions::from_mode(0o700)).unwrap();
        symlink(&elsewhere, directory.path().join("link")).unwrap();
        let made = home.make_own_directory(&directory.path().join("link"));
        assert!(matches!(made, Err(PrivateServerError::UntrustedSocketDirectory(_))), "{made:?}");
    }

    #[test]
    fn a_link_to_a_foreign_place_is_not_followed() {
        let state_dir = tempfile::tempdir().unwrap();
        symlink("/etc", state_dir.path().join("postgres")).unwrap();
        let located = Home::locate(state_dir.path(), &|_| None, &mut |_| {}).map(|home| home.path);
        assert!(matches!(located, Err(PrivateServerError::ForeignLink { .. })), "{located:?}");
    }
}
