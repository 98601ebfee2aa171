//! From a database as it is to what it should be: ordered changes, each with its danger, its lock and its statements.
//!
//! Always holds: going back is the same function with its arguments exchanged. A rename is one that the entity files
//! declare; nothing is guessed to be one. On a table that has rows, no statement reads or rewrites them under a lock that
//! stops others, unless the change is classed as [`Class::Rewrites`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::catalog::{self, Catalog, Column, Constraint, GRANT_OPTION, Index, Policy, Rule, Size, Table};
use crate::{Identifier, Schema, ddl};

/// What a change may do to those who use the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A short lock at most.
    Safe,
    /// Takes time that grows with the table, while reads and writes go on; some other changes wait.
    Locks,
    /// Writes the whole table anew; nobody reads or writes it meanwhile.
    Rewrites,
    /// What is there is gone afterwards.
    LosesData,
}

impl Class {
    /// As plans write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Locks => "locks",
            Self::Rewrites => "rewrites",
            Self::LosesData => "loses data",
        }
    }
}

/// What is lost.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// A table with its rows.
    Table(String),
    /// A column with its values: table, column.
    Column(String, String),
    /// What a value no longer fits into: table, column.
    Values(String, String),
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Such as `column "title" of tasks`.
    pub object: String,
    /// What happens to it.
    pub action: String,
    /// What it may do to others.
    pub class: Class,
    /// The strongest lock it takes, and for how long.
    pub lock: &'static str,
    /// The table, for its size.
    pub table: Option<String>,
    /// What is lost.
    pub loss: Option<Loss>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    phase: u8,
    how: How,
    sql: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// In one transaction with its neighbours.
    Together,
    /// In a transaction of its own: it takes long under a weak lock.
    Apart,
    /// PostgreSQL refuses it inside a transaction.
    Alone,
}

/// Whether others use the database meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Yes: long work is done in steps under weak locks.
    Online,
    /// No: everything in one transaction.
    AtOnce,
}

/// Statements that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// One transaction.
    Transaction(Vec<String>),
    /// Outside a transaction.
    Alone(String),
}

/// What leads from one catalog to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they are made.
    pub changes: Vec<Change>,
    sizes: BTreeMap<String, (u64, u64)>,
}

/// Declared renames: new name to old name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames {
    /// Tables.
    pub tables: BTreeMap<String, String>,
    /// Columns, by (new) table and (new) column.
    pub columns: BTreeMap<(String, String), String>,
}

impl Renames {
    /// Those that entity files declare and that `is` has not seen yet.
    pub fn declared(schema: &Schema, is: &Catalog) -> Self {
        let mut renames = Self::default();
        for entity in schema.entities() {
            let name = entity.name.to_string();
            let mut table = name.clone();
            if let Some(old) = &entity.renamed_from
                && !is.tables.contains_key(&name)
                && is.tables.get(old.as_str()).is_some_and(Table::is_managed)
            {
                table = old.to_string();
                renames.tables.insert(name.clone(), table.clone());
            }
            let Some(known) = is.tables.get(&table) else { continue };
            for field in entity.columns() {
                if let Some(old) = &field.renamed_from
                    && !known.columns.contains_key(field.name.as_str())
                    && known.columns.contains_key(old.as_str())
                {
                    renames.columns.insert((name.clone(), field.name.to_string()), old.to_string());
                }
            }
            // A field that is a table of its own goes by the names of its entity and itself.
            for (field, _) in entity.links() {
                let new = ddl::link_table(entity, field).to_string();
                let old = field.renamed_from.as_ref().unwrap_or(&field.name);
                let now = |field: &Identifier| Identifier::joined(&[&table, field.as_str()]).to_string();
                let old = [now(old), now(&field.name)]
                    .into_iter()
                    .find(|old| *old != new && is.tables.get(old).is_some_and(Table::is_managed));
                if let Some(old) = old.filter(|_| !is.tables.contains_key(&new)) {
                    renames.tables.insert(new, old);
                }
            }
        }
        renames
    }

    /// The way back.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let old_table = |new: &String| self.tables.get(new).unwrap_or(new).clone();
        Self {
            tables: self.tables.iter().map(|(new, old)| (old.clone(), new.clone())).collect(),
            columns: self
                .columns
                .iter()
                .map(|((table, new), old)| ((old_table(table), old.clone()), new.clone()))
                .collect(),
        }
    }

    /// `catalog` as it is after the renames.
    pub fn apply(&self, catalog: &Catalog) -> Catalog {
        self.apply_with(catalog).0
    }

    /// The same, with the constraints that follow the names of table and column: table, old and new name.
    fn apply_with(&self, catalog: &Catalog) -> (Catalog, Vec<(String, String, String)>) {
        let mut renamed = catalog.clone();
        let mut followed = Vec::new();
        for (new, old) in &self.tables {
            if let Some(mut table) = renamed.tables.remove(old) {
                for trigger in table.triggers.values_mut() {
                    trigger.definition =
                        trigger.definition.replace(&format!(" ON {old} "), &format!(" ON {new} "));
                }
                let columns: Vec<String> = table.columns.keys().cloned().collect();
                for column in &columns {
                    followed.extend(follow(&mut table, [old, column], [new, column]));
                }
                renamed.tables.insert(new.clone(), table);
            }
            for table in renamed.tables.values_mut() {
                for constraint in table.constraints.values_mut() {
                    if let Rule::References { table, .. } = &mut constraint.rule
                        && table == old
                    {
                        table.clone_from(new);
                    }
                }
            }
        }
        for ((table, new), old) in &self.columns {
            if let Some(known) = renamed.tables.get_mut(table) {
                rename_column(known, old, new);
                followed.extend(follow(known, [table, old], [table, new]));
            }
            for other in renamed.tables.values_mut() {
                for constraint in other.constraints.values_mut() {
                    if let Rule::References { table: target, targets, .. } = &mut constraint.rule
                        && target == table
                    {
                        rename_in(targets, old, new);
                    }
                }
            }
        }
        (renamed, followed)
    }
}

/// Renames the constraints whose names Hedgerow made of a table and a column.
fn follow(table: &mut Table, old: [&String; 2], new: [&String; 2]) -> Vec<(String, String, String)> {
    let mut followed = Vec::new();
    let is_name = |name: &&String| Identifier::parse(name).is_ok();
    if !old.iter().chain(&new).all(is_name) {
        return followed;
    }
    for rule in ddl::constraint_rules() {
        let name = |[table, column]: [&String; 2]| Identifier::joined(&[table, column, rule]).to_string();
        let (before, after) = (name(old), name(new));
        if !table.constraints.contains_key(&after)
            && let Some(constraint) = table.constraints.remove(&before)
        {
            table.constraints.insert(after.clone(), constraint);
            followed.push((new[0].clone(), before, after));
        }
    }
    followed
}

