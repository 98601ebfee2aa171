//! Which rows a statement is about: WHERE and AND in the right places.

use super::operand::{parameter, tested, value};
use super::place::Place;
use super::row_metas::{self, Wanted};
use super::{Asker, Expected, VERSION, related};
use crate::policy::LIVES;
use crate::query::{
    Comparison, Filter, IsValue, Operand, Quantifier, SetComparison, Test, TextConfig, WordsForm,
};
use crate::{Bind, Column, Entity, Field, Identifier, Sql, SqlType, Standard, StoredType, ddl};

/// WHERE and AND in the right places.
pub(super) struct Conditions {
    any: bool,
}

impl Conditions {
    pub(super) fn new() -> Self {
        Self { any: false }
    }

    /// Behind a condition that was written already.
    pub(super) fn begun() -> Self {
        Self { any: true }
    }

    pub(super) fn next(&mut self, sql: &mut Sql) {
        sql.push(if self.any { " AND " } else { " WHERE " });
        self.any = true;
    }

    pub(super) fn id(&mut self, sql: &mut Sql, id: &str) {
        self.next(sql);
        sql.push("id = ").bind(Bind::text(id));
    }

    pub(super) fn owner(&mut self, sql: &mut Sql, asker: Asker<'_>) {
        self.next(sql);
        match asker {
            Asker::User(id) => {
                sql.name(&Identifier::joined(&[Standard::UserId.name()])).push(" = ").bind(Bind::text(id))
            }
            // Nobody owns nothing; said here so that the statement is right even without a policy.
            Asker::Anonymous => sql.push("false"),
        };
    }

    /// The rows that a subquery may read.
    pub(super) fn readable(&mut self, sql: &mut Sql, place: Place<'_>) {
        if place.entity.access.read_names_owner() {
            self.next(sql);
            place.name(sql);
            place.owner(sql);
        }
        if place.entity.soft_delete {
            self.next(sql);
            place.name(sql);
            sql.push(".").push(LIVES);
        }
    }

    /// The rows that a statement may change: the asker's own, where not all are.
    pub(super) fn writable(&mut self, sql: &mut Sql, entity: &Entity, asker: Asker<'_>) {
        if entity.access.write_names_owner() {
            self.owner(sql, asker);
        }
        self.alive(sql, entity);
    }

    pub(super) fn in_trash(&mut self, sql: &mut Sql, entity: &Entity, id: &str, asker: Asker<'_>) {
        self.id(sql, id);
        if entity.access.write_names_owner() {
            self.owner(sql, asker);
        }
        self.deleted(sql);
    }

    /// The row as it was when its version was one of these.
    pub(super) fn version(&mut self, sql: &mut Sql, expected: Expected<'_>) {
        let Expected::Versions(versions) = expected else { return };
        let numbers: Vec<String> = versions.iter().map(i64::to_string).collect();
        self.next(sql);
        sql.push(VERSION).push(" = ANY (");
        sql.bind(Bind::array(SqlType::Int8, numbers.iter().map(|number| Some(number.as_str())))).push(")");
    }

    /// Not in the trash; said beside the policy, so that an index over such rows can serve.
    pub(super) fn alive(&mut self, sql: &mut Sql, entity: &Entity) {
        if entity.soft_delete {
            self.next(sql);
            sql.push(LIVES);
        }
    }

    pub(super) fn deleted(&mut self, sql: &mut Sql) {
        self.next(sql);
        sql.push("\"deletedAt\" IS NOT NULL");
    }

    pub(super) fn filters(&mut self, sql: &mut Sql, place: Place<'_>, filters: &[Filter<'_>]) {
        for filter in filters {
            self.next(sql);
            write(sql, place, filter);
        }
    }
}

