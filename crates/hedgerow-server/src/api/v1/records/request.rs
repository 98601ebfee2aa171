//! A write as it was asked, alone or in a batch: what it is about, done by one operation of the library, answered.

use axum::http::{HeaderMap, Method, header};
use hedgerow::records::{self, Conflict, Expected, OneRow, UniqueKey, Upserted, Writes};
use hedgerow::schema::write::{self, Body, BodyRules, RowInput, WriteKind};
use hedgerow::schema::{Action, Entity, InputError, Limits, Schema, Selected, WriteQuery};
use hedgerow::{Error, database};

use super::reply::{Answer, Reply, Shown};
use crate::accept::{self, Media};
use crate::api::v1::prefer::{self, Preferences, Resolution, Return};
use crate::respond::Failure;

/// What a write is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The rows of an entity.
    Rows,
    /// The row with this id.
    Row(String),
    /// A row of the trash, to be taken out of it.
    Restore(String),
    /// A row of the trash.
    Trash(String),
}

/// Where the answer is wanted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the request's kind says: an object for one row, an array for several.
    Usual,
    /// `application/vnd.pgrst.object+json`: the object of the only row.
    Object,
}

/// A write.
#[derive(Clone)]
pub(crate) struct Request<'r> {
    pub(crate) schema: &'r Schema,
    pub(crate) limits: Limits,
    pub(crate) entity: &'r Entity,
    pub(crate) method: Method,
    pub(crate) target: Target,
    /// Decoded, in the order of the query string.
    pub(crate) parameters: Vec<(&'r str, &'r str)>,
    /// Where the entity's rows are.
    pub(crate) path: String,
    pub(crate) prefer: Preferences,
    pub(crate) form: Form,
    pub(crate) expected: Expected,
    pub(crate) body: &'r [u8],
    /// Stands before the names of what is wrong; empty for a request by itself.
    pub(crate) place: String,
}

/// Whether the answer is wanted as one object.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, Failure> {
    Ok(match accept::choose(headers, accept::WRITTEN)? {
        Media::Object => Form::Object,
        _ => Form::Usual,
    })
}

/// What `If-Match` asks for. A request about many rows has no version, and what is not understood is not left out.
pub(crate) fn expected(headers: &HeaderMap, target: &Target) -> Result<Expected, Failure> {
    if headers.contains_key(header::IF_NONE_MATCH) {
        return Err(Failure::UnsupportedHeader("If-None-Match".to_owned()));
    }
    let mut given = headers.get_all(header::IF_MATCH).iter();
    let Some(first) = given.next() else { return Ok(Expected::Any) };
    if !matches!(target, Target::Row(_)) {
        return Err(Failure::UnsupportedHeader("If-Match".to_owned()));
    }
    let texts: Vec<&str> =
        std::iter::once(first).chain(given).map(|value| value.to_str().unwrap_or_default()).collect();
    Ok(Expected::read(&texts.join(",")))
}

impl Target {
    /// The route behind the entity, without ids.
    pub(crate) fn route(&self) -> &'static str {
        match self {
            Self::Rows => "",
            Self::Row(_) => "/{id}",
            Self::Restore(_) => "/{id}/restore",
            Self::Trash(_) => "/trash/{id}",
        }
    }
}

impl<'r> Request<'r> {
    /// A failure of it, which says in a batch which operation it was.
    pub(crate) fn failed(&self, failure: Failure) -> Failure {
        match failure {
            failure if self.place.is_empty() => failure,
            // Not for what was asked: it is done again, or told as it is.
            failure if failure.status().is_server_error() => failure,
            // They name it already.
            Failure::Operation(Error::Input(errors))
                if errors.iter().any(|error| error.field.starts_with(&self.place)) =>
            {
                Failure::Operation(Error::Input(errors))
            }
            failure => Failure::InBatch(self.place.clone(), Box::new(failure)),
        }
    }
}

