//! `GET` and `HEAD`: lists, single rows and the trash.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hedgerow::database::{Formulas, Nulls, PageFormat, RowFormat, StreamLimits};
use hedgerow::records::{self, Counting, Page, Wanted};
use hedgerow::schema::{InputError, ListQuery};

use super::asked::{Asked, EntityPath, RowPath};
use super::paging::{content_range, links, rows_of_range};
use super::streaming::body_of;
use super::{invalid, json};
use crate::accept::{self, Media};
use crate::api::v1::prefer::{self, CountMode, PREFERENCE_APPLIED};
use crate::respond::Failure;
use crate::service::Service;

/// `GET /api/v1/{entity}`
pub(crate) async fn list(
    State(service): State<Service>,
    path: EntityPath,
    request: Request,
) -> Result<Response, Failure> {
    listed(&service, Asked::of_rows(&service, path, request, accept::WRITTEN).await?).await
}

/// `GET /api/v1/audit-logs`
pub(crate) async fn audit_logs(
    State(service): State<Service>,
    request: Request,
) -> Result<Response, Failure> {
    listed(&service, Asked::of_trail(&service, request).await?).await
}

async fn listed(service: &Service, mut asked: Asked) -> Result<Response, Failure> {
    let media = accept::choose(&asked.headers, accept::LIST)?;
    rows_of_range(&asked.headers, &mut asked.parameters).map_err(mistake)?;
    let entity = asked.entity()?;
    let query = ListQuery::parse(&asked.schema, entity, &asked.parameters(), asked.limits);
    let mut query = query.map_err(|errors| asked.wrong(errors))?;
    if let PageFormat::Rows(format) = page_format(media)
        && !asked.says("limit")
    {
        if asked.method == Method::HEAD {
            // The headers of a stream, without its rows.
            query.limit = 0;
            let _ = records::list(&asked.ctx, &service.app, entity, &query, Wanted::default()).await?;
            return Ok(of_kind(media, axum::body::Body::empty()));
        }
        let limits =
            StreamLimits { stall: service.options.write_timeout, total: service.options.stream_limit };
        let rows = records::stream(&asked.ctx, &service.app, entity, &query, format, limits).await?;
        return Ok(of_kind(media, body_of(rows)));
    }
    let page = records::list(&asked.ctx, &service.app, entity, &query, wanted(&asked, media)).await?;
    answer(&asked, media, &query, page)
}

/// `GET /api/v1/{entity}/trash`
pub(crate) async fn trash(
    State(service): State<Service>,
    path: EntityPath,
    request: Request,
) -> Result<Response, Failure> {
    let mut asked = Asked::of_rows(&service, path, request, accept::WRITTEN).await?;
    let media = accept::choose(&asked.headers, accept::TRASH)?;
    rows_of_range(&asked.headers, &mut asked.parameters).map_err(mistake)?;
    let entity = asked.entity()?;
    let query =
        ListQuery::parse(&asked.schema, entity, &asked.parameters(), asked.limits).map_err(invalid)?;
    let page = records::trash(&asked.ctx, &service.app, entity, &query, wanted(&asked, media)).await?;
    answer(&asked, media, &query, page)
}

/// `GET /api/v1/{entity}/{id}`
pub(crate) async fn get(
    State(service): State<Service>,
    path: RowPath,
    request: Request,
) -> Result<Response, Failure> {
    let asked = Asked::of_row(&service, path, request).await?;
    let media = accept::choose(&asked.headers, accept::ROW)?;
    let select = asked.select()?;
    let row = records::get(&asked.ctx, &service.app, asked.entity()?, &asked.id, &select).await?;
    let tag = row.tag();
    let mut response = match &tag {
        Some(tag) if knows(&asked.headers, tag) => StatusCode::NOT_MODIFIED.into_response(),
        _ => json(StatusCode::OK, row.object),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media.content_type());
    headers.extend(tag.and_then(|tag| HeaderValue::from_str(&tag).ok()).map(|tag| (header::ETAG, tag)));
    Ok(response)
}

/// Whether the client has the answer with this tag already (RFC 9110, section 13.1.2: a weak comparison).
pub(crate) fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn mistake(error: InputError) -> Failure {
    invalid(vec![error])
}

fn page_format(media: Media) -> PageFormat {
    match media {
        Media::Json | Media::Object => PageFormat::Json(Nulls::Kept),
        Media::Stripped | Media::StrippedObject => PageFormat::Json(Nulls::Stripped),
        Media::Csv => RowFormat::Csv(Formulas::Kept).into(),
        Media::EscapedCsv => RowFormat::Csv(Formulas::Escaped).into(),
        Media::Ndjson => RowFormat::Ndjson.into(),
    }
}

fn wanted(asked: &Asked, media: Media) -> Wanted {
    let counting = match asked.prefer.count {
        None => Counting::None,
        Some(CountMode::Exact) => Counting::Exact,
        // The planner's estimate is made from everybody's rows, and would tell of them.
        Some(CountMode::Planned | CountMode::Estimated) => Counting::Bounded,
    };
    Wanted { format: page_format(media), counting }
}

/// A page as the client wants it.
fn answer(asked: &Asked, media: Media, query: &ListQuery<'_>, page: Page) -> Result<Response, Failure> {
    let count_mode = asked.prefer.count;
    if let (Some(total), Some(CountMode::Exact)) = (page.total, count_mode)
        && u64::from(query.offset) > total
    {
        return Err(Failure::BeyondEnd { offset: query.offset, total });
    }
    let range = content_range(query.cursor.is_none().then_some(query.offset), page.count, page.total);
    let links = links(asked, query, &page);
    let is_part = page.total.is_some_and(|total| (page.count as u64) < total);
    let mut body = page.body;
    if matches!(media, Media::Object | Media::StrippedObject) {
        if page.count != 1 {
            return Err(Failure::NotOneRow(page.count));
        }
        // The array around the one row.
        body.pop();
        body.remove(0);
    }
    let mut response = of_kind(media, body);
    if is_part {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_RANGE, range);
    headers.extend(links.map(|links| (header::LINK, links)));
    let kept = count_mode.map(|mode| match mode {
        CountMode::Exact => "count=exact",
        CountMode::Planned => "count=planned",
        CountMode::Estimated => "count=estimated",
    });
    headers.extend(prefer::applied(kept.as_slice()).map(|kept| (PREFERENCE_APPLIED, kept)));
    Ok(response)
}

fn of_kind(media: Media, body: impl Into<axum::body::Body>) -> Response {
    let mut response = body.into().into_response();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media.content_type());
    headers.append(header::VARY, HeaderValue::from_static("accept, prefer, range"));
    response
}