fn rename_in(names: &mut [String], old: &str, new: &str) {
    for name in names.iter_mut().filter(|name| *name == old) {
        new.clone_into(name);
    }
}

fn rename_column(table: &mut Table, old: &str, new: &str) {
    if let Some(column) = table.columns.remove(old) {
        table.columns.insert(new.to_owned(), column);
    }
    for column in table.columns.values_mut() {
        column.default = column.default.as_ref().map(|default| default.renamed(old, new));
    }
    for constraint in table.constraints.values_mut() {
        match &mut constraint.rule {
            Rule::Check(condition) => *condition = condition.renamed(old, new),
            Rule::References { columns, sets, .. } => {
                rename_in(columns, old, new);
                rename_in(sets, old, new);
            }
            Rule::Other(_) => {}
        }
    }
    for index in table.indexes.values_mut() {
        rename_in(&mut index.keys, old, new);
        index.condition = index.condition.as_ref().map(|condition| condition.renamed(old, new));
    }
    for policy in table.policies.values_mut() {
        policy.using = policy.using.as_ref().map(|using| using.renamed(old, new));
        policy.check = policy.check.as_ref().map(|check| check.renamed(old, new));
    }
    for columns in table.column_grants.values_mut().flat_map(BTreeMap::values_mut) {
        if columns.remove(old) {
            columns.insert(new.to_owned());
        }
    }
}

// Phases: what must be there before what.
const FUNCTIONS: u8 = 10;
const RENAMES: u8 = 20;
const REMOVALS: u8 = 30;
/// After the keys of other tables that stand on them.
const INDEXES_GONE: u8 = 35;
const TABLES: u8 = 40;
const COLUMNS: u8 = 50;
/// Generated columns, when what they read has its type.
const COMPUTED: u8 = 55;
const RULES: u8 = 60;
const INDEXES: u8 = 70;
const INDEX_COMMENTS: u8 = 75;
const KEYS: u8 = 80;
const VALIDATIONS: u8 = 85;
const AFTER_VALIDATION: u8 = 87;
const COLUMNS_GONE: u8 = 90;
const TABLES_GONE: u8 = 95;

const INSTANT: &str = "ACCESS EXCLUSIVE, for an instant";
const NO_LOCK: &str = "none that anybody waits for";

/// The changes from `is` to `should`.
pub fn plan(is: &Catalog, should: &Catalog, renames: &Renames, pace: Pace) -> Plan {
    let (renamed, followed) = renames.apply_with(is);
    let mut maker = Maker { changes: Vec::new(), pace };
    maker.renames(renames);
    for (table, old, new) in &followed {
        maker
            .change(format!("constraint {old:?} of {table}"), format!("is renamed to {new}"))
            .on(table)
            .together(
                RENAMES,
                format!("ALTER TABLE {} RENAME CONSTRAINT {} TO {}", on(table), quote(old), quote(new)),
            )
            .done();
    }
    for (name, function) in &should.functions {
        let known = renamed.functions.get(name);
        if known != Some(function) {
            maker.function(name, known.map(|known| known.owner.as_str()), &function.owner);
        }
    }
    // Others' keys point at users from the moment they are made.
    let (users, others): (Vec<_>, Vec<_>) = should.tables.iter().partition(|(name, _)| *name == "user");
    for (name, table) in users.into_iter().chain(others) {
        match renamed.tables.get(name) {
            None => maker.create(name, table),
            Some(known) => Altered { maker: &mut maker, name, is: known, should: table }.all(),
        }
    }
    // The other way round: the policies of a table of links speak of the table whose name its own begins with.
    for (name, table) in renamed.tables.iter().rev() {
        if !should.tables.contains_key(name) {
            maker.drop_table(name, table);
        }
    }
    let mut changes = maker.changes;
    changes.sort_by_key(|change| change.steps.iter().map(|step| step.phase).min());
    let sizes =
        renamed.tables.iter().map(|(name, table)| (name.clone(), (table.size.rows, table.size.bytes)));
    Plan { changes, sizes: sizes.collect() }
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// What is lost.
    pub fn losses(&self) -> Vec<&Loss> {
        self.changes.iter().filter_map(|change| change.loss.as_ref()).collect()
    }

    /// The statements, in the order and the transactions in which they run.
    pub fn units(&self) -> Vec<Unit> {
        let mut steps: Vec<&Step> = self.changes.iter().flat_map(|change| &change.steps).collect();
        steps.sort_by_key(|step| step.phase);
        let mut units: Vec<Unit> = Vec::new();
        let mut open = false;
        for step in steps {
            match (step.how, units.last_mut()) {
                (How::Alone, _) => units.push(Unit::Alone(step.sql.clone())),
                (How::Together, Some(Unit::Transaction(statements))) if open => {
                    statements.push(step.sql.clone());
                }
                _ => units.push(Unit::Transaction(vec![step.sql.clone()])),
            }
            open = step.how == How::Together;
        }
        units
    }

    /// What a change means for a table of this size, in words; none where the table is empty or new.
    pub fn estimate(&self, change: &Change) -> Option<String> {
        let (rows, bytes) = *self.sizes.get(change.table.as_ref()?)?;
        if rows == 0 {
            return None;
        }
        let size = format!("{} rows, {}", thousands(rows), megabytes(bytes));
        // Measured on a small machine: a scan reads some 200 MB/s, building and rewriting handle some 40.
        let seconds = |rate: u64| match bytes / (rate * 1_000_000) {
            0 | 1 => "about a second".to_owned(),
            n if n < 120 => format!("about {n} s"),
            n => format!("about {} min", n / 60),
        };
        Some(match change.class {
            Class::Safe => format!("{size}: an instant"),
            Class::Locks => format!("{size}: {}, reads and writes go on", seconds(60)),
            Class::Rewrites => format!("{size}: {} in which nobody reads or writes it", seconds(40)),
            Class::LosesData => size,
        })
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn megabytes(bytes: u64) -> String {
    match bytes / 1_000_000 {
        0 => "under 1 MB".to_owned(),
        n => format!("{} MB", thousands(n)),
    }
}

/// A name as it stands in SQL.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    let mut sql = crate::Sql::new("");
    sql.literal(text);
    sql.text().trim_start().to_owned()
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ")
}

fn on(table: &str) -> String {
    format!("public.{}", quote(table))
}

/// One key of an index as it stands in SQL: a bare column, or an expression as PostgreSQL wrote it.
fn key(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain { quote(text) } else { text.to_owned() }
}

impl Rule {
    /// Whether it can be made for new rows first, and checked against the others later.
    fn can_wait(&self) -> bool {
        !matches!(self, Self::Other(text) if text.starts_with("EXCLUDE"))
    }

    /// As SQL writes it.
    pub fn definition(&self) -> String {
        match self {
            Self::Check(condition) => format!("CHECK ({condition})"),
            Self::References { columns, table, targets, on_delete, sets, on_update } => {
                let mut sql =
                    format!("FOREIGN KEY ({}) REFERENCES {} ({})", list(columns), on(table), list(targets));
                if on_update != "NO ACTION" {
                    let _ = write!(sql, " ON UPDATE {on_update}");
                }
                if on_delete != "NO ACTION" {
                    let _ = write!(sql, " ON DELETE {on_delete}");
                }
                if !sets.is_empty() {
                    let _ = write!(sql, " ({})", list(sets));
                }
                sql
            }
            Self::Other(text) => text.clone(),
        }
    }
}

fn column_definition(name: &str, column: &Column) -> String {
    let mut sql = format!("{} {}", quote(name), column.ty);
    match &column.default {
        Some(value) if column.generated => {
            let _ = write!(sql, " GENERATED ALWAYS AS ({value}) STORED");
        }
        Some(value) => {
            let _ = write!(sql, " DEFAULT {value}");
        }
        None => {}
    }
    if column.not_null {
        sql.push_str(" NOT NULL");
    }
    sql
}

fn index_definition(table: &str, name: &str, index: &Index, concurrently: bool) -> String {
    let keys: Vec<String> = index.keys.iter().map(|text| key(text)).collect();
    let mut sql = format!(
        "CREATE {}INDEX {}{} ON {}{} ({})",
        if index.unique { "UNIQUE " } else { "" },
        if concurrently { "CONCURRENTLY " } else { "" },
        quote(name),
        on(table),
        if index.method == "btree" { String::new() } else { format!(" USING {}", index.method) },
        keys.join(", "),
    );
    if let Some(condition) = &index.condition {
        let _ = write!(sql, " WHERE {condition}");
    }
    sql
}

fn policy_definition(table: &str, name: &str, policy: &Policy) -> String {
    let roles: Vec<String> = policy.roles.iter().map(|role| role_name(role)).collect();
    let mut sql = format!(
        "CREATE POLICY {} ON {}\n  AS {} FOR {} TO {}",
        quote(name),
        on(table),
        if policy.restrictive { "RESTRICTIVE" } else { "PERMISSIVE" },
        policy.command,
        roles.join(", "),
    );
    if let Some(using) = &policy.using {
        let _ = write!(sql, "\n  USING ({using})");
    }
    if let Some(check) = &policy.check {
        let _ = write!(sql, "\n  WITH CHECK ({check})");
    }
    sql
}

fn role_name(role: &str) -> String {
    if role == "PUBLIC" { role.to_owned() } else { quote(role) }
}

fn comment(object: &str, text: Option<&str>) -> String {
    format!("COMMENT ON {object} IS {}", text.map_or_else(|| "NULL".to_owned(), literal))
}

struct Maker {
    changes: Vec<Change>,
    pace: Pace,
}

/// A change under construction.
struct Draft<'m> {
    maker: &'m mut Maker,
    change: Change,
}

