//! Values with a signature behind them, as cookies carry them: `<value>.<base64 of the HMAC-SHA256>`.
//!
//! Always holds: only the current secret signs and is believed; signatures are compared in constant time; a text that is not
//! exactly of this form is not valid.

use std::borrow::Cow;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::hmac;
use secrecy::ExposeSecret;

use super::secrets::Secrets;

/// 32 bytes in base64, one `=` at the end.
const SIGNATURE_LENGTH: usize = 44;

/// What JavaScript's `encodeURIComponent` escapes (ECMA-262, 19.2.6.4).
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// `value` and its signature, not yet in the form of a cookie.
pub fn sign(secrets: &Secrets, value: &str) -> String {
    let signature = hmac::sign(&key(secrets), value.as_bytes());
    format!("{value}.{}", BASE64.encode(signature.as_ref()))
}

/// The value of a signed text, if the signature is right and there is a value.
pub fn verify<'a>(secrets: &Secrets, signed: &'a str) -> Option<&'a str> {
    let (value, signature) = signed.rsplit_once('.')?;
    if value.is_empty() || signature.len() != SIGNATURE_LENGTH || !signature.ends_with('=') {
        return None;
    }
    let signature = BASE64.decode(signature.as_bytes()).ok()?;
    hmac::verify(&key(secrets), value.as_bytes(), &signature).ok()?;
    Some(value)
}

/// A cookie's value: signed and escaped.
pub fn to_cookie(secrets: &Secrets, value: &str) -> String {
    encode_component(&sign(secrets, value))
}

/// The value of a cookie that [`to_cookie`] or Better Auth wrote, escaped as it is sent or not.
pub fn from_cookie(secrets: &Secrets, cookie: &str) -> Option<String> {
    verify(secrets, &decode_component(cookie)?).map(str::to_owned)
}

/// JavaScript's `encodeURIComponent`.
pub fn encode_component(text: &str) -> String {
    utf8_percent_encode(text, COMPONENT).to_string()
}

/// JavaScript's `decodeURIComponent`; nothing for an escape that is cut or means no UTF-8.
pub fn decode_component(text: &str) -> Option<Cow<'_, str>> {
    let escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(escape) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

/// A signature by itself, in base64url: of a cached session, of a trusted device.
pub fn mac(secrets: &Secrets, text: &str) -> String {
    BASE64URL_NOPAD.encode(hmac::sign(&key(secrets), text.as_bytes()).as_ref())
}

/// Whether `mac` is the signature of `text`.
pub fn is_mac(secrets: &Secrets, text: &str, mac: &str) -> bool {
    BASE64URL_NOPAD
        .decode(mac.as_bytes())
        .is_ok_and(|mac| hmac::verify(&key(secrets), text.as_bytes(), &mac).is_ok())
}

/// The key of every HMAC-SHA256: the secret's text as it is.
pub(super) fn key(secrets: &Secrets) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secrets.current().expose_secret().as_bytes())
}

