//! The bytes to and from a server: TCP, unix socket, and TLS over TCP as `sslmode` asks.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_util::io::{poll_read_buf, poll_write_buf};

use crate::error::Error;
use crate::url::{Address, DatabaseUrl, TlsMode};

/// A byte stream of whatever kind.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> ByteStream for T {}
pub(crate) type Stream = Box<dyn ByteStream>;

/// Connects to the first address that answers.
pub(crate) async fn connect(url: &DatabaseUrl) -> Result<Stream, Error> {
    let mut last = None;
    for address in &url.addresses {
        let attempt = tokio::time::timeout(url.connect_timeout, connect_to(url, address)).await;
        match attempt.unwrap_or(Err(Error::Deadline(url.connect_timeout))) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::Protocol("the URL names no address".to_owned())))
}

async fn connect_to(url: &DatabaseUrl, address: &Address) -> Result<Stream, Error> {
    let io = |source| Error::Io { doing: "connecting", source };
    match address {
        Address::Unix(file) => Ok(Box::new(UnixStream::connect(file).await.map_err(io)?)),
        Address::Tcp(host, port) => {
            let mut tcp = TcpStream::connect((host.as_str(), *port)).await.map_err(io)?;
            // A flight is one write; waiting for more to send would only delay it.
            tcp.set_nodelay(true).map_err(io)?;
            if url.tls == TlsMode::Disable || !offers_tls(&mut tcp).await.map_err(io)? {
                return match url.tls {
                    TlsMode::Disable | TlsMode::Prefer => Ok(Box::new(tcp)),
                    TlsMode::Require | TlsMode::Verify => Err(Error::Tls {
                        reason: "the server does not offer TLS, and sslmode asks for it".to_owned(),
                    }),
                };
            }
            let name = ServerName::try_from(host.clone())
                .map_err(|error| Error::Tls { reason: format!("{host:?} is no server name: {error}") })?;
            let connector = TlsConnector::from(Arc::new(tls_config(url)?));
            let tls = connector
                .connect(name, tcp)
                .await
                .map_err(|error| Error::Tls { reason: error.to_string() })?;
            Ok(Box::new(tls))
        }
    }
}

/// SSLRequest (manual, section 55.2.10). Exactly one byte is read: more would be injected plain text.
async fn offers_tls(tcp: &mut TcpStream) -> io::Result<bool> {
    let mut request = BytesMut::new();
    postgres_protocol::message::frontend::ssl_request(&mut request);
    tcp.write_all(&request).await?;
    Ok(tcp.read_u8().await? == b'S')
}

fn tls_config(url: &DatabaseUrl) -> Result<ClientConfig, Error> {
    let tls = |reason: String| Error::Tls { reason };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| tls(error.to_string()))?;
    if url.tls != TlsMode::Verify {
        let verifier = Arc::new(Unchecked(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    match &url.root_certificate {
        Some(file) => {
            use rustls::pki_types::pem::PemObject;
            let certificates = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| tls(format!("cannot read {}: {error}", file.display())))?;
            roots.add_parsable_certificates(certificates);
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(tls("there are no root certificates; name a file with sslrootcert=".to_owned()));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Encrypts without asking who is there: what `sslmode=prefer` and `require` mean in libpq.
#[derive(Debug)]
struct Unchecked(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Writes all of `output`, and reads into `input` whatever comes meanwhile: a server that cannot get rid of its answers
/// stops reading, and both would wait for ever.
///
/// Cancel-safe: what was written is gone from `output`, the rest is still there.
pub(crate) async fn write_all(
    stream: &mut Stream,
    output: &mut BytesMut,
    input: &mut BytesMut,
) -> io::Result<()> {
    poll_fn(|cx| {
        while !output.is_empty() {
            match poll_write_buf(Pin::new(&mut *stream), cx, output) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    while let Poll::Ready(read) = poll_read_buf(Pin::new(&mut *stream), cx, input) {
                        if read? == 0 {
                            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
        pin!(&mut *stream).poll_flush(cx)
    })
    .await
}
