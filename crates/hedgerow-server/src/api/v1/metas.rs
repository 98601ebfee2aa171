//! `…/metas` and `…/metas/{key}`: the metadata of the user who asks, of other users, of rows, and of all.
//!
//! Always holds: a key in a path is any text, escaped; what another user keeps for themselves is answered like what is not
//! there, whether or not there is such a user.

mod asked;
mod work;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hedgerow::metadata::{MetaService, MetasOf};
use hedgerow::schema::Action;
use hedgerow::schema::meta::MetaInput;
use hedgerow::{Caller, Error};

use asked::{Conditions, NewValue, Wanted};
use work::Deed;
pub(crate) use work::MetaWork;

use super::prefer::Return;
use super::records::asked::Asked;
use super::records::request::form;
use super::records::settle::{Work, repeatable, settle};
use super::records::{invalid, knows};
use crate::accept;
use crate::respond::Failure;
use crate::service::Service;

type Parts = Result<RawPathParams, RawPathParamsRejection>;

/// What a path is about.
struct Place {
    /// The template.
    route: String,
    whose: Whose,
    /// Empty where the path names none.
    key: String,
}

enum Whose {
    Me,
    User(String),
    Row { entity: String, id: String },
    All,
}

impl Place {
    fn read(route: &MatchedPath, parts: Parts) -> Result<Self, Failure> {
        let parts = parts.map_err(|_| Failure::NoSuchPath)?;
        let part = |wanted| parts.iter().find(|(name, _)| *name == wanted).map(|(_, text)| text.to_owned());
        let route = route.as_str().to_owned();
        let whose = match (part("entity"), part("id")) {
            (Some(entity), Some(id)) => Whose::Row { entity, id },
            (_, Some(id)) => Whose::User(id),
            _ if route.starts_with("/api/v1/users/me/") => Whose::Me,
            _ => Whose::All,
        };
        Ok(Self { route, whose, key: part("key").unwrap_or_default() })
    }

    /// Whose metadata that is for whoever asks.
    fn metas_of<'a>(&'a self, asked: &'a Asked) -> Result<MetasOf<'a>, Failure> {
        Ok(match &self.whose {
            Whose::Me => MetasOf::User,
            Whose::User(id) => match asked.ctx.caller() {
                Caller::User(user) if user.id.as_str() == id => MetasOf::User,
                _ => MetasOf::Other(id),
            },
            Whose::Row { entity, id } => {
                let unknown = || Error::UnknownEntity { name: entity.clone() };
                MetasOf::Row(asked.schema.entity(entity).ok_or_else(unknown)?, id)
            }
            Whose::All => MetasOf::Global,
        })
    }
}

/// `GET …/metas`: an object, key to value; `keys` narrows it, `merged=true` shows what whoever asks meets at a
/// row, or anywhere.
pub(crate) async fn list(
    State(service): State<Service>,
    route: MatchedPath,
    parts: Parts,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_metas(&service, request).await?;
    let place = Place::read(&route, parts)?;
    let media = accept::choose(&asked.headers, accept::ROW)?;
    let of = place.metas_of(&asked)?;
    let wanted = Wanted::read(&asked.parameters, of).map_err(invalid)?;
    let metas = MetaService::new(&asked.ctx, &service.app);
    let document = match wanted.merged {
        Some(depth) => {
            let mut merged = match of {
                MetasOf::Row(entity, id) => metas.get_merged_meta(entity, id, depth).await?,
                _ => metas.get_merged_user_meta(depth).await?,
            };
            merged.retain(|key, _| wanted.shows(key));
            work::merged_object(&merged)
        }
        None => {
            let keys = wanted.keys.as_ref().map(|keys| keys.iter().map(String::as_str).collect::<Vec<_>>());
            work::object(&metas.list_metas(of, keys.as_deref()).await?)
        }
    };
    Ok(([(header::CONTENT_TYPE, media.content_type())], document).into_response())
}

/// `GET …/metas/{key}`: one with its type and its flags.
pub(crate) async fn get(
    State(service): State<Service>,
    route: MatchedPath,
    parts: Parts,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_metas(&service, request).await?;
    let place = Place::read(&route, parts)?;
    let media = accept::choose(&asked.headers, accept::ROW)?;
    let of = place.metas_of(&asked)?;
    asked::no_parameters(&asked.parameters).map_err(invalid)?;
    let meta = MetaService::new(&asked.ctx, &service.app).read_one(of, &place.key).await?;
    let tag = meta.tag();
    let mut response = match &tag {
        Some(tag) if knows(&asked.headers, tag) => StatusCode::NOT_MODIFIED.into_response(),
        _ => meta.object.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media.content_type());
    headers.extend(tag.and_then(|tag| HeaderValue::from_str(&tag).ok()).map(|tag| (header::ETAG, tag)));
    Ok(response)
}

/// `PATCH …/metas`, `PUT` and `DELETE …/metas/{key}`.
pub(crate) async fn write(
    State(service): State<Service>,
    route: MatchedPath,
    parts: Parts,
    request: Request,
) -> Result<Response, Failure> {
    let mut asked = Asked::of_metas(&service, request).await?;
    let place = Place::read(&route, parts)?;
    let limits = asked.limits.metas;
    let body = match asked.method {
        Method::DELETE => {
            // There is nothing that it could show, and its body means nothing.
            asked.prefer.returning = asked.prefer.returning.filter(|word| *word != Return::Representation);
            Default::default()
        }
        Method::PUT => asked.body(asked::body_limit(service.options.body_limit, limits)).await?,
        _ => asked.body(service.options.body_limit).await?,
    };
    let of = place.metas_of(&asked)?;
    let metas = MetaService::new(&asked.ctx, &service.app);
    metas.authorize(of, if asked.method == Method::DELETE { Action::Delete } else { Action::Write })?;
    asked::no_parameters(&asked.parameters).map_err(invalid)?;
    asked.prefer.are_not_of_new_rows()?;
    let conditions = Conditions::read(&asked.headers, &asked.method)?;
    let repeatable = repeatable(&asked, format!("{} {}", asked.method, place.route), &body)?;
    let deed = match asked.method {
        Method::DELETE => Deed::Delete(&place.key, &conditions.expected),
        Method::PUT => {
            let NewValue { json, data_type, is_public, is_searchable } =
                NewValue::read(&body).map_err(invalid)?;
            let input = MetaInput { key: &place.key, json, data_type, is_public, is_searchable };
            Deed::Put(input, conditions.only())
        }
        _ => Deed::Change(metas.read_changes(of, asked::object(&body).map_err(invalid)?, "")?),
    };
    let work =
        MetaWork { metas, of, deed, prefer: &asked.prefer, form: form(&asked.headers)?, path: &asked.path };
    let answer = settle(&asked.ctx, &service.app, &Work::Metas(work), repeatable.as_ref()).await?;
    Ok(answer.into_response())
}
