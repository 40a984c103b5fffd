use std::sync::atomic::{AtomicU8, Ordering};

use activelog_domain::webhook::SigningSecret;

use crate::webhook::ports::{NoRandomness, SecretSource};

/// Secrets that count: every byte of the first is 1, of the second 2.
#[derive(Debug, Default)]
pub struct SequentialSecrets(AtomicU8);

impl SecretSource for SequentialSecrets {
    fn new_secret(&self) -> Result<SigningSecret, NoRandomness> {
        let n = self.0.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
        let secret = SigningSecret::from_bytes(vec![n; SigningSecret::LENGTH]);
        secret.ok_or_else(|| NoRandomness("the length is wrong".to_owned()))
    }
}
