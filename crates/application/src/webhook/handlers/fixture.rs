//! Webhooks on a store in memory, with receivers that answer as a test says.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use activelog_domain::{
    activity::{Activity, ActivityCreated, ActivityDate, ActivityDraft, ActivityType, Duration, Tags, Title},
    event::{DomainEvent, EventEnvelope},
    notification::Notification,
    user::{Actor, UserId},
    webhook::{Reach, SigningSecret, WebhookUrl},
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::WebhookDeliveryHandler;
use crate::{
    activity::{
        ActivityLog,
        ports::{KeysetPage, Queries},
        use_cases::NewActivity,
    },
    delivery::{Entry, Handled, Invocation, InvocationError, Router, Routes},
    orchestrator::{Orchestrator, OrchestratorError, OrchestratorOptions},
    ports::Clock,
    testing::{FakeClock, MemoryRepositories, SequentialIds, SequentialSecrets},
    webhook::{
        Webhook, WebhookError, WebhookEvents, WebhookOptions, Webhooks,
        ports::{SendError, WebhookRequest, WebhookSender, WebhookStore},
        use_cases::{ChosenWebhook, NewWebhook},
    },
};

pub(in crate::webhook) const ANNA: UserId = UserId(Uuid::from_u128(1));
pub(in crate::webhook) const BERT: UserId = UserId(Uuid::from_u128(2));

/// Answers as told, then with success; remembers what it was given.
#[derive(Default)]
pub(in crate::webhook) struct Receivers {
    answers: Mutex<VecDeque<SendError>>,
    requests: Mutex<Vec<WebhookRequest>>,
}

impl Receivers {
    pub(in crate::webhook) fn fail(&self, errors: impl IntoIterator<Item = SendError>) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).extend(errors);
    }

    /// What arrived since the last call.
    pub(in crate::webhook) fn requests(&self) -> Vec<WebhookRequest> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl WebhookSender for Receivers {
    async fn send(&self, request: WebhookRequest) -> Result<(), SendError> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front().map_or(Ok(()), Err)
    }
}

pub(in crate::webhook) struct Fixture {
    pub(in crate::webhook) store: MemoryRepositories,
    pub(in crate::webhook) webhooks: Webhooks,
    pub(in crate::webhook) receivers: Arc<Receivers>,
    log: ActivityLog,
    routes: Routes,
    clock: Arc<FakeClock>,
}

impl Fixture {
    pub(in crate::webhook) fn new() -> Self {
        Self::with(WebhookOptions::default())
    }

    pub(in crate::webhook) fn with(options: WebhookOptions) -> Self {
        let (store, clock) = (MemoryRepositories::new(), Arc::new(FakeClock::default()));
        let orchestrator = Orchestrator::new(
            Arc::new(store.clone()),
            clock.clone(),
            Arc::new(SequentialIds::default()),
            OrchestratorOptions::default(),
        );
        let receivers = Arc::new(Receivers::default());
        let shared = Arc::new(store.clone());
        let delivery = WebhookDeliveryHandler::new(shared, receivers.clone(), clock.clone(), options.disable_after);
        let routes = super::register(Router::new(orchestrator.clone()));
        let routes = super::register_delivery(routes, delivery).build().expect("routes that fit together");
        let log = ActivityLog::new(orchestrator.clone()).expect("chains that fit together");
        let webhooks =
            Webhooks::new(orchestrator, Arc::new(SequentialSecrets::default()), options).expect("chains that fit");
        Self { store, webhooks, receivers, log, routes, clock }
    }

