//! What answers look like as JSON, one kind per file. Domain types never reach the wire themselves.

mod achievement;
mod activity;
mod answer;
mod bulk;
mod dead_letter;
mod event;
mod failure_kinds;
mod health;
mod kilometres;
mod notification;
mod page;
mod parked;
mod period;
mod standing;
mod statistics;
mod webhook;

pub(super) use achievement::AchievementView;
pub(super) use activity::ActivityView;
pub(super) use answer::{etag, json};
pub(super) use bulk::BulkView;
pub(super) use dead_letter::{DeadLetterView, WholeDeadLetterView};
pub(super) use event::{EntryView, EventsView};
pub(super) use failure_kinds::{DeadLetterStateKind, DeathReasonKind};
pub(super) use health::{FailuresView, HealthView, LivenessView, OutboxView};
pub(super) use notification::NotificationView;
pub(super) use page::Page;
pub(super) use parked::ParkedView;
pub(super) use period::PeriodKind;
pub(super) use standing::{LeaderboardView, StandingView};
pub(super) use statistics::{FiguresView, PeriodView, StatisticsView};
pub(super) use webhook::{WebhookView, WebhookWithSecretView};
