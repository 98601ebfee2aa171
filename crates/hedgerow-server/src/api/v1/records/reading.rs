//! `GET`: lists, single rows and the trash.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hedgerow::database::JsonRows;
use hedgerow::records;
use hedgerow::schema::ListQuery;
use url::form_urlencoded;

use super::asked::{Asked, EntityPath, RowPath};
use super::{invalid, json};
use crate::respond::Failure;
use crate::service::Service;

/// `GET /api/v1/{entity}`
pub(crate) async fn list(
    State(service): State<Service>,
    path: EntityPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_rows(&service, path, request).await?;
    let entity = asked.entity()?;
    let query =
        ListQuery::parse(&asked.schema, entity, &asked.parameters(), asked.limits).map_err(invalid)?;
    let rows = records::list(&asked.ctx, &service.app, entity, &query).await?;
    Ok(page(&asked, &query, rows))
}

/// One page of a list.
fn page(asked: &Asked, query: &ListQuery<'_>, rows: JsonRows) -> Response {
    let range = content_range(query.offset, rows.count);
    let links = links(&asked.path, &asked.parameters, query.offset, query.limit, rows.has_more);
    let mut response = json(StatusCode::OK, rows.into_array());
    response.headers_mut().insert(header::CONTENT_RANGE, range);
    response.headers_mut().extend(links.map(|links| (header::LINK, links)));
    response
}

/// `GET /api/v1/{entity}/trash`
pub(crate) async fn trash(
    State(service): State<Service>,
    path: EntityPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_rows(&service, path, request).await?;
    let entity = asked.entity()?;
    let query =
        ListQuery::parse(&asked.schema, entity, &asked.parameters(), asked.limits).map_err(invalid)?;
    let rows = records::trash(&asked.ctx, &service.app, entity, &query).await?;
    Ok(page(&asked, &query, rows))
}
/// `GET /api/v1/{entity}/{id}`
pub(crate) async fn get(
    State(service): State<Service>,
    path: RowPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_row(&service, path, request).await?;
    let select = asked.select()?;
    let row = records::get(&asked.ctx, &service.app, asked.entity()?, &asked.id, &select).await?;
    let tag = row.tag();
    let mut response = match &tag {
        Some(tag) if knows(&asked.headers, tag) => StatusCode::NOT_MODIFIED.into_response(),
        _ => json(StatusCode::OK, row.object),
    };
    let tag = tag.and_then(|tag| HeaderValue::from_str(&tag).ok());
    response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
    Ok(response)
}

/// Whether the client has the answer with this tag already (RFC 9110, section 13.1.2: a weak comparison).
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// `0-24/*`: the rows of this answer, of an unknown number (RFC 9110, section 14.4).
pub(crate) fn content_range(offset: u32, count: usize) -> HeaderValue {
    let text = match count {
        0 => "*/*".to_owned(),
        count => format!("{offset}-{}/*", offset as usize + count - 1),
    };
    HeaderValue::from_str(&text).expect("digits, a dash and a slash")
}

/// The pages around this one (RFC 8288).
pub(crate) fn links(
    path: &str,
    parameters: &[(String, String)],
    offset: u32,
    limit: u32,
    has_more: bool,
) -> Option<HeaderValue> {
    let page = |offset: u32, rel: &str| {
        let mut encoder = form_urlencoded::Serializer::new(String::new());
        encoder.extend_pairs(parameters.iter().filter(|(name, _)| name != "offset"));
        if offset > 0 {
            encoder.append_pair("offset", &offset.to_string());
        }
        let query = encoder.finish();
        format!("<{path}{}{query}>; rel=\"{rel}\"", if query.is_empty() { "" } else { "?" })
    };
    let mut links = Vec::new();
    if offset > 0 {
        links.push(page(0, "first"));
        links.push(page(offset.saturating_sub(limit), "prev"));
    }
    if has_more && limit > 0 {
        links.push(page(offset.saturating_add(limit), "next"));
    }
    (!links.is_empty()).then(|| HeaderValue::from_str(&links.join(", ")).ok()).flatten()
}
