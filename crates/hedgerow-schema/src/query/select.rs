//! What a row shows: `select=id,what:title,data->a->>b,points.sum(),project:projects!inner(name),...author(name)`.

use super::operand::Operand;
use super::parameters::Reading;
use super::scan::Scan;
use super::{ListQuery, Relationship};
use crate::{Column, Entity, SqlType, value};

/// Related rows lie at most this deep inside each other.
const MAX_DEPTH: u32 = 5;
/// A request embeds at most this many relations.
const MAX_EMBEDS: usize = 20;
/// A row shows at most this many keys that are not its own columns.
const MAX_KEYS: usize = 500;

/// Something that a row shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected<'e> {
    /// JSON key; empty of what is spread.
    pub key: String,
    /// What stands there.
    pub item: Item<'e>,
}

/// What stands under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'e> {
    /// A value of the row.
    Value(Operand<'e>, Cast),
    /// A value of several rows; the others that are selected say which rows belong together.
    Aggregate(Aggregate<'e>),
    /// Related rows: an object, or an array.
    Embed(Box<Embed<'e>>),
    /// The keys of one related row, beside the row's own.
    Spread(Box<Embed<'e>>),
}

/// What a value is made on its way out. None of these can fail, whatever the value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// As it is.
    Not,
    /// Its text.
    Text,
    /// An integer as a decimal number.
    Numeric,
    /// The day of a moment, in UTC.
    Date,
}

/// Values of several rows made one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aggregate<'e> {
    /// How many rows.
    Count,
    /// How many rows have a value there.
    CountOf(Operand<'e>),
    /// The sum of numbers.
    Sum(Operand<'e>),
    /// Their mean.
    Avg(Operand<'e>),
    /// The smallest.
    Min(Operand<'e>),
    /// The largest.
    Max(Operand<'e>),
}

/// Related rows inside a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embed<'e> {
    /// How to get there.
    pub to: Relationship<'e>,
    /// Whether rows that lead to none are left out.
    pub join: Join,
    /// Which of them, and what of them.
    pub rows: ListQuery<'e>,
    /// As the request called it: what conditions on it begin with, besides its key.
    pub(super) name: String,
}

/// What becomes of a row that leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// It stays.
    Left,
    /// It is left out.
    Inner,
}

impl<'e> Selected<'e> {
    /// A column under its own name.
    pub fn column(column: Column<'e>) -> Self {
        Self { key: column.name().to_owned(), item: Item::Value(Operand::column(column), Cast::Not) }
    }

    /// What is embedded here, if something is.
    pub(super) fn embed(&self) -> Option<&Embed<'e>> {
        match &self.item {
            Item::Embed(embed) | Item::Spread(embed) => Some(embed),
            Item::Value(..) | Item::Aggregate(_) => None,
        }
    }

    pub(super) fn embed_mut(&mut self) -> Option<&mut Embed<'e>> {
        match &mut self.item {
            Item::Embed(embed) | Item::Spread(embed) => Some(embed),
            Item::Value(..) | Item::Aggregate(_) => None,
        }
    }

    /// Whether conditions on it begin with `name`.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.embed().is_some_and(|embed| self.key == name || embed.name == name)
    }
}

impl Item<'_> {
    /// How its values travel.
    pub(crate) fn sql_type(&self) -> SqlType {
        match self {
            Self::Value(operand, Cast::Not) => operand.sql_type(),
            Self::Value(_, Cast::Text) => SqlType::Text,
            Self::Value(_, Cast::Numeric) => SqlType::Numeric,
            Self::Value(_, Cast::Date) => SqlType::Date,
            Self::Aggregate(Aggregate::Count | Aggregate::CountOf(_)) => SqlType::Int8,
            Self::Aggregate(Aggregate::Sum(_) | Aggregate::Avg(_)) => SqlType::Numeric,
            Self::Aggregate(Aggregate::Min(operand) | Aggregate::Max(operand)) => operand.sql_type(),
            Self::Embed(_) | Self::Spread(_) => SqlType::Json,
        }
    }
}

