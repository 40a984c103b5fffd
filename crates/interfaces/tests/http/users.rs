//! What follows from activities for one user, and leaderboards.

use activelog_domain::{
    achievement::{Achievement, Earned},
    activity::ActivityType,
    leaderboard::Board,
    statistics::{Figures, Period},
    user::UserId,
};
use axum::{body::Body, http::Method};
use jiff::{Timestamp, ToSpan, civil::date};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::{Api, NOBODY, USER, request};

fn user(id: &str) -> UserId {
    UserId(id.parse().expect("a UUID"))
}

fn figures(metres: i64) -> Figures {
    Figures { activities: 2, duration_minutes: 90, distance_metres: metres, calories_burned: 700 }
}

#[tokio::test]
async fn statistics_are_exactly_what_the_contract_says() {
    let api = Api::default();
    api.create(json!({ "distance_km": 10.5, "calories_burned": 640 })).await;
    let mut tx = api.begin().await;
    let changes =
        [(Period::Week, date(2026, 3, 9), figures(10_500)), (Period::Month, date(2026, 3, 1), figures(21_000))];
    tx.period_statistics().add(user(USER), &changes).await.expect("added");
    tx.commit().await.expect("committed");
    let answer = api.get(&format!("/users/{USER}/statistics")).await;
    let week = json!({
        "period": "week", "start": "2026-03-09", "activities": 2, "duration_minutes": 90, "distance_km": 10.5,
        "calories_burned": 700,
    });
    let month = json!({
        "period": "month", "start": "2026-03-01", "activities": 2, "duration_minutes": 90, "distance_km": 21.0,
        "calories_burned": 700,
    });
    let totals = json!({ "activities": 1, "duration_minutes": 50, "distance_km": 10.5, "calories_burned": 640 });
    assert_eq!((answer.status, answer.json()), (200, json!({ "totals": totals, "periods": [week, month] })));
    let months = api.get(&format!("/users/{USER}/statistics?period=month")).await.json();
    assert_eq!(months["periods"], json!([month]));
    let bad = api.get(&format!("/users/{USER}/statistics?period=year")).await;
    bad.problem(400, "invalid-parameter");
    assert_eq!(bad.bad_fields(), ["period"]);
}

#[tokio::test]
async fn statistics_leave_no_period_out() {
    let api = Api::default();
    api.create(json!({})).await;
    let weeks = date(1900, 1, 1).series(7.days());
    let months = date(1900, 1, 1).series(1.month());
    let today = date(2026, 3, 12);
    let mut changes: Vec<_> = weeks.take_while(|day| *day <= today).map(|d| (Period::Week, d, figures(1))).collect();
    changes.extend(months.take_while(|day| *day <= today).map(|d| (Period::Month, d, figures(1))));
    let mut tx = api.begin().await;
    tx.period_statistics().add(user(USER), &changes).await.expect("added");
    tx.commit().await.expect("committed");
    let answer = api.get(&format!("/users/{USER}/statistics")).await.json();
    assert!(changes.len() > 8_000);
    assert_eq!(answer["periods"].as_array().map(Vec::len), Some(changes.len()));
}

#[tokio::test]
async fn a_user_nobody_knows_is_404() {
    let api = Api::default();
    for part in ["statistics", "notifications", "achievements"] {
        let problem = api.get(&format!("/users/{NOBODY}/{part}")).await.problem(404, "not-found");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains("user")), "{problem}");
        api.get(&format!("/users/7/{part}")).await.problem(400, "invalid-parameter");
    }
    // Known from the first activity on, also while nothing follows from it yet.
    api.create(json!({ "user_id": NOBODY })).await;
    for part in ["statistics", "notifications", "achievements"] {
        assert_eq!(api.get(&format!("/users/{NOBODY}/{part}")).await.status, 200);
    }
}

