use std::fmt;

/// A URL that may hold a password. Nothing but [`expose`](Self::expose) gives it away: `Debug`, `Display` and serialisation show it
/// with `***` in place of secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

/// Parts of parameter names whose values are secrets.
const SECRET_PARAMETERS: [&str; 5] = ["pass", "secret", "token", "pwd", "credential"];

impl SecretUrl {
    /// Wraps a URL, whatever it is.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The URL with its secrets, for connecting.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon, in lower case.
    pub fn scheme(&self) -> Option<String> {
        let (scheme, _) = self.0.split_once(':')?;
        let plain = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        plain.then(|| scheme.to_ascii_lowercase())
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", redact(&self.0))
    }
}

impl serde::Serialize for SecretUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The text with what may be a secret replaced by `***`. Rather too much than too little: a password may hold `/`, `?` or `@` that its
/// author forgot to escape, so everything up to the *last* `@` counts as user and password.
pub(super) fn redact(text: &str) -> String {
    // Several servers in one URL (`nats://u:p@a,nats://u:p@b`) carry a password each.
    if text.matches("://").count() > 1 && text.contains(',') {
        return text.split(',').map(redact).collect::<Vec<_>>().join(",");
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('@') => (format!("{scheme}://"), rest),
        // `postgres:user:pw@host` is a typing mistake, and holds a password all the same.
        _ if text.contains('@') => (String::new(), text),
        _ => return redact_parameters(text),
    };
    match rest.rsplit_once('@') {
        // A parameter with an @ in it, or a password with a question mark: what stands before the first sign of either is neither.
        Some((before, _)) if redact_parameters(before) != before => {
            let user =
                if scheme == "nats://" { "" } else { before.split_inclusive([':', '?']).next().unwrap_or_default() };
            format!("{scheme}{user}***")
        }
        // A NATS URL may hold a token alone.
        Some((user, host)) if !user.contains(':') && scheme != "nats://" => {
            format!("{scheme}{user}@{}", redact_parameters(host))
        }
        Some((user, host)) => {
            // Where it holds an @ itself, that may end a token or a password.
            let user = user.split_once(':').map_or("", |(user, _)| user);
            let user = if user.contains('@') { "" } else { user };
            let colon = if user.is_empty() { "" } else { ":" };
            format!("{scheme}{user}{colon}***@{}", redact_parameters(host))
        }
        None => format!("{scheme}{}", redact_parameters(rest)),
    }
}

fn redact_parameters(text: &str) -> String {
    let Some((path, query)) = text.split_once('?') else { return text.to_owned() };
    let shown = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.iter().any(|s| name.to_ascii_lowercase().contains(s)) => {
            format!("{name}=***")
        }
        _ => pair.to_owned(),
    });
    format!("{path}?{}", shown.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_wherever_they_stand() {
        for (url, shown) in [
            ("postgres://ann:s3cret@db:5432/log", "postgres://ann:***@db:5432/log"),
            ("postgres://ann@db/log", "postgres://ann@db/log"),
            ("postgres://db:5432/log?sslmode=require", "postgres://db:5432/log?sslmode=require"),
            ("postgres://db/log?user=ann&password=s3cret", "postgres://db/log?user=ann&password=***"),
            ("postgres://ann:s3/c?r@et@db/log", "postgres://ann:***@db/log"),
            ("redis://:s3cret@cache:6379", "redis://***@cache:6379"),
            ("nats://s3cret@a:4222", "nats://***@a:4222"),
            ("nats://u:s3cret@a:4222,nats://u:s3cret@b:4222", "nats://u:***@a:4222,nats://u:***@b:4222"),
            ("postgres:ann:s3cret@db", "postgres:***@db"),
            ("postgres:ann:s3cret@db://log", "postgres:***@db://log"),
            ("postgres://db/log?password=s3@cret", "postgres://db/log?***"),
            ("postgres://db:5432/log?password=s3:c@ret", "postgres://db:***"),
            ("postgres://ann:s3?pass=c@ret", "postgres://ann:***"),
            ("nats://s3?token=c@ret", "nats://***"),
            ("nats://s3cret@a:4222,b@c", "nats://***@c"),
            ("sqlite:./x.db", "sqlite:./x.db"),
            ("database:", "database:"),
        ] {
            let wrapped = SecretUrl::new(url);
            assert_eq!(wrapped.to_string(), shown);
            assert_eq!(format!("{wrapped:?}"), format!("{shown:?}"));
            assert_eq!(serde_json::to_string(&wrapped).ok(), Some(format!("{shown:?}")));
            assert_eq!(wrapped.expose(), url);
        }
    }
}
