//! A mail server for tests: a real conversation (RFC 5321, 4954, 3207) on a loopback port, answering as it is told.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

/// What the server says to the mail with this number, counted from 0, once it has the whole of it.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Accept,
    Refuse(&'static str),
    HangUp,
    WhenReleased,
}

/// A mail as the server got it.
#[derive(Default)]
pub(super) struct Received {
    pub(super) was_encrypted: bool,
    pub(super) signed_in: Option<String>,
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) message: String,
}

pub(super) struct MailServer {
    scheme: &'static str,
    port: u16,
    certificate: Vec<u8>,
    received: mpsc::UnboundedReceiver<Received>,
    released: watch::Sender<bool>,
    commands: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

/// What each conversation knows.
#[derive(Clone)]
struct Host {
    answer: Arc<dyn Fn(usize) -> Answer + Send + Sync>,
    counter: Arc<AtomicUsize>,
    sender: mpsc::UnboundedSender<Received>,
    released: watch::Receiver<bool>,
    commands: Arc<Mutex<Vec<String>>>,
}

/// How a conversation ended.
enum End {
    Over,
    StartTls,
}

impl MailServer {
    pub(super) async fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen("smtp", None, Vec::new(), answer).await
    }

    /// With STARTTLS (`smtp`), or TLS from the first byte (`smtps`).
    pub(super) async fn start_with_tls(
        scheme: &'static str,
        answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::listen(scheme, Some(acceptor), made.cert.der().to_vec(), answer).await
    }

    async fn listen(
        scheme: &'static str,
        tls: Option<TlsAcceptor>,
        certificate: Vec<u8>,
        answer: impl Fn(usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, received) = mpsc::unbounded_channel();
        let (released, release) = watch::channel(false);
        let commands = Arc::<Mutex<Vec<String>>>::default();
        let host = Host {
            answer: Arc::new(answer),
            counter: Arc::default(),
            sender,
            released: release,
            commands: Arc::clone(&commands),
        };
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (host, tls) = (host.clone(), tls.clone());
                tokio::spawn(async move {
                    // A client that goes away in the middle is part of the tests.
                    let _: io::Result<()> = async {
                        match (tls, scheme) {
                            (Some(tls), "smtps") => {
                                host.talk(&mut tls.accept(stream).await?, true, "220 here\r\n", false)
                                    .await?;
                            }
                            (tls, _) => {
                                let mut stream = stream;
                                let end =
                                    host.talk(&mut stream, false, "220 here\r\n", tls.is_some()).await?;
                                if let (End::StartTls, Some(tls)) = (end, tls) {
                                    host.talk(&mut tls.accept(stream).await?, true, "", false).await?;
                                }
                            }
                        }
                        Ok(())
                    }
                    .await;
                });
            }
        });
        Self { scheme, port, certificate, received, released, commands, task }
    }

    /// `user:password@` and `?tls=…` may be empty. The certificate is for `localhost`.
    pub(super) fn url(&self, user: &str, query: &str) -> String {
        format!("{}://{user}localhost:{}{query}", self.scheme, self.port)
    }

    pub(super) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The next mail that came as a whole, whatever it was answered.
    pub(super) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(Duration::from_secs(20), self.received.recv()).await;
        next.expect("a mail in time").expect("a mail")
    }

    pub(super) fn has_no_more(&mut self) -> bool {
        self.received.try_recv().is_err()
    }

    /// Every [`Answer::WhenReleased`] is given from now on.
    pub(super) fn release(&self) {
        self.released.send(true).unwrap();
    }

    /// All command lines so far.
    pub(super) fn commands(&self) -> Vec<String> {
        self.commands.lock().unwrap().clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Host {
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        was_encrypted: bool,
        greeting: &str,
        offers_tls: bool,
    ) -> io::Result<End> {
        let mut stream = BufReader::new(stream);
        stream.write_all(greeting.as_bytes()).await?;
        let mut mail = Received { was_encrypted, ..Received::default() };
        loop {
            stream.flush().await?;
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(End::Over);
            }
            let line = line.trim_end().to_owned();
            self.commands.lock().unwrap().push(line.clone());
            let answer = match line.split(' ').next().unwrap_or_default() {
                "EHLO" if offers_tls => "250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
                "EHLO" => "250-here\r\n250 AUTH PLAIN\r\n",
                "STARTTLS" if offers_tls => {
                    stream.write_all(b"220 go\r\n").await?;
                    stream.flush().await?;
                    return Ok(End::StartTls);
                }
                "AUTH" => {
                    mail.signed_in = line.strip_prefix("AUTH PLAIN ").map(decode_base64);
                    "235 in\r\n"
                }
                "MAIL" => {
                    mail.from = line.split(" BODY").next().unwrap_or_default().to_owned();
                    "250 fine\r\n"
                }
                "RCPT" => {
                    mail.to.push(line);
                    "250 fine\r\n"
                }
                "DATA" => {
                    stream.write_all(b"354 go\r\n").await?;
                    stream.flush().await?;
                    while !mail.message.ends_with("\r\n.\r\n") {
                        if stream.read_line(&mut mail.message).await? == 0 {
                            return Ok(End::Over);
                        }
                    }
                    let number = self.counter.fetch_add(1, Ordering::SeqCst);
                    let _ = self.sender.send(std::mem::take(&mut mail));
                    match (self.answer)(number) {
                        Answer::Accept => "250 taken\r\n",
                        Answer::HangUp => return Ok(End::Over),
                        Answer::Refuse(text) => {
                            stream.write_all(text.as_bytes()).await?;
                            "\r\n"
                        }
                        Answer::WhenReleased => {
                            let _ = self.released.clone().wait_for(|released| *released).await;
                            "250 taken\r\n"
                        }
                    }
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await?;
                    stream.flush().await?;
                    return Ok(End::Over);
                }
                _ => "500 what?\r\n",
            };
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// RFC 4648, 4.
fn decode_base64(text: &str) -> String {
    let mut bits = 0_u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for letter in text.bytes().filter(|byte| *byte != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    String::from_utf8(bytes).unwrap()
}
