//! One provider at work: where a browser is sent, codes and tokens, and who somebody is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use url::Url;

use super::id_token::{self, Expected, Keys};
use super::profile::Profile;
use super::settings::{ProviderKind, ProviderSettings};
use super::tokens::Tokens;
use super::{ProviderError, github, gitlab, google, oidc};
use crate::auth::http::{Body, Credential, HttpError, Outgoing, Place};
use crate::auth::jwt::Claims;
use crate::auth::jwt::jwks::Algorithm;

/// How long a discovery document is used.
const DISCOVERY_LASTS: SignedDuration = SignedDuration::from_hours(1);

/// Where a provider is.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    /// Where a browser is sent.
    pub(super) authorization: Url,
    /// Where codes become tokens.
    pub(super) token: Place,
    /// Where it says who somebody is.
    pub(super) user_info: Option<Place>,
    /// Where it lists somebody's addresses.
    pub(super) emails: Option<Place>,
    /// Where its keys are; without, it has no ID tokens.
    pub(super) keys: Option<Place>,
    /// How it may call itself in ID tokens.
    pub(super) issuers: Vec<String>,
    /// Whether it wants our secret in a header.
    pub(super) is_basic: bool,
    /// Whether it always says its name when it sends a browser back (RFC 9207).
    pub(super) says_issuer: bool,
}

/// One provider.
pub(super) struct Provider {
    pub(super) settings: ProviderSettings,
    known: Mutex<Option<(Arc<Endpoints>, Timestamp)>>,
    /// How often asking for the endpoints failed: who waited meanwhile does not ask again.
    failures: AtomicU64,
    keys: Keys,
}

/// What an authorization address is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) state: &'a str,
    pub(super) verifier: &'a str,
    pub(super) nonce: Option<&'a str>,
    pub(super) scopes: &'a [String],
    pub(super) login_hint: Option<&'a str>,
    pub(super) parameters: &'a [(String, String)],
}

impl Provider {
    pub(super) fn new(settings: ProviderSettings) -> Self {
        Self { settings, known: Mutex::default(), failures: AtomicU64::new(0), keys: Keys::default() }
    }

    /// Whether its ID tokens are bound to a request by a nonce. Google's are bound by PKCE, as Better Auth does it.
    pub(super) fn wants_nonce(&self) -> bool {
        self.settings.kind == ProviderKind::Oidc
    }

    /// Whether it has ID tokens that a front end may bring.
    pub(super) fn has_id_tokens(&self) -> bool {
        matches!(self.settings.kind, ProviderKind::Google | ProviderKind::Oidc)
    }

    async fn endpoints(&self, http: &Outgoing, now: Timestamp) -> Result<Arc<Endpoints>, ProviderError> {
        let before = self.failures.load(Ordering::Acquire);
        let mut known = self.known.lock().await;
        if let Some((endpoints, until)) = known.as_ref()
            && *until > now
        {
            return Ok(endpoints.clone());
        }
        if self.failures.load(Ordering::Acquire) != before {
            return Err(ProviderError::Http {
                doing: "fetch its discovery document",
                source: HttpError::Busy,
            });
        }
        let found = match self.settings.kind {
            ProviderKind::Oidc => oidc::discover(&self.settings, http).await,
            _ => self.fixed(),
        };
        if found.is_err() {
            self.failures.fetch_add(1, Ordering::AcqRel);
        }
        let found = Arc::new(found?);
        *known = Some((found.clone(), now.checked_add(DISCOVERY_LASTS).unwrap_or(now)));
        Ok(found)
    }

