//! The section `[server]`, and the limits of `[api]` that are the HTTP side's.

use std::time::Duration;

use ipnet::IpNet;

use super::{items, network, parse_duration, parse_size};
use crate::auth::origins::OriginPattern;
use crate::auth::secrets::Secrets;

/// HTTP settings.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Largest request body, in bytes.
    pub body_limit: usize,
    /// Largest file of an import, in bytes.
    pub import_limit: usize,
    /// How long an import may take.
    pub import_timeout: Duration,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long a request's headers may take to come.
    pub header_timeout: Duration,
    /// How long a client may keep its body from coming.
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub write_timeout: Duration,
    /// How long a streamed answer may take in all.
    pub stream_limit: Duration,
    /// How long `serve` still takes requests after `/readyz` began to turn them away.
    pub drain: Duration,
    /// Longest path and query, in bytes.
    pub max_url: usize,
    /// Most parameters of a query.
    pub max_parameters: usize,
    /// Most connections.
    pub max_connections: usize,
    /// Most connections of one address.
    pub max_connections_per_address: usize,
    /// What signs what leaves the server, and what did before.
    pub secrets: Option<Secrets>,
    /// Proxies that are believed about the address a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may read answers, besides those that sign-in trusts.
    pub cors_origins: Vec<OriginPattern>,
}

/// Of values that were checked.
pub(super) fn of<'v>(
    text: &impl Fn(&'static str, &'static str) -> &'v str,
    secrets: Option<Secrets>,
) -> ServerConfig {
    let own = |name| text("server", name);
    let duration = |name| parse_duration(own(name)).unwrap_or_default();
    let size = |name| parse_size(own(name)).unwrap_or(1);
    let count = |section, name| text(section, name).parse().unwrap_or(1);
    ServerConfig {
        host: own("host").to_owned(),
        port: own("port").parse().unwrap_or(4400),
        body_limit: size("body_limit"),
        import_limit: size("import_limit"),
        import_timeout: duration("import_timeout"),
        request_timeout: duration("request_timeout"),
        header_timeout: duration("header_timeout"),
        body_timeout: duration("body_timeout"),
        write_timeout: duration("write_timeout"),
        stream_limit: duration("stream_limit"),
        drain: duration("drain"),
        max_url: size("max_url"),
        max_parameters: count("api", "max_parameters"),
        max_connections: count("server", "max_connections"),
        max_connections_per_address: count("server", "max_connections_per_address"),
        secrets,
        trusted_proxies: items(own("trusted_proxies")).filter_map(network).collect(),
        cors_origins: items(own("cors_origins")).filter_map(|item| item.parse().ok()).collect(),
    }
}
