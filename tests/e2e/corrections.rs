//! Updates, deletions, and events that arrive more than once.

use activelog_application::ports::Broker;
use serde_json::{Value, json};

use crate::application::{ANNA, Application, BERT, run};

fn periods(answer: &Value) -> Vec<(String, i64, i64)> {
    let periods = answer["periods"].as_array().expect("a list").iter();
    let text = |period: &Value| format!("{} {}", period["period"].as_str().unwrap(), period["start"].as_str().unwrap());
    let number = |period: &Value, name: &str| period[name].as_i64().expect("a number");
    periods.map(|p| (text(p), number(p, "activities"), number(p, "duration_minutes"))).collect()
}

#[tokio::test]
async fn updates_and_deletions_correct_everything() {
    let application = Application::start().await;
    let stays = application.create(&run(ANNA, "stays")).await;
    let goes = application.create(&run(ANNA, "goes")).await;
    // Into another week and month, longer, and of another type.
    let changes = json!({ "activity_date": "2026-04-20", "duration_minutes": 100, "type": "ride", "distance_km": 40 });
    application.update(&goes, 1, &changes).await;
    let statistics = format!("/users/{ANNA}/statistics");
    let moved = vec![
        ("week 2026-04-20".to_owned(), 1, 100),
        ("month 2026-04-01".to_owned(), 1, 100),
        ("week 2026-03-09".to_owned(), 1, 30),
        ("month 2026-03-01".to_owned(), 1, 30),
    ];
    application.until("figures have moved", &statistics, |answer| periods(answer) == moved).await;
    let march = "/leaderboard?period=month&start=2026-03-01";
    let april = "/leaderboard?period=month&start=2026-04-01&type=ride";
    application.until("March has less", march, |answer| answer["items"][0]["duration_minutes"] == json!(30)).await;
    application.until("April has it", april, |answer| answer["items"][0]["distance_km"] == json!(40.0)).await;
    let achievements = format!("/users/{ANNA}/achievements");
    let has = |answer: &Value, code: &str| answer["items"].as_array().unwrap().iter().any(|item| item["code"] == code);
    application.until("the ride is the longest", &achievements, |answer| has(answer, "longest_distance:ride")).await;

    application.delete(&goes, 2).await;
    assert_eq!(application.get(&statistics).await["totals"]["activities"], json!(1), "at once");
    application.until("only what stays is counted", &statistics, |answer| periods(answer) == moved[2..]).await;
    application.until("April is empty", april, |answer| answer["items"] == json!([])).await;
    application.until("no ride is left", &achievements, |answer| !has(answer, "longest_distance:ride")).await;
    let first = application.get(&achievements).await;
    assert_eq!(first["items"][0]["activity_id"], json!(stays));
}

/// A broker may deliver twice, also long after. Nothing counts twice.
#[tokio::test]
async fn what_arrives_again_does_nothing_again() {
    let application = Application::start().await;
    let id = application.create(&run(ANNA, "once")).await;
    let statistics = format!("/users/{ANNA}/statistics");
    let counted = |activities: i64, minutes: i64| {
        move |answer: &Value| {
            let periods = periods(answer);
            periods.len() == 2 && periods.iter().all(|(_, a, m)| (*a, *m) == (activities, minutes))
        }
    };
    application.until("it is counted", &statistics, counted(1, 30)).await;
    let Broker { publisher, .. } = application.memory.broker();
    let published = application.memory.published();
    for _ in 0..5 {
        for event in &published {
            publisher.publish(event).await.unwrap();
        }
    }
    // Behind the copies in the same lane: when this has its effect, they have had theirs.
    application.update(&id, 1, &json!({ "duration_minutes": 40 })).await;
    application.until("the update is counted, and nothing twice", &statistics, counted(1, 40)).await;
    let published = application.memory.published();
    for event in published.iter().rev() {
        publisher.publish(event).await.unwrap();
    }
    application.update(&id, 2, &json!({ "duration_minutes": 50 })).await;
    application.until("the last update is counted, and nothing twice", &statistics, counted(1, 50)).await;
    let board = application.until("the board follows", "/leaderboard?period=month&start=2026-03-01", |answer| {
        answer["items"][0]["duration_minutes"] == json!(50)
    });
    assert_eq!(board.await["items"].as_array().map(Vec::len), Some(1));
    application.create(&run(BERT, "others go on")).await;
    application.until("others go on", &format!("/users/{BERT}/statistics"), counted(1, 30)).await;
}
