//! What is published, and what follows from it.

use activelog_domain::event::JSON;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    application::{ANNA, Application, PATIENCE, run},
    support::eventually,
};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A request becomes an event that says where it comes from, and read models that say what it means.
#[tokio::test]
async fn a_request_becomes_an_event_and_its_effects() {
    let application = Application::start().await;
    let request_id = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_00ff);
    let request = application.request(Method::POST, "/activities").json(&run(ANNA, "Morning run"));
    let request = request.header("x-request-id", request_id.to_string()).header("traceparent", TRACE);
    let answer = request.header("tracestate", "vendor=1").send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], request_id.to_string());
    let activity: Value = answer.json().await.unwrap();
    let id = activity["id"].as_str().unwrap();

    let statistics = format!("/users/{ANNA}/statistics");
    let figures = json!({ "activities": 1, "duration_minutes": 30, "distance_km": 5.0, "calories_burned": 0 });
    assert_eq!(application.get(&statistics).await["totals"], figures, "at once");
    let counted = |answer: &Value| answer["periods"].as_array().is_some_and(|periods| periods.len() == 2);
    let answer = application.until("week and month are counted", &statistics, counted).await;
    for (period, start) in [("week", "2026-03-09"), ("month", "2026-03-01")] {
        let mut expected = figures.clone();
        expected["period"] = json!(period);
        expected["start"] = json!(start);
        assert!(answer["periods"].as_array().unwrap().contains(&expected), "{answer}");
    }
    let achievements = format!("/users/{ANNA}/achievements");
    let earned = |answer: &Value| answer["items"].as_array().is_some_and(|items| items.len() == 2);
    let earned = application.until("achievements are earned", &achievements, earned).await;
    assert_eq!(
        (&earned["items"][0]["code"], &earned["items"][0]["activity_id"]),
        (&json!("first_activity"), &json!(id))
    );
    let board = "/leaderboard?period=week&start=2026-03-12&type=run";
    let ranked = |answer: &Value| answer["items"][0]["user_id"] == json!(ANNA);
    application.until("the board knows", board, ranked).await;
    let notifications = application.get(&format!("/users/{ANNA}/notifications")).await;
    let mut kinds: Vec<&str> =
        notifications["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["achievement.unlocked", "achievement.unlocked", "activity.created"]);

    let published = application.memory.published();
    let [event] = published.as_slice() else { panic!("one event, not {published:?}") };
    assert_eq!((event.name.as_str(), event.version, event.sequence), ("activity.created", 2, 1));
    assert_eq!(
        (event.subject.clone(), event.partition_key.clone()),
        (format!("activity-{id}"), format!("activity-{id}"))
    );
    assert_eq!((event.source.as_str(), event.content_type.as_str()), ("/activelog", JSON));
    assert_eq!(event.id.get_version_num(), 7);
    let created_at: jiff::Timestamp = activity["created_at"].as_str().unwrap().parse().unwrap();
    assert!((0..30).contains(&event.time.duration_since(created_at).as_secs()), "{created_at}: {}", event.time);
    assert_eq!((event.correlation_id, event.causation_id), (request_id, None));
    let trace = event.trace.as_ref().expect("a trace");
    assert_eq!((trace.traceparent(), trace.tracestate()), (TRACE, Some("vendor=1")));
    let data: Value = serde_json::from_slice(&event.data).unwrap();
    assert_eq!((&data["activity"]["activity_id"], &data["activity"]["title"]), (&activity["id"], &activity["title"]));

    // The same event, in the journal.
    let listed = |answer: &Value| answer["items"].as_array().is_some_and(|items| items.len() == 1);
    let journal = application.until("the journal has it", "/events", listed).await;
    let entry = &journal["items"][0];
    assert_eq!((&entry["position"], &entry["event"]["id"]), (&json!(1), &json!(event.id)));
    assert_eq!((&entry["event"]["specversion"], &entry["event"]["traceparent"]), (&json!("1.0"), &json!(TRACE)));
    assert_eq!(entry["event"]["correlationid"], json!(request_id));
}

/// A request without an id gets one, and the events of different requests can be told apart by it.
#[tokio::test]
async fn every_request_has_an_id() {
    let application = Application::start().await;
    let mut ids = Vec::new();
    for title in ["one", "two"] {
        let answer = application.request(Method::POST, "/activities").json(&run(ANNA, title)).send().await.unwrap();
        ids.push(answer.headers()["x-request-id"].to_str().unwrap().parse::<Uuid>().unwrap());
    }
    let published = async || Some(application.memory.published()).filter(|events| events.len() == 2);
    let published = eventually("both are published", PATIENCE, published).await;
    let mut correlated: Vec<Uuid> = published.iter().map(|event| event.correlation_id).collect();
    correlated.sort();
    ids.sort();
    assert_eq!(correlated, ids);
    assert!(ids[0] != ids[1] && published.iter().all(|event| event.trace.is_none()), "{published:?}");
}

/// The events of one activity are published in the order of its versions, whatever else is published meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_activity_has_its_own_order() {
    let application = Application::start().await;
    let lives = (0..20_u64).map(|n| {
        let application = &application;
        async move {
            let id = application.create(&run(ANNA, "before")).await;
            for version in 1..=n % 5 {
                application.update(&id, version, &json!({ "title": format!("version {version}") })).await;
            }
            application.delete(&id, 1 + n % 5).await;
            (id, n % 5)
        }
    });
    for (id, updates) in futures::future::join_all(lives).await {
        let mut expected = vec![(1, "activity.created".to_owned())];
        expected.extend((0..updates).map(|n| (2 + n, "activity.updated".to_owned())));
        expected.push((2 + updates, "activity.deleted".to_owned()));
        let whole = async || (application.published_of(&id).len() == expected.len()).then_some(());
        eventually("a whole life is published", PATIENCE, whole).await;
        assert_eq!(application.published_of(&id), expected);
    }
    application.outbox_holds(0).await;
}
