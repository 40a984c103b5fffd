//! The use cases, events and the storage that the tests work with.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    orchestrator::{Chain, CheckedChain, Orchestrator, OrchestratorOptions, Step, UseCase, UseCaseError, use_case_fn},
    ports::UnitOfWork,
    testing::{FakeClock, FakeStorage, Gate, SequentialIds},
};
use activelog_domain::event::{AggregateRef, DomainEvent};
use async_trait::async_trait;
use futures::FutureExt;
use serde::{Deserialize, Serialize};

pub(crate) type Tx = dyn UnitOfWork;

/// The input of the chains.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order(pub(crate) u32);

/// What use cases provide.
#[derive(Debug, PartialEq)]
pub(crate) struct Invoice(pub(crate) u32);

#[derive(Debug, PartialEq)]
pub(crate) struct Receipt(pub(crate) String);

#[derive(Debug, thiserror::Error)]
#[error("no credit")]
pub(crate) struct NoCredit;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Booked {
    pub(crate) sequence: u64,
}

impl DomainEvent for Booked {
    const NAME: &'static str = "order.booked";
    const VERSION: u32 = 1;
    fn aggregate(&self) -> AggregateRef {
        AggregateRef { subject: "order-1".into(), sequence: self.sequence }
    }
}

/// Makes an invoice of an order and records that it was booked.
pub(crate) struct WriteInvoice;

#[async_trait]
impl UseCase<Tx> for WriteInvoice {
    type Needs = (Arc<Order>,);
    type Provides = (Invoice,);

    fn name(&self) -> &'static str {
        "WriteInvoice"
    }

    async fn execute(&self, step: &mut Step<'_, Tx>, (order,): Self::Needs) -> Result<(Invoice,), UseCaseError> {
        step.record(&Booked { sequence: 1 })?;
        Ok((Invoice(order.0),))
    }
}

/// Makes a receipt of an invoice, and records an event.
pub(crate) struct WriteReceipt;

#[async_trait]
impl UseCase<Tx> for WriteReceipt {
    type Needs = (Arc<Invoice>,);
    type Provides = (Receipt,);

    fn name(&self) -> &'static str {
        "WriteReceipt"
    }

    async fn execute(&self, step: &mut Step<'_, Tx>, (invoice,): Self::Needs) -> Result<(Receipt,), UseCaseError> {
        step.record(&Booked { sequence: 2 })?;
        Ok((Receipt(format!("paid {}", invoice.0)),))
    }
}

/// What a [`Saboteur`] does.
#[derive(Clone)]
pub(crate) enum Deed {
    Refuse,
    Panic,
    Wait(Arc<Gate>),
    Never,
}

/// A last use case that does not just succeed.
pub(crate) struct Saboteur(pub(crate) Deed);

#[async_trait]
impl UseCase<Tx> for Saboteur {
    type Needs = ();
    type Provides = ();

    fn name(&self) -> &'static str {
        "Saboteur"
    }

    async fn execute(&self, _: &mut Step<'_, Tx>, (): ()) -> Result<(), UseCaseError> {
        match &self.0 {
            Deed::Refuse => Err(UseCaseError::rejected(NoCredit)),
            Deed::Panic => panic!("out of ink"),
            Deed::Wait(gate) => {
                gate.pass().await;
                Ok(())
            }
            Deed::Never => std::future::pending().await,
        }
    }
}

pub(crate) fn chain() -> CheckedChain<Tx, Order> {
    Chain::new().then(WriteInvoice).then(WriteReceipt).build().expect("a chain that can run")
}

/// Writes an invoice, then does the deed.
pub(crate) fn chain_with(deed: Deed) -> CheckedChain<Tx, Order> {
    Chain::new().then(WriteInvoice).then(Saboteur(deed)).build().expect("a chain that can run")
}

/// A chain that keeps what every execution of its use case saw, as the count of executions so far.
pub(crate) fn counting(seen: Arc<Mutex<u32>>) -> CheckedChain<Tx, Order> {
    Chain::new()
        .then(use_case_fn("Count", move |step: &mut Step<'_, Tx>, (order,): (Arc<Order>,)| {
            let seen = seen.clone();
            async move {
                step.record(&Booked { sequence: 1 })?;
                let mut count = seen.lock().expect("not poisoned");
                *count += 1;
                Ok((Invoice(order.0 * 100 + *count),))
            }
            .boxed()
        }))
        .build()
        .expect("a chain that can run")
}

pub(crate) fn orchestrator(storage: &Arc<FakeStorage>) -> Orchestrator<Tx> {
    orchestrator_with(storage, OrchestratorOptions { timeout: Duration::from_secs(60), ..Default::default() })
}

pub(crate) fn orchestrator_with(storage: &Arc<FakeStorage>, options: OrchestratorOptions) -> Orchestrator<Tx> {
    let ids = Arc::new(SequentialIds::default());
    Orchestrator::new(Arc::new(storage.clone()), Arc::new(FakeClock::default()), ids, options)
}

/// Nothing is committed, and no unit of work is left open.
pub(crate) fn assert_untouched(storage: &FakeStorage) {
    let (committed, tally) = (storage.committed(), storage.tally());
    assert!(committed.events.is_empty() && committed.inbox.is_empty() && committed.answers.is_empty(), "{committed:?}");
    assert_eq!(tally.committed, 0, "{tally:?}");
    assert_eq!(tally.begun, tally.rolled_back + tally.abandoned, "{tally:?}");
}