impl Request<'_> {
    /// What the credential must allow.
    pub(crate) fn action(&self) -> Action {
        if self.method == Method::DELETE { Action::Delete } else { Action::Write }
    }

    /// Whether something is decided between the statements, so that they need a transaction that stays open.
    pub(crate) fn decides(&self) -> bool {
        self.prefer.rollback
            || self.prefer.max_affected.is_some()
            || self.prefer.resolution.is_some()
            || (self.target == Target::Rows && (self.form == Form::Object || self.is_of_several()))
    }

    /// The status of its answer, where it is one statement and that meets a row.
    pub(crate) fn success(&self) -> u16 {
        let returning = self.prefer.returning;
        match self.target {
            Target::Rows if self.method == Method::POST => 201,
            Target::Trash(_) => 204,
            Target::Row(_)
                if self.method == Method::DELETE && returning.is_none() && self.form == Form::Usual =>
            {
                204
            }
            _ if matches!(returning, Some(Return::Minimal | Return::HeadersOnly)) => 204,
            _ => 200,
        }
    }

    /// Whether the body changes several rows, each in its own way.
    fn is_of_several(&self) -> bool {
        self.method == Method::PATCH && self.body.trim_ascii_start().starts_with(b"[")
    }

    /// Does it.
    pub(crate) async fn perform(&self, writes: &mut Writes<'_>) -> Result<Answer, Failure> {
        self.insist_on_preferences()?;
        let (post, patch) = (self.method == Method::POST, self.method == Method::PATCH);
        match &self.target {
            Target::Rows if post && self.prefer.resolution.is_some() => self.upsert(writes).await,
            Target::Rows if post => self.create(writes).await,
            Target::Rows if self.is_of_several() => self.update_each(writes).await,
            Target::Rows if patch => self.update_many(writes).await,
            Target::Rows if self.method == Method::DELETE => self.delete_many(writes).await,
            Target::Row(id) if patch => self.change(writes, id, WriteKind::Update).await,
            Target::Row(id) if self.method == Method::PUT => {
                self.change(writes, id, WriteKind::Replace { id }).await
            }
            Target::Row(id) if self.method == Method::DELETE => {
                let select = self.select(&[])?;
                let expected = self.expected.clone();
                let row = records::delete_one(writes, self.entity, id, &select, expected).await?;
                match self.prefer.returning {
                    // Nothing to show is what is usual here.
                    None if self.form == Form::Usual => Ok(self.reply(200).of_nothing()),
                    _ => self.reply(200).of_one(row, Shown::Object),
                }
            }
            Target::Restore(id) if post => {
                let select = self.select(&[])?;
                let row = records::restore(writes, self.entity, id, &select).await?;
                self.reply(200).of_one(row, Shown::Object)
            }
            Target::Trash(id) if self.method == Method::DELETE => {
                self.select(&[])?;
                records::purge(writes, self.entity, id).await?;
                Ok(self.reply(200).of_nothing())
            }
            _ => Err(Failure::NoSuchMethod),
        }
    }

    /// With `handling=strict`, a preference that means nothing for this request is a mistake.
    fn insist_on_preferences(&self) -> Result<(), Failure> {
        let creates = self.method == Method::POST && self.target == Target::Rows;
        let (resolution, missing) = (self.prefer.resolution.is_some(), self.prefer.missing.is_some());
        for (name, given) in [("resolution", resolution), ("missing", missing)] {
            if given && !creates && self.prefer.strict {
                let message = format!("the preference `{name}` is for new rows");
                return Err(Error::input("Prefer", "invalid_preference", message).into());
            }
        }
        Ok(())
    }

    fn reply(&self, status: u16) -> Reply<'_> {
        Reply::new(status, &self.prefer, self.form)
    }

    async fn create(&self, writes: &mut Writes<'_>) -> Result<Answer, Failure> {
        let (body, select) = self.read_new(WriteKind::Create, Some(self.schema))?;
        let rows = records::create(writes, self.entity, &body, &select).await?;
        self.created(201, &body, rows)
    }

    async fn upsert(&self, writes: &mut Writes<'_>) -> Result<Answer, Failure> {
        let conflict = match self.prefer.resolution {
            Some(Resolution::IgnoreDuplicates) => Conflict::Ignore,
            _ => Conflict::Merge,
        };
        let key = self.key()?;
        let kind = if key.is_some() { WriteKind::Create } else { WriteKind::Upsert };
        let (body, select) = self.read_new(kind, None)?;
        let done = records::upsert(writes, self.entity, &body, key.as_ref(), conflict, &select).await?;
        let Upserted { rows, created } = done;
        self.created(if created > 0 { 201 } else { 200 }, &body, rows)
    }

    /// The answer to a POST.
    fn created(&self, status: u16, body: &Body<'_>, rows: database::JsonRows) -> Result<Answer, Failure> {
        let Body::One(_) = body else { return self.reply(status).of_rows(rows) };
        if rows.count == 0 && self.form == Form::Usual {
            // It was there, and was to be left alone.
            let array = self.prefer.returning == Some(Return::Representation);
            return if array {
                self.reply(status).of_rows(rows)
            } else {
                Ok(self.reply(status).of_nothing())
            };
        }
        let shown = match self.prefer.returning {
            Some(Return::Representation) => Shown::Array,
            _ => Shown::Object,
        };
        if rows.count == 0 {
            return Err(Failure::NotOneRow(0));
        }
        let row = OneRow::first(rows)?;
        let location = format!("{}/{}", self.path, row.id);
        self.reply(status).with_location(&location).of_one(row, shown)
    }

    /// The key by which rows that are there are met; none where it is `id`.
    fn key(&self) -> Result<Option<UniqueKey<'_>>, Failure> {
        let Some(text) = self.parameter("on_conflict") else { return Ok(None) };
        let names: Vec<&str> = text.split(',').map(|name| name.trim().trim_matches('"')).collect();
        if names == ["id"] {
            return Ok(None);
        }
        UniqueKey::find(self.entity, &names).map(Some).ok_or_else(|| {
            let message = format!(
                "`on_conflict` is `id`, or the fields of a rule of uniqueness of all rows of {}",
                self.entity.name
            );
            self.invalid(Part::Path, vec![InputError::new("on_conflict", "invalid_on_conflict", message)])
        })
    }

    async fn update_each(&self, writes: &mut Writes<'_>) -> Result<Answer, Failure> {
        let rules = self.rules(WriteKind::UpdateEach);
        let (body, select) =
            self.together(write::read_body(self.entity, &rules, self.body), self.select(&[]))?;
        let Body::Many(rows) = body else { return Err(self.not_an_object()) };
        self.reply(200).of_rows(records::update_each(writes, self.entity, &rows, &select).await?)
    }

    async fn update_many(&self, writes: &mut Writes<'_>) -> Result<Answer, Failure> {
        let body = write::read_body(self.entity, &self.rules(WriteKind::Update), self.body);
        let (body, query) = self.together(body, self.query())?;
        let row = self.one(body)?;
        let rows = records::update_many(writes, self.entity, &query.filters, &row, &query.select).await?;
        self.reply(200).of_rows(rows)
    }

    async fn delete_many(&self, writes: &mut Writes<'_>) -> Result<Answer, Failure> {
        let query = self.query()?;
        self.reply(200)
            .of_rows(records::delete_many(writes, self.entity, &query.filters, &query.select).await?)
    }

    async fn change(
        &self,
        writes: &mut Writes<'_>,
        id: &str,
        kind: WriteKind<'_>,
    ) -> Result<Answer, Failure> {
        let body = write::read_body(self.entity, &self.rules(kind), self.body);
        let (body, select) = self.together(body, self.select(&[]))?;
        let row = self.one(body)?;
        let expected = self.expected.clone();
        let row = records::update_one(writes, self.entity, id, &row, &select, expected).await?;
        self.reply(200).of_one(row, Shown::Object)
    }

    /// The body of a POST with the parameters that speak of it, and the columns that come back.
    fn read_new<'s>(
        &'s self,
        kind: WriteKind<'s>,
        children: Option<&'s Schema>,
    ) -> Result<(Body<'s>, Vec<Selected<'s>>), Failure> {
        let on_conflict = self.prefer.resolution.map(|_| "on_conflict");
        let own: Vec<&str> = std::iter::once("columns").chain(on_conflict).collect();
        let select = self.select(&own);
        let columns =
            self.parameter("columns").map(|text| write::read_columns(self.entity, text)).transpose();
        let columns = columns.map_err(|errors| self.invalid(Part::Path, errors))?;
        let missing = match self.prefer.missing {
            Some(prefer::Missing::Null) => write::Missing::Null,
            Some(prefer::Missing::Default) | None => write::Missing::Default,
        };
        let rules = BodyRules { columns, missing, children, ..self.rules(kind) };
        self.together(write::read_body(self.entity, &rules, self.body), select)
    }

    /// How a body is read that says nothing else.
    fn rules<'s>(&self, kind: WriteKind<'s>) -> BodyRules<'s, 's> {
        BodyRules { metas: self.limits.metas, ..kind.into() }
    }

    fn parameter(&self, wanted: &str) -> Option<&str> {
        self.parameters.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value)
    }

    /// The columns that come back, where filters have no meaning; `own` are parameters that are read elsewhere.
    fn select(&self, own: &[&str]) -> Result<Vec<Selected<'_>>, Failure> {
        let mut seen = Vec::new();
        let mut rest = Vec::new();
        for (name, value) in &self.parameters {
            if !own.contains(name) {
                rest.push((*name, *value));
            } else if seen.contains(name) {
                let message = format!("`{name}` stands here twice");
                return Err(
                    self.invalid(Part::Path, vec![InputError::new(*name, "repeated_parameter", message)])
                );
            } else {
                seen.push(name);
            }
        }
        WriteQuery::parse_select(self.schema, self.entity, &rest, self.limits)
            .map_err(|errors| self.invalid(Part::Path, errors))
    }

    fn query(&self) -> Result<WriteQuery<'_>, Failure> {
        WriteQuery::parse(self.schema, self.entity, &self.parameters, self.limits)
            .map_err(|errors| self.invalid(Part::Path, errors))
    }

    /// A body that changes rows is one object; reading it as one was already insisted on.
    fn one<'b>(&self, body: Body<'b>) -> Result<RowInput<'b>, Failure> {
        match body {
            Body::One(row) => Ok(row),
            Body::Many(_) => Err(self.not_an_object()),
        }
    }

    fn not_an_object(&self) -> Failure {
        self.invalid(
            Part::Body,
            vec![InputError::new("", "invalid_body", "the body is an object".to_owned())],
        )
    }

    /// Both, or the mistakes of both.
    fn together<A, B>(
        &self,
        body: Result<A, Vec<InputError>>,
        query: Result<B, Failure>,
    ) -> Result<(A, B), Failure> {
        match (body.map_err(|errors| self.placed(Part::Body, errors)), query) {
            (Ok(body), Ok(query)) => Ok((body, query)),
            (Err(mut errors), Err(Failure::Operation(Error::Input(more)))) => {
                errors.extend(more);
                Err(Error::Input(errors).into())
            }
            (_, Err(failure)) => Err(failure),
            (Err(errors), Ok(_)) => Err(Error::Input(errors).into()),
        }
    }

    fn invalid(&self, part: Part, errors: Vec<InputError>) -> Failure {
        Error::Input(self.placed(part, errors)).into()
    }

    /// In a batch, what is wrong is named with its operation.
    fn placed(&self, part: Part, mut errors: Vec<InputError>) -> Vec<InputError> {
        if self.place.is_empty() {
            return errors;
        }
        let part = match part {
            Part::Body => "body",
            Part::Path => "path",
        };
        for error in &mut errors {
            let dot = if error.field.is_empty() || error.field.starts_with('[') { "" } else { "." };
            error.field = format!("{}.{part}{dot}{}", self.place, error.field);
        }
        errors
    }
}

/// Where in a request something is wrong.
#[derive(Clone, Copy)]
enum Part {
    Body,
    Path,
}