impl Draft<'_> {
    fn class(mut self, class: Class, lock: &'static str) -> Self {
        self.change.class = class;
        self.change.lock = lock;
        self
    }

    fn on(mut self, table: &str) -> Self {
        self.change.table = Some(table.to_owned());
        self
    }

    fn loss(mut self, loss: Loss) -> Self {
        self.change.class = Class::LosesData;
        self.change.loss = Some(loss);
        self
    }

    fn step(mut self, phase: u8, how: How, sql: String) -> Self {
        let how = if self.maker.pace == Pace::AtOnce { How::Together } else { how };
        self.change.steps.push(Step { phase, how, sql });
        self
    }

    fn together(self, phase: u8, sql: String) -> Self {
        self.step(phase, How::Together, sql)
    }

    fn done(self) {
        self.maker.changes.push(self.change);
    }
}

impl Maker {
    fn change(&mut self, object: impl Into<String>, action: impl Into<String>) -> Draft<'_> {
        let change = Change {
            object: object.into(),
            action: action.into(),
            class: Class::Safe,
            lock: INSTANT,
            table: None,
            loss: None,
            steps: Vec::new(),
        };
        Draft { maker: self, change }
    }

    fn renames(&mut self, renames: &Renames) {
        for (new, old) in &renames.tables {
            self.change(format!("table {old}"), format!("is renamed to {new}"))
                .on(new)
                .together(RENAMES, format!("ALTER TABLE {} RENAME TO {}", on(old), quote(new)))
                .done();
        }
        for ((table, new), old) in &renames.columns {
            self.change(format!("column {old:?} of {table}"), format!("is renamed to {new}"))
                .on(table)
                .together(
                    RENAMES,
                    format!("ALTER TABLE {} RENAME COLUMN {} TO {}", on(table), quote(old), quote(new)),
                )
                .done();
        }
    }

    fn function(&mut self, name: &str, known_owner: Option<&str>, owner: &str) {
        let Some(sql) = ddl::own_function(name) else { return };
        let action = if known_owner.is_some() { "becomes what Hedgerow made" } else { "is made" };
        let mut change = self
            .change(format!("function {name}"), action)
            .class(Class::Safe, NO_LOCK)
            .together(FUNCTIONS, sql)
            .together(FUNCTIONS, format!("GRANT EXECUTE ON FUNCTION public.{name} TO PUBLIC"));
        if known_owner.is_some_and(|known| known != owner) {
            change =
                change.together(FUNCTIONS, format!("ALTER FUNCTION public.{name} OWNER TO {}", quote(owner)));
        }
        change.done();
    }

    fn create(&mut self, name: &str, table: &Table) {
        let mut parts: Vec<String> =
            table.in_order().into_iter().map(|(column, known)| column_definition(column, known)).collect();
        for (index, known) in table.indexes.iter().filter(|(_, index)| index.primary) {
            parts.push(format!("CONSTRAINT {} PRIMARY KEY ({})", quote(index), list(&known.keys)));
        }
        for (constraint, known) in &table.constraints {
            if stands_in_table(&known.rule) {
                parts.push(format!("CONSTRAINT {} {}", quote(constraint), known.rule.definition()));
            }
        }
        let kind = if table.unlogged { "UNLOGGED TABLE" } else { "TABLE" };
        let mut change = self
            .change(format!("table {name}"), "is made, with its indexes, policies and rights")
            .class(Class::Safe, NO_LOCK)
            .together(TABLES, format!("CREATE {kind} {} (\n  {}\n)", on(name), parts.join(",\n  ")))
            // A database may have default privileges that grant more than is said here.
            .together(TABLES, format!("REVOKE ALL ON TABLE {} FROM PUBLIC", on(name)));
        for (index, known) in table.indexes.iter().filter(|(_, index)| !index.primary) {
            change = change.together(TABLES, index_definition(name, index, known, false));
            if known.comment.is_some() {
                let object = format!("INDEX public.{}", quote(index));
                change = change.together(TABLES, comment(&object, known.comment.as_deref()));
            }
        }
        let mut change = change.comments(name, table).protection(name, &Table::default(), table, TABLES);
        for (constraint, known) in &table.constraints {
            if !stands_in_table(&known.rule) {
                change = change.together(KEYS, add_constraint(name, constraint, known, ""));
            }
        }
        for (trigger, known) in &table.triggers {
            change = change.together(TABLES, trigger_definition(trigger, &known.definition));
        }
        change.done();
    }

    fn drop_table(&mut self, name: &str, table: &Table) {
        let mut change = self.change(format!("table {name}"), "is dropped with all its rows").on(name);
        for (constraint, known) in &table.constraints {
            if !matches!(known.rule, Rule::Check(_)) {
                change = change.together(REMOVALS, drop_constraint(name, constraint));
            }
        }
        change
            .loss(Loss::Table(name.to_owned()))
            .together(TABLES_GONE, format!("DROP TABLE {}", on(name)))
            .done();
    }
}

