//! Signing in with other providers, and asking them in the user's name.

use axum::extract::Path;
use axum::response::Response;
use hedgerow::auth::accounts::Which;
use hedgerow::auth::refusal::{self, Kind, Refusal};
use hedgerow::auth::sessions::Current;
use hedgerow::auth::sign_in::Remember;
use hedgerow::auth::social::settings::{RESERVED, is_name};
use hedgerow::auth::social::{self, Back, ByIdToken, Outcome, Start};
use hedgerow::auth::store::account;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::answer::Answered;
use super::body::{Fields, Shape};
use super::call::Call;
use super::cookies::{Keep, STATE};
use super::wire;

/// How long the browser keeps the state, in seconds.
const STATE_LASTS: u64 = 300;

/// What the bodies of `/sign-in/social` and `/link-social` say.
#[derive(Default)]
struct Wish {
    provider: String,
    callback: Option<String>,
    new_user: Option<String>,
    error: Option<String>,
    stays: bool,
    id_token: Option<IdToken>,
    scopes: Vec<String>,
    request_sign_up: Option<bool>,
    login_hint: Option<String>,
    parameters: Vec<(String, String)>,
    invitation: Option<String>,
}

#[derive(Default)]
struct IdToken {
    token: String,
    nonce: Option<String>,
    access: Option<String>,
    refresh: Option<String>,
}

impl Wish {
    fn read(call: &Call) -> Result<Self, Refusal> {
        let mut fields = call.fields(Shape::Object);
        let object = fields.object();
        let own = |text: Option<&str>| text.map(str::to_owned);
        let callback = own(fields.optional("callbackURL"));
        let new_user = own(fields.optional("newUserCallbackURL"));
        let error = own(fields.optional("errorCallbackURL"));
        let provider = match object.and_then(|object| object.get("provider")) {
            Some(Value::String(name)) => name.clone(),
            // Better Auth's list of providers with any text beside it: there is no better word for it.
            _ if object.is_some() => {
                fields.note("provider", "Invalid input");
                String::new()
            }
            _ => String::new(),
        };
        let stays = fields.flag("disableRedirect") == Some(true);
        let id_token = read_id_token(&mut fields, object);
        let scopes = read_scopes(&mut fields, object);
        let request_sign_up = fields.flag("requestSignUp");
        let login_hint = own(fields.optional("loginHint")).filter(|hint| !hint.is_empty());
        let parameters = read_parameters(&mut fields, object);
        let invitation = own(fields.optional("invitation"));
        fields.finish()?;
        Ok(Self {
            provider,
            callback,
            new_user,
            error,
            stays,
            id_token,
            scopes,
            request_sign_up,
            login_hint,
            parameters,
            invitation,
        })
    }

    fn start<'w>(&'w self, link: Option<&'w Current>) -> Start<'w> {
        Start {
            provider: &self.provider,
            callback: self.callback.as_deref(),
            error: self.error.as_deref(),
            new_user: self.new_user.as_deref(),
            scopes: &self.scopes,
            login_hint: self.login_hint.as_deref(),
            parameters: &self.parameters,
            request_sign_up: self.request_sign_up,
            invitation: self.invitation.as_deref(),
            link,
        }
    }

    fn by<'w>(&'w self, token: &'w IdToken) -> ByIdToken<'w> {
        ByIdToken {
            provider: &self.provider,
            token: &token.token,
            nonce: token.nonce.as_deref(),
            access: token.access.as_deref(),
            refresh: token.refresh.as_deref(),
            callback: self.callback.as_deref(),
            invitation: self.invitation.as_deref(),
        }
    }
}

fn read_id_token(fields: &mut Fields<'_>, object: Option<&Map<String, Value>>) -> Option<IdToken> {
    let Value::Object(inner) = object?.get("idToken")? else {
        fields.note("idToken", "Invalid input: expected object");
        return None;
    };
    let mut text = |name: &str| match inner.get(name) {
        Some(Value::String(text)) if !text.contains('\0') => Some(text.clone()),
        None if name != "token" => None,
        found => {
            let found = if found.is_none() { ", received undefined" } else { "" };
            fields.note(&format!("idToken.{name}"), &format!("Invalid input: expected string{found}"));
            None
        }
    };
    Some(IdToken {
        token: text("token").unwrap_or_default(),
        nonce: text("nonce"),
        access: text("accessToken"),
        refresh: text("refreshToken"),
    })
}

