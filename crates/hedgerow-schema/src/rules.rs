//! The CHECK constraints of fields.

use crate::{Entity, Field, FieldKind, Identifier, Sql};

/// The constraints that check a field's values: name and condition.
pub fn checks(entity: &Entity, field: &Field) -> Vec<(Identifier, Sql)> {
    let mut all = Vec::new();
    let mut check = |rule: &'static str, write: &dyn Fn(&mut Sql)| {
        let mut sql = Sql::new("");
        write(&mut sql);
        all.push((Identifier::joined(&[entity.name.as_str(), field.name.as_str(), rule]), sql));
    };
    if let Some(rules) = field.kind.text_rules() {
        let length = |sql: &mut Sql, operator, limit: u32| {
            sql.push("char_length(").name(&field.name).push(")").push(operator).number(limit.into());
        };
        if let Some(min) = rules.min_length {
            check("min_length", &|sql| length(sql, " >= ", min));
        }
        if let Some(max) = rules.max_length {
            check("max_length", &|sql| length(sql, " <= ", max));
        }
    }
    let (min, max) = match &field.kind {
        FieldKind::Integer { min, max } => (min.map(|n| n.to_string()), max.map(|n| n.to_string())),
        FieldKind::Number(rules) => {
            let text =
                |limit: &Option<crate::Decimal>| limit.as_ref().map(|number| number.as_str().to_owned());
            (text(&rules.min), text(&rules.max))
        }
        _ => (None, None),
    };
    let bound = |sql: &mut Sql, operator, limit: &str| {
        sql.name(&field.name).push(operator).literal(limit).push("::").push(field.kind.sql_type().name());
    };
    if let Some(min) = &min {
        check("min", &|sql| bound(sql, " >= ", min));
    }
    if let Some(max) = &max {
        check("max", &|sql| bound(sql, " <= ", max));
    }
    if let FieldKind::Select { options } = &field.kind {
        check("options", &|sql| {
            sql.name(&field.name).push(" IN (");
            sql.join(", ", options, |sql, option| {
                sql.literal(option);
            });
            sql.push(")");
        });
    }
    all
}

impl Field {
    /// The column's type, as PostgreSQL's `format_type()` writes it.
    pub fn column_type(&self) -> String {
        match &self.kind {
            FieldKind::Number(rules) if rules.precision.is_some() => {
                format!("numeric({},{})", rules.precision.unwrap_or(0), rules.scale.unwrap_or(0))
            }
            FieldKind::Datetime => "timestamp with time zone".to_owned(),
            kind => kind.sql_type().name().to_owned(),
        }
    }
}
