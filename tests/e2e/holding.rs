//! One event that fails parks its activity, in order, and nothing else.

use std::sync::Arc;

use activelog_application::delivery::Router;
use activelog_domain::activity::{ActivityCreated, ActivityDeleted, ActivityUpdated};
use serde_json::{Value, json};

use crate::{
    application::{ANNA, Application, BERT, Changes, PATIENCE, run},
    picky::{POISON, Picky, PickyPublisher},
    support::eventually,
};

fn counts(activities: i64, minutes: i64) -> impl Fn(&Value) -> bool {
    move |answer| {
        let periods = answer["periods"].as_array().expect("a list");
        let right = |p: &Value| p["activities"] == json!(activities) && p["duration_minutes"] == json!(minutes);
        periods.len() == 2 && periods.iter().all(right)
    }
}

#[tokio::test]
async fn a_handler_that_fails_parks_one_activity() {
    let picky = Picky::default();
    let handler = Arc::new(picky.clone());
    let more = move |router: Router<_>| {
        let router = router.on::<ActivityCreated>(handler.clone()).on::<ActivityUpdated>(handler.clone());
        router.on::<ActivityDeleted>(handler)
    };
    let application = Application::start_with(Changes { handlers: Some(Box::new(more)), ..Changes::default() }).await;
    let poison = application.create(&run(ANNA, POISON)).await;
    application.update(&poison, 1, &json!({ "duration_minutes": 60 })).await;
    let parked = async || (application.parked().await == 2).then_some(());
    eventually("it is parked, with what came behind it", PATIENCE, parked).await;

    for title in ["one", "two", "three"] {
        let other = application.create(&run(BERT, title)).await;
        application.update(&other, 1, &json!({ "duration_minutes": 40 })).await;
        let taken = async || (picky.taken_of(&other) == [1, 2]).then_some(());
        eventually("others go on", PATIENCE, taken).await;
    }
    application.until("for every handler", &format!("/users/{BERT}/statistics"), counts(3, 120)).await;
    assert!(picky.taken_of(&poison).is_empty());
    assert_eq!(application.parked().await, 2);
    // Its requests are answered, and its totals are right.
    assert_eq!(application.get(&format!("/users/{ANNA}/statistics")).await["totals"]["duration_minutes"], json!(60));

    picky.heal();
    let taken = async || (picky.taken_of(&poison) == [1, 2]).then_some(());
    eventually("what was held goes on in order", PATIENCE, taken).await;
    application.until("once for every handler", &format!("/users/{ANNA}/statistics"), counts(1, 60)).await;
    let free = async || (application.parked().await == 0).then_some(());
    eventually("nothing is parked any more", PATIENCE, free).await;
}

#[tokio::test]
async fn an_event_the_broker_refuses_holds_one_activity() {
    let picky = Picky::default();
    let refusing = picky.clone();
    let publisher = move |inner| Arc::new(PickyPublisher { picky: refusing, inner }) as _;
    let changes = Changes { publisher: Some(Box::new(publisher)), ..Changes::default() };
    let application = Application::start_with(changes).await;
    let poison = application.create(&run(ANNA, POISON)).await;
    application.update(&poison, 1, &json!({ "duration_minutes": 60 })).await;
    application.update(&poison, 2, &json!({ "duration_minutes": 70 })).await;
    // Enough that some share its partition.
    for n in 0..40 {
        application.create(&run(BERT, &format!("run {n}"))).await;
    }
    application.until("others go on", &format!("/users/{BERT}/statistics"), counts(40, 1_200)).await;
    application.outbox_holds(3).await;
    assert_eq!(application.published_of(&poison), []);

    picky.heal();
    application.until("what was held goes on", &format!("/users/{ANNA}/statistics"), counts(1, 70)).await;
    let sequences: Vec<u64> = application.published_of(&poison).into_iter().map(|(sequence, _)| sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
    application.outbox_holds(0).await;
}
