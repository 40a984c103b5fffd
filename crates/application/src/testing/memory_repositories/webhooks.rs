use std::time::Duration;

use activelog_domain::{user::UserId, webhook::SigningSecret};
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{MemoryRepositories, state::State, unit_of_work::Access};
use crate::{
    ports::{StorageError, StorageErrorKind},
    webhook::{
        DisabledReason, Trouble, Webhook, WebhookState,
        ports::{WebhookRepository, WebhookStore, WebhookTarget},
    },
};

/// How long a change waits for the unit of work that is open.
const PATIENCE: Duration = Duration::from_secs(30);

/// A webhook as it is stored.
#[derive(Debug, Clone)]
pub(super) struct StoredWebhook {
    webhook: Webhook,
    secret: SigningSecret,
    previous: Option<(SigningSecret, Timestamp)>,
    deliveries: u64,
}

impl State {
    fn stored(&mut self, id: Uuid) -> Option<&mut StoredWebhook> {
        self.webhooks.get_mut(&id)
    }

    fn of_user(&self, user: UserId) -> impl Iterator<Item = &Webhook> {
        self.webhooks.values().map(|stored| &stored.webhook).filter(move |webhook| webhook.user_id == user)
    }
}

#[async_trait]
impl WebhookRepository for Access<'_> {
    async fn lock_and_count(&mut self, user: UserId) -> Result<u32, StorageError> {
        // There is one unit of work at a time.
        let count = self.read("count webhooks")?.of_user(user).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn insert(&mut self, webhook: &Webhook, secret: &SigningSecret) -> Result<(), StorageError> {
        const OPERATION: &str = "insert webhook";
        let webhook = Webhook { state: WebhookState::Enabled, trouble: None, ..webhook.clone() };
        let id = webhook.id;
        let stored = StoredWebhook { webhook, secret: secret.clone(), previous: None, deliveries: 0 };
        match self.write(OPERATION)?.webhooks.insert(id, stored) {
            None => Ok(()),
            Some(_) => Err(self.fail(StorageErrorKind::Constraint, OPERATION, "this id is already there")),
        }
    }

    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Webhook>, StorageError> {
        Ok(self.read("find webhook")?.webhooks.get(&id).map(|stored| stored.webhook.clone()))
    }

    async fn delete(&mut self, id: Uuid) -> Result<(), StorageError> {
        self.write("delete webhook")?.webhooks.remove(&id);
        Ok(())
    }

    async fn enable(&mut self, id: Uuid) -> Result<(), StorageError> {
        if let Some(stored) = self.write("enable webhook")?.stored(id) {
            stored.webhook.state = WebhookState::Enabled;
            stored.webhook.trouble = None;
        }
        Ok(())
    }

    async fn disable(&mut self, id: Uuid, at: Timestamp, reason: DisabledReason) -> Result<(), StorageError> {
        if let Some(stored) = self.write("disable webhook")?.stored(id)
            && stored.webhook.state == WebhookState::Enabled
        {
            stored.webhook.state = WebhookState::Disabled { at, reason };
        }
        Ok(())
    }

    async fn forget_trouble(&mut self, id: Uuid) -> Result<(), StorageError> {
        if let Some(stored) = self.write("forget trouble of webhook")?.stored(id) {
            stored.webhook.trouble = None;
        }
        Ok(())
    }

    async fn replace_secret(
        &mut self,
        id: Uuid,
        secret: &SigningSecret,
        overlap_until: Timestamp,
    ) -> Result<(), StorageError> {
        if let Some(stored) = self.write("replace secret of webhook")?.stored(id) {
            let before = std::mem::replace(&mut stored.secret, secret.clone());
            stored.previous = Some((before, overlap_until));
        }
        Ok(())
    }

    async fn enabled(&mut self, user: UserId) -> Result<Vec<Webhook>, StorageError> {
        let state = self.read("list enabled webhooks")?;
        Ok(state.of_user(user).filter(|webhook| webhook.state == WebhookState::Enabled).cloned().collect())
    }

    async fn next_delivery(&mut self, id: Uuid) -> Result<Option<u64>, StorageError> {
        Ok(self.write("count delivery of webhook")?.stored(id).map(|stored| {
            stored.deliveries += 1;
            stored.deliveries
        }))
    }
}

#[async_trait]
impl WebhookStore for MemoryRepositories {
    async fn webhooks(&self, user: UserId) -> Result<Vec<Webhook>, StorageError> {
        self.shared().check("list webhooks")?;
        Ok(self.committed().of_user(user).cloned().collect())
    }

    async fn webhook(&self, user: UserId, id: Uuid) -> Result<Option<Webhook>, StorageError> {
        self.shared().check("query webhook")?;
        let found = self.committed().webhooks.get(&id).map(|stored| stored.webhook.clone());
        Ok(found.filter(|webhook| webhook.user_id == user))
    }

    async fn any_enabled(&self) -> Result<bool, StorageError> {
        self.shared().check("look for enabled webhooks")?;
        Ok(self.committed().webhooks.values().any(|stored| stored.webhook.state == WebhookState::Enabled))
    }

    async fn target(&self, id: Uuid, now: Timestamp) -> Result<Option<WebhookTarget>, StorageError> {
        self.shared().check("find target of webhook")?;
        let state = self.committed();
        let stored = state.webhooks.get(&id).filter(|stored| stored.webhook.state == WebhookState::Enabled);
        Ok(stored.map(|stored| {
            let previous = stored.previous.iter().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
            WebhookTarget {
                url: stored.webhook.url.clone(),
                secrets: std::iter::once(&stored.secret).chain(previous).cloned().collect(),
                in_trouble: stored.webhook.trouble.is_some(),
            }
        }))
    }

    async fn note_failure(&self, id: Uuid, at: Timestamp, reason: &str) -> Result<Option<Timestamp>, StorageError> {
        const OPERATION: &str = "note failure of webhook";
        self.shared().check(OPERATION)?;
        let turn = tokio::time::timeout(PATIENCE, self.shared().writer.lock()).await;
        let _turn = turn.map_err(|elapsed| StorageError::new(StorageErrorKind::Unavailable, OPERATION, elapsed))?;
        let mut state = (*self.committed()).clone();
        let Some(webhook) = state.stored(id).map(|s| &mut s.webhook).filter(|w| w.state == WebhookState::Enabled)
        else {
            return Ok(None);
        };
        let reason = reason.get(..reason.floor_char_boundary(Trouble::REASON_MAX)).unwrap_or_default().to_owned();
        let before = webhook.trouble.take();
        let since = before.as_ref().map_or(at, |trouble| trouble.since);
        let failures = before.map_or(0, |trouble| trouble.failures) + 1;
        webhook.trouble = Some(Trouble { since, last_at: at, failures, reason });
        self.shared().replace(state.into());
        Ok(Some(since))
    }
}
