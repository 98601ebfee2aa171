//! Whether a database is fit to serve from: asked before the first request, from the logins that will serve.
//!
//! Always holds: what would let one tenant see another's rows is an [`Severity::Error`], and `serve` does not start over
//! one unless the configuration takes the responsibility by name.

use hedgerow_database::server_version::{ServerVersion, known_holes};
use hedgerow_database::{Error as DatabaseError, Identity, Row};
use hedgerow_schema::policy::{self, Command, Policy, Protection};
use hedgerow_schema::{Entity, Roles, Schema};

use crate::app::App;
use crate::config::Strictness;
use crate::error::Error;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Not fit to serve.
    Error,
    /// Weaker than it could be.
    Warning,
}

/// Something about the database that should be otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Stable, for programs.
    pub code: &'static str,
    /// What is found.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// What the configuration takes the responsibility for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// A PostgreSQL with known holes in row-level security.
    pub outdated_server: Strictness,
    /// A login that row-level security does not bind.
    pub privileged_login: Strictness,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { outdated_server: Strictness::Refuse, privileged_login: Strictness::Refuse }
    }
}

impl Tolerance {
    /// For development: everything is said, nothing of this is refused.
    pub const DEVELOPMENT: Self =
        Self { outdated_server: Strictness::Warn, privileged_login: Strictness::Warn };
}

/// Looks at server, logins and tables.
///
/// # Errors
/// [`Error::Unavailable`] when the database cannot be asked.
pub async fn examine(app: &App, tolerance: Tolerance) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    logins(app, tolerance, &mut findings).await?;
    // Without its roles, the rest cannot be asked.
    if findings.iter().any(|finding| finding.code == "no_role") {
        return Ok(findings);
    }
    let asked = async {
        server(app, tolerance, &mut findings).await?;
        functions(app, &mut findings).await?;
        tables(app, &mut findings).await
    };
    asked.await.map_err(|error| Error::without_entity("look at the database", error))?;
    Ok(findings)
}

fn severity(strictness: Strictness) -> Severity {
    match strictness {
        Strictness::Refuse => Severity::Error,
        Strictness::Warn => Severity::Warning,
    }
}

async fn server(app: &App, tolerance: Tolerance, findings: &mut Vec<Finding>) -> Result<(), DatabaseError> {
    let rows = ask(app, "SELECT current_setting('server_version_num')::int", &[]).await?;
    let number: i32 = first(&rows)?.get(0)?;
    let version = u32::try_from(number).map(ServerVersion::from_version_num).ok();
    if let Some(holes) = version.and_then(known_holes) {
        findings.push(Finding {
            severity: severity(tolerance.outdated_server),
            code: "outdated_server",
            message: holes.to_string(),
            remedy: match tolerance.outdated_server {
                Strictness::Warn => holes.remedy(),
                Strictness::Refuse => {
                    format!("{}; database.outdated_server = \"warn\" serves in spite of it", holes.remedy())
                }
            },
        });
    }
    Ok(())
}

async fn logins(app: &App, tolerance: Tolerance, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let roles = app.database().roles();
    let work: [(&str, Identity, &str); 3] = [
        ("DATABASE_URL", Identity::Anonymous, roles.anon.as_str()),
        ("AUTH_DATABASE_URL", Identity::Auth, roles.auth.as_str()),
        (
            "ADMIN_DATABASE_URL",
            Identity::System { reason: "check the logins before serving" },
            roles.admin.as_str(),
        ),
    ];
    let sql = "SELECT session_user::text, r.rolsuper, r.rolbypassrls, \
                 EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p') \
                   AND c.relnamespace = 'public'::regnamespace), \
                 coalesce((SELECT array_agg(m.rolname::text ORDER BY m.rolname) FROM pg_catalog.pg_roles m \
                   WHERE m.rolname = ANY ($1) AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')), '{}') \
               FROM pg_catalog.pg_roles r WHERE r.rolname = session_user";
    let others: Vec<&str> = vec![roles.auth.as_str(), roles.admin.as_str()];
    for (variable, identity, role) in work {
        let rows = match app.database().flight(&identity).rows(sql, &[&others]).await {
            Ok(rows) => rows,
            Err(error) if is_role_trouble(&error) => {
                findings.push(Finding {
                    severity: Severity::Error,
                    code: "no_role",
                    message: format!("the login of {variable} cannot take the role {role}"),
                    remedy:
                        "run `hedgerow setup` with DIRECT_DATABASE_URL, and use the logins that it prints"
                            .to_owned(),
                });
                continue;
            }
            Err(error) => return Err(Error::without_entity("look at the logins", error)),
        };
        let login = || -> Result<(String, [bool; 3], Vec<String>), DatabaseError> {
            let row = first(&rows)?;
            Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?], row.get(4)?))
        };
        let (name, faults, may_take) =
            login().map_err(|error| Error::without_entity("look at the logins", error))?;
        let words = ["is superuser", "bypasses row-level security", "owns tables"];
        for (_, word) in faults.iter().zip(words).filter(|(fault, _)| **fault) {
            findings.push(Finding {
                severity: severity(tolerance.privileged_login),
                code: "privileged_login",
                message: format!(
                    "the login {name} of {variable} {word}: row-level security does not bind it"
                ),
                remedy: "use the logins of `hedgerow setup`; on a host that offers no other login, \
                         database.privileged_login = \"warn\" serves in spite of it"
                    .to_owned(),
            });
        }
        if matches!(identity, Identity::Anonymous) && !may_take.is_empty() && !faults[0] {
            findings.push(Finding {
                severity: Severity::Warning,
                code: "single_login",
                message: format!("the login {name} of {variable} may also become {}", may_take.join(" and ")),
                remedy: "set AUTH_DATABASE_URL and ADMIN_DATABASE_URL to the logins of `hedgerow setup`"
                    .to_owned(),
            });
        }
    }
    Ok(())
}

