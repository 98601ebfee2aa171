//! The package registry that the download comes from: always the one this machine is configured for.
//!
//! No registry is named here. A company that mirrors packages has told npm so, and its answer counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Environment;
use super::bounded_command::output_within;

/// The base address of the registry, without a slash at its end; `None` when none is configured.
pub(super) fn base_address(environment: Environment<'_>) -> Option<String> {
    ["HEDGEROW_POSTGRES_REGISTRY", "npm_config_registry", "NPM_CONFIG_REGISTRY"]
        .into_iter()
        .find_map(|variable| address(environment(variable)?.to_str()?))
        .or_else(|| from_file(&PathBuf::from(environment("HOME")?).join(".npmrc")))
        .or_else(|| from_file(Path::new("/etc/npmrc")))
        .or_else(|| from_npm(environment))
}

fn from_file(npmrc: &Path) -> Option<String> {
    setting(&fs::read_to_string(npmrc).ok()?)
}

fn from_npm(environment: Environment<'_>) -> Option<String> {
    let path = environment("PATH")?;
    let npm =
        std::env::split_paths(&path).map(|directory| directory.join("npm")).find(|file| file.is_file())?;
    let output =
        output_within(Command::new(npm).args(["config", "get", "registry"]), Duration::from_secs(20));
    address(&String::from_utf8_lossy(&output.ok()?.stdout))
}

/// The value of `registry` in the text of an `.npmrc` file; the last one counts, as in npm.
fn setting(npmrc: &str) -> Option<String> {
    let value_of = |line: &str| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "registry").then(|| address(value))?
    };
    npmrc.lines().filter_map(value_of).next_back()
}

fn address(text: &str) -> Option<String> {
    let address = text.trim().trim_matches(['"', '\'']).trim_end_matches('/');
    let is_one = address.starts_with("https://") || address.starts_with("http://");
    // npm replaces ${NAME}; what needs that is left to `npm config get`.
    (is_one && !address.contains("${")).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn the_registry_is_read_from_npmrc() {
        fn check(npmrc: &str, expected: Option<&str>) {
            assert_eq!(setting(npmrc).as_deref(), expected, "{npmrc}");
        }
        check("registry=https://packages.example/npm/\n", Some("https://packages.example/npm"));
        check("fund=false\n registry = \"http://127.0.0.1:4873\" \n", Some("http://127.0.0.1:4873"));
        check("registry=https://old.example\nregistry=https://new.example", Some("https://new.example"));
        check("@scope:registry=https://packages.example", None);
        check("; registry=https://packages.example", None);
        check("registry=${MIRROR}", None);
        check("registry=https://${MIRROR}/npm", None);
        check("registry=undefined", None);
        check("", None);
    }

    #[test]
    fn our_own_variable_comes_before_npms() {
        let environment = |name: &str| match name {
            "HEDGEROW_POSTGRES_REGISTRY" => Some(OsString::from("https://ours.example/")),
            "npm_config_registry" => Some("https://npms.example/".into()),
            _ => None,
        };
        assert_eq!(base_address(&environment).as_deref(), Some("https://ours.example"));
        let without_ours = |name: &str| environment(name).filter(|_| name != "HEDGEROW_POSTGRES_REGISTRY");
        assert_eq!(base_address(&without_ours).as_deref(), Some("https://npms.example"));
    }
}
