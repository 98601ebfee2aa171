//! The whole URL space on one page.

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};
use hedgerow::App;

use crate::api::auth;
use crate::api::v1::{api_keys, batch, metas, records};
use crate::service::{ServerOptions, Service};
use crate::{cors, health, limit, middleware, openapi, pages, proof, protect, respond};

/// All routes, for [`crate::Server`] or for a router of your own to nest them in.
pub fn router(app: App, options: ServerOptions) -> Router {
    let service = Service { app, options, written: Arc::default() };
    let rows =
        get(records::list).post(records::write_rows).patch(records::write_rows).delete(records::write_rows);
    // Where a path has a word in the place of an id, a row may be called so, and is asked for as any other.
    let row = get(records::get).patch(records::write_row).put(records::write_row).delete(records::write_row);
    let object = get(metas::list).patch(metas::write);
    let meta = get(metas::get).put(metas::write).delete(metas::write);
    Router::new()
        .route("/api/v1/audit-logs", get(records::audit_logs))
        .route("/api/v1/batch", post(batch::batch))
        .route("/api/v1/openapi.json", get(openapi::json))
        .route("/api/v1/docs", get(openapi::docs))
        .route("/api/v1/{entity}", rows)
        .route("/api/v1/{entity}/import", row.clone().post(records::import_rows))
        .route("/api/v1/{entity}/{id}", row)
        .route("/api/v1/{entity}/{id}/restore", post(records::restore))
        .route("/api/v1/{entity}/trash", get(records::trash))
        .route("/api/v1/{entity}/trash/{id}", delete(records::purge))
        .route("/api/v1/{entity}/{id}/metas", object.clone())
        .route("/api/v1/{entity}/{id}/metas/{key}", meta.clone())
        .route("/api/v1/users/me/metas", object.clone())
        .route("/api/v1/users/me/metas/{key}", meta.clone())
        .route("/api/v1/users/{id}/metas", object.clone())
        .route("/api/v1/users/{id}/metas/{key}", meta.clone())
        .route("/api/v1/metas", object)
        .route("/api/v1/metas/{key}", meta)
        .route("/api/v1/api-keys", get(api_keys::list).post(api_keys::create))
        .route("/api/v1/api-keys/{id}", get(api_keys::get).patch(api_keys::rename).delete(api_keys::delete))
        .route("/api/v1/api-keys/{id}/rotate", post(api_keys::rotate))
        .route("/api/v1/api-keys/{id}/revoke", post(api_keys::revoke))
        .nest("/api/auth", auth::router())
        .route("/sign-in", get(pages::sign_in))
        .route("/sign-up", get(pages::sign_up))
        .route("/set-password", get(pages::set_password))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(respond::no_such_path)
        .method_not_allowed_fallback(respond::no_such_method)
        .layer(axum::middleware::from_fn_with_state(service.clone(), proof::around_request))
        .layer(axum::middleware::from_fn_with_state(service.clone(), protect::around_request))
        .layer(axum::middleware::from_fn_with_state(service.clone(), limit::around_request))
        .layer(axum::middleware::from_fn_with_state(service.clone(), cors::around_request))
        .layer(axum::middleware::from_fn_with_state(service.clone(), middleware::around_request))
        .with_state(service)
}
