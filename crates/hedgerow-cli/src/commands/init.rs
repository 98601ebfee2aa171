//! `hedgerow init`: a project that runs.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::exit::Exit;
use crate::output;

const FILES: &[(&str, &str)] = &[
    (
        "hedgerow.toml",
        "\
# Settings of this project. Every key is optional; what is commented out is the default.

[server]
# host = \"127.0.0.1\"
# port = 4400

[database]
# max_connections = 20
# statement_timeout = \"30s\"
",
    ),
    (
        "entities/notes.toml",
        "\
# One entity: a table, a path /api/v1/notes, and the scopes notes:read, notes:write and notes:delete.
# Every row belongs to the user who made it, and PostgreSQL shows it to nobody else.
name = \"notes\"
label = { singular = \"Note\", plural = \"Notes\" }

[access]
read = \"owner\"     # owner | signed_in | public
write = \"owner\"    # owner | signed_in | admin

[fields.title]
type = \"text\"
required = true
max_length = 200

[fields.body]
type = \"textarea\"

[fields.status]
type = \"select\"
options = [\"open\", \"done\"]
default = \"open\"
indexed = true
",
    ),
    (".gitignore", ".hedgerow/\n.env\n"),
    (
        ".env.example",
        "\
# Copy to .env. `hedgerow dev` needs none of this: it brings its own database.
# The lines of `hedgerow setup`:
# DATABASE_URL=postgresql://hedgerow_app_login:PASSWORD@localhost:5432/DATABASE
# AUTH_DATABASE_URL=postgresql://hedgerow_auth_login:PASSWORD@localhost:5432/DATABASE
# ADMIN_DATABASE_URL=postgresql://hedgerow_admin_login:PASSWORD@localhost:5432/DATABASE
# The owner, for `hedgerow setup` and `hedgerow migrate`, never for `hedgerow serve`:
# DIRECT_DATABASE_URL=postgresql://OWNER:PASSWORD@localhost:5432/DATABASE
# At least 32 characters, for example of `openssl rand -base64 32`:
# HEDGEROW_SECRET=
",
    ),
];

pub(crate) fn run(directory: &Path) -> anyhow::Result<Exit> {
    if let Some((name, _)) =
        FILES.iter().find(|(name, _)| *name != ".gitignore" && directory.join(name).exists())
    {
        bail!("{} exists already; nothing was changed", directory.join(name).display());
    }
    for (name, text) in FILES {
        let path = directory.join(name);
        let folder = path.parent().unwrap_or(directory);
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let text = match fs::read_to_string(&path) {
            Ok(own) if own.lines().any(|line| line.trim() == ".hedgerow/") => own,
            Ok(own) => format!("{}\n{text}", own.trim_end()),
            Err(_) => (*text).to_owned(),
        };
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let place =
        if directory == Path::new(".") { String::new() } else { format!("cd {} && ", directory.display()) };
    output::note(&format!("made a project with the entity `notes`; run it with:\n  {place}hedgerow dev"));
    Ok(Exit::Done)
}
