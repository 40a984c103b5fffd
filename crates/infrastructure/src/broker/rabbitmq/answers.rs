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
/// A message that the server returns comes before the answer to its event. The driver hands the messages out one by one, the oldest first, each with the next answer that it comes by, and
/// answers that came together in no order: a message may stand in any, and is told by its id. So
///
/// - all answers that are there have to be looked at before any is believed;
/// - an answer with nothing in it says that no message was left, and is good;
/// - one with the message of another event says nothing of its own, which may still wait in the driver. As long as it does, some message is known whose event has no answer yet: that answer has
///   taken its place. So it is in doubt while there is such a message, and good afterwards.
#[derive(Debug)]
pub(super) struct Answers<T> {
    /// What was returned, and has its own answer still to come.
    returned: HashSet<Uuid>,
    /// Stored, if it was not returned.
    doubtful: Vec<(Uuid, T)>,
}

impl<T> Default for Answers<T> {
    fn default() -> Self {
        Self { returned: HashSet::new(), doubtful: Vec::new() }
    }
}

impl<T> Answers<T> {
    /// What became of events, each with whom it concerns, as far as that is known after these answers. `is_open` says of which the answer is still to come.
    pub(super) fn judge(
        &mut self,
        answers: Vec<(Uuid, T, Answer)>,
        is_open: impl Fn(Uuid) -> bool,
    ) -> Vec<(T, Outcome)> {
        let new = answers.iter().filter_map(|(_, _, answer)| answer.as_ref().ok()?.returned);
        let returned: HashSet<Option<Uuid>> =
            std::mem::take(&mut self.returned).into_iter().map(Some).chain(new).collect();
        let mut is_strange = false;
        if !returned.is_empty() {
            let doubtful = self.doubtful.iter().map(|(id, _)| *id);
            // Not those with an error: the driver has handed out no message with it.
            let said = answers.iter().filter_map(|(id, _, answer)| answer.is_ok().then_some(*id));
            let answered: HashSet<Uuid> = said.chain(doubtful).collect();
            for id in &returned {
                match id {
                    Some(id) if is_open(*id) => drop(self.returned.insert(*id)),
                    Some(id) if answered.contains(id) => {}
                    _ => is_strange = true,
                }
            }
        }
        let mut judged = Vec::with_capacity(answers.len());
        let mut stored = |id: Uuid, concerned: T, doubtful: bool, doubts: &mut Vec<(Uuid, T)>| {
            if !returned.is_empty() && returned.contains(&Some(id)) {
                judged.push((concerned, Err(unroutable())));
            } else if is_strange {
                judged.push((concerned, Err(unknown("RabbitMQ returned what nobody has sent"))));
            } else if doubtful {
                doubts.push((id, concerned));
            } else {
                judged.push((concerned, Ok(())));
            }
        };
        let is_doubt = !self.returned.is_empty();
        let mut doubts = Vec::new();
        for (id, concerned) in self.doubtful.drain(..) {
            stored(id, concerned, is_doubt, &mut doubts);
        }
        let mut failed = Vec::new();
        for (id, concerned, answer) in answers {
            match answer {
                Ok(said) if said.stored => stored(id, concerned, is_doubt && said.returned.is_some(), &mut doubts),
                Ok(_) => failed.push((concerned, Err(unknown("RabbitMQ has not stored it in every queue")))),
                Err(error) => failed.push((concerned, Err(error))),
            }
        }
        self.doubtful = doubts;
        judged.append(&mut failed);
        judged
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
    use std::collections::VecDeque;

    use super::*;

    const STORED: Said = Said { stored: true, returned: None };

    fn id(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    fn stored(event: u128) -> (Uuid, u128, Answer) {
        (id(event), event, Ok(STORED))
    }

    fn stored_with(event: u128, returned: Option<u128>) -> (Uuid, u128, Answer) {
        (id(event), event, Ok(Said { returned: Some(returned.map(id)), ..STORED }))
    }

    fn kinds(outcomes: Vec<(u128, Outcome)>) -> Vec<(u128, Option<PublishErrorKind>)> {
        let mut kinds: Vec<_> =
            outcomes.into_iter().map(|(event, o)| (event, o.err().map(|error| error.kind))).collect();
        kinds.sort_by_key(|(event, _)| *event);
        kinds
    }

    const RETURNED: Option<PublishErrorKind> = Some(PublishErrorKind::Unavailable);
    const UNKNOWN: Option<PublishErrorKind> = Some(PublishErrorKind::Unknown);

    #[test]
    fn what_was_returned_is_told_by_its_id_wherever_it_stands() {
        let outcomes = Answers::default().judge(vec![stored_with(1, Some(2)), stored(2), stored(3)], |_| false);
        assert_eq!(kinds(outcomes), [(1, None), (2, RETURNED), (3, None)]);
    }

    #[test]
    fn what_was_returned_is_remembered_until_its_own_answer_comes() {
        let (mut answers, open) = (Answers::default(), |open: Uuid| open == id(2));
        assert_eq!(kinds(answers.judge(vec![stored_with(1, Some(2))], open)), [], "1 may have been returned after 2");
        assert_eq!(kinds(answers.judge(vec![stored(3)], open)), [(3, None)], "no message was left");
        assert_eq!(kinds(answers.judge(vec![stored(2)], |_| false)), [(1, None), (2, RETURNED)]);
        assert_eq!(kinds(answers.judge(vec![stored(2)], |_| false)), [(2, None)], "that was another time");
    }

    #[test]
    fn who_carries_the_message_of_another_is_not_believed_before_its_own_may_have_come() {
        // Both were returned and are answered together, the second first.
        let (mut answers, open) = (Answers::default(), |open: Uuid| open == id(1));
        assert_eq!(kinds(answers.judge(vec![stored_with(2, Some(1))], open)), []);
        assert_eq!(kinds(answers.judge(vec![stored_with(1, Some(2))], |_| false)), [(1, RETURNED), (2, RETURNED)]);
        // Three: what the first two carry leaves the third's.
        let (mut answers, open) = (Answers::default(), |open: Uuid| open == id(2));
        let first = answers.judge(vec![stored_with(3, Some(1)), stored_with(1, Some(2))], open);
        assert_eq!(kinds(first), [(1, RETURNED)]);
        assert_eq!(kinds(answers.judge(vec![stored_with(2, Some(3))], |_| false)), [(2, RETURNED), (3, RETURNED)]);
    }

    /// Whatever the server returns, and in whichever order it answers and the answers are seen, an event that was returned is never taken for stored, nor any other for returned.
    #[test]
    fn no_order_of_answers_is_misunderstood() {
        for seed in 0..20_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let events: Vec<u128> = (1..=u128::from(random.u8(1..9))).collect();
            let lost: Vec<u128> = events.iter().copied().filter(|_| random.bool()).collect();
            // The server: messages in the order of events, each before its own answer; the driver puts the oldest into the next answer.
            let (mut to_come, mut unreturned) = (events.clone(), VecDeque::from(lost.clone()));
            let (mut messages, mut answers, mut told) = (VecDeque::new(), Answers::default(), Vec::new());
            let mut seen = Vec::new();
            while !to_come.is_empty() {
                let next = to_come.swap_remove(random.usize(..to_come.len()));
                while unreturned.front().is_some_and(|first| lost.contains(&next) && *first <= next || random.bool()) {
                    messages.extend(unreturned.pop_front());
                }
                seen.push(match messages.pop_front() {
                    Some(message) => stored_with(next, Some(message)),
                    None => stored(next),
                });
                if random.bool() || to_come.is_empty() {
                    let open = |id: Uuid| to_come.iter().any(|event| Uuid::from_u128(*event) == id);
                    told.extend(answers.judge(std::mem::take(&mut seen), open));
                }
            }
            let expected: Vec<_> =
                events.iter().map(|event| (*event, if lost.contains(event) { RETURNED } else { None })).collect();
            assert_eq!(kinds(told), expected, "seed {seed}");
        }
    }

    #[test]
    fn when_the_channel_ends_what_is_in_doubt_stays_unknown() {
        let broken = |event: u128| (id(event), event, Err(PublishError::new(PublishErrorKind::Unknown, "it broke")));
        let together = Answers::default().judge(vec![stored_with(2, Some(1)), broken(1)], |_| false);
        assert_eq!(kinds(together), [(1, UNKNOWN), (2, UNKNOWN)]);
        let mut answers = Answers::default();
        assert_eq!(kinds(answers.judge(vec![stored_with(2, Some(1))], |open| open == id(1))), []);
        assert_eq!(kinds(answers.judge(vec![broken(1)], |_| false)), [(1, UNKNOWN), (2, UNKNOWN)]);
    }

    #[test]
    fn nothing_is_believed_beside_what_nobody_has_sent() {
        for stranger in [Some(9), None] {
            let outcomes = Answers::default().judge(vec![stored_with(1, stranger), stored(2)], |_| false);
            assert_eq!(kinds(outcomes), [(1, UNKNOWN), (2, UNKNOWN)]);
        }
    }

    #[test]
    fn what_was_not_stored_or_not_answered_is_not_known() {
        let refused = (id(1), 1, Ok(Said { stored: false, returned: None }));
        let lost = (id(2), 2, Err(PublishError::new(PublishErrorKind::Unknown, "the connection broke")));
        let outcomes = Answers::default().judge(vec![refused, lost, stored(3)], |_| false);
        assert_eq!(kinds(outcomes), [(1, UNKNOWN), (2, UNKNOWN), (3, None)]);
    }
}