#[tokio::test]
async fn notifications_are_listed_and_read_once() {
    let api = Api::default();
    for _ in 0..3 {
        api.create(json!({})).await;
    }
    let first = api.get(&format!("/users/{USER}/notifications?limit=2")).await.json();
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let second = api.get(&format!("/users/{USER}/notifications?limit=2&cursor={cursor}")).await.json();
    assert_eq!((first["items"].as_array().map(Vec::len), &second["next_cursor"]), (Some(2), &Value::Null));
    assert_eq!(second["items"].as_array().map(Vec::len), Some(1));
    let note = &first["items"][0];
    assert_eq!((&note["kind"], &note["read_at"]), (&json!("activity.created"), &Value::Null));
    let path = format!("/users/{USER}/notifications/{}/read", note["id"].as_str().expect("an id"));
    for _ in 0..2 {
        let answer = api.send(request(Method::POST, &path).body(Body::empty()).expect("a request")).await;
        assert_eq!((answer.status, &answer.json()["read_at"]), (200, &json!("2026-03-12T18:00:00Z")));
    }
    for path in [format!("/users/{USER}/notifications/{NOBODY}/read"), path.replace(USER, NOBODY)] {
        let answer = api.send(request(Method::POST, &path).body(Body::empty()).expect("a request")).await;
        let problem = answer.problem(404, "not-found");
        assert!(problem["detail"].as_str().is_some_and(|text| text.starts_with("There is no ")), "{problem}");
    }
}

#[tokio::test]
async fn achievements_are_listed_by_code() {
    let api = Api::default();
    api.create(json!({})).await;
    let at: Timestamp = "2026-03-12T06:30:00Z".parse().expect("an instant");
    let run = ActivityType::new("run").expect("a type");
    let mut tx = api.begin().await;
    for (achievement, distance_metres) in
        [(Achievement::LongestDistance(run), Some(42_195)), (Achievement::FirstActivity, None)]
    {
        let earned = Earned { achievement, activity_id: Uuid::nil(), achieved_at: at, distance_metres };
        tx.achievements().put(user(USER), &earned).await.expect("put");
    }
    tx.commit().await.expect("committed");
    let body = api.get(&format!("/users/{USER}/achievements")).await.json();
    let nil = Uuid::nil().to_string();
    let date = "2026-03-12T06:30:00Z";
    let items = json!([
        { "code": "first_activity", "activity_id": nil, "achieved_at": date, "distance_km": null },
        { "code": "longest_distance:run", "activity_id": nil, "achieved_at": date, "distance_km": 42.195 },
    ]);
    assert_eq!(body, json!({ "items": items, "next_cursor": null }));
}

#[tokio::test]
async fn a_board_is_of_the_present_period_unless_asked() {
    let api = Api::default();
    let ride = Some(ActivityType::new("ride").expect("a type"));
    let mut tx = api.begin().await;
    for (id, metres) in [(USER, 5_000), (NOBODY, 9_000)] {
        let board = |start, kind: &Option<ActivityType>| {
            let board = Board { period: Period::Week, start, activity_type: kind.clone() };
            (board, figures(metres))
        };
        let changes = [board(date(2026, 3, 9), &None), board(date(2026, 3, 9), &ride), board(date(2026, 3, 2), &None)];
        tx.leaderboards().add(user(id), &changes).await.expect("added");
    }
    tx.commit().await.expect("committed");
    let first = api.get("/leaderboard?limit=1").await.json();
    assert_eq!(
        (&first["period"], &first["start"], &first["type"]),
        (&json!("week"), &json!("2026-03-09"), &Value::Null)
    );
    let best = json!({
        "rank": 1, "user_id": NOBODY, "activities": 2, "duration_minutes": 90, "distance_km": 9.0, "calories_burned": 700,
    });
    assert_eq!(first["items"], json!([best]));
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let second = api.get(&format!("/leaderboard?limit=1&cursor={cursor}")).await.json();
    assert_eq!((&second["items"][0]["rank"], &second["next_cursor"]), (&json!(2), &Value::Null));
    let rides = api.get("/leaderboard?type=Ride&period=week&start=2026-03-15").await.json();
    assert_eq!((&rides["type"], rides["items"].as_array().map(Vec::len)), (&json!("ride"), Some(2)));
    let month = api.get("/leaderboard?period=month").await.json();
    assert_eq!((&month["start"], &month["items"]), (&json!("2026-03-01"), &json!([])));
    let other = api.get(&format!("/leaderboard?period=month&cursor={cursor}")).await;
    other.problem(400, "invalid-parameter");
}
