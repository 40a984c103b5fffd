//! Handlers that fail as their plan says.

use std::{collections::BTreeMap, future::pending, sync::Arc};

use activelog_application::{
    delivery::{EventHandler, HandlerError, Received},
    orchestrator::Step,
    ports::UnitOfWork,
};
use activelog_domain::event::{AggregateRef, DomainEvent};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    chance::Chance,
    ledger::{Address, source},
    process::Process,
};

/// The handlers of what happens.
pub(crate) const NAMES: [&str; 2] = ["first", "second"];

/// The handler of the effects of the first, which are events themselves.
pub(crate) const ECHO: &str = "echo";

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
    const NAME: &'static str = "thing.taken";
    const VERSION: u32 = 1;
    fn aggregate(&self) -> AggregateRef {
        AggregateRef { subject: format!("{}:{}", self.handler, self.key), sequence: self.sequence }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Failure {
    Error,
    Panic,
    Hang,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    Takes,
    /// For ever.
    Refuses,
    /// The process, every time.
    Aborts,
}

/// How a handler takes one event: these failures, then this.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    failures: Vec<Failure>,
    pub(crate) end: End,
    tried: usize,
    /// How often the handler was given the event.
    pub(crate) given: usize,
}

pub(crate) type Plans = BTreeMap<Address, Plan>;

impl Plan {
    pub(crate) fn by(chance: &Chance, abort: bool) -> Self {
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
        let failures = failures.collect();
        let end = match chance.below(25) {
            0 => End::Refuses,
            1 if abort => End::Aborts,
            _ => End::Takes,
        };
        Self { failures, end, tried: 0, given: 0 }
    }

    /// How often the handler has failed, counting a refusal.
    pub(crate) fn failed(&self) -> usize {
        let most = if self.end == End::Takes { self.failures.len() } else { usize::MAX };
        self.tried.min(most)
    }

    fn next(&mut self) -> Result<End, Failure> {
        self.tried += 1;
        self.failures.get(self.tried - 1).map_or(Ok(self.end), |failure| Err(*failure))
    }
}

/// A handler that takes events by plan.
pub(crate) struct Planned {
    pub(crate) name: &'static str,
    pub(crate) process: Arc<Process>,
}

#[async_trait]
impl<E: DomainEvent> EventHandler<E, dyn UnitOfWork> for Planned {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn handle(
        &self,
        received: &Received<'_, E>,
        step: &mut Step<'_, dyn UnitOfWork>,
    ) -> Result<(), HandlerError> {
        let (key, sequence) = source(received.envelope);
        let address = (self.name.to_owned(), key.clone(), sequence);
        self.process.world.with_plan(&address, |plan| plan.given += 1);
        self.process.pause().await;
        step.record(&Effect { handler: self.name.to_owned(), key, sequence })?;
        let next = self.process.world.with_plan(&address, Plan::next);
        self.process.note(|| format!("{address:?}: {next:?}"));
        match next {
            Err(Failure::Error) => Err(HandlerError::retry("not yet")),
            // Without the hook, which would print it.
            Err(Failure::Panic) => std::panic::resume_unwind(Box::new("by plan")),
            Err(Failure::Hang) => pending().await,
            Ok(End::Refuses) => Err(HandlerError::permanent("never")),
            Ok(End::Aborts) => {
                self.process.crash().await;
                Ok(())
            }
            Ok(End::Takes) => Ok(()),
        }
    }
}
