//! Whether a database is fit to serve from: asked before the first request, from the logins that will serve.
//!
//! Always holds: what would let one tenant see another's rows is an [`Severity::Error`], and `serve` does not start over
//! one unless the configuration takes the responsibility by name.

mod search;

use hedgerow_database::server_version::{ServerVersion, known_holes};
use hedgerow_database::{Error as DatabaseError, Identity, Row, introspect};
use hedgerow_schema::catalog::Catalog;
use hedgerow_schema::ddl::{DEFINERS, Definer};
use hedgerow_schema::diff::quote;
use hedgerow_schema::drift::{self, Difference, How, Kind, Object};
use hedgerow_schema::{Schema, model};

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
    /// A column that the entity files name and the database does not have.
    pub pending: Strictness,
    /// Anything else that differs and opens nothing: an index, a default, a check.
    pub drift: Strictness,
}

impl Default for Tolerance {
    fn default() -> Self {
        let refuse = Strictness::Refuse;
        Self { outdated_server: refuse, privileged_login: refuse, pending: refuse, drift: Strictness::Warn }
    }
}

impl Tolerance {
    /// For development: everything is said, nothing of this is refused.
    pub const DEVELOPMENT: Self = Self {
        outdated_server: Strictness::Warn,
        privileged_login: Strictness::Warn,
        pending: Strictness::Refuse,
        drift: Strictness::Warn,
    };
}

/// Looks at server, logins and tables.
///
/// # Errors
/// [`Error::Unavailable`] when the database cannot be asked.
pub async fn examine(app: &App, tolerance: Tolerance) -> Result<Vec<Finding>, Error> {
    examine_for(app, &app.schema(), tolerance).await
}