/// The hash of a text as a Content-Security-Policy names it: `sha256-` and base64.
pub fn content_hash(text: &str) -> String {
    use sha2::Digest;
    format!("sha256-{}", BASE64.encode(&sha2::Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::World;
    use crate::token;

    /// Made by Better Auth.
    const SECRET: &str = "conformance-secret-0123456789-abcdefghijklmnop";
    const TOKEN: &str = "p1w1KYDr5rEdQbRAlcZd9Bna88qGbabN";
    const SIGNED: &str = "p1w1KYDr5rEdQbRAlcZd9Bna88qGbabN.VhJXYNh7aG56jBr8ZWY4FAwKwYc5dj88t4jAD+jcopo=";
    const ENCODED: &str = "p1w1KYDr5rEdQbRAlcZd9Bna88qGbabN.VhJXYNh7aG56jBr8ZWY4FAwKwYc5dj88t4jAD%2Bjcopo%3D";
    const CACHE: &str = r#"{"session":{"id":"s1","token":"p1w1KYDr5rEdQbRAlcZd9Bna88qGbabN"},"user":{"id":"u1","email":"ada@example.com"},"updatedAt":1,"version":"1","expiresAt":2}"#;
    const CACHE_MAC: &str = "9cqYqyAr2VU--yzf429-7ZSVrdXeoMMRVjCrP78wm-Q";

    #[test]
    fn better_auths_cookies_are_read_and_written() {
        let secrets = Secrets::single(SECRET);
        assert_eq!(sign(&secrets, TOKEN), SIGNED);
        assert_eq!(verify(&secrets, SIGNED), Some(TOKEN));
        assert_eq!(to_cookie(&secrets, TOKEN), ENCODED);
        for form in [SIGNED, ENCODED, &ENCODED.replace("%2B", "%2b"), &SIGNED.replace('=', "%3D")] {
            assert_eq!(from_cookie(&secrets, form).as_deref(), Some(TOKEN), "{form}");
        }
        assert_eq!(mac(&secrets, CACHE), CACHE_MAC);
        assert!(is_mac(&secrets, CACHE, CACHE_MAC));
    }

    #[test]
    fn a_character_changed_anywhere_is_noticed() {
        let secrets = Secrets::single(SECRET);
        for at in 0..SIGNED.len() {
            for other in [b'a', b'b', b'.', b'=', b'%', b'A'] {
                let mut bytes = SIGNED.as_bytes().to_vec();
                if bytes[at] == other {
                    continue;
                }
                bytes[at] = other;
                let changed = String::from_utf8(bytes).unwrap();
                assert_eq!(verify(&secrets, &changed), None, "{changed}");
                assert_eq!(from_cookie(&secrets, &changed), None, "{changed}");
            }
            assert_eq!(verify(&secrets, &SIGNED[..at]), None, "{at}");
        }
        for bad in [
            "",
            ".",
            "=",
            TOKEN,
            &format!("{SIGNED}="),
            &format!("{SIGNED} "),
            &format!(" {SIGNED}"),
            // The same bytes, written another way.
            &SIGNED.replace("po=", "pp="),
            &SIGNED.replace('+', "-"),
            // A signature of nothing.
            &sign(&secrets, ""),
            &ENCODED.replace("%3D", "%3"),
            &ENCODED.replace("%3D", "%"),
            &ENCODED.replace("%3D", "%ZZ"),
            &ENCODED.replace("%2B", "%FF"),
            // Escaped twice.
            &ENCODED.replace('%', "%25"),
        ] {
            assert_eq!(from_cookie(&secrets, bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_current_secret_is_believed() {
        let secrets = Secrets::parse_versions(&format!("2:another,1:{SECRET}")).unwrap();
        assert_eq!(verify(&secrets, SIGNED), None);
        assert!(!is_mac(&secrets, CACHE, CACHE_MAC));
        let secrets = Secrets::parse_versions(&format!("2:{SECRET},1:another")).unwrap();
        assert_eq!(verify(&secrets, SIGNED), Some(TOKEN));
        assert_eq!(verify(&Secrets::single(""), SIGNED), None);
    }

    #[test]
    fn components_are_escaped_as_javascript_does() {
        let all: String = (' '..='~').collect();
        let expected = "%20!%22%23%24%25%26'()*%2B%2C-.%2F0123456789%3A%3B%3C%3D%3E%3F%40ABCDEFGHIJKLMNOPQRSTUVWXYZ%5B%5C%5D%5E_%60abcdefghijklmnopqrstuvwxyz%7B%7C%7D~";
        assert_eq!(encode_component(&all), expected);
        assert_eq!(encode_component("ü😀\0\n"), "%C3%BC%F0%9F%98%80%00%0A");
        assert_eq!(decode_component(expected).as_deref(), Some(all.as_str()));
        assert_eq!(decode_component("a+b").as_deref(), Some("a+b"));
        for bad in ["%", "%2", "a%", "%G0", "%0G", "%é", "%ff", "%C3", "%ED%A0%80", "%2%20"] {
            assert_eq!(decode_component(bad), None, "{bad}");
        }
    }

    #[test]
    fn whatever_is_signed_is_read_again() {
        let world = World::default();
        for _ in 0..500 {
            let secrets = Secrets::single(token::letters::<32>(&world));
            let bytes = world.random::<24>();
            let value = String::from_utf8_lossy(&bytes[..1 + usize::from(bytes[0] % 23)]).into_owned();
            assert_eq!(verify(&secrets, &sign(&secrets, &value)), Some(value.as_str()));
            let cookie = to_cookie(&secrets, &value);
            assert!(cookie.is_ascii() && !cookie.contains([';', ',', ' ', '"']), "{cookie}");
            assert_eq!(from_cookie(&secrets, &cookie), Some(value.clone()));
            assert!(is_mac(&secrets, &value, &mac(&secrets, &value)));
            assert!(!is_mac(&secrets, &format!("{value}x"), &mac(&secrets, &value)));
            assert!(!is_mac(&secrets, &value, ""));
        }
    }
}
