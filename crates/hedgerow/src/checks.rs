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
        ways_around(app, &mut findings).await?;
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

/// A login, and the work that the configuration gives it.
struct Login {
    name: String,
    variables: Vec<&'static str>,
    /// Roles that its work needs.
    needed: Vec<String>,
    /// Roles that it could take.
    may_take: Vec<String>,
    is_superuser: bool,
}

async fn logins(app: &App, tolerance: Tolerance, findings: &mut Vec<Finding>) -> Result<(), Error> {
    let roles = app.database().roles();
    let [app_role, anon, auth, admin] =
        [&roles.app, &roles.anon, &roles.auth, &roles.admin].map(ToString::to_string);
    let work = [
        ("DATABASE_URL", Identity::Anonymous, vec![anon, app_role]),
        ("AUTH_DATABASE_URL", Identity::Auth, vec![auth]),
        ("ADMIN_DATABASE_URL", Identity::System { reason: "check the logins before serving" }, vec![admin]),
    ];
    let sql = "SELECT session_user::text, r.rolsuper, r.rolbypassrls, \
                 EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p') \
                   AND c.relnamespace = 'public'::regnamespace), \
                 coalesce((SELECT array_agg(m.rolname::text ORDER BY m.rolname) FROM pg_catalog.pg_roles m \
                   WHERE m.rolname = ANY ($1) AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER')), '{}') \
               FROM pg_catalog.pg_roles r WHERE r.rolname = session_user";
    let all: Vec<&str> = roles.all().map(hedgerow_schema::Identifier::as_str).to_vec();
    let mut known: Vec<Login> = Vec::new();
    for (variable, identity, needed) in work {
        let rows = match app.database().flight(&identity).rows(sql, &[&all]).await {
            Ok(rows) => rows,
            Err(cause) if is_role_trouble(&cause) => {
                findings.push(error(
                    "no_role",
                    format!("the login of {variable} cannot take the role {}", needed[0]),
                    format!(
                        "run `hedgerow setup` with DIRECT_DATABASE_URL, and use the logins that it prints; without \
                         {variable}, the login of DATABASE_URL does this work and needs the role"
                    ),
                ));
                continue;
            }
            Err(error) => return Err(Error::without_entity("look at the logins", error)),
        };
        let read = || -> Result<(String, [bool; 3], Vec<String>), DatabaseError> {
            let row = first(&rows)?;
            Ok((row.get(0)?, [row.get(1)?, row.get(2)?, row.get(3)?], row.get(4)?))
        };
        let (name, faults, may_take) =
            read().map_err(|error| Error::without_entity("look at the logins", error))?;
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
        match known.iter_mut().find(|login| login.name == name) {
            Some(login) => {
                login.variables.push(variable);
                login.needed.extend(needed);
            }
            None => {
                let variables = vec![variable];
                known.push(Login { name, variables, needed, may_take, is_superuser: faults[0] });
            }
        }
    }
    findings.extend(known.iter().filter_map(Login::finding));
    Ok(())
}

impl Login {
    /// Who injects SQL into a request may take every role that the login may take.
    fn finding(&self) -> Option<Finding> {
        // That is another finding, and membership means nothing then.
        if self.is_superuser {
            return None;
        }
        let extra: Vec<&str> =
            self.may_take.iter().filter(|role| !self.needed.contains(role)).map(String::as_str).collect();
        let (name, variables) = (&self.name, self.variables.join(" and "));
        if !extra.is_empty() {
            let extra = extra.join(", ");
            return Some(error(
                "wide_login",
                format!(
                    "the login {name} of {variables} may also become {extra}, which its work does not need"
                ),
                format!("REVOKE {extra} FROM {name}"),
            ));
        }
        (self.variables.len() > 1).then(|| Finding {
            severity: Severity::Warning,
            code: "single_login",
            message: format!(
                "the login {name} does the work of {variables}: SQL that got into a request could, too"
            ),
            remedy: "set each to its own login of `hedgerow setup`".to_owned(),
        })
    }
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
    using: Option<String>,
    check: Option<String>,
}

