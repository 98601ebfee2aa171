//! Who may see and change which row, written as PostgreSQL policies and grants.
//!
//! Always holds, for every table of Hedgerow:
//! * one RESTRICTIVE policy for each command, TO PUBLIC: the floor. Whatever permissive policy anybody adds later, no
//!   row below the floor is reached. (A policy TO a role could be dropped by that role on older minors.)
//! * four permissive policies, one for each command, with the names of the schema this product implements;
//! * rights come from grants alone, and no column that says whose row it is can be written.
//!
//! `(SELECT …)` around the identity makes it an InitPlan: evaluated once for each statement, usable by an index.

mod metas;

use crate::{Entity, Field, Identifier, Read, Sql, Standard, Write, ddl};

pub use metas::{for_global_metas, for_metas, for_objects, for_user_metas};

/// The four roles that requests take; none logs in, owns anything or bypasses row-level security.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Requests of a signed-in user.
    pub app: Identifier,
    /// Requests of nobody in particular.
    pub anon: Identifier,
    /// Sign-in, users and keys; no grant on any entity table.
    pub auth: Identifier,
    /// Requests of an administrator.
    pub admin: Identifier,
}

impl Default for Roles {
    fn default() -> Self {
        let role = |name| Identifier::joined(&["hedgerow", name]);
        Self { app: role("app"), anon: role("anon"), auth: role("auth"), admin: role("admin") }
    }
}

impl Roles {
    /// All four.
    pub fn all(&self) -> [&Identifier; 4] {
        [&self.app, &self.anon, &self.auth, &self.admin]
    }
}

/// The commands that policies and grants speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Reading.
    Select,
    /// Creating.
    Insert,
    /// Changing.
    Update,
    /// Deleting.
    Delete,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// As SQL writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    fn floor_name(self) -> &'static str {
        match self {
            Self::Select => "hedgerow_floor_select",
            Self::Insert => "hedgerow_floor_insert",
            Self::Update => "hedgerow_floor_update",
            Self::Delete => "hedgerow_floor_delete",
        }
    }

    fn permissive_name(self) -> &'static str {
        match self {
            Self::Select => "Users can view own records",
            Self::Insert => "Users can create own records",
            Self::Update => "Users can update own records",
            Self::Delete => "Users can delete own records",
        }
    }
}

/// One policy of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name; unique within the table.
    pub name: &'static str,
    /// Restrictive policies are the floor.
    pub restrictive: bool,
    /// The command it is about.
    pub command: Command,
    /// Which rows, before and after: one expression for USING and WITH CHECK.
    pub expression: Sql,
}

/// One right of one role on a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub role: Identifier,
    /// What for.
    pub command: Command,
    /// The columns; `None` is the whole table.
    pub columns: Option<Vec<Identifier>>,
}

/// The policies and grants of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The table, in schema `public`.
    pub table: Identifier,
    /// Floors and permissive policies.
    pub policies: Vec<Policy>,
    /// Rights.
    pub grants: Vec<Grant>,
}

/// `TRUE` when the row's owner column `column` is the asker.
fn owned(column: &'static str) -> Sql {
    let mut sql = Sql::new(column);
    sql.push(" = (SELECT public.get_auth_user_id())");
    sql
}

fn or_role(mut expression: Sql, roles: &[&Identifier]) -> Sql {
    for role in roles {
        expression.push(" OR ").append(&is_role(role));
    }
    expression
}

fn is_role(role: &Identifier) -> Sql {
    let mut sql = Sql::new("(SELECT current_user) = ");
    sql.literal(role.as_str());
    sql
}

/// Floors and permissive policies that say the same for each command.
fn policies(expression: impl Fn(Command) -> Sql) -> Vec<Policy> {
    let floor = |command: Command| Policy {
        name: command.floor_name(),
        restrictive: true,
        command,
        expression: expression(command),
    };
    let permissive = |command: Command| Policy {
        name: command.permissive_name(),
        restrictive: false,
        command,
        expression: expression(command),
    };
    Command::ALL.into_iter().flat_map(|command| [floor(command), permissive(command)]).collect()
}

