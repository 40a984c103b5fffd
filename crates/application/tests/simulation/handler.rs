//! Handlers that fail as their plan says.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex},
};

use activelog_application::{
    delivery::{EventHandler, HandlerError, Received},
    orchestrator::Step,
    ports::UnitOfWork,
};
use activelog_domain::event::{AggregateRef, DomainEvent};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::chance::Chance;

pub(crate) const NAMES: [&str; 2] = ["first", "second"];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Happened {
    pub(crate) key: String,
    pub(crate) sequence: u64,
}

impl DomainEvent for Happened {
    const NAME: &'static str = "thing.happened";
    const VERSION: u32 = 1;
    fn aggregate(&self) -> AggregateRef {
        AggregateRef { subject: self.key.clone(), sequence: self.sequence }
    }
}

/// What a handler records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) handler: String,
    pub(crate) key: String,
    pub(crate) sequence: u64,
}

impl DomainEvent for Effect {
    const NAME: &'static str = "effect";
    const VERSION: u32 = 1;
    fn aggregate(&self) -> AggregateRef {
        AggregateRef { subject: format!("{}:{}", self.handler, self.key), sequence: self.sequence }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Failure {
    Error,
    Panic,
    Hang,
}

/// How a handler takes one event: these failures, then success, or a refusal for ever.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) failures: Vec<Failure>,
    pub(crate) refuses: bool,
    tried: usize,
}

pub(crate) type Plans = BTreeMap<(&'static str, String, u64), Plan>;

impl Plan {
    pub(crate) fn by(chance: &Chance) -> Self {
        let count = match chance.below(10) {
            0..6 => 0,
            6..9 => 1 + chance.below(4),
            _ => chance.below(12),
        };
        let failures = (0..count).map(|_| match chance.below(6) {
            0 => Failure::Panic,
            1 => Failure::Hang,
            _ => Failure::Error,
        });
        Self { failures: failures.collect(), refuses: chance.below(25) == 0, tried: 0 }
    }
}

pub(crate) struct Planned {
    pub(crate) name: &'static str,
    pub(crate) plans: Arc<Mutex<Plans>>,
    pub(crate) chance: Arc<Chance>,
}

impl Planned {
    fn next(&self, event: &Happened) -> (Option<Failure>, bool) {
        let mut plans = self.plans.lock().expect("not poisoned");
        let plan = plans.get_mut(&(self.name, event.key.clone(), event.sequence)).expect("a plan");
        plan.tried += 1;
        (plan.failures.get(plan.tried - 1).copied(), plan.refuses)
    }
}

#[async_trait]
impl EventHandler<Happened, dyn UnitOfWork> for Planned {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn handle(
        &self,
        received: &Received<'_, Happened>,
        step: &mut Step<'_, dyn UnitOfWork>,
    ) -> Result<(), HandlerError> {
        let event = &received.event;
        self.chance.pause().await;
        step.record(&Effect { handler: self.name.to_owned(), key: event.key.clone(), sequence: event.sequence })?;
        let (failure, refuses) = self.next(event);
        match failure {
            Some(Failure::Error) => Err(HandlerError::retry("not yet")),
            // Without the hook, which would print it.
            Some(Failure::Panic) => std::panic::resume_unwind(Box::new("by plan")),
            Some(Failure::Hang) => pending().await,
            None if refuses => Err(HandlerError::permanent("never")),
            None => Ok(()),
        }
    }
}
