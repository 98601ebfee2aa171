//! The first messages on a connection: who we are, and proof of it (manual, sections 55.2.1 and 55.3).

use bytes::BytesMut;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::{backend, frontend};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::fallible_iterator::FallibleIterator;

use super::stream::Stream;
use super::{CancelKey, Connection, MAX_PREPARED, Statements, Status, connect_stream};
use crate::error::{Error, ServerError};
use crate::url::DatabaseUrl;

impl Connection {
    /// Connects and signs in. `settings` go with the first message; a pooler would refuse them.
    pub(crate) async fn connect(
        url: &DatabaseUrl,
        mode: Statements,
        settings: &[(&str, String)],
    ) -> Result<Self, Error> {
        let attempt = async {
            let stream = connect_stream(url).await?;
            let mut connection = Self::on(stream, mode);
            connection.start(url, settings).await?;
            Ok(connection)
        };
        let outcome = tokio::time::timeout(url.connect_timeout, attempt).await;
        outcome
            .unwrap_or(Err(Error::Deadline(url.connect_timeout)))
            .map_err(|source| Error::Connect { target: url.to_string(), source: Box::new(source) })
    }

    fn on(stream: Stream, mode: Statements) -> Self {
        Self {
            stream,
            output: BytesMut::with_capacity(4096),
            input: BytesMut::with_capacity(16 * 1024),
            status: Status::Busy,
            mode,
            prepared: lru::LruCache::new(MAX_PREPARED),
            unconfirmed: Vec::new(),
            to_close: Vec::new(),
            next_name: 0,
            cancel: CancelKey { process_id: 0, secret_key: 0 },
        }
    }

    async fn start(&mut self, url: &DatabaseUrl, settings: &[(&str, String)]) -> Result<(), Error> {
        let name = url.application_name.as_deref().unwrap_or("hedgerow");
        let mut parameters = vec![
            ("client_encoding", "UTF8"),
            ("user", url.user.as_str()),
            ("database", url.database.as_str()),
            ("application_name", name),
        ];
        parameters.extend(url.options.as_deref().map(|options| ("options", options)));
        parameters.extend(settings.iter().map(|(name, value)| (*name, value.as_str())));
        frontend::startup_message(parameters, &mut self.output).map_err(super::encoding)?;
        self.send().await?;
        loop {
            match self.message().await? {
                backend::Message::AuthenticationOk => break,
                backend::Message::AuthenticationCleartextPassword => {
                    let password = password(url)?.to_owned();
                    self.answer(|buffer| frontend::password_message(password.as_bytes(), buffer)).await?;
                }
                backend::Message::AuthenticationMd5Password(body) => {
                    let hash = md5_hash(url.user.as_bytes(), password(url)?.as_bytes(), body.salt());
                    self.answer(|buffer| frontend::password_message(hash.as_bytes(), buffer)).await?;
                }
                backend::Message::AuthenticationSasl(body) => self.scram(url, &body).await?,
                backend::Message::ErrorResponse(body) => {
                    return Err(Error::Server(Box::new(ServerError::read(body.fields()))));
                }
                _ => {
                    return Err(Error::SignIn(
                        "the server asks for a method that is not supported".to_owned(),
                    ));
                }
            }
        }
        loop {
            match self.message().await? {
                backend::Message::BackendKeyData(body) => {
                    self.cancel = CancelKey { process_id: body.process_id(), secret_key: body.secret_key() };
                }
                backend::Message::ReadyForQuery(_) => {
                    self.status = Status::Idle;
                    return Ok(());
                }
                backend::Message::ErrorResponse(body) => {
                    return Err(Error::Server(Box::new(ServerError::read(body.fields()))));
                }
                _ => {}
            }
        }
    }

    async fn answer(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        write(&mut self.output).map_err(super::encoding)?;
        self.send().await
    }

    /// SCRAM-SHA-256 (RFC 7677): neither side ever sends the password.
    async fn scram(
        &mut self,
        url: &DatabaseUrl,
        body: &backend::AuthenticationSaslBody,
    ) -> Result<(), Error> {
        let refused = |error: std::io::Error| Error::SignIn(error.to_string());
        let offered = body.mechanisms().any(|mechanism| Ok(mechanism == SCRAM_SHA_256)).map_err(refused)?;
        if !offered {
            return Err(Error::SignIn("the server offers no SCRAM-SHA-256".to_owned()));
        }
        let mut scram = ScramSha256::new(password(url)?.as_bytes(), ChannelBinding::unsupported());
        let first = scram.message().to_vec();
        self.answer(|buffer| frontend::sasl_initial_response(SCRAM_SHA_256, &first, buffer)).await?;
        let backend::Message::AuthenticationSaslContinue(body) = self.expect_authentication().await? else {
            return Err(Error::SignIn("the server broke off SCRAM".to_owned()));
        };
        scram.update(body.data()).map_err(refused)?;
        let second = scram.message().to_vec();
        self.answer(|buffer| frontend::sasl_response(&second, buffer)).await?;
        let backend::Message::AuthenticationSaslFinal(body) = self.expect_authentication().await? else {
            return Err(Error::SignIn("the server broke off SCRAM".to_owned()));
        };
        scram.finish(body.data()).map_err(refused)
    }

    async fn expect_authentication(&mut self) -> Result<backend::Message, Error> {
        match self.message().await? {
            backend::Message::ErrorResponse(body) => {
                Err(Error::Server(Box::new(ServerError::read(body.fields()))))
            }
            message => Ok(message),
        }
    }
}

fn password(url: &DatabaseUrl) -> Result<&str, Error> {
    let password = url.password.as_ref().map(SecretString::expose_secret);
    password
        .ok_or_else(|| Error::SignIn(format!("the server asks for a password, and the URL {url} has none")))
}

/// Asks the server to cancel what runs on the connection with this key (manual, section 55.2.8).
///
/// # Errors
/// When the server cannot be reached; whether anything was cancelled, the server does not say.
pub(crate) async fn cancel(url: &DatabaseUrl, key: &CancelKey) -> Result<(), Error> {
    use tokio::io::AsyncWriteExt;
    let mut stream = connect_stream(url).await?;
    let mut request = BytesMut::new();
    frontend::cancel_request(key.process_id, key.secret_key, &mut request);
    let io = |source| Error::Io { doing: "asking to cancel a statement", source };
    stream.write_all(&request).await.map_err(io)?;
    stream.shutdown().await.map_err(io)
}
