//! The words of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hedgerow::api_keys::{IpNet, parse_network};
use hedgerow::audit::Head;
use hedgerow::database::private_server::Download;
use hedgerow::import::{Format, Match, Missing};
use hedgerow::schema::Scope;

/// Multi-tenant application backend on PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "hedgerow", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// The project's folder.
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub(crate) project: PathBuf,
    /// Never download PostgreSQL.
    #[arg(long, global = true)]
    pub(crate) no_download: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Whether PostgreSQL may be downloaded.
    pub(crate) fn download(&self) -> Download {
        if self.no_download { Download::Refused } else { Download::Allowed }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a project that runs.
    Init {
        /// Where.
        #[arg(default_value = ".")]
        directory: PathBuf,
    },
    /// Run the project for development: database, tables, server, reload on change.
    Dev(Dev),
    /// Serve in production: needs DATABASE_URL and a secret, never changes the schema.
    Serve(Listen),
    /// Make roles and logins in a database of your own, once; prints environment lines.
    Setup(Setup),
    /// Bring the database to what the entity files say.
    #[command(subcommand)]
    Migrate(Migrate),
    /// Users.
    #[command(subcommand)]
    User(UserCommand),
    /// API keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// The audit trail of the API.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Import rows from a CSV, JSON or NDJSON file, through the same checks as the API.
    Import(Import),
    /// Export rows.
    Export(Export),
    /// Open psql on the project's database: past row-level security, or as a user.
    Psql(Psql),
    /// Print the description of the API: OpenAPI 3.1, as JSON.
    Openapi(Describe),
    /// Print the entities as TypeScript types.
    Types(Describe),
}

