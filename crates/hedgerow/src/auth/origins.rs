//! Whom sign-in trusts: origins of front ends, and where it sends a browser afterwards.
//!
//! Always holds: what is judged is what a browser would do with the address, after it was resolved as a browser resolves it
//! (WHATWG URL), and what is sent is that result: never the text that was checked in another form.

use url::{Host, Url};

/// An origin, or a pattern of origins: `https://app.example.com`, `https://*.example.com`, `*.example.com`, `http://localhost:*`, `myapp://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// In lower case; `None` fits http and https.
    scheme: Option<String>,
    /// In lower case, with `*` and `?`; empty fits every host of a scheme of one's own.
    host: String,
    /// `None` is the scheme's own port.
    port: Option<u16>,
    any_port: bool,
    any_host: bool,
}

/// A text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no origin; write https://app.example.com, https://*.example.com or myapp://")]
pub struct OriginError(String);

impl std::str::FromStr for OriginPattern {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let wrong = || OriginError(text.to_owned());
        let lower = text.trim().trim_end_matches('/').to_ascii_lowercase();
        // `myapp://` loses its slashes above.
        if let Some(scheme) = text.trim().to_ascii_lowercase().strip_suffix("://") {
            let is_scheme = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
            if scheme.is_empty() || !is_scheme || matches!(scheme, "http" | "https" | "javascript" | "data") {
                return Err(wrong());
            }
            return Ok(Self {
                scheme: Some(scheme.to_owned()),
                host: String::new(),
                port: None,
                any_port: false,
                any_host: true,
            });
        }
        let (scheme, rest) = match lower.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_owned()), rest),
            None => (None, lower.as_str()),
        };
        let (rest, any_port) = match rest.strip_suffix(":*") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !rest.ends_with(']') => {
                (host, Some(port.parse::<u16>().map_err(|_| wrong())?))
            }
            _ => (rest, None),
        };
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-.*?_[]:".contains(&b);
        // A lone star would trust everybody.
        if host.is_empty() || !host.bytes().all(fits) || host.bytes().all(|b| b"*?.".contains(&b)) {
            return Err(wrong());
        }
        if scheme.as_deref().is_some_and(str::is_empty) {
            return Err(wrong());
        }
        // A word alone is a mistake more often than a host.
        if scheme.is_none() && !host.contains(['.', '*', '[']) && host != "localhost" {
            return Err(wrong());
        }
        Ok(Self { scheme, host: host.to_owned(), port, any_port, any_host: false })
    }
}

impl OriginPattern {
    /// The exact origin of a URL.
    pub fn of(url: &Url) -> Self {
        Self {
            scheme: Some(url.scheme().to_owned()),
            host: url.host_str().unwrap_or_default().to_owned(),
            port: url.port(),
            any_port: false,
            any_host: false,
        }
    }

    /// Whether `url` is of this origin.
    pub fn fits(&self, url: &Url) -> bool {
        let scheme_fits = match &self.scheme {
            Some(scheme) => scheme == url.scheme(),
            None => matches!(url.scheme(), "http" | "https"),
        };
        if !scheme_fits {
            return false;
        }
        if self.any_host {
            return true;
        }
        let Some(host) = url.host() else { return false };
        // Without a port, the pattern means the scheme's own.
        let default = match url.scheme() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        if !self.any_port && self.port.or(default) != url.port().or(default) {
            return false;
        }
        let digits_only = self.host.bytes().all(|b| b.is_ascii_digit() || b"*?.".contains(&b));
        let text = host.to_string().to_ascii_lowercase();
        match host {
            // `192.168.*` means addresses, and not 192.168.evil.example.
            Host::Domain(_) if digits_only => false,
            _ => glob(self.host.as_bytes(), text.as_bytes()),
        }
    }
}

/// `*` is any text, also with dots in it; `?` is one character.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == text[t]) && pattern[p] != b'*' {
            p += 1;
            t += 1;
        } else if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, seen)) = star {
            star = Some((at, seen + 1));
            p = at + 1;
            t = seen + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// Whom to trust: the base URL's own origin, and others.
#[derive(Clone, Debug)]
pub struct Origins<'a> {
    /// Where this server is.
    pub base: &'a Url,
    /// Who else is trusted.
    pub trusted: &'a [OriginPattern],
}

/// Where a browser is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A path of this server.
    Here(Url),
    /// An address elsewhere that is trusted.
    There(Url),
}