/// Whether a new table is made with the rule: there are no rows yet to look at. Other keys wait until all tables and
/// their indexes are there.
fn stands_in_table(rule: &Rule) -> bool {
    match rule {
        Rule::Check(_) => true,
        Rule::References { table, .. } => table == "user",
        Rule::Other(_) => false,
    }
}

impl Draft<'_> {
    fn comments(mut self, name: &str, table: &Table) -> Self {
        if table.comment.is_some() {
            self = self.together(TABLES, comment(&format!("TABLE {}", on(name)), table.comment.as_deref()));
        }
        for (column, known) in table.in_order() {
            if known.comment.is_some() {
                let object = format!("COLUMN {}.{}", on(name), quote(column));
                self = self.together(TABLES, comment(&object, known.comment.as_deref()));
            }
        }
        self
    }

    /// Row-level security, policies and rights, from nothing.
    fn protection(mut self, name: &str, is: &Table, table: &Table, phase: u8) -> Self {
        if table.row_security && !is.row_security {
            self = self.together(phase, format!("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", on(name)));
        }
        if table.forced && !is.forced {
            self = self.together(phase, format!("ALTER TABLE {} FORCE ROW LEVEL SECURITY", on(name)));
        }
        for (policy, known) in &table.policies {
            self = self.together(phase, policy_definition(name, policy, known));
        }
        for (role, rights) in &table.grants {
            for sql in table_grants("GRANT", rights, name, role) {
                self = self.together(phase, sql);
            }
        }
        for (role, rights) in &table.column_grants {
            for (right, columns) in rights {
                self = self.together(phase, column_grant("GRANT", right, columns, name, role));
            }
        }
        self
    }
}

fn column_grant(verb: &str, right: &str, columns: &BTreeSet<String>, table: &str, role: &str) -> String {
    let columns: Vec<String> = columns.iter().cloned().collect();
    let plain = right.trim_end_matches(GRANT_OPTION);
    grant(verb, &format!("{plain} ({})", list(&columns)), plain != right, table, role)
}

/// The rights to give others come first: what was given on goes with them.
fn table_grants(verb: &str, rights: &BTreeSet<String>, table: &str, role: &str) -> Vec<String> {
    let options = rights.iter().filter_map(|right| right.strip_suffix(GRANT_OPTION)).collect::<Vec<_>>();
    let plain =
        rights.iter().filter(|right| !right.ends_with(GRANT_OPTION)).map(String::as_str).collect::<Vec<_>>();
    let both = [(options, true), (plain, false)].into_iter().filter(|(rights, _)| !rights.is_empty());
    both.map(|(rights, option)| grant(verb, &rights.join(", "), option, table, role)).collect()
}

fn grant(verb: &str, rights: &str, option: bool, table: &str, role: &str) -> String {
    let (table, role) = (on(table), role_name(role));
    match (verb, option) {
        ("GRANT", false) => format!("GRANT {rights} ON TABLE {table} TO {role}"),
        ("GRANT", true) => format!("GRANT {rights} ON TABLE {table} TO {role}{GRANT_OPTION}"),
        (_, false) => format!("REVOKE {rights} ON TABLE {table} FROM {role}"),
        (_, true) => format!("REVOKE GRANT OPTION FOR {rights} ON TABLE {table} FROM {role} CASCADE"),
    }
}

fn add_constraint(table: &str, name: &str, constraint: &Constraint, end: &str) -> String {
    format!("ALTER TABLE {} ADD CONSTRAINT {} {}{end}", on(table), quote(name), constraint.rule.definition())
}

fn drop_constraint(table: &str, name: &str) -> String {
    format!("ALTER TABLE {} DROP CONSTRAINT {}", on(table), quote(name))
}

/// `pg_get_triggerdef()` writes `BEFORE UPDATE ON tasks …`; the name stands in front.
fn trigger_definition(name: &str, definition: &str) -> String {
    let mut words = definition.splitn(2, " ON ");
    let (head, tail) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (table, rest) = tail.split_once(' ').unwrap_or((tail, ""));
    let rest = rest.replace("EXECUTE FUNCTION ", "EXECUTE FUNCTION public.");
    format!("CREATE TRIGGER {} {head} ON {} {rest}", quote(name), on(table.trim_matches('"')))
}

