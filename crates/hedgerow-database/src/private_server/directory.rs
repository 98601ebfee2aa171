//! Directories with exactly the permissions we mean, whatever the umask of the shell that started us.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Creates `path` and its missing parents with `mode`. What exists already keeps its permissions.
pub(super) fn create(path: &Path, mode: u32) -> io::Result<()> {
    // The parent of a relative path's first part is the empty path.
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create(parent, mode)?;
    }
    match fs::create_dir(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_made_with_the_same_mode_and_relative_paths_work() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b");
        create(&path, 0o711).unwrap();
        create(&path, 0o755).unwrap();
        for made in [&path, path.parent().unwrap()] {
            assert_eq!(fs::metadata(made).unwrap().permissions().mode() & 0o777, 0o711);
        }
        create(Path::new(""), 0o755).unwrap();
        create(Path::new("src"), 0o755).unwrap();
    }
}
