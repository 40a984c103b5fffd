//! Storages with one defect each, around the one in memory.

mod concurrent_outbox;
mod dead_letters;
mod housekeeping;
mod parking;
mod repositories;
mod stores;
mod unit_of_work;

pub(crate) use concurrent_outbox::concurrent_outbox;
pub(crate) use dead_letters::{BrokenLetters, LetterDefect, ReplaysThatStartOver};
pub(crate) use housekeeping::{BrokenSchedule, IgnoresAge, ScheduleDefect};
pub(crate) use parking::{BrokenParking, ParkingDefect};
pub(crate) use stores::{
    BrokenQueries, CompleteFirstOfMany, EpochsThatStand, GapsInPositions, PiecemealAdvance, QueryDefect, Robber,
    Unfenced,
};
pub(crate) use unit_of_work::{BrokenFactory, Defect};
