//! What differs between a database as it is and as it should be, object by object and aspect by aspect.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::catalog::{Catalog, Function, Table};

/// One object that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Which.
    pub object: Object,
    /// How it differs.
    pub how: How,
}

/// Something in a database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// The table that it is or belongs to; for others what they are (`function`, `view`).
    pub place: String,
    /// What it is.
    pub kind: Kind,
    /// Its name; of a right, the words of GRANT.
    pub name: String,
    /// The columns that a right is about.
    pub column: Option<String>,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A table itself.
    Table,
    /// A column.
    Column,
    /// A check or foreign key.
    Constraint,
    /// An index.
    Index,
    /// A trigger.
    Trigger,
    /// A policy.
    Policy,
    /// A right of a role.
    Right,
    /// A function.
    Function,
    /// Anything else.
    Other,
}

impl Kind {
    /// As sentences and programs name it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Column => "column",
            Self::Constraint => "constraint",
            Self::Index => "index",
            Self::Trigger => "trigger",
            Self::Policy => "policy",
            Self::Right => "right",
            Self::Function => "function",
            Self::Other => "object",
        }
    }
}

impl fmt::Display for Object {
    /// Such as `policy "Users can view own records" of tasks`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, kind, name, .. } = self;
        match kind {
            Kind::Table | Kind::Function => write!(f, "{} {name}", kind.word()),
            Kind::Right => write!(f, "right {name} on {place}"),
            Kind::Other => f.write_str(name),
            _ => write!(f, "{} {name:?} of {place}", kind.word()),
        }
    }
}

/// How an object differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// It is not there.
    Missing,
    /// It is there and should not be.
    Unexpected,
    /// An aspect is another.
    Changed {
        /// Such as `USING`.
        aspect: &'static str,
        /// As it is.
        is: String,
        /// As it should be.
        should: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Missing => write!(f, "{} is missing", self.object),
            How::Unexpected => write!(f, "{} is there and should not be", self.object),
            How::Changed { aspect, is, should } => {
                write!(f, "{}: {aspect} is {is}, should be {should}", self.object)
            }
        }
    }
}

/// Everything that differs, in order of the objects.
pub fn differences(is: &Catalog, should: &Catalog) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    let of =
        |kind| move |name: &String| Object { place: name.clone(), kind, name: name.clone(), column: None };
    found.maps(&is.tables, &should.tables, of(Kind::Table), table);
    found.maps(&is.functions, &should.functions, of(Kind::Function), |found, object, is, should| {
        found.aspect(object, "owner", &is.owner, &should.owner);
        found.aspect(object, "attributes", &is.attributes, &should.attributes);
        if (&is.returns, &is.body) != (&should.returns, &should.body) {
            let text = |function: &Function| {
                function.returns.as_ref().map_or(function.body.clone(), ToString::to_string)
            };
            let how = How::Changed { aspect: "body", is: text(is), should: text(should) };
            found.push(object.clone(), how);
        }
        found.aspect(object, "callers", &Set(&is.callers), &Set(&should.callers));
    });
    found.maps(&is.others, &should.others, of(Kind::Other), |found, object, is, should| {
        found.aspect(object, "definition", is, should);
    });
    found.0.sort();
    found.0.dedup();
    found.0
}

struct Found(Vec<Difference>);

/// A set in a sentence.
#[derive(PartialEq)]
struct Set<'a>(&'a BTreeSet<String>);

impl fmt::Display for Set<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(String::as_str).collect();
        f.write_str(&if names.is_empty() { "nobody".to_owned() } else { names.join(", ") })
    }
}

impl Found {
    fn push(&mut self, object: Object, how: How) {
        self.0.push(Difference { object, how });
    }

    fn maps<T>(
        &mut self,
        is: &BTreeMap<String, T>,
        should: &BTreeMap<String, T>,
        name: impl Fn(&String) -> Object,
        compare: impl Fn(&mut Self, &Object, &T, &T),
    ) {
        for (key, found) in is {
            match should.get(key) {
                None => self.push(name(key), How::Unexpected),
                Some(wanted) => compare(self, &name(key), found, wanted),
            }
        }
        for key in should.keys().filter(|key| !is.contains_key(*key)) {
            self.push(name(key), How::Missing);
        }
    }

    fn aspect<T: PartialEq + fmt::Display>(
        &mut self,
        object: &Object,
        aspect: &'static str,
        is: &T,
        should: &T,
    ) {
        if is != should {
            let how = How::Changed { aspect, is: is.to_string(), should: should.to_string() };
            self.push(object.clone(), how);
        }
    }

    fn optional<T: PartialEq + fmt::Display>(
        &mut self,
        object: &Object,
        aspect: &'static str,
        is: &Option<T>,
        should: &Option<T>,
    ) {
        if is != should {
            let text =
                |value: &Option<T>| value.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
            let how = How::Changed { aspect, is: text(is), should: text(should) };
            self.push(object.clone(), how);
        }
    }

