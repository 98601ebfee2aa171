//! In which order rows come: `order=due.desc.nullslast,data->>rank,metas.rank,project(name).asc`.

use super::metas::METAS;
use super::operand::{Operand, Path};
use super::parameters::Reading;
use super::scan::Scan;
use super::{Relationship, Selected};
use crate::{Column, Entity, Standard};

/// One key of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order<'e> {
    /// By what.
    pub column: Column<'e>,
    /// Largest first.
    pub descending: bool,
    /// Where NULL stands; `None` is PostgreSQL's rule (as the largest value).
    pub nulls_first: Option<bool>,
    /// Where inside the column's document, if not all of it.
    pub path: Option<Path>,
    /// The key of the row's metadata that it is by, in place of the column.
    pub meta: Option<String>,
    /// The row that the column is of, where it is not the ordered row itself.
    pub of: Option<Relationship<'e>>,
}

impl<'e> Order<'e> {
    /// By a column of the ordered row.
    pub fn by(column: Column<'e>, descending: bool) -> Self {
        Self { column, descending, nulls_first: None, path: None, meta: None, of: None }
    }

    /// Whether it is by a column of the row itself, so that a row's place is known from its columns.
    pub fn is_by_column(&self) -> bool {
        self.path.is_none() && self.of.is_none() && self.meta.is_none()
    }

    pub(crate) fn operand(&self) -> Operand<'e> {
        Operand { column: self.column, path: self.path.clone() }
    }
}

impl<'e> Reading<'e> {
    /// Reads the value of `order=`.
    pub(super) fn order(
        &mut self,
        entity: &'e Entity,
        select: &[Selected<'e>],
        text: &str,
        parameter: &str,
    ) -> Vec<Order<'e>> {
        let mut order: Vec<Order<'e>> = Vec::new();
        if text.trim().is_empty() {
            let message = "`order` is a list of fields, `field.desc` turns one round";
            self.note(parameter, "invalid_order", message);
            return order;
        }
        let mut scan = Scan::new(text);
        loop {
            scan.skip_spaces();
            let mut whole = scan;
            let item = whole.skip_item();
            match self.key(entity, select, &mut scan, parameter) {
                Some(key) => order.push(key),
                None => scan = whole,
            }
            scan.skip_spaces();
            if !scan.is_at_end() && !scan.sees(",") {
                self.bad_order(item, parameter);
                break;
            }
            if !scan.eat(",") {
                break;
            }
        }
        order
    }

    fn bad_order(&mut self, item: &str, parameter: &str) {
        let message =
            format!("`{item}` is no order: a field, then .asc or .desc, then .nullsfirst or .nullslast");
        self.note(parameter, "invalid_order", message);
    }

    fn key(
        &mut self,
        entity: &'e Entity,
        select: &[Selected<'e>],
        scan: &mut Scan<'_>,
        parameter: &str,
    ) -> Option<Order<'e>> {
        let mut whole = *scan;
        let item = whole.skip_item();
        let name = scan.name();
        let mut meta = None;
        let (operand, of) = if name == METAS && scan.eat(".") {
            let key = scan.name_or_quoted().unwrap_or_default();
            self.meta_operand(entity, &key, parameter)?;
            meta = Some(key);
            // It is found by the row's id.
            (Operand::column(Column::Standard(Standard::Id)), None)
        } else if scan.eat("(") {
            let to = self.one_row(select, name, parameter)?;
            let column = scan.name();
            let operand = self.operand(to.entity, column, scan, parameter)?;
            if !scan.eat(")") {
                self.bad_order(item, parameter);
                return None;
            }
            (operand, Some(to))
        } else {
            (self.operand(entity, name, scan, parameter)?, None)
        };
        if operand.path.is_none()
            && matches!(operand.column, Column::Field(field) if !field.kind.is_ordered())
        {
            let message = format!("rows cannot be ordered by `{}`: it has no order", operand.shown());
            self.note(parameter, "invalid_order", message);
            return None;
        }
        let mut words = Vec::new();
        while scan.eat(".") {
            words.push(scan.name());
        }
        let (direction, nulls) = match words.as_slice() {
            [] => (None, None),
            [one @ ("asc" | "desc")] => (Some(*one), None),
            [one @ ("nullsfirst" | "nullslast")] => (None, Some(*one)),
            [one @ ("asc" | "desc"), two @ ("nullsfirst" | "nullslast")] => (Some(*one), Some(*two)),
            _ => {
                self.bad_order(item, parameter);
                return None;
            }
        };
        Some(Order {
            column: operand.column,
            descending: direction == Some("desc"),
            nulls_first: nulls.map(|word| word == "nullsfirst"),
            path: operand.path,
            meta,
            of,
        })
    }

    /// The relation that is embedded as `name` and leads to one row.
    fn one_row(&mut self, select: &[Selected<'e>], name: &str, parameter: &str) -> Option<Relationship<'e>> {
        let embed = select.iter().filter(|item| item.is_called(name)).find_map(Selected::embed);
        match embed {
            Some(embed) if embed.to.is_to_one() => Some(embed.to),
            Some(_) => {
                let message =
                    format!("`{name}` leads to any number of rows, which say nothing about the order");
                self.note(parameter, "invalid_order", message);
                None
            }
            None => {
                self.not_embedded(name, parameter);
                None
            }
        }
    }
}

/// Newest first where nothing is asked; `id` last, so that rows that are equal otherwise have an order too.
pub(super) fn make_total<'e>(entity: &'e Entity, order: &mut Vec<Order<'e>>) {
    let key = |name: &str, descending| entity.column(name).map(|column| Order::by(column, descending));
    if order.is_empty() {
        order.extend(key("createdAt", true));
    }
    if !order.iter().any(|key| key.is_by_column() && key.column.name() == "id") {
        // The direction of the key before it, so that one index serves both.
        let descending = order.last().is_some_and(|key| key.descending);
        order.extend(key("id", descending));
    }
}
