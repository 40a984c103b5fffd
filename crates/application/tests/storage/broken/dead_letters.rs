//! The defects of dead letters and replays, one each.

use activelog_application::{
    ports::{
        DeadLetter, DeadLetterFilter, DeadLetterState, DeadLetters, Listed, Replay, ReplayProgress, Replays,
        StorageError,
    },
    testing::MemoryFailures,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// What is wrong with dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetterDefect {
    /// Every replay says that it was the first.
    ReplaysTwice,
    /// Deaths before the last are not kept.
    ForgetsEarlierDeaths,
    /// A page begins with the last of the page before.
    OverlappingPages,
    /// What changed at the very moment is pruned too.
    PrunesTooEarly,
}

/// Dead letters with a defect.
pub(crate) struct BrokenLetters {
    pub(crate) inner: MemoryFailures,
    pub(crate) defect: LetterDefect,
}

impl BrokenLetters {
    fn shown(&self, mut letter: DeadLetter) -> DeadLetter {
        if self.defect == LetterDefect::ForgetsEarlierDeaths {
            letter.earlier.clear();
        }
        letter
    }
}

#[async_trait]
impl DeadLetters for BrokenLetters {
    async fn list(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Listed<DeadLetter>, StorageError> {
        let mut listed = DeadLetters::list(&self.inner, filter, before, limit).await?;
        listed.items = listed.items.into_iter().map(|letter| self.shown(letter)).collect();
        if self.defect == LetterDefect::OverlappingPages {
            listed.next = listed.next.map(|next| next + 1);
        }
        Ok(listed)
    }

    async fn find(&self, id: i64) -> Result<Option<DeadLetter>, StorageError> {
        Ok(self.inner.find(id).await?.map(|letter| self.shown(letter)))
    }

    async fn count(&self, filter: &DeadLetterFilter) -> Result<u64, StorageError> {
        self.inner.count(filter).await
    }

    async fn replay(&self, id: i64) -> Result<bool, StorageError> {
        let replayed = self.inner.replay(id).await?;
        let state = self.inner.find(id).await?.map(|letter| letter.state);
        let again = self.defect == LetterDefect::ReplaysTwice && state == Some(DeadLetterState::Replaying);
        Ok(replayed || again)
    }

    async fn discard(&self, id: i64) -> Result<bool, StorageError> {
        self.inner.discard(id).await
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let early = self.defect == LetterDefect::PrunesTooEarly;
        let later = if early { SignedDuration::from_micros(1) } else { SignedDuration::ZERO };
        self.inner.prune(before + later, limit).await
    }
}

/// Replays that begin anew whenever they begin, and so never resume.
pub(crate) struct ReplaysThatStartOver(pub(crate) MemoryFailures);

#[async_trait]
impl Replays for ReplaysThatStartOver {
    async fn begin(
        &self,
        handler: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Replay, StorageError> {
        self.0.end(handler).await?;
        self.0.begin(handler, from, to).await
    }

    async fn advance(&self, handler: &str, progress: &ReplayProgress) -> Result<(), StorageError> {
        self.0.advance(handler, progress).await
    }

    async fn end(&self, handler: &str) -> Result<(), StorageError> {
        self.0.end(handler).await
    }

    async fn list(&self) -> Result<Vec<Replay>, StorageError> {
        Replays::list(&self.0).await
    }
}
