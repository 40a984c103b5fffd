//! What users and operators do, one operation per file. [`ActivityLog`](super::ActivityLog) puts them into chains.

mod correct_statistics;
mod create_activity;
mod delete_activity;
mod import_activity;
mod mark_notification_read;
mod send_notification;
mod update_activity;
mod update_statistics;

pub use correct_statistics::{CorrectStatistics, TotalsChange};
pub use create_activity::{CreateActivity, NewActivity};
pub use delete_activity::{DeleteActivity, RemoveActivity};
pub use import_activity::{AcceptImport, ImportActivity, RecordImport};
pub use mark_notification_read::{MarkNotificationRead, MarkRead};
pub use send_notification::{ACTIVITY_CREATED, SendNotification};
pub use update_activity::{ChangeActivity, UpdateActivity};
pub use update_statistics::UpdateStatistics;