#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// Where to; standard output when not given.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Address to listen on.
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Port to listen on; 0 takes a free one.
    #[arg(long)]
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    pub(crate) listen: Listen,
    /// Do not ask before a saved change loses rows or values.
    #[arg(long)]
    pub(crate) allow_data_loss: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// Make the first administrator, and print a link to set a password with.
    #[arg(long, value_name = "EMAIL")]
    pub(crate) admin: Option<String>,
    /// Read the administrator's password from standard input instead, up to the end of the line.
    #[arg(long, requires = "admin")]
    pub(crate) password_stdin: bool,
    /// Give logins that exist new passwords.
    #[arg(long)]
    pub(crate) new_passwords: bool,
    /// Make a login for a Better Auth server of your own beside Hedgerow, and print BETTER_AUTH_DATABASE_URL.
    #[arg(long)]
    pub(crate) better_auth: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Show what would make the database what the entity files say: danger, lock, statements.
    Plan {
        /// Print the statements.
        #[arg(long)]
        sql: bool,
        /// Print JSON.
        #[arg(long, conflicts_with = "sql")]
        json: bool,
    },
    /// Write what the entity files say and migrations/ does not, as NNNN_NAME.sql and its way back.
    New {
        /// What it does, such as add_due_date.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Apply the files that are pending.
    Apply {
        /// Go on where rows or values are lost.
        #[arg(long)]
        allow_data_loss: bool,
        /// Show what is pending, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show where each file stands.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare the database with entity files and migrations; exit 3 if anything differs.
    Check {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the way back of the last applied files.
    Rollback {
        /// How many files.
        #[arg(default_value_t = 1)]
        count: usize,
        /// Go on where rows or values are lost.
        #[arg(long)]
        allow_data_loss: bool,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Show what would be undone, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Adopt a database that others made: write entity files, and a first migration with what isolation needs.
    Baseline {
        /// Show what would be written, and write nothing.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user.
    Create(NewUserWords),
    /// List all users.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Give a user another role; it counts with the next request.
    SetRole {
        /// Id or e-mail address.
        #[arg(value_name = "ID|EMAIL")]
        user: String,
        /// The role, or several with commas between.
        role: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Shut a user out: sessions end and keys are refused, at once.
    Ban {
        /// Id or e-mail address.
        #[arg(value_name = "ID|EMAIL")]
        user: String,
        /// Why.
        #[arg(long)]
        reason: Option<String>,
        /// For how long, such as 12h or 7d; for good when not given.
        #[arg(long = "for", value_name = "DURATION")]
        lasts: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a user in again.
    Unban {
        /// Id or e-mail address.
        #[arg(value_name = "ID|EMAIL")]
        user: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Invite an address: sends a link to make an account, and prints it.
    Invite {
        /// E-mail address.
        email: String,
        /// The role that the account gets.
        #[arg(long)]
        role: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write everything that is kept of a user as one JSON document.
    Export {
        /// Id or e-mail address.
        #[arg(value_name = "ID|EMAIL")]
        user: String,
        /// Where to; standard output when not given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Delete a user with everything that is theirs, for good.
    Erase {
        /// Id or e-mail address.
        #[arg(value_name = "ID|EMAIL")]
        user: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Show what would be deleted, and delete nothing.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NewUserWords {
    /// E-mail address.
    #[arg(long)]
    pub(crate) email: String,
    /// Name; the part before the @ when not given.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Role; `admin` may write reference data and see to other users.
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Password; other programs on this computer see it, and your shell remembers it.
    #[arg(long, conflicts_with = "password_stdin")]
    pub(crate) password: Option<String>,
    /// Read the password from standard input, up to the end of the line.
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Print a link with which the user sets a password within a day.
    #[arg(long, conflicts_with_all = ["password", "password_stdin"])]
    pub(crate) link: bool,
    /// The address was proved to be theirs.
    #[arg(long)]
    pub(crate) verified: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key; it is shown once.
    Create {
        /// Whose: id or e-mail address.
        #[arg(long, value_name = "ID|EMAIL")]
        user: String,
        /// What for.
        #[arg(long)]
        name: String,
        /// What it allows, such as tasks:read, tasks:* or *.
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
        scopes: Vec<Scope>,
        /// When it ends, from now, such as 90d or 12h.
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
        /// An address or network that it may be used from, such as 10.0.0.0/8; without any, from everywhere.
        #[arg(long = "allow-ip", value_name = "ADDRESS", value_parser = parse_network)]
        allowed_ips: Vec<IpNet>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List keys.
    List {
        /// Of one user: id or e-mail address.
        #[arg(long, value_name = "ID|EMAIL")]
        user: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a key in the place of another; it is shown once.
    Rotate {
        /// The old key's id.
        id: String,
        /// How long the old key stays good, such as 12h; 0s ends it at once.
        #[arg(long, value_name = "DURATION", default_value = "24h")]
        overlap: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stop a key at once.
    Revoke {
        /// The key's id.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Compare the trail with its seals; exit 3 if a row was changed, removed or inserted.
    Verify {
        /// The head of an earlier run, SEAL:CHAIN, kept elsewhere: its seal must still be there.
        #[arg(long, value_name = "HEAD")]
        since: Option<Head>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List requests, the newest first.
    List {
        /// As in the API, such as statusCode=gte.400, userId=eq.ID or order=createdAt.
        filters: Vec<String>,
        /// Most rows.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The entity.
    pub(crate) entity: String,
    /// The file; - is standard input.
    pub(crate) file: PathBuf,
    /// Whose rows they become: id or e-mail address.
    #[arg(long = "as", value_name = "USER", required_unless_present = "as_column")]
    pub(crate) user: Option<String>,
    /// The column that names the owner of each row: id or e-mail address.
    #[arg(long, value_name = "COLUMN", conflicts_with = "user")]
    pub(crate) as_column: Option<String>,
    /// A relation that the file names by another field, such as planeId=planes.tailnum.
    #[arg(long = "match", value_name = "FIELD=ENTITY.KEY")]
    pub(crate) matches: Vec<Match>,
    /// What happens where the key of a --match finds no row.
    #[arg(long, value_enum, default_value = "reject")]
    pub(crate) missing: MissingWord,
    /// A text that means NULL, besides the empty one.
    #[arg(long = "null", value_name = "TEXT")]
    pub(crate) nulls: Vec<String>,
    /// A column that is called otherwise than its field.
    #[arg(long, value_name = "COLUMN=FIELD", value_parser = pair)]
    pub(crate) rename: Vec<(String, String)>,
    /// A column to leave out.
    #[arg(long, value_name = "COLUMN")]
    pub(crate) ignore: Vec<String>,
    /// How the file is read; by its ending when not given.
    #[arg(long, value_enum)]
    pub(crate) format: Option<FormatWord>,
    /// Import the good rows even when others are refused.
    #[arg(long)]
    pub(crate) partial: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The entity.
    pub(crate) entity: String,
    /// As whom: id or e-mail address; without it, the rows of all users.
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: Option<String>,
    /// How the rows are written.
    #[arg(long, value_enum, default_value = "csv")]
    pub(crate) format: FormatWord,
}

#[derive(Debug, Args)]
pub(crate) struct Psql {
    /// As whom: id or e-mail address; without it, past row-level security.
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Arguments for psql.
    #[arg(last = true)]
    pub(crate) arguments: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MissingWord {
    /// The relation becomes NULL.
    Null,
    /// The row is refused.
    Reject,
}

impl From<MissingWord> for Missing {
    fn from(word: MissingWord) -> Self {
        match word {
            MissingWord::Null => Self::Null,
            MissingWord::Reject => Self::Reject,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FormatWord {
    /// Comma-separated, with a header.
    Csv,
    /// An array of objects.
    Json,
    /// One object a line.
    Ndjson,
}

impl From<FormatWord> for Format {
    fn from(word: FormatWord) -> Self {
        match word {
            FormatWord::Csv => Self::Csv,
            FormatWord::Json => Self::Json,
            FormatWord::Ndjson => Self::Ndjson,
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => {
            Ok((left.to_owned(), right.to_owned()))
        }
        _ => Err("it has the form COLUMN=FIELD".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
