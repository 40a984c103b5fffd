use activelog_domain::{
    user::UserId,
    webhook::{Reach, SigningSecret, WebhookDescription, WebhookUrl},
};
use uuid::Uuid;

use super::{
    Storage,
    case::Checked,
    samples::{any_id, any_user, at, expect_kind},
};
use crate::{
    ports::StorageErrorKind,
    webhook::{DisabledReason, Trouble, Webhook, WebhookEvents, WebhookState},
};

cases!("webhooks":
    every_field_survives,
    an_id_is_taken_once,
    a_users_webhooks_are_counted_and_listed_by_id,
    only_the_enabled_are_found_for_an_event,
    failures_add_up_until_a_success,
    a_long_reason_is_cut_at_a_character,
    disabling_keeps_the_first_reason_and_enabling_forgets_it,
    two_secrets_count_while_they_overlap,
    deliveries_are_counted_without_gaps,
    what_is_not_there_is_left_alone,
);

fn webhook(user_id: UserId) -> Checked<Webhook> {
    Ok(Webhook {
        id: any_id(),
        user_id,
        url: WebhookUrl::new("https://example.com/", Reach::Public)?,
        events: WebhookEvents::new(&["activity.*"])?,
        description: None,
        state: WebhookState::Enabled,
        trouble: None,
        created_at: at(0),
    })
}

fn secret(byte: u8) -> Checked<SigningSecret> {
    Ok(SigningSecret::from_bytes(vec![byte; 32]).ok_or("a secret of a length that is allowed")?)
}

/// Stores it, with a secret of ones.
async fn store(storage: &Storage, webhook: &Webhook) -> Checked {
    let mut uow = storage.begin().await?;
    uow.webhooks().insert(webhook, &secret(1)?).await?;
    uow.commit().await?;
    Ok(())
}

/// The first bytes of the secrets that count, newest first; `None` if nothing is to be sent.
async fn secrets(storage: &Storage, id: Uuid, micros: i64) -> Checked<Option<Vec<u8>>> {
    let target = storage.webhooks.target(id, at(micros)).await?;
    Ok(target.map(|t| t.secrets.iter().filter_map(|s| s.expose_bytes().first().copied()).collect()))
}

async fn trouble(storage: &Storage, webhook: &Webhook) -> Checked<Option<Trouble>> {
    let found = storage.webhooks.webhook(webhook.user_id, webhook.id).await?;
    Ok(found.ok_or("the webhook is there")?.trouble)
}

async fn every_field_survives(storage: Storage) -> Checked {
    let bare = webhook(any_user())?;
    let path = "x".repeat(WebhookUrl::MAX - 60);
    let full = Webhook {
        url: WebhookUrl::new(&format!("http://[2606:4700::1111]:8080/ü?q='--&{path}"), Reach::Public)?,
        events: WebhookEvents::new(&["activity.created", "*.deleted", "#"])?,
        description: Some(WebhookDescription::new("Ünï 🚴 'my' \"scale\" -- ; %")?),
        created_at: at(123_456),
        ..webhook(bare.user_id)?
    };
    for stored in [&bare, &full] {
        let mut uow = storage.begin().await?;
        uow.webhooks().insert(stored, &secret(7)?).await?;
        ensure_eq!(uow.webhooks().find_for_update(stored.id).await?, Some((*stored).clone()), "own write");
        uow.commit().await?;
        let found = storage.webhooks.webhook(stored.user_id, stored.id).await?;
        ensure_eq!(found, Some((*stored).clone()), "by a query");
        ensure_eq!(storage.webhooks.webhook(any_user(), stored.id).await?, None, "for another user");
        let target = storage.webhooks.target(stored.id, at(0)).await?.ok_or("a target")?;
        ensure_eq!((target.url, target.in_trouble), (stored.url.clone(), false), "for sending");
        ensure_eq!(target.secrets.len(), 1, "secrets");
        ensure!(target.secrets.iter().all(|s| s.expose_bytes() == [7; 32]), "another secret came back");
    }
    Ok(())
}

