//! Google: OpenID Connect with addresses that are known beforehand.

use serde_json::Value;

use crate::auth::jwt::Claims;

/// What signing in needs, in Better Auth's order.
pub(super) const SCOPES: &[&str] = &["email", "profile", "openid"];
/// Where a browser is sent.
pub(super) const AUTHORIZATION: &str = "https://accounts.google.com/o/oauth2/v2/auth";
/// Where codes become tokens.
pub(super) const TOKEN: &str = "https://oauth2.googleapis.com/token";
/// Where its keys are.
pub(super) const KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";
/// Who somebody is.
pub(super) const USER_INFO: &str = "https://openidconnect.googleapis.com/v1/userinfo";
/// How it calls itself in tokens.
pub(super) const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// Whether the account is of the domain (`hd`) that the settings ask for; `*` is any Workspace.
pub(super) fn is_of_domain(parameters: &[(String, String)], claims: &Claims) -> bool {
    let Some((_, wanted)) = parameters.iter().find(|(name, _)| name == "hd") else { return true };
    match claims.get("hd").and_then(Value::as_str) {
        Some(own) if !own.is_empty() => wanted == "*" || own == wanted,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hosted_domain_is_asked_for_and_checked() {
        let check = |wanted: Option<&str>, claims: Value, expected: bool| {
            let parameters: Vec<_> = wanted.map(|hd| ("hd".to_owned(), hd.to_owned())).into_iter().collect();
            assert_eq!(
                is_of_domain(&parameters, claims.as_object().unwrap()),
                expected,
                "{wanted:?} {claims}"
            );
        };
        check(None, json!({}), true);
        check(Some("example.com"), json!({ "hd": "example.com" }), true);
        check(Some("example.com"), json!({ "hd": "evil.test" }), false);
        check(Some("example.com"), json!({}), false);
        check(Some("*"), json!({ "hd": "example.org" }), true);
        check(Some("*"), json!({ "hd": "" }), false);
        check(Some("example.com"), json!({ "hd": ["example.com"] }), false);
    }
}
