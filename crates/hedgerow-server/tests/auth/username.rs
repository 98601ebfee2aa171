//! User names: signing up, in and changing with them, and what they tell nobody.

use std::time::{Duration, Instant};

use hedgerow::AppOptions;
use hedgerow::auth::settings::{Plugin, Verification};
use hedgerow_server::ServerOptions;
use hedgerow_testing::{Answer, Browser, TestApp};
use serde_json::{Value, json};

use crate::core::{PASSWORD, code};

async fn sign_up(browser: &Browser<'_>, email: &str, more: Value) -> Answer {
    let mut body = json!({ "name": "A", "email": email, "password": PASSWORD });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    browser.post("/sign-up/email", body).await
}

fn names(user: &Value) -> (Option<&str>, Option<&str>) {
    (user["username"].as_str(), user["displayUsername"].as_str())
}

async fn sign_in(app: &TestApp, name: &str, password: &str) -> Answer {
    app.browser().post("/sign-in/username", json!({ "username": name, "password": password })).await
}

#[tokio::test]
async fn a_person_signs_up_with_a_name_signs_in_with_it_and_changes_it() {
    let app = TestApp::with(&[]).await;
    let ann = app.browser();
    let answer = sign_up(&ann, "ann@example.com", json!({ "username": "Full_User" })).await.expect(200);
    assert_eq!(names(&answer.json()["user"]), (Some("full_user"), Some("Full_User")));
    for (more, expected) in [
        (json!({ "username": "full_USER" }), "400 USERNAME_IS_ALREADY_TAKEN"),
        (json!({ "username": "f" }), "400 USERNAME_TOO_SHORT"),
        (json!({ "username": "" }), "400 USERNAME_TOO_SHORT"),
        (json!({ "username": "f".repeat(31) }), "400 USERNAME_TOO_LONG"),
        (json!({ "username": "full user" }), "400 INVALID_USERNAME"),
        (json!({ "username": ["full_user"] }), "400 VALIDATION_ERROR"),
        (json!({ "username": "bob", "displayUsername": "b\0b" }), "400 VALIDATION_ERROR"),
        (json!({ "username": "bob", "displayUsername": "b".repeat(256) }), "400 INVALID_DISPLAY_USERNAME"),
        (json!({ "displayUsername": "FULL_user" }), "400 USERNAME_IS_ALREADY_TAKEN"),
    ] {
        let refused = sign_up(&app.browser(), "bob@example.com", more.clone()).await;
        assert_eq!(code(&refused), expected, "{more}");
    }
    assert_eq!(app.database.column("SELECT count(*)::text FROM public.\"user\"").await, ["1"]);
    // A name that is only shown is one to sign in with, where it can be.
    let bob = app.browser();
    let answer = sign_up(&bob, "bob@example.com", json!({ "displayUsername": "Bob.B" })).await.expect(200);
    assert_eq!(names(&answer.json()["user"]), (Some("bob.b"), Some("Bob.B")));
    let more = json!({ "displayUsername": "Cy of the Hill" });
    let answer = sign_up(&app.browser(), "cy@example.com", more).await.expect(200);
    assert_eq!(names(&answer.json()["user"]), (None, Some("Cy of the Hill")));

    let answer = sign_in(&app, "FULL_user", PASSWORD).await.expect(200).json();
    assert_eq!(
        (answer["redirect"].as_bool(), answer["user"]["email"].as_str()),
        (Some(false), Some("ann@example.com"))
    );
    for (name, password, expected) in [
        ("full_user", "wrong-password", "401 INVALID_USERNAME_OR_PASSWORD"),
        ("nobody", PASSWORD, "401 INVALID_USERNAME_OR_PASSWORD"),
        ("", PASSWORD, "401 INVALID_USERNAME_OR_PASSWORD"),
        ("full_user", "", "401 INVALID_USERNAME_OR_PASSWORD"),
        ("f", PASSWORD, "422 USERNAME_TOO_SHORT"),
        ("full user", PASSWORD, "422 INVALID_USERNAME"),
        ("ann@example.com", PASSWORD, "422 INVALID_USERNAME"),
        ("full_user", &"x".repeat(129), "400 PASSWORD_TOO_LONG"),
    ] {
        assert_eq!(code(&sign_in(&app, name, password).await), expected, "{name}");
    }
    for (name, expected) in [("full_user", false), ("FULL_USER", false), ("free_user", true)] {
        let answer =
            app.browser().post("/is-username-available", json!({ "username": name })).await.expect(200);
        assert_eq!(answer.json(), json!({ "available": expected }));
    }
    for (name, expected) in [
        ("free user", "422 INVALID_USERNAME"),
        ("", "422 INVALID_USERNAME"),
        ("ab", "422 USERNAME_TOO_SHORT"),
    ] {
        let refused = app.browser().post("/is-username-available", json!({ "username": name })).await;
        assert_eq!(code(&refused), expected);
    }

    let change = async |more: Value| code(&ann.post("/update-user", more).await);
    assert_eq!(change(json!({ "username": "bob.b" })).await, "400 USERNAME_IS_ALREADY_TAKEN");
    assert_eq!(change(json!({ "username": "a b" })).await, "400 INVALID_USERNAME");
    assert_eq!(change(json!({ "username": "FULL_user" })).await, "200 ", "it is one's own");
    assert_eq!(change(json!({ "username": "Other.User" })).await, "200 ");
    let session = ann.get("/get-session").await.json();
    assert_eq!(names(&session["user"]), (Some("other.user"), Some("Full_User")));
    assert_eq!(change(json!({ "displayUsername": "Ann" })).await, "200 ");
    assert_eq!(names(&ann.get("/get-session").await.json()["user"]), (Some("other.user"), Some("Ann")));
    assert_eq!(code(&sign_in(&app, "full_user", PASSWORD).await), "401 INVALID_USERNAME_OR_PASSWORD");
    assert_eq!(sign_in(&app, "other.user", PASSWORD).await.status, 200);
    app.close().await;
}

