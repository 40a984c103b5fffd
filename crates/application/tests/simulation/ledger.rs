//! What became of events, in the order in which it did.

use std::sync::Mutex;

use activelog_application::ports::{Addressed, DeadLetter};
use activelog_domain::event::EventEnvelope;

use crate::handler::Effect;

/// A handler, and an event by its key and sequence.
pub(crate) type Address = (String, String, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The handler has taken it: its effects are committed.
    Taken,
    /// It became a dead letter.
    Dead,
}

#[derive(Default)]
pub(crate) struct Ledger(Mutex<Vec<(Address, Fate)>>);

impl Ledger {
    /// An effect was committed.
    pub(crate) fn taken(&self, effect: &Effect) {
        self.push(((effect.handler.clone(), effect.key.clone(), effect.sequence), Fate::Taken));
    }

    /// These are the dead letters now, the newest first. Answers those that were not known.
    pub(crate) fn dead<'a>(&self, letters: &'a [DeadLetter]) -> Vec<&'a DeadLetter> {
        let mut new = Vec::new();
        for letter in letters.iter().rev() {
            let entry = (address(&letter.addressed), Fate::Dead);
            if !self.entries().contains(&entry) {
                self.push(entry);
                new.push(letter);
            }
        }
        new
    }

    pub(crate) fn entries(&self) -> Vec<(Address, Fate)> {
        self.0.lock().expect("not poisoned").clone()
    }

    fn push(&self, entry: (Address, Fate)) {
        self.0.lock().expect("not poisoned").push(entry);
    }
}

pub(crate) fn address(addressed: &Addressed) -> Address {
    let (key, sequence) = source(&addressed.event);
    (addressed.handler.clone(), key, sequence)
}

/// The key and sequence of an event, as its handlers see them.
pub(crate) fn source(event: &EventEnvelope) -> (String, u64) {
    (event.partition_key.clone(), event.sequence)
}
