use std::{fmt, marker::PhantomData, sync::Arc};

use super::{TypeKey, UseCase, use_case::ErasedUseCase};

/// A chain being put together: use cases that run one after the other in one transaction, on an input of type `I`.
///
/// ```
/// # use std::sync::Arc;
/// # use activelog_application::orchestrator::{Chain, use_case_fn};
/// # use activelog_application::ports::UnitOfWork;
/// struct Order(u32);
/// struct Invoice(u32);
/// let chain = Chain::<dyn UnitOfWork, Order>::new()
///     .then(use_case_fn("WriteInvoice", |_step, (order,): (Arc<Order>,)| {
///         Box::pin(async move { Ok((Invoice(order.0),)) })
///     }))
///     .then(use_case_fn("Book", |_step, (invoice,): (Arc<Invoice>,)| {
///         Box::pin(async move { assert!(invoice.0 > 0); Ok(()) })
///     }))
///     .build();
/// assert!(chain.is_ok());
/// ```
pub struct Chain<U: ?Sized, I> {
    steps: Vec<Arc<dyn ErasedUseCase<U>>>,
    input: PhantomData<fn(I)>,
}

/// A chain whose every need is provided: it can be run.
pub struct CheckedChain<U: ?Sized, I> {
    pub(super) steps: Arc<[Arc<dyn ErasedUseCase<U>>]>,
    input: PhantomData<fn(I)>,
}

/// A chain can never run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// It holds no use case.
    #[error("an empty chain does nothing: add a use case")]
    Empty,
    /// A need is provided by nothing before it.
    #[error("{use_case} needs {need}, which neither the input nor a use case before it provides")]
    Unprovided {
        /// Who needs it.
        use_case: &'static str,
        /// What.
        need: &'static str,
    },
    /// Two use cases provide the same type, so that one would hide the other's.
    #[error("{first} and {second} both provide {provision}: wrap one of them in a type of its own")]
    Ambiguous {
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// What both provide.
        provision: &'static str,
    },
}

impl<U: ?Sized + Send + 'static, I: Send + Sync + 'static> Chain<U, I> {
    /// An empty chain.
    pub fn new() -> Self {
        Self { steps: Vec::new(), input: PhantomData }
    }

    /// Adds a use case.
    #[must_use]
    pub fn then(mut self, use_case: impl UseCase<U>) -> Self {
        self.steps.push(Arc::new(use_case));
        self
    }

    /// Checks that every need is provided by the input or by an earlier use case. A use case may provide the input's type anew: later
    /// ones then see the newer value.
    pub fn build(self) -> Result<CheckedChain<U, I>, ChainError> {
        if self.steps.is_empty() {
            return Err(ChainError::Empty);
        }
        let mut provided: Vec<(TypeKey, &'static str)> = Vec::new();
        let input = TypeKey::of::<I>();
        for step in &self.steps {
            let has = |need: &TypeKey| *need == input || provided.iter().any(|(key, _)| key == need);
            if let Some(need) = step.needs().into_iter().find(|need| !has(need)) {
                return Err(ChainError::Unprovided { use_case: step.name(), need: need.name });
            }
            for key in step.provides() {
                if let Some((_, first)) = provided.iter().find(|(known, _)| *known == key) {
                    return Err(ChainError::Ambiguous { first, second: step.name(), provision: key.name });
                }
                provided.push((key, step.name()));
            }
        }
        Ok(CheckedChain { steps: self.steps.into(), input: PhantomData })
    }
}

impl<U: ?Sized + Send + 'static, I: Send + Sync + 'static> Default for Chain<U, I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<U: ?Sized + Send, I> fmt::Debug for CheckedChain<U, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|s| s.name())).finish()
    }
}
