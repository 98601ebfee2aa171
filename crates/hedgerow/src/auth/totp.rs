//! Codes that change every 30 seconds (TOTP, RFC 6238), as authenticator apps show them.
//!
//! Always holds: SHA-1 and 6 digits, as every app has them; the key is the secret's text itself, as Better Auth does it, and
//! base32 stands in the URI alone, and in secrets that came from elsewhere. Who accepts a code keeps its step and accepts no
//! step up to it again.

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use ring::hmac;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::signed::encode_component;
use crate::context::World;
use crate::token::{self, Alphabet};

const PERIOD_SECONDS: i64 = 30;
const DIGITS: usize = 6;
/// How many steps a clock may be wrong.
const WINDOW: i64 = 1;
/// What stands before a secret that an application brought along from another server, in base32.
const BROUGHT: &str = "base32:";

/// A new secret, 32 characters.
pub fn generate(world: &World) -> SecretString {
    SecretString::from(token::random::<32>(world, Alphabet::UrlSafe))
}

/// Which 30 seconds since 1970 a moment is in.
pub fn step(at: Timestamp) -> i64 {
    at.as_second().div_euclid(PERIOD_SECONDS)
}

/// The code of a step.
pub fn code(secret: &SecretString, step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key(secret));
    let hash = hmac::sign(&key, &step.to_be_bytes());
    let hash = hash.as_ref();
    // RFC 4226, section 5.3: the last four bits say where the number stands.
    let offset = usize::from(hash[hash.len() - 1] & 0xf);
    let number = hash[offset..offset + 4].iter().fold(0_u32, |number, &byte| (number << 8) | u32::from(byte));
    format!("{:0DIGITS$}", (number & 0x7fff_ffff) % 1_000_000)
}

/// The step whose code this is: the present one, the one before or the one after. The caller compares it with the last one
/// that was accepted, and refuses what is not later.
pub fn verify(secret: &SecretString, candidate: &str, now: Timestamp) -> Option<i64> {
    let mut matched = Choice::from(0);
    let mut at = 0_i64;
    for step in step(now) - WINDOW..=step(now) + WINDOW {
        let same = code(secret, step).as_bytes().ct_eq(candidate.as_bytes());
        at.conditional_assign(&step, same);
        matched |= same;
    }
    bool::from(matched).then_some(at)
}

/// What an authenticator app reads from a QR code (Google's key URI format).
///
/// ```
/// # use hedgerow::auth::totp;
/// let uri = totp::uri("My app", "ada@example.com", &"pTg7UZbpTX_JuKbkE1TUQ7D50u-DRify".into());
/// assert!(uri.starts_with("otpauth://totp/My%20app:ada%40example.com?secret=OBKGON2V"));
/// ```
pub fn uri(issuer: &str, account: &str, secret: &SecretString) -> String {
    // Better Auth writes a space of the second issuer as `+`; apps that do not read forms would show it.
    let issuer = encode_component(issuer);
    format!(
        "otpauth://totp/{issuer}:{}?secret={}&issuer={issuer}&digits={DIGITS}&period={PERIOD_SECONDS}",
        encode_component(account),
        BASE32_NOPAD.encode(&key(secret)),
    )
}

/// The bytes that a secret means. One that was brought along and is no base32 means its own text, which no app has.
fn key(secret: &SecretString) -> Zeroizing<Vec<u8>> {
    let text = secret.expose_secret();
    let brought = text.strip_prefix(BROUGHT).map(|rest| rest.trim_end_matches('=').to_ascii_uppercase());
    let bytes = brought.and_then(|base32| BASE32_NOPAD.decode(base32.as_bytes()).ok());
    Zeroizing::new(bytes.unwrap_or_else(|| text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        // RFC 6238, appendix B (its last six digits), and RFC 4226, appendix D.
        let secret = SecretString::from("12345678901234567890");
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(&secret, step(moment(seconds))), expected, "{seconds}");
            assert_eq!(verify(&secret, expected, moment(seconds)), Some(seconds / 30));
        }
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (step, expected) in (0..).zip(codes) {
            assert_eq!(code(&secret, step), expected);
        }
    }

    #[test]
    fn a_code_holds_one_step_before_and_after_and_says_which_it_was() {
        let secret = generate(&World::default());
        assert_eq!(secret.expose_secret().len(), 32);
        let code_of = |at| code(&secret, at);
        let at = 60_000_000;
        let now = moment(at * 30);
        for (offset, expected) in
            [(-2, None), (-1, Some(at - 1)), (0, Some(at)), (1, Some(at + 1)), (2, None)]
        {
            // One in 300 000 pairs of steps has the same code.
            if expected.is_none() && (-1..=1).any(|near| code_of(at + near) == code_of(at + offset)) {
                continue;
            }
            assert_eq!(verify(&secret, &code_of(at + offset), now), expected, "{offset}");
        }
        assert_eq!(verify(&secret, &code_of(at), moment(at * 30 + 29)), Some(at));
        assert_eq!(verify(&secret, &code_of(at), moment(at * 30 + 59)), Some(at));
    }

    #[test]
    fn anything_else_is_no_code() {
        let secret = SecretString::from("12345678901234567890");
        let now = moment(59);
        for bad in [
            "",
            "2",
            "28708",
            "2870820",
            " 287082",
            "287082 ",
            "287083",
            "94287082",
            "２８７０８２",
            "28708\0",
        ] {
            assert_eq!(verify(&secret, bad, now), None, "{bad}");
        }
        assert_eq!(verify(&SecretString::from(""), "287082", now), None);
        // A clock before 1970 is wrong, but harms nothing.
        assert_eq!(verify(&secret, &code(&secret, -1), moment(-1)), Some(-1));
    }

    #[test]
    fn secrets_of_better_auth_and_those_brought_along_from_elsewhere_have_its_codes() {
        // Made by Better Auth.
        for (secret, expected) in [
            ("pTg7UZbpTX_JuKbkE1TUQ7D50u-DRify", "650869"),
            ("base32:JBSWY3DPEHPK3PXP", "309848"),
            ("base32:77777777AAAAAAAA", "253061"),
            ("base32:77777777aaaaaaaa====", "253061"),
        ] {
            assert_eq!(code(&SecretString::from(secret), 60_000_000), expected, "{secret}");
        }
        let brought = SecretString::from("base32:77777777AAAAAAAA");
        assert!(uri("A", "b", &brought).contains("?secret=77777777AAAAAAAA&"));
    }

    #[test]
    fn the_uri_is_better_auths() {
        let secret = SecretString::from("pTg7UZbpTX_JuKbkE1TUQ7D50u-DRify");
        let expected = "otpauth://totp/conformance:full%40example.com?secret=OBKGON2VLJRHAVCYL5FHKS3CNNCTCVCVKE3UINJQOUWUIUTJMZ4Q&issuer=conformance&digits=6&period=30";
        assert_eq!(uri("conformance", "full@example.com", &secret), expected);
        let expected = "otpauth://totp/A%3A%20%26%20B:a%3Fb?secret=&issuer=A%3A%20%26%20B&digits=6&period=30";
        assert_eq!(uri("A: & B", "a?b", &SecretString::from("")), expected);
    }
}