impl<'e> Aggregate<'e> {
    const NAMES: &'static [&'static str] = &["count", "sum", "avg", "min", "max"];

    fn of(name: &str, operand: Operand<'e>) -> Result<Self, String> {
        let shown = operand.shown();
        let ty = operand.sql_type();
        let is_number = matches!(ty, SqlType::Int8 | SqlType::Numeric);
        let is_ordered =
            is_number || matches!(ty, SqlType::Text | SqlType::Date | SqlType::Timestamptz | SqlType::Time);
        let wrong = |what| Err(format!("`{shown}.{name}()` is for {what}, and `{shown}` is none"));
        if operand.is_links() {
            return wrong("single values");
        }
        match name {
            "count" => Ok(Self::CountOf(operand)),
            "sum" | "avg" if !is_number => wrong("numbers"),
            "min" | "max" if !is_ordered => wrong("numbers, texts and times"),
            "sum" => Ok(Self::Sum(operand)),
            "avg" => Ok(Self::Avg(operand)),
            "min" => Ok(Self::Min(operand)),
            "max" => Ok(Self::Max(operand)),
            _ => Err(format!("there is no `{name}()`: there are {}", Self::NAMES.join(", "))),
        }
    }
}

impl Cast {
    /// The types that a value may become, by the names that PostgreSQL and entity files have for them.
    fn parse(operand: &Operand<'_>, name: &str) -> Result<Self, String> {
        let to = match name {
            "text" | "varchar" => SqlType::Text,
            "int8" | "bigint" | "integer" | "int" => SqlType::Int8,
            "numeric" | "number" => SqlType::Numeric,
            "date" => SqlType::Date,
            "timestamptz" | "datetime" => SqlType::Timestamptz,
            "bool" | "boolean" => SqlType::Bool,
            "time" => SqlType::Time,
            "uuid" => SqlType::Uuid,
            "jsonb" | "json" => SqlType::Jsonb,
            "text[]" | "tags" => SqlType::TextArray,
            _ => return Err(format!("there is no type `{name}`: `::text` makes anything a text")),
        };
        match (operand.sql_type(), to) {
            (from, to) if from == to => Ok(Self::Not),
            (SqlType::TextArray, SqlType::Text) if operand.is_links() => {
                Err(format!("`{}` is no column, and cannot be cast", operand.shown()))
            }
            (_, SqlType::Text) => Ok(Self::Text),
            (SqlType::Int8, SqlType::Numeric) => Ok(Self::Numeric),
            (SqlType::Timestamptz, SqlType::Date) => Ok(Self::Date),
            _ => Err(format!("not every `{}` is a {name}, so it cannot be cast to it", operand.shown())),
        }
    }
}

/// Every column a caller may read, under its own name.
pub fn select_all(entity: &Entity) -> Vec<Selected<'_>> {
    entity.readable().map(Selected::column).collect()
}

/// The entities whose rows are embedded somewhere in what is selected, each once.
pub fn embedded<'e>(select: &[Selected<'e>]) -> Vec<&'e Entity> {
    let mut found: Vec<&'e Entity> = Vec::new();
    for embed in select.iter().filter_map(Selected::embed) {
        for entity in std::iter::once(embed.to.entity).chain(embedded(&embed.rows.select)) {
            if !found.iter().any(|known| known.name == entity.name) {
                found.push(entity);
            }
        }
    }
    found
}

