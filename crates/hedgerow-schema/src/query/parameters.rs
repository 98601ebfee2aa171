//! The parameters of a request, put where they belong: to the rows that are asked for, or to rows embedded in them.
//!
//! Always holds: a parameter is understood or reported, with the parameter's own name; mistakes come in the order of the
//! request.

use super::filter::{self, Filter};
use super::metas::METAS;
use super::order::make_total;
use super::select::{Embed, Item, Join, Selected, collect_keys};
use super::{InputError, Limits, ListQuery, order, words};
use crate::reader::nearest;
use crate::{Bind, Entity, Schema};

/// A request under reading.
pub(super) struct Reading<'e> {
    pub(super) schema: &'e Schema,
    pub(super) limits: Limits,
    pub(super) errors: Vec<InputError>,
    /// How many conditions there were.
    pub(super) conditions: usize,
    /// How many relations were embedded.
    pub(super) embeds: usize,
    /// How many conditions and keys of an order were about metadata.
    pub(super) metas: usize,
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter<'p> {
    /// As it was sent.
    pub(super) name: &'p str,
    pub(super) value: &'p str,
    /// The names before the last dot: of which embedded rows it speaks.
    path: &'p str,
    /// The rest of the name.
    last: &'p str,
}

impl<'p> Parameter<'p> {
    pub(super) fn new(name: &'p str, value: &'p str) -> Self {
        // A dot behind an arrow belongs to a key of a document.
        let head = &name[..name.find("->").unwrap_or(name.len())];
        // The key of metadata may have dots, and is the rest of the name.
        let metas = [0].into_iter().chain(head.match_indices('.').map(|(dot, _)| dot + 1));
        let metas = metas.into_iter().find(|&start| filter::meta_key(&head[start..]).is_some());
        let tree =
            [".and", ".or"].iter().find_map(|end| head.strip_suffix(end).map(|rest| (rest, end.len())));
        let last = match tree {
            _ if metas.is_some() => metas.unwrap_or_default(),
            // `not.or`, of the rows themselves or of embedded ones.
            Some((rest, end)) if rest == "not" || rest.ends_with(".not") => name.len() - end - "not".len(),
            _ => head.rfind('.').map_or(0, |dot| dot + 1),
        };
        Self { name, value, path: name[..last].trim_end_matches('.'), last: &name[last..] }
    }
}

impl<'e> Reading<'e> {
    pub(super) fn new(schema: &'e Schema, limits: Limits) -> Self {
        Self { schema, limits, errors: Vec::new(), conditions: 0, embeds: 0, metas: 0 }
    }

    pub(super) fn note(&mut self, parameter: &str, code: &'static str, message: impl Into<String>) {
        self.errors.push(InputError::new(parameter, code, message));
    }

