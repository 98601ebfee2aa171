//! Users and sessions as Better Auth's clients read them.
//!
//! Always holds: a moment has exactly three digits of a second: clients turn texts of that shape into dates, and any other
//! number of digits into a wrong one.

use hedgerow::App;
use hedgerow::auth::settings::Plugin;
use hedgerow::auth::store::account::Account;
use hedgerow::auth::store::session::Session;
use hedgerow::users::User;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`
pub(super) fn moment(at: Timestamp) -> String {
    // To the millisecond downwards, as JavaScript's dates are.
    let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
    format!("{at:.3}")
}

/// A user.
pub(super) fn user(app: &App, user: &User) -> Value {
    let auth = app.auth();
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        object.insert(name.to_owned(), value);
    };
    put("name", json!(user.name));
    put("email", json!(user.email));
    put("emailVerified", json!(user.email_verified));
    put("image", json!(user.image));
    put("createdAt", json!(moment(user.created_at)));
    put("updatedAt", json!(moment(user.updated_at)));
    if auth.has(Plugin::Admin) {
        put("role", json!(user.role));
        put("banned", json!(user.banned));
        put("banReason", json!(user.ban_reason));
        put("banExpires", json!(user.ban_expires.map(moment)));
    }
    let other = |name: &str| user.extra.get(name).cloned().unwrap_or_default();
    if auth.has(Plugin::TwoFactor) {
        put("twoFactorEnabled", json!(other("twoFactorEnabled") == json!(true)));
    }
    if auth.has(Plugin::Username) {
        put("username", other("username"));
        put("displayUsername", other("displayUsername"));
    }
    for field in &auth.settings().fields {
        put(field.name.as_str(), other(field.name.as_str()));
    }
    put("id", json!(user.id.as_str()));
    Value::Object(object)
}

/// A session.
pub(super) fn session(app: &App, session: &Session) -> Value {
    let mut object = json!({
        "expiresAt": moment(session.expires_at),
        "token": session.token,
        "createdAt": moment(session.created_at),
        "updatedAt": moment(session.updated_at),
        "ipAddress": session.ip_address,
        "userAgent": session.user_agent,
        "userId": session.user_id.as_str(),
    });
    if app.auth().has(Plugin::Admin) {
        object["impersonatedBy"] = json!(session.impersonated_by);
    }
    object["id"] = json!(session.id);
    object
}

/// What a provider allowed, as it is kept.
pub(super) fn scopes(scope: Option<&str>) -> Vec<&str> {
    scope.unwrap_or_default().split([',', ' ']).filter(|word| !word.is_empty()).collect()
}

/// An account, without its secrets.
pub(super) fn account(account: &Account) -> Value {
    json!({
        "accountId": account.account_id,
        "providerId": account.provider_id,
        "userId": account.user_id.as_str(),
        "createdAt": moment(account.created_at),
        "updatedAt": moment(account.updated_at),
        "id": account.id,
        "scopes": scopes(account.scope.as_deref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_on_the_wire_have_three_digits() {
        let check = |at: &str, expected: &str| assert_eq!(moment(at.parse().unwrap()), expected);
        check("2026-11-22T11:30:23Z", "2026-11-22T11:30:23.000Z");
        check("2026-11-22T11:30:23.9Z", "2026-11-22T11:30:23.900Z");
        check("2026-11-22T11:30:23.912345Z", "2026-11-22T11:30:23.912Z");
        check("2026-11-22T11:30:23.999999999Z", "2026-11-22T11:30:23.999Z");
    }
}
