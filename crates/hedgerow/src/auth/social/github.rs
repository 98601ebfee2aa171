//! GitHub, and its Enterprise Server.

use serde_json::Value;

use super::profile::{Profile, flag, text};

/// Where the public one is.
pub(super) const ISSUER: &str = "https://github.com";
/// Where the public one answers questions; one's own has `/api/v3`.
pub(super) const API: &str = "https://api.github.com";
/// What signing in needs.
pub(super) const SCOPES: &[&str] = &["read:user", "user:email"];

/// Who `/user` says somebody is, with the addresses of `/user/emails`: the public one, else the primary one; verified if the list
/// says so of this very address.
pub(super) fn profile(mut data: Value, emails: &Value) -> Option<Profile> {
    let list = emails.as_array().map(Vec::as_slice).unwrap_or_default();
    let email = text(&data, "email").or_else(|| {
        let primary = list.iter().find(|one| flag(&one["primary"])).or(list.first())?;
        text(primary, "email")
    });
    let is_verified = email.as_ref().is_some_and(|email| {
        list.iter().any(|one| one["email"].as_str() == Some(email.as_str()) && flag(&one["verified"]))
    });
    if let Some(email) = &email {
        data["email"] = Value::String(email.clone());
    }
    let name = text(&data, "name").or_else(|| text(&data, "login"));
    Profile::new(&data["id"], name, email, is_verified, text(&data, "avatar_url"), data.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_verified_when_the_list_says_so_of_it() {
        let check = |user: Value, emails: Value, expected: Option<(&str, bool)>| {
            let found =
                profile(user, &emails).and_then(|profile| Some((profile.email?, profile.email_verified)));
            assert_eq!(found, expected.map(|(email, verified)| (email.to_owned(), verified)));
        };
        let emails = json!([
            { "email": "old@example.com", "primary": false, "verified": true },
            { "email": "ann@example.com", "primary": true, "verified": true },
            { "email": "new@example.com", "primary": false, "verified": false },
        ]);
        check(json!({ "id": 1, "login": "ann" }), emails.clone(), Some(("ann@example.com", true)));
        check(
            json!({ "id": 1, "email": "old@example.com" }),
            emails.clone(),
            Some(("old@example.com", true)),
        );
        check(
            json!({ "id": 1, "email": "new@example.com" }),
            emails.clone(),
            Some(("new@example.com", false)),
        );
        check(
            json!({ "id": 1, "email": "else@example.com" }),
            emails.clone(),
            Some(("else@example.com", false)),
        );
        check(
            json!({ "id": 1, "email": "ann@example.com" }),
            json!({ "message": "no" }),
            Some(("ann@example.com", false)),
        );
        check(json!({ "id": 1 }), json!([]), None);
        check(json!({ "login": "ann" }), emails, None);
    }
}