fn read_scopes(fields: &mut Fields<'_>, object: Option<&Map<String, Value>>) -> Vec<String> {
    let Some(found) = object.and_then(|object| object.get("scopes")) else { return Vec::new() };
    let Value::Array(items) = found else {
        fields.note("scopes", "Invalid input: expected array");
        return Vec::new();
    };
    // RFC 6749, section 3.3.
    let letter = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
    let is_scope = |text: &&str| !text.is_empty() && text.bytes().all(letter);
    let scopes: Option<Vec<String>> =
        items.iter().map(|item| item.as_str().filter(is_scope).map(str::to_owned)).collect();
    scopes.unwrap_or_else(|| {
        fields.note("scopes", "Invalid input: expected scopes");
        Vec::new()
    })
}

fn read_parameters(fields: &mut Fields<'_>, object: Option<&Map<String, Value>>) -> Vec<(String, String)> {
    let Some(found) = object.and_then(|object| object.get("additionalParams")) else { return Vec::new() };
    let pairs: Option<Vec<(String, String)>> = found.as_object().and_then(|object| {
        object.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    });
    let Some(pairs) = pairs else {
        fields.note("additionalParams", "Invalid input: expected record of strings");
        return Vec::new();
    };
    if pairs.iter().any(|(name, _)| RESERVED.contains(&name.as_str())) {
        let reserved = RESERVED.join(", ");
        let problem = format!("additionalParams cannot include reserved OAuth parameters: {reserved}");
        fields.note("additionalParams", &problem);
    }
    pairs
}

/// The answer that sends a browser to a provider.
async fn leave(mut call: Call, wish: &Wish, link: Option<&Current>) -> Answered {
    let started = social::start(&call.app, wish.start(link)).await?;
    call.set_cookie(STATE, &started.state, Keep::Seconds(STATE_LASTS));
    let url = started.url.to_string();
    if !wish.stays {
        call.set_header("location", &url);
    }
    Ok(call.json(&json!({ "url": url, "redirect": !wish.stays })))
}

/// `POST /sign-in/social`
pub(super) async fn sign_in(mut call: Call) -> Answered {
    let wish = Wish::read(&call)?;
    let Some(token) = &wish.id_token else { return leave(call, &wish, None).await };
    let app = call.app.clone();
    let (session, user) = social::sign_in_by_id_token(&app, wish.by(token), call.client()).await?;
    call.give_session(&session, Remember::Yes);
    let user = wire::user(&app, &user);
    Ok(call.json(&json!({ "redirect": false, "token": session.token, "user": user })))
}

/// `POST /link-social`
pub(super) async fn link(mut call: Call) -> Answered {
    let wish = Wish::read(&call)?;
    let current = call.session().await?;
    let Some(token) = &wish.id_token else { return leave(call, &wish, Some(&current)).await };
    social::link_by_id_token(&call.app, &current, wish.by(token)).await?;
    Ok(call.json(&json!({ "url": "", "status": true, "redirect": false })))
}

/// `GET /callback/{provider}`: where a provider sends browsers back to.
pub(super) async fn back(Path(provider): Path<String>, mut call: Call) -> Answered {
    let app = call.app.clone();
    let cookie = call.cookie(STATE);
    let query = |name: &str| call.query(name);
    let back = Back {
        provider: &provider,
        code: query("code"),
        state: query("state"),
        cookie: cookie.as_deref(),
        error: query("error"),
        error_description: query("error_description"),
        issuer: query("iss"),
    };
    let arrived = social::back(&app, back, call.client()).await?;
    if arrived.is_used {
        call.set_cookie(STATE, "", Keep::Not);
    }
    if let Outcome::SignedIn(session) = &arrived.outcome {
        call.give_session(session, Remember::Yes);
    }
    Ok(call.redirect(&arrived.to))
}

/// `POST /callback/{provider}`: for providers that post a form. The browser does not send its cookie with another site's form, so it
/// is sent on to the same by GET.
pub(super) async fn back_by_post(Path(provider): Path<String>, call: Call) -> Answered {
    let fields = call.fields(Shape::Optional);
    let object = fields.object().cloned().unwrap_or_default();
    let fail = |call: Call, code: &str| -> Response {
        let mut url = call.app.auth().endpoint("error");
        url.query_pairs_mut().append_pair("error", code);
        call.redirect(url.as_str())
    };
    if !is_name(&provider) {
        return Ok(fail(call, "oauth_provider_not_found"));
    }
    let mut url = call.app.auth().endpoint(&format!("callback/{provider}"));
    let mut pairs = Vec::new();
    for name in ["code", "error", "device_id", "error_description", "state", "user", "iss"] {
        match (call.query(name), object.get(name)) {
            (Some(text), _) => pairs.push((name, text.to_owned())),
            (None, Some(Value::String(text))) => pairs.push((name, text.clone())),
            (None, None) => {}
            (None, Some(_)) => return Ok(fail(call, "invalid_callback_request")),
        }
    }
    url.query_pairs_mut().extend_pairs(&pairs);
    Ok(call.redirect(url.as_str()))
}

