//! Sending a browser to a provider, and taking it back.

use std::borrow::Cow;

use url::Url;

use super::linking::{self, NotIn, To};
use super::provider::{Asked, Sender};
use super::state::{self, Link, State};
use super::{PROVIDER_NOT_FOUND, PROVIDER_UNAVAILABLE};
use crate::app::App;
use crate::auth::Client;
use crate::auth::refusal::AuthError;
use crate::auth::sessions::{self, Current};
use crate::auth::store::session::Session;
use crate::error::Error;
use crate::token::{self, Alphabet};

/// Longer codes, and words of a provider, are not passed on.
const LONGEST_CODE: usize = 4096;
const LONGEST_WORD: usize = 64;
const LONGEST_SENTENCE: usize = 512;

/// What somebody wants who is sent to a provider. Addresses were checked.
#[derive(Clone, Debug, Default)]
pub struct Start<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// Where to go in the end.
    pub callback: Option<&'a str>,
    /// Where to go when it fails.
    pub error: Option<&'a str>,
    /// Where to go with a new account.
    pub new_user: Option<&'a str>,
    /// What to ask for besides.
    pub scopes: &'a [String],
    /// Who it will be.
    pub login_hint: Option<&'a str>,
    /// Further parameters, none of them ours.
    pub parameters: &'a [(String, String)],
    /// Whether a new account is asked for.
    pub request_sign_up: Option<bool>,
    /// The token of an invitation.
    pub invitation: Option<&'a str>,
    /// To whose account it is added; `None` signs in.
    pub link: Option<&'a Current>,
}

/// Where the browser goes.
#[derive(Clone, Debug)]
pub struct Started {
    /// The provider's address.
    pub url: Url,
    /// For the browser's cookie.
    pub state: String,
}

/// Sends a browser to a provider.
///
/// # Errors
/// [`PROVIDER_NOT_FOUND`], [`PROVIDER_UNAVAILABLE`]
pub async fn start(app: &App, start: Start<'_>) -> Result<Started, AuthError> {
    let social = app.auth().social();
    let provider = social.provider(start.provider).ok_or(PROVIDER_NOT_FOUND)?;
    // Who acts as somebody else does not give themselves a way in.
    start.link.map_or(Ok(()), sessions::require_own)?;
    let name = token::random::<32>(app.world(), Alphabet::UrlSafe);
    let nonce = provider.wants_nonce().then(|| token::random::<32>(app.world(), Alphabet::UrlSafe));
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let state = State {
        callback: text(start.callback).unwrap_or_else(|| app.auth().base_url().to_string()),
        verifier: token::random::<128>(app.world(), Alphabet::UrlSafe),
        error: text(start.error),
        new_user: text(start.new_user),
        link: start.link.map(|current| Link::of(app, current)),
        request_sign_up: start.request_sign_up,
        nonce,
        provider: Some(start.provider.to_owned()),
        invitation: State::invited(app, start.invitation),
    };
    let asked = Asked {
        state: &name,
        verifier: &state.verifier,
        nonce: state.nonce.as_deref(),
        scopes: start.scopes,
        login_hint: start.login_hint,
        parameters: start.parameters,
    };
    let redirect = callback_of(app, start.provider);
    let url = provider.authorization_url(asked, &redirect, &social.http, app.world().now()).await;
    let url = url.map_err(|error| {
        error.tell(start.provider);
        PROVIDER_UNAVAILABLE
    })?;
    state.keep(app, &name).await?;
    Ok(Started { url, state: name })
}

/// Where a provider sends browsers back to: known from the settings, never from a request.
fn callback_of(app: &App, provider: &str) -> String {
    app.auth().endpoint(&format!("callback/{provider}")).to_string()
}

/// What a browser comes back with.
#[derive(Clone, Debug, Default)]
pub struct Back<'a> {
    /// The provider whose address it was.
    pub provider: &'a str,
    /// What becomes tokens.
    pub code: Option<&'a str>,
    /// What it was sent away with.
    pub state: Option<&'a str>,
    /// The same, from its signed cookie.
    pub cookie: Option<&'a str>,
    /// The provider's refusal.
    pub error: Option<&'a str>,
    /// The same in a sentence.
    pub error_description: Option<&'a str>,
    /// The provider's name for itself.
    pub issuer: Option<&'a str>,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// What became of it.
    pub outcome: Outcome,
    /// Where the browser goes now.
    pub to: String,
    /// Whether the state was the browser's, and is used up with its cookie.
    pub is_used: bool,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Somebody is signed in.
    SignedIn(Session),
    /// An account was added to whoever asked.
    Linked,
    /// It failed; the address says how.
    Failed,
}

/// Why it failed, as the address says it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    code: Cow<'static, str>,
    sentence: Option<String>,
}

impl From<&'static str> for Failure {
    fn from(code: &'static str) -> Self {
        Self { code: Cow::Borrowed(code), sentence: None }
    }
}

