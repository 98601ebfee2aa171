//! Mail: who it goes to, what it says, and the way out of here.
//!
//! Always holds: nothing is sent inside a request. A request takes a place in a bounded queue ([`Mailer::reserve`]) and
//! puts a mail there; one task of the [`Mailer`] writes and sends it, tries again when that fails, and ends with
//! [`Mailer::close`]. What is logged about a mail never names its recipient.

mod address;
mod content;
mod defaults;
mod file;
mod memory;
mod pattern;
mod queue;
mod settings;
mod smtp;
mod templates;
#[cfg(test)]
mod tests;

pub use address::{Mailbox, NotASender, NotOneMailbox, Sender};
pub use content::{Code, Content, Link, Template};
pub use file::Announce;
pub use memory::{MemoryMailbox, ReceivedMail};
pub use queue::{DEFAULT_QUEUE, Left, Mailer, NoSlot, Slot, Transport};
pub use settings::{MailSettings, SettingProblem, TransportKind};
pub use smtp::{NotAServer, SmtpServer};
pub use templates::{Source, Templates};

/// One mail to one mailbox.
///
/// ```
/// use std::time::Duration;
/// use hedgerow::mail::{Content, Link, Mail};
///
/// let url = "https://shop.example.com/api/auth/verify-email?token=…".to_owned();
/// let content = Content::VerifyEmail(Link { url, valid_for: Duration::from_secs(3600) });
/// let mail = Mail::new("ann@example.com".parse()?, content).with_name("Ann");
/// # Ok::<(), hedgerow::mail::NotOneMailbox>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    to: Mailbox,
    name: Option<String>,
    content: Content,
}

impl Mail {
    /// A mail that greets nobody by name.
    pub fn new(to: Mailbox, content: Content) -> Self {
        Self { to, name: None, content }
    }

    /// The reader's name, for templates that greet; one that looks like an advertisement is left out.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Who reads it.
    pub fn to(&self) -> &Mailbox {
        &self.to
    }

    /// What it tells.
    pub fn content(&self) -> &Content {
        &self.content
    }
}
