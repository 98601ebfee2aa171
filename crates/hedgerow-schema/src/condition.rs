//! Conditions that a person writes into an entity file (`published_when`, an index's `where`): read, checked against the
//! fields of the row, and written anew. None of their text is ever pasted into SQL.
//!
//! The language is fields of the row, literals, `now()`, comparisons, AND, OR, NOT, IN, BETWEEN and IS NULL.

use crate::expression::{self, Node, NotRead};
use crate::reader::allowed;
use crate::{Entity, FieldKind, Identifier, Sql, SqlType, Standard, StoredType, value};

/// A checked condition on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    sql: Sql,
    uses_now: bool,
}

/// What may stand in a condition.
struct Scope<'e> {
    entity: &'e Entity,
    uses_now: bool,
}

impl Condition {
    /// Reads and checks `text` as a condition on a row of `entity`.
    ///
    /// # Errors
    /// What is wrong, and where it can be said, the byte of the text.
    pub(crate) fn parse(text: &str, entity: &Entity) -> Result<Self, NotRead> {
        let node = expression::parse(text)?;
        let mut scope = Scope { entity, uses_now: false };
        let mut sql = Sql::new("");
        scope.condition(&node, &mut sql).map_err(|message| NotRead { at: 0, message })?;
        Ok(Self { sql, uses_now: scope.uses_now })
    }

    /// The condition in SQL, without parameters.
    pub fn sql(&self) -> &Sql {
        &self.sql
    }

    /// Whether it changes its mind while time goes by; an index cannot have such a condition.
    pub fn uses_now(&self) -> bool {
        self.uses_now
    }
}

const HINT: &str =
    "fields of the row, literals, now(), comparisons, and, or, not, in, between, is null are allowed";

impl<'e> Scope<'e> {
    fn condition(&mut self, node: &Node, sql: &mut Sql) -> Result<(), String> {
        match node {
            Node::And(items) | Node::Or(items) => {
                let word = if matches!(node, Node::And(_)) { " AND " } else { " OR " };
                sql.push("(");
                for (at, item) in items.iter().enumerate() {
                    sql.push(if at > 0 { word } else { "" });
                    self.condition(item, sql)?;
                }
                sql.push(")");
            }
            Node::Not(inner) => {
                sql.push("(NOT ");
                self.condition(inner, sql)?;
                sql.push(")");
            }
            Node::Is(inner, what) => {
                let (name, ty) = self.field(inner)?;
                sql.push("(").name(&name).push(match what.as_str() {
                    "NULL" => " IS NULL)",
                    "TRUE" | "FALSE" | "UNKNOWN" if ty != SqlType::Bool => {
                        return Err(format!("`{name}` is no boolean, so it cannot be compared with {what}"));
                    }
                    "TRUE" => " IS TRUE)",
                    "FALSE" => " IS FALSE)",
                    _ => " IS UNKNOWN)",
                });
            }
            Node::In(left, items) => {
                let (name, ty) = self.field(left)?;
                self.comparable(&name)?;
                sql.push("(").name(&name).push(" IN (");
                for (at, item) in items.iter().enumerate() {
                    sql.push(if at > 0 { ", " } else { "" });
                    self.literal(&name, ty, item, sql)?;
                }
                sql.push("))");
            }
            Node::Operator(operator, items) => self.comparison(operator, items, sql)?,
            Node::Name(_) => {
                let (name, ty) = self.field(node)?;
                if ty != SqlType::Bool {
                    return Err(format!("`{name}` alone is no condition: it is no boolean"));
                }
                sql.name(&name);
            }
            _ => return Err(format!("this is no condition: {HINT}")),
        }
        Ok(())
    }

    fn comparison(&mut self, operator: &str, items: &[Node], sql: &mut Sql) -> Result<(), String> {
        let known =
            [("=", " = "), ("<>", " <> "), ("<", " < "), (">", " > "), ("<=", " <= "), (">=", " >= ")];
        let Some((_, written)) = known.iter().find(|(name, _)| *name == operator) else {
            return Err(format!("the operator {operator} is not allowed here: {HINT}"));
        };
        let [left, right] = items else { return Err(format!("this is no comparison: {HINT}")) };
        // `'done' = status` is turned round for the check only.
        let (field, other) = if matches!(left, Node::Name(_)) { (left, right) } else { (right, left) };
        let (name, ty) = self.field(field)?;
        self.comparable(&name)?;
        sql.push("(");
        for (at, item) in items.iter().enumerate() {
            sql.push(if at > 0 { written } else { "" });
            if std::ptr::eq(item, field) {
                sql.name(&name);
            } else {
                self.operand(&name, ty, other, sql)?;
            }
        }
        sql.push(")");
        Ok(())
    }