    /// Of those whose addresses are known.
    fn fixed(&self) -> Result<Endpoints, ProviderError> {
        let network = self.settings.network();
        let place = |text: &str| {
            let url = Url::parse(text).map_err(|_| ProviderError::Discovery("its issuer is no address"))?;
            network.place(&url).map_err(|error| ProviderError::http("use its address", error))
        };
        let own = self.settings.issuer.as_deref();
        let (authorization, token, user_info, emails, keys, issuers) = match self.settings.kind {
            ProviderKind::GitLab => {
                let at = own.unwrap_or(gitlab::ISSUER);
                let token = place(&format!("{at}/oauth/token"))?;
                let user = place(&format!("{at}/api/v4/user"))?;
                (place(&format!("{at}/oauth/authorize"))?, token, user, None, None, Vec::new())
            }
            ProviderKind::GitHub => {
                let at = own.unwrap_or(github::ISSUER);
                let api = own.map_or_else(|| github::API.to_owned(), |own| format!("{own}/api/v3"));
                let token = place(&format!("{at}/login/oauth/access_token"))?;
                let emails = Some(place(&format!("{api}/user/emails"))?);
                let user = place(&format!("{api}/user"))?;
                (place(&format!("{at}/login/oauth/authorize"))?, token, user, emails, None, Vec::new())
            }
            ProviderKind::Google | ProviderKind::Oidc => {
                let issuers = google::ISSUERS.map(str::to_owned).to_vec();
                let keys = Some(place(google::KEYS)?);
                (
                    place(google::AUTHORIZATION)?,
                    place(google::TOKEN)?,
                    place(google::USER_INFO)?,
                    None,
                    keys,
                    issuers,
                )
            }
        };
        Ok(Endpoints {
            authorization: authorization.url().clone(),
            token,
            user_info: Some(user_info),
            emails,
            keys,
            issuers,
            is_basic: false,
            says_issuer: false,
        })
    }

