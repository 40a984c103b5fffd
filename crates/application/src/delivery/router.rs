use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use activelog_domain::event::DomainEvent;

use super::{
    EffectHandler, EventHandler, FailurePolicy, Invocation, Layer, Policies, Watchdog,
    effect::EffectInvocation,
    invocation::{Surroundings, TransactionalInvocation},
};
use crate::{
    orchestrator::Orchestrator,
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
    policies: Policies,
    watchdog: Watchdog,
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
    /// No routes yet. Handlers run in transactions of `orchestrator`, within the time limits of their policies.
    pub fn new(orchestrator: Orchestrator<U>) -> Self {
        Self {
            orchestrator,
            policies: Policies::default(),
            watchdog: Watchdog::default(),
            layers: Vec::new(),
            routes: Vec::new(),
        }
    }

    /// With these policies for the handlers registered from now on.
    #[must_use]
    pub fn policies(mut self, policies: Policies) -> Self {
        self.policies = policies;
        self
    }

    /// Has the handlers registered from now on watched, as they might block their thread. Nobody looks without it.
    #[must_use]
    pub fn watchdog(mut self, watchdog: Watchdog) -> Self {
        self.watchdog = watchdog;
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
        let surroundings = self.surroundings(handler.name(), handler.failure_policy());
        let invocation = TransactionalInvocation::<E, U, _>::new(handler, surroundings);
        self.routes.push((E::NAME, Arc::new(invocation)));
        self
    }

    /// Sends events of type `E` to a handler with effects outside of the database, besides those registered before.
    #[must_use]
    pub fn on_effect<E: DomainEvent + Clone>(mut self, handler: Arc<impl EffectHandler<E, U>>) -> Self {
        let surroundings = self.surroundings(handler.name(), handler.failure_policy());
        let invocation = EffectInvocation::<E, U, _>::new(handler, surroundings);
        self.routes.push((E::NAME, Arc::new(invocation)));
        self
    }

    fn surroundings(&self, name: &'static str, own: Option<FailurePolicy>) -> Surroundings<U> {
        Surroundings::new(name, self.policies.of(name, own), self.orchestrator.clone(), self.watchdog.clone())
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

    /// The handler called `name` of an event.
    pub fn find(&self, event: &str, name: &str) -> Option<&Arc<dyn Invocation>> {
        self.handlers(event).iter().find(|handler| handler.handler() == name)
    }

    /// The names of all handlers, each once, in alphabetical order.
    pub fn handler_names(&self) -> Vec<&'static str> {
        let names: BTreeSet<_> = self.0.values().flatten().map(|handler| handler.handler()).collect();
        names.into_iter().collect()
    }

    /// These routes and others.
    pub fn and(&self, others: &Self) -> Result<Self, RouterError> {
        let mut routes = (*self.0).clone();
        for (event, invocation) in others.0.iter().flat_map(|(event, all)| all.iter().map(move |one| (*event, one))) {
            let handlers = routes.entry(event).or_default();
            if handlers.iter().any(|h| h.handler() == invocation.handler()) {
                return Err(RouterError::Duplicate { event, handler: invocation.handler() });
            }
            handlers.push(invocation.clone());
        }
        Ok(Self(Arc::new(routes)))
    }

    /// The same routes with one more layer, around all the others.
    #[must_use]
    pub fn within(&self, layer: &impl Layer) -> Self {
        let wrapped = self
            .0
            .iter()
            .map(|(event, handlers)| (*event, handlers.iter().map(|handler| layer.wrap(handler.clone())).collect()));
        Self(Arc::new(wrapped.collect()))
    }
}
