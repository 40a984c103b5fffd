use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretBox, SecretString};

/// What stands before the base64 of a secret, by the Standard Webhooks specification.
const PREFIX: &str = "whsec_";

/// What the deliveries to a webhook are signed with; the receiver has it too. `Debug` does not show it, and its memory is wiped.
#[derive(Debug)]
pub struct SigningSecret(SecretBox<[u8]>);

impl SigningSecret {
    /// The length of new secrets, in bytes.
    pub const LENGTH: usize = 32;
    /// The shortest and the longest the specification allows, in bytes.
    pub const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

    /// A secret of these bytes. `None` for a length that the specification does not allow.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        Self::LENGTHS.contains(&bytes.len()).then(|| Self(bytes.into_boxed_slice().into()))
    }

    /// Reads what [`expose_text`](Self::expose_text) shows.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(BASE64_STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?)
    }

    /// The bytes, for signing and storing.
    pub fn expose_bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The text that its owner is shown once: `whsec_` and base64.
    pub fn expose_text(&self) -> SecretString {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(self.expose_bytes())).into()
    }
}

impl Clone for SigningSecret {
    fn clone(&self) -> Self {
        Self(self.expose_bytes().to_vec().into_boxed_slice().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_text_reads_back_and_debug_hides_it() {
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let secret = SigningSecret::parse(text).expect("a secret");
        assert_eq!(secret.expose_text().expose_secret(), text);
        assert_eq!(secret.clone().expose_bytes(), secret.expose_bytes());
        assert!(!format!("{secret:?} {:?}", secret.expose_text()).contains("MfKQ"));
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        let short = format!("whsec_{}", BASE64_STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", BASE64_STANDARD.encode([7; 65]));
        for bad in ["", "whsec_", "whsec_!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &short, &long] {
            assert!(SigningSecret::parse(bad).is_none(), "{bad}");
        }
    }
}
