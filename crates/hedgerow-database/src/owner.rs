//! The owner's connection: setup, migrations and seeds, one at a time and never in the serving program.
//!
//! It is the driver's own client on our stream, because migrations are scripts, which flights refuse on purpose.

use tokio_postgres::{Client, NoTls};

use crate::error::{Error, ServerError};
use crate::url::DatabaseUrl;
use crate::wire::connect_stream;

pub(crate) struct Owner {
    pub(crate) client: Client,
    /// Ends when the client is dropped.
    driver: tokio::task::JoinHandle<()>,
}

impl Owner {
    pub(crate) async fn connect(url: &DatabaseUrl) -> Result<Self, Error> {
        let named = |source| Error::Connect { target: url.to_string(), source: Box::new(source) };
        let stream = connect_stream(url).await.map_err(named)?;
        let mut config = tokio_postgres::Config::new();
        config.user(&url.user).dbname(&url.database).application_name("hedgerow migrate");
        // The stream is encrypted already where the URL asks for it.
        config.ssl_mode(tokio_postgres::config::SslMode::Disable);
        if let Some(password) = &url.password {
            config.password(secrecy::ExposeSecret::expose_secret(password));
        }
        if let Some(options) = &url.options {
            config.options(options);
        }
        let signed_in = tokio::time::timeout(url.connect_timeout, config.connect_raw(stream, NoTls)).await;
        let (client, connection) = signed_in
            .map_err(|_| named(Error::Deadline(url.connect_timeout)))?
            .map_err(|source| named(from_driver("sign in", source)))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an owner's connection ended");
            }
        });
        let owner = Self { client, driver };
        // A migration takes as long as it takes; a lock it cannot get must not hold up everybody behind it.
        owner
            .run(
                "SET statement_timeout = 0; SET lock_timeout = '30s'; SET client_min_messages = warning; \
                 SET timezone = 'UTC'; SET datestyle = 'ISO'",
            )
            .await?;
        // A program that was killed holds its locks until its statement ends, unless the server looks for it; and an
        // index is built beside requests, so on one core. Either may be refused by a pooler or a managed host.
        for wish in
            ["SET client_connection_check_interval = '500ms'", "SET max_parallel_maintenance_workers = 0"]
        {
            let _ = owner.run(wish).await;
        }
        Ok(owner)
    }

    /// Runs statements of the program's without parameters.
    pub(crate) async fn run(&self, sql: &str) -> Result<(), Error> {
        let doing = || format!("run `{}`", sql.lines().next().unwrap_or_default());
        self.client.batch_execute(sql).await.map_err(|source| from_driver(&doing(), source))
    }

    /// Ends the connection and waits for it.
    pub(crate) async fn close(self) {
        drop(self.client);
        let _ = self.driver.await;
    }
}

/// An error of the driver as one of ours: the server's words as [`ServerError`], like everywhere else.
pub(crate) fn from_driver(doing: &str, source: tokio_postgres::Error) -> Error {
    match source.as_db_error() {
        Some(error) => Error::Server(Box::new(ServerError {
            severity: error.severity().to_owned(),
            code: error.code().clone(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            constraint: error.constraint().map(str::to_owned),
            table: error.table().map(str::to_owned),
            column: error.column().map(str::to_owned),
        })),
        None => Error::Owner { doing: doing.to_owned(), source },
    }
}