/// No such role, or no right to take it.
fn is_role_trouble(error: &DatabaseError) -> bool {
    error.server().is_some_and(|error| matches!(error.code.code(), "22023" | "42501" | "42704"))
}

async fn functions(app: &App, findings: &mut Vec<Finding>) -> Result<(), DatabaseError> {
    let sql = "SELECT provolatile = 's' AND NOT prosecdef AND prosqlbody IS NOT NULL \
                 AND pg_get_function_sqlbody(oid) = \
                   'RETURN NULLIF(current_setting(''app.user_id''::text, true), ''''::text)' \
               FROM pg_catalog.pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = 'get_auth_user_id'";
    let rows = ask(app, sql, &[]).await?;
    let is_ours = |row: &Row| row.get::<Option<bool>>(0).is_ok_and(|ours| ours == Some(true));
    let problem = match rows.as_slice() {
        [] => {
            ("no_tables", "Hedgerow's own tables and functions are not there", "run `hedgerow migrate apply`")
        }
        [one] if is_ours(one) => return Ok(()),
        _ => (
            "identity_function",
            "public.get_auth_user_id() is not the function that Hedgerow made: policies may believe anybody",
            "drop what was put in its place, and restore the function",
        ),
    };
    findings.push(error(problem.0, problem.1, problem.2));
    Ok(())
}

fn error(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { severity: Severity::Error, code, message: message.into(), remedy: remedy.into() }
}

async fn tables(app: &App, findings: &mut Vec<Finding>) -> Result<(), DatabaseError> {
    let schema = app.schema();
    let roles = app.database().roles();
    open_tables(app, findings).await?;
    let columns = known_columns(app).await?;
    let policies = known_policies(app).await?;
    for protection in protections(&schema, roles) {
        let table = protection.table.as_str();
        if !columns.iter().any(|column| column.table == table) {
            findings.push(error(
                "missing_table",
                format!("the table {table} is not there"),
                "run `hedgerow migrate apply`",
            ));
            continue;
        }
        for expected in &protection.policies {
            let found = policies.iter().find(|policy| policy.table == table && policy.name == expected.name);
            if !found.is_some_and(|found| found.is(expected)) {
                findings.push(error(
                    "missing_policy",
                    format!("the policy {:?} of {table} is not there as it was made", expected.name),
                    "restore it; `hedgerow migrate apply` makes it with the table",
                ));
            }
        }
        if let Some(entity) = schema.entity(table) {
            missing_columns(entity, &columns, findings);
        }
    }
    writable_identity(app, &schema, roles, findings).await
}

fn protections(schema: &Schema, roles: &Roles) -> Vec<Protection> {
    let entities = schema.entities().iter().map(|entity| policy::for_entity(entity, roles));
    [policy::for_users(roles), policy::for_api_keys(roles)].into_iter().chain(entities).collect()
}

/// Any table of `public`, partitions included, that is not under enforced row-level security.
async fn open_tables(app: &App, findings: &mut Vec<Finding>) -> Result<(), DatabaseError> {
    let sql = "SELECT relname::text, relrowsecurity FROM pg_catalog.pg_class \
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') \
                 AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY 1";
    for row in ask(app, sql, &[]).await? {
        let (table, enabled): (String, bool) = (row.get(0)?, row.get(1)?);
        let missing = if enabled { "FORCE" } else { "ENABLE" };
        findings.push(error(
            "open_table",
            format!("row-level security is not enforced on {table}"),
            format!(
                "ALTER TABLE \"{table}\" {missing} ROW LEVEL SECURITY, or move the table out of schema public"
            ),
        ));
    }
    Ok(())
}

