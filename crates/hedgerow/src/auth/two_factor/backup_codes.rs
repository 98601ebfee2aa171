//! Backup codes: ten that open once each, for when the authenticator app is gone.
//!
//! Always holds: they are kept encrypted, as a list in JSON; two that are used at the same moment both leave the list, and one that is used
//! twice opens once.

use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use crate::app::App;
use crate::auth::store::two_factor::TwoFactor;
use crate::context::World;
use crate::error::Error;
use crate::token;

/// How many there are.
const AMOUNT: usize = 10;
/// How often one tries again when others change the list at the same moment.
pub(super) const RACES: usize = 16;

/// New ones: twice five letters or digits.
pub(super) fn generate(world: &World) -> Vec<String> {
    let half = || token::letters::<5>(world);
    (0..AMOUNT).map(|_| format!("{}-{}", half(), half())).collect()
}

/// What is kept of them.
pub(super) fn seal(app: &App, codes: &[String]) -> String {
    super::seal(app, &serde_json::json!(codes).to_string())
}

/// The codes that are left. A server that kept them in clear left them as they are.
pub(super) fn open(app: &App, factor: &TwoFactor) -> Result<Vec<String>, Error> {
    let read = |text: &str| {
        serde_json::from_str(text)
            .map_err(|error| Error::Internal { doing: "read backup codes", source: error.into() })
    };
    if factor.backup_codes.starts_with('[') {
        return read(&factor.backup_codes);
    }
    read(super::open(app, &factor.backup_codes)?.expose_secret())
}

/// The others, if this is one of them.
pub(super) fn without(codes: &[String], code: &str) -> Option<Vec<String>> {
    // All are looked at, so that time does not tell where one stands.
    let is_it: Vec<bool> = codes.iter().map(|own| own.as_bytes().ct_eq(code.as_bytes()).into()).collect();
    let left = codes.iter().zip(&is_it).filter(|(_, is_it)| !**is_it).map(|(own, _)| own.clone());
    is_it.contains(&true).then(|| left.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_look_like_better_auths_and_leave_the_list_one_by_one() {
        let codes = generate(&World::default());
        assert_eq!(codes.len(), 10);
        for code in &codes {
            assert_eq!((code.len(), code.find('-')), (11, Some(5)), "{code}");
        }
        let left = without(&codes, &codes[3]).unwrap();
        assert_eq!((left.len(), left.contains(&codes[3])), (9, false));
        assert_eq!(without(&left, &codes[3]), None);
        assert_eq!(without(&codes, ""), None);
        assert_eq!(without(&[], ""), None);
    }
}