impl Origins<'_> {
    /// Whether the origin of this URL, as `Origin` or `Referer` says it, is trusted.
    pub fn trusts(&self, origin: &str) -> bool {
        match Url::parse(origin) {
            Ok(url) => self.trusts_url(&url),
            Err(_) => false,
        }
    }

    /// The same of a URL that was read already.
    pub fn trusts_url(&self, url: &Url) -> bool {
        url.username().is_empty()
            && url.password().is_none()
            && (OriginPattern::of(self.base).fits(url) || self.trusted.iter().any(|one| one.fits(url)))
    }

    /// Reads an address that a browser will be sent to. `None` is one that leaves what is trusted, in any spelling.
    ///
    /// ```
    /// use hedgerow::auth::origins::{Origins, Target};
    /// let base = "https://app.example.com".parse().unwrap();
    /// let origins = Origins { base: &base, trusted: &[] };
    /// assert_eq!(origins.target("/done?x=1").unwrap().text(), "/done?x=1");
    /// assert!(origins.target("//evil.test").is_none());
    /// assert!(origins.target("/.//evil.test").is_none());
    /// ```
    pub fn target(&self, text: &str) -> Option<Target> {
        // Browsers drop tabs and line ends and read backslashes as slashes; who writes those means no good.
        if text.is_empty() || text.len() > 2048 || text.contains('\\') || text.chars().any(char::is_control) {
            return None;
        }
        if text.trim() != text {
            return None;
        }
        if text.starts_with('/') {
            let path = text.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
            if path.contains("//") || path.contains("%2f") || path.contains("%5c") || path.contains("%00") {
                return None;
            }
            // `.` and `..`, encoded too, change the path after it was looked at.
            let dots = |segment: &str| matches!(segment.replace("%2e", ".").as_str(), "." | "..");
            if path.split('/').any(dots) {
                return None;
            }
            let url = self.base.join(text).ok()?;
            let stays = url.origin() == self.base.origin() && !url.path().starts_with("//");
            return stays.then_some(Target::Here(url));
        }
        let url = Url::parse(text).ok()?;
        // Without slashes (`https:evil.test`) a browser resolves what looks absolute relative to where it is.
        if !text.contains("://") || !self.trusts_url(&url) {
            return None;
        }
        if url.origin() == self.base.origin() && url.path().starts_with("//") {
            return None;
        }
        Some(Target::There(url))
    }
}

impl Target {
    /// As it is sent: a path stays a path.
    pub fn text(&self) -> String {
        match self {
            Self::Here(url) => url[url::Position::BeforePath..].to_owned(),
            Self::There(url) => url.to_string(),
        }
    }

    /// With scheme and host, whatever was sent.
    pub fn absolute(&self) -> String {
        match self {
            Self::Here(url) | Self::There(url) => url.to_string(),
        }
    }

    /// The same with another parameter in the query.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Here(url) | Self::There(url) => {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        "https://app.example.com".parse().unwrap()
    }

    #[test]
    fn trusted_origin_patterns_do_not_fit_lookalikes() {
        let check = |pattern: &str, origin: &str, fits: bool| {
            let pattern: OriginPattern = pattern.parse().unwrap();
            assert_eq!(Url::parse(origin).is_ok_and(|url| pattern.fits(&url)), fits, "{pattern:?} {origin}");
        };
        check("https://trusted.com", "https://trusted.com", true);
        check("https://trusted.com", "https://trusted.com:443", true);
        check("https://trusted.com", "https://trusted.com:444", false);
        check("https://trusted.com", "http://trusted.com", false);
        check("https://trusted.com", "https://trusted.com.evil.test", false);
        check("https://trusted.com", "https://trusted.com@evil.test", false);
        check("https://*.trusted.com", "https://a.trusted.com", true);
        check("https://*.trusted.com", "https://evil-trusted.com", false);
        check("https://*.trusted.com", "https://a.trusted.com.evil.test", false);
        check("*.trusted.com", "http://a.trusted.com", true);
        check("*.trusted.com", "https://trusted.com", false);
        check("192.168.*", "http://192.168.1.5", true);
        check("192.168.*", "http://192.168.evil.com", false);
        check("http://localhost:3000", "http://localhost:3000", true);
        check("http://localhost:3000", "http://localhost:3001", false);
        check("http://localhost:*", "http://localhost:3001", true);
        check("http://localhost:*", "http://localhost", true);
        check("http://localhost:*", "http://localhost.evil.test:80", false);
        check("myapp://", "myapp://done", true);
        check("myapp://", "https://done", false);
        for bad in [
            "",
            "*",
            "https://*",
            "https://",
            "javascript://",
            "http://",
            "a b",
            "https://a:x",
            "garbage",
            "garbage:80",
        ] {
            assert!(bad.parse::<OriginPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_browser_is_never_sent_to_where_nobody_is_trusted() {
        let base = base();
        let trusted = ["https://front.example.org".parse().unwrap(), "myapp://".parse().unwrap()];
        let origins = Origins { base: &base, trusted: &trusted };
        for bad in [
            "",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/.//evil.test",
            "/a/..//evil.test",
            "/%2e//evil.test",
            "/%2E%2e//evil.test",
            "/%2f/evil.test",
            "/%2Fevil.test",
            "/%5cevil.test",
            "/\t/evil.test",
            "/\n/evil.test",
            "/\r/evil.test",
            " /x",
            "https://evil.test",
            "https:evil.test",
            "https:/evil.test",
            "https://app.example.com@evil.test",
            "https://app.example.com.evil.test",
            "javascript:alert(1)",
            "javascript://app.example.com/%0aalert(1)",
            "data:text/html,x",
            "evil.test",
            "http://app.example.com",
            "/a/./b",
            "/a/../b",
            "https://user@app.example.com/",
            "https://app.example.com//evil.test",
            "/x\0",
        ] {
            assert_eq!(origins.target(bad), None, "{bad:?}");
        }
        for (good, text) in [
            ("/", "/"),
            ("/done", "/done"),
            ("/done?next=//x&a=b#c", "/done?next=//x&a=b#c"),
            ("https://app.example.com/x", "https://app.example.com/x"),
            ("https://front.example.org/x?y", "https://front.example.org/x?y"),
            ("myapp://done", "myapp://done"),
        ] {
            assert_eq!(origins.target(good).map(|target| target.text()).as_deref(), Some(text), "{good:?}");
        }
        let failed = origins.target("/done").unwrap().with("error", "INVALID_TOKEN");
        assert_eq!(failed.text(), "/done?error=INVALID_TOKEN");
        assert_eq!(failed.absolute(), "https://app.example.com/done?error=INVALID_TOKEN");
    }
}
