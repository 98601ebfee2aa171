//! The section `[mail]` of `hedgerow.toml`, and a mailer made from it.

use std::path::PathBuf;

use hedgerow_schema::{Problem, Problems};
use secrecy::{ExposeSecret, SecretString};

use super::{Announce, DEFAULT_QUEUE, Mailer, MemoryMailbox, Sender, SmtpServer, Templates, Transport};
use crate::context::World;

/// What `[mail]` says.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// Where mails go.
    pub transport: TransportKind,
    /// The mail server, for `smtp`; has a password. As [`SmtpServer::parse`] reads it.
    pub url: Option<SecretString>,
    /// Who mails come from, as [`Sender`] is read.
    pub from: String,
    /// Where mails are put, for `file`.
    pub folder: PathBuf,
}

/// The name of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// A mail server.
    Smtp,
    /// A folder.
    File,
    /// Memory.
    Memory,
}

/// A setting that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingProblem {
    /// Its name within `[mail]`.
    pub key: &'static str,
    /// What is wrong, and what to write instead; without the value, which may be secret.
    pub message: String,
}

impl MailSettings {
    /// Everything that does not fit; empty when mail can be sent.
    pub fn check(&self) -> Vec<SettingProblem> {
        let mut problems = Vec::new();
        if let Err(problem) = self.sender() {
            problems.push(problem);
        }
        if let Err(problem) = self.transport(Announce::Silent) {
            problems.push(problem);
        }
        problems
    }

    fn sender(&self) -> Result<Sender, SettingProblem> {
        let problem =
            |error| SettingProblem { key: "from", message: format!("mail.from is not an address: {error}") };
        self.from.parse().map_err(problem)
    }

    fn transport(&self, announce: Announce) -> Result<Transport, SettingProblem> {
        match (self.transport, &self.url) {
            (TransportKind::Smtp, Some(url)) => {
                let server = SmtpServer::parse(url.expose_secret());
                server.map(Transport::Smtp).map_err(|error| SettingProblem {
                    key: "url",
                    message: format!(
                        "mail.url is not the URL of a mail server ({error}); \
                         write smtps://user:password@host or smtp://host:587?tls=required"
                    ),
                })
            }
            (TransportKind::Smtp, None) => Err(SettingProblem {
                key: "url",
                message: "mail.transport is smtp, which needs mail.url (HEDGEROW_MAIL_URL): \
                          smtps://user:password@host"
                    .to_owned(),
            }),
            (TransportKind::File, _) if self.folder.as_os_str().is_empty() => Err(SettingProblem {
                key: "folder",
                message: "mail.transport is file, which needs a folder".to_owned(),
            }),
            (TransportKind::File, _) => Ok(Transport::File { folder: self.folder.clone(), announce }),
            (TransportKind::Memory, _) => Ok(Transport::Memory(MemoryMailbox::new())),
        }
    }
}

impl Mailer {
    /// Starts a mailer as the settings say, with [`DEFAULT_QUEUE`] places. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// What [`MailSettings::check`] finds.
    pub fn start(
        settings: &MailSettings,
        announce: Announce,
        templates: Templates,
        product_name: impl Into<String>,
        world: &World,
    ) -> Result<Self, Problems> {
        match (settings.sender(), settings.transport(announce)) {
            (Ok(from), Ok(transport)) => {
                Ok(Self::new(transport, from, templates, product_name, DEFAULT_QUEUE, world))
            }
            (sender, transport) => {
                let problems = [sender.err(), transport.err()].into_iter().flatten();
                let place =
                    |problem: SettingProblem| Problem::without_place("hedgerow.toml", problem.message);
                Err(Problems(problems.map(place).collect()))
            }
        }
    }
}
