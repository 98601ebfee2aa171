//! What the entity files mean as objects of a database, and what a database should therefore become.
//!
//! Always holds: what Hedgerow did not make stays. A table, column or index of Hedgerow's is known by its comment, a
//! constraint, policy or trigger by its name; everything else belongs to hand-written migrations.

mod keys;
mod links;
pub(crate) mod metas;
pub(crate) mod objects;
mod own;

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{self, Catalog, Column, Constraint, Index, Policy, Position, Rule, Table, Trigger};
use crate::expression::Expression;
use crate::policy::{self, Protection};
use crate::{
    Condition, Entity, Field, FieldDefault, FieldKind, Identifier, OnDelete, Read, Relation, Roles, Schema,
    Sql, StoredType, ddl, rules,
};

pub use own::OWN_TABLES;

pub(crate) use keys::{automatic as automatic_keys, of_index as index_keys};

/// The objects that the entity files ask for, with Hedgerow's own, all owned by `owner`.
pub fn expected(schema: &Schema, roles: &Roles, owner: &str) -> Catalog {
    let mut catalog = own::catalog(roles, owner);
    for entity in schema.entities() {
        catalog.tables.insert(entity.name.to_string(), table(entity, schema, roles, owner));
        for (field, relation) in entity.links() {
            let links = links::table(entity, field, relation, schema, roles, owner);
            catalog.tables.insert(ddl::link_table(entity, field).to_string(), links);
        }
        if entity.metadata.is_some() {
            let metas = metas::table(entity, roles, owner);
            catalog.tables.insert(ddl::metas_table(entity).to_string(), metas);
        }
        if entity.keeps_objects() {
            let objects = objects::table(entity, roles, owner);
            catalog.tables.insert(ddl::objects_table(entity).to_string(), objects);
            catalog.functions.extend([objects::function(entity, owner)]);
        }
    }
    // A parent has the key that children point at, whoever they are.
    for entity in schema.entities() {
        let targets =
            entity.relations().chain(entity.links()).filter_map(|(_, to)| schema.entity(to.entity.as_str()));
        let targets = targets.filter(|target| !target.access.is_shared());
        let has_own = entity.metadata.is_some() || entity.links().next().is_some();
        let source = Some(entity).filter(|_| has_own && !links::lead_by_id(entity));
        for parent in targets.chain(source) {
            let name = Identifier::joined(&[parent.name.as_str(), "userId", "id", "key"]);
            if let Some(parent) = catalog.tables.get_mut(parent.name.as_str()) {
                parent.indexes.insert(name.to_string(), index(&["userId", "id"], true));
            }
        }
    }
    catalog
}

fn column(ty: &str, not_null: bool, default: Option<Expression>) -> Column {
    Column {
        ty: ty.to_owned(),
        not_null,
        default,
        generated: false,
        identity: None,
        comment: None,
        position: Position(0),
    }
}

fn in_order<N: Into<String>>(columns: impl IntoIterator<Item = (N, Column)>) -> BTreeMap<String, Column> {
    let columns = columns.into_iter().zip(1..);
    columns.map(|((name, column), at)| (name.into(), Column { position: Position(at), ..column })).collect()
}

fn check(condition: Expression) -> Constraint {
    Constraint { rule: Rule::Check(condition), validated: true }
}

fn references_user(column: &str, on_delete: &str) -> Constraint {
    let rule = Rule::References {
        columns: vec![column.to_owned()],
        table: "user".into(),
        targets: vec!["id".into()],
        on_delete: on_delete.into(),
        sets: Vec::new(),
        on_update: "NO ACTION".into(),
    };
    Constraint { rule, validated: true }
}

/// The key of what hangs on a row: within its owner, or by the row's id alone; it goes with the row.
fn hangs_on(own: &str, table: &str, by_id: bool) -> Constraint {
    let pair =
        |last: &str| if by_id { vec![last.to_owned()] } else { vec!["userId".to_owned(), last.to_owned()] };
    let rule = Rule::References {
        columns: pair(own),
        table: table.to_owned(),
        targets: pair("id"),
        on_delete: "CASCADE".into(),
        sets: Vec::new(),
        on_update: "NO ACTION".into(),
    };
    Constraint { rule, validated: true }
}