fn grant(role: &Identifier, command: Command, columns: Option<Vec<Identifier>>) -> Grant {
    Grant { role: role.clone(), command, columns }
}

fn names(columns: &[&str]) -> Option<Vec<Identifier>> {
    Some(columns.iter().map(|column| Identifier::joined(&[column])).collect())
}

/// What holds for everyone who is signed in.
const SIGNED_IN: &str = "(SELECT public.get_auth_user_id()) IS NOT NULL";

/// What holds for a row that is not in the trash.
pub(crate) const LIVES: &str = "\"deletedAt\" IS NULL";

/// The setting of a transaction that works on the trash; every flight sets it, to the empty text where it does not.
pub const TRASH_SETTING: &str = "app.deleted";

/// Which rows can be read.
fn reading(entity: &Entity, roles: &Roles) -> Sql {
    let read = reading_with_trash(entity, roles);
    if !entity.soft_delete {
        return read;
    }
    // A row that was just deleted must still be readable for the statement that deletes it, so a plain IS NULL would
    // refuse every deletion. Whoever may write a row may see it in the trash, nobody else.
    let writes = match entity.access.write {
        Write::Admin => is_role(&roles.admin),
        Write::Owner | Write::SignedIn => owned("\"userId\""),
    };
    let mut sql = Sql::new("(");
    sql.append(&read).push(") AND (").push(LIVES);
    sql.push(" OR ((SELECT current_setting('app.deleted', true)) = 'on' AND ").append(&writes).push("))");
    sql
}

fn reading_with_trash(entity: &Entity, roles: &Roles) -> Sql {
    let own = || owned("\"userId\"");
    let Some(published) = &entity.access.published_when else {
        return match entity.access.read {
            Read::Owner => own(),
            Read::SignedIn => Sql::new(SIGNED_IN),
            Read::Public => Sql::new("true"),
        };
    };
    let mut sql = own();
    match entity.access.read {
        Read::Owner => return sql,
        Read::SignedIn => {
            sql.push(" OR (").push(SIGNED_IN).push(" AND ").append(published.sql()).push(")");
        }
        Read::Public => {
            sql.push(" OR ").append(published.sql());
        }
    }
    match entity.access.write {
        Write::Admin => or_role(sql, &[&roles.admin]),
        Write::Owner | Write::SignedIn => sql,
    }
}

/// The policies of an entity's rows and of what hangs on them: `read` says who reads, and whoever writes the rows writes.
fn policies_of_rows(entity: &Entity, roles: &Roles, read: impl Fn() -> Sql) -> Vec<Policy> {
    let own = || owned("\"userId\"");
    let admin_writes = entity.access.write == Write::Admin;
    policies(|command| match command {
        Command::Select => read(),
        // An administrator creates rows as their owner, and may change those of other administrators.
        Command::Insert if admin_writes => {
            let mut sql = own();
            sql.push(" AND ").append(&is_role(&roles.admin));
            sql
        }
        Command::Update | Command::Delete if admin_writes => is_role(&roles.admin),
        Command::Insert | Command::Update | Command::Delete => own(),
    })
}

