use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use config::ValueKind;
use jiff::SignedDuration;

use super::{ByteSize, DatabaseUrl, SecretUrl, Shown};

/// A type that a key can have. The error of `read` is the rule that the value breaks.
pub(super) trait Setting: Sized {
    /// Reads what a file or the environment holds.
    fn read(value: &ValueKind) -> Result<Self, String>;

    /// The value in the form it is configured in, without secrets.
    fn show(&self) -> Shown;
}

fn text(value: &ValueKind) -> Option<&str> {
    match value {
        ValueKind::String(text) => Some(text.trim()),
        _ => None,
    }
}

/// A whole number, also one in a text: the environment holds nothing else.
fn whole(value: &ValueKind) -> Result<u64, String> {
    let number = match value {
        ValueKind::I64(n) => u64::try_from(*n).ok(),
        ValueKind::U64(n) => Some(*n),
        ValueKind::I128(n) => u64::try_from(*n).ok(),
        ValueKind::U128(n) => u64::try_from(*n).ok(),
        ValueKind::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| "must be a whole number, not negative".to_owned())
}

impl Setting for u32 {
    fn read(value: &ValueKind) -> Result<Self, String> {
        Self::try_from(whole(value)?).map_err(|_| format!("must be at most {}", Self::MAX))
    }

    fn show(&self) -> Shown {
        Shown::Number(u64::from(*self))
    }
}

/// What can be left out by "off".
impl<T: Setting> Setting for Option<T> {
    fn read(value: &ValueKind) -> Result<Self, String> {
        // YAML reads a bare `off` as false.
        if *value == ValueKind::Boolean(false) || text(value).is_some_and(|text| text.eq_ignore_ascii_case("off")) {
            return Ok(None);
        }
        T::read(value).map(Some).map_err(|rule| format!("{rule}, or \"off\""))
    }

    fn show(&self) -> Shown {
        self.as_ref().map_or_else(|| Shown::Text("off".to_owned()), Setting::show)
    }
}

impl Setting for bool {
    fn read(value: &ValueKind) -> Result<Self, String> {
        match value {
            ValueKind::Boolean(value) => Some(*value),
            // The environment holds nothing but texts.
            ValueKind::String(text) => text.trim().parse().ok(),
            _ => None,
        }
        .ok_or_else(|| "must be true or false".to_owned())
    }

    fn show(&self) -> Shown {
        Shown::Truth(*self)
    }
}

impl Setting for Duration {
    fn read(value: &ValueKind) -> Result<Self, String> {
        const RULE: &str = "must be a duration with its unit, such as \"500ms\", \"5s\" or \"1m 30s\"";
        let duration: SignedDuration = text(value).and_then(|t| t.parse().ok()).ok_or(RULE)?;
        Self::try_from(duration).map_err(|_| "must not be negative".to_owned())
    }

    fn show(&self) -> Shown {
        // What was read fits; a longer one could only be a constant of this program.
        let signed = SignedDuration::try_from(*self).unwrap_or(SignedDuration::MAX);
        Shown::Text(format!("{signed:#}"))
    }
}

impl Setting for ByteSize {
    fn read(value: &ValueKind) -> Result<Self, String> {
        let number = whole(value).ok().map(|n| n.to_string());
        let size = number.as_deref().or_else(|| text(value)).and_then(|t| t.parse().ok());
        size.ok_or_else(|| "must be a size such as \"64KiB\", \"10MiB\" or a number of bytes".to_owned())
    }

    fn show(&self) -> Shown {
        Shown::Text(self.to_string())
    }
}

impl Setting for SocketAddr {
    fn read(value: &ValueKind) -> Result<Self, String> {
        const RULE: &str = "must be an address with its port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
        let text = text(value).ok_or(RULE)?;
        // The one name that everybody has; anything else would need a resolver.
        let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        Self::from_str(numeric.as_deref().unwrap_or(text)).map_err(|_| RULE.to_owned())
    }

    fn show(&self) -> Shown {
        Shown::Text(self.to_string())
    }
}

impl Setting for PathBuf {
    fn read(value: &ValueKind) -> Result<Self, String> {
        match text(value) {
            Some(path) if !path.is_empty() && !path.contains('\0') => Ok(Self::from(path)),
            _ => Err("must be a path".to_owned()),
        }
    }

    fn show(&self) -> Shown {
        Shown::Text(self.display().to_string())
    }
}

impl Setting for String {
    fn read(value: &ValueKind) -> Result<Self, String> {
        text(value).map(str::to_owned).ok_or_else(|| "must be a text".to_owned())
    }

    fn show(&self) -> Shown {
        Shown::Text(self.clone())
    }
}

impl Setting for DatabaseUrl {
    fn read(value: &ValueKind) -> Result<Self, String> {
        Self::parse(text(value).unwrap_or_default())
    }

    fn show(&self) -> Shown {
        Shown::Text(self.to_string())
    }
}

impl Setting for SecretUrl {
    fn read(value: &ValueKind) -> Result<Self, String> {
        const RULE: &str = "must be a URL that begins with its scheme, such as database: or amqp://host";
        let url = Self::new(text(value).unwrap_or_default());
        if url.scheme().is_some() { Ok(url) } else { Err(RULE.to_owned()) }
    }

    fn show(&self) -> Shown {
        Shown::Text(self.to_string())
    }
}