fn index(keys: &[&str], unique: bool) -> Index {
    Index {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        unique,
        primary: false,
        method: "btree".into(),
        condition: None,
        valid: true,
        comment: Some(format!("{}index", catalog::MARK)),
        constraint: false,
    }
}

fn updated_at(table: &mut Table, name: &str) {
    let trigger = Identifier::joined(&["update", name, "updated_at"]);
    let definition =
        format!("BEFORE UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()");
    table.triggers.insert(trigger.to_string(), Trigger { definition, enabled: "O".into() });
}

fn expression(sql: &Sql) -> Expression {
    Expression::read(sql.text())
}

/// Gives a table its policies and rights.
pub(crate) fn protect(table: &mut Table, protection: &Protection) {
    restrict(table, &protection.policies);
    for grant in &protection.grants {
        let (role, right) = (grant.role.to_string(), grant.command.name().to_owned());
        match &grant.columns {
            None => {
                table.grants.entry(role).or_default().insert(right);
            }
            Some(columns) => {
                let known = table.column_grants.entry(role).or_default().entry(right).or_default();
                known.extend(columns.iter().map(ToString::to_string));
            }
        }
    }
}

/// Gives a table policies, and the row-level security that makes them count.
pub(crate) fn restrict(table: &mut Table, policies: &[policy::Policy]) {
    use policy::Command;
    table.row_security = true;
    table.forced = true;
    for policy in policies {
        let says = || Some(expression(&policy.expression));
        let made = Policy {
            restrictive: policy.restrictive,
            command: policy.command.name().to_owned(),
            roles: BTreeSet::from(["PUBLIC".to_owned()]),
            using: (policy.command != Command::Insert).then(says).flatten(),
            check: matches!(policy.command, Command::Insert | Command::Update).then(says).flatten(),
        };
        table.policies.insert(policy.name.to_owned(), made);
    }
}

fn field_column(field: &Field) -> Column {
    let default = field.default.as_ref().map(|default| match default {
        FieldDefault::Now if matches!(field.kind, FieldKind::Date(_)) => Expression::read("CURRENT_DATE"),
        FieldDefault::Now if field.sql_type == Some(StoredType::Timestamp) => {
            Expression::read("timezone('UTC', CURRENT_TIMESTAMP)")
        }
        FieldDefault::Now => Expression::read("CURRENT_TIMESTAMP"),
        FieldDefault::Value(bind) => {
            let mut sql = Sql::new("");
            sql.literal(bind.value.as_deref().unwrap_or_default());
            Expression::read(format!("{}::{}", sql.text().trim_start(), field.column_type()))
        }
    });
    let description = field.description.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
    let comment = Some(format!("{}{}{description}", catalog::MARK, field.kind.name()));
    Column { comment, ..column(&field.column_type(), field.required, default) }
}

/// The name of the column that searching reads; no field can have it.
pub const SEARCH_COLUMN: &str = "search";
/// When a row of an entity with `soft_delete` was deleted.
pub const DELETED_COLUMN: &str = "deletedAt";

fn table(entity: &Entity, schema: &Schema, roles: &Roles, owner: &str) -> Table {
    let name = entity.name.as_str();
    let time = "timestamp with time zone";
    let now = || Some(Expression::read("CURRENT_TIMESTAMP"));
    let mut columns = vec![
        ("id".to_owned(), column("text", true, Some(Expression::read("gen_random_uuid()::text")))),
        ("userId".to_owned(), column("text", true, Some(Expression::read("public.get_auth_user_id()")))),
    ];
    columns.extend(entity.columns().map(|field| (field.name.to_string(), field_column(field))));
    columns.push(("createdAt".to_owned(), column(time, true, now())));
    columns.push(("updatedAt".to_owned(), column(time, true, now())));
    if entity.soft_delete {
        columns.push((DELETED_COLUMN.to_owned(), column(time, false, None)));
    }
    if let Some(text) = searched(entity) {
        let column = Column {
            generated: true,
            comment: Some(format!("{}search", catalog::MARK)),
            ..column("tsvector", false, Some(text))
        };
        columns.push((SEARCH_COLUMN.to_owned(), column));
    }
    let mut table = Table {
        owner: owner.to_owned(),
        comment: Some(format!("{}entity", catalog::MARK)),
        columns: in_order(columns),
        ..Table::default()
    };
    for field in entity.columns() {
        for (name, condition) in rules::checks(entity, field) {
            table.constraints.insert(name.to_string(), check(expression(&condition)));
        }
        if field.unique {
            let unique = Index {
                condition: among_living(entity, None),
                ..index(&["userId", field.name.as_str()], true)
            };
            table.indexes.insert(ddl::unique_name(entity, field).to_string(), unique);
        }
    }
    let owner_key = Identifier::joined(&[name, "userId", "fkey"]);
    table.constraints.insert(owner_key.to_string(), references_user("userId", "CASCADE"));
    let primary = Index { primary: true, comment: None, ..index(&["id"], true) };
    table.indexes.insert(Identifier::joined(&[name, "pkey"]).to_string(), primary);
    indexes(&mut table, entity);
    for (field, relation) in entity.relations() {
        relate(&mut table, entity, field, relation, schema);
    }
    for field in entity.columns() {
        if let FieldKind::User(on_delete) = field.kind {
            relate_user(&mut table, entity, field, on_delete);
        }
    }
    updated_at(&mut table, name);
    protect(&mut table, &policy::for_entity(entity, roles));
    table
}

