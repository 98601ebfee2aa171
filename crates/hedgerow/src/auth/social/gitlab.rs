//! GitLab, and what speaks like it.

use serde_json::Value;

use super::profile::{Profile, flag, text};

/// Where the public one is.
pub(super) const ISSUER: &str = "https://gitlab.com";
/// What signing in needs.
pub(super) const SCOPES: &[&str] = &["read_user"];

/// Who `/api/v4/user` says somebody is; nobody, if the user is blocked there.
pub(super) fn profile(data: Value) -> Option<Profile> {
    if text(&data, "state").as_deref() != Some("active") || data["locked"] == Value::Bool(true) {
        return None;
    }
    let name = text(&data, "name").or_else(|| text(&data, "username"));
    Profile::new(
        &data["id"],
        name,
        text(&data, "email"),
        flag(&data["email_verified"]),
        text(&data, "avatar_url"),
        data.clone(),
    )
}
