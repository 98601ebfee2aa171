//! Where a project's database is: at `DATABASE_URL`, else on the project's private server, which is found running or is
//! started.

use std::path::PathBuf;

use hedgerow_database::private_server::{
    self, Download, PrivateServer, PrivateServerError, PrivateServerOptions, Progress, RunningServer,
};
use hedgerow_database::setup::{self, LoginProof, SetupError};
use hedgerow_database::{DatabaseUrl, Error as DatabaseError, Logins};
use hedgerow_schema::Identifier;

use crate::project::Project;

/// The name of a private server's database.
const DATABASE: &str = "hedgerow";

/// A database that was found. A private server that was started for it ends with it.
#[derive(Debug)]
pub struct Place {
    /// The logins of requests.
    pub logins: Logins,
    /// The login that owns the tables; `None` when nobody said it.
    pub owner: Option<DatabaseUrl>,
    /// The login that sees past row-level security, for `psql`.
    pub superuser: Option<DatabaseUrl>,
    /// Whether it is the project's private server.
    pub is_private: bool,
    /// Where PostgreSQL's programs are, on a private server.
    pub programs: Option<PathBuf>,
    server: Option<PrivateServer>,
}

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The private server.
    #[error(transparent)]
    Server(#[from] PrivateServerError),
    /// What is on it.
    #[error("cannot prepare the private database")]
    Database(#[from] DatabaseError),
    /// Its roles.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// `DATABASE_URL` is needed here.
    #[error(
        "DATABASE_URL is not set; production never starts a database of its own (for development, run `hedgerow dev`)"
    )]
    NoUrl,
    /// A thread ended unexpectedly.
    #[error("the private server could not be started")]
    Thread(#[from] tokio::task::JoinError),
}

/// Whether a private server may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateUse {
    /// Yes, and one that runs is used; whether PostgreSQL may be downloaded for it is said too.
    Allowed(Download),
    /// Yes, and it must be this program that runs it: two would serve one project.
    Own(Download),
    /// No: `DATABASE_URL` or nothing.
    Refused,
}

impl Place {
    /// Finds the project's database, or starts it. The database of a private server is made with its roles.
    ///
    /// # Errors
    /// [`PlaceError`]
    pub async fn find(
        project: &Project,
        private: PrivateUse,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Self, PlaceError> {
        let config = &project.config;
        let named = match private {
            // Whoever names the owner's database means that one: a private server beside it would take its migrations.
            PrivateUse::Allowed(_) => config.database_url.as_ref().or(config.direct_url.as_ref()),
            PrivateUse::Own(_) | PrivateUse::Refused => config.database_url.as_ref(),
        };
        if let Some(url) = named {
            let logins = Logins {
                tenant: url.clone(),
                auth: config.auth_url.clone(),
                admin: config.admin_url.clone(),
            };
            return Ok(Self {
                logins,
                owner: config.direct_url.clone(),
                superuser: config.direct_url.clone(),
                is_private: false,
                programs: None,
                server: None,
            });
        }
        match private {
            PrivateUse::Allowed(download) => {
                let state = project.state_directory();
                let running = tokio::task::spawn_blocking(move || private_server::running(&state)).await?;
                Self::on_private_server(project, running, download, progress).await
            }
            PrivateUse::Own(download) => Self::on_private_server(project, None, download, progress).await,
            PrivateUse::Refused => Err(PlaceError::NoUrl),
        }
    }

    /// The project's private server, whatever DATABASE_URL says; found running, or started.
    ///
    /// # Errors
    /// [`PlaceError`]
    pub async fn private(project: &Project, download: Download) -> Result<Self, PlaceError> {
        let state = project.state_directory();
        let running = tokio::task::spawn_blocking(move || private_server::running(&state)).await?;
        Self::on_private_server(project, running, download, |_| {}).await
    }

    async fn on_private_server(
        project: &Project,
        running: Option<RunningServer>,
        download: Download,
        mut progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<Self, PlaceError> {
        let roles = &project.config.roles;
        let mut logins = setup::login_names(roles).to_vec();
        logins.push(setup::PRIVATE_OWNER.to_owned());
        let options =
            PrivateServerOptions { download, logins, ..PrivateServerOptions::new(project.state_directory()) };
        let (url, programs, server) = match running {
            Some(running) => (running.url("postgres", DATABASE), running.bin_dir, None),
            None => {
                let start = move || PrivateServer::start(&options, &mut progress);
                let server = tokio::task::spawn_blocking(start).await??;
                (server.url("postgres", DATABASE), server.bin_dir().to_path_buf(), Some(server))
            }
        };
        let superuser: DatabaseUrl = url
            .parse()
            .map_err(|error| DatabaseError::Protocol(format!("the private server's URL: {error}")))?;
        let database = Identifier::joined(&[DATABASE]);
        setup::create_private_database(&superuser, &database).await?;
        let owner = superuser.with_login(setup::PRIVATE_OWNER, None);
        let made = setup::setup(&owner, roles, LoginProof::Peer, None).await?;
        Ok(Self {
            logins: made.logins,
            owner: Some(owner),
            superuser: Some(superuser),
            is_private: true,
            programs: Some(programs),
            server,
        })
    }

    /// The private server, if this program runs it.
    pub fn server(&self) -> Option<&PrivateServer> {
        self.server.as_ref()
    }

    /// Stops a private server that was started for this; waits until its data are on the disk.
    ///
    /// # Errors
    /// When it had to be stopped the hard way.
    pub async fn close(self) -> Result<(), PlaceError> {
        if let Some(server) = self.server {
            tokio::task::spawn_blocking(move || server.stop()).await??;
        }
        Ok(())
    }
}