/// Which rows a rule of uniqueness is about: what a row in the trash has can be used again.
fn among_living(entity: &Entity, asked: Option<&Condition>) -> Option<Expression> {
    let mut sql = match asked {
        Some(condition) => condition.sql().clone(),
        None if entity.soft_delete => Sql::new(policy::LIVES),
        None => return None,
    };
    if asked.is_some() && entity.soft_delete {
        sql.push(" AND ").push(policy::LIVES);
    }
    Some(expression(&sql))
}

/// What the searchable fields of a row have, as words. The configuration is named, or the expression would mean
/// something else for each session and could not be stored.
fn searched(entity: &Entity) -> Option<Expression> {
    let fields: Vec<&Field> = entity.columns().filter(|field| field.searchable).collect();
    if fields.is_empty() {
        return None;
    }
    let mut sql = Sql::new("to_tsvector('simple'::regconfig, ");
    sql.join(" || ' ' || ", fields, |sql, field| {
        sql.push("coalesce(").name(&field.name).push("::text, '')");
    });
    sql.push(")");
    Some(expression(&sql))
}

fn named(table: &mut Table, entity: &Entity, index: Index) {
    let mut parts = vec!["idx", entity.name.as_str()];
    parts.extend(index.keys.iter().map(String::as_str));
    table.indexes.insert(Identifier::joined(&parts).to_string(), index.clone());
}

fn indexes(table: &mut Table, entity: &Entity) {
    named(table, entity, index(&["userId", "createdAt", "id"], false));
    if table.columns.contains_key(SEARCH_COLUMN) {
        named(table, entity, Index { method: "gin".into(), ..index(&[SEARCH_COLUMN], false) });
    }
    let read_by_others = entity.access.read != Read::Owner;
    if read_by_others {
        // Strangers list without an owner, newest first.
        named(table, entity, index(&["createdAt", "id"], false));
    }
    for field in entity.columns().filter(|field| field.indexed) {
        let name = field.name.as_str();
        let keys = if read_by_others { vec![name, "id"] } else { vec!["userId", name, "id"] };
        named(table, entity, index(&keys, false));
    }
    for asked in &entity.indexes {
        let keys = keys::of_index(entity, asked);
        if asked.unique {
            let name = [&[entity.name.as_str()], keys.as_slice(), &["key"]].concat();
            table.indexes.insert(
                Identifier::joined(&name).to_string(),
                Index { condition: among_living(entity, asked.condition.as_ref()), ..index(&keys, true) },
            );
        } else {
            let condition = asked.condition.as_ref().map(|condition| expression(condition.sql()));
            named(table, entity, Index { condition, ..index(&keys, false) });
        }
    }
}

