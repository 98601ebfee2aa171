//! The data API's routes as a table. `router.rs` makes the routes, the description of the API is written of this table, and a
//! test holds the two equal: no route without a description, and nothing described that is not there.

/// Method and path template of every route below `/api/v1`.
pub(crate) const DATA_API: &[(&str, &str)] = &[
    ("POST", "/api/v1/batch"),
    ("GET", "/api/v1/{entity}"),
    ("POST", "/api/v1/{entity}"),
    ("PATCH", "/api/v1/{entity}"),
    ("DELETE", "/api/v1/{entity}"),
    ("GET", "/api/v1/{entity}/{id}"),
    ("PATCH", "/api/v1/{entity}/{id}"),
    ("PUT", "/api/v1/{entity}/{id}"),
    ("DELETE", "/api/v1/{entity}/{id}"),
    ("POST", "/api/v1/{entity}/import"),
    ("POST", "/api/v1/{entity}/{id}/restore"),
    ("GET", "/api/v1/{entity}/trash"),
    ("DELETE", "/api/v1/{entity}/trash/{id}"),
    ("GET", "/api/v1/api-keys"),
    ("POST", "/api/v1/api-keys"),
    ("GET", "/api/v1/api-keys/{id}"),
    ("PATCH", "/api/v1/api-keys/{id}"),
    ("DELETE", "/api/v1/api-keys/{id}"),
    ("POST", "/api/v1/api-keys/{id}/revoke"),
    ("POST", "/api/v1/api-keys/{id}/rotate"),
    ("GET", "/api/v1/audit-logs"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/api/v1/docs"),
];
