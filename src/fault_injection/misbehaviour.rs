use std::{io, path::Path, time::Duration};

use activelog_application::delivery::HandlerError;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

/// How long a slow handler takes: longer than most, shorter than any time limit.
const SLOW: Duration = Duration::from_millis(150);

/// What a handler does instead of its work, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misbehaviour {
    /// Takes its time.
    Slow,
    /// Fails, however often it is tried.
    Poison,
    /// Says that trying again will never help.
    Permanent,
    /// Panics.
    Panic,
    /// Waits for ever.
    Endless,
    /// Holds its thread for ever.
    Block,
    /// Ends the process.
    Abort,
    /// Fails this many times, then succeeds.
    Flaky(u64),
}

impl Misbehaviour {
    /// What an activity's title asks for: `fault:slow`, `fault:flaky:2`, each with any text after a space.
    pub(super) fn asked_for_by(title: &str) -> Option<Self> {
        let word = title.strip_prefix("fault:")?.split(' ').next()?;
        match word {
            "slow" => Some(Self::Slow),
            "poison" => Some(Self::Poison),
            "permanent" => Some(Self::Permanent),
            "panic" => Some(Self::Panic),
            "endless" => Some(Self::Endless),
            "block" => Some(Self::Block),
            "abort" => Some(Self::Abort),
            other => other.strip_prefix("flaky:")?.parse().ok().map(Self::Flaky),
        }
    }

    /// Does it.
    #[expect(clippy::panic, reason = "this is what was asked for")]
    pub(super) async fn act(self, event: Uuid, folder: &Path) -> Result<(), HandlerError> {
        match self {
            Self::Slow => tokio::time::sleep(SLOW).await,
            Self::Poison => return Err(HandlerError::retry("poisoned, as the title says")),
            Self::Permanent => return Err(HandlerError::permanent("refused for ever, as the title says")),
            Self::Panic => panic!("as the title says"),
            Self::Endless => std::future::pending().await,
            Self::Block => loop {
                std::thread::park();
            },
            Self::Abort => std::process::abort(),
            Self::Flaky(times) => {
                let attempt = count(folder, event).await.map_err(HandlerError::retry)?;
                if attempt <= times {
                    return Err(HandlerError::retry(format!(
                        "attempt {attempt} of {times} that fail, as the title says"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Counts an attempt in a file, which outlives the process. Answers how many there were, this one included.
async fn count(folder: &Path, event: Uuid) -> io::Result<u64> {
    let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(folder.join(event.to_string())).await?;
    file.write_all(b".").await?;
    file.flush().await?;
    Ok(file.metadata().await?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_ask_for_it_or_do_not() {
        assert_eq!(Misbehaviour::asked_for_by("fault:slow 17"), Some(Misbehaviour::Slow));
        assert_eq!(Misbehaviour::asked_for_by("fault:flaky:3 17"), Some(Misbehaviour::Flaky(3)));
        for plain in ["Morning run", "fault:", "fault:slower", "fault:flaky:many", "a fault:slow"] {
            assert_eq!(Misbehaviour::asked_for_by(plain), None, "{plain}");
        }
    }

    #[tokio::test]
    async fn a_flaky_handler_fails_as_often_as_it_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let flaky = Misbehaviour::Flaky(2);
        let event = Uuid::from_u128(1);
        for fails in [true, true, false, false] {
            assert_eq!(flaky.act(event, folder.path()).await.is_err(), fails);
        }
    }
}