/// A relation stays within its owner: the key is ("userId", field), so it cannot point at another tenant's row. Only
/// reference data (readable by others, written by admins) is pointed at by the id alone.
fn relate(table: &mut Table, entity: &Entity, field: &Field, relation: &Relation, schema: &Schema) {
    let (on_delete, sets) = deletion(field, relation.on_delete);
    let target = relation.entity.as_str();
    let shared = schema.entity(target).is_some_and(|target| target.access.is_shared());
    let own = field.name.as_str();
    let pair =
        |last: &str| if shared { vec![last.to_owned()] } else { vec!["userId".to_owned(), last.to_owned()] };
    let rule = Rule::References {
        columns: pair(own),
        table: target.to_owned(),
        targets: pair("id"),
        on_delete,
        sets,
        on_update: "NO ACTION".into(),
    };
    let name = ddl::foreign_key_name(entity, field).to_string();
    table.constraints.insert(name, Constraint { rule, validated: true });
    // Led by what the parent's check asks for: the pair within an owner, the id alone for reference data.
    let keys = if shared { [own, "userId"] } else { ["userId", own] };
    named(table, entity, index(&keys, false));
}

/// A field that names a user.
fn relate_user(table: &mut Table, entity: &Entity, field: &Field, on_delete: OnDelete) {
    let (on_delete, sets) = deletion(field, on_delete);
    let mut key = references_user(field.name.as_str(), "");
    if let Rule::References { on_delete: action, sets: columns, .. } = &mut key.rule {
        (*action, *columns) = (on_delete, sets);
    }
    table.constraints.insert(ddl::foreign_key_name(entity, field).to_string(), key);
    named(table, entity, index(&[field.name.as_str(), "userId"], false));
}

/// What ON DELETE says, and of which columns.
fn deletion(field: &Field, on_delete: OnDelete) -> (String, Vec<String>) {
    match on_delete {
        OnDelete::Cascade => ("CASCADE".to_owned(), Vec::new()),
        // The column is named, or the owner would become NULL too.
        OnDelete::SetNull => ("SET NULL".to_owned(), vec![field.name.to_string()]),
        // NO ACTION refuses as RESTRICT does, but at the end of the statement: so a user can still be deleted with all
        // rows, in whatever order the cascade meets them.
        OnDelete::Restrict => ("NO ACTION".to_owned(), Vec::new()),
    }
}

/// What a database should become: everything `expected`, and beside it what `kept` has of others' making.
///
/// `is` is the database as it is; a table of Hedgerow's own and the standard columns of an adopted table may differ in
/// what makes no difference to it (TIMESTAMP for TIMESTAMPTZ, a nullable `createdAt`).
pub fn target(is: &Catalog, expected: &Catalog, kept: &Catalog, roles: &Roles) -> Catalog {
    let mut target = Catalog { others: kept.others.clone(), ..Catalog::default() };
    for (name, function) in kept.functions.iter().filter(|(_, function)| !objects::is_keeper(function)) {
        target.functions.insert(name.clone(), function.clone());
    }
    for (name, function) in &expected.functions {
        target.functions.insert(name.clone(), function.clone());
    }
    for (name, table) in &kept.tables {
        if !table.is_managed() && !OWN_TABLES.contains(&name.as_str()) {
            target.tables.insert(name.clone(), table.clone());
        }
    }
    let ours: BTreeSet<String> =
        roles.all().iter().map(ToString::to_string).chain(["PUBLIC".to_owned()]).collect();
    for (name, table) in &expected.tables {
        let empty = Table::default();
        let (known, kept) = (is.tables.get(name), kept.tables.get(name).unwrap_or(&empty));
        let is_own = OWN_TABLES.contains(&name.as_str());
        let made = match known {
            None => table.clone(),
            Some(known) => one(name, known, table, kept, is_own, &ours),
        };
        target.tables.insert(name.clone(), made);
    }
    target
}

const STANDARD: &[&str] = &["id", "userId", "createdAt", "updatedAt", DELETED_COLUMN];

