//! A browser, as far as sign-in is concerned: it keeps cookies, says which page it is on, and follows no redirect by itself.

use std::sync::Mutex;

use serde_json::Value;

use crate::app::{Answer, TestApp, Who};

/// A browser on a page of the application's own origin.
pub struct Browser<'a> {
    app: &'a TestApp,
    cookies: Mutex<Vec<(String, String)>>,
}

impl TestApp {
    /// A browser without cookies.
    pub fn browser(&self) -> Browser<'_> {
        Browser { app: self, cookies: Mutex::new(Vec::new()) }
    }
}

impl Browser<'_> {
    /// Asks below `/api/auth`.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", &format!("/api/auth{path}"), None, &[]).await
    }

    /// Sends a body below `/api/auth`.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask("POST", &format!("/api/auth{path}"), Some(body.to_string()), &[]).await
    }

    /// Sends any request with the browser's cookies; `headers` come first.
    pub async fn ask(
        &self,
        method: &'static str,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let origin = self.app.app.auth().base_url().origin().ascii_serialization();
        let cookie = self.cookie_header();
        let mut all: Vec<(&str, &str)> = headers.to_vec();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("origin")) {
            all.push(("origin", &origin));
        }
        if !cookie.is_empty() {
            all.push(("cookie", &cookie));
        }
        let answer = self.app.ask(Who::Headers(&all), method, path, body).await;
        self.keep(&answer);
        answer
    }

    /// Follows a link of a mail.
    pub async fn open(&self, url: &str) -> Answer {
        let path = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        self.ask("GET", path.expect("a link with a path"), None, &[]).await
    }

    /// The `Cookie` header that the browser sends.
    pub fn cookie_header(&self) -> String {
        let cookies = self.cookies.lock().expect("no test panics here");
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Puts a cookie there, as another page would.
    pub fn set_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().expect("no test panics here");
        cookies.retain(|(own, _)| own != name);
        cookies.push((name.to_owned(), value.to_owned()));
    }

    fn keep(&self, answer: &Answer) {
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (name, rest) = line.split_once('=').expect("a cookie");
            let (value, attributes) = rest.split_once(';').unwrap_or((rest, ""));
            if attributes.contains("Max-Age=0") {
                self.cookies.lock().expect("no test panics here").retain(|(own, _)| own != name);
            } else {
                self.set_cookie(name, value);
            }
        }
    }
}
