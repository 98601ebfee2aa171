//! Mail by SMTP (RFC 5321), one connection a mail.
//!
//! Always holds: a password is sent only over TLS, to this very machine, or where the URL says `tls=none`; what a server
//! answered is not repeated, because answers name addresses; and once a server took a mail, nothing that happens to the
//! connection has it sent again.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::queue::Failure;

const CONNECT: Duration = Duration::from_secs(15);
/// For a whole mail. RFC 5321, 4.5.3.2 allows a server minutes; who sits before a sign-in form does not have them, and
/// there is another try.
const SEND: Duration = Duration::from_secs(60);
const GOODBYE: Duration = Duration::from_secs(5);

/// Where and how mail is handed over.
#[derive(Clone)]
pub struct SmtpServer {
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    tls: Tls,
    timeout: Duration,
}

#[derive(Clone)]
enum Tls {
    /// From the first byte (`smtps`, RFC 8314).
    Wrapped(TlsParameters),
    /// STARTTLS or nothing.
    Required(TlsParameters),
    /// STARTTLS where the server offers it.
    Opportunistic(TlsParameters),
    None,
}

impl SmtpServer {
    /// Reads `smtp://user:password@host:port?tls=required` or `smtps://…`; user and password are percent-encoded.
    ///
    /// Ports are 587 and 465. `tls` is `required`, `opportunistic` or `none`; without it `required`, and `none` where the
    /// host is this machine.
    ///
    /// # Errors
    /// What is wrong with it; never the URL itself, which has a password.
    pub fn parse(url: &str) -> Result<Self, NotAServer> {
        let url = Url::parse(url).map_err(|error| NotAServer(format!("is no URL: {error}")))?;
        let wrapped = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(NotAServer("begins with smtp:// or smtps://".to_owned())),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(NotAServer("has no host".to_owned())),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(NotAServer("ends with the port or with ?tls=…".to_owned()));
        }
        let decoded = |part: &str| {
            let decoded = percent_decode_str(part).decode_utf8();
            decoded
                .map(String::from)
                .map_err(|_| NotAServer("has a user or password that is not UTF-8".to_owned()))
        };
        let credentials = match (decoded(url.username())?, url.password()) {
            (user, None) if user.is_empty() => None,
            (user, Some(password)) if !user.is_empty() => Some(Credentials::new(user, decoded(password)?)),
            _ => return Err(NotAServer("has a user or a password, but not both".to_owned())),
        };
        let mut wanted = None;
        for (key, value) in url.query_pairs() {
            match (&*key, &*value) {
                ("tls", "required" | "opportunistic" | "none") if wanted.is_none() => {
                    wanted = Some(value.into_owned());
                }
                _ => {
                    return Err(NotAServer(
                        "takes ?tls=required, opportunistic or none, and nothing else".to_owned(),
                    ));
                }
            }
        }
        let parameters = || {
            TlsParameters::new(host.clone())
                .map_err(|error| NotAServer(format!("needs TLS, which is not to be had: {error}")))
        };
        let tls = match (wrapped, wanted.as_deref()) {
            (true, None | Some("required")) => Tls::Wrapped(parameters()?),
            (true, _) => {
                return Err(NotAServer(
                    "is smtps://, which always has TLS; tls= does not go with it".to_owned(),
                ));
            }
            (false, Some("opportunistic")) => Tls::Opportunistic(parameters()?),
            (false, Some("none")) => Tls::None,
            (false, None) if is_this_machine(&host) => Tls::None,
            (false, _) => Tls::Required(parameters()?),
        };
        let port = url.port().unwrap_or(if wrapped { 465 } else { 587 });
        Ok(Self { host, port, credentials, tls, timeout: SEND })
    }

    /// With another limit for one mail than a minute.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    pub(crate) async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<(), Failure> {
        let handed_over = tokio::time::timeout(self.timeout, self.hand_over(envelope, message)).await;
        let mut connection = match handed_over {
            Ok(Ok(connection)) => connection,
            Ok(Err(failure)) => return Err(failure),
            Err(_) => {
                return Err(Failure::passing(format!("the server took longer than {:?}", self.timeout)));
            }
        };
        // The mail is the server's now, whatever becomes of the farewell.
        let _ = tokio::time::timeout(GOODBYE, connection.abort()).await;
        Ok(())
    }

    async fn hand_over(&self, envelope: &Envelope, message: &[u8]) -> Result<AsyncSmtpConnection, Failure> {
        let me = ClientId::default();
        let at_once = match &self.tls {
            Tls::Wrapped(parameters) => Some(parameters.clone()),
            Tls::Required(_) | Tls::Opportunistic(_) | Tls::None => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT), &me, at_once, None)
            .await
            .map_err(|error| failure(&error))?;
        match &self.tls {
            Tls::Required(_) if !connection.can_starttls() => {
                let cause = "the server offers no STARTTLS; ?tls=none in mail.url would send mails readable on the way";
                return Err(Failure::lasting(cause.to_owned()));
            }
            Tls::Required(parameters) => connection.starttls(parameters.clone(), &me).await,
            Tls::Opportunistic(parameters) if connection.can_starttls() => {
                connection.starttls(parameters.clone(), &me).await
            }
            Tls::Wrapped(_) | Tls::Opportunistic(_) | Tls::None => Ok(()),
        }
        .map_err(|error| failure(&error))?;
        if let Some(credentials) = &self.credentials {
            let may_be_read = matches!(self.tls, Tls::Opportunistic(_)) && !connection.is_encrypted();
            if may_be_read && !is_this_machine(&self.host) {
                let cause = "the server offers no STARTTLS, and a password is not sent without it";
                return Err(Failure::lasting(cause.to_owned()));
            }
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(|error| failure(&error))?;
        }
        connection.send(envelope, message).await.map_err(|error| failure(&error))?;
        Ok(connection)
    }
}