fn one(
    name: &str,
    is: &Table,
    expected: &Table,
    kept: &Table,
    is_own: bool,
    ours: &BTreeSet<String>,
) -> Table {
    let managed_column = |column: &str, table: &Table| {
        expected.columns.contains_key(column)
            || (STANDARD.contains(&column) && !is_own)
            || table.columns.get(column).is_some_and(|known| catalog::is_marked(known.comment.as_deref()))
    };
    let mut table = Table { size: is.size, ..expected.clone() };
    for (column, known) in &kept.columns {
        if !managed_column(column, kept) {
            table.columns.insert(column.clone(), known.clone());
        }
    }
    for (column, wanted) in &mut table.columns {
        let Some(known) = kept.columns.get(column).or_else(|| is.columns.get(column)) else { continue };
        let lenient = is_own || STANDARD.contains(&column.as_str());
        // The order of texts is the choice of whoever made the column.
        if known.ty.strip_prefix(&wanted.ty).is_some_and(|rest| rest.starts_with(" COLLATE ")) {
            wanted.ty.clone_from(&known.ty);
        }
        let timestamps = known.ty.starts_with("timestamp") && wanted.ty.starts_with("timestamp");
        if lenient && (known.ty == wanted.ty || timestamps) {
            wanted.ty.clone_from(&known.ty);
            if column != "id" && column != "userId" {
                wanted.not_null = known.not_null;
            }
            if known.default.is_some() && column != "userId" {
                wanted.default.clone_from(&known.default);
            }
            wanted.comment.clone_from(&known.comment);
        }
    }
    // A rule of the same meaning under another name is the same rule.
    let twins: Vec<String> = expected
        .constraints
        .iter()
        .filter(|(own, rule)| {
            !is.constraints.contains_key(*own)
                && is.constraints.iter().any(|(other, known)| {
                    !expected.constraints.contains_key(other)
                        && known.rule == rule.rule
                        && kept.constraints.contains_key(other)
                })
        })
        .map(|(own, _)| own.clone())
        .collect();
    for twin in twins {
        table.constraints.remove(&twin);
    }
    if is_own {
        table.constraints.clear();
    }
    for (constraint, known) in &kept.constraints {
        let stale = is
            .columns
            .keys()
            .filter(|column| !table.columns.contains_key(*column))
            .any(|column| known.rule.speaks_of(column));
        if !is_managed_constraint(name, constraint, kept, &managed_column) && !stale || is_own {
            table.constraints.entry(constraint.clone()).or_insert_with(|| known.clone());
        }
    }
    let own_key = expected.indexes.values().find(|index| index.primary);
    let has_primary =
        kept.indexes.values().any(|index| index.primary && own_key.is_some_and(|own| own.keys == index.keys));
    if is_own {
        table.indexes.clear();
    } else if has_primary {
        table.indexes.retain(|own, index| !index.primary || kept.indexes.contains_key(own));
    }
    for (index, known) in &kept.indexes {
        let stale = is
            .columns
            .keys()
            .filter(|column| !table.columns.contains_key(*column))
            .any(|column| known.speaks_of(column));
        // Of primary keys there is one, whatever it was called before the table was renamed.
        let in_place = known.primary && table.indexes.values().any(|index| index.primary);
        if !catalog::is_marked(known.comment.as_deref()) && !stale && !in_place {
            table.indexes.entry(index.clone()).or_insert_with(|| known.clone());
        }
    }
    for (trigger, known) in &kept.triggers {
        // Under the name that a renamed table gave it, or of another time: its argument is a table's name.
        let is_ours = |own: &Trigger| own.definition == known.definition;
        if expected.triggers.values().any(is_ours) || objects::is_keeping(known) {
            continue;
        }
        table.triggers.entry(trigger.clone()).or_insert_with(|| known.clone());
    }
    for (policy, known) in &kept.policies {
        table.policies.entry(policy.clone()).or_insert_with(|| known.clone());
    }
    // What requests may do is said by entity files alone; others' roles and others' columns are not ours to judge.
    for (role, rights) in &kept.grants {
        if !ours.contains(role) {
            table.grants.insert(role.clone(), rights.clone());
        }
    }
    for (role, rights) in &kept.column_grants {
        for (right, columns) in rights {
            let others = columns.iter().filter(|column| {
                table.columns.contains_key(*column) && (!ours.contains(role) || !managed_column(column, kept))
            });
            let others: Vec<String> = others.cloned().collect();
            if !others.is_empty() {
                table
                    .column_grants
                    .entry(role.clone())
                    .or_default()
                    .entry(right.clone())
                    .or_default()
                    .extend(others);
            }
        }
    }
    table
}

/// Whether a constraint has the name that Hedgerow gives to a rule of a column of its own.
fn is_managed_constraint(
    table: &str,
    constraint: &str,
    kept: &Table,
    managed: &dyn Fn(&str, &Table) -> bool,
) -> bool {
    let column_is = |column: &String| {
        managed(column, kept)
            && Identifier::parse(column).is_ok()
            && ddl::constraint_rules()
                .any(|rule| Identifier::joined(&[table, column, rule]).as_str() == constraint)
    };
    kept.columns.keys().any(column_is)
}
