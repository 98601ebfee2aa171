//! OpenID Connect Discovery 1.0: where a provider's addresses are.
//!
//! Always holds: the document comes from the issuer that the configuration names and says that very issuer; no address in it leaves
//! what may be asked.

use serde_json::Value;
use url::Url;

use super::ProviderError;
use super::profile::text;
use super::provider::Endpoints;
use super::settings::ProviderSettings;
use crate::auth::http::{Body, Credential, Network, Outgoing};

/// What signing in needs.
pub(super) const SCOPES: &[&str] = &["openid", "email", "profile"];

/// Asks the issuer.
pub(super) async fn discover(
    settings: &ProviderSettings,
    http: &Outgoing,
) -> Result<Endpoints, ProviderError> {
    let issuer = settings.issuer.as_deref().unwrap_or_default();
    let url = Url::parse(&format!("{issuer}/.well-known/openid-configuration"));
    let url = url.map_err(|_| ProviderError::Discovery("its issuer is no address"))?;
    let failed = |error| ProviderError::http("fetch its discovery document", error);
    let network = settings.network();
    let place = network.place(&url).map_err(failed)?;
    let document = http.ask(&place, Credential::None, Body::None).await.and_then(|answer| answer.json());
    read(&document.map_err(failed)?, issuer, &network)
}

fn read(document: &Value, issuer: &str, network: &Network) -> Result<Endpoints, ProviderError> {
    let said = text(document, "issuer").unwrap_or_default();
    // Some end their issuer with a slash; which of both it is counts in tokens.
    if said.strip_suffix('/').unwrap_or(&said) != issuer {
        return Err(ProviderError::Discovery("its discovery document names another issuer"));
    }
    let address = |name: &'static str| {
        text(document, name)
            .map(|text| Url::parse(&text).map_err(|_| ProviderError::Discovery(name)))
            .transpose()
    };
    let place = |name: &'static str| match address(name)? {
        Some(url) => network
            .place(&url)
            .map(Some)
            .map_err(|error| ProviderError::http("use its discovery document", error)),
        None => Ok(None),
    };
    let missing = |what: &'static str| ProviderError::Discovery(what);
    let authorization =
        address("authorization_endpoint")?.ok_or(missing("it has no authorization_endpoint"))?;
    // A browser goes there: no other scheme, and nothing that is not TLS beyond this computer.
    network
        .place(&authorization)
        .map_err(|error| ProviderError::http("use its discovery document", error))?;
    let methods = document["token_endpoint_auth_methods_supported"].as_array();
    let knows = |method: &str| methods.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(method)));
    // Where nothing is said, it is basic; most take both, and Better Auth sends the body.
    let is_basic = knows("client_secret_basic") && !knows("client_secret_post");
    Ok(Endpoints {
        authorization,
        token: place("token_endpoint")?.ok_or(missing("it has no token_endpoint"))?,
        user_info: place("userinfo_endpoint")?,
        emails: None,
        keys: Some(place("jwks_uri")?.ok_or(missing("it has no jwks_uri"))?),
        issuers: vec![said],
        is_basic,
        says_issuer: document["authorization_response_iss_parameter_supported"] == Value::Bool(true),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::http::Reach;

    #[test]
    fn a_discovery_document_names_no_other_issuer_and_no_private_address() {
        let issuer = "https://sso.example.com/realm";
        let network = Network::around(&issuer.parse().unwrap(), Reach::Public);
        let good = json!({
            "issuer": issuer,
            "authorization_endpoint": "https://sso.example.com/authorize",
            "token_endpoint": "https://sso.example.com/token",
            "userinfo_endpoint": "https://sso.example.com/userinfo",
            "jwks_uri": "https://keys.example.net/jwks",
        });
        let with = |name: &str, value: Value| {
            let mut document = good.clone();
            document[name] = value;
            read(&document, issuer, &network)
        };
        assert!(with("x", json!(1)).is_ok());
        assert_eq!(
            with("issuer", json!("https://sso.example.com/realm/")).unwrap().issuers,
            ["https://sso.example.com/realm/"]
        );
        assert!(with("userinfo_endpoint", Value::Null).is_ok());
        assert!(
            with("token_endpoint_auth_methods_supported", json!(["client_secret_basic"])).unwrap().is_basic
        );
        for issuer in ["https://sso.example.com", "https://evil.test", "https://sso.example.com/Realm", ""] {
            assert!(with("issuer", json!(issuer)).is_err(), "{issuer}");
        }
        for name in ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"] {
            for bad in [
                "http://sso.example.com/",
                "http://127.0.0.1/",
                "http://169.254.169.254/",
                "javascript:alert(1)",
                "file:///etc/passwd",
                "//x",
                "https://a:b@sso.example.com/",
            ] {
                assert!(with(name, json!(bad)).is_err(), "{name} {bad}");
            }
        }
        for name in ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"] {
            assert!(with(name, Value::Null).is_err(), "{name}");
        }
    }
}