/// One table that is there and should be otherwise.
struct Altered<'m, 'c> {
    maker: &'m mut Maker,
    name: &'c str,
    is: &'c Table,
    should: &'c Table,
}

impl Altered<'_, '_> {
    fn change(&mut self, object: impl Into<String>, action: impl Into<String>) -> Draft<'_> {
        self.maker.change(object, action).on(self.name)
    }

    fn online(&self) -> bool {
        self.maker.pace == Pace::Online
    }

    fn all(mut self) {
        let (is, should, name) = (self.is, self.should, self.name);
        if is == should {
            return;
        }
        if is.owner != should.owner {
            let sql = format!("ALTER TABLE {} OWNER TO {}", on(name), quote(&should.owner));
            let action = format!("changes its owner from {} to {}", is.owner, should.owner);
            self.change(format!("table {name}"), action).together(RULES, sql).done();
        }
        if is.comment != should.comment {
            let sql = comment(&format!("TABLE {}", on(name)), should.comment.as_deref());
            self.change(format!("table {name}"), "is marked as Hedgerow's")
                .class(Class::Safe, NO_LOCK)
                .together(RULES, sql)
                .done();
        }
        if is.unlogged != should.unlogged {
            let word = if should.unlogged { "UNLOGGED" } else { "LOGGED" };
            self.change(format!("table {name}"), format!("is set {word}"))
                .class(Class::Rewrites, "ACCESS EXCLUSIVE, while the table is written anew")
                .together(RULES, format!("ALTER TABLE {} SET {word}", on(name)))
                .done();
        }
        self.row_security();
        let retyped = self.columns();
        self.constraints(&retyped);
        self.indexes(&retyped);
        self.triggers();
        self.policies(&retyped);
        self.grants();
    }

    fn row_security(&mut self) {
        let name = self.name;
        for (is, should, words) in [
            (self.is.row_security, self.should.row_security, ["ENABLE", "DISABLE"]),
            (self.is.forced, self.should.forced, ["FORCE", "NO FORCE"]),
        ] {
            if is != should {
                let word = if should { words[0] } else { words[1] };
                let sql = format!("ALTER TABLE {} {word} ROW LEVEL SECURITY", on(name));
                self.change(format!("table {name}"), format!("gets {word} ROW LEVEL SECURITY"))
                    .together(RULES, sql)
                    .done();
            }
        }
    }

    /// Returns the columns whose type changes: what depends on those is taken off and put back.
    fn columns(&mut self) -> BTreeSet<String> {
        let (is, should, name) = (self.is, self.should, self.name);
        let mut retyped: BTreeSet<String> = is
            .columns
            .iter()
            .filter(|(column, known)| {
                should
                    .columns
                    .get(*column)
                    .is_some_and(|wanted| known.ty != wanted.ty && !known.generated && !wanted.generated)
            })
            .map(|(column, _)| column.clone())
            .collect();
        for (column, known) in &is.columns {
            match should.columns.get(column) {
                None => {
                    let sql = format!("ALTER TABLE {} DROP COLUMN {}", on(name), quote(column));
                    let change = self.change(format!("column {column:?} of {name}"), "is dropped");
                    // A generated value can be computed again.
                    if known.generated {
                        change.together(REMOVALS, sql).done();
                    } else {
                        change
                            .loss(Loss::Column(name.to_owned(), column.clone()))
                            .together(COLUMNS_GONE, sql)
                            .done();
                    }
                }
                Some(wanted) if known.generated || wanted.generated => {
                    // PostgreSQL changes no type that a generated column reads.
                    let reads_retyped = known
                        .default
                        .as_ref()
                        .is_some_and(|value| retyped.iter().any(|read| value.names(read)));
                    let differs = (&known.ty, &known.default, known.generated)
                        != (&wanted.ty, &wanted.default, wanted.generated);
                    if !differs && !reads_retyped {
                        self.column_comment(column, known, wanted);
                        continue;
                    }
                    let mut change = self
                        .change(format!("column {column:?} of {name}"), "is computed anew")
                        .class(Class::Rewrites, "ACCESS EXCLUSIVE, while the table is written anew")
                        .together(REMOVALS, format!("ALTER TABLE {} DROP COLUMN {}", on(name), quote(column)))
                        .together(
                            COMPUTED,
                            format!(
                                "ALTER TABLE {} ADD COLUMN {}",
                                on(name),
                                column_definition(column, wanted)
                            ),
                        );
                    if wanted.comment.is_some() {
                        let object = format!("COLUMN {}.{}", on(name), quote(column));
                        change = change.together(COMPUTED, comment(&object, wanted.comment.as_deref()));
                    }
                    change.done();
                    retyped.insert(column.clone());
                }
                Some(wanted) => {
                    if known.ty != wanted.ty {
                        self.retype(column, known, wanted);
                    } else if known.default != wanted.default {
                        let sql = set_default(name, column, wanted);
                        let text = wanted.default.as_ref().map_or("none".to_owned(), ToString::to_string);
                        self.change(
                            format!("column {column:?} of {name}"),
                            format!("gets the default {text}"),
                        )
                        .together(COLUMNS, sql)
                        .done();
                    }
                    if known.not_null && !wanted.not_null {
                        let sql =
                            format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", on(name), quote(column));
                        self.change(format!("column {column:?} of {name}"), "may be null")
                            .together(COLUMNS, sql)
                            .done();
                    } else if wanted.not_null && !known.not_null {
                        self.require(column);
                    }
                    self.column_comment(column, known, wanted);
                }
            }
        }
        for (column, wanted) in should.in_order() {
            if !is.columns.contains_key(column) {
                self.add_column(column, wanted);
            }
        }
        retyped
    }

    fn column_comment(&mut self, column: &str, is: &Column, should: &Column) {
        if is.comment != should.comment {
            let object = format!("COLUMN {}.{}", on(self.name), quote(column));
            let sql = comment(&object, should.comment.as_deref());
            let object = format!("column {column:?} of {}", self.name);
            let action = should.comment.as_deref().map_or("loses its comment".to_owned(), |text| {
                format!("is described as {:?}", text.trim_start_matches(catalog::MARK))
            });
            self.change(object, action).class(Class::Safe, NO_LOCK).together(RULES, sql).done();
        }
    }

    fn add_column(&mut self, column: &str, wanted: &Column) {
        let name = self.name;
        // Rows that are there have no value yet: they get the default, or the rule waits for them.
        let later = wanted.not_null && wanted.default.is_none();
        let first = Column { not_null: wanted.not_null && !later, ..wanted.clone() };
        let sql = format!("ALTER TABLE {} ADD COLUMN {}", on(name), column_definition(column, &first));
        let mut change = self.change(
            format!("column {column:?} of {name}"),
            format!(
                "is added: {}",
                column_definition(column, wanted).trim_start_matches(&format!("{} ", quote(column)))
            ),
        );
        if wanted.generated {
            change = change.class(Class::Rewrites, "ACCESS EXCLUSIVE, while the table is written anew");
        }
        let phase = if wanted.generated { COMPUTED } else { COLUMNS };
        change = change.together(phase, sql);
        if wanted.comment.is_some() {
            let object = format!("COLUMN {}.{}", on(name), quote(column));
            change = change.together(phase, comment(&object, wanted.comment.as_deref()));
        }
        change.done();
        if later {
            self.require(column);
        }
    }

    /// NOT NULL in steps: a check that new rows meet, its validation without a lock, and then the flag, which PostgreSQL
    /// takes from the check instead of reading the table.
    fn require(&mut self, column: &str) {
        let (name, online) = (self.name, self.online());
        let check = format!("{name}_{column}_not_null");
        let check = quote(&check.chars().take(63).collect::<String>());
        let set = format!("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL", on(name), quote(column));
        let change = self.change(
            format!("column {column:?} of {name}"),
            "must have a value; rows without one stop the migration (give the field a default, or fill them first)",
        );
        if !online {
            change.together(AFTER_VALIDATION, set).done();
            return;
        }
        change
            .class(Class::Locks, "SHARE UPDATE EXCLUSIVE, while rows are checked")
            .together(
                RULES,
                format!(
                    "ALTER TABLE {} ADD CONSTRAINT {check} CHECK ({} IS NOT NULL) NOT VALID",
                    on(name),
                    quote(column)
                ),
            )
            .step(VALIDATIONS, How::Apart, format!("ALTER TABLE {} VALIDATE CONSTRAINT {check}", on(name)))
            .together(AFTER_VALIDATION, set)
            .together(AFTER_VALIDATION, format!("ALTER TABLE {} DROP CONSTRAINT {check}", on(name)))
            .done();
    }

    fn retype(&mut self, column: &str, known: &Column, wanted: &Column) {
        let name = self.name;
        let (from, to) = (known.ty.as_str(), wanted.ty.as_str());
        let own = quote(column);
        let using = match (from.ends_with("[]"), to.ends_with("[]")) {
            (false, true) => format!("CASE WHEN {own} IS NULL THEN NULL ELSE ARRAY[{own}::text] END"),
            (true, false) if to == "text" => format!("array_to_string({own}, ',')"),
            _ if to == "jsonb" => format!("to_jsonb({own})"),
            _ if from == "jsonb" => format!("({own} #>> '{{}}')::{to}"),
            _ if from == to.split('(').next().unwrap_or_default() || known.ty == wanted.ty => own.clone(),
            // Values that no cast can read come over as text.
            _ if to == "text" || from == "text" => format!("{own}::{to}"),
            _ => format!("{own}::text::{to}"),
        };
        let using = if is_plain_cast(from, to) { format!("{own}::{to}") } else { using };
        let rewrites = !is_free(from, to);
        let change = self
            .change(format!("column {column:?} of {name}"), format!("changes its type from {from} to {to}"));
        let change = if rewrites {
            change.class(Class::Rewrites, "ACCESS EXCLUSIVE, while the table is written anew")
        } else {
            change
        };
        let change = if is_lossless(from, to) {
            change
        } else {
            change.loss(Loss::Values(name.to_owned(), column.to_owned()))
        };
        let mut change = if known.default.is_some() {
            change.together(COLUMNS, format!("ALTER TABLE {} ALTER COLUMN {own} DROP DEFAULT", on(name)))
        } else {
            change
        };
        change = change.together(
            COLUMNS,
            format!("ALTER TABLE {} ALTER COLUMN {own} TYPE {to} USING {using}", on(name)),
        );
        if wanted.default.is_some() {
            change = change.together(COLUMNS, set_default(name, column, wanted));
        }
        change.done();
    }

    fn constraints(&mut self, retyped: &BTreeSet<String>) {
        let (is, should, name, online) = (self.is, self.should, self.name, self.online());
        let renamed = twins(&is.constraints, &should.constraints, |a, b| a == b);
        for (old, new) in &renamed {
            let sql = format!("ALTER TABLE {} RENAME CONSTRAINT {} TO {}", on(name), quote(old), quote(new));
            self.change(format!("constraint {old:?} of {name}"), format!("is renamed to {new}"))
                .together(RENAMES, sql)
                .done();
        }
        for (constraint, known) in &is.constraints {
            if renamed.contains_key(constraint) {
                continue;
            }
            let stays = should.constraints.get(constraint).is_some_and(|wanted| wanted.rule == known.rule);
            let touched = retyped.iter().any(|column| known.rule.speaks_of(column));
            if !stays || touched {
                let sql = drop_constraint(name, constraint);
                if should.constraints.contains_key(constraint) {
                    self.change(
                        format!("constraint {constraint:?} of {name}"),
                        "is taken off, to be put back",
                    )
                    .together(REMOVALS, sql)
                    .done();
                } else {
                    self.change(format!("constraint {constraint:?} of {name}"), "is dropped")
                        .together(REMOVALS, sql)
                        .done();
                }
            }
        }
        for (constraint, wanted) in &should.constraints {
            if renamed.values().any(|new| new == constraint) {
                continue;
            }
            let known = is.constraints.get(constraint).filter(|known| known.rule == wanted.rule);
            let touched = retyped.iter().any(|column| wanted.rule.speaks_of(column));
            let is_key = !matches!(wanted.rule, Rule::Check(_));
            let phase = if is_key { KEYS } else { RULES };
            let validate = format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", on(name), quote(constraint));
            let object = format!("constraint {constraint:?} of {name}");
            let lock = "SHARE UPDATE EXCLUSIVE, while rows are checked";
            match known.filter(|_| !touched) {
                Some(known) if known.validated || !wanted.validated => {}
                Some(_) => self
                    .change(object, "is checked against all rows")
                    .class(Class::Locks, lock)
                    .step(VALIDATIONS, How::Apart, validate)
                    .done(),
                None if online && wanted.validated && wanted.rule.can_wait() => self
                    .change(object, format!("is added: {}", wanted.rule.definition()))
                    .class(Class::Locks, lock)
                    .together(phase, add_constraint(name, constraint, wanted, " NOT VALID"))
                    .step(VALIDATIONS, How::Apart, validate)
                    .done(),
                None => {
                    let end = if wanted.validated { "" } else { " NOT VALID" };
                    self.change(object, format!("is added: {}", wanted.rule.definition()))
                        .together(phase, add_constraint(name, constraint, wanted, end))
                        .done();
                }
            }
        }
    }

    fn indexes(&mut self, retyped: &BTreeSet<String>) {
        let (is, should, name, online) = (self.is, self.should, self.name, self.online());
        let alike = |a: &Index, b: &Index| {
            Index { comment: None, ..a.clone() } == Index { comment: None, ..b.clone() }
        };
        let renamed = twins(&is.indexes, &should.indexes, alike);
        for (old, new) in &renamed {
            let sql = format!("ALTER INDEX public.{} RENAME TO {}", quote(old), quote(new));
            let mark = should.indexes[new].comment.as_deref();
            let mut change = self
                .change(format!("index {old:?} of {name}"), format!("is renamed to {new}"))
                .together(RENAMES, sql);
            if is.indexes[old].comment.as_deref() != mark {
                change = change.together(RULES, comment(&format!("INDEX public.{}", quote(new)), mark));
            }
            change.done();
        }
        // An index over a generated column goes with it; one with a condition would not fit the new type.
        let torn = |index: &Index| {
            retyped.iter().any(|column| {
                index.condition.as_ref().is_some_and(|condition| condition.names(column))
                    || index.keys.contains(column)
                        && is.columns.get(column).is_some_and(|known| known.generated)
            })
        };
        for (index, known) in &is.indexes {
            if renamed.contains_key(index) {
                continue;
            }
            let wanted = should.indexes.get(index);
            let same = wanted.is_some_and(|wanted| alike(wanted, known));
            if same && !torn(known) {
                continue;
            }
            let goes_with_column = known.keys.iter().any(|key| {
                is.columns.get(key).is_some_and(|column| column.generated)
                    && (retyped.contains(key) || !should.columns.contains_key(key))
            });
            let sql = if known.constraint || known.primary {
                drop_constraint(name, index)
            } else {
                format!(
                    "DROP INDEX {}public.{}",
                    if goes_with_column { "IF EXISTS " } else { "" },
                    quote(index)
                )
            };
            let action = if wanted.is_some() { "is taken off, to be built anew" } else { "is dropped" };
            self.change(format!("index {index:?} of {name}"), action).together(INDEXES_GONE, sql).done();
        }
        for (index, wanted) in &should.indexes {
            if renamed.values().any(|new| new == index) {
                continue;
            }
            let known = is.indexes.get(index).filter(|known| alike(wanted, known) && !torn(known));
            let marked = comment(&format!("INDEX public.{}", quote(index)), wanted.comment.as_deref());
            if let Some(known) = known {
                if known.comment != wanted.comment {
                    self.change(format!("index {index:?} of {name}"), "is marked as Hedgerow's")
                        .class(Class::Safe, NO_LOCK)
                        .together(RULES, marked)
                        .done();
                }
                continue;
            }
            let object = format!("index {index:?} of {name}");
            let action = format!("is built on ({})", wanted.keys.join(", "));
            let mut change = self.change(object, action);
            if wanted.primary {
                let sql = format!(
                    "ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})",
                    on(name),
                    quote(index),
                    list(&wanted.keys)
                );
                change = change
                    .class(Class::Rewrites, "ACCESS EXCLUSIVE, while the index is built")
                    .together(INDEXES, sql);
            } else {
                change = change.class(Class::Locks, "SHARE UPDATE EXCLUSIVE, while the index is built");
                change = change.step(INDEXES, How::Alone, index_definition(name, index, wanted, online));
            }
            if wanted.comment.is_some() {
                change = change.together(INDEX_COMMENTS, marked);
            }
            change.done();
        }
    }

    fn triggers(&mut self) {
        let (is, should, name) = (self.is, self.should, self.name);
        let renamed = twins(&is.triggers, &should.triggers, |a, b| a == b);
        for (old, new) in &renamed {
            let sql = format!("ALTER TRIGGER {} ON {} RENAME TO {}", quote(old), on(name), quote(new));
            self.change(format!("trigger {old:?} of {name}"), format!("is renamed to {new}"))
                .together(RENAMES, sql)
                .done();
        }
        for (trigger, known) in &is.triggers {
            if renamed.contains_key(trigger)
                || should.triggers.get(trigger).is_some_and(|wanted| wanted.definition == known.definition)
            {
                continue;
            }
            let sql = format!("DROP TRIGGER {} ON {}", quote(trigger), on(name));
            self.change(format!("trigger {trigger:?} of {name}"), "is dropped")
                .together(REMOVALS, sql)
                .done();
        }
        for (trigger, wanted) in &should.triggers {
            if renamed.values().any(|new| new == trigger) {
                continue;
            }
            match is.triggers.get(trigger).filter(|known| known.definition == wanted.definition) {
                Some(known) if known.enabled != wanted.enabled => {
                    let word = if wanted.enabled == "D" { "DISABLE" } else { "ENABLE" };
                    let sql = format!("ALTER TABLE {} {word} TRIGGER {}", on(name), quote(trigger));
                    self.change(format!("trigger {trigger:?} of {name}"), format!("gets {word}"))
                        .together(RULES, sql)
                        .done();
                }
                Some(_) => {}
                None => {
                    let sql = trigger_definition(trigger, &wanted.definition);
                    self.change(format!("trigger {trigger:?} of {name}"), "is made")
                        .together(RULES, sql)
                        .done();
                }
            }
        }
    }

    fn policies(&mut self, retyped: &BTreeSet<String>) {
        let (is, should, name) = (self.is, self.should, self.name);
        let gone: Vec<&String> =
            is.columns.keys().filter(|column| !should.columns.contains_key(*column)).collect();
        let same = |known: &Policy, wanted: &Policy| {
            known == wanted
                && !retyped.iter().chain(gone.iter().copied()).any(|column| known.speaks_of(column))
        };
        for (policy, known) in &is.policies {
            if should.policies.get(policy).is_some_and(|wanted| same(known, wanted)) {
                continue;
            }
            let sql = format!("DROP POLICY {} ON {}", quote(policy), on(name));
            if should.policies.contains_key(policy) {
                self.change(format!("policy {policy:?} of {name}"), "is taken off, to be made anew")
                    .together(REMOVALS, sql)
                    .done();
            } else {
                self.change(format!("policy {policy:?} of {name}"), "is dropped")
                    .together(REMOVALS, sql)
                    .done();
            }
        }
        for (policy, wanted) in &should.policies {
            if is.policies.get(policy).is_some_and(|known| same(known, wanted)) {
                continue;
            }
            self.change(format!("policy {policy:?} of {name}"), "is made")
                .together(RULES, policy_definition(name, policy, wanted))
                .done();
        }
    }

    fn grants(&mut self) {
        let (is, should, name) = (self.is, self.should, self.name);
        let none = BTreeSet::new();
        let roles: BTreeSet<&String> = is.grants.keys().chain(should.grants.keys()).collect();
        for role in roles {
            let (has, wants) =
                (is.grants.get(role).unwrap_or(&none), should.grants.get(role).unwrap_or(&none));
            for (verb, rights) in [("REVOKE", has - wants), ("GRANT", wants - has)] {
                if rights.is_empty() {
                    continue;
                }
                let statements = table_grants(verb, &rights, name, role);
                let rights = rights.into_iter().collect::<Vec<_>>().join(", ");
                let action =
                    if verb == "GRANT" { format!("may {rights}") } else { format!("may no longer {rights}") };
                let mut change =
                    self.change(format!("role {role} on {name}"), action).class(Class::Safe, NO_LOCK);
                for sql in statements {
                    change = change.together(RULES, sql);
                }
                change.done();
            }
        }
        let no_rights = BTreeMap::new();
        let roles: BTreeSet<&String> = is.column_grants.keys().chain(should.column_grants.keys()).collect();
        for role in roles {
            let has = is.column_grants.get(role).unwrap_or(&no_rights);
            let wants = should.column_grants.get(role).unwrap_or(&no_rights);
            for right in has.keys().chain(wants.keys()).collect::<BTreeSet<_>>() {
                let taken = |right: &str| {
                    let rights =
                        |table: &Table| table.grants.get(role).is_some_and(|rights| rights.contains(right));
                    rights(is) && !rights(should)
                };
                // With a right on the table, REVOKE takes the same right on its columns.
                let has =
                    has.get(right).filter(|_| !taken(right) && !taken(right.trim_end_matches(GRANT_OPTION)));
                let (has, wants) = (has.unwrap_or(&none), wants.get(right).unwrap_or(&none));
                // Rights on a column go with the column.
                let gone: BTreeSet<String> = (has - wants)
                    .into_iter()
                    .filter(|column| {
                        should.columns.get(column).is_some_and(|wanted| {
                            wanted.generated || is.columns.get(column).is_some_and(|known| !known.generated)
                        })
                    })
                    .collect();
                for (verb, columns) in [("REVOKE", gone), ("GRANT", wants - has)] {
                    if columns.is_empty() {
                        continue;
                    }
                    let sql = column_grant(verb, right, &columns, name, role);
                    let named = columns.into_iter().collect::<Vec<_>>().join(", ");
                    let may = if verb == "GRANT" { "may" } else { "may no longer" };
                    self.change(format!("role {role} on {name}"), format!("{may} {right} {named}"))
                        .class(Class::Safe, NO_LOCK)
                        .together(RULES, sql)
                        .done();
                }
            }
        }
    }
}

