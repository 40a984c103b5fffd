use std::marker::PhantomData;

use async_trait::async_trait;
use futures::future::BoxFuture;

use super::{Needs, Provides, Step, UseCase, UseCaseError};

/// A function as a use case; made by [`use_case_fn`].
pub struct FunctionUseCase<U: ?Sized, N, P, F> {
    name: &'static str,
    function: F,
    types: PhantomData<Signature<U, N, P>>,
}

/// A function from `N` to `P` in a `U`, for types that hold none of them.
type Signature<U, N, P> = (fn(N) -> P, fn(&U));

/// Makes a use case of a function. The function gets the step and its needs and returns a boxed future of what it provides.
pub fn use_case_fn<U, N, P, F>(name: &'static str, function: F) -> FunctionUseCase<U, N, P, F>
where
    U: ?Sized + Send + 'static,
    N: Needs + 'static,
    P: Provides + 'static,
    F: for<'a> Fn(&'a mut Step<'_, U>, N) -> BoxFuture<'a, Result<P, UseCaseError>> + Send + Sync + 'static,
{
    FunctionUseCase { name, function, types: PhantomData }
}

#[async_trait]
impl<U, N, P, F> UseCase<U> for FunctionUseCase<U, N, P, F>
where
    U: ?Sized + Send + 'static,
    N: Needs + 'static,
    P: Provides + 'static,
    F: for<'a> Fn(&'a mut Step<'_, U>, N) -> BoxFuture<'a, Result<P, UseCaseError>> + Send + Sync + 'static,
{
    type Needs = N;
    type Provides = P;

    fn name(&self) -> &'static str {
        self.name
    }

    async fn execute(&self, step: &mut Step<'_, U>, needs: N) -> Result<P, UseCaseError> {
        (self.function)(step, needs).await
    }
}
