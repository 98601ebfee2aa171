//! Mails in memory, for tests: they are waited for, not looked for.
//!
//! Always holds: at most [`LARGEST`] mails are kept; the oldest goes when another one comes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::content::Template;
use super::templates::Letter;

const LARGEST: usize = 1000;

/// Where the transport `memory` puts mails. Cheap to clone; all clones are one mailbox.
#[derive(Clone, Default)]
pub struct MemoryMailbox {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    mails: Mutex<VecDeque<ReceivedMail>>,
    arrived: Notify,
}

/// A mail that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMail {
    /// To whom.
    pub to: String,
    /// Written with this template.
    pub template: Template,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// Its HTML, if it has any.
    pub html: Option<String>,
    /// The link in it.
    pub url: Option<String>,
    /// The code in it.
    pub code: Option<String>,
}

impl MemoryMailbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the oldest mail to `address` (letters' case aside); waits for one at most `deadline`.
    pub async fn next_to(&self, address: &str, deadline: Duration) -> Option<ReceivedMail> {
        tokio::time::timeout(deadline, async {
            loop {
                // Listening begins before looking, so that no arrival falls between the two.
                let mut arrived = std::pin::pin!(self.inner.arrived.notified());
                arrived.as_mut().enable();
                if let Some(mail) = self.take(address) {
                    return mail;
                }
                arrived.await;
            }
        })
        .await
        .ok()
    }

    /// Takes all mails that arrived, the oldest first.
    pub fn take_all(&self) -> Vec<ReceivedMail> {
        self.mails().drain(..).collect()
    }

    pub(crate) fn put(&self, letter: &Letter) {
        let mut mails = self.mails();
        if mails.len() == LARGEST {
            mails.pop_front();
        }
        mails.push_back(ReceivedMail {
            to: letter.to.as_str().to_owned(),
            template: letter.template,
            subject: letter.subject.clone(),
            text: letter.text.clone(),
            html: letter.html.clone(),
            url: letter.url.clone(),
            code: letter.code.clone(),
        });
        drop(mails);
        self.inner.arrived.notify_waiters();
    }

    fn take(&self, address: &str) -> Option<ReceivedMail> {
        let mut mails = self.mails();
        let at = mails.iter().position(|mail| mail.to.eq_ignore_ascii_case(address))?;
        mails.remove(at)
    }

    fn mails(&self) -> MutexGuard<'_, VecDeque<ReceivedMail>> {
        self.inner.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