/// Objects that are there under another name: old name to new name.
fn twins<T>(
    is: &BTreeMap<String, T>,
    should: &BTreeMap<String, T>,
    same: impl Fn(&T, &T) -> bool,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (new, wanted) in should.iter().filter(|(name, _)| !is.contains_key(*name)) {
        let twin = is.iter().find(|(old, known)| {
            !should.contains_key(*old) && !found.contains_key(*old) && same(known, wanted)
        });
        if let Some((old, _)) = twin {
            found.insert(old.clone(), new.clone());
        }
    }
    found
}

fn set_default(table: &str, column: &str, wanted: &Column) -> String {
    match &wanted.default {
        Some(value) => {
            format!("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT {value}", on(table), quote(column))
        }
        None => format!("ALTER TABLE {} ALTER COLUMN {} DROP DEFAULT", on(table), quote(column)),
    }
}

fn base(ty: &str) -> &str {
    ty.split('(').next().unwrap_or(ty)
}

/// Types between which a direct cast keeps the meaning.
fn is_plain_cast(from: &str, to: &str) -> bool {
    const NUMBERS: &[&str] = &["smallint", "integer", "bigint", "numeric", "real", "double precision"];
    const TIMES: &[&str] = &["date", "timestamp without time zone", "timestamp with time zone"];
    [NUMBERS, TIMES].iter().any(|group| group.contains(&base(from)) && group.contains(&base(to)))
}

