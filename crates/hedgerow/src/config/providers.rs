//! `[auth.providers.NAME]`: whom people may sign in with.
//!
//! Always holds: a provider that is named is complete, or it is a problem with a place; a secret is never shown.

use std::path::Path;

use hedgerow_schema::Problem;
use hedgerow_schema::reader::{Entry, Reader, Table, scalar};
use toml::de::DeValue;

use super::{Origin, Sources};
use crate::auth::http::Reach;
use crate::auth::settings::Switch;
use crate::auth::social::settings::{self, ProviderKind, ProviderSettings, RESERVED, Trust};

/// `HEDGEROW_AUTH_PROVIDERS_<NAME>_<KEY>`, also with `_FILE`, which names a file that holds it.
fn from_environment(sources: &Sources, name: &str, key: &str) -> Option<(String, Origin)> {
    let variable = format!("HEDGEROW_AUTH_PROVIDERS_{}_{key}", name.to_uppercase().replace('-', "_"));
    if let Some(value) = sources.environment.get(&variable).filter(|value| !value.is_empty()) {
        return Some((value.clone(), Origin::Variable(variable)));
    }
    let variable = format!("{variable}_FILE");
    let path = sources.environment.get(&variable).filter(|path| !path.is_empty())?;
    let text = std::fs::read_to_string(Path::new(path)).ok()?;
    Some((text.trim_end().to_owned(), Origin::Variable(variable)))
}

/// The tables below `[auth.providers]`, for whoever reads them.
fn each(sources: &Sources, mut read: impl FnMut(&mut Reader<'_>, Entry<'_>)) -> Vec<Problem> {
    let mut reader = Reader::new("hedgerow.toml", &sources.file);
    let document = reader.document();
    let mut top = Table::new(document.get_ref(), 0..0);
    if !reader.is_clean() {
        // Said already, by whoever read the file first.
        return Vec::new();
    }
    let Some(auth) = top.get("auth").and_then(Entry::table) else { return Vec::new() };
    let mut auth = auth;
    let Some(providers) = reader.table(&mut auth, "providers") else { return reader.into_problems() };
    for entry in providers.entries() {
        read(&mut reader, *entry);
    }
    reader.into_problems()
}

/// Reads them.
pub(super) fn load(sources: &Sources, problems: &mut Vec<Problem>) -> Vec<ProviderSettings> {
    let mut all = Vec::new();
    let found = each(sources, |reader, entry| all.extend(provider(reader, entry, sources)));
    problems.extend(found);
    all
}

