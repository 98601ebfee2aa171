//! Who somebody is at a provider, as far as we believe it.
//!
//! Always holds: there is an id; an address is one that mail goes to; it is verified only when the provider itself says so.

use serde_json::Value;

use crate::auth::jwt::Claims;
use crate::auth::sign_up;

/// Longer names are cut.
const LONGEST_NAME: usize = 255;
/// Longer ids and addresses of pictures are none.
const LONGEST: usize = 2048;

/// Somebody at a provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Who, for ever, at this provider.
    pub id: String,
    /// For people; may be empty.
    pub name: String,
    /// In lower case.
    pub email: Option<String>,
    /// Whether the provider vouches for the address.
    pub email_verified: bool,
    /// Where a picture is.
    pub image: Option<String>,
    /// All that the provider said.
    pub data: Value,
}

impl Profile {
    pub(super) fn new(
        id: &Value,
        name: Option<String>,
        email: Option<String>,
        email_verified: bool,
        image: Option<String>,
        data: Value,
    ) -> Option<Self> {
        let id = match id {
            Value::String(id) => id.clone(),
            Value::Number(id) => id.to_string(),
            _ => return None,
        };
        if id.trim().is_empty() || id.len() > LONGEST || id.contains('\0') {
            return None;
        }
        let plain = |c: &char| !c.is_control();
        let name = name.unwrap_or_default().chars().filter(plain).take(LONGEST_NAME).collect();
        let email = email.map(|email| email.to_lowercase()).filter(|email| sign_up::is_address(email));
        let is_picture = |image: &String| {
            image.len() <= LONGEST && (image.starts_with("https://") || image.starts_with("http://"))
        };
        let image = image.filter(is_picture).filter(|image| image.chars().all(|c| plain(&c)));
        let email_verified = email_verified && email.is_some();
        Some(Self { id, name, email, email_verified, image, data })
    }

    /// From claims by the names of OpenID Connect Core 1.0, section 5.1.
    pub(super) fn of_claims(claims: &Claims) -> Option<Self> {
        let data = Value::Object(claims.clone());
        let name = text(&data, "name").or_else(|| text(&data, "preferred_username"));
        let verified = flag(&data["email_verified"]);
        let id = data.get("sub").filter(|id| id.is_string())?.clone();
        Self::new(&id, name, text(&data, "email"), verified, text(&data, "picture"), data)
    }
}

/// A member that is a text with something in it.
pub(super) fn text(data: &Value, name: &str) -> Option<String> {
    data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Yes, also as the text that some providers send.
pub(super) fn flag(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value.as_str() == Some("true")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_providers_own_word_verifies_an_address() {
        let check = |claims: Value, expected: (Option<&str>, bool)| {
            let profile = Profile::of_claims(claims.as_object().unwrap()).unwrap();
            assert_eq!((profile.email.as_deref(), profile.email_verified), expected, "{claims}");
        };
        check(
            json!({ "sub": "1", "email": "Ann@Example.com", "email_verified": true }),
            (Some("ann@example.com"), true),
        );
        check(
            json!({ "sub": "1", "email": "ann@example.com", "email_verified": "true" }),
            (Some("ann@example.com"), true),
        );
        for no in
            [json!(false), json!("false"), json!(1), json!("yes"), json!(null), json!([true]), json!("TRUE")]
        {
            check(
                json!({ "sub": "1", "email": "ann@example.com", "email_verified": no }),
                (Some("ann@example.com"), false),
            );
        }
        check(json!({ "sub": "1", "email": "ann@example.com" }), (Some("ann@example.com"), false));
        for bad in ["a@x.co,b@y.co", "a@x.co\r\nBcc: b@y.co", "", "a", "\"a b\"@x.co"] {
            check(json!({ "sub": "1", "email": bad, "email_verified": true }), (None, false));
        }
    }

    #[test]
    fn somebody_without_an_id_is_nobody() {
        for bad in [
            json!({}),
            json!({ "sub": 5 }),
            json!({ "sub": "" }),
            json!({ "sub": " " }),
            json!({ "sub": "a\0" }),
        ] {
            assert_eq!(Profile::of_claims(bad.as_object().unwrap()), None, "{bad}");
        }
        let odd = json!({ "sub": "1", "name": "A\u{0}\nB", "picture": "javascript:alert(1)" });
        let profile = Profile::of_claims(odd.as_object().unwrap()).unwrap();
        assert_eq!((profile.name.as_str(), profile.image), ("AB", None));
    }
}
