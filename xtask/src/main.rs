//! Automation of this repository: `cargo xtask ci` is the gate, `cargo xtask fix` brings the tree into its form,
//! `cargo xtask reference` writes what is written by the code.
//!
//! Always holds: it runs cargo and nothing that the README does not name.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// What the gate runs after the tests, in this order.
const CHECKS: &[&[&str]] = &[
    &["fmt", "--all", "--check"],
    &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    &["doc", "--workspace", "--no-deps", "--locked"],
];

const FIXES: &[&[&str]] = &[
    &["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"],
    &["fmt", "--all"],
];

fn main() -> ExitCode {
    let steps = match std::env::args().nth(1).as_deref() {
        Some("ci") => CHECKS,
        Some("fix") => FIXES,
        Some("reference") => return write_reference(),
        _ => {
            say(
                "usage: cargo xtask ci | fix | reference\n  ci         formatting, lints and documentation, as the gate wants them\n  fix        what can be brought there by machine\n  reference  the pages of docs/reference that the code writes",
            );
            return ExitCode::from(2);
        }
    };
    for arguments in steps {
        say(&format!("cargo {}", arguments.join(" ")));
        let start = Instant::now();
        let status = Command::new(env!("CARGO")).args(*arguments).env("RUSTDOCFLAGS", "-D warnings").status();
        if !status.is_ok_and(|status| status.success()) {
            say(&format!("failed: cargo {}", arguments.join(" ")));
            return ExitCode::FAILURE;
        }
        say(&format!("  done in {:.0} s", start.elapsed().as_secs_f64()));
    }
    ExitCode::SUCCESS
}

fn write_reference() -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/field-types.md");
    match std::fs::write(&path, hedgerow_schema::reference::field_types()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("cannot write {}: {error}", path.display()));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "this program is for a terminal")]
fn say(text: &str) {
    eprintln!("{text}");
}