impl<'e> Reading<'e> {
    /// Reads the value of `select=`.
    pub(super) fn select(&mut self, entity: &'e Entity, text: &str) -> Vec<Selected<'e>> {
        let mut scan = Scan::new(text);
        if text.trim().is_empty() {
            self.bad_select("`select` is a list of fields, `key:field` renames");
            return Vec::new();
        }
        let selected = self.items(entity, &mut scan, 0);
        if !scan.is_at_end() {
            self.bad_select(format!("`{}` stands behind the list", scan.rest()));
        }
        selected
    }

    fn bad_select(&mut self, message: impl Into<String>) {
        self.note("select", "invalid_select", message);
    }

    /// Reads items until the end, or until the parenthesis that closes them.
    fn items(&mut self, entity: &'e Entity, scan: &mut Scan<'_>, depth: u32) -> Vec<Selected<'e>> {
        let mut selected = Vec::new();
        let mut stars = Vec::new();
        loop {
            scan.skip_spaces();
            let start = *scan;
            if scan.eat("*") {
                stars.push(selected.len());
                selected.extend(select_all(entity));
            } else if let Some(item) = self.item(entity, scan, depth) {
                selected.push(item);
            } else {
                scan.skip_item();
            }
            scan.skip_spaces();
            if !scan.is_at_end() && !scan.sees(",") && !scan.sees(")") {
                let mut whole = start;
                let item = whole.skip_item();
                self.bad_select(format!(
                    "`{item}` cannot be read: an item is `key:field` or `key:relation(…)`"
                ));
                scan.skip_item();
            }
            if !scan.eat(",") {
                break;
            }
        }
        // `*,author(name)`: where a relation and what is embedded by it have one name, the latter is what was asked for by
        // name.
        if let [at] = stars[..] {
            let all = at..at + select_all(entity).len();
            let is_named =
                |key: &str| selected[..at].iter().chain(&selected[all.end..]).any(|item| item.key == key);
            let lost: Vec<bool> =
                (0..selected.len()).map(|n| all.contains(&n) && is_named(&selected[n].key)).collect();
            let mut lost = lost.into_iter();
            selected.retain(|_| !lost.next().unwrap_or_default());
        }
        self.check_keys(&selected, depth);
        selected
    }

