//! The command that installs PostgreSQL on this operating system, for error messages.

use std::fs;

use super::account::we_are_root;

/// The command which installs PostgreSQL, or its `major` version.
pub(super) fn install_command(major: Option<u32>) -> String {
    let os_release = match cfg!(target_os = "macos") {
        true => "ID=macos".into(),
        false => fs::read_to_string("/etc/os-release").unwrap_or_default(),
    };
    let command = command_for(&os_release, major);
    let needs_root = !command.starts_with("brew") && !we_are_root();
    if needs_root { format!("sudo {command}") } else { command }
}

/// `os_release` is the text of /etc/os-release (os-release(5)).
fn command_for(os_release: &str, major: Option<u32>) -> String {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    let like = format!("{} {}", value("ID"), value("ID_LIKE"));
    let major = major.map(|major| major.to_string()).unwrap_or_default();
    let dash = if major.is_empty() { "" } else { "-" };
    for system in like.split_whitespace() {
        return match system {
            "debian" | "ubuntu" => format!("apt-get install postgresql{dash}{major}"),
            "fedora" | "rhel" | "centos" => format!("dnf install postgresql{major}-server"),
            "suse" | "opensuse" => format!("zypper install postgresql{major}-server"),
            "alpine" => format!("apk add postgresql{}", if major.is_empty() { "17" } else { &major }),
            "arch" => "pacman -S postgresql".into(),
            "macos" => format!("brew install postgresql@{}", if major.is_empty() { "17" } else { &major }),
            _ => continue,
        };
    }
    format!("your system's package manager: postgresql{dash}{major}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_has_its_command() {
        fn check(os_release: &str, major: Option<u32>, expected: &str) {
            assert_eq!(command_for(os_release, major), expected, "{os_release}");
        }
        check("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", None, "apt-get install postgresql");
        check("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Some(15), "apt-get install postgresql-15");
        check("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", None, "dnf install postgresql-server");
        check("ID=fedora\n", Some(16), "dnf install postgresql16-server");
        check("ID=alpine\n", Some(16), "apk add postgresql16");
        check("ID=arch\n", None, "pacman -S postgresql");
        check("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", None, "zypper install postgresql-server");
        check("ID=macos", None, "brew install postgresql@17");
        check("", Some(15), "your system's package manager: postgresql-15");
    }
}