/// How an entity's table is protected.
pub fn for_entity(entity: &Entity, roles: &Roles) -> Protection {
    let admin_writes = entity.access.write == Write::Admin;
    let writer = if admin_writes { &roles.admin } else { &roles.app };
    let id = Identifier::joined(&[Standard::Id.name()]);
    // What the server alone writes, it writes as a default.
    let writable = || entity.columns().filter(|field| !field.read_only);
    let insertable = writable().map(|field| field.name.clone());
    let updatable = writable().filter(|field| !field.immutable).map(|field| field.name.clone());
    let mut grants = vec![
        grant(&roles.app, Command::Select, None),
        grant(writer, Command::Insert, Some(std::iter::once(id).chain(insertable).collect())),
    ];
    let deleted = entity.soft_delete.then(|| Identifier::joined(&[Standard::DeletedAt.name()]));
    let updatable: Vec<_> = updatable.chain(deleted).collect();
    if !updatable.is_empty() {
        grants.push(grant(writer, Command::Update, Some(updatable)));
    }
    grants.push(grant(writer, Command::Delete, None));
    if admin_writes {
        grants.push(grant(&roles.admin, Command::Select, None));
    }
    if entity.access.read == Read::Public {
        grants.push(grant(&roles.anon, Command::Select, None));
    }
    Protection {
        table: entity.name.clone(),
        policies: policies_of_rows(entity, roles, || reading(entity, roles)),
        grants,
    }
}

/// How the table of a `relation_many` field is protected: a link is seen and written by whoever sees and writes the row
/// that it leads from.
pub fn for_links(entity: &Entity, field: &Field, roles: &Roles) -> Protection {
    let table = ddl::link_table(entity, field);
    let own = || owned("\"userId\"");
    let admin_writes = entity.access.write == Write::Admin;
    let read = || {
        // Where others see only some rows, they are asked for through their own policies.
        if entity.access.read == Read::Owner
            || (entity.access.published_when.is_none() && !entity.soft_delete)
        {
            return reading_with_trash(entity, roles);
        }
        let mut sql = own();
        sql.push(" OR EXISTS (SELECT FROM public.").name(&entity.name);
        sql.push(" s WHERE s.id = ").name(&table).push(".\"sourceId\")");
        sql
    };
    let writer = if admin_writes { &roles.admin } else { &roles.app };
    let mut grants = vec![
        grant(&roles.app, Command::Select, None),
        grant(writer, Command::Insert, names(&["sourceId", "targetId"])),
        grant(writer, Command::Delete, None),
    ];
    if admin_writes {
        grants.push(grant(&roles.admin, Command::Select, None));
    }
    if entity.access.read == Read::Public {
        grants.push(grant(&roles.anon, Command::Select, None));
    }
    let policies = policies_of_rows(entity, roles, read);
    Protection { table, policies, grants }
}

/// How `"user"` is protected: everyone sees themselves, sign-in does the writing.
pub fn for_users(roles: &Roles) -> Protection {
    let expression = |command| match command {
        Command::Select => or_role(owned("id"), &[&roles.auth, &roles.admin]),
        Command::Insert | Command::Update | Command::Delete => is_role(&roles.auth),
    };
    let mut grants: Vec<_> =
        Command::ALL.into_iter().map(|command| grant(&roles.auth, command, None)).collect();
    grants.push(grant(&roles.app, Command::Select, None));
    grants.push(grant(&roles.admin, Command::Select, None));
    Protection { table: Identifier::joined(&["user"]), policies: policies(expression), grants }
}

/// How a table is protected that only sign-in uses.
pub fn for_sign_in(table: &Identifier, roles: &Roles) -> Protection {
    let grants = Command::ALL.into_iter().map(|command| grant(&roles.auth, command, None)).collect();
    Protection { table: table.clone(), policies: policies(|_| is_role(&roles.auth)), grants }
}

/// How sessions are protected: as what sign-in alone uses, but that the owner of the table, who is the owner of the function that says
/// whether a session stands (`ddl/sessions.rs`), sees those of the identity. The right to pass the right to read on tells the owner from
/// everybody who was given rights: nobody else sees a session.
pub fn for_sessions(roles: &Roles) -> Protection {
    let table = Identifier::joined(&["session"]);
    let expression = |command| match command {
        Command::Select => {
            let mut sql = is_role(&roles.auth);
            sql.push(" OR (").append(&owned("\"userId\""));
            sql.push(" AND (SELECT has_table_privilege('public.session', 'SELECT WITH GRANT OPTION')))");
            sql
        }
        Command::Insert | Command::Update | Command::Delete => is_role(&roles.auth),
    };
    Protection { policies: policies(expression), ..for_sign_in(&table, roles) }
}

