//! Takes FORCE ROW LEVEL SECURITY off tables whose rows a migration needs, and puts it back.
//!
//! Always holds: only the tables' owner sees more meanwhile, which no request ever is; and a table whose FORCE was taken
//! off in a transaction of its own is remembered in `hedgerow.unforced` by that transaction.

use std::collections::HashSet;

use hedgerow_schema::catalog::DERIVED;
use hedgerow_schema::diff::{literal, quote};

use super::{MigrateError, Report, failed, run};
use crate::error::Error;
use crate::owner::{Owner, from_driver};

/// The tables of `public` under FORCE whose names stand in `text`, those that their unchecked foreign keys point at, and
/// those that their triggers keep beside them.
///
/// A name in a comment costs a lock that was not needed; a table that is reached without being named fails, because
/// `row_security` is off.
pub(super) async fn named(owner: &Owner, text: &str) -> Result<Vec<(u32, String)>, Error> {
    let sql = "SELECT c.oid, c.relname::text, \
                 coalesce((SELECT array_agg(k.confrelid) FROM pg_catalog.pg_constraint k \
                   WHERE k.conrelid = c.oid AND k.contype = 'f' AND NOT k.convalidated), '{}') \
               || coalesce((SELECT array_agg(o.oid) FROM pg_catalog.pg_trigger t \
                   JOIN pg_catalog.pg_class o ON o.relnamespace = c.relnamespace \
                     AND pg_catalog.obj_description(o.oid, 'pg_class') = $1 \
                     AND o.relname = split_part(encode(t.tgargs, 'escape'), '\\000', 1) \
                   WHERE t.tgrelid = c.oid), '{}') \
               FROM pg_catalog.pg_class c WHERE c.relnamespace = 'public'::regnamespace \
               AND c.relkind IN ('r', 'p') AND c.relforcerowsecurity AND pg_has_role(c.relowner, 'MEMBER')";
    let rows =
        owner.client.query(sql, &[&DERIVED]).await.map_err(|source| from_driver("list tables", source))?;
    let words = words(text);
    let mut wanted: HashSet<u32> = HashSet::new();
    for row in &rows {
        let (oid, name, others): (u32, String, Vec<u32>) = (row.get(0), row.get(1), row.get(2));
        if words.contains(&name) {
            wanted.insert(oid);
            wanted.extend(others);
        }
    }
    let found = rows.iter().map(|row| (row.get::<_, u32>(0), row.get::<_, String>(1)));
    Ok(found.filter(|(oid, _)| wanted.contains(oid)).collect())
}

/// The tables of `public` whose name, or whose index's name, stands in `text`.
pub(super) async fn relations(owner: &Owner, text: &str) -> Result<Vec<u32>, Error> {
    let words: Vec<String> = words(text).into_iter().collect();
    let sql = "SELECT DISTINCT coalesce(i.indrelid, c.oid) FROM pg_catalog.pg_class c \
               LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid \
               WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'i') AND c.relname = ANY ($1)";
    let rows =
        owner.client.query(sql, &[&words]).await.map_err(|source| from_driver("list tables", source))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The transactions that hold a lock on one of the tables.
pub(super) async fn holders(owner: &Owner, tables: &[u32]) -> Result<Vec<String>, Error> {
    let sql = "SELECT DISTINCT pid::text || ' ' || virtualtransaction FROM pg_catalog.pg_locks \
               WHERE locktype = 'relation' AND granted AND relation = ANY ($1) AND pid <> pg_backend_pid() \
                 AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())";
    let rows = owner.client.query(sql, &[&tables]).await;
    let rows = rows.map_err(|source| from_driver("see who uses the tables", source))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The sessions that hold the tables which `text` names, in words.
pub(super) async fn who_holds(owner: &Owner, text: &str) -> Result<Vec<String>, Error> {
    let tables = relations(owner, text).await?;
    // What other roles' sessions do is not shown to everybody; who they are is.
    let sql = "SELECT DISTINCT format('process %s of %s%s', a.pid, coalesce(a.usename, a.backend_type, 'PostgreSQL'), \
                 CASE WHEN a.application_name <> '' THEN ' (' || a.application_name || ')' ELSE '' END) \
               FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) \
               WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY ($1) AND l.pid <> pg_backend_pid()";
    let rows = owner.client.query(sql, &[&tables]).await;
    let rows = rows.map_err(|source| from_driver("see who uses the tables", source))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn words(text: &str) -> HashSet<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .flat_map(|word| [word.to_owned(), word.to_lowercase()])
        .collect()
}

/// Takes FORCE off within the transaction at hand.
pub(super) async fn lift(owner: &Owner, tables: &[(u32, String)]) -> Result<(), Error> {
    for (_, name) in tables {
        owner.run(&format!("ALTER TABLE public.{} NO FORCE ROW LEVEL SECURITY", quote(name))).await?;
    }
    Ok(())
}

/// Puts FORCE back within the transaction at hand. By oid: the migration may have renamed or dropped a table.
pub(super) async fn restore(owner: &Owner, tables: &[(u32, String)]) -> Result<(), Error> {
    let oids: Vec<u32> = tables.iter().map(|(oid, _)| *oid).collect();
    let sql = "SELECT relname::text FROM pg_catalog.pg_class \
               WHERE oid = ANY ($1) AND relnamespace = 'public'::regnamespace";
    let rows =
        owner.client.query(sql, &[&oids]).await.map_err(|source| from_driver("list tables", source))?;
    for row in &rows {
        let name: String = row.get(0);
        owner.run(&format!("ALTER TABLE public.{} FORCE ROW LEVEL SECURITY", quote(&name))).await?;
    }
    Ok(())
}

/// Takes FORCE off for longer than a transaction, and remembers it.
pub(super) async fn lift_for_long(
    owner: &Owner,
    tables: &[(u32, String)],
    report: &mut Report<'_>,
) -> Result<(), MigrateError> {
    // One transaction each: a write to one table reaches for the other by its foreign key, and the two would wait for
    // each other.
    for (_, name) in tables {
        let statements = [
            format!("ALTER TABLE public.{} NO FORCE ROW LEVEL SECURITY", quote(name)),
            format!("INSERT INTO hedgerow.unforced VALUES ({}) ON CONFLICT DO NOTHING", literal(name)),
        ];
        run::patiently(owner, &statements, report).await?;
    }
    Ok(())
}

/// Puts FORCE back wherever it was taken off for longer, by this run or by one that was killed.
pub(super) async fn recover(owner: &Owner, report: &mut Report<'_>) -> Result<(), MigrateError> {
    let sql =
        "SELECT u.name, to_regclass('public.' || quote_ident(u.name)) IS NOT NULL FROM hedgerow.unforced u";
    let rows =
        owner.client.query(sql, &[]).await.map_err(|source| from_driver("read hedgerow.unforced", source));
    let rows = rows.map_err(failed("read hedgerow.unforced"))?;
    for row in &rows {
        let (name, exists): (String, bool) = (row.get(0), row.get(1));
        let mut statements = Vec::new();
        if exists {
            statements.push(format!("ALTER TABLE public.{} FORCE ROW LEVEL SECURITY", quote(&name)));
        }
        statements.push(format!("DELETE FROM hedgerow.unforced WHERE name = {}", literal(&name)));
        run::patiently(owner, &statements, report).await?;
    }
    Ok(())
}