/// The same for entities that are not in use yet.
///
/// # Errors
/// As [`examine`].
pub(crate) async fn examine_for(
    app: &App,
    schema: &Schema,
    tolerance: Tolerance,
) -> Result<Vec<Finding>, Error> {
    let mut findings = Vec::new();
    logins(app, tolerance, &mut findings).await?;
    // Without its roles, the rest cannot be asked.
    if findings.iter().any(|finding| finding.code == "no_role") {
        return Ok(findings);
    }
    let asked = async {
        server(app, tolerance, &mut findings).await?;
        ways_around(app, &mut findings).await?;
        definers(app, tolerance, &mut findings).await?;
        findings.extend(search::slow(app, schema).await?);
        tables(app, schema, tolerance, &mut findings).await
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

fn error(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { severity: Severity::Error, code, message: message.into(), remedy: remedy.into() }
}

/// The database against the entity files: what is open is an error, what is missing is pending, the rest is drift.
async fn tables(
    app: &App,
    schema: &Schema,
    tolerance: Tolerance,
    findings: &mut Vec<Finding>,
) -> Result<(), DatabaseError> {
    let rows = ask(app, introspect::QUESTION, &[]).await?;
    let text: String = first(&rows)?.get(0)?;
    let is = introspect::read(&text)?;
    let is_unforced = is.tables.values().any(|table| table.row_security && !table.forced);
    let at_work = if is_unforced { at_work(app).await? } else { Vec::new() };
    open_tables(&is, &at_work, findings);

    let roles = app.database().roles();
    let owner = is.tables.get("user").map(|table| table.owner.clone()).unwrap_or_default();
    let expected = model::expected(schema, roles, &owner);
    let has_functions = functions(&is, &expected, findings);
    missing_tables(&is, &expected, findings);
    if !has_functions {
        return Ok(());
    }
    let target = model::target(&is, &expected, &is, roles);
    let managed = |difference: &Difference| {
        expected.tables.contains_key(&difference.object.place)
            && is.tables.contains_key(&difference.object.place)
    };
    let differences: Vec<Difference> = drift::differences(&is, &target).into_iter().filter(managed).collect();
    judge(&differences, &is, &expected, tolerance, findings);
    Ok(())
}

/// The tables of which a migration says that it has taken FORCE off.
async fn at_work(app: &App) -> Result<Vec<String>, DatabaseError> {
    match ask(app, "SELECT name FROM hedgerow.unforced", &[]).await {
        Ok(rows) => rows.iter().map(|row| row.get(0)).collect(),
        // No such table, no such schema, or nobody may look into it: no migration ran here yet.
        Err(error) if error.server().is_some_and(|error| is_absent(error.code.code())) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn is_absent(code: &str) -> bool {
    matches!(code, "42P01" | "3F000" | "42501")
}

/// Any table of `public`, partitions included, that is not under enforced row-level security.
fn open_tables(is: &Catalog, at_work: &[String], findings: &mut Vec<Finding>) {
    for (name, table) in is.tables.iter().filter(|(_, table)| !(table.row_security && table.forced)) {
        if table.row_security && at_work.contains(name) {
            findings.push(Finding {
                severity: Severity::Warning,
                code: "migration_at_work",
                message: format!(
                    "a migration has taken FORCE off {name}; tenants stay apart, only the owner sees more"
                ),
                remedy: "nothing, if one is running; else `hedgerow migrate apply` puts it back".to_owned(),
            });
            continue;
        }
        let missing = if table.row_security { "FORCE" } else { "ENABLE" };
        findings.push(error(
            "open_table",
            format!("row-level security is not enforced on {name}"),
            format!(
                "ALTER TABLE {} {missing} ROW LEVEL SECURITY, or move the table out of schema public",
                quote(name)
            ),
        ));
    }
}

/// Whether Hedgerow's own functions are there, as it made them.
fn functions(is: &Catalog, expected: &Catalog, findings: &mut Vec<Finding>) -> bool {
    let name = "get_auth_user_id()";
    let (code, message, remedy) = match (is.functions.get(name), expected.functions.get(name)) {
        (None, _) => {
            ("no_tables", "Hedgerow's own tables and functions are not there", "run `hedgerow migrate apply`")
        }
        (Some(found), Some(wanted))
            if (&found.attributes, &found.returns) == (&wanted.attributes, &wanted.returns) =>
        {
            return true;
        }
        _ => (
            "identity_function",
            "public.get_auth_user_id() is not the function that Hedgerow made: policies may believe anybody",
            "drop what was put in its place, and restore the function; `hedgerow migrate plan --sql` says how",
        ),
    };
    findings.push(error(code, message, remedy));
    code != "no_tables"
}

fn missing_tables(is: &Catalog, expected: &Catalog, findings: &mut Vec<Finding>) {
    for name in expected.tables.keys().filter(|name| !is.tables.contains_key(*name)) {
        let remedy = if model::OWN_TABLES.contains(&name.as_str()) {
            "it is Hedgerow's own: run `hedgerow migrate apply`"
        } else {
            "run `hedgerow migrate apply`; if no file makes it yet, write one with `hedgerow migrate new NAME`"
        };
        findings.push(error("missing_table", format!("the table {name} is not there"), remedy));
    }
}

/// What the differences mean for serving.
fn judge(
    differences: &[Difference],
    is: &Catalog,
    expected: &Catalog,
    tolerance: Tolerance,
    findings: &mut Vec<Finding>,
) {
    let known_column = |difference: &Difference| {
        let table = &difference.object.place;
        let column = difference.object.column.as_ref();
        column.is_none_or(|column| {
            expected.tables.get(table).is_some_and(|table| table.columns.contains_key(column))
                && is.tables.get(table).is_some_and(|table| table.columns.contains_key(column))
        })
    };
    let (mut newer, mut drifted) = (Vec::new(), Vec::new());
    let mut policies: Vec<&Object> = Vec::new();
    for difference in differences {
        let Difference { object, how } = difference;
        match (object.kind, how) {
            (Kind::Function, _) | (_, How::Changed { aspect: "comment", .. }) => {}
            // Said of every table of the database already.
            (Kind::Table, How::Changed { aspect: "row-level security" | "FORCE ROW LEVEL SECURITY", .. }) => {
            }
            (Kind::Policy, _) if policies.contains(&object) => {}
            (Kind::Policy, _) => {
                policies.push(object);
                findings.push(error(
                    "missing_policy",
                    format!("the policy {:?} of {} is not there as it was made", object.name, object.place),
                    "run `hedgerow migrate apply` where sets of Hedgerow's own are pending; else `hedgerow migrate plan --sql` says how \
                     to restore it",
                ));
            }
            (Kind::Right, _) if !known_column(difference) => {}
            (Kind::Right, How::Unexpected) => findings.push(error(
                "too_many_rights",
                format!("there is a {object} that no entity file gives"),
                "REVOKE it: `hedgerow migrate plan --sql` says how",
            )),
            (Kind::Column, How::Unexpected) => newer.push(object.to_string()),
            (Kind::Right | Kind::Column, How::Missing)
            | (Kind::Column, How::Changed { aspect: "type", .. }) => {
                findings.push(Finding {
                    severity: severity(tolerance.pending),
                    code: "schema_differs",
                    message: difference.to_string(),
                    remedy: "run `hedgerow migrate apply`; if no file does it yet, write one with `hedgerow migrate new \
                             NAME`"
                        .to_owned(),
                });
            }
            _ => drifted.push(difference.to_string()),
        }
    }
    if !newer.is_empty() {
        findings.push(Finding {
            severity: Severity::Warning,
            code: "newer_schema",
            message: format!("the database has more than the entity files: {}", newer.join(", ")),
            remedy:
                "nothing while a newer version is being rolled out; else bring the entity files up to date"
                    .to_owned(),
        });
    }
    if !drifted.is_empty() {
        findings.push(Finding {
            severity: severity(tolerance.drift),
            code: "drift",
            message: format!("the database differs from the entity files: {}", drifted.join("; ")),
            remedy: "`hedgerow migrate plan` says what would put it right".to_owned(),
        });
    }
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
                       AND NOT (p.pronamespace = 'hedgerow'::regnamespace \
                         AND (p.proname, p.prosrc) IN (SELECT * FROM unnest($2::text[], $3::text[]))) \
                     ORDER BY 1";
    // Hedgerow's own go by the identity alone, whoever owns them.
    let (names, bodies): (Vec<&str>, Vec<&str>) =
        DEFINERS.iter().filter(|own| own.is_for_users).map(|own| (own.name, own.body)).unzip();
    for row in ask(app, functions, &[&requests, &names, &bodies]).await? {
        let name: String = row.get(0)?;
        findings.push(error(
            "open_function",
            format!("tenants may call {name}, which runs as an owner that row-level security does not bind"),
            format!("ALTER FUNCTION {name} SECURITY INVOKER, or REVOKE EXECUTE on it FROM PUBLIC"),
        ));
    }
    Ok(())
}

/// The functions that append to the audit trail, keep it, and say whether sessions stand run as their owner: whoever put others in
/// their place decides what the trail says, and which sessions never end.
async fn definers(app: &App, tolerance: Tolerance, findings: &mut Vec<Finding>) -> Result<(), DatabaseError> {
    let sql = "SELECT p.proname::text, p.prosrc, p.prosecdef AND l.lanname = 'plpgsql' \
                 AND 'search_path=pg_catalog, pg_temp' = ANY (p.proconfig), \
                 p.proowner = (SELECT relowner FROM pg_catalog.pg_class WHERE oid = to_regclass('public.api_audit_logs')) \
               FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang \
               WHERE p.pronamespace = to_regnamespace('hedgerow') AND p.proname = ANY ($1) \
                 AND to_regclass('public.api_audit_logs') IS NOT NULL";
    let names: Vec<&str> = DEFINERS.iter().map(|own| own.name).collect();
    let rows = ask(app, sql, &[&names]).await?;
    if rows.is_empty() {
        // The set is not applied, and its table is not there either: that is said of it.
        return Ok(());
    }
    for Definer { name, body, set, vouches_for, .. } in DEFINERS {
        let mut as_made = 0;
        let mut others = 0;
        for row in &rows {
            if row.get::<&str>(0)? == *name {
                let is_made = row.get::<&str>(1)? == *body
                    && row.get::<bool>(2)?
                    && row.get::<Option<bool>>(3)? == Some(true);
                *(if is_made { &mut as_made } else { &mut others }) += 1;
            }
        }
        if (as_made, others) == (0, 0) {
            findings.push(Finding {
                severity: severity(tolerance.pending),
                code: "own_function",
                message: format!("hedgerow.{name} is not there: {set}, a set of Hedgerow's own, is pending, or it was dropped"),
                remedy: format!(
                    "run `hedgerow migrate apply`; the text of a set that was applied is in hedgerow.migrations ({set})"
                ),
            });
        } else if (as_made, others) != (1, 0) {
            findings.push(error(
                "own_function",
                format!("hedgerow.{name} is not the function that Hedgerow made: {vouches_for} may say anything"),
                format!("drop what was put in its place; its text is in the record of {set} in hedgerow.migrations"),
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