    fn rights(
        &mut self,
        table: &str,
        role: &str,
        right: Option<&String>,
        is: &BTreeSet<String>,
        should: &BTreeSet<String>,
    ) {
        let object = |item: &String| Object {
            place: table.to_owned(),
            kind: Kind::Right,
            name: match right {
                Some(right) => format!("{right} ({item}) of {role}"),
                None => format!("{item} of {role}"),
            },
            column: right.map(|_| item.clone()),
        };
        for item in is.difference(should) {
            self.push(object(item), How::Unexpected);
        }
        for item in should.difference(is) {
            self.push(object(item), How::Missing);
        }
    }
}

fn table(found: &mut Found, object: &Object, is: &Table, should: &Table) {
    let name = object.name.as_str();
    let of =
        |kind| move |key: &String| Object { place: name.to_owned(), kind, name: key.clone(), column: None };
    found.aspect(object, "owner", &is.owner, &should.owner);
    found.aspect(object, "storage", &storage(is.unlogged), &storage(should.unlogged));
    found.aspect(object, "row-level security", &on(is.row_security), &on(should.row_security));
    found.aspect(object, "FORCE ROW LEVEL SECURITY", &on(is.forced), &on(should.forced));
    found.optional(object, "comment", &is.comment, &should.comment);
    found.maps(&is.columns, &should.columns, of(Kind::Column), |found, object, is, should| {
        found.aspect(object, "type", &is.ty, &should.ty);
        found.aspect(object, "NOT NULL", &on(is.not_null), &on(should.not_null));
        let default = if is.generated || should.generated { "generated value" } else { "default" };
        found.optional(object, default, &is.default, &should.default);
        found.aspect(object, "generated", &on(is.generated), &on(should.generated));
        found.optional(object, "identity", &is.identity, &should.identity);
        found.optional(object, "comment", &is.comment, &should.comment);
    });
    found.maps(&is.constraints, &should.constraints, of(Kind::Constraint), |found, object, is, should| {
        if is.rule != should.rule {
            let how =
                How::Changed { aspect: "rule", is: is.rule.definition(), should: should.rule.definition() };
            found.push(object.clone(), how);
        }
        found.aspect(object, "validated", &on(is.validated), &on(should.validated));
    });
    found.maps(&is.indexes, &should.indexes, of(Kind::Index), |found, object, is, should| {
        found.aspect(object, "columns", &is.keys.join(", "), &should.keys.join(", "));
        found.aspect(object, "unique", &on(is.unique), &on(should.unique));
        found.aspect(object, "primary key", &on(is.primary), &on(should.primary));
        found.aspect(object, "method", &is.method, &should.method);
        found.optional(object, "WHERE", &is.condition, &should.condition);
        found.aspect(object, "valid", &on(is.valid), &on(should.valid));
        found.optional(object, "comment", &is.comment, &should.comment);
    });
    found.maps(&is.triggers, &should.triggers, of(Kind::Trigger), |found, object, is, should| {
        found.aspect(object, "definition", &is.definition, &should.definition);
        found.aspect(object, "state", &state(&is.enabled), &state(&should.enabled));
    });
    found.maps(&is.policies, &should.policies, of(Kind::Policy), |found, object, is, should| {
        let kind = |restrictive| if restrictive { "restrictive" } else { "permissive" };
        found.aspect(object, "kind", &kind(is.restrictive), &kind(should.restrictive));
        found.aspect(object, "command", &is.command, &should.command);
        found.aspect(object, "roles", &Set(&is.roles), &Set(&should.roles));
        found.optional(object, "USING", &is.using, &should.using);
        found.optional(object, "WITH CHECK", &is.check, &should.check);
    });
    let none = BTreeSet::new();
    let no_columns = BTreeMap::new();
    let roles: BTreeSet<&String> = [is, should]
        .into_iter()
        .flat_map(|table| table.grants.keys().chain(table.column_grants.keys()))
        .collect();
    for role in roles {
        let (has, wants) = (is.grants.get(role).unwrap_or(&none), should.grants.get(role).unwrap_or(&none));
        found.rights(name, role, None, has, wants);
        let (has, wants) = (
            is.column_grants.get(role).unwrap_or(&no_columns),
            should.column_grants.get(role).unwrap_or(&no_columns),
        );
        for right in has.keys().chain(wants.keys()).collect::<BTreeSet<_>>() {
            let (has, wants) = (has.get(right).unwrap_or(&none), wants.get(right).unwrap_or(&none));
            found.rights(name, role, Some(right), has, wants);
        }
    }
}

fn on(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}

fn storage(unlogged: bool) -> &'static str {
    if unlogged { "unlogged" } else { "logged" }
}

fn state(enabled: &str) -> &'static str {
    match enabled {
        "O" => "enabled",
        "D" => "disabled",
        "R" => "enabled for replicas only",
        _ => "always enabled",
    }
}