fn write(sql: &mut Sql, place: Place<'_>, filter: &Filter<'_>) {
    match filter {
        Filter::Test(operand, test) => test_of(sql, place, operand, test),
        Filter::Search(words) => {
            search_column(sql, place);
            sql.push(" @@ ");
            search_query(sql, words);
        }
        Filter::Related(to, filters) => related::exists(sql, place, *to, filters),
        Filter::Meta(key, test) => row_metas::condition(sql, place, key, test, Wanted::True),
        Filter::Not(filter) => write_false(sql, place, filter),
        Filter::All(filters) => several(sql, place, " AND ", filters, write),
        Filter::Any(filters) => several(sql, place, " OR ", filters, write),
    }
}

/// That a condition is false, which is more than that it is not true. NOT goes down to where NULL is met: a condition on
/// metadata is a subquery, and that is never NULL.
fn write_false(sql: &mut Sql, place: Place<'_>, filter: &Filter<'_>) {
    match filter {
        Filter::Meta(key, test) => row_metas::condition(sql, place, key, test, Wanted::False),
        Filter::Not(filter) => write(sql, place, filter),
        Filter::All(filters) => several(sql, place, " OR ", filters, write_false),
        Filter::Any(filters) => several(sql, place, " AND ", filters, write_false),
        Filter::Test(..) | Filter::Search(_) | Filter::Related(..) => {
            sql.push("NOT (");
            write(sql, place, filter);
            sql.push(")");
        }
    }
}

