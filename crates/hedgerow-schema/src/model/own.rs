//! Hedgerow's own tables and functions, as the sets of `ddl.rs` make them.

use std::collections::BTreeSet;

use super::{check, column, in_order, index, protect, references_user, updated_at};
use crate::catalog::{Catalog, Column, Function, Index, Table};
use crate::expression::Expression;
use crate::policy::{self, Protection};
use crate::{Roles, ddl};

/// The tables that are Hedgerow's own, by name.
pub const OWN_TABLES: &[&str] = &[
    "user",
    "api_keys",
    "session",
    "account",
    "verification",
    "jwks",
    "twoFactor",
    "api_idempotency",
    "user_metas",
    "global_metas",
    ddl::audit::TABLE,
];

const TIME: &str = "timestamp with time zone";
const NOW: Option<&str> = Some("CURRENT_TIMESTAMP");

/// All of it, owned by `owner`.
pub(super) fn catalog(roles: &Roles, owner: &str) -> Catalog {
    let mut catalog = Catalog::default();
    let sign_in = ddl::sign_in::tables().map(|table| match table.as_str() {
        "session" => policy::for_sessions(roles),
        _ => policy::for_sign_in(&table, roles),
    });
    let others = [
        policy::for_users(roles),
        policy::for_api_keys(roles),
        policy::for_audit(roles),
        policy::for_idempotency(roles),
        policy::for_user_metas(roles),
        policy::for_global_metas(roles),
    ];
    for protection in others.into_iter().chain(sign_in) {
        let mut made = table(&protection);
        owner.clone_into(&mut made.owner);
        protect(&mut made, &protection);
        catalog.tables.insert(protection.table.to_string(), made);
    }
    catalog.functions.insert(
        "get_auth_user_id()".into(),
        Function {
            owner: owner.to_owned(),
            attributes: "text sql stable invoker parallel=safe".into(),
            body: String::new(),
            returns: Some(Expression::read("NULLIF(current_setting('app.user_id', true), '')")),
            callers: BTreeSet::from(["PUBLIC".to_owned()]),
        },
    );
    catalog.functions.insert(
        "update_updated_at_column()".into(),
        Function {
            owner: owner.to_owned(),
            attributes: "trigger plpgsql volatile invoker parallel=unsafe".into(),
            body: ddl::UPDATED_AT_BODY.into(),
            returns: None,
            callers: BTreeSet::from(["PUBLIC".to_owned()]),
        },
    );
    catalog
}

fn table(protection: &Protection) -> Table {
    let name = protection.table.as_str();
    let mut table = Table { columns: in_order(columns(name)), ..Table::default() };
    match name {
        "user" => {
            let id = check(Expression::read("id ~ '^[A-Za-z0-9_-]{1,64}$'"));
            table.constraints.insert("user_id_check".into(), id);
        }
        "api_keys" => {
            let key = check(Expression::read("key ~ '^[0-9a-f]{64}$'"));
            table.constraints.insert("api_keys_key_check".into(), key);
        }
        "user_metas" | "global_metas" => table.constraints.extend(super::metas::checks(name)),
        "api_idempotency" => {
            let key = check(Expression::read("key ~ '^[!-~]{1,255}$'"));
            table.constraints.insert("api_idempotency_key_check".into(), key);
        }
        _ => {}
    }
    // What sign-in changes, it dates itself.
    if matches!(name, "user" | "api_keys" | "user_metas" | "global_metas") {
        updated_at(&mut table, name);
    }
    if table.columns.contains_key("userId") {
        // What somebody did stays when they go.
        let on_delete = if name == ddl::audit::TABLE { "SET NULL" } else { "CASCADE" };
        table.constraints.insert(format!("{name}_userId_fkey"), references_user("userId", on_delete));
    }
    // Of a trail that others made the key is another one: parts need their time in it.
    if name != ddl::audit::TABLE {
        let keys: &[&str] = match name {
            "api_idempotency" => &["userId", "route", "key"],
            "global_metas" => &["metaKey"],
            _ => &["id"],
        };
        let primary = Index { primary: true, comment: None, ..index(keys, true) };
        table.indexes.insert(format!("{name}_pkey"), primary);
    }
    for (name, keys, unique) in indexes(name) {
        table.indexes.insert((*name).into(), Index { comment: None, ..index(keys, *unique) });
    }
    table
}

