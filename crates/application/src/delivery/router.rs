use std::{collections::BTreeMap, sync::Arc};

use activelog_domain::event::DomainEvent;

use super::{EventHandler, Invocation, Layer, invocation::TransactionalInvocation};
use crate::{
    orchestrator::{Orchestrator, OrchestratorOptions},
    ports::{EventPattern, UnitOfWork},
};

/// Which handlers an event goes to.
///
/// ```ignore
/// let router = Router::new(orchestrator)
///     .layer(SpanLayer)
///     .on::<ActivityCreated>(statistics.clone())
///     .on::<ActivityCreated>(achievements)
///     .on::<ActivityDeleted>(statistics)
///     .build()?;
/// ```
pub struct Router<U: ?Sized> {
    orchestrator: Orchestrator<U>,
    options: OrchestratorOptions,
    layers: Vec<Arc<dyn Layer>>,
    routes: Vec<(&'static str, Arc<dyn Invocation>)>,
}

/// The routes, with every invocation in its layers.
#[derive(Clone)]
pub struct Routes(Arc<BTreeMap<&'static str, Vec<Arc<dyn Invocation>>>>);

/// Routes that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouterError {
    /// Two handlers of one event share a name, and so a place in the inbox: the second would never run.
    #[error("two handlers of {event} are called {handler:?}: each needs a name of its own")]
    Duplicate {
        /// The event.
        event: &'static str,
        /// The name.
        handler: &'static str,
    },
    /// There is no handler at all.
    #[error("no handler is registered: a worker would have nothing to do")]
    Empty,
}

impl<U: ?Sized + UnitOfWork + 'static> Router<U> {
    /// No routes yet. Handlers run in transactions of `orchestrator`, with its defaults.
    pub fn new(orchestrator: Orchestrator<U>) -> Self {
        let options = orchestrator.options();
        Self { orchestrator, options, layers: Vec::new(), routes: Vec::new() }
    }

    /// With other limits for the handlers registered from now on.
    #[must_use]
    pub fn options(mut self, options: OrchestratorOptions) -> Self {
        self.options = options;
        self
    }

    /// Surrounds every handler with a layer, inside the layers added before it.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.layers.push(Arc::new(layer));
        self
    }

    /// Sends events of type `E` to `handler`, besides those registered before.
    #[must_use]
    pub fn on<E: DomainEvent>(mut self, handler: Arc<impl EventHandler<E, U>>) -> Self {
        let invocation = TransactionalInvocation::<E, U, _>::new(handler, self.orchestrator.clone(), self.options);
        self.routes.push((E::NAME, Arc::new(invocation)));
        self
    }

    /// Checks the routes and puts the layers around them.
    pub fn build(self) -> Result<Routes, RouterError> {
        let mut routes: BTreeMap<&'static str, Vec<Arc<dyn Invocation>>> = BTreeMap::new();
        for (event, invocation) in self.routes {
            let handlers = routes.entry(event).or_default();
            if handlers.iter().any(|h| h.handler() == invocation.handler()) {
                return Err(RouterError::Duplicate { event, handler: invocation.handler() });
            }
            handlers.push(self.layers.iter().rev().fold(invocation, |inner, layer| layer.wrap(inner)));
        }
        if routes.is_empty() { Err(RouterError::Empty) } else { Ok(Routes(Arc::new(routes))) }
    }
}

impl Routes {
    /// The handlers of an event; none for an event nobody asked for.
    pub fn handlers(&self, event: &str) -> &[Arc<dyn Invocation>] {
        self.0.get(event).map_or(&[], Vec::as_slice)
    }

    /// What a subscription has to ask for.
    pub fn patterns(&self) -> Vec<EventPattern> {
        self.0.keys().map(|name| EventPattern::exact(name)).collect()
    }
}
