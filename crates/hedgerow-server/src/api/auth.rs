//! `/api/auth/*`: Better Auth's endpoints (wire format 1.7; request bodies of 1.3 to 1.6 are understood too).
//!
//! Always holds: the order of checks is Better Auth's: limit, route (404 with an empty body), body, origin, form of the
//! input, session, and then what was asked for.

mod accounts;
mod admin;
mod answer;
mod body;
mod call;
mod cookies;
mod email;
mod email_otp;
mod jwt;
mod magic_link;
mod passwords;
mod sessions;
mod sign_in;
mod social;
mod two_factor;
mod username;
mod wire;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get, post};

pub(crate) use call::{SessionCookie, expired_cookies, is_trusted_origin, session_cookie};

use crate::service::Service;

/// The endpoints, to be nested under `/api/auth`.
pub(crate) fn router() -> Router<Service> {
    Router::new()
        .route("/ok", quiet(get(answer::ok)))
        .route("/error", quiet(get(answer::error_page)))
        .route("/sign-up/email", quiet(post(sign_in::sign_up)))
        .route("/sign-in/email", quiet(post(sign_in::sign_in)))
        .route("/sign-out", quiet(post(sign_in::sign_out)))
        .route("/get-session", quiet(get(sessions::get).post(sessions::get_by_post)))
        .route("/list-sessions", quiet(get(sessions::list)))
        .route("/revoke-session", quiet(post(sessions::revoke)))
        .route("/revoke-sessions", quiet(post(sessions::revoke_all)))
        .route("/revoke-other-sessions", quiet(post(sessions::revoke_others)))
        .route("/update-user", quiet(post(accounts::update_user)))
        .route("/update-session", quiet(post(sessions::update)))
        .route("/change-password", quiet(post(passwords::change)))
        .route("/verify-password", quiet(post(passwords::verify)))
        .route("/request-password-reset", quiet(post(passwords::request_reset)))
        .route("/forget-password", quiet(post(passwords::request_reset)))
        .route("/reset-password/{token}", quiet(get(passwords::open_reset)))
        .route("/reset-password", quiet(post(passwords::reset)))
        .route("/send-verification-email", quiet(post(email::send_verification)))
        .route("/verify-email", quiet(get(email::verify)))
        .route("/change-email", quiet(post(email::change)))
        .route("/delete-user", quiet(post(accounts::delete_user)))
        .route("/delete-user/callback", quiet(get(accounts::delete_user_callback)))
        .route("/list-accounts", quiet(get(accounts::list)))
        .route("/unlink-account", quiet(post(accounts::unlink)))
        .route("/two-factor/enable", quiet(post(two_factor::enable)))
        .route("/two-factor/disable", quiet(post(two_factor::disable)))
        .route("/two-factor/get-totp-uri", quiet(post(two_factor::uri)))
        .route("/two-factor/verify-totp", quiet(post(two_factor::verify_totp)))
        .route("/two-factor/send-otp", quiet(post(two_factor::send_code)))
        .route("/two-factor/verify-otp", quiet(post(two_factor::verify_code)))
        .route("/two-factor/generate-backup-codes", quiet(post(two_factor::new_backup_codes)))
        .route("/two-factor/verify-backup-code", quiet(post(two_factor::verify_backup_code)))
        .route("/sign-in/username", quiet(post(username::sign_in)))
        .route("/is-username-available", quiet(post(username::is_available)))
        .route("/sign-in/magic-link", quiet(post(magic_link::send)))
        // A program that only looks at what a link leads to does not use it up.
        .route("/magic-link/verify", quiet(get(magic_link::verify).head(nothing_here)))
        .route("/email-otp/send-verification-otp", quiet(post(email_otp::send)))
        .route("/email-otp/check-verification-otp", quiet(post(email_otp::check)))
        .route("/email-otp/verify-email", quiet(post(email_otp::verify_email)))
        .route("/sign-in/email-otp", quiet(post(email_otp::sign_in)))
        .route("/email-otp/request-password-reset", quiet(post(email_otp::request_reset)))
        .route("/forget-password/email-otp", quiet(post(email_otp::request_reset)))
        .route("/email-otp/reset-password", quiet(post(email_otp::reset_password)))
        .route("/email-otp/request-email-change", quiet(post(email_otp::request_change)))
        .route("/email-otp/change-email", quiet(post(email_otp::change)))
        .route("/token", quiet(get(jwt::token)))
        .route("/jwks", quiet(get(jwt::keys)))
        .merge(admin::router())
        .route("/sign-in/social", quiet(post(social::sign_in)))
        .route("/link-social", quiet(post(social::link)))
        .route("/callback/{provider}", quiet(get(social::back).post(social::back_by_post)))
        .route("/get-access-token", quiet(post(social::access_token)))
        .route("/refresh-token", quiet(post(social::refresh_token)))
        .route("/account-info", quiet(get(social::account_info).post(social::account_info_by_post)))
        .fallback(nothing_here)
}

/// Methods of an endpoint, and Better Auth's answer to the others.
fn quiet(methods: MethodRouter<Service>) -> MethodRouter<Service> {
    methods.fallback(nothing_here)
}

/// Better Auth's answer to what it does not know.
async fn nothing_here() -> StatusCode {
    StatusCode::NOT_FOUND
}