fn provider(reader: &mut Reader<'_>, entry: Entry<'_>, sources: &Sources) -> Option<ProviderSettings> {
    let name = entry.key();
    if !settings::is_name(name) {
        let hint = "use up to 64 small letters, digits, `-` and `_`; `credential` is the password";
        reader.note(entry.key_span(), format!("`{name}` cannot be a provider's name"), Some(hint.to_owned()));
        return None;
    }
    let Some(mut table) = entry.table() else {
        reader.note(entry.span(), "a provider is a table".to_owned(), None);
        return None;
    };
    let kind = reader.word(&mut table, "type", &ProviderKind::ALL).or_else(|| ProviderKind::named(name));
    let text = |reader: &mut Reader<'_>, table: &mut Table<'_>, key: &'static str| {
        let written = reader.string(table, key).map(|(text, _)| text.to_owned());
        from_environment(sources, name, &key.to_uppercase()).map(|(value, _)| value).or(written)
    };
    let client_id = text(reader, &mut table, "client_id");
    let client_secret = text(reader, &mut table, "client_secret");
    let issuer_place = table.get("issuer").map(Entry::span);
    let issuer = text(reader, &mut table, "issuer");
    let mut list = |reader: &mut Reader<'_>, key: &'static str| -> Vec<String> {
        let found = reader.strings(&mut table, key).map(|(items, _)| items).unwrap_or_default();
        found.into_iter().map(|(text, _)| text.to_owned()).collect()
    };
    let scopes = list(reader, "scopes");
    let other_clients = list(reader, "other_clients");
    let trust = if reader.flag(&mut table, "trusted") { Trust::Trusted } else { Trust::Usual };
    let reach = if reader.flag(&mut table, "private_network") { Reach::Private } else { Reach::Public };
    let is_open = table.get("sign_up").is_none() || reader.flag(&mut table, "sign_up");
    let mut parameters = Vec::new();
    if let Some(inner) = reader.table(&mut table, "parameters") {
        for entry in inner.entries() {
            match scalar(entry.value()) {
                Some(_) if RESERVED.contains(&entry.key()) => {
                    reader.note(entry.key_span(), format!("`{}` is set by Hedgerow", entry.key()), None);
                }
                Some(value) => parameters.push((entry.key().to_owned(), value)),
                None => reader.note(entry.span(), "a parameter is a single value".to_owned(), None),
            }
        }
    }
    reader.finish(&table, &format!("[auth.providers.{name}]"), &[]);
    let at = entry.key_span();
    let mut missing = |what: String, hint: String| reader.note(at.clone(), what, Some(hint));
    let Some(kind) = kind else {
        let words = ProviderKind::ALL.map(|(word, _)| word).join(", ");
        missing(format!("the provider `{name}` has no `type`"), format!("one of {words}"));
        return None;
    };
    let variable =
        |key: &str| format!("HEDGEROW_AUTH_PROVIDERS_{}_{key}", name.to_uppercase().replace('-', "_"));
    let checked = match (&issuer, kind) {
        (None, ProviderKind::Oidc) => {
            missing(
                format!("the provider `{name}` has no `issuer`"),
                "such as https://sso.example.com".to_owned(),
            );
            None
        }
        (Some(_), ProviderKind::Google) => {
            missing("Google has one issuer".to_owned(), "for another one, say type = \"oidc\"".to_owned());
            None
        }
        (Some(text), _) => {
            let checked = settings::issuer(text);
            if checked.is_none() {
                let message = format!("`{text}` cannot be an issuer");
                let hint = "an address with https, or http on this computer, and nothing behind the path";
                reader.note(issuer_place.unwrap_or(at.clone()), message, Some(hint.to_owned()));
            }
            checked
        }
        (None, _) => None,
    };
    let mut needed = |value: Option<String>, key: &str| {
        let value = value.filter(|value| !value.is_empty());
        if value.is_none() {
            let (key, variable) = (key.to_lowercase(), variable(key));
            let message = format!("the provider `{name}` has no `{key}`");
            reader.note(at.clone(), message, Some(format!("write it there or into {variable}")));
        }
        value
    };
    let (client_id, client_secret) = (needed(client_id, "CLIENT_ID"), needed(client_secret, "CLIENT_SECRET"));
    Some(ProviderSettings {
        issuer: checked,
        other_clients,
        scopes,
        parameters,
        trust,
        sign_up: if is_open { Switch::On } else { Switch::Off },
        reach,
        ..ProviderSettings::new(name, kind, &client_id?, client_secret?)
    })
}