    pub(in crate::webhook) fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
    }

    pub(in crate::webhook) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(in crate::webhook) async fn register(
        &self,
        user: UserId,
        events: &[&str],
    ) -> Result<(Webhook, SigningSecret), OrchestratorError> {
        let url = WebhookUrl::new("https://example.com/hooks?key=s3cret", Reach::Public).expect("a URL");
        let events = WebhookEvents::new(events).expect("patterns");
        let input = NewWebhook { actor: Actor::User(user), user, url, events, description: None };
        let outputs = self.webhooks.register(input).await?;
        let webhook = outputs.get::<Webhook>().expect("a webhook");
        let secret = outputs.get::<SigningSecret>().expect("a secret");
        Ok(((*webhook).clone(), (*secret).clone()))
    }

    /// Registers one of Anna's for everything.
    pub(in crate::webhook) async fn registered(&self) -> Webhook {
        self.register(ANNA, &["#"]).await.expect("a webhook").0
    }

    pub(in crate::webhook) async fn shown(&self, webhook: &Webhook) -> Webhook {
        self.store.webhook(webhook.user_id, webhook.id).await.expect("an answer").expect("a webhook")
    }

    pub(in crate::webhook) async fn notifications(&self, kind: &str) -> Vec<Notification> {
        let page = KeysetPage { after: None, limit: 100 };
        let all = self.store.notifications(ANNA, page).await.expect("notifications");
        all.into_iter().filter(|n| n.kind == kind).collect()
    }

    /// Creates an activity of this user and answers its event.
    pub(in crate::webhook) async fn created(&self, user_id: UserId) -> EventEnvelope {
        let draft = ActivityDraft {
            user_id,
            activity_type: ActivityType::new("run").expect("a type"),
            title: Title::new("Morning run").expect("a title"),
            description: None,
            duration: Duration::new(30).expect("a duration"),
            distance: None,
            calories: None,
            notes: None,
            activity_date: ActivityDate::stored(Timestamp::UNIX_EPOCH),
            tags: Tags::default(),
        };
        let outputs = self.log.create(NewActivity { actor: Actor::Operator, draft }).await.expect("an activity");
        let id = outputs.get::<Activity>().expect("an activity").id;
        let mut events = self.store.outbox().into_iter();
        let found = events.find(|e| e.name == ActivityCreated::NAME && e.subject.ends_with(&id.to_string()));
        found.expect("its event")
    }

    /// Has an event of an activity taken, twice, and answers the deliveries it asks for.
    pub(in crate::webhook) async fn fan_out(&self, event: &EventEnvelope) -> Vec<EventEnvelope> {
        let before = self.store.outbox().len();
        for expected in [Handled::Committed, Handled::AlreadyTaken] {
            assert_eq!(self.handle("webhooks", event).await.expect("taken"), expected);
        }
        self.store.outbox().split_off(before)
    }

    /// Creates an activity of Anna and answers the one delivery it asks for.
    pub(in crate::webhook) async fn delivery(&self) -> EventEnvelope {
        let event = self.created(ANNA).await;
        let mut deliveries = self.fan_out(&event).await;
        assert_eq!(deliveries.len(), 1);
        deliveries.remove(0)
    }

    /// Attempts a delivery once.
    pub(in crate::webhook) async fn deliver(&self, delivery: &EventEnvelope) -> Result<Handled, InvocationError> {
        self.handle("webhook-delivery", delivery).await
    }

    pub(in crate::webhook) fn handler(&self, name: &str, event: &EventEnvelope) -> Arc<dyn Invocation> {
        self.routes.find(&event.name, name).expect("a registered handler").clone()
    }

    async fn handle(&self, handler: &str, event: &EventEnvelope) -> Result<Handled, InvocationError> {
        self.handler(handler, event).invoke(&Arc::new(event.clone()), &Entry::Delivered).await
    }
}

/// Anna's webhook, chosen by herself.
pub(in crate::webhook) fn chosen(webhook: &Webhook) -> ChosenWebhook {
    ChosenWebhook { actor: Actor::User(ANNA), user: ANNA, webhook: webhook.id }
}

/// Why a request was refused.
pub(in crate::webhook) fn refusal<T>(result: Result<T, OrchestratorError>) -> WebhookError {
    let error = result.map(|_| ()).expect_err("a refusal");
    error.rejection::<WebhookError>().cloned().unwrap_or_else(|| panic!("a refusal, not: {error}"))
}