/// Takes a browser back.
///
/// # Errors
/// When the database cannot be asked; everything else is an [`Arrived`].
pub async fn back(app: &App, back: Back<'_>, client: &Client) -> Result<Arrived, Error> {
    let failed = |failure: Failure, state: Option<&State>, is_used: bool| Arrived {
        outcome: Outcome::Failed,
        to: failed_at(app, &failure, state),
        is_used,
    };
    let Some(name) = back.state.filter(|name| !name.is_empty()) else {
        return Ok(failed("state_not_found".into(), None, false));
    };
    let Some(state) = State::look(app, name).await? else {
        return Ok(failed("state_mismatch".into(), None, false));
    };
    // Another's browser: its owner may still come.
    if !state::is_bound(back.cookie, name) {
        return Ok(failed("state_mismatch".into(), Some(&state), false));
    }
    if !State::take(app, name).await? {
        return Ok(failed("state_mismatch".into(), None, true));
    }
    match finish(app, &back, &state, client).await {
        Ok((outcome, to)) => Ok(Arrived { outcome, to, is_used: true }),
        Err(NotIn::Error(error)) => Err(error),
        Err(NotIn::No(failure)) => Ok(failed(failure.into(), Some(&state), true)),
        Err(NotIn::Said { code, sentence }) => {
            Ok(failed(Failure { code: code.into(), sentence }, Some(&state), true))
        }
        Err(NotIn::Refused(refusal)) => {
            let sentence = refusal.message.map(Cow::into_owned);
            let code = refusal.code.unwrap_or("internal_server_error").into();
            Ok(failed(Failure { code, sentence }, Some(&state), true))
        }
    }
}

async fn finish(
    app: &App,
    back: &Back<'_>,
    state: &State,
    client: &Client,
) -> Result<(Outcome, String), NotIn> {
    if let Some(error) = back.error {
        let cut = |text: &str, length: usize| text.chars().filter(|c| !c.is_control()).take(length).collect();
        let sentence = back.error_description.filter(|text| !text.is_empty());
        let sentence = sentence.map(|text| cut(text, LONGEST_SENTENCE));
        return Err(NotIn::Said { code: cut(error, LONGEST_WORD), sentence });
    }
    let code = back
        .code
        .filter(|code| !code.is_empty() && code.len() <= LONGEST_CODE)
        .ok_or(NotIn::No("no_code"))?;
    let social = app.auth().social();
    let provider = social.provider(back.provider).ok_or(NotIn::No("oauth_provider_not_found"))?;
    // What one provider was asked is not answered by another.
    if state.provider.as_deref().is_some_and(|own| own != back.provider) {
        return Err(NotIn::No("state_mismatch"));
    }
    let (http, now) = (&social.http, app.world().now());
    let said = |error: &'static str| {
        move |cause: super::ProviderError| {
            cause.tell(back.provider);
            NotIn::No(error)
        }
    };
    match provider.is_sender(back.issuer, http, now).await.map_err(said("invalid_code"))? {
        Sender::Right => {}
        Sender::Another => return Err(NotIn::No("issuer_mismatch")),
        Sender::Missing => return Err(NotIn::No("issuer_missing")),
    }
    if provider.wants_nonce() && state.nonce.is_none() {
        return Err(NotIn::No("nonce_binding_missing"));
    }
    let redirect = callback_of(app, back.provider);
    let tokens = provider.exchange(code, &state.verifier, &redirect, http, now).await;
    let tokens = tokens.map_err(said("invalid_code"))?;
    let profile = provider.profile(&tokens, state.nonce.as_deref(), http, now).await;
    let profile = profile.map_err(said("unable_to_get_user_info"))?;
    let target = |text: &str| app.auth().origins().target(text).map(|target| target.text());
    let callback = target(&state.callback).ok_or(NotIn::No("no_callback_url"))?;
    if let Some(link) = &state.link {
        linking::link(app, link, provider, profile, &tokens).await?;
        return Ok((Outcome::Linked, callback));
    }
    let invitation = state.invitation(app);
    let to = To { callback: Some(&state.callback), invitation: invitation.as_ref() };
    let entered = linking::sign_in(app, provider, profile, &tokens, to, client).await?;
    let welcome = state.new_user.as_deref().filter(|_| entered.is_new).and_then(target);
    Ok((Outcome::SignedIn(entered.session), welcome.unwrap_or(callback)))
}

/// Where a browser hears of a failure: where it asked to, if that is still trusted, else our own page.
fn failed_at(app: &App, failure: &Failure, state: Option<&State>) -> String {
    let own =
        state.and_then(|state| state.error.as_deref()).and_then(|text| app.auth().origins().target(text));
    if let Some(target) = own {
        let target = target.with("error", &failure.code);
        return match &failure.sentence {
            Some(sentence) => target.with("error_description", sentence).text(),
            None => target.text(),
        };
    }
    let mut url = app.auth().endpoint("error");
    url.query_pairs_mut().append_pair("error", &failure.code);
    if let Some(sentence) = &failure.sentence {
        url.query_pairs_mut().append_pair("error_description", sentence);
    }
    url.to_string()
}
