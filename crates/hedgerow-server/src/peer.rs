//! Where a request comes from.
//!
//! Always holds: what a client says of itself is never believed. Only a proxy of ours (`server.trusted_proxies`) is, about the last
//! hop before it.

use std::net::{IpAddr, SocketAddr};

use axum::http::{Extensions, HeaderMap};

use crate::service::Service;

/// Where the request's connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The address a request comes from: the connection's, or where that is a proxy of ours, the last hop before it that is not.
pub(crate) fn address_of(service: &Service, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
    let peer = extensions.get::<Peer>()?.0.ip().to_canonical();
    let proxies = &service.options.trusted_proxies;
    if !proxies.iter().any(|net| net.contains(&peer)) {
        if headers.contains_key("x-forwarded-for") {
            static TOLD: std::sync::Once = std::sync::Once::new();
            TOLD.call_once(|| {
                tracing::warn!(
                    %peer,
                    "a request says with X-Forwarded-For where it comes from, and is not believed; if this is your proxy, name it in \
                     server.trusted_proxies, or everybody behind it shares one limit (said once)"
                );
            });
        }
        return Some(peer);
    }
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    for hop in hops.iter().rev() {
        // Something that is no address was made up; the proxy is all that is known.
        let Ok(address) = hop.parse::<IpAddr>() else { return Some(peer) };
        let address = address.to_canonical();
        if !proxies.iter().any(|net| net.contains(&address)) {
            return Some(address);
        }
    }
    Some(peer)
}