fn columns(table: &str) -> Vec<(&'static str, Column)> {
    let some = |ty: &str, default: Option<&str>| column(ty, true, default.map(Expression::read));
    let text = || column("text", true, None);
    let maybe = |ty: &str| column(ty, false, None);
    match table {
        "user" => vec![
            ("id", text()),
            ("name", text()),
            ("email", text()),
            ("emailVerified", some("boolean", Some("false"))),
            ("image", maybe("text")),
            ("createdAt", some(TIME, NOW)),
            ("updatedAt", some(TIME, NOW)),
            ("role", some("text", Some("'member'::text"))),
            ("banned", some("boolean", Some("false"))),
            ("banReason", maybe("text")),
            ("banExpires", maybe(TIME)),
            ("twoFactorEnabled", maybe("boolean")),
            ("username", maybe("text")),
            ("displayUsername", maybe("text")),
        ],
        "api_keys" => vec![
            ("id", some("text", Some("gen_random_uuid()::text"))),
            ("userId", some("text", Some("public.get_auth_user_id()"))),
            ("name", text()),
            ("key", text()),
            ("prefix", text()),
            ("scopes", some("text[]", Some("'{}'::text[]"))),
            ("lastUsed", maybe(TIME)),
            ("expiresAt", maybe(TIME)),
            ("createdAt", some(TIME, NOW)),
            ("updatedAt", some(TIME, NOW)),
            ("revoked", some("boolean", Some("false"))),
            ("allowedIps", maybe("text[]")),
            ("replacedBy", maybe("text")),
            ("requestCount", some("bigint", Some("0"))),
        ],
        "session" => vec![
            ("id", text()),
            ("expiresAt", some(TIME, None)),
            ("token", text()),
            ("createdAt", some(TIME, NOW)),
            ("updatedAt", some(TIME, None)),
            ("ipAddress", maybe("text")),
            ("userAgent", maybe("text")),
            ("userId", text()),
            ("impersonatedBy", maybe("text")),
        ],
        "account" => vec![
            ("id", text()),
            ("accountId", text()),
            ("providerId", text()),
            ("userId", text()),
            ("accessToken", maybe("text")),
            ("refreshToken", maybe("text")),
            ("idToken", maybe("text")),
            ("accessTokenExpiresAt", maybe(TIME)),
            ("refreshTokenExpiresAt", maybe(TIME)),
            ("scope", maybe("text")),
            ("password", maybe("text")),
            ("createdAt", some(TIME, NOW)),
            ("updatedAt", some(TIME, None)),
        ],
        "verification" => vec![
            ("id", text()),
            ("identifier", text()),
            ("value", text()),
            ("expiresAt", some(TIME, None)),
            ("createdAt", some(TIME, NOW)),
            ("updatedAt", some(TIME, NOW)),
        ],
        "jwks" => vec![
            ("id", text()),
            ("publicKey", text()),
            ("privateKey", text()),
            ("createdAt", some(TIME, None)),
            ("expiresAt", maybe(TIME)),
            ("alg", maybe("text")),
            ("crv", maybe("text")),
        ],
        "user_metas" => {
            let own = [
                ("id", some("text", Some("gen_random_uuid()::text"))),
                ("userId", some("text", Some("public.get_auth_user_id()"))),
            ];
            own.into_iter().chain(super::metas::columns()).collect()
        }
        "global_metas" => super::metas::columns().collect(),
        "api_idempotency" => vec![
            ("userId", some("text", Some("public.get_auth_user_id()"))),
            ("route", text()),
            ("key", text()),
            ("request", text()),
            ("status", maybe("bigint")),
            ("headers", maybe("jsonb")),
            ("body", maybe("text")),
            ("createdAt", some(TIME, NOW)),
        ],
        "twoFactor" => vec![
            ("id", text()),
            ("secret", text()),
            ("backupCodes", text()),
            ("userId", text()),
            ("verified", maybe("boolean")),
            ("failedVerificationCount", maybe("integer")),
            ("lockedUntil", maybe(TIME)),
            ("lastUsedStep", maybe("bigint")),
        ],
        ddl::audit::TABLE => vec![
            ("id", some("text", Some("gen_random_uuid()::text"))),
            ("apiKeyId", maybe("text")),
            ("userId", maybe("text")),
            ("endpoint", text()),
            ("method", text()),
            ("statusCode", some("integer", None)),
            ("responseTime", maybe("integer")),
            ("ipAddress", maybe("text")),
            ("userAgent", maybe("text")),
            ("createdAt", some(TIME, NOW)),
            ("userMark", maybe("text")),
            ("keyMark", maybe("text")),
            ("writtenBy", maybe("bigint")),
        ],
        _ => Vec::new(),
    }
}

/// Those beside the primary key: name, columns, whether unique.
fn indexes(table: &str) -> &'static [(&'static str, &'static [&'static str], bool)] {
    match table {
        "user" => &[("user_email_key", &["email"], true), ("user_username_key", &["username"], true)],
        "api_keys" => &[
            ("api_keys_key_key", &["key"], true),
            ("idx_api_keys_userId_createdAt_id", &["userId", "createdAt", "id"], false),
            ("idx_api_keys_prefix", &["prefix"], false),
        ],
        "session" => &[
            ("session_token_key", &["token"], true),
            ("session_userId_idx", &["userId"], false),
            ("session_expiresAt_idx", &["expiresAt"], false),
        ],
        "account" => &[
            ("account_userId_idx", &["userId"], false),
            ("account_providerId_accountId_key", &["providerId", "accountId"], true),
        ],
        "verification" => &[
            ("verification_identifier_idx", &["identifier"], false),
            ("verification_expiresAt_idx", &["expiresAt"], false),
        ],
        "user_metas" => &[("user_metas_userId_metaKey_key", &["userId", "metaKey"], true)],
        "api_idempotency" => &[("idx_api_idempotency_createdAt", &["createdAt"], false)],
        "twoFactor" => {
            &[("twoFactor_secret_idx", &["secret"], false), ("twoFactor_userId_idx", &["userId"], false)]
        }
        ddl::audit::TABLE => &[
            ("idx_api_audit_logs_userId_createdAt_id", &["userId", "createdAt", "id"], false),
            ("idx_api_audit_logs_apiKeyId", &["apiKeyId"], false),
        ],
        _ => &[],
    }
}