fn several(
    sql: &mut Sql,
    place: Place<'_>,
    separator: &'static str,
    filters: &[Filter<'_>],
    write: fn(&mut Sql, Place<'_>, &Filter<'_>),
) {
    sql.push("(");
    sql.join(separator, filters, |sql, filter| write(sql, place, filter));
    sql.push(")");
}

/// The column that has the words of the searchable fields.
pub(super) fn search_column(sql: &mut Sql, place: Place<'_>) {
    place.name(sql);
    sql.push(".search");
}

/// The words that are searched for; the configuration is the column's.
pub(super) fn search_query(sql: &mut Sql, words: &Bind) {
    sql.push("to_tsquery('simple'::regconfig, ").bind(words.clone()).push(")");
}

fn test_of(sql: &mut Sql, place: Place<'_>, operand: &Operand<'_>, test: &Test) {
    match test {
        Test::Compare(comparison, bind) => {
            compared(sql, place, operand, *comparison);
            compared_with(sql, operand, *comparison, bind);
        }
        Test::CompareEach(comparison, quantifier, bind) => {
            compared(sql, place, operand, *comparison);
            sql.push(match quantifier {
                Quantifier::Any => "ANY (",
                Quantifier::All => "ALL (",
            });
            compared_with(sql, operand, *comparison, bind);
            sql.push(")");
        }
        Test::In(bind) => {
            compared(sql, place, operand, Comparison::Eq);
            sql.push("ANY (");
            compared_with(sql, operand, Comparison::Eq, bind);
            sql.push(")");
        }
        Test::Is(value) => {
            tested(sql, place, operand);
            sql.push(value.words());
        }
        Test::Set(comparison, bind) => match operand.column {
            Column::Field(field) if operand.is_links() => links(sql, place, field, *comparison, bind),
            _ => {
                document(sql, place, operand);
                sql.push(comparison.operator()).bind(bind.clone());
            }
        },
        Test::Words(form, config, bind) => words(sql, place, operand, *form, *config, bind),
    }
}

/// The left side and the operator.
fn compared(sql: &mut Sql, place: Place<'_>, operand: &Operand<'_>, comparison: Comparison) {
    document(sql, place, operand);
    sql.push(if comparison.is_about_text() { like_cast(operand) } else { "" });
    sql.push(comparison.operator());
}

/// The right side: of the column's type, or a pattern.
fn compared_with(sql: &mut Sql, operand: &Operand<'_>, comparison: Comparison, bind: &Bind) {
    let is_stored_otherwise = !comparison.is_about_text()
        && operand.path.is_none()
        && operand.column.stored() != Some(StoredType::Json);
    if is_stored_otherwise {
        parameter(sql, operand.column, bind);
    } else {
        sql.bind(bind.clone());
    }
}

/// What is tested; a document of the type that cannot be compared as the one that can.
fn document(sql: &mut Sql, place: Place<'_>, operand: &Operand<'_>) {
    if operand.path.is_none() && operand.column.stored() == Some(StoredType::Json) {
        value(sql, place, operand);
    } else {
        tested(sql, place, operand);
    }
}

/// Only texts are like other texts, and these are not.
fn like_cast(operand: &Operand<'_>) -> &'static str {
    let is_uuid = operand.path.is_none() && operand.column.stored() == Some(StoredType::Uuid);
    if is_uuid { "::text" } else { "" }
}

fn words(
    sql: &mut Sql,
    place: Place<'_>,
    operand: &Operand<'_>,
    form: WordsForm,
    config: TextConfig,
    bind: &Bind,
) {
    let language = |sql: &mut Sql| {
        sql.literal(config.name()).push("::regconfig, ");
    };
    sql.push("to_tsvector(");
    language(sql);
    tested(sql, place, operand);
    sql.push(") @@ ");
    sql.push(match form {
        WordsForm::Query => "to_tsquery(",
        WordsForm::Plain => "plainto_tsquery(",
        WordsForm::Phrase => "phraseto_tsquery(",
        WordsForm::Web => "websearch_to_tsquery(",
    });
    language(sql);
    sql.bind(bind.clone()).push(")");
}

/// The links of a row against ids.
fn links(sql: &mut Sql, place: Place<'_>, field: &Field, comparison: SetComparison, ids: &Bind) {
    let inside = place.inside(place.entity);
    let exists = |sql: &mut Sql, start: &'static str| {
        sql.push(start).push("EXISTS (SELECT FROM public.").name(&ddl::link_table(place.entity, field));
        sql.push(" AS ");
        inside.links_name(sql);
        sql.push(" WHERE ");
        inside.links_name(sql);
        sql.push(".\"sourceId\" = ");
        place.name(sql);
        sql.push(".id");
        if place.entity.access.read_names_owner() {
            sql.push(" AND ");
            inside.links_name(sql);
            place.owner(sql);
        }
        sql.push(" AND ");
    };
    let target = |sql: &mut Sql, end: &'static str| {
        inside.links_name(sql);
        sql.push(".\"targetId\"").push(end);
    };
    match comparison {
        SetComparison::Overlaps => {
            exists(sql, "");
            target(sql, " = ANY (");
            sql.bind(ids.clone()).push("))");
        }
        SetComparison::Contained => {
            exists(sql, "NOT ");
            target(sql, " <> ALL (");
            sql.bind(ids.clone()).push("))");
        }
        SetComparison::Contains => {
            // For each id that there is a link to it: one that is missing makes it false.
            sql.push("NOT EXISTS (SELECT FROM unnest(").bind(ids.clone()).push(") AS ");
            inside.ids_name(sql);
            sql.push(" (id) WHERE ");
            exists(sql, "NOT ");
            target(sql, " = ");
            inside.ids_name(sql);
            sql.push(".id))");
        }
    }
}

impl Comparison {
    pub(super) fn operator(self) -> &'static str {
        match self {
            Self::Eq => " = ",
            Self::Neq => " <> ",
            Self::Gt => " > ",
            Self::Gte => " >= ",
            Self::Lt => " < ",
            Self::Lte => " <= ",
            Self::Distinct => " IS DISTINCT FROM ",
            Self::Like => " LIKE ",
            Self::Ilike => " ILIKE ",
            Self::Match => " ~ ",
            Self::Imatch => " ~* ",
        }
    }

    fn is_about_text(self) -> bool {
        matches!(self, Self::Like | Self::Ilike | Self::Match | Self::Imatch)
    }
}

impl SetComparison {
    fn operator(self) -> &'static str {
        match self {
            Self::Contains => " @> ",
            Self::Contained => " <@ ",
            Self::Overlaps => " && ",
        }
    }
}

impl IsValue {
    fn words(self) -> &'static str {
        match self {
            Self::Null => " IS NULL",
            Self::NotNull => " IS NOT NULL",
            Self::True => " IS TRUE",
            Self::False => " IS FALSE",
            Self::Unknown => " IS UNKNOWN",
        }
    }
}