    fn check_keys(&mut self, selected: &[Selected<'e>], depth: u32) {
        let mut keys = Vec::new();
        collect_keys(selected, &mut keys);
        keys.sort_unstable();
        if let Some(twice) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            let message = format!("the key `{}` is selected twice", twice[0]);
            self.note("select", "repeated_key", message);
        }
        if keys.len() > MAX_KEYS {
            self.bad_select(format!("a row shows at most {MAX_KEYS} keys"));
        }
        // What a write gives back cannot be empty (PostgreSQL manual, RETURNING).
        if depth == 0 && keys.is_empty() && !selected.is_empty() {
            self.bad_select("a row shows at least one key; an empty relation shows none");
        }
        let is_grouped = selected.iter().any(|item| matches!(item.item, Item::Aggregate(_)));
        if !is_grouped {
            return;
        }
        if !self.limits.aggregates.is_on() {
            let message = "aggregates are switched off (`api.aggregates`)";
            self.note("select", "unsupported_select", message);
        }
        let groups = |item: &Selected<'_>| match &item.item {
            // PostgreSQL groups by a path only where it stands in a column of its own.
            Item::Value(operand, _) => !operand.is_links() && (depth == 0 || operand.path.is_none()),
            Item::Aggregate(_) => true,
            Item::Embed(_) | Item::Spread(_) => false,
        };
        if let Some(other) = selected.iter().find(|item| !groups(item)) {
            let name = if other.key.is_empty() { "a relation" } else { other.key.as_str() };
            let message =
                format!("`{name}` cannot stand beside an aggregate: rows are grouped by their own fields");
            self.note("select", "unsupported_select", message);
        }
    }

    fn item(&mut self, entity: &'e Entity, scan: &mut Scan<'_>, depth: u32) -> Option<Selected<'e>> {
        let before = self.errors.len();
        if scan.eat("...") {
            return self.spread(entity, scan, depth);
        }
        let Some(mut name) = scan.name_or_quoted() else {
            self.bad_select("a name in quotes does not end");
            return None;
        };
        let mut key = None;
        if scan.sees(":") && !scan.sees("::") {
            scan.eat(":");
            key = Some(name);
            name = scan.name().to_owned();
        }
        if name.is_empty() || key.as_deref() == Some("") {
            self.bad_select("`select` is a list of fields, `key:field` renames");
            return None;
        }
        if let Some(key) = &key
            && let Err(mistake) = value::read(SqlType::Text, key)
        {
            self.note("select", mistake.code, format!("a key {}", mistake.message));
            return None;
        }
        if name == "count"
            && (scan.eat("()") || (entity.column("count").is_none() && depth > 0 && !scan.sees("(")))
        {
            return Some(Selected {
                key: key.unwrap_or_else(|| "count".to_owned()),
                item: Item::Aggregate(Aggregate::Count),
            });
        }
        if scan.sees("(") || scan.sees("!") {
            let embed = self.embed(entity, &name, scan, depth)?;
            return Some(Selected { key: key.unwrap_or(name), item: Item::Embed(Box::new(embed)) });
        }
        let operand = self.operand(entity, &name, scan, "select")?;
        let mut item = Item::Value(operand.clone(), Cast::Not);
        let mut own_key = operand.key().to_owned();
        if scan.eat("::") {
            let name = scan.name();
            match Cast::parse(&operand, name) {
                Ok(cast) => item = Item::Value(operand, cast),
                Err(message) => self.note("select", "invalid_cast", message),
            }
        } else if scan.eat(".") {
            let name = scan.name();
            if !scan.eat("()") {
                self.bad_select(format!("`{name}` has no parentheses: an aggregate is `field.sum()`"));
                return None;
            }
            own_key = name.to_owned();
            match Aggregate::of(name, operand) {
                Ok(aggregate) => item = Item::Aggregate(aggregate),
                Err(message) => self.note("select", "invalid_aggregate", message),
            }
        }
        (self.errors.len() == before).then(|| Selected { key: key.unwrap_or(own_key), item })
    }

    fn spread(&mut self, entity: &'e Entity, scan: &mut Scan<'_>, depth: u32) -> Option<Selected<'e>> {
        let name = scan.name().to_owned();
        let embed = self.embed(entity, &name, scan, depth)?;
        if !embed.to.is_to_one() {
            let message = format!("`...{name}` leads to any number of rows: only one row can be spread");
            self.note("select", "unsupported_select", message);
            return None;
        }
        if embed.rows.is_grouped() {
            let message = format!("`...{name}` leads to one row: there is nothing to count or add up");
            self.note("select", "unsupported_select", message);
            return None;
        }
        Some(Selected { key: String::new(), item: Item::Spread(Box::new(embed)) })
    }

    /// Reads `name!hint!inner(…)` from behind the name.
    fn embed(
        &mut self,
        entity: &'e Entity,
        name: &str,
        scan: &mut Scan<'_>,
        depth: u32,
    ) -> Option<Embed<'e>> {
        let (mut join, mut hint) = (Join::Left, None);
        while scan.eat("!") {
            match scan.name() {
                "inner" => join = Join::Inner,
                "left" => join = Join::Left,
                other => hint = Some(other),
            }
        }
        if !scan.sees("(") {
            self.bad_select(format!("`{name}` has no parentheses: a relation is `{name}(field,…)`"));
            return None;
        }
        self.embeds += 1;
        if depth == MAX_DEPTH || self.embeds > MAX_EMBEDS {
            let message = format!(
                "a request embeds at most {MAX_EMBEDS} relations, at most {MAX_DEPTH} deep inside each other"
            );
            self.note("select", "too_many_embeds", message);
            return None;
        }
        let to = self.relationship(entity, name, hint, "select")?;
        scan.eat("(");
        scan.skip_spaces();
        // Nothing is shown then, but conditions may speak of it.
        let select = if scan.sees(")") { Vec::new() } else { self.items(to.entity, scan, depth + 1) };
        if !scan.eat(")") {
            self.bad_select(format!("the parenthesis behind `{name}` is not closed"));
            return None;
        }
        let rows = ListQuery { select, ..self.all_rows() };
        Some(Embed { to, join, rows, name: name.to_owned() })
    }
}

/// The keys that a row has, those of what is spread among them.
fn collect_keys<'s>(selected: &'s [Selected<'_>], keys: &mut Vec<&'s str>) {
    for item in selected {
        match &item.item {
            Item::Spread(embed) => collect_keys(&embed.rows.select, keys),
            Item::Embed(embed) if embed.rows.select.is_empty() => {}
            Item::Embed(_) | Item::Value(..) | Item::Aggregate(_) => keys.push(&item.key),
        }
    }
}
