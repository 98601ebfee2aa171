//! Mail from the queue to the other side: memory, files, and a mail server on this machine that speaks SMTP.

mod server;

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::queue::Desk;
use super::*;
use crate::context::World;
use server::{Answer, MailServer};

const SOON: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_secs(3600);

fn desk(transport: Transport) -> Desk {
    Desk {
        transport,
        from: "Shop <noreply@shop.example.com>".parse().unwrap(),
        templates: Templates::built_in(),
        product: "Shop".to_owned(),
        world: World::default(),
    }
}

/// A mailer that tries again after these waits.
fn mailer(transport: Transport, bound: usize, waits: &[Duration]) -> Mailer {
    Mailer::with_waits(desk(transport), bound, waits.to_vec())
}

fn smtp(url: &str) -> Transport {
    Transport::Smtp(SmtpServer::parse(url).unwrap())
}

fn code(number: usize) -> Content {
    Content::OneTimeCode(Code { code: format!("{number:06}"), valid_for: Duration::from_secs(300) })
}

fn link(url: &str) -> Content {
    Content::VerifyEmail(Link { url: url.to_owned(), valid_for: Duration::from_secs(3600) })
}

fn send(mailer: &Mailer, to: &str, content: Content) {
    mailer.reserve().unwrap().send(Mail::new(to.parse().unwrap(), content));
}

/// Everything that is logged on this thread while it lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Log {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

/// The text part of a message, decoded (RFC 2045).
fn text_part(message: &str) -> String {
    let at = message.find("Content-Type: text/plain").expect("a text part");
    let (head, body) = message[at..].split_once("\r\n\r\n").expect("a body");
    let boundary = message.split_once("boundary=\"").map(|(_, rest)| rest.split_once('"').unwrap().0);
    let body = match boundary {
        Some(boundary) => body.split_once(&format!("\r\n--{boundary}")).unwrap().0,
        None => body,
    };
    if head.contains("Content-Transfer-Encoding: 7bit") {
        return body.to_owned();
    }
    assert!(head.contains("Content-Transfer-Encoding: quoted-printable"), "{head}");
    let body = body.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = body.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn memory_is_waited_for() {
    let mailbox = MemoryMailbox::new();
    let mailer = mailer(Transport::Memory(mailbox.clone()), 10, &[]);
    let waiting = tokio::spawn(async move { mailbox.next_to("Bob@example.com", SOON).await });
    send(&mailer, "ann@example.com", code(1));
    send(&mailer, "ann@example.com", code(2));
    send(&mailer, "bob@example.com", code(3));
    let mail = waiting.await.unwrap().expect("a mail to bob");
    assert_eq!((mail.template, mail.code.as_deref()), (Template::OneTimeCode, Some("000003")));
    let mailbox = mailer.memory().unwrap();
    let first = mailbox.next_to("ann@example.com", SOON).await.unwrap();
    assert_eq!(first.code.as_deref(), Some("000001"), "the oldest first");
    assert_eq!(mailbox.take_all().len(), 1);
    assert_eq!(mailbox.next_to("ann@example.com", Duration::ZERO).await, None);
    assert_eq!(mailer.close(SOON).await, Left { mails: 0 });
    assert_eq!(mailer.reserve().err(), Some(NoSlot::Closing));
    assert_eq!(mailer.close(SOON).await, Left { mails: 0 }, "a second time");
}

#[tokio::test]
async fn a_place_that_was_taken_before_closing_is_still_good() {
    let mailer = mailer(Transport::Memory(MemoryMailbox::new()), 10, &[]);
    let slot = mailer.reserve().unwrap();
    let closing = tokio::spawn({
        let mailer = mailer.clone();
        async move { mailer.close(SOON).await }
    });
    tokio::task::yield_now().await;
    slot.send(Mail::new("ann@example.com".parse().unwrap(), code(1)));
    assert_eq!(closing.await.unwrap(), Left { mails: 0 });
    assert_eq!(mailer.memory().unwrap().take_all().len(), 1);
}

#[tokio::test]
async fn a_place_that_is_not_used_is_free_again() {
    let mailer = mailer(Transport::Memory(MemoryMailbox::new()), 1, &[]);
    let slot = mailer.reserve().unwrap();
    assert_eq!(mailer.reserve().err(), Some(NoSlot::QueueFull { bound: 1 }));
    drop(slot);
    assert!(mailer.reserve().is_ok());
}

#[tokio::test]
async fn files_are_whole_in_order_and_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("deep/mail");
    let url = format!("http://localhost:4400/verify?token={}", "x".repeat(570));
    assert!(url.len() > 600);
    let mut desk = desk(Transport::File { folder: folder.clone(), announce: Announce::Silent });
    desk.product = "Café".to_owned();
    let mailer = Mailer::with_waits(desk, 10, Vec::new());
    send(&mailer, "ann@example.com", link(&url));
    send(&mailer, "bob@example.com", code(7));
    assert_eq!(mailer.close(SOON).await, Left { mails: 0 });

    let names = names(&folder);
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names[0].ends_with("-verify-email.eml") && names[1].ends_with("-verify-email.json"), "{names:?}");
    assert!(names[2].ends_with("-one-time-code.eml") && names[3].ends_with("-one-time-code.json"));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&read(&names[1])).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["to", "subject", "template", "text", "url"]);
    assert_eq!(json["to"], "ann@example.com");
    assert_eq!(json["template"], "verify-email");
    assert_eq!(json["url"], url);
    assert!(json["text"].as_str().unwrap().lines().any(|line| line == url));
    let json: serde_json::Value = serde_json::from_str(&read(&names[3])).unwrap();
    assert_eq!((json["code"].as_str(), json.get("url")), (Some("000007"), None));

    let message = read(&names[0]);
    assert!(message.is_ascii());
    for header in [
        "From: Shop <noreply@shop.example.com>\r\n",
        "To: ann@example.com\r\n",
        "Auto-Submitted: auto-generated\r\n",
    ] {
        assert!(message.contains(header), "{header}: {message}");
    }
    let text = text_part(&message);
    assert!(text.lines().any(|line| line == url), "unbroken after decoding: {text}");
    assert!(text.contains("Café"));
    #[cfg(unix)]
    for path in [folder.clone(), folder.join(&names[0]), folder.join(&names[1])] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
}

