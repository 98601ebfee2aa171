//! Finds a PostgreSQL to run: the named one, else the newest installed, else the downloaded.
//!
//! Two variables steer it. `HEDGEROW_POSTGRES_BIN` names a directory with `postgres` and `initdb`; nothing else is then
//! looked at. `HEDGEROW_POSTGRES_SEARCH`, a list of directories like `PATH`, replaces the built-in list and `PATH`; an
//! empty one hides every installed PostgreSQL. It always holds that existing data meet only their own major version.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::download::{self, NoDownload};
use super::error::PrivateServerError;
use super::home::Home;
use super::install_command::install_command;
use super::installation::Installation;
use super::{Download, Environment, Progress};
use crate::server_version::ServerVersion;

/// Where distributions and installers put the server programs; `*` stands for the rest of one name.
const USUAL_PLACES: [&str; 11] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/lib/postgresql*/bin",
    "/usr/libexec/postgresql*",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/Library/PostgreSQL/*/bin",
    "/opt/local/lib/postgresql*/bin",
];

/// The PostgreSQL to use for `home`; downloads one when nothing else is there and `download` allows it.
pub(super) fn find(
    home: &Home,
    download: Download,
    environment: Environment<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installation, PrivateServerError> {
    let data_dir = home.data_dir();
    let major = data_major(&data_dir)?;
    if let Some(bin_dir) = environment("HEDGEROW_POSTGRES_BIN").filter(|value| !value.is_empty()) {
        let bin_dir = PathBuf::from(bin_dir);
        return match Installation::at(&bin_dir) {
            Ok(installation) if installation.suits(major) => Ok(installation),
            Ok(Installation { version, .. }) => Err(match major {
                Some(data) => other_major(&data_dir, data, &[version]),
                None => PrivateServerError::Unusable { bin_dir, reason: format!("it is version {version}") },
            }),
            Err(reason) => Err(PrivateServerError::Unusable { bin_dir, reason }),
        };
    }

    let search = environment("HEDGEROW_POSTGRES_SEARCH");
    let installed = match &search {
        Some(places) => installed_in(std::env::split_paths(places)),
        None => {
            let path = environment("PATH").unwrap_or_default();
            let usual = USUAL_PLACES.iter().flat_map(|pattern| expand(pattern));
            installed_in(usual.chain(std::env::split_paths(&path)))
        }
    };
    if let Some(installation) = installed.iter().rev().find(|installation| installation.suits(major)) {
        return Ok(installation.clone());
    }

    let no_download = match download::provide(home.account.as_ref(), major, download, environment, progress) {
        Ok(installation) => return Ok(installation),
        Err(no_download) => no_download,
    };
    let versions: Vec<_> = installed.iter().map(|installation| installation.version).collect();
    match (no_download, major) {
        (NoDownload::Failed(error), _) => Err(PrivateServerError::Download(error)),
        (NoDownload::Unavailable(_), Some(data)) if !versions.is_empty() => {
            Err(other_major(&data_dir, data, &versions))
        }
        (NoDownload::Unavailable(reason), _) => Err(PrivateServerError::NotFound {
            wanted: major
                .map_or_else(|| format!("{} or newer", ServerVersion::OLDEST_MAJOR), |m| m.to_string()),
            looked_in: match &search {
                Some(places) => format!("$HEDGEROW_POSTGRES_SEARCH (`{}`)", places.to_string_lossy()),
                None => format!("$HEDGEROW_POSTGRES_BIN (not set), {}, $PATH", USUAL_PLACES.join(", ")),
            } + &versions
                .iter()
                .map(|version| format!("; {version} is too old"))
                .collect::<String>(),
            download: reason,
            install: install_command(major),
        }),
    }
}

/// The major version that wrote the data; `None` when there are no data yet.
fn data_major(data_dir: &Path) -> Result<Option<u32>, PrivateServerError> {
    if !data_dir.exists() {
        return Ok(None);
    }
    let file = data_dir.join("PG_VERSION");
    let text = fs::read_to_string(&file).map_err(PrivateServerError::io("read", &file))?;
    let version =
        ServerVersion::parse(&text).ok_or_else(|| std::io::Error::other(format!("it says `{text}`")));
    version.map(|version| Some(version.major)).map_err(PrivateServerError::io("understand", &file))
}

fn other_major(data_dir: &Path, data: u32, versions: &[ServerVersion]) -> PrivateServerError {
    let versions: Vec<_> = versions.iter().map(ServerVersion::to_string).collect();
    PrivateServerError::OtherMajor {
        data_dir: data_dir.to_path_buf(),
        data,
        found: format!("PostgreSQL {}", versions.join(", ")),
        install: install_command(Some(data)),
    }
}

/// What works in `places`, the oldest version first.
fn installed_in(places: impl Iterator<Item = PathBuf>) -> Vec<Installation> {
    let by_directory: BTreeMap<_, _> = places
        .filter(|place| place.is_absolute())
        .filter_map(|place| Installation::at(&place).ok())
        .map(|installation| (installation.bin_dir, installation.version))
        .collect();
    let mut found: Vec<_> =
        by_directory.into_iter().map(|(bin_dir, version)| Installation { bin_dir, version }).collect();
    found.sort_by_key(|installation| installation.version);
    found
}

/// The existing paths that match a pattern with one `*`.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![PathBuf::from(pattern)] };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let after = after.trim_start_matches('/');
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(after))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::TempDir;

    use super::*;

    /// A machine with some versions of PostgreSQL, and a home with or without data.
    struct Machine(TempDir);

    impl Machine {
        fn with(versions: &[&str]) -> Machine {
            let machine = Machine(tempfile::tempdir().unwrap());
            for version in versions {
                let bin_dir = machine.bin_dir(version);
                fs::create_dir_all(&bin_dir).unwrap();
                let script = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n");
                for program in ["postgres", "initdb"] {
                    fs::write(bin_dir.join(program), &script).unwrap();
                    fs::set_permissions(bin_dir.join(program), fs::Permissions::from_mode(0o755)).unwrap();
                }
            }
            machine
        }

        fn bin_dir(&self, version: &str) -> PathBuf {
            fs::canonicalize(self.0.path()).unwrap().join(version).join("bin")
        }

        fn with_data(self, major: &str) -> Machine {
            fs::create_dir(self.0.path().join("data")).unwrap();
            fs::write(self.0.path().join("data/PG_VERSION"), format!("{major}\n")).unwrap();
            self
        }

        fn find(&self, variables: &[(&str, OsString)]) -> Result<Installation, PrivateServerError> {
            let environment = |name: &str| {
                let set = variables.iter().find(|(variable, _)| *variable == name);
                // Nothing of the real machine is seen, nor is anything cached.
                set.map(|(_, value)| value.clone()).or_else(|| {
                    (name == "XDG_CACHE_HOME").then(|| self.0.path().join("cache").into_os_string())
                })
            };
            let home = Home { path: self.0.path().to_path_buf(), account: None };
            find(&home, Download::Refused, &environment, &mut |_| {})
        }

        fn search(&self, versions: &[&str]) -> (&'static str, OsString) {
            let places = versions.iter().map(|version| self.bin_dir(version));
            ("HEDGEROW_POSTGRES_SEARCH", std::env::join_paths(places).unwrap())
        }
    }

    #[test]
    fn the_newest_version_wins_unless_there_are_data() {
        let versions = ["15.18", "16.2", "9.6.24", "16.10"];
        let machine = Machine::with(&versions);
        let found = machine.find(&[machine.search(&versions)]).unwrap();
        assert_eq!(found.bin_dir, machine.bin_dir("16.10"));

        let machine = Machine::with(&versions).with_data("15");
        let found = machine.find(&[machine.search(&versions)]).unwrap();
        assert_eq!(found.bin_dir, machine.bin_dir("15.18"));

        let error = machine.find(&[machine.search(&["9.6.24", "16.2"])]).unwrap_err();
        assert!(matches!(error, PrivateServerError::OtherMajor { data: 15, .. }), "{error}");
    }

    #[test]
    fn a_named_directory_is_used_or_refused_but_never_passed_over() {
        let machine = Machine::with(&["14.9", "15.18", "16.2"]);
        let search = machine.search(&["16.2"]);
        let named = |directory: PathBuf| ("HEDGEROW_POSTGRES_BIN", directory.into_os_string());
        let found = machine.find(&[search.clone(), named(machine.bin_dir("15.18"))]).unwrap();
        assert_eq!(found.bin_dir, machine.bin_dir("15.18"));

        for bad in ["14.9", "nowhere"] {
            let error = machine.find(&[search.clone(), named(machine.bin_dir(bad))]).unwrap_err();
            assert!(matches!(error, PrivateServerError::Unusable { .. }), "{error}");
        }
        let machine = machine.with_data("16");
        let error = machine.find(&[search, named(machine.bin_dir("15.18"))]).unwrap_err();
        assert!(matches!(error, PrivateServerError::OtherMajor { data: 16, .. }), "{error}");
    }

    #[test]
    fn links_are_followed_and_programs_without_initdb_are_passed_over() {
        let machine = Machine::with(&["15.18", "16.2"]);
        fs::remove_file(machine.bin_dir("16.2").join("initdb")).unwrap();
        let links = machine.0.path().join("links");
        fs::create_dir(&links).unwrap();
        symlink(machine.bin_dir("15.18").join("postgres"), links.join("postgres")).unwrap();
        let places = std::env::join_paths([links, machine.bin_dir("16.2")]).unwrap();
        let found = machine.find(&[("HEDGEROW_POSTGRES_SEARCH", places)]).unwrap();
        assert_eq!(found.bin_dir, machine.bin_dir("15.18"));
    }

    #[test]
    fn what_is_too_old_is_named() {
        let machine = Machine::with(&["13.4"]);
        let message = machine.find(&[machine.search(&["13.4"])]).unwrap_err().to_string();
        assert!(message.contains("; 13.4 is too old\n"), "{message}");
        assert!(message.contains("download: refused"), "{message}");
    }

    #[test]
    fn patterns_match_the_rest_of_one_name() {
        let machine = Machine::with(&["15.18", "16.2"]);
        let root = fs::canonicalize(machine.0.path()).unwrap();
        let mut found = expand(&format!("{}/1*/bin", root.display()));
        found.sort();
        assert_eq!(found, [machine.bin_dir("15.18"), machine.bin_dir("16.2")]);
        assert!(expand("/no/such/*/bin").is_empty());
        assert_eq!(expand("/usr/bin"), [PathBuf::from("/usr/bin")]);
    }
}