/// Whether the change of type leaves the rows as they are on disk.
fn is_free(from: &str, to: &str) -> bool {
    matches!((base(from), to), ("character varying", "text"))
}

/// Whether every value of `from` is one of `to`.
fn is_lossless(from: &str, to: &str) -> bool {
    if base(from) == "numeric" && base(to) == "numeric" {
        return to == "numeric"
            || digits(from).zip(digits(to)).is_some_and(|(a, b)| a.0 <= b.0 && a.1 <= b.1);
    }
    const WIDER: &[(&str, &str)] = &[
        ("smallint", "integer"),
        ("smallint", "bigint"),
        ("integer", "bigint"),
        ("smallint", "numeric"),
        ("integer", "numeric"),
        ("bigint", "numeric"),
        ("date", "timestamp with time zone"),
        ("timestamp without time zone", "timestamp with time zone"),
        ("json", "jsonb"),
    ];
    (to == "text" && !from.ends_with("[]"))
        || to == "jsonb"
        || WIDER.contains(&(from, to))
        || (from == "text" && to == "text[]")
}

/// Digits before and behind the point.
pub(crate) fn digits(ty: &str) -> Option<(i64, i64)> {
    let (precision, scale) = ty.split_once('(')?.1.strip_suffix(')')?.split_once(',')?;
    let (precision, scale): (i64, i64) = (precision.parse().ok()?, scale.parse().ok()?);
    Some((precision - scale, scale))
}

impl Size {
    /// So many rows in so many bytes.
    pub fn new(rows: u64, bytes: u64) -> Self {
        Self { rows, bytes }
    }
}
