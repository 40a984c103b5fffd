use std::time::Duration;

use super::{Storage, case::Checked, samples::any_id};
use crate::ports::{Claim, IdempotencyKey, StoredResponse};

cases!("idempotency":
    an_answer_is_given_again_unchanged,
    another_request_under_the_same_key_is_a_mismatch,
    a_rollback_frees_the_key,
    a_claim_waits_for_one_that_is_under_way,
);

fn any_key() -> IdempotencyKey {
    let scope = "POST /activities Ünï 🚴".to_owned();
    IdempotencyKey { scope, key: any_id().to_string(), fingerprint: fastrand::u128(..).to_be_bytes() }
}

fn response() -> StoredResponse {
    StoredResponse {
        status: 599,
        headers: vec![
            ("Location".into(), "/a/1?x='\"".into()),
            ("X".into(), "Ünï 🚴".into()),
            ("X".into(), String::new()),
        ],
        body: (0..=255_u8).collect::<Vec<_>>().into(),
    }
}

async fn answer(storage: &Storage, key: &IdempotencyKey, response: &StoredResponse) -> Checked {
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.idempotency().claim(key).await?, Claim::New, "a new key");
    uow.idempotency().answer(key, response).await?;
    uow.commit().await?;
    Ok(())
}

async fn claim(storage: &Storage, key: &IdempotencyKey) -> Checked<Claim> {
    let mut uow = storage.begin().await?;
    let claim = uow.idempotency().claim(key).await?;
    uow.rollback().await;
    Ok(claim)
}

async fn an_answer_is_given_again_unchanged(storage: Storage) -> Checked {
    let empty = StoredResponse { status: 204, headers: Vec::new(), body: "".into() };
    for response in [response(), empty] {
        let key = any_key();
        answer(&storage, &key, &response).await?;
        for _ in 0..2 {
            ensure_eq!(claim(&storage, &key).await?, Claim::Answered(response.clone()), "the same request again");
        }
        let elsewhere = IdempotencyKey { scope: "POST /other".into(), ..key };
        ensure_eq!(claim(&storage, &elsewhere).await?, Claim::New, "the same key in another scope");
    }
    Ok(())
}

async fn another_request_under_the_same_key_is_a_mismatch(storage: Storage) -> Checked {
    let key = any_key();
    answer(&storage, &key, &response()).await?;
    let other = IdempotencyKey { fingerprint: [0; 16], ..key.clone() };
    ensure_eq!(claim(&storage, &other).await?, Claim::Mismatch, "another request");
    ensure_eq!(claim(&storage, &key).await?, Claim::Answered(response()), "the first request");
    Ok(())
}

async fn a_rollback_frees_the_key(storage: Storage) -> Checked {
    let key = any_key();
    let mut uow = storage.begin().await?;
    ensure_eq!(uow.idempotency().claim(&key).await?, Claim::New, "a new key");
    uow.idempotency().answer(&key, &response()).await?;
    uow.rollback().await;
    let other = IdempotencyKey { fingerprint: [0; 16], ..key };
    answer(&storage, &other, &response()).await
}

async fn a_claim_waits_for_one_that_is_under_way(storage: Storage) -> Checked {
    for committed in [true, false] {
        let key = any_key();
        let mut first = storage.begin().await?;
        ensure_eq!(first.idempotency().claim(&key).await?, Claim::New, "the first claim");
        first.idempotency().answer(&key, &response()).await?;
        let (others, same) = (storage.clone(), key.clone());
        let mut second = tokio::spawn(async move {
            let claim = others.transact(move |uow| {
                let key = same.clone();
                Box::pin(async move { uow.idempotency().claim(&key).await })
            });
            claim.await
        });
        if let Ok(early) = tokio::time::timeout(Duration::from_millis(200), &mut second).await {
            return Err(format!("the second claim did not wait for the first: {:?}", early?).into());
        }
        let expected = if committed {
            first.commit().await?;
            Claim::Answered(response())
        } else {
            first.rollback().await;
            Claim::New
        };
        ensure_eq!(second.await??, expected, "the second claim, after the first was committed: {committed}");
    }
    Ok(())
}
