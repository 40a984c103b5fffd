//! What answers look like as JSON, one kind per file. Domain types never reach the wire themselves.

mod achievement;
mod activity;
mod answer;
mod event;
mod health;
mod kilometres;
mod notification;
mod page;
mod period;
mod standing;
mod statistics;
mod webhook;

pub(super) use achievement::AchievementView;
pub(super) use activity::ActivityView;
pub(super) use answer::{etag, json};
pub(super) use event::{EntryView, EventsView};
pub(super) use health::{HealthView, LivenessView, OutboxView};
pub(super) use notification::NotificationView;
pub(super) use page::Page;
pub(super) use period::PeriodKind;
pub(super) use standing::{LeaderboardView, StandingView};
pub(super) use statistics::{FiguresView, PeriodView, StatisticsView};
pub(super) use webhook::{WebhookView, WebhookWithSecretView};