struct KnownColumn {
    table: String,
    name: String,
    ty: String,
}

async fn known_columns(app: &App) -> Result<Vec<KnownColumn>, DatabaseError> {
    let sql = "SELECT c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, NULL) \
               FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
               WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
                 AND a.attnum > 0 AND NOT a.attisdropped";
    let rows = ask(app, sql, &[]).await?;
    rows.iter()
        .map(|row| Ok(KnownColumn { table: row.get(0)?, name: row.get(1)?, ty: row.get(2)? }))
        .collect()
}

/// A field without its column would be a failing query at the first request.
fn missing_columns(entity: &Entity, columns: &[KnownColumn], findings: &mut Vec<Finding>) {
    let table = entity.name.as_str();
    for field in &entity.fields {
        let name = field.name.as_str();
        let wanted = match field.kind.sql_type().name() {
            "timestamptz" => "timestamp with time zone",
            other => other,
        };
        let found = columns.iter().find(|column| column.table == table && column.name == name);
        let problem = match found {
            None => format!("{table} has no column for the field `{name}`"),
            Some(column) if column.ty != wanted => {
                format!("the column {table}.{name} is {}, the field is {wanted}", column.ty)
            }
            Some(_) => continue,
        };
        findings.push(error(
            "schema_differs",
            problem,
            "write the change as a file of migrations/, and apply it",
        ));
    }
}

struct KnownPolicy {
    table: String,
    name: String,
    permissive: bool,
    command: String,
    to_public: bool,
}

impl KnownPolicy {
    fn is(&self, expected: &Policy) -> bool {
        let command = match expected.command {
            Command::Select => "r",
            Command::Insert => "a",
            Command::Update => "w",
            Command::Delete => "d",
        };
        self.permissive != expected.restrictive && self.command == command && self.to_public
    }
}

async fn known_policies(app: &App) -> Result<Vec<KnownPolicy>, DatabaseError> {
    let sql = "SELECT c.relname::text, p.polname::text, p.polpermissive, p.polcmd::text, p.polroles = '{0}' \
               FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid \
               WHERE c.relnamespace = 'public'::regnamespace";
    let rows = ask(app, sql, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(KnownPolicy {
                table: row.get(0)?,
                name: row.get(1)?,
                permissive: row.get(2)?,
                command: row.get(3)?,
                to_public: row.get(4)?,
            })
        })
        .collect()
}

/// Columns that say whose row it is, and rights that pass over policies.
async fn writable_identity(
    app: &App,
    schema: &Schema,
    roles: &Roles,
    findings: &mut Vec<Finding>,
) -> Result<(), DatabaseError> {
    let tables: Vec<&str> =
        schema.entities().iter().map(|entity| entity.name.as_str()).chain(["api_keys"]).collect();
    let requests = vec![roles.app.as_str(), roles.anon.as_str(), roles.admin.as_str()];
    let sql = "SELECT c.relname::text, r.rolname::text, \
                 CASE WHEN has_column_privilege(r.oid, c.oid, 'userId', 'INSERT') \
                        OR has_column_privilege(r.oid, c.oid, 'userId', 'UPDATE') THEN 'may write userId' \
                      WHEN has_table_privilege(r.oid, c.oid, 'TRUNCATE') THEN 'may TRUNCATE' \
                      WHEN has_table_privilege(r.oid, c.oid, 'TRIGGER') THEN 'may make triggers' END \
               FROM pg_catalog.pg_class c, pg_catalog.pg_roles r \
               WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1) AND r.rolname = ANY ($2) \
                 AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'userId')";
    let rows = app.database().flight(&Identity::Anonymous).rows(sql, &[&tables, &requests]).await?;
    for row in &rows {
        let (table, role, right): (String, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if let Some(right) = right {
            findings.push(error(
                "too_many_rights",
                format!("{role} {right} on {table}"),
                format!("REVOKE it: only the rights that `hedgerow migrate apply` gave belong to {role}"),
            ));
        }
    }
    Ok(())
}

async fn ask(
    app: &App,
    sql: &'static str,
    parameters: &[&(dyn hedgerow_database::ToSql + Sync)],
) -> Result<Vec<Row>, DatabaseError> {
    app.database().flight(&Identity::Anonymous).rows(sql, parameters).await
}

fn first(rows: &[Row]) -> Result<&Row, DatabaseError> {
    rows.first()
        .ok_or_else(|| DatabaseError::Protocol("a question about the database has no answer".to_owned()))
}