/// How the audit trail is protected: everyone reads what they did and administrators read all; a row is written in the name
/// of who asks, or by sign-in for those whom nobody knows; nobody changes or deletes one. App and administrators have no
/// right to insert: they call the function that does (`ddl/audit.rs`), and its owner is bound by the same floor.
pub fn for_audit(roles: &Roles) -> Protection {
    let expression = |command| match command {
        Command::Select => or_role(owned("\"userId\""), &[&roles.admin]),
        Command::Insert => or_role(owned("\"userId\""), &[&roles.auth]),
        Command::Update | Command::Delete => Sql::new("false"),
    };
    let visible = &[
        "id",
        "apiKeyId",
        "userId",
        "endpoint",
        "method",
        "statusCode",
        "responseTime",
        "ipAddress",
        "userAgent",
        "createdAt",
    ];
    let grants = vec![
        grant(&roles.app, Command::Select, names(visible)),
        grant(&roles.admin, Command::Select, None),
        grant(&roles.auth, Command::Insert, None),
    ];
    Protection { table: Identifier::joined(&[ddl::audit::TABLE]), policies: policies(expression), grants }
}

/// The floors of a table that nobody reaches.
pub fn closed() -> Vec<Policy> {
    policies(|_| Sql::new("false")).into_iter().filter(|policy| policy.restrictive).collect()
}

/// How `api_keys` is protected: users manage their own and never read a key's hash; sign-in looks keys up and counts their
/// use; an administrator's request reads of their own keys whether they still hold.
pub fn for_api_keys(roles: &Roles) -> Protection {
    let mut protection = for_first_api_keys(roles);
    protection.grants.extend(later_key_grants(roles));
    protection
}

/// The rights that set 0004 adds.
fn later_key_grants(roles: &Roles) -> [Grant; 5] {
    let proof = &["id", "userId", "scopes", "expiresAt", "revoked", "allowedIps"];
    [
        grant(&roles.app, Command::Select, names(&["allowedIps", "replacedBy", "requestCount"])),
        grant(&roles.app, Command::Insert, names(&["allowedIps"])),
        grant(&roles.app, Command::Update, names(&["expiresAt", "replacedBy"])),
        grant(&roles.auth, Command::Update, names(&["requestCount"])),
        grant(&roles.admin, Command::Select, names(proof)),
    ]
}

/// The statements of [`later_key_grants`].
pub(crate) fn later_key_rights(roles: &Roles) -> impl Iterator<Item = Sql> {
    let table = Identifier::joined(&["api_keys"]);
    later_key_grants(roles).into_iter().map(move |grant| grant.statement(&table))
}

/// How set 0001 protects `api_keys`.
pub(crate) fn for_first_api_keys(roles: &Roles) -> Protection {
    let expression = |command| match command {
        Command::Select | Command::Update => or_role(owned("\"userId\""), &[&roles.auth]),
        Command::Insert | Command::Delete => owned("\"userId\""),
    };
    let visible = &[
        "id",
        "userId",
        "name",
        "prefix",
        "scopes",
        "lastUsed",
        "expiresAt",
        "createdAt",
        "updatedAt",
        "revoked",
    ];
    let grants = vec![
        grant(&roles.app, Command::Select, names(visible)),
        grant(&roles.app, Command::Insert, names(&["id", "name", "key", "prefix", "scopes", "expiresAt"])),
        grant(&roles.app, Command::Update, names(&["name", "revoked"])),
        grant(&roles.app, Command::Delete, None),
        grant(&roles.auth, Command::Select, None),
        grant(&roles.auth, Command::Update, names(&["lastUsed", "revoked"])),
    ];
    Protection { table: Identifier::joined(&["api_keys"]), policies: policies(expression), grants }
}

