//! Who a mail goes to and who it comes from.
//!
//! Always holds: a [`Mailbox`] is exactly one ASCII address, without comments, quotes or line breaks, so it cannot grow
//! into a second recipient or a second header; and none is printed by `Debug`, so none is logged by accident.

use std::fmt;
use std::str::FromStr;

use hedgerow_schema::value::is_email;
use lettre::Address;
use lettre::message::Mailbox as Header;

/// One address that a mail goes to.
///
/// ```
/// use hedgerow::mail::Mailbox;
/// let ann: Mailbox = "ann@example.com".parse()?;
/// assert_eq!(ann.as_str(), "ann@example.com");
/// assert!("ann@example.com,bob@example.com".parse::<Mailbox>().is_err());
/// # Ok::<(), hedgerow::mail::NotOneMailbox>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox(Address);

impl Mailbox {
    /// The address.
    pub fn as_str(&self) -> &str {
        self.0.as_ref()
    }

    pub(crate) fn header(&self) -> Header {
        Header::new(None, self.0.clone())
    }

    pub(crate) fn address(&self) -> &Address {
        &self.0
    }
}

impl FromStr for Mailbox {
    type Err = NotOneMailbox;

    fn from_str(text: &str) -> Result<Self, NotOneMailbox> {
        // Stricter than RFC 5322, where `a(b)@c`, `"a b"@c` and `Ann <a@c>` are addresses too.
        Some(text)
            .filter(|text| is_email(text))
            .and_then(|text| text.parse().ok())
            .map(Self)
            .ok_or(NotOneMailbox)
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox(…)")
    }
}

/// Why a text is no [`Mailbox`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "mail goes to one address such as ann@example.com: no list, no name, no comment, no quotes, only ASCII"
)]
pub struct NotOneMailbox;

/// Who mails come from: `noreply@example.com` or `Shop <noreply@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    name: Option<String>,
    address: Mailbox,
}

impl Sender {
    pub(crate) fn header(&self) -> Header {
        Header::new(self.name.clone(), self.address.0.clone())
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address.0
    }
}

impl FromStr for Sender {
    type Err = NotASender;

    fn from_str(text: &str) -> Result<Self, NotASender> {
        let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"').trim(), address),
            None => ("", text),
        };
        if name.chars().any(|c| c.is_control() || "<>\"".contains(c)) {
            return Err(NotASender);
        }
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        Ok(Self { name, address: address.trim().parse().map_err(|_| NotASender)? })
    }
}

/// Why a text is no [`Sender`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mail comes from an address such as noreply@example.com or Shop <noreply@example.com>")]
pub struct NotASender;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_one_mailbox() {
        for good in ["ann@example.com", "ann+tag@example.com", "o'neil@example.co.uk", "ann@localhost"] {
            assert_eq!(
                good.parse::<Mailbox>().map(|mailbox| mailbox.as_str().to_owned()),
                Ok(good.to_owned())
            );
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let bad = [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@example.com,bob@example.com",
            "ann@example.com;bob@example.com",
            "ann@example.com bob@example.com",
            "ann(comment)@example.com",
            "ann@example.com(comment)",
            "\"ann\"@example.com",
            "\"ann@evil.test> \"@example.com",
            "Ann <ann@example.com>",
            "<ann@example.com>",
            "ann@example.com\r\nBcc: bob@example.com",
            "ann\r\n@example.com",
            "ann@example.com\n",
            " ann@example.com",
            "ann@exämple.com",
            "änn@example.com",
            "ann@[127.0.0.1]",
            "a@b@example.com",
            "ann..b@example.com",
            "ann\0@example.com",
            &long,
        ];
        for bad in bad {
            assert_eq!(
                bad.parse::<Mailbox>().map(|mailbox| mailbox.as_str().to_owned()),
                Err(NotOneMailbox),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_sender_may_have_a_name() {
        let check = |text: &str, name: Option<&str>, address: &str| {
            let sender: Sender = text.parse().unwrap();
            assert_eq!((sender.name.as_deref(), sender.address.as_str()), (name, address));
        };
        check("noreply@example.com", None, "noreply@example.com");
        check("<noreply@example.com>", None, "noreply@example.com");
        check("Shop <noreply@example.com>", Some("Shop"), "noreply@example.com");
        check("\"Zoë's Shop, Ltd.\" <noreply@example.com>", Some("Zoë's Shop, Ltd."), "noreply@example.com");
        for bad in ["", "Shop", "Shop noreply@example.com", "Shop\r\nBcc: x@y.z <a@b.c>", "<a@b.c> <d@e.f>"] {
            assert_eq!(bad.parse::<Sender>(), Err(NotASender), "{bad:?}");
        }
    }
}
