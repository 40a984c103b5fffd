use activelog_domain::webhook::SigningSecret;

/// Makes secrets. Injected, so that tests know them.
pub trait SecretSource: Send + Sync + 'static {
    /// A new secret of [`SigningSecret::LENGTH`] bytes that nobody can guess.
    fn new_secret(&self) -> Result<SigningSecret, NoRandomness>;
}

/// The machine has no randomness to give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the system's source of randomness failed: {0}")]
pub struct NoRandomness(pub String);
