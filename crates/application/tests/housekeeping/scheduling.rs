use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::ports::Repositories,
    orchestrator::{Chain, Step, UseCaseError, use_case_fn},
    ports::{Clock, Journal, JournalCursor, ScheduledEvents, ScheduledFilter, Signal},
    relay::{Relay, RelayOptions, RelayTarget, Scheduler, SchedulerOptions},
};
use activelog_domain::event::{AggregateRef, DomainEvent};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::setting::{Setting, event};

#[derive(Debug, Serialize, Deserialize)]
struct Reminder {
    thing: Uuid,
}

impl DomainEvent for Reminder {
    const NAME: &'static str = "thing.reminder";
    const VERSION: u32 = 1;

    fn aggregate(&self) -> AggregateRef {
        AggregateRef { subject: format!("thing-{}", self.thing), sequence: 1 }
    }
}

fn start(setting: &mut Setting, member: u128) {
    let scheduler = Scheduler::new(
        Arc::new(setting.repositories.clone()),
        Arc::new(setting.toolkit.clone()),
        setting.clock.clone(),
        Uuid::from_u128(member),
        SchedulerOptions { batch: 3, ..SchedulerOptions::default() },
    );
    let stop = setting.stop.clone();
    setting.run(async move { scheduler.run(&stop).await });
}

async fn schedule(setting: &Setting, key: &str, sequence: u64, due: Timestamp) {
    use activelog_application::ports::{Isolation, TransactionOptions, UnitOfWorkFactory};
    let options = TransactionOptions::new(Isolation::ReadCommitted, Duration::from_secs(5));
    let mut uow: Box<dyn Repositories> = setting.repositories.begin(options).await.expect("a unit of work");
    uow.outbox().schedule(&event(key, sequence), due).await.expect("scheduled");
    uow.commit().await.expect("committed");
}

fn recorded(setting: &Setting) -> Vec<String> {
    setting.repositories.outbox().into_iter().map(|event| event.subject).collect()
}

#[tokio::test(start_paused = true)]
async fn events_go_out_when_they_are_due_and_in_order() {
    let mut setting = Setting::new();
    start(&mut setting, 1);
    for (key, seconds) in [("d", 40), ("a", 10), ("b", 20), ("c", 20), ("past", -5)] {
        let due = setting.in_seconds(seconds);
        schedule(&setting, key, 1, due).await;
    }
    setting.pass(1).await;
    assert_eq!(recorded(&setting), ["past"]);
    setting.pass(8).await;
    assert_eq!(recorded(&setting).len(), 1, "a second before the next is due");
    setting.pass(2).await;
    assert_eq!(recorded(&setting), ["past", "a"]);
    setting.pass(60).await;
    assert_eq!(recorded(&setting), ["past", "a", "b", "c", "d"]);
    setting.end().await;
}

#[tokio::test(start_paused = true)]
async fn waiting_costs_no_write() {
    let mut setting = Setting::new();
    let due = setting.in_seconds(3_600);
    schedule(&setting, "a", 1, due).await;
    start(&mut setting, 1);
    setting.pass(60).await;
    assert_eq!(setting.toolkit.calls("lease heartbeat"), 0);
    setting.end().await;
}

#[tokio::test(start_paused = true)]
async fn several_schedulers_and_a_relay_publish_each_event_once() {
    let mut setting = Setting::new();
    for n in 0..100_u64 {
        let due = setting.in_seconds(i64::try_from(n % 7).expect("small"));
        schedule(&setting, &format!("thing-{n}"), 1, due).await;
    }
    start(&mut setting, 1);
    start(&mut setting, 2);
    let store = Arc::new(setting.toolkit.clone());
    let member = Uuid::from_u128(3);
    let relay = Relay::new(store.clone(), store, RelayTarget::Journal, Signal::new(), member, RelayOptions::default());
    let stop = setting.stop.clone();
    setting.run(async move { relay.run(&stop).await });
    setting.pass(20).await;
    assert_eq!(setting.depth().await, 0);
    let journal = setting.toolkit.read_all(&JournalCursor::default(), 1_000).await.expect("a journal");
    assert_eq!(journal.len(), 100);
    setting.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_waits_for_its_sequence_without_holding_up_others() {
    let mut setting = Setting::new();
    setting.toolkit.record(&[activelog_domain::event::EventEnvelope { id: Uuid::from_u128(1), ..event("a", 1) }]);
    let now = setting.clock.now();
    schedule(&setting, "a", 1, now).await;
    schedule(&setting, "b", 1, now).await;
    start(&mut setting, 1);
    setting.pass(5).await;
    assert_eq!(recorded(&setting), ["b"]);
    let calls = setting.toolkit.calls("lease heartbeat");
    setting.pass(5).await;
    assert!(setting.toolkit.calls("lease heartbeat") - calls <= 5, "it does not spin");
    let left = setting.repositories.list(&ScheduledFilter::default(), None, 10).await.expect("a list");
    assert_eq!(left.len(), 1);
    setting.end().await;
}

#[tokio::test]
async fn a_use_case_schedules_and_cancels() {
    let setting = Setting::new();
    let orchestrator = setting.orchestrator();
    let (soon, later) = (setting.in_seconds(10), setting.in_seconds(20));
    let schedule = use_case_fn("schedule", move |step: &mut Step<'_, dyn Repositories>, (): ()| {
        Box::pin(async move {
            let reminder = |thing| Reminder { thing: Uuid::from_u128(thing) };
            let kept = step.schedule(&reminder(1), soon).map_err(UseCaseError::rejected)?;
            let dropped = step.schedule(&reminder(2), later).map_err(UseCaseError::rejected)?;
            assert!(step.cancel(dropped).await?, "one of this very transaction");
            assert!(!step.cancel(dropped).await?, "a second time");
            Ok((kept,))
        })
    });
    let chain = Chain::<dyn Repositories, ()>::new().then(schedule).build().expect("a chain");
    let outputs = orchestrator.run(&chain, ()).await.expect("scheduled");
    let kept = *outputs.get::<Uuid>().expect("an id");
    let listed = setting.repositories.list(&ScheduledFilter::default(), None, 10).await.expect("a list");
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].event.id, listed[0].due, listed[0].event.time), (kept, soon, soon));
    assert!(recorded(&setting).is_empty());
    let cancel = use_case_fn("cancel", move |step: &mut Step<'_, dyn Repositories>, (): ()| {
        Box::pin(async move {
            assert!(step.cancel(kept).await?, "one of an earlier transaction");
            Ok(())
        })
    });
    let chain = Chain::<dyn Repositories, ()>::new().then(cancel).build().expect("a chain");
    orchestrator.run(&chain, ()).await.expect("cancelled");
    assert_eq!(setting.repositories.next_due().await.expect("an answer"), None);
}