impl fmt::Debug for SmtpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpServer({}:{})", self.host, self.port)
    }
}

/// What is wrong with the URL of a mail server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it {0}")]
pub struct NotAServer(String);

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A failure in words that name nobody: an answer is told by its numbers (RFC 5321, 4.2; RFC 3463), not by its text.
fn failure(error: &Error) -> Failure {
    let Some(code) = error.status() else {
        // What a server says when it does not speak SMTP is its text, too.
        let cause = if error.is_response() {
            "it hung up, or its answer is not SMTP".to_owned()
        } else {
            error.to_string()
        };
        return Failure::passing(format!("the server cannot be talked to: {cause}"));
    };
    let code = code.to_string();
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let detail = text.split_whitespace().next().filter(|word| is_enhanced_code(word)).unwrap_or_default();
    let meaning = match code.as_str() {
        "421" => ": it is not available",
        "450" | "550" => ": the recipient's mailbox is not available",
        "451" => ": it asks to try later",
        "452" | "552" => ": there is no room",
        "530" | "534" | "535" | "538" => ": the sign-in of mail.url is refused",
        "553" => ": an address is refused",
        _ => "",
    };
    let cause = format!("the server answered {}", [code.as_str(), detail].join(" ").trim_end()) + meaning;
    if error.is_permanent() { Failure::lasting(cause) } else { Failure::passing(cause) }
}

/// `5.1.1`
fn is_enhanced_code(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let is_number =
        |part: &&str| !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(is_number)
}

#[cfg(test)]
pub(super) mod tests {
    use lettre::transport::smtp::client::Certificate;

    use super::*;

    /// As [`SmtpServer::parse`], and believes this certificate too.
    pub(crate) fn trusting(url: &str, certificate: &[u8]) -> SmtpServer {
        let server = SmtpServer::parse(url).unwrap();
        let certificate = Certificate::from_der(certificate.to_vec()).unwrap();
        let parameters =
            TlsParameters::builder(server.host.clone()).add_root_certificate(certificate).build().unwrap();
        let tls = match server.tls {
            Tls::Wrapped(_) => Tls::Wrapped(parameters),
            Tls::Required(_) => Tls::Required(parameters),
            Tls::Opportunistic(_) => Tls::Opportunistic(parameters),
            Tls::None => Tls::None,
        };
        SmtpServer { tls, ..server }
    }

    #[test]
    fn a_url_says_where_and_how() {
        let check = |url: &str, host: &str, port, tls: &str, is_signed_in: bool| {
            let server = SmtpServer::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            let found = match server.tls {
                Tls::Wrapped(_) => "wrapped",
                Tls::Required(_) => "required",
                Tls::Opportunistic(_) => "opportunistic",
                Tls::None => "none",
            };
            assert_eq!((server.host.as_str(), server.port, found), (host, port, tls), "{url}");
            assert_eq!(server.credentials.is_some(), is_signed_in, "{url}");
        };
        check("smtp://mail.example.com", "mail.example.com", 587, "required", false);
        check("smtp://mail.example.com:25?tls=opportunistic", "mail.example.com", 25, "opportunistic", false);
        check("smtps://ann:pass@mail.example.com", "mail.example.com", 465, "wrapped", true);
        check("smtps://mail.example.com/?tls=required", "mail.example.com", 465, "wrapped", false);
        check("smtp://localhost:1025", "localhost", 1025, "none", false);
        check("smtp://127.0.0.1:1025", "127.0.0.1", 1025, "none", false);
        check("smtp://[::1]:1025?tls=required", "::1", 1025, "required", false);
        check("smtp://mailpit:1025?tls=none", "mailpit", 1025, "none", false);
    }

    #[test]
    fn user_and_password_are_percent_decoded() {
        let server = SmtpServer::parse("smtps://ann%40example.com:p%3Aw%2F%25@mail.example.com").unwrap();
        let expected = Credentials::new("ann@example.com".to_owned(), "p:w/%".to_owned());
        assert!(server.credentials == Some(expected));
        assert_eq!(format!("{server:?}"), "SmtpServer(mail.example.com:465)");
    }

    #[test]
    fn a_mistake_in_the_url_does_not_show_the_password() {
        let check = |url: &str, expected: &str| {
            let error = SmtpServer::parse(url).unwrap_err().to_string();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        };
        check("http://ann:s3cret@mail.example.com", "begins with smtp:// or smtps://");
        check("s3cret", "is no URL");
        check("smtp://ann:s3cret@mail.example.com:99999", "is no URL");
        check("smtp://ann:s3cret@mail.example.com/inbox", "ends with the port");
        check("smtp://ann:s3cret@mail.example.com?tls=maybe", "takes ?tls=");
        check("smtp://ann:s3cret@mail.example.com?tls=none&tls=required", "takes ?tls=");
        check("smtp://:s3cret@mail.example.com", "not both");
        check("smtp://ann@mail.example.com", "not both");
        check("smtp://ann%FF:s3cret@mail.example.com", "not UTF-8");
        check("smtps://ann:s3cret@mail.example.com?tls=none", "always has TLS");
    }
}