async fn an_id_is_taken_once(storage: Storage) -> Checked {
    let first = webhook(any_user())?;
    store(&storage, &first).await?;
    let mut uow = storage.begin().await?;
    let again = uow.webhooks().insert(&first, &secret(2)?).await;
    expect_kind(again, StorageErrorKind::Constraint, "the same id again")
}

async fn a_users_webhooks_are_counted_and_listed_by_id(storage: Storage) -> Checked {
    let (user, other) = (any_user(), any_user());
    let mut own = vec![webhook(user)?, webhook(user)?, webhook(user)?];
    for stored in &own {
        store(&storage, stored).await?;
    }
    store(&storage, &webhook(other)?).await?;
    own.sort_by_key(|webhook| webhook.id);
    ensure_eq!(storage.webhooks.webhooks(user).await?, own, "all of one user");
    ensure_eq!(storage.webhooks.webhooks(any_user()).await?, vec![], "of a user without any");
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.webhooks().lock_and_count(user).await?, 3, "how many");
    uow.webhooks().delete(own.remove(1).id).await?;
    ensure_eq!(uow.webhooks().lock_and_count(user).await?, 2, "how many are left");
    uow.commit().await?;
    ensure_eq!(storage.webhooks.webhooks(user).await?, own, "those that are left");
    Ok(())
}

async fn only_the_enabled_are_found_for_an_event(storage: Storage) -> Checked {
    let user = any_user();
    let mut all = vec![webhook(user)?, webhook(user)?, webhook(user)?];
    all.sort_by_key(|webhook| webhook.id);
    for stored in &all {
        store(&storage, stored).await?;
    }
    let mut uow = storage.begin().await?;
    uow.webhooks().disable(all[1].id, at(1), DisabledReason::Gone).await?;
    let enabled = uow.webhooks().enabled(user).await?;
    uow.commit().await?;
    ensure_eq!(enabled, vec![all[0].clone(), all[2].clone()], "enabled");
    ensure!(storage.webhooks.any_enabled().await?, "none is enabled, of two that are");
    let mut uow = storage.begin().await?;
    uow.webhooks().disable(all[0].id, at(2), DisabledReason::Gone).await?;
    uow.webhooks().delete(all[2].id).await?;
    uow.commit().await?;
    ensure!(!storage.webhooks.any_enabled().await?, "one is enabled, of two that are not");
    Ok(())
}

async fn failures_add_up_until_a_success(storage: Storage) -> Checked {
    let stored = webhook(any_user())?;
    store(&storage, &stored).await?;
    for (micros, reason) in [(5, "first"), (7, "second"), (6, "third, by a clock that went back")] {
        let since = storage.webhooks.note_failure(stored.id, at(micros), reason).await?;
        ensure_eq!(since, Some(at(5)), "since when it has trouble");
    }
    let last = "third, by a clock that went back".to_owned();
    let expected = Trouble { since: at(5), last_at: at(6), failures: 3, reason: last };
    ensure_eq!(trouble(&storage, &stored).await?, Some(expected), "trouble");
    ensure!(
        storage.webhooks.target(stored.id, at(8)).await?.is_some_and(|t| t.in_trouble),
        "the target has no trouble"
    );
    let mut uow = storage.begin().await?;
    uow.webhooks().forget_trouble(stored.id).await?;
    uow.commit().await?;
    ensure_eq!(trouble(&storage, &stored).await?, None, "trouble after a success");
    ensure_eq!(storage.webhooks.note_failure(stored.id, at(9), "").await?, Some(at(9)), "trouble anew");
    Ok(())
}

