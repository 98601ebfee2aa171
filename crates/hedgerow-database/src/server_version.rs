//! The version of a PostgreSQL server, and which versions let one tenant read another's rows.
//!
//! The table of holes is part of the product's security: a release of Hedgerow updates it. It always holds that a
//! version with a hole listed here is reported, however old it is.

use std::fmt;

/// A PostgreSQL version, ordered by age: `15.20`.
///
/// ```
/// use hedgerow_database::server_version::ServerVersion;
///
/// let version = ServerVersion::parse("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)").unwrap();
/// assert_eq!(version, ServerVersion { major: 15, minor: 20 });
/// assert_eq!(version, ServerVersion::from_version_num(150_020));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion {
    /// The major version, which decides the format of the data directory.
    pub major: u32,
    /// The minor release; 0 for betas and development versions.
    pub minor: u32,
}

impl ServerVersion {
    /// The oldest major version that Hedgerow runs on.
    pub const OLDEST_MAJOR: u32 = 15;

    /// Reads a version number (`15.20`, `18beta1`) or the line that `postgres --version` prints.
    pub fn parse(text: &str) -> Option<ServerVersion> {
        let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let major_end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let (major, rest) = number.split_at(major_end);
        let minor = rest.strip_prefix('.').map(|minor| {
            let end = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
            &minor[..end]
        });
        Some(ServerVersion { major: major.parse().ok()?, minor: minor.map_or(Some(0), |n| n.parse().ok())? })
    }

    /// Reads the setting `server_version_num`: `150020` is 15.20.
    pub fn from_version_num(number: u32) -> ServerVersion {
        ServerVersion { major: number / 10_000, minor: number % 10_000 }
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A fault of PostgreSQL through which row-level security can be passed.
#[derive(Debug, PartialEq, Eq)]
pub struct Hole {
    /// Its number in the CVE list.
    pub cve: &'static str,
    /// What an attacker gets, in a few words.
    pub what: &'static str,
    /// The first minor release without it, for each supported major version.
    fixed_in: [ServerVersion; 4],
}

impl Hole {
    fn is_in(&self, version: ServerVersion) -> bool {
        match self.fixed_in.iter().find(|fixed| fixed.major == version.major) {
            Some(fixed) => version < *fixed,
            None => version.major < ServerVersion::OLDEST_MAJOR,
        }
    }
}

const fn minors(of_15: u32, of_16: u32, of_17: u32, of_18: u32) -> [ServerVersion; 4] {
    [
        ServerVersion { major: 15, minor: of_15 },
        ServerVersion { major: 16, minor: of_16 },
        ServerVersion { major: 17, minor: of_17 },
        ServerVersion { major: 18, minor: of_18 },
    ]
}

/// The releases of 2026-08-13.
const AUGUST_2026: [ServerVersion; 4] = minors(19, 15, 11, 5);
/// The releases of 2026-11-12.
const NOVEMBER_2026: [ServerVersion; 4] = minors(20, 16, 12, 6);

/// The newest first. Older holes are not listed: who lacks their fix lacks these too.
static HOLES: [Hole; 4] = [
    Hole {
        cve: "CVE-2026-120154",
        what: "ON CONFLICT runs a user's condition on a row before its policy",
        fixed_in: NOVEMBER_2026,
    },
    Hole {
        cve: "CVE-2026-116327",
        what: "a CASE expression prints other tenants' values in its error text",
        fixed_in: NOVEMBER_2026,
    },
    Hole {
        cve: "CVE-2026-116311",
        what: "DROP OWNED BY takes a role out of restrictive policies",
        fixed_in: NOVEMBER_2026,
    },
    Hole {
        cve: "CVE-2026-14666",
        what: "cached plans keep the rights that a role has lost",
        fixed_in: AUGUST_2026,
    },
];

/// What is wrong with a server version; its `Display` says so, [`Self::remedy`] the way out.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownHoles {
    /// The version asked about.
    pub version: ServerVersion,
    /// The oldest version to update to that has none of the holes.
    pub fixed_in: ServerVersion,
    /// The holes, never empty.
    pub holes: Vec<&'static Hole>,
}

/// The holes in row-level security that `version` is known to have; `None` when there are none.
///
/// Major versions newer than this release of Hedgerow are taken to be fine.
pub fn known_holes(version: ServerVersion) -> Option<KnownHoles> {
    let holes: Vec<_> = HOLES.iter().filter(|hole| hole.is_in(version)).collect();
    let major = version.major.max(ServerVersion::OLDEST_MAJOR);
    let fixed_in =
        holes.iter().flat_map(|hole| &hole.fixed_in).filter(|fixed| fixed.major == major).max().copied()?;
    Some(KnownHoles { version, fixed_in, holes })
}

impl KnownHoles {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        let Self { version, fixed_in, .. } = self;
        if version.major < ServerVersion::OLDEST_MAJOR {
            return format!("move the data to PostgreSQL {fixed_in} or newer (pg_upgrade)");
        }
        format!(
            "update the server to {fixed_in} or newer and restart it \
             (Debian, Ubuntu: `apt-get update && apt-get install postgresql-{}`)",
            fixed_in.major
        )
    }
}

impl fmt::Display for KnownHoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgreSQL {} has known holes in row-level security, which isolates tenants:",
            self.version
        )?;
        for hole in &self.holes {
            write!(f, "\n  {}: {}", hole.cve, hole.what)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ServerVersion {
        ServerVersion::parse(text).unwrap()
    }

    #[test]
    fn versions_are_read_from_what_postgres_prints() {
        fn check(text: &str, expected: Option<(u32, u32)>) {
            let expected = expected.map(|(major, minor)| ServerVersion { major, minor });
            assert_eq!(ServerVersion::parse(text), expected, "{text}");
        }
        check("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some((15, 18)));
        check("postgres (PostgreSQL) 18.4", Some((18, 4)));
        check("15.20", Some((15, 20)));
        check("postgres (PostgreSQL) 19beta1", Some((19, 0)));
        check("postgres (PostgreSQL) 20devel", Some((20, 0)));
        check("postgres (PostgreSQL) 9.6.24", Some((9, 6)));
        check("15.", None);
        check("99999999999", None);
        check("command not found", None);
        check("", None);
    }

    #[test]
    fn every_fixed_minor_is_fine_and_the_one_before_is_not() {
        for fixed in NOVEMBER_2026 {
            assert_eq!(known_holes(fixed), None);
            let before = ServerVersion { minor: fixed.minor - 1, ..fixed };
            let found = known_holes(before).unwrap();
            assert_eq!((found.fixed_in, found.holes.len()), (fixed, 3), "{before}");
        }
        assert_eq!(known_holes(version("15.18")).unwrap().holes.len(), 4);
        assert_eq!(known_holes(version("19.0")), None);
        assert_eq!(known_holes(version("14.30")).unwrap().fixed_in, version("15.20"));
    }

    #[test]
    fn the_message_names_the_holes_and_the_way_out() {
        let found = known_holes(version("15.18")).unwrap();
        let message = found.to_string();
        for part in ["15.18", "CVE-2026-120154", "CVE-2026-116327", "CVE-2026-116311", "CVE-2026-14666"] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(found.remedy().contains("update the server to 15.20 or newer"), "{}", found.remedy());
        assert!(found.remedy().contains("apt-get install postgresql-15`"), "{}", found.remedy());
        assert!(known_holes(version("13.9")).unwrap().remedy().contains("move the data to PostgreSQL 15.20"));
    }
}
