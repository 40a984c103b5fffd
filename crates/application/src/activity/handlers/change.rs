use std::collections::BTreeMap;

use activelog_domain::{
    activity::{ActivityCreated, ActivityDeleted, ActivitySnapshot, ActivityUpdated},
    event::DomainEvent,
    statistics::Figures,
    user::UserId,
    validation::FieldError,
};

use crate::delivery::HandlerError;

/// What an event did to an activity, as projections see it: something was there before, something is there after, or both.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The activity before; `None` when it was created.
    pub previous: Option<&'a ActivitySnapshot>,
    /// The activity after; `None` when it was deleted.
    pub current: Option<&'a ActivitySnapshot>,
    /// Whose it is. An activity never changes hands.
    pub user: UserId,
}

/// An event that tells of a change of one activity.
pub trait ActivityChange: DomainEvent {
    /// The change.
    fn change(&self) -> Change<'_>;
}

impl ActivityChange for ActivityCreated {
    fn change(&self) -> Change<'_> {
        Change { previous: None, current: Some(&self.activity), user: self.activity.user_id }
    }
}

impl ActivityChange for ActivityUpdated {
    fn change(&self) -> Change<'_> {
        Change { previous: Some(&self.previous), current: Some(&self.activity), user: self.activity.user_id }
    }
}

impl ActivityChange for ActivityDeleted {
    fn change(&self) -> Change<'_> {
        Change { previous: Some(&self.activity), current: None, user: self.activity.user_id }
    }
}

impl Change<'_> {
    /// What has to be added to sums that are kept per key: minus what was there, plus what is there, in the order of the keys, so
    /// that transactions lock rows in one order. Keys whose sums stay as they are do not appear.
    pub(super) fn differences<K: Ord>(
        self,
        keys: impl Fn(&ActivitySnapshot) -> Result<Vec<K>, FieldError>,
    ) -> Result<Vec<(K, Figures)>, HandlerError> {
        let mut sums: BTreeMap<K, Figures> = BTreeMap::new();
        let parts = [(self.previous, -1), (self.current, 1)];
        for (snapshot, sign) in parts.into_iter().filter_map(|(part, sign)| part.map(|p| (p, sign))) {
            let figures = snapshot.figures().map_err(HandlerError::permanent)?;
            let share = if sign < 0 { -figures } else { figures };
            for key in keys(snapshot).map_err(HandlerError::permanent)? {
                let sum = sums.entry(key).or_default();
                *sum = *sum + share;
            }
        }
        Ok(sums.into_iter().filter(|(_, figures)| !figures.is_zero()).collect())
    }
}
