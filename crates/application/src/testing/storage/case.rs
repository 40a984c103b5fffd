use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};

use super::{Storage, StorageFixture};

/// How long a case may take. Far more than any needs: a case that waits for something that never comes is a failure, not a hang.
const DEADLINE: Duration = Duration::from_secs(60);

/// Makes a fresh storage and checks one thing on it.
pub type Check = fn(Arc<dyn StorageFixture>) -> BoxFuture<'static, Result<(), String>>;

/// One thing that a storage has to do.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name: the port and what is expected of it.
    pub name: &'static str,
    /// Checks it on a fresh storage. The error says what was expected and what was found.
    pub run: Check,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// All cases, by port.
pub fn cases() -> Vec<Case> {
    [
        super::activities::cases(),
        super::users::cases(),
        super::notifications::cases(),
        super::period_statistics::cases(),
        super::achievements::cases(),
        super::leaderboards::cases(),
        super::webhooks::cases(),
        super::queries::cases(),
        super::unit_of_work::cases(),
        super::inbox::cases(),
        super::idempotency::cases(),
        super::outbox::cases(),
        super::journal::cases(),
        super::relays::cases(),
        super::scheduled::cases(),
        super::retention::cases(),
        super::group_positions::cases(),
        super::leases::cases(),
        super::parking::cases(),
        super::lanes::cases(),
        super::take::cases(),
        super::parking_crowd::cases(),
        super::dead_letters::cases(),
        super::dead_letter_lists::cases(),
        super::crash_marks::cases(),
        super::replays::cases(),
    ]
    .concat()
}

/// What is wrong.
#[derive(Debug)]
pub(super) struct Failure(pub(super) String);

/// What a case answers. Every error that can be shown becomes a failure by `?`.
pub(super) type Checked<T = ()> = Result<T, Failure>;

impl<E: fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs `case` on a fresh storage, for at most its deadline.
pub(super) fn run<F, W>(fixture: Arc<dyn StorageFixture>, case: F) -> BoxFuture<'static, Result<(), String>>
where
    F: FnOnce(Storage) -> W + Send + 'static,
    W: Future<Output = Checked> + Send + 'static,
{
    async move {
        let storage = fixture.fresh().await.map_err(|e| format!("no fresh storage: {e}"))?;
        let checked = AssertUnwindSafe(tokio::time::timeout(DEADLINE, case(storage))).catch_unwind().await;
        match checked {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(Failure(wrong)))) => Err(wrong),
            Ok(Err(_)) => Err(format!("it did not end within {DEADLINE:?}")),
            Err(panic) => Err(format!("it panicked: {}", crate::orchestrator::panic_message(&*panic))),
        }
    }
    .boxed()
}

/// The cases of a file.
macro_rules! cases {
    ($port:literal: $($case:ident),+ $(,)?) => {
        pub(super) fn cases() -> Vec<crate::testing::storage::Case> {
            vec![$(crate::testing::storage::Case {
                name: concat!($port, "::", stringify!($case)),
                run: |fixture| crate::testing::storage::case::run(fixture, $case),
            }),+]
        }
    };
}

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(crate::testing::storage::case::Failure(format!($($message)+)));
        }
    };
}

/// Fails the case unless what was found is what was expected.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $($what:tt)+) => {{
        let (found, expected) = (&$found, &$expected);
        ensure!(found == expected, "{}: expected {expected:?}, found {found:?}", format!($($what)+));
    }};
}
