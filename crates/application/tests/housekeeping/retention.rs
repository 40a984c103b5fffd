use std::{sync::Arc, time::Duration};

use activelog_application::{
    ports::{GroupPositions, Journal, JournalCursor, Retention},
    retention::{JournalGroup, Keeper, KeeperOptions, KeeperStores, RetentionPolicy, Swept},
};
use uuid::Uuid;

use crate::setting::{Setting, event};

const OPTIONS: KeeperOptions =
    KeeperOptions { interval: Duration::from_secs(300), batch: 3, pause: Duration::from_millis(10) };

/// Everything for ever.
const FOR_EVER: RetentionPolicy = RetentionPolicy {
    inbox: None,
    journal: None,
    journal_events: None,
    idempotency_keys: None,
    dead_letters: None,
    crash_marks: None,
};

fn keeper(setting: &Setting, member: u128, policy: RetentionPolicy) -> Arc<Keeper> {
    keeper_for(setting, member, policy, None)
}

fn keeper_for(setting: &Setting, member: u128, policy: RetentionPolicy, group: Option<JournalGroup>) -> Arc<Keeper> {
    let stores = KeeperStores {
        retention: Arc::new(setting.repositories.clone()),
        group,
        dead_letters: Arc::new(setting.repositories.failures()),
        leases: Arc::new(setting.toolkit.clone()),
        clock: setting.clock.clone(),
    };
    Arc::new(Keeper::new(stores, Uuid::from_u128(member), policy, OPTIONS))
}

fn start(setting: &mut Setting, keeper: &Arc<Keeper>) {
    let (keeper, stop) = (keeper.clone(), setting.stop.clone());
    setting.run(async move { keeper.run(&stop).await });
}

async fn take(setting: &Setting, events: u128) {
    for n in 1..=events {
        let mut uow = begin(setting).await;
        uow.inbox().record("handler", Uuid::from_u128(n), "key").await.expect("recorded");
        uow.commit().await.expect("committed");
    }
}

async fn begin(setting: &Setting) -> Box<dyn activelog_application::activity::ports::Repositories> {
    use activelog_application::ports::{Isolation, TransactionOptions, UnitOfWorkFactory};
    let options = TransactionOptions::new(Isolation::ReadCommitted, Duration::from_secs(5));
    setting.repositories.begin(options).await.expect("a unit of work")
}

async fn publish(setting: &Setting, keys: u64, each: u64) {
    for sequence in 1..=each {
        for key in 0..keys {
            setting.toolkit.append(&[event(&format!("thing-{key}"), sequence)]).await.expect("published");
        }
    }
}

async fn kept(setting: &Setting) -> u64 {
    let spans = setting.repositories.journal_spans().await.expect("spans");
    spans.iter().map(|span| span.last - span.first + 1).sum()
}

#[tokio::test(start_paused = true)]
async fn a_sweep_removes_what_is_older_than_the_policy_says() {
    let mut setting = Setting::new();
    publish(&setting, 1, 10).await;
    take(&setting, 7).await;
    let day = Some(Duration::from_secs(86_400));
    let keeper = keeper(&setting, 1, RetentionPolicy { inbox: day, journal: day, ..FOR_EVER });
    let mut swept = keeper.swept();
    start(&mut setting, &keeper);
    let found = *swept.wait_for(Option::is_some).await.expect("a sweep");
    assert_eq!(found, Some(Swept { inbox: 7, journal: 9, ..Swept::default() }), "all but the newest published event");
    setting.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_for_ever_stays() {
    let mut setting = Setting::new();
    publish(&setting, 3, 10).await;
    take(&setting, 7).await;
    let keeper = keeper(&setting, 1, FOR_EVER);
    let mut swept = keeper.swept();
    start(&mut setting, &keeper);
    assert_eq!(*swept.wait_for(Option::is_some).await.expect("a sweep"), Some(Swept::default()));
    assert_eq!(kept(&setting).await, 30);
    setting.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_journal_is_cut_to_its_number_from_the_oldest_on_unless_a_group_needs_it() {
    let mut setting = Setting::new();
    publish(&setting, 20, 5).await;
    let policy = RetentionPolicy { journal_events: Some(40), ..FOR_EVER };
    let first = keeper(&setting, 1, policy);
    let mut swept = first.swept();
    start(&mut setting, &first);
    swept.wait_for(Option::is_some).await.expect("a sweep");
    assert_eq!(kept(&setting).await, 40);
    setting.toolkit.join("g", &JournalCursor::default()).await.expect("joined");
    publish_more(&setting).await;
    setting.pass(301).await;
    assert_eq!(kept(&setting).await, 60, "nothing that the group has not taken");
    setting.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_journal_waits_for_a_group_that_has_never_come() {
    let mut setting = Setting::new();
    publish(&setting, 20, 5).await;
    let group = JournalGroup { name: "late".to_owned(), positions: Arc::new(setting.toolkit.clone()) };
    let policy = RetentionPolicy { journal_events: Some(1), journal: Some(Duration::ZERO), ..FOR_EVER };
    let keeper = keeper_for(&setting, 1, policy, Some(group));
    let mut swept = keeper.swept();
    start(&mut setting, &keeper);
    swept.wait_for(Option::is_some).await.expect("a sweep");
    assert_eq!(kept(&setting).await, 100, "its worker has not been started yet");
    setting.end().await;
}

async fn publish_more(setting: &Setting) {
    for key in 0..20 {
        setting.toolkit.append(&[event(&format!("thing-{key}"), 6)]).await.expect("published");
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_two_keepers_works_and_the_other_takes_over() {
    let mut setting = Setting::new();
    let policy = RetentionPolicy { journal_events: Some(1), ..FOR_EVER };
    let (first, second) = (keeper(&setting, 1, policy), keeper(&setting, 2, policy));
    let stop = setting.stop.child_token();
    let (mut swept, idle) = (first.swept(), second.swept());
    let (running, stopped) = (first.clone(), stop.clone());
    setting.run(async move { running.run(&stopped).await });
    swept.wait_for(Option::is_some).await.expect("a sweep");
    start(&mut setting, &second);
    setting.pass(700).await;
    assert_eq!(*idle.borrow(), None, "the other waits");
    stop.cancel();
    setting.pass(400).await;
    assert!(idle.borrow().is_some(), "the other has taken over");
    setting.end().await;
}

#[tokio::test(start_paused = true)]
async fn storage_that_is_away_is_waited_for() {
    let mut setting = Setting::new();
    publish(&setting, 1, 5).await;
    setting.toolkit.set_outage(true);
    let keeper = keeper(&setting, 1, RetentionPolicy { journal_events: Some(2), ..FOR_EVER });
    let mut swept = keeper.swept();
    start(&mut setting, &keeper);
    setting.pass(10).await;
    setting.toolkit.set_outage(false);
    swept.wait_for(Option::is_some).await.expect("a sweep");
    assert_eq!(kept(&setting).await, 2);
    setting.end().await;
}
