use std::collections::HashSet;

use activelog_application::ports::{PublishError, PublishErrorKind};
use lapin::Confirmation;
use uuid::Uuid;

use crate::broker::waves::Outcome;

/// What came back for an event.
pub(super) type Answer = Result<Said, PublishError>;

/// What the server has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    stored: bool,
    /// A message that it has returned: its id, if it has one of ours.
    returned: Option<Option<Uuid>>,
}

impl From<Confirmation> for Said {
    fn from(confirmation: Confirmation) -> Self {
        let stored = confirmation.is_ack();
        let returned = confirmation
            .take_message()
            .map(|message| message.properties.message_id().as_ref().and_then(|id| Uuid::try_parse(id.as_str()).ok()));
        Self { stored, returned }
    }
}

/// What the answers on a channel mean.
///
/// A message that the server returns stands in the first answer that comes after it, which need not be its own: it is told by its id. Its own answer is the same or
/// comes later, so all answers that are there have to be looked at before any is believed.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// What was returned, and has its own answer still to come.
    returned: HashSet<Uuid>,
}

impl Answers {
    /// What became of the events with these answers. `is_open` says of which the answer is still to come.
    pub(super) fn judge(&mut self, answers: Vec<(Uuid, Answer)>, is_open: impl Fn(Uuid) -> bool) -> Vec<Outcome> {
        let new = || answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()?.returned);
        let earlier = std::mem::take(&mut self.returned);
        let returned: HashSet<Option<Uuid>> = earlier.into_iter().map(Some).chain(new()).collect();
        let mut strange = false;
        if !returned.is_empty() {
            let answered: HashSet<Uuid> = answers.iter().map(|(id, _)| *id).collect();
            for id in &returned {
                match id {
                    Some(id) if is_open(*id) => drop(self.returned.insert(*id)),
                    Some(id) if answered.contains(id) => {}
                    _ => strange = true,
                }
            }
        }
        let outcome = |(id, answer): (Uuid, Answer)| {
            let said = answer?;
            if !returned.is_empty() && returned.contains(&Some(id)) {
                return Err(unroutable());
            }
            match (said.stored, strange) {
                (true, false) => Ok(()),
                (true, true) => Err(unknown("RabbitMQ returned what nobody has sent")),
                (false, _) => Err(unknown("RabbitMQ has not stored it in every queue")),
            }
        };
        answers.into_iter().map(outcome).collect()
    }
}

fn unroutable() -> PublishError {
    let reason = "no consumer group has a queue for it; it is taken as soon as one has subscribed";
    PublishError::new(PublishErrorKind::Unavailable, reason)
}

fn unknown(reason: &'static str) -> PublishError {
    PublishError::new(PublishErrorKind::Unknown, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Said = Said { stored: true, returned: None };

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn stored_with(returned: Option<u128>) -> Answer {
        Ok(Said { returned: Some(returned.map(id)), ..STORED })
    }

    fn kinds(outcomes: Vec<Outcome>) -> Vec<Option<PublishErrorKind>> {
        outcomes.into_iter().map(|outcome| outcome.err().map(|error| error.kind)).collect()
    }

    #[test]
    fn what_was_returned_is_told_by_its_id_wherever_it_stands() {
        let answers = vec![(id(1), stored_with(Some(2))), (id(2), Ok(STORED)), (id(3), Ok(STORED))];
        let outcomes = Answers::default().judge(answers, |_| false);
        assert_eq!(kinds(outcomes), [None, Some(PublishErrorKind::Unavailable), None]);
    }

    #[test]
    fn what_was_returned_is_remembered_until_its_own_answer_comes() {
        let mut answers = Answers::default();
        let first = answers.judge(vec![(id(1), stored_with(Some(2)))], |open| open == id(2));
        assert_eq!(kinds(first), [None]);
        let between = answers.judge(vec![(id(3), Ok(STORED))], |open| open == id(2));
        assert_eq!(kinds(between), [None]);
        let own = answers.judge(vec![(id(2), Ok(STORED))], |_| false);
        assert_eq!(kinds(own), [Some(PublishErrorKind::Unavailable)]);
        let again = answers.judge(vec![(id(2), Ok(STORED))], |_| false);
        assert_eq!(kinds(again), [None], "that was another time");
    }

    #[test]
    fn nothing_is_believed_beside_what_nobody_has_sent() {
        for stranger in [Some(9), None] {
            let refused = Said { stored: false, returned: None };
            let answers = vec![(id(1), stored_with(stranger)), (id(2), Ok(refused))];
            let outcomes = Answers::default().judge(answers, |_| false);
            assert_eq!(kinds(outcomes), [Some(PublishErrorKind::Unknown); 2]);
        }
    }

    #[test]
    fn what_was_not_stored_or_not_answered_is_not_known() {
        let lost = PublishError::new(PublishErrorKind::Unknown, "the connection broke");
        let answers =
            vec![(id(1), Ok(Said { stored: false, returned: None })), (id(2), Err(lost)), (id(3), Ok(STORED))];
        let outcomes = Answers::default().judge(answers, |_| false);
        assert_eq!(kinds(outcomes), [Some(PublishErrorKind::Unknown), Some(PublishErrorKind::Unknown), None]);
    }
}