async fn a_long_reason_is_cut_at_a_character(storage: Storage) -> Checked {
    let stored = webhook(any_user())?;
    store(&storage, &stored).await?;
    let long = format!("{}{}", "x".repeat(Trouble::REASON_MAX - 1), "ü".repeat(100));
    storage.webhooks.note_failure(stored.id, at(1), &long).await?;
    let reason = trouble(&storage, &stored).await?.ok_or("trouble")?.reason;
    ensure_eq!(reason, "x".repeat(Trouble::REASON_MAX - 1), "the reason");
    Ok(())
}

async fn disabling_keeps_the_first_reason_and_enabling_forgets_it(storage: Storage) -> Checked {
    let stored = webhook(any_user())?;
    store(&storage, &stored).await?;
    storage.webhooks.note_failure(stored.id, at(1), "no answer").await?;
    for (micros, reason) in [(2, DisabledReason::Failing), (3, DisabledReason::Gone)] {
        let mut uow = storage.begin().await?;
        uow.webhooks().disable(stored.id, at(micros), reason).await?;
        uow.commit().await?;
    }
    let found = storage.webhooks.webhook(stored.user_id, stored.id).await?.ok_or("the webhook is there")?;
    let state = WebhookState::Disabled { at: at(2), reason: DisabledReason::Failing };
    ensure_eq!((found.state, found.trouble.map(|t| t.failures)), (state, Some(1)), "disabled");
    ensure_eq!(secrets(&storage, stored.id, 4).await?, None, "what sending to it takes");
    ensure_eq!(
        storage.webhooks.note_failure(stored.id, at(5), "late").await?,
        None,
        "a failure of one that is disabled"
    );
    let mut uow = storage.begin().await?;
    uow.webhooks().enable(stored.id).await?;
    uow.commit().await?;
    ensure_eq!(storage.webhooks.webhook(stored.user_id, stored.id).await?, Some(stored), "enabled again");
    Ok(())
}

async fn two_secrets_count_while_they_overlap(storage: Storage) -> Checked {
    let stored = webhook(any_user())?;
    store(&storage, &stored).await?;
    for (byte, until) in [(2, 10), (3, 20)] {
        let mut uow = storage.begin().await?;
        uow.webhooks().replace_secret(stored.id, &secret(byte)?, at(until)).await?;
        uow.commit().await?;
    }
    for (micros, expected) in [(0, vec![3, 2]), (19, vec![3, 2]), (20, vec![3]), (21, vec![3])] {
        ensure_eq!(secrets(&storage, stored.id, micros).await?, Some(expected), "secrets at {micros}");
    }
    Ok(())
}

async fn deliveries_are_counted_without_gaps(storage: Storage) -> Checked {
    let (one, other) = (webhook(any_user())?, webhook(any_user())?);
    store(&storage, &one).await?;
    store(&storage, &other).await?;
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.webhooks().next_delivery(one.id).await?, Some(1), "the first");
    ensure_eq!(uow.webhooks().next_delivery(one.id).await?, Some(2), "the second");
    uow.commit().await?;
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.webhooks().next_delivery(one.id).await?, Some(3), "one that is rolled back");
    uow.rollback().await;
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.webhooks().next_delivery(one.id).await?, Some(3), "the third");
    ensure_eq!(uow.webhooks().next_delivery(other.id).await?, Some(1), "of another webhook");
    uow.commit().await?;
    Ok(())
}

async fn what_is_not_there_is_left_alone(storage: Storage) -> Checked {
    let id = any_id();
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.webhooks().find_for_update(id).await?, None, "found");
    ensure_eq!(uow.webhooks().next_delivery(id).await?, None, "counted");
    uow.webhooks().delete(id).await?;
    uow.webhooks().enable(id).await?;
    uow.webhooks().disable(id, at(1), DisabledReason::Gone).await?;
    uow.webhooks().forget_trouble(id).await?;
    uow.webhooks().replace_secret(id, &secret(2)?, at(1)).await?;
    uow.commit().await?;
    ensure_eq!(secrets(&storage, id, 0).await?, None, "a target");
    ensure_eq!(storage.webhooks.note_failure(id, at(1), "").await?, None, "a failure");
    Ok(())
}