#[tokio::test]
async fn dev_is_told_the_link_and_nobody_the_address() {
    let (log, _guard) = Log::listen();
    let folder = tempfile::tempdir().unwrap();
    for announce in [Announce::Silent, Announce::Log] {
        let transport = Transport::File { folder: folder.path().to_owned(), announce };
        let mailer = mailer(transport, 10, &[]);
        send(&mailer, "ann@example.com", link("http://localhost:4400/verify?token=abc"));
        mailer.close(SOON).await;
        let told = log.text().contains("http://localhost:4400/verify?token=abc");
        assert_eq!(told, announce == Announce::Log, "{}", log.text());
    }
    assert!(log.text().contains("verify-email"));
    assert!(!log.text().contains("ann"), "{}", log.text());
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_an_error_without_the_address() {
    let (log, _guard) = Log::listen();
    let file = tempfile::NamedTempFile::new().unwrap();
    let transport = Transport::File { folder: file.path().join("mail"), announce: Announce::Log };
    let mailer = mailer(transport, 10, &[Duration::ZERO]);
    send(&mailer, "ann@example.com", code(1));
    assert_eq!(mailer.close(SOON).await, Left { mails: 0 });
    assert!(log.text().contains("its file cannot be written"), "{}", log.text());
    assert!(log.text().contains("attempt=2"), "{}", log.text());
    assert!(!log.text().contains("ann@"), "{}", log.text());
}

#[tokio::test]
async fn a_mail_server_gets_the_mail_and_the_password() {
    let mut server = MailServer::start(|_| Answer::Accept).await;
    let url = format!("http://localhost:4400/verify?token={}", "x".repeat(570));
    let mailer = mailer(smtp(&server.url("ann%40shop:p%3Aw%25@", "")), 10, &[]);
    send(&mailer, "bob@example.com", link(&url));
    let mail = server.next().await;
    assert_eq!(mail.signed_in.as_deref(), Some("\0ann@shop\0p:w%"));
    assert_eq!(mail.from, "MAIL FROM:<noreply@shop.example.com>");
    assert_eq!(mail.to, ["RCPT TO:<bob@example.com>"]);
    assert!(mail.message.contains("\r\nTo: bob@example.com\r\n"), "{}", mail.message);
    assert!(mail.message.contains("\r\nMessage-ID: <") && mail.message.contains("@shop.example.com>\r\n"));
    assert!(text_part(&mail.message).lines().any(|line| line == url), "{}", mail.message);
    assert_eq!(mailer.close(SOON).await, Left { mails: 0 });
}

#[tokio::test]
async fn a_failure_is_tried_again_with_the_same_message() {
    let (log, _guard) = Log::listen();
    let answers = [Answer::Refuse("451 4.7.1 <ann@example.com> try later"), Answer::HangUp, Answer::Accept];
    let mut server = MailServer::start(move |number| answers[number.min(2)]).await;
    let wait = Duration::from_millis(5);
    let mailer = mailer(smtp(&server.url("", "")), 10, &[wait, wait, NEVER]);
    send(&mailer, "ann@example.com", code(1));
    let tries = [server.next().await, server.next().await, server.next().await];
    assert_eq!(tries[0].message, tries[1].message);
    assert_eq!(tries[0].message, tries[2].message);
    assert_eq!(mailer.close(SOON).await, Left { mails: 0 });
    let log = log.text();
    assert!(log.contains("the server answered 451 4.7.1"), "{log}");
    assert!(log.contains("attempt=2") && !log.contains("ERROR"), "{log}");
    assert!(!log.contains("ann@"), "{log}");
}

#[tokio::test]
async fn a_refusal_for_good_is_given_up_and_logged_without_the_address() {
    let (log, _guard) = Log::listen();
    let mut server = MailServer::start(|_| Answer::Refuse("550 5.1.1 <ann@example.com>: no ann here")).await;
    let mailer = mailer(smtp(&server.url("", "")), 10, &[NEVER]);
    send(&mailer, "ann@example.com", code(1));
    server.next().await;
    assert_eq!(mailer.close(SOON).await, Left { mails: 0 });
    let log = log.text();
    assert!(log.contains("ERROR") && log.contains("template=one-time-code attempt=1"), "{log}");
    assert!(log.contains("the server answered 550 5.1.1: the recipient's mailbox is not available"), "{log}");
    assert!(!log.contains("ann"), "{log}");
    assert!(!log.contains("000001"), "{log}");
}

#[tokio::test]
async fn tries_are_counted_and_end() {
    let (log, _guard) = Log::listen();
    let mut server = MailServer::start(|_| Answer::Refuse("451 later")).await;
    let mailer = mailer(smtp(&server.url("", "")), 10, &[Duration::ZERO, Duration::ZERO]);
    send(&mailer, "ann@example.com", code(1));
    assert_eq!(mailer.close(SOON).await, Left { mails: 0 });
    for _ in 0..3 {
        server.next().await;
    }
    assert!(server.has_no_more(), "three tries");
    assert!(
        log.text().contains("attempt=3 cause=\"the server answered 451: it asks to try later\""),
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn a_mail_that_waits_for_another_try_holds_up_no_other() {
    let (log, _guard) = Log::listen();
    let answer = |number| if number == 0 { Answer::Refuse("451 later") } else { Answer::Accept };
    let mut server = MailServer::start(answer).await;
    let mailer = mailer(smtp(&server.url("", "")), 2, &[NEVER]);
    send(&mailer, "slow@example.com", code(1));
    server.next().await;
    send(&mailer, "ann@example.com", code(2));
    assert_eq!(server.next().await.to, ["RCPT TO:<ann@example.com>"]);
    // It keeps its place, is waited for until the deadline, and then is counted and told.
    assert_eq!(mailer.close(Duration::from_millis(200)).await, Left { mails: 1 });
    assert!(log.text().contains("mails were not sent before the server ended"), "{}", log.text());
}

#[tokio::test]
async fn a_slow_server_fills_the_queue_and_loses_nothing() {
    let mut server = MailServer::start(|_| Answer::WhenReleased).await;
    let mailer = mailer(smtp(&server.url("", "")), 8, &[]);
    for number in 0..8 {
        send(&mailer, "ann@example.com", code(number));
    }
    let full = mailer.reserve().err().unwrap();
    assert_eq!(full, NoSlot::QueueFull { bound: 8 });
    assert!(full.to_string().contains("8 mails wait already"), "{full}");
    // Four connections at a time, and no more while none is done.
    for _ in 0..4 {
        server.next().await;
    }
    assert!(server.has_no_more());
    assert_eq!(mailer.waiting(), 8);
    server.release();
    let closing = mailer.close(SOON).await;
    assert_eq!(closing, Left { mails: 0 }, "what is queued is sent at the end");
    for _ in 4..8 {
        server.next().await;
    }
    assert_eq!(mailer.waiting(), 0);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_after_a_while() {
    let (log, _guard) = Log::listen();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let server = SmtpServer::parse(&url).unwrap().with_timeout(Duration::from_millis(50));
    let mailer = mailer(Transport::Smtp(server), 1, &[]);
    send(&mailer, "ann@example.com", code(1));
    assert_eq!(mailer.close(SOON).await, Left { mails: 0 });
    assert!(log.text().contains("the server took longer than 50ms"), "{}", log.text());
}

#[tokio::test]
async fn nothing_is_sent_readable_where_tls_is_required() {
    let (log, _guard) = Log::listen();
    let server = MailServer::start(|_| Answer::Accept).await;
    let mailer = mailer(smtp(&server.url("ann:s3cret@", "?tls=required")), 10, &[NEVER]);
    send(&mailer, "ann@example.com", code(1));
    assert_eq!(mailer.close(SOON).await, Left { mails: 0 });
    assert!(
        server.commands().iter().all(|line| line.starts_with("EHLO") || line == "QUIT"),
        "{:?}",
        server.commands()
    );
    assert!(log.text().contains("the server offers no STARTTLS"), "{}", log.text());
    assert!(!log.text().contains("s3cret"), "{}", log.text());
}

#[tokio::test]
async fn tls_by_starttls_and_from_the_first_byte() {
    for scheme in ["smtp", "smtps"] {
        let mut server = MailServer::start_with_tls(scheme, |_| Answer::Accept).await;
        let url = server.url("ann:s3cret@", if scheme == "smtp" { "?tls=required" } else { "" });
        let trusting = smtp::tests::trusting(&url, server.certificate());
        let good = mailer(Transport::Smtp(trusting), 10, &[]);
        send(&good, "bob@example.com", code(1));
        let mail = server.next().await;
        assert_eq!(mail.signed_in.as_deref(), Some("\0ann\0s3cret"));
        assert!(mail.was_encrypted);
        good.close(SOON).await;

        // A certificate that nobody knows is refused, before the password.
        let (log, _guard) = Log::listen();
        let wary = mailer(smtp(&url), 10, &[]);
        send(&wary, "bob@example.com", code(2));
        assert_eq!(wary.close(SOON).await, Left { mails: 0 });
        assert!(server.has_no_more());
        assert!(log.text().contains("certificate"), "{}", log.text());
    }
}

#[tokio::test]
async fn nothing_a_user_chooses_becomes_a_header_or_a_recipient() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("verify-email.subject.txt"), "Hello {{name}}, {{url}}").unwrap();
    let mut server = MailServer::start(|_| Answer::Accept).await;
    let mut desk = desk(smtp(&server.url("", "")));
    desk.templates = Templates::load(folder.path()).unwrap();
    let mailer = Mailer::with_waits(desk, 10, Vec::new());
    let attacks = [
        "Ann\r\nBcc: eve@evil",
        "Ann\nBcc: eve",
        "Ann\r\n\r\n.\r\nMAIL FROM: eve",
        "Ann\u{2028}Bcc: e",
        "\0",
    ];
    for attack in attacks {
        let url =
            format!("http://localhost/\r\nBcc: eve@evil.test\r\n.\r\nRCPT TO:<eve@evil.test>\r\n{attack}");
        let mail = Mail::new("ann@example.com".parse().unwrap(), link(&url)).with_name(attack);
        mailer.reserve().unwrap().send(mail);
        let received = server.next().await;
        assert_eq!(received.to, ["RCPT TO:<ann@example.com>"]);
        let head = received.message.split_once("\r\n\r\n").unwrap().0;
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
        let names =
            head.lines().filter(|line| !line.starts_with(' ')).map(|line| line.split(':').next().unwrap());
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        let expected =
            ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
        assert_eq!(names, expected, "{head}");
    }
    mailer.close(SOON).await;
}

#[tokio::test]
async fn settings_are_checked_before_anything_starts() {
    let settings = |transport, url: Option<&str>, from: &str, folder: &str| MailSettings {
        transport,
        url: url.map(Into::into),
        from: from.to_owned(),
        folder: folder.into(),
    };
    let check = |settings: &MailSettings, expected: &[(&str, &str)]| {
        let found = settings.check();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (problem, (key, message)) in found.iter().zip(expected) {
            assert_eq!(problem.key, *key);
            assert!(problem.message.contains(message), "{problem:?}");
            assert!(!problem.message.contains("s3cret"), "{problem:?}");
        }
        let world = World::default();
        let started = Mailer::start(settings, Announce::Silent, Templates::built_in(), "Shop", &world);
        assert_eq!(started.is_ok(), expected.is_empty());
    };
    check(&settings(TransportKind::Memory, None, "a@b.test", ""), &[]);
    check(&settings(TransportKind::File, None, "Shop <a@b.test>", "mail"), &[]);
    check(&settings(TransportKind::Smtp, Some("smtps://u:s3cret@b.test"), "a@b.test", ""), &[]);
    check(&settings(TransportKind::File, None, "a@b.test", ""), &[("folder", "needs a folder")]);
    check(
        &settings(TransportKind::Smtp, None, "nobody", ""),
        &[("from", "mail.from is not an address"), ("url", "needs mail.url")],
    );
    check(
        &settings(TransportKind::Smtp, Some("smtps://s3cret@b.test"), "a@b.test", ""),
        &[("url", "not both); write smtps://user:password@host")],
    );
}
