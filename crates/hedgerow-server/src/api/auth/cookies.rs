//! The cookies of sign-in, with Better Auth's names, attributes and their order.
//!
//! Always holds: a value that counts is signed; of two cookies of one name the first counts.

use axum::http::{HeaderMap, header};
use hedgerow::App;
use hedgerow::auth::signed;

/// The session's token.
pub(super) const SESSION: &str = "session_token";
/// A cache that this server does not use; it is deleted with the session, since a Node server may have set it.
pub(super) const SESSION_DATA: &str = "session_data";
/// The browser is not to keep the session after it is closed.
pub(super) const DONT_REMEMBER: &str = "dont_remember";
/// A sign-in that waits for the second factor.
pub(super) const TWO_FACTOR: &str = "two_factor";
/// A browser that needs no second factor.
pub(super) const TRUST_DEVICE: &str = "trust_device";

/// The session of an administrator who acts as somebody else.
pub(super) const ADMIN_SESSION: &str = "admin_session";

/// What a browser was sent to a provider with.
pub(super) const STATE: &str = "state";

/// How long a browser keeps a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// So many seconds.
    Seconds(u64),
    /// Until it is closed.
    UntilClosed,
    /// Not any more.
    Not,
}

/// A cookie's whole name.
pub(super) fn name(app: &App, own: &str) -> String {
    let auth = app.auth();
    let prefix = &auth.settings().cookie_prefix;
    if auth.has_secure_cookies() { format!("__Secure-{prefix}.{own}") } else { format!("{prefix}.{own}") }
}

/// A `Set-Cookie` line with a value that is signed here.
pub(super) fn set(app: &App, own: &str, value: &str, keep: Keep) -> String {
    let auth = app.auth();
    let mut line = name(app, own);
    line.push('=');
    if keep != Keep::Not {
        line.push_str(&signed::to_cookie(auth.secrets(), value));
    }
    match keep {
        // Browsers keep a cookie for 400 days at most.
        Keep::Seconds(seconds) => line.push_str(&format!("; Max-Age={}", seconds.min(400 * 86_400))),
        Keep::UntilClosed => {}
        Keep::Not => line.push_str("; Max-Age=0"),
    }
    if let Some(domain) = &auth.settings().cookie_domain {
        line.push_str(&format!("; Domain={domain}"));
    }
    line.push_str("; Path=/; HttpOnly");
    if auth.has_secure_cookies() {
        line.push_str("; Secure");
    }
    line.push_str("; SameSite=Lax");
    line
}

/// The text of a cookie as it was sent.
pub(super) fn raw<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(own, _)| *own == name).map(|(_, value)| value.trim_matches('"')).next()
}

/// The value of a cookie whose signature is ours.
pub(super) fn get(app: &App, headers: &HeaderMap, own: &str) -> Option<String> {
    let text = raw(headers, &name(app, own))?;
    signed::from_cookie(app.auth().secrets(), text)
}