/// Which account a body means whose tokens are asked for.
fn which(call: &Call) -> Result<Which, Refusal> {
    let mut fields = call.fields(Shape::Object);
    let object = fields.object().cloned();
    let text = |name: &str| object.as_ref().and_then(|object| object.get(name)).and_then(Value::as_str);
    let is_cookie =
        object.as_ref().is_some_and(|object| object.get("useAccountCookie") == Some(&json!(true)));
    let meant = match (text("providerId"), text("accountId")) {
        // As front ends of 1.3 to 1.6 say it.
        (Some(provider), own) => Which::Provider(provider.to_owned(), own.map(str::to_owned)),
        (None, Some(row)) => Which::Row(row.to_owned()),
        // Accounts are kept in the database here, never in a cookie: there is none.
        (None, None) if is_cookie => Which::Row(String::new()),
        (None, None) => return Err(Refusal::validation("[body] Invalid input")),
    };
    let _ = (fields.optional("providerId"), fields.optional("accountId"));
    fields.finish()?;
    Ok(meant)
}

/// Who asks; nobody gets an empty answer.
async fn asker(call: &mut Call) -> Result<Current, super::answer::Refused> {
    Ok(call.find_session().await?.ok_or(Refusal::silent(Kind::Unauthorized))?)
}

fn shown(token: Option<&SecretString>) -> Option<&str> {
    token.map(ExposeSecret::expose_secret)
}

/// `POST /get-access-token`
pub(super) async fn access_token(mut call: Call) -> Answered {
    let meant = which(&call)?;
    let current = asker(&mut call).await?;
    let found = social::access_token(&call.app, &current, &meant).await?;
    let mut document = json!({ "accessToken": shown(found.token.as_ref()).unwrap_or_default() });
    if let Some(end) = found.expires_at {
        document["accessTokenExpiresAt"] = json!(wire::moment(end));
    }
    document["scopes"] = json!(wire::scopes(found.scope.as_deref()));
    if let Some(token) = shown(found.id_token.as_ref()) {
        document["idToken"] = json!(token);
    }
    Ok(call.json(&document))
}

/// `POST /refresh-token`
pub(super) async fn refresh_token(mut call: Call) -> Answered {
    let meant = which(&call)?;
    let current = asker(&mut call).await?;
    let found = social::refresh(&call.app, &current, &meant).await?;
    let tokens = &found.tokens;
    let document = json!({
        "accessToken": shown(tokens.access.as_ref()),
        "refreshToken": shown(tokens.refresh.as_ref()),
        "accessTokenExpiresAt": tokens.access_expires_at.map(wire::moment),
        "refreshTokenExpiresAt": tokens.refresh_expires_at.map(wire::moment),
        "scope": found.scope,
        "idToken": shown(tokens.id.as_ref()),
        "providerId": found.provider,
        "accountId": found.account,
    });
    Ok(call.json(&document))
}

/// `GET /account-info`: `accountId` is the row, or who the user is at the provider (1.3 to 1.6).
pub(super) async fn account_info(mut call: Call) -> Answered {
    let meant = call.query("accountId").map(str::to_owned);
    let meant = meant.ok_or_else(|| Refusal::validation("[query] Invalid input"))?;
    let current = asker(&mut call).await?;
    info(call, current, &meant).await
}

/// `POST /account-info`, as 1.3 has it.
pub(super) async fn account_info_by_post(mut call: Call) -> Answered {
    let mut fields = call.fields(Shape::Object);
    let meant = fields.string("accountId").to_owned();
    fields.finish()?;
    let current = asker(&mut call).await?;
    info(call, current, &meant).await
}

async fn info(call: Call, current: Current, meant: &str) -> Answered {
    let all = account::list(&call.app, &current.user.id).await?;
    let by_row = all.iter().find(|one| one.id == meant);
    let found = by_row.or_else(|| all.iter().find(|one| one.account_id == meant && one.id != meant));
    let row = found.map(|one| one.id.clone()).ok_or(refusal::ACCOUNT_NOT_FOUND)?;
    let found = social::info(&call.app, &current, &Which::Row(row)).await?;
    let profile = &found.profile;
    let mut user = json!({ "name": profile.name, "email": profile.email });
    if let Some(image) = &profile.image {
        user["image"] = json!(image);
    }
    user["emailVerified"] = json!(profile.email_verified);
    let account = &found.account;
    Ok(call.json(&json!({
        "user": user,
        "data": profile.data,
        "account": { "id": account.id, "providerId": account.provider_id, "accountId": account.account_id },
    })))
}