/// How `api_idempotency` is protected: each sees what their own requests did; sign-in finds old rows and takes them away.
pub fn for_idempotency(roles: &Roles) -> Protection {
    let expression = |command| match command {
        Command::Select | Command::Delete => or_role(owned("\"userId\""), &[&roles.auth]),
        Command::Insert | Command::Update => owned("\"userId\""),
    };
    let mut grants = Vec::new();
    // An administrator's requests run with that role.
    for role in [&roles.app, &roles.admin] {
        grants.extend([
            grant(role, Command::Select, None),
            grant(role, Command::Insert, names(&["route", "key", "request"])),
            grant(role, Command::Update, names(&["request", "status", "headers", "body", "createdAt"])),
            grant(role, Command::Delete, None),
        ]);
    }
    grants.extend([
        grant(&roles.auth, Command::Select, names(&["userId", "route", "key", "createdAt"])),
        grant(&roles.auth, Command::Delete, None),
    ]);
    Protection {
        table: Identifier::joined(&[ddl::idempotency::TABLE]),
        policies: policies(expression),
        grants,
    }
}

impl Protection {
    /// The statements that protect the table, for a table that was just made.
    pub fn statements(&self) -> Vec<Sql> {
        let on_table = |text: &'static str, end: &'static str| {
            let mut sql = Sql::new(text);
            sql.name(&self.table).push(end);
            sql
        };
        let mut statements = vec![
            on_table("ALTER TABLE public.", " ENABLE ROW LEVEL SECURITY"),
            on_table("ALTER TABLE public.", " FORCE ROW LEVEL SECURITY"),
            // A database may have default privileges that grant more than is said here.
            on_table("REVOKE ALL ON TABLE public.", " FROM PUBLIC"),
        ];
        statements.extend(self.policies.iter().map(|policy| policy.statement(&self.table)));
        statements.extend(self.grants.iter().map(|grant| grant.statement(&self.table)));
        statements
    }

    /// The same for a table that may have been there before: it has these rights for `roles`, and these policies in place
    /// of those of the same name.
    pub(crate) fn statements_again(&self, roles: &Roles) -> Vec<Sql> {
        let mut statements = Vec::new();
        let mut revoke = Sql::new("REVOKE ALL ON TABLE public.");
        revoke.name(&self.table).push(" FROM ");
        revoke.join(", ", roles.all(), |sql, role| {
            sql.name(role);
        });
        statements.push(revoke);
        for policy in &self.policies {
            let mut drop = Sql::new("DROP POLICY IF EXISTS \"");
            drop.push(policy.name).push("\" ON public.").name(&self.table);
            statements.push(drop);
        }
        statements.extend(self.statements());
        statements
    }
}

impl Policy {
    fn statement(&self, table: &Identifier) -> Sql {
        let mut sql = Sql::new("CREATE POLICY \"");
        sql.push(self.name).push("\" ON public.").name(table);
        sql.push(if self.restrictive { "\n  AS RESTRICTIVE FOR " } else { "\n  AS PERMISSIVE FOR " });
        sql.push(self.command.name()).push(" TO PUBLIC");
        if self.command != Command::Insert {
            sql.push("\n  USING (").append(&self.expression).push(")");
        }
        if matches!(self.command, Command::Insert | Command::Update) {
            sql.push("\n  WITH CHECK (").append(&self.expression).push(")");
        }
        sql
    }
}

impl Grant {
    fn statement(&self, table: &Identifier) -> Sql {
        let mut sql = Sql::new("GRANT ");
        sql.push(self.command.name());
        if let Some(columns) = &self.columns {
            sql.push(" (");
            sql.join(", ", columns, |sql, column| {
                sql.name(column);
            });
            sql.push(")");
        }
        sql.push(" ON TABLE public.").name(table).push(" TO ").name(&self.role);
        sql
    }
}