    /// Where a browser is sent, with the parameters in Better Auth's order.
    pub(super) async fn authorization_url(
        &self,
        asked: Asked<'_>,
        redirect: &str,
        http: &Outgoing,
        now: Timestamp,
    ) -> Result<Url, ProviderError> {
        let endpoints = self.endpoints(http, now).await?;
        let settings = &self.settings;
        let usual = match settings.kind {
            ProviderKind::Google => google::SCOPES,
            ProviderKind::GitHub => github::SCOPES,
            ProviderKind::GitLab => gitlab::SCOPES,
            ProviderKind::Oidc => oidc::SCOPES,
        };
        let mut scopes: Vec<&str> = Vec::new();
        let further = settings.scopes.iter().chain(asked.scopes).map(String::as_str);
        for scope in usual.iter().copied().chain(further) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        let scope = scopes.join(" ");
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(asked.verifier.as_bytes()));
        let mut parameters: Vec<(&str, &str)> = vec![
            ("response_type", "code"),
            ("client_id", &settings.client_id),
            ("state", asked.state),
            ("scope", &scope),
            ("redirect_uri", redirect),
        ];
        parameters.extend(asked.login_hint.map(|hint| ("login_hint", hint)));
        parameters.extend(asked.nonce.map(|nonce| ("nonce", nonce)));
        parameters.push(("code_challenge_method", "S256"));
        parameters.push(("code_challenge", &challenge));
        if settings.kind == ProviderKind::Google {
            parameters.push(("include_granted_scopes", "true"));
        }
        for (name, value) in settings.parameters.iter().chain(asked.parameters) {
            match parameters.iter_mut().find(|(own, _)| own == name) {
                Some((own, _)) if super::settings::RESERVED.contains(own) => {}
                Some((_, own)) => *own = value,
                None => parameters.push((name, value)),
            }
        }
        let mut url = endpoints.authorization.clone();
        url.query_pairs_mut().extend_pairs(parameters);
        Ok(url)
    }

    /// Whether the name that came back with a browser is the provider's (RFC 9207).
    pub(super) async fn is_sender(
        &self,
        said: Option<&str>,
        http: &Outgoing,
        now: Timestamp,
    ) -> Result<Sender, ProviderError> {
        let endpoints = self.endpoints(http, now).await?;
        Ok(match said {
            None if endpoints.says_issuer => Sender::Missing,
            Some(said)
                if !endpoints.issuers.is_empty() && !endpoints.issuers.iter().any(|own| own == said) =>
            {
                Sender::Another
            }
            _ => Sender::Right,
        })
    }

    /// The tokens for a code.
    pub(super) async fn exchange(
        &self,
        code: &str,
        verifier: &str,
        redirect: &str,
        http: &Outgoing,
        now: Timestamp,
    ) -> Result<Tokens, ProviderError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", redirect),
        ];
        self.token_request(&form, "exchange a code", http, now).await
    }

    /// The next tokens.
    pub(super) async fn refresh(
        &self,
        token: &SecretString,
        http: &Outgoing,
        now: Timestamp,
    ) -> Result<Tokens, ProviderError> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())];
        self.token_request(&form, "refresh a token", http, now).await
    }

    async fn token_request(
        &self,
        form: &[(&str, &str)],
        doing: &'static str,
        http: &Outgoing,
        now: Timestamp,
    ) -> Result<Tokens, ProviderError> {
        let endpoints = self.endpoints(http, now).await?;
        let settings = &self.settings;
        let mut form = form.to_vec();
        let mut credential = Credential::None;
        if endpoints.is_basic {
            credential = Credential::Basic(&settings.client_id, &settings.client_secret);
        } else {
            form.push(("client_id", &settings.client_id));
            form.push(("client_secret", settings.client_secret.expose_secret()));
        }
        let answer = http.ask(&endpoints.token, credential, Body::Form(&form)).await;
        let answer =
            answer.and_then(|answer| answer.json()).map_err(|error| ProviderError::http(doing, error))?;
        Tokens::read(&answer, now).ok_or(ProviderError::Refused { doing })
    }

    /// Who the tokens that were exchanged are of.
    pub(super) async fn profile(
        &self,
        tokens: &Tokens,
        nonce: Option<&str>,
        http: &Outgoing,
        now: Timestamp,
    ) -> Result<Profile, ProviderError> {
        if !self.has_id_tokens() {
            return self.ask_who(tokens, http, now).await;
        }
        let token = tokens.id.as_ref().ok_or(ProviderError::IdToken("there is none"))?;
        let claims = self.claims(token.expose_secret(), nonce, None, http, now).await?;
        let profile = Profile::of_claims(&claims).ok_or(ProviderError::NoProfile)?;
        if profile.email.is_some() || tokens.access.is_none() {
            return Ok(profile);
        }
        // Some say the address only when they are asked; of the same user, or it is another's.
        let asked = self.ask_who(tokens, http, now).await?;
        if asked.id == profile.id { Ok(asked) } else { Err(ProviderError::NoProfile) }
    }

    /// Who an ID token that a front end brought is of.
    pub(super) async fn profile_of_id_token(
        &self,
        token: &str,
        nonce: Option<&str>,
        http: &Outgoing,
        now: Timestamp,
    ) -> Result<Profile, ProviderError> {
        let claims = self.claims(token, nonce, Some(id_token::OLDEST), http, now).await?;
        Profile::of_claims(&claims).ok_or(ProviderError::NoProfile)
    }

    async fn claims(
        &self,
        token: &str,
        nonce: Option<&str>,
        oldest: Option<SignedDuration>,
        http: &Outgoing,
        now: Timestamp,
    ) -> Result<Claims, ProviderError> {
        let algorithms: &[Algorithm] = match self.settings.kind {
            ProviderKind::Google => &[Algorithm::Rs256],
            _ => &[Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa],
        };
        let endpoints = self.endpoints(http, now).await?;
        let place = endpoints.keys.as_ref().ok_or(ProviderError::IdToken("the provider has none"))?;
        let expected = Expected { issuers: &endpoints.issuers, nonce, algorithms, oldest };
        let claims = self.keys.verify(token, &self.settings, expected, (http, place), now).await?;
        if self.settings.kind == ProviderKind::Google
            && !google::is_of_domain(&self.settings.parameters, &claims)
        {
            return Err(ProviderError::IdToken("it is of another hosted domain"));
        }
        Ok(claims)
    }

    /// Who the provider says the access token is of.
    pub(super) async fn ask_who(
        &self,
        tokens: &Tokens,
        http: &Outgoing,
        now: Timestamp,
    ) -> Result<Profile, ProviderError> {
        let endpoints = self.endpoints(http, now).await?;
        let place = endpoints.user_info.as_ref().ok_or(ProviderError::NoProfile)?;
        let token = tokens.access.as_ref().ok_or(ProviderError::NoProfile)?;
        let get = async |place: &Place| {
            let answer = http.ask(place, Credential::Bearer(token), Body::None).await;
            answer.and_then(|answer| answer.json())
        };
        let doing = "ask who somebody is";
        let data = get(place).await.map_err(|error| ProviderError::http(doing, error))?;
        let profile = match self.settings.kind {
            ProviderKind::GitLab => gitlab::profile(data),
            ProviderKind::GitHub => {
                // Without the right to read them, the public address is not verified.
                let emails = match &endpoints.emails {
                    Some(place) => get(place).await.unwrap_or(Value::Null),
                    None => Value::Null,
                };
                github::profile(data, &emails)
            }
            ProviderKind::Google | ProviderKind::Oidc => data.as_object().and_then(Profile::of_claims),
        };
        profile.ok_or(ProviderError::NoProfile)
    }
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The provider's.
    Right,
    /// Another's.
    Another,
    /// It does not say, and the provider always does.
    Missing,
}
