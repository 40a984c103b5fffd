use async_trait::async_trait;

use super::{
    Needs, Provides, Step, TypeKey, UseCaseError,
    values::{Lookup, Provided, Values},
};

/// One operation of the application, as a part of a transaction.
///
/// `U` is the unit of work it runs in. `execute` may run more than once for one request (after a serialization failure, each time in
/// a fresh transaction), so everything it does goes through `step`. It is dropped at any await point when the chain's timeout
/// passes.
#[async_trait]
pub trait UseCase<U: ?Sized + Send>: Send + Sync + 'static {
    /// What it needs, as a tuple of `Arc`s: the chain's input or what use cases before it provide.
    type Needs: Needs;
    /// What it provides to those after it and to the caller, as a tuple.
    type Provides: Provides;

    /// Its name in errors, spans and logs.
    fn name(&self) -> &'static str;

    /// Does the work. [`UseCaseError::rejected`] says that the request is refused.
    async fn execute(&self, step: &mut Step<'_, U>, needs: Self::Needs) -> Result<Self::Provides, UseCaseError>;
}

/// A use case without its types, as a chain holds it.
#[async_trait]
pub(super) trait ErasedUseCase<U: ?Sized + Send>: Send + Sync {
    fn name(&self) -> &'static str;
    fn needs(&self) -> Vec<TypeKey>;
    fn provides(&self) -> Vec<TypeKey>;
    async fn execute(&self, step: &mut Step<'_, U>, input: &Values, provided: &mut Values) -> Result<(), UseCaseError>;
}

#[async_trait]
impl<U: ?Sized + Send, C: UseCase<U>> ErasedUseCase<U> for C {
    fn name(&self) -> &'static str {
        UseCase::name(self)
    }

    fn needs(&self) -> Vec<TypeKey> {
        C::Needs::types()
    }

    fn provides(&self) -> Vec<TypeKey> {
        C::Provides::types()
    }

    async fn execute(&self, step: &mut Step<'_, U>, input: &Values, provided: &mut Values) -> Result<(), UseCaseError> {
        // A checked chain provides every need; were that ever wrong, it is this chain's defect, not a panic.
        let needs = C::Needs::take(&Lookup { provided, input })
            .ok_or_else(|| UseCaseError::rejected(MissingNeed(UseCase::name(self))))?;
        UseCase::execute(self, step, needs).await?.put(&mut Provided(provided));
        Ok(())
    }
}

/// A need was not there although the chain was checked.
#[derive(Debug, thiserror::Error)]
#[error("{0} needs a value that the chain does not hold")]
struct MissingNeed(&'static str);
