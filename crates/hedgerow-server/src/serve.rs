//! Listens, answers, and ends in order.
//!
//! Always holds: a client that sends its headers slowly or does not read its answer is let go, the number of connections is
//! bounded, for each address too, and a stop lets requests under way finish, for a while.

mod connection;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service as TowerService;

use connection::{Addresses, Watched};
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::peer::Peer;
use crate::service::ServerOptions;

/// How long requests under way may go on after a stop.
const DRAIN: Duration = Duration::from_secs(10);
/// A request's head and what is read of its body at a time.
const BUFFER: usize = 64 << 10;

/// The routes, for the requests of one connection: they learn where it comes from.
#[derive(Clone)]
struct FromPeer {
    peer: Peer,
    router: Router,
}

impl TowerService<Request<Incoming>> for FromPeer {
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as TowerService<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        TowerService::<Request<Incoming>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}

/// A listening server.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    options: ServerOptions,
}

/// Why a server does not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {host}:{port}; {hint}")]
pub struct ServeError {
    host: String,
    port: u16,
    hint: &'static str,
    /// Why.
    #[source]
    source: std::io::Error,
}

impl Server {
    /// Takes the address, so that from now on clients are kept waiting instead of refused.
    ///
    /// # Errors
    /// [`ServeError`], when the address is taken or not this computer's.
    pub async fn bind(host: &str, port: u16, router: Router) -> Result<Self, ServeError> {
        let failed = |source: std::io::Error| ServeError {
            host: host.to_owned(),
            port,
            hint: match source.kind() {
                std::io::ErrorKind::AddrInUse => "another program listens there; choose another with --port",
                std::io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need rights; choose another with --port"
                }
                _ => "choose an address of this computer with --host",
            },
            source,
        };
        let listener = TcpListener::bind((host, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, router, options: ServerOptions::default() })
    }

    /// The same with limits on connections other than the usual ones.
    #[must_use]
    pub fn with_limits(self, options: ServerOptions) -> Self {
        Self { options, ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is done; then takes no new connections and lets requests under way finish for ten seconds.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(self.options.max_connections));
        let addresses = Addresses::default();
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.options.header_timeout)
            .max_headers(100)
            .max_buf_size(BUFFER);
        let serve = |stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit| {
            let address = peer.ip().to_canonical();
            let is_proxy = self.options.trusted_proxies.iter().any(|net| net.contains(&address));
            let most = if is_proxy { usize::MAX } else { self.options.max_connections_per_address };
            // No answer: who has so many knows.
            let Some(place) = addresses.take(address, most) else { return };
            let _ = stream.set_nodelay(true);
            let stream = TokioIo::new(Watched::new(stream, self.options.write_timeout));
            let router = self.router.clone();
            let service = TowerToHyperService::new(FromPeer { peer: Peer(peer), router });
            let connection = graceful.watch(http.serve_connection(stream, service));
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop((permit, place));
            });
        };
        tokio::pin!(stop);
        loop {
            let permit = tokio::select! {
                biased;
                () = &mut stop => break,
                permit = room.clone().acquire_owned() => permit,
            };
            // It is never closed.
            let Ok(permit) = permit else { break };
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => serve(stream, peer, permit),
                Err(error) => {
                    // Out of file descriptors, most likely: taking a breath is all one can do.
                    tracing::warn!(%error, "cannot accept a connection");
                    let _ =
                        tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await;
                }
            }
        }
        // Who is connected already was not refused; the system would end those that nobody accepts.
        while let Ok(permit) = room.clone().try_acquire_owned()
            && let Some(Ok((stream, peer))) = self.listener.accept().now_or_never()
        {
            serve(stream, peer, permit);
        }
        drop(self.listener);
        if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
            tracing::warn!(after = ?DRAIN, "requests were still under way at the end");
        }
    }
}
