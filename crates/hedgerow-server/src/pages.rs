//! Plain pages for an application that has no front end of its own yet: signing in, making an account, setting a password.
//!
//! Always holds: a page holds nothing of the request: its script is static and allowed by its hash, nothing else runs; it
//! leads nowhere but to paths of this server.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

const SCRIPT: &str = include_str!("pages/form.js");
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:22rem;margin:12vh auto;padding:0 1rem;color:#222}\
label{display:block;margin:.8rem 0}input{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.45rem;\
border:1px solid #888;border-radius:4px}button{font:inherit;padding:.5rem 1.2rem;border:0;border-radius:4px;\
background:#1a5f3c;color:#fff;cursor:pointer}#problem{color:#a11;min-height:1.5em}a{color:#1a5f3c}[hidden]{display:none}";

/// `GET /sign-in`
pub(crate) async fn sign_in() -> Response {
    page(
        "Sign in",
        "sign-in",
        "<label>E-mail <input name=email type=email autocomplete=username required autofocus></label>\
         <label>Password <input name=password type=password autocomplete=current-password required></label>\
         <label id=second hidden>Code of your authenticator app \
         <input name=code inputmode=numeric autocomplete=one-time-code></label>",
        "Sign in",
        "<a href=\"/sign-up\">Make an account</a> · <a href=\"#\" id=forgot>Forgot your password?</a>",
    )
}

/// `GET /sign-up`: with `?invitation=…` for those who were invited.
pub(crate) async fn sign_up() -> Response {
    page(
        "Make an account",
        "sign-up",
        "<label>Name <input name=name autocomplete=name required autofocus></label>\
         <label>E-mail <input name=email type=email autocomplete=username required></label>\
         <label>Password <input name=password type=password autocomplete=new-password minlength=8 required></label>",
        "Make the account",
        "<a href=\"/sign-in\">Sign in</a>",
    )
}

/// `GET /set-password?token=…`: where a link to set a password leads.
pub(crate) async fn set_password() -> Response {
    page(
        "Set your password",
        "set-password",
        "<label>New password <input name=password type=password autocomplete=new-password minlength=8 required autofocus></label>",
        "Set the password",
        "<a href=\"/sign-in\">Sign in</a>",
    )
}

fn page(title: &str, form: &str, fields: &str, button: &str, links: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n<form data-form=\"{form}\" method=\"post\">{fields}\
         <p id=\"problem\" role=\"alert\"></p><button>{button}</button></form>\n<nav><p>{links}</p></nav>\n\
         <noscript><p>This page needs JavaScript.</p></noscript>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    );
    let mut response = Html(html).into_response();
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; form-action 'none'; \
         frame-ancestors 'none'; base-uri 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// As Content-Security-Policy names a text that may run (CSP level 3, section 2.3.1).
pub(crate) fn hash(text: &str) -> String {
    hedgerow::auth::signed::content_hash(text)
}
