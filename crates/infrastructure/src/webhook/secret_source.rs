use activelog_application::webhook::ports::{NoRandomness, SecretSource};
use activelog_domain::webhook::SigningSecret;

/// Secrets from the operating system's source of randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemSecretSource;

impl SecretSource for SystemSecretSource {
    fn new_secret(&self) -> Result<SigningSecret, NoRandomness> {
        let mut bytes = vec![0; SigningSecret::LENGTH];
        getrandom::fill(&mut bytes).map_err(|error| NoRandomness(error.to_string()))?;
        SigningSecret::from_bytes(bytes).ok_or_else(|| NoRandomness("a secret of the wrong length".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_secrets_are_the_same() {
        let secret = || SystemSecretSource.new_secret().expect("a secret");
        assert_ne!(secret().expose_bytes(), secret().expose_bytes());
    }
}