#[tokio::test]
async fn two_who_want_one_name_at_the_same_moment_do_not_both_get_it() {
    let app = TestApp::with(&[]).await;
    let taken =
        futures_util::future::join_all((0..5).map(|n| {
            let browser = app.browser();
            async move {
                code(&sign_up(&browser, &format!("u{n}@example.com"), json!({ "username": "same" })).await)
            }
        }))
        .await;
    assert_eq!(taken.iter().filter(|outcome| *outcome == "200 ").count(), 1, "{taken:?}");
    assert_eq!(taken.iter().filter(|outcome| *outcome == "400 USERNAME_IS_ALREADY_TAKEN").count(), 4);
    app.close().await;
}

#[tokio::test]
async fn a_taken_name_does_not_tell_whether_an_address_is_known() {
    let strict = |options: &mut AppOptions| {
        if let Some(auth) = &mut options.auth {
            auth.settings.verification = Verification::Required;
        }
    };
    let app = TestApp::with_options(&[], ServerOptions::default(), strict).await;
    let first = sign_up(&app.browser(), "ann@example.com", json!({ "username": "ann" })).await.expect(200);
    for email in ["ann@example.com", "new@example.com"] {
        let refused = sign_up(&app.browser(), email, json!({ "username": "ann" })).await;
        assert_eq!(code(&refused), "400 USERNAME_IS_ALREADY_TAKEN", "{email}");
    }
    let again = sign_up(&app.browser(), "ann@example.com", json!({ "username": "Ann2" })).await.expect(200);
    let fresh = sign_up(&app.browser(), "fresh@example.com", json!({ "username": "Ann3" })).await.expect(200);
    assert_eq!(names(&again.json()["user"]), (Some("ann2"), Some("Ann2")));
    let members =
        |answer: &Answer| answer.json()["user"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&again), members(&fresh));
    assert_eq!(members(&first), members(&fresh));
    assert_eq!(code(&sign_in(&app, "ann", PASSWORD).await), "403 EMAIL_NOT_VERIFIED");
    assert_eq!(code(&sign_in(&app, "ann", "wrong-password").await), "401 INVALID_USERNAME_OR_PASSWORD");
    app.close().await;
}

#[tokio::test]
async fn a_name_that_nobody_has_costs_as_much_time_as_a_wrong_password() {
    let app = TestApp::with(&[]).await;
    let _ = sign_up(&app.browser(), "ann@example.com", json!({ "username": "ann" })).await.expect(200);
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..4 {
        for (name, fastest) in ["ann", "nobody"].into_iter().zip(&mut fastest) {
            let begun = Instant::now();
            let _ = sign_in(&app, name, "wrong-password").await.expect(401);
            *fastest = begun.elapsed().min(*fastest);
        }
    }
    let [known, unknown] = fastest;
    // Without a hash, an answer takes a twentieth of that.
    assert!(unknown > known / 2 && known > unknown / 2, "{known:?} and {unknown:?}");
    app.close().await;
}

#[tokio::test]
async fn without_the_plugin_names_are_not_there() {
    let without = |options: &mut AppOptions| {
        if let Some(auth) = &mut options.auth {
            auth.settings.plugins.remove(&Plugin::Username);
        }
    };
    let app = TestApp::with_options(&[], ServerOptions::default(), without).await;
    let answer = sign_up(&app.browser(), "ann@example.com", json!({ "username": 5 })).await.expect(200);
    assert_eq!(answer.json()["user"].get("username"), None);
    assert_eq!(app.database.column("SELECT coalesce(username, 'none') FROM public.\"user\"").await, ["none"]);
    for path in ["/sign-in/username", "/is-username-available"] {
        let answer = app.browser().post(path, json!({ "username": "ann", "password": PASSWORD })).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, ""), "{path}");
    }
    app.close().await;
}