/// Each setting of each provider, with where it came from; secrets masked.
pub(super) fn explain(sources: &Sources) -> Vec<(String, String, Origin)> {
    let mut shown = Vec::new();
    each(sources, |_, entry| {
        let Some(table) = entry.table() else { return };
        let mut keys: Vec<&str> = table.entries().iter().map(|inner| inner.key()).collect();
        let always = ["client_id", "client_secret", "issuer"].into_iter();
        keys.extend(always.filter(|key| table.entries().iter().all(|inner| inner.key() != *key)));
        for key in keys {
            let inner = table.entries().iter().find(|inner| inner.key() == key);
            let value = match inner.map(|inner| inner.value()) {
                Some(DeValue::Array(list)) => {
                    let texts: Vec<String> = list.iter().filter_map(|item| scalar(item.get_ref())).collect();
                    texts.join(",")
                }
                Some(DeValue::Table(_)) => "(a table)".to_owned(),
                Some(single) => scalar(single).unwrap_or_default(),
                None => String::new(),
            };
            let line = inner
                .map(|inner| Problem::at("", &sources.file, inner.key_span(), String::new(), None).line)
                .unwrap_or_default();
            let own = inner.map(|_| (value, Origin::File(line)));
            let by_variable = ["client_id", "client_secret", "issuer"]
                .contains(&key)
                .then(|| from_environment(sources, entry.key(), &key.to_uppercase()));
            let Some((value, origin)) = by_variable.flatten().or(own) else { continue };
            let is_secret = key == "client_secret" && !value.is_empty();
            let value = if is_secret { "********".to_owned() } else { value };
            shown.push((format!("auth.providers.{}.{key}", entry.key()), value, origin));
        }
    });
    shown
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn sources(file: &str, environment: &[(&str, &str)]) -> Sources {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Sources { file: file.to_owned(), environment, flags: Default::default() }
    }

    fn read(file: &str, environment: &[(&str, &str)]) -> Result<Vec<ProviderSettings>, String> {
        let mut problems = Vec::new();
        let all = load(&sources(file, environment), &mut problems);
        if problems.is_empty() { Ok(all) } else { Err(hedgerow_schema::Problems(problems).to_string()) }
    }

    #[test]
    fn providers_are_read_with_secrets_of_the_environment() {
        let file = "[auth.providers.google]\nclient_id = \"g\"\nother_clients = [\"ios\"]\n\
            parameters = { access_type = \"offline\", hd = \"example.com\" }\n\
            [auth.providers.our-sso]\ntype = \"oidc\"\nissuer = \"https://sso.example.com/\"\nclient_id = \"x\"\n\
            client_secret = \"file\"\nscopes = [\"groups\"]\ntrusted = true\nprivate_network = true\nsign_up = false\n";
        let environment = [
            ("HEDGEROW_AUTH_PROVIDERS_GOOGLE_CLIENT_SECRET", "hunter1"),
            ("HEDGEROW_AUTH_PROVIDERS_OUR_SSO_CLIENT_SECRET", "hunter2"),
        ];
        let all = read(file, &environment).unwrap();
        let [google, sso] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((google.kind, google.client_id.as_str()), (ProviderKind::Google, "g"));
        assert_eq!(google.client_secret.expose_secret(), "hunter1");
        assert_eq!((google.sign_up, google.trust, google.reach), (Switch::On, Trust::Usual, Reach::Public));
        assert_eq!(google.parameters.len(), 2);
        assert_eq!(sso.client_secret.expose_secret(), "hunter2");
        assert_eq!(sso.issuer.as_deref(), Some("https://sso.example.com"));
        assert_eq!((sso.sign_up, sso.trust, sso.reach), (Switch::Off, Trust::Trusted, Reach::Private));

        let shown = explain(&sources(file, &environment));
        assert!(
            !format!("{shown:?}").contains("hunter") && !format!("{shown:?}").contains("\"file\""),
            "{shown:?}"
        );
        let line = |key: &str| shown.iter().find(|(own, ..)| own == key).map(|(_, value, _)| value.as_str());
        assert_eq!(line("auth.providers.our-sso.client_secret"), Some("********"));
        assert_eq!(line("auth.providers.our-sso.issuer"), Some("https://sso.example.com/"));
        assert_eq!(line("auth.providers.google.client_secret"), Some("********"));
    }

    #[test]
    fn what_is_missing_or_dangerous_is_said() {
        let check = |file: &str, expected: &str| {
            let problems = read(file, &[]).err().unwrap_or_default();
            assert!(problems.contains(expected), "{file}\n{problems}");
        };
        let client = "client_id = \"x\"\nclient_secret = \"y\"\n";
        check("[auth.providers.google]\nclient_id = \"x\"\n", "HEDGEROW_AUTH_PROVIDERS_GOOGLE_CLIENT_SECRET");
        check("[auth.providers.google]\nclient_secret = \"x\"\n", "has no `client_id`");
        check(&format!("[auth.providers.sso]\n{client}"), "has no `type`");
        check(&format!("[auth.providers.sso]\ntype = \"saml\"\n{client}"), "cannot be \"saml\"");
        check(&format!("[auth.providers.sso]\ntype = \"oidc\"\n{client}"), "has no `issuer`");
        check(
            &format!("[auth.providers.gitlab]\nissuer = \"http://gitlab.example.com\"\n{client}"),
            "cannot be an issuer",
        );
        check(
            &format!("[auth.providers.google]\nissuer = \"https://x.example.com\"\n{client}"),
            "one issuer",
        );
        check(&format!("[auth.providers.credential]\n{client}"), "cannot be a provider's name");
        check(&format!("[auth.providers.Google]\n{client}"), "cannot be a provider's name");
        check(&format!("[auth.providers.google]\nscope = []\n{client}"), "is no key of");
        check(&format!("[auth.providers.google]\nsign_up = 5\n{client}"), "sign_up");
        check(
            &format!("[auth.providers.google]\nparameters = {{ state = \"x\" }}\n{client}"),
            "is set by Hedgerow",
        );
    }
}