impl KnownPolicy {
    fn is(&self, expected: &Policy) -> bool {
        let command = match expected.command {
            Command::Select => "r",
            Command::Insert => "a",
            Command::Update => "w",
            Command::Delete => "d",
        };
        let says = |found: &Option<String>, is_wanted: bool| match found {
            Some(found) => is_wanted && essence(found) == essence(expected.expression.text()),
            None => !is_wanted,
        };
        self.permissive != expected.restrictive
            && self.command == command
            && self.to_public
            && says(&self.using, expected.command != Command::Insert)
            && says(&self.check, matches!(expected.command, Command::Insert | Command::Update))
    }
}

/// An expression without what PostgreSQL adds or leaves out when it shows one: spaces, parentheses, quotes, the schema
/// `public`, names of columns, casts of literals.
fn essence(expression: &str) -> String {
    let mut text = expression.to_ascii_lowercase().replace("public.", "");
    for added in ["::text", "::name"] {
        text = text.replace(added, "");
    }
    let mut words = Vec::new();
    let mut skip = false;
    for word in text.split(|c: char| c.is_whitespace() || "()\"".contains(c)).filter(|word| !word.is_empty())
    {
        if !std::mem::take(&mut skip) && word != "as" {
            words.push(word);
        }
        skip = word == "as";
    }
    words.concat()
}

async fn known_policies(app: &App) -> Result<Vec<KnownPolicy>, DatabaseError> {
    let sql = "SELECT c.relname::text, p.polname::text, p.polpermissive, p.polcmd::text, p.polroles = '{0}', \
                 pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) \
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
                using: row.get(5)?,
                check: row.get(6)?,
            })
        })
        .collect()
}

/// Views and functions that act with their owner's rights, where those are more than a tenant's.
async fn ways_around(app: &App, findings: &mut Vec<Finding>) -> Result<(), DatabaseError> {
    let roles = app.database().roles();
    let requests = vec![roles.app.as_str(), roles.anon.as_str()];
    // FORCE binds an owner that is neither superuser nor BYPASSRLS, so such an owner's view shows what its reader may
    // see. A materialized view holds the rows that its owner saw when it was filled, in a migration everybody's.
    let views = "SELECT c.oid::regclass::text, c.relkind = 'm' \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles o ON o.oid = c.relowner \
                 WHERE c.relkind IN ('v', 'm') \
                   AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) \
                   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass \
                     AND d.objid = c.oid AND d.deptype = 'e') \
                   AND (c.relkind = 'm' OR ((o.rolsuper OR o.rolbypassrls) \
                     AND NOT coalesce(c.reloptions && '{security_invoker=true,security_invoker=on,security_invoker=1}', false))) \
                   AND EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = ANY ($1) \
                     AND (has_table_privilege(r.oid, c.oid, 'SELECT') OR has_any_column_privilege(r.oid, c.oid, 'SELECT'))) \
                 ORDER BY 1";
    for row in ask(app, views, &[&requests]).await? {
        let (name, is_materialized): (String, bool) = (row.get(0)?, row.get(1)?);
        findings.push(if is_materialized {
            error(
                "open_view",
                format!(
                    "tenants may read the materialized view {name}, which row-level security does not protect"
                ),
                format!("REVOKE ALL ON {name} FROM PUBLIC, {}", requests.join(", ")),
            )
        } else {
            error(
                "open_view",
                format!("tenants may read the view {name}, and row-level security does not bind its owner"),
                format!("ALTER VIEW {name} SET (security_invoker = true), or give it an ordinary owner"),
            )
        });
    }
    let functions = "SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p \
                       JOIN pg_catalog.pg_roles o ON o.oid = p.proowner \
                     WHERE p.prosecdef AND (o.rolsuper OR o.rolbypassrls) \
                       AND p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) \
                       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_proc'::regclass \
                         AND d.objid = p.oid AND d.deptype = 'e') \
                       AND EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = ANY ($1) \
                         AND has_function_privilege(r.oid, p.oid, 'EXECUTE') \
                         AND has_schema_privilege(r.oid, p.pronamespace, 'USAGE')) \
                     ORDER BY 1";
    for row in ask(app, functions, &[&requests]).await? {
        let name: String = row.get(0)?;
        findings.push(error(
            "open_function",
            format!("tenants may call {name}, which runs as an owner that row-level security does not bind"),
            format!("ALTER FUNCTION {name} SECURITY INVOKER, or REVOKE EXECUTE on it FROM PUBLIC"),
        ));
    }
    Ok(())
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
    let rows = ask(app, sql, &[&tables, &requests]).await?;
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
