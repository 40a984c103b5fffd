//! `serve` on SQLite, `serve` on PostgreSQL, and the roles apart on one PostgreSQL answer a client alike.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::{Client, activity},
    process::{PATIENCE, Setting},
    support::{self, eventually},
};

const ANNA: Uuid = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_000a);
const BERT: Uuid = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_000b);

/// What a client is answered, without what differs from run to run: ids, times, partitions.
async fn answers(client: &Client) -> Value {
    let statistics = format!("/users/{ANNA}/statistics");
    let mut seen = Vec::new();
    let first = client.create(&activity(ANNA, 2, 30)).await;
    seen.push(client.get(&statistics).await["totals"].clone());
    let mut ride = activity(ANNA, 3, 60);
    ride["type"] = json!("ride");
    ride["calories_burned"] = json!(700);
    let second = client.create(&ride).await;
    let third = client.create(&activity(ANNA, 31, 45)).await;
    seen.push(client.get(&statistics).await["totals"].clone());
    client.create(&activity(BERT, 2, 90)).await;

    let path = |activity: &Value| format!("/activities/{}", activity["id"].as_str().expect("an id"));
    let patched = client.request(Method::PATCH, &path(&second)).header("if-match", "\"1\"");
    let patched = patched.json(&json!({ "distance_km": 42.195 })).send().await.expect("an answer");
    assert_eq!(patched.status(), StatusCode::OK);
    let deleted =
        client.request(Method::DELETE, &path(&first)).header("if-match", "\"1\"").send().await.expect("an answer");
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    let stale =
        client.request(Method::DELETE, &path(&second)).header("if-match", "\"1\"").send().await.expect("an answer");
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);
    // At once: totals are counted with the change.
    seen.push(client.get(&statistics).await["totals"].clone());

    let totals = json!({ "activities": 2, "duration_minutes": 105, "distance_km": 47.445, "calories_burned": 700 });
    assert_eq!(seen[2], totals);
    // In the end: what the worker counts.
    let periods = eventually("the periods add up to the totals", PATIENCE, async || {
        let periods = client.get(&format!("{statistics}?period=month")).await["periods"].clone();
        let month = json!([{ "period": "month", "start": "2026-03-01", "activities": 2, "duration_minutes": 105,
            "distance_km": 47.445, "calories_burned": 700 }]);
        (periods == month).then_some(periods)
    })
    .await;
    seen.push(periods);
    let events = eventually("every event is published", PATIENCE, async || {
        let events = client.all("/events").await;
        (events.len() == 6).then_some(events)
    })
    .await;
    seen.push(gap_free(&events));
    let board = "/leaderboard?period=month&start=2026-03-31";
    eventually("every handler has taken every event", PATIENCE, async || {
        let standings = client.all(board).await;
        let achievements = client.get(&format!("/users/{ANNA}/achievements")).await["items"].clone();
        let achievements = achievements.as_array().expect("a list");
        let done = standings.len() == 2
            && standings[0]["distance_km"] == json!(47.445)
            && achievements.iter().any(|a| a["code"] == "longest_distance:ride" && a["distance_km"] == json!(42.195))
            && achievements.iter().any(|a| a["code"] == "first_activity" && a["activity_id"] == second["id"])
            && achievements.iter().any(|a| a["code"] == "longest_distance:run" && a["activity_id"] == third["id"]);
        done.then_some(())
    })
    .await;
    for list in [format!("/activities?user_id={ANNA}"), board.to_owned(), format!("{board}&type=ride")] {
        seen.push(Value::Array(client.all(&list).await));
    }
    seen.push(client.get(&statistics).await);
    seen.push(client.get(&format!("/users/{ANNA}/achievements")).await);
    // Achievements come and go with the order in which activities are handled, and so does what tells of them.
    let notifications = client.all(&format!("/users/{ANNA}/notifications")).await.into_iter();
    seen.push(notifications.filter(|notification| notification["kind"] == "activity.created").collect());
    let mut answers = Value::Array(seen);
    forget(&mut answers, &mut BTreeMap::new());
    answers
}

/// Fails unless positions are 1, 2, 3 … in each partition and each activity's events come in order. Answers their names and
/// sequences.
fn gap_free(events: &[Value]) -> Value {
    let mut positions: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let mut lives: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for entry in events {
        let number = |name: &str| entry[name].as_u64().expect("a number");
        let text = |name: &str| entry["event"][name].as_str().expect("a text").to_owned();
        assert!(positions.entry(number("partition")).or_default().insert(number("position")), "{entry}");
        lives.entry(text("subject")).or_default().push((text("sequence"), text("type")));
    }
    for (partition, positions) in &positions {
        assert_eq!(positions.last().copied(), Some(positions.len() as u64), "partition {partition}: {positions:?}");
    }
    let mut lives: Vec<_> = lives.into_values().collect();
    assert!(lives.iter().all(|life| life.is_sorted()), "{lives:?}");
    lives.sort();
    json!(lives)
}

/// Replaces ids by the order in which they appear, and leaves out the times at which something was stored.
fn forget(value: &mut Value, ids: &mut BTreeMap<Uuid, usize>) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !["created_at", "updated_at", "published_at"].contains(&name.as_str()));
            fields.values_mut().for_each(|value| forget(value, ids));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| forget(item, ids)),
        Value::String(text) => {
            if let Ok(id) = text.parse::<Uuid>() {
                let next = ids.len();
                *text = format!("#{}", ids.entry(id).or_insert(next));
            }
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_and_the_roles_apart_answer_alike() {
    let setting = Setting::sqlite();
    let serve = setting.start("serve").await;
    let expected = answers(&Client::new(serve.base())).await;
    setting.store.settles().await;
    serve.stop().await;

    let Some(setting) = Setting::postgres() else { return };
    let serve = setting.start("serve").await;
    assert_eq!(answers(&Client::new(serve.base())).await, expected, "serve on PostgreSQL");
    setting.store.settles().await;
    serve.stop().await;

    let mut settings = vec![("database", Setting::postgres())];
    #[cfg(feature = "redis")]
    settings.push(("redis", on_broker(support::Kind::Redis)));
    #[cfg(feature = "nats")]
    settings.push(("nats", on_broker(support::Kind::Nats)));
    for (broker, setting) in settings {
        let Some(setting) = setting else { continue };
        let api = setting.start("api").await;
        let mut others = vec![setting.start_with("relay", &[]).await];
        others.push(setting.start_with("worker", &[]).await);
        others.push(setting.start_with("worker", &[]).await);
        assert_eq!(answers(&Client::new(api.base())).await, expected, "the roles apart, broker {broker}");
        setting.store.settles().await;
        for program in others.into_iter().chain([api]) {
            program.stop().await;
        }
    }
}

/// On PostgreSQL and a namespace of its own of a broker.
#[cfg(any(feature = "redis", feature = "nats"))]
fn on_broker(kind: support::Kind) -> Option<Setting> {
    Some(Setting::postgres()?.with_broker(support::fresh_namespace(kind)?))
}