    pub(super) fn all_rows(&self) -> ListQuery<'e> {
        ListQuery {
            select: Vec::new(),
            filters: Vec::new(),
            order: Vec::new(),
            limit: self.limits.default,
            offset: 0,
            best_first: None,
            cursor: None,
            narrowing: Vec::new(),
        }
    }

    /// Fills in what the parameters say about `rows` and everything embedded in them; `select` was read before.
    pub(super) fn fill(
        &mut self,
        entity: &'e Entity,
        rows: &mut ListQuery<'e>,
        parameters: &[Parameter<'_>],
    ) {
        self.refuse_repeated(parameters);
        self.refuse_lost(&rows.select, parameters);
        self.fill_at(entity, rows, "", parameters);
        self.check_cursor(rows, parameters);
    }

    /// A cursor and another word about the same, or no order that cursors know.
    fn check_cursor(&mut self, rows: &ListQuery<'e>, parameters: &[Parameter<'_>]) {
        if rows.cursor.is_none() {
            return;
        }
        if parameters.iter().any(|parameter| parameter.name == "offset") {
            let message = "a cursor is a place by itself: leave `offset` out, or the cursor";
            self.note("cursor", "cursor_and_offset", message);
        } else if !rows.has_keyset() {
            let message = "rows that are grouped, ranked, or ordered by a path, by metadata or by an embedded row have \
                           no cursors: use `offset`";
            self.note("cursor", "unsupported_cursor", message);
        }
    }

    fn fill_at(
        &mut self,
        entity: &'e Entity,
        rows: &mut ListQuery<'e>,
        path: &str,
        parameters: &[Parameter<'_>],
    ) {
        // What is embedded first: a condition on these rows may ask whether there are any.
        for item in &mut rows.select {
            let key = item.key.clone();
            let Some(embed) = item.embed_mut() else { continue };
            let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let is_here = |parameter: &Parameter<'_>, own: &str| {
                parameter.path == own
                    || parameter.path.strip_prefix(own).is_some_and(|rest| rest.starts_with('.'))
            };
            let own = if parameters.iter().any(|one| !key.is_empty() && is_here(one, &at(&key))) {
                at(&key)
            } else {
                at(&embed.name)
            };
            self.fill_at(embed.to.entity, &mut embed.rows, &own, parameters);
            if embed.to.is_to_one() {
                self.refuse_pages(&own, parameters);
            }
        }
        for parameter in parameters.iter().filter(|parameter| parameter.path == path) {
            self.fill_in(entity, rows, parameter);
        }
        self.complete(entity, rows, path);
    }

    fn fill_in(&mut self, entity: &'e Entity, rows: &mut ListQuery<'e>, parameter: &Parameter<'_>) {
        let Parameter { name, value, path, last } = *parameter;
        let is_top = path.is_empty();
        match last {
            "select" if is_top => {}
            "order" => rows.order = self.order(entity, &rows.select, value, name),
            "limit" => match value.parse::<u32>() {
                Ok(limit) if limit <= self.limits.max => rows.limit = limit,
                _ => {
                    let message = format!("`{name}` is a whole number from 0 to {}", self.limits.max);
                    self.note(name, "invalid_limit", message);
                }
            },
            "offset" => match value.parse::<i32>() {
                Ok(offset) if offset >= 0 => rows.offset = offset.cast_unsigned(),
                _ => {
                    let message = format!("`{name}` is a whole number from 0 to {}", i32::MAX);
                    self.note(name, "invalid_offset", message);
                }
            },
            "cursor" if is_top => rows.cursor = Some(value.to_owned()),
            "cursor" => {
                let message = "embedded rows have no cursors: ask for them as a list of their own";
                self.note(name, "unsupported_parameter", message);
            }
            "search" => {
                if let Some(words) = self.search(entity, value, name) {
                    rows.filters.push(Filter::Search(words.clone()));
                    rows.best_first = Some(words);
                }
            }
            "and" | "or" | "not.and" | "not.or" => {
                let select = &rows.select;
                let related = |name: &str| related(select, name);
                rows.filters.extend(self.tree(entity, last, value, name, &related));
            }
            METAS if is_top => {
                let shown = self.shown_metas(entity, value, name);
                let mut keys = Vec::new();
                collect_keys(&rows.select, &mut keys);
                if shown.is_some() && keys.contains(&METAS) {
                    self.note("select", "repeated_key", format!("the key `{METAS}` is selected twice"));
                }
                rows.select.extend(shown);
            }
            METAS => {
                let message = "embedded rows show no metadata: ask for them as a list of their own";
                self.note(name, "unsupported_parameter", message);
            }
            later if super::LATER_PARAMETERS.contains(&later) => {
                self.note(
                    name,
                    "unsupported_parameter",
                    format!("`{name}` is not supported by this version"),
                );
            }
            field => {
                if let Some(is_there) = filter::there(value)
                    && let Some(some) = related(&rows.select, field)
                {
                    rows.filters.push(filter::negated(some, !is_there));
                    return;
                }
                rows.filters.extend(self.condition(entity, field, value, name));
            }
        }
    }

    /// What follows from the parts together.
    fn complete(&mut self, entity: &'e Entity, rows: &mut ListQuery<'e>, path: &str) {
        let inner = |item: &Selected<'e>| {
            let embed = item.embed().filter(|embed| embed.join == Join::Inner)?;
            Some(some_of(embed))
        };
        rows.filters.extend(rows.select.iter().filter_map(inner));
        if !rows.order.is_empty() {
            // Who says an order wants that one.
            rows.best_first = None;
        }
        if !rows.is_grouped() {
            make_total(entity, &mut rows.order);
            return;
        }
        rows.best_first = None;
        if rows.select.iter().any(|item| matches!(item.item, Item::Metas(_))) {
            let message = "grouped rows stand for several rows, and have no metadata of their own";
            self.note(METAS, "unsupported_parameter", message);
        }
        let values = |item: &Selected<'e>| match &item.item {
            Item::Value(operand, _) => Some(operand.clone()),
            _ => None,
        };
        let groups: Vec<_> = rows.select.iter().filter_map(values).collect();
        let is_group = |key: &order::Order<'e>| {
            key.of.is_none() && key.meta.is_none() && groups.contains(&key.operand())
        };
        if let Some(other) = rows.order.iter().find(|key| !is_group(key)) {
            let name = match &other.meta {
                Some(key) => format!("{METAS}.{key}"),
                None => other.operand().shown(),
            };
            let message =
                format!("`{name}` is not selected: grouped rows are ordered by the fields that group them");
            let parameter = if path.is_empty() { "order".to_owned() } else { format!("{path}.order") };
            self.note(&parameter, "invalid_order", message);
        }
        for group in groups {
            if !rows.order.iter().any(|key| key.operand() == group) {
                rows.order
                    .push(order::Order { path: group.path.clone(), ..order::Order::by(group.column, false) });
            }
        }
    }

    fn search(&mut self, entity: &Entity, text: &str, parameter: &str) -> Option<Bind> {
        let searchable = |field: &&crate::Field| field.searchable;
        if entity.columns().find(searchable).is_none() {
            let message = format!("no field of {} is searchable", entity.name);
            self.note(parameter, "not_searchable", message);
            return None;
        }
        match words::typed(text) {
            Ok(words) => Some(Bind::text(words)),
            Err(message) => {
                self.note(parameter, "invalid_search", format!("`{parameter}` {message}"));
                None
            }
        }
    }

    fn refuse_repeated(&mut self, parameters: &[Parameter<'_>]) {
        for (at, parameter) in parameters.iter().enumerate() {
            let is_single =
                ["select", "order", "limit", "offset", "cursor", "search", METAS].contains(&parameter.last);
            if is_single && parameters[..at].iter().any(|before| before.name == parameter.name) {
                let name = parameter.name;
                self.note(name, "repeated_parameter", format!("`{name}` stands here twice"));
            }
        }
    }

    /// Refuses what speaks of rows that are not embedded.
    fn refuse_lost(&mut self, select: &[Selected<'e>], parameters: &[Parameter<'_>]) {
        for parameter in parameters.iter().filter(|parameter| !parameter.path.is_empty()) {
            let mut here = select;
            for name in parameter.path.split('.') {
                match here.iter().filter(|item| item.is_called(name)).find_map(Selected::embed) {
                    Some(embed) => here = &embed.rows.select,
                    None => {
                        self.not_embedded_here(here, name, parameter.name);
                        break;
                    }
                }
            }
        }
    }

    fn refuse_pages(&mut self, path: &str, parameters: &[Parameter<'_>]) {
        for parameter in parameters.iter().filter(|parameter| parameter.path == path) {
            if ["order", "limit", "offset"].contains(&parameter.last) {
                let message = format!("`{path}` leads to one row, which has no `{}`", parameter.last);
                self.note(parameter.name, "unsupported_parameter", message);
            }
        }
    }

    pub(super) fn not_embedded(&mut self, name: &str, parameter: &str) {
        self.not_embedded_here(&[], name, parameter);
    }

    fn not_embedded_here(&mut self, select: &[Selected<'_>], name: &str, parameter: &str) {
        // Who mistyped the relation in `select` was told so there.
        if self.errors.iter().any(|error| error.field == "select") {
            return;
        }
        let names: Vec<&str> =
            select.iter().filter(|item| item.embed().is_some()).map(|item| item.key.as_str()).collect();
        let message = match nearest(name, &names) {
            Some(near) => format!("`{name}` is not embedded; did you mean `{near}`?"),
            None => format!("`{name}` is not embedded: `select=*,{name}(*)` does that"),
        };
        self.note(parameter, "unknown_relation", message);
    }

    /// The mistakes, in the order of the request.
    pub(super) fn finish<T>(self, value: T, parameters: &[(&str, &str)]) -> Result<T, Vec<InputError>> {
        let mut errors = self.errors;
        let place = |error: &InputError| parameters.iter().position(|(name, _)| *name == error.field);
        errors.sort_by_key(|error| place(error).unwrap_or(usize::MAX));
        if errors.is_empty() { Ok(value) } else { Err(errors) }
    }
}

/// That there are rows of what is embedded as `name`, as far as conditions on it let them through.
fn related<'e>(select: &[Selected<'e>], name: &str) -> Option<Filter<'e>> {
    select.iter().filter(|item| item.is_called(name)).find_map(Selected::embed).map(some_of)
}

fn some_of<'e>(embed: &Embed<'e>) -> Filter<'e> {
    Filter::Related(embed.to, embed.rows.filters.clone())
}