    /// Whether a comparison would mean the same wherever PostgreSQL evaluates it.
    fn comparable(&self, name: &Identifier) -> Result<(), String> {
        let Some(field) = self.entity.field(name.as_str()) else { return Ok(()) };
        let what = match (&field.kind, field.sql_type) {
            (kind, _) if !kind.is_ordered() => format!("is a {} field", kind.name()),
            (_, Some(stored))
                if !matches!(stored, StoredType::Varchar(_) | StoredType::Integer | StoredType::Smallint) =>
            {
                format!("is stored as {stored}")
            }
            _ => return Ok(()),
        };
        Err(format!("`{name}` {what}, which can only be tested with IS NULL"))
    }

    fn operand(&mut self, field: &Identifier, ty: SqlType, node: &Node, sql: &mut Sql) -> Result<(), String> {
        match node {
            Node::Name(_) => {
                let (name, other) = self.field(node)?;
                self.comparable(&name)?;
                if other != ty {
                    return Err(format!("`{field}` and `{name}` have different types"));
                }
                sql.name(&name);
                Ok(())
            }
            Node::Call(name, arguments) if name == "current_timestamp" && arguments.is_empty() => {
                self.uses_now = true;
                match ty {
                    SqlType::Timestamptz => sql.push("CURRENT_TIMESTAMP"),
                    SqlType::Date => sql.push("CURRENT_DATE"),
                    _ => {
                        return Err(format!(
                            "`{field}` is no moment and no day, so it cannot be compared with now()"
                        ));
                    }
                };
                Ok(())
            }
            node => self.literal(field, ty, node, sql),
        }
    }

    fn literal(&self, field: &Identifier, ty: SqlType, node: &Node, sql: &mut Sql) -> Result<(), String> {
        let (text, is_number) = match node {
            Node::Literal(text) => (text.clone(), false),
            Node::Number(text) => (text.clone(), true),
            Node::Boolean(value) if ty == SqlType::Bool => (value.to_string(), false),
            Node::Null => return Err(format!("nothing equals NULL; write `{field} is null`")),
            _ => return Err(format!("`{field}` is compared with something that is no literal: {HINT}")),
        };
        if is_number != matches!(ty, SqlType::Int8 | SqlType::Numeric) {
            return Err(format!("`{field}` is compared with a value of another type"));
        }
        let bind = match self.entity.field(field.as_str()) {
            // A select is compared with an option, or never true.
            Some(field) if matches!(field.kind, FieldKind::Select { .. }) => value::read_field(field, &text),
            _ => value::read(ty, &text),
        };
        let bind = bind.map_err(|mistake| format!("the value for `{field}` {}", mistake.message))?;
        sql.literal(bind.value.as_deref().unwrap_or_default()).push("::");
        sql.push(ty.name());
        Ok(())
    }

    fn field(&self, node: &Node) -> Result<(Identifier, SqlType), String> {
        let Node::Name(parts) = node else {
            return Err(format!("a field of the row must stand here: {HINT}"));
        };
        let [name] = parts.as_slice() else {
            return Err(format!("`{}` is no field of the row", parts.join(".")));
        };
        // Unquoted names come in lower case; camelCase names are found in spite of it.
        let standard = Standard::ALL.map(Standard::name);
        let own = self.entity.columns().map(|field| field.name.as_str());
        let names: Vec<&str> = own.chain(standard).collect();
        let Some(found) = names
            .iter()
            .find(|own| **own == name.as_str())
            .or_else(|| names.iter().find(|own| own.eq_ignore_ascii_case(name)))
        else {
            if self.entity.field(name).is_some() {
                return Err(format!(
                    "`{name}` points at any number of rows, and a condition is about one row"
                ));
            }
            return Err(format!("`{name}` is no field of {}: {}", self.entity.name, allowed(name, &names)));
        };
        let ty = match self.entity.field(found) {
            Some(field) => field.kind.sql_type(),
            None if found.ends_with("At") => SqlType::Timestamptz,
            None => SqlType::Text,
        };
        Ok((Identifier::joined(&[found]), ty))
    }
}
