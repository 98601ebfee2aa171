//! The database cluster: created by initdb, configured anew at every start.
//!
//! It always holds that `data` is a whole cluster or not there: initdb works in a directory of its own, which is
//! renamed when all of it is on the disk. Our configuration lies beside the data, not in them (`home.rs` says why);
//! ALTER SYSTEM wins over it, except for where the server listens.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::account::{self, Launcher};
use super::bounded_command::output_within;
use super::error::PrivateServerError;
use super::home::Home;
use super::installation::Installation;
use super::{Durability, PrivateServerOptions};

/// initdb takes half a second; this is for a machine that is very busy.
const INITDB: Duration = Duration::from_secs(180);

/// How the directories that initdb works in are called, with the number of our process at the end.
const UNFINISHED: &str = "data.new-";

/// Creates the cluster with the superuser `postgres`.
///
/// Text is sorted by its bytes, which no update of the system's locales ever changes; letters are those of Unicode
/// where the system has the locale C.UTF-8.
pub(super) fn create(
    home: &Home,
    installation: &Installation,
    launcher: &Launcher,
    durability: Durability,
) -> Result<(), PrivateServerError> {
    remove_leftovers(&home.path);
    // The initdb of a killed process may live a little longer, and removes its directory by name when it ends.
    let unfinished = home.path.join(format!("{UNFINISHED}{}", std::process::id()));
    let initdb = |letters: &str| {
        let _ = fs::remove_dir_all(&unfinished);
        home.make_own_directory(&unfinished)?;
        initdb(&unfinished, installation, launcher, durability, letters)
    };
    let output = match initdb("C.UTF-8")? {
        output if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("locale") => {
            initdb("C")?
        }
        output => output,
    };
    if !output.status.success() {
        let _ = fs::remove_dir_all(&unfinished);
        return Err(PrivateServerError::Initdb {
            data_dir: home.data_dir(),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    // initdb has synced what is in the directory; its name is ours to sync.
    fs::rename(&unfinished, home.data_dir())
        .and_then(|()| File::open(&home.path)?.sync_all())
        .map_err(PrivateServerError::io("rename", &unfinished))
}

/// What killed processes left. What is still in use stays for the next time.
fn remove_leftovers(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn initdb(
    unfinished: &Path,
    installation: &Installation,
    launcher: &Launcher,
    durability: Durability,
    letters: &str,
) -> Result<std::process::Output, PrivateServerError> {
    let mut command = launcher.command(&installation.bin_dir.join("initdb"));
    command.arg("-D").arg(unfinished).args(["--username=postgres", "--encoding=UTF8", "--data-checksums"]);
    command.args(["--locale-provider=libc", "--locale=C", &format!("--lc-ctype={letters}")]);
    // Our own rules are used (`pg_hba`); what initdb writes lets nobody in.
    command.args(["--auth=reject", "--no-instructions"]);
    if let Durability::Throwaway = durability {
        command.arg("--no-sync");
    }
    output_within(&mut command, INITDB)
        .map_err(|source| PrivateServerError::Run { program: "initdb".into(), source })
}

/// Writes the configuration for the next start and returns the arguments for `postgres`.
pub(super) fn configure(
    home: &Home,
    installation: &Installation,
    socket_dir: &Path,
    options: &PrivateServerOptions,
) -> Result<Vec<String>, PrivateServerError> {
    let our_name = account::our_name()?;
    let configuration = home.path.join("hedgerow.conf");
    write(&configuration, &settings(&home.path, has_statistics(installation), options)?)?;
    write(&home.path.join("pg_hba.conf"), &host_rules(options.port))?;
    write(&home.path.join("pg_ident.conf"), &login_map(&our_name, &options.logins)?)?;
    let port = options.port.unwrap_or(super::DEFAULT_PORT);
    // Where the server listens stands on the command line, where ALTER SYSTEM does not reach: else our URLs could
    // become wrong, or the server open to the network.
    Ok(vec![
        "-D".into(),
        home.data_dir().display().to_string(),
        "-c".into(),
        format!("config_file={}", configuration.display()),
        "-c".into(),
        format!("unix_socket_directories=\"{}\"", socket_dir.display().to_string().replace('"', "\"\"")),
        "-c".into(),
        format!("listen_addresses={}", if options.port.is_some() { "127.0.0.1" } else { "" }),
        "-c".into(),
        format!("port={port}"),
    ])
}

fn settings(
    home: &Path,
    has_statistics: bool,
    options: &PrivateServerOptions,
) -> Result<String, PrivateServerError> {
    let file = |name: &str| home.join(name).display().to_string();
    let mut settings: Vec<(&str, String)> = vec![
        ("hba_file", file("pg_hba.conf")),
        ("ident_file", file("pg_ident.conf")),
        // Only the server's account, and root, even get as far as the authentication.
        ("unix_socket_permissions", "0700".into()),
        ("password_encryption", "scram-sha-256".into()),
        ("shared_buffers", "128MB".into()),
        ("max_connections", "100".into()),
        ("timezone", "UTC".into()),
        ("log_timezone", "UTC".into()),
        ("lc_messages", "C".into()),
        ("log_destination", "stderr".into()),
        ("logging_collector", "off".into()),
        ("log_min_messages", "warning".into()),
        ("log_checkpoints", "off".into()),
        ("log_line_prefix", "%m [%p] %q%u@%d ".into()),
    ];
    if has_statistics {
        settings.push(("shared_preload_libraries", "pg_stat_statements".into()));
    }
    let on_or_off = match options.durability {
        Durability::Durable => "on",
        Durability::Throwaway => "off",
    };
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        settings.push((name, on_or_off.into()));
    }
    settings.extend(options.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));

    let mut text = String::from(
        "# Written by Hedgerow at every start. For settings of your own use ALTER SYSTEM.\n\
         include_if_exists 'data/postgresql.conf'\n",
    );
    for (name, value) in settings {
        let name_is_fine = name.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
        if name.is_empty() || !name_is_fine || value.contains(char::is_control) {
            return Err(PrivateServerError::Option(format!("the setting `{}`", name.escape_debug())));
        }
        let value = value.replace('\\', "\\\\").replace('\'', "''");
        let _ = writeln!(text, "{name} = '{value}'");
    }
    Ok(text)
}

/// Who may connect. On the socket the operating system says who somebody is; nobody needs a password, and nobody but
/// us is let in. On TCP it cannot say that, so a password set by the owner is needed.
fn host_rules(port: Option<u16>) -> String {
    let mut rules = String::from(
        "# Written by Hedgerow at every start.\n\
         local all all peer map=hedgerow\n\
         local replication all peer map=hedgerow\n",
    );
    if port.is_some() {
        rules += "host all all 127.0.0.1/32 scram-sha-256\n";
    }
    rules
}

/// The roles that our user of the operating system may log in as.
fn login_map(our_name: &str, logins: &[String]) -> Result<String, PrivateServerError> {
    let mut map = String::from("# Written by Hedgerow at every start.\n");
    for login in ["postgres"].into_iter().chain(logins.iter().map(String::as_str)) {
        // From version 16 on, a name that begins with one of these is a pattern or a group.
        if login.is_empty()
            || login.starts_with(['/', '+'])
            || login.contains(|c: char| c == '"' || c.is_control())
        {
            return Err(PrivateServerError::Option(format!("the login `{}`", login.escape_debug())));
        }
        let _ = writeln!(map, "hedgerow \"{our_name}\" \"{login}\"");
    }
    Ok(map)
}

/// Whether the library of pg_stat_statements is where this kind of installation has its libraries.
fn has_statistics(installation: &Installation) -> bool {
    let places = ["../lib", "../lib/postgresql", "../lib64", "../../lib/postgresql", "../lib64/pgsql"];
    let suffix = std::env::consts::DLL_SUFFIX;
    let alpine = format!("/usr/lib/postgresql{}", installation.version.major);
    places.iter().map(|place| installation.bin_dir.join(place)).chain([PathBuf::from(alpine)]).any(|place| {
        [suffix, ".so"].iter().any(|end| place.join(format!("pg_stat_statements{end}")).is_file())
    })
}

/// Replaces a file: a link in its place is replaced too, not followed.
fn write(path: &Path, text: &str) -> Result<(), PrivateServerError> {
    let unfinished = path.with_extension("conf.new");
    let _ = fs::remove_file(&unfinished);
    File::create_new(&unfinished)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
        // The server's account reads it.
        .and_then(|()| fs::set_permissions(&unfinished, Permissions::from_mode(0o644)))
        .and_then(|()| fs::rename(&unfinished, path))
        .map_err(PrivateServerError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_cannot_break_out_of_their_line() {
        let with = |name: &str, value: &str| {
            let mut options = PrivateServerOptions::new("/unused");
            options.settings = vec![(name.into(), value.into())];
            settings(Path::new("/it's"), false, &options)
        };
        let text = with("work_mem", r"it's a \ path").unwrap();
        assert!(text.ends_with("work_mem = 'it''s a \\\\ path'\n"), "{text}");
        assert!(text.contains("hba_file = '/it''s/pg_hba.conf'\n"), "{text}");
        assert!(text.contains("fsync = 'on'\n"), "{text}");
        assert!(!text.contains("shared_preload_libraries"), "{text}");
        assert!(with("work_mem", "1\nfsync = off").is_err());
        assert!(with("work_mem = 1 #", "1").is_err());
        assert!(with("", "1").is_err());
    }

    #[test]
    fn the_map_lists_exactly_the_logins() {
        let map = login_map("ann", &["shop_tenant".into(), "Odd name".into()]).unwrap();
        let lines: Vec<_> = map.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                r#"hedgerow "ann" "postgres""#,
                r#"hedgerow "ann" "shop_tenant""#,
                r#"hedgerow "ann" "Odd name""#
            ]
        );
        for bad in ["", "a\"b", "a\nb", "/.*", "+group"] {
            assert!(login_map("ann", &[bad.into()]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tcp_is_open_only_when_asked_for_and_only_with_a_password() {
        assert!(!host_rules(None).contains("host "));
        assert!(host_rules(Some(5433)).ends_with("host all all 127.0.0.1/32 scram-sha-256\n"));
    }
}
