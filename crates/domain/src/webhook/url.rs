use std::{fmt, net::IpAddr};

use url::{Host, Url};

use super::Reach;
use crate::validation::FieldError;

/// Where a webhook is: an `http` or `https` URL without credentials or fragment.
///
/// `Debug` and `Display` show scheme, host and port alone: many receivers put a key into the path or the query.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

const FIELD: &str = "url";

impl WebhookUrl {
    /// The longest, in bytes.
    pub const MAX: usize = 2_048;

    /// A URL that may be registered. Names are looked up when a request is sent, and their addresses are checked then.
    pub fn new(text: &str, reach: Reach) -> Result<Self, FieldError> {
        let url = Self::stored(text)?;
        let refuse = |rule: &str| Err(FieldError::new(FIELD, rule, url.to_string()));
        let allowed = |port: u16| matches!(port, 80 | 443 | 1_024..);
        if reach == Reach::Public && !url.0.port_or_known_default().is_some_and(allowed) {
            return refuse("must have port 80, 443 or 1024 to 65535");
        }
        let inside = match url.0.host() {
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                name == "localhost" || name.ends_with(".localhost")
            }
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => false,
        };
        if !url.literal().is_none_or(|address| reach.allows(address)) || (inside && reach == Reach::Public) {
            return refuse("must not lead to this machine, a private network or a reserved address");
        }
        Ok(url)
    }

    /// A URL that was registered, perhaps under other rules of reach.
    pub fn stored(text: &str) -> Result<Self, FieldError> {
        if text.len() > Self::MAX {
            return Err(FieldError::new(FIELD, format!("must be at most {} bytes", Self::MAX), text));
        }
        // The parser would drop or escape them without a word.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(FieldError::new(FIELD, "must not hold spaces or control characters", text));
        }
        let invalid = |_| FieldError::new(FIELD, "must be a URL such as https://example.com/hooks", text);
        let url = Url::parse(text).map_err(invalid)?;
        let whole = Self(url);
        let refuse = |rule: &str| Err(FieldError::new(FIELD, rule, whole.to_string()));
        if !matches!(whole.0.scheme(), "http" | "https") {
            return refuse("must begin with https:// or http://");
        }
        if whole.0.host_str().is_none_or(str::is_empty) {
            return refuse("must name a host");
        }
        if !whole.0.username().is_empty() || whole.0.password().is_some() {
            return refuse("must not hold a user name or password: deliveries are signed");
        }
        if whole.0.fragment().is_some() {
            return refuse("must not have a fragment (#…)");
        }
        if whole.0.port() == Some(0) {
            return refuse("must not have port 0");
        }
        // Escaping makes it longer.
        if whole.0.as_str().len() > Self::MAX {
            return refuse("must be at most 2048 bytes, with what has to be escaped");
        }
        Ok(whole)
    }

    /// The whole URL, for its owner and for sending.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// The address it names without a name to look up.
    pub fn literal(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.0.scheme(), self.0.host_str().unwrap_or_default());
        write!(f, "{scheme}://{host}")?;
        self.0.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_may_be_registered() {
        for (text, shown) in [
            ("https://example.com/hooks?key=s3cret", "https://example.com"),
            ("HTTP://EXAMPLE.com:8080", "http://example.com:8080"),
            ("https://bücher.example/ä", "https://xn--bcher-kva.example"),
            ("https://8.8.8.8/", "https://8.8.8.8"),
            ("https://[2606:4700::1111]:8443/", "https://[2606:4700::1111]:8443"),
        ] {
            let url = WebhookUrl::new(text, Reach::Public).expect("a URL");
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("WebhookUrl({shown})"));
            assert_eq!(WebhookUrl::stored(url.expose()).as_ref(), Ok(&url));
        }
    }

    #[test]
    fn urls_that_are_refused_however_they_are_written() {
        let long = format!("https://example.com/{}", "x".repeat(WebhookUrl::MAX));
        let escaped = format!("https://example.com/{}", "ä".repeat(900));
        for (text, rule) in [
            ("", "must be a URL"),
            ("example.com/hooks", "must be a URL"),
            ("https://", "must be a URL"),
            ("https://exa mple.com", "spaces"),
            ("https://example.com/\u{0}", "control"),
            ("ftp://example.com", "must begin with"),
            ("file:///etc/passwd", "must begin with"),
            ("gopher://example.com", "must begin with"),
            ("https://ann:s3cret@example.com", "user name or password"),
            ("https://ann@example.com", "user name or password"),
            ("https://example.com/#top", "fragment"),
            ("https://example.com:0", "port 0"),
            ("https://example.com:99999", "must be a URL"),
            (&long, "at most 2048"),
            (&escaped, "at most 2048"),
        ] {
            for reach in [Reach::Public, Reach::Anywhere] {
                let error = WebhookUrl::new(text, reach).expect_err(text);
                assert!(error.rule.contains(rule), "{text}: {error}");
                assert!(!error.value.contains("s3cret"), "{error}");
            }
        }
    }

    #[test]
    fn what_is_not_public_is_for_those_who_configured_it() {
        for text in [
            "http://localhost/",
            "http://LOCALHOST.:8080/",
            "http://api.localhost/",
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://017700000001/",
            "http://①②⑦.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[fd00:ec2::254]/",
            "http://example.com:22/",
            "http://example.com:1023/",
        ] {
            assert!(WebhookUrl::new(text, Reach::Public).is_err(), "{text}");
            assert!(WebhookUrl::new(text, Reach::Anywhere).is_ok(), "{text}");
        }
    }
}
