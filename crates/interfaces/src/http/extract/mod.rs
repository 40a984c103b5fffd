//! What handlers take from a request, one kind per file.

mod acting_user;
mod body;
mod idempotency;
mod media_type;
mod params;
mod path;
mod preconditions;
mod scope;

pub(super) use acting_user::ActingUser;
pub(super) use body::{JsonBody, MergePatchBody, NoBody};
pub(super) use idempotency::IdempotencyHeader;
pub(super) use params::{LIMIT_DEFAULT, LIMIT_MAX, Params, parse_uuid};
pub(super) use path::{DeadLetterId, NotificationId, PathId, WebhookId};
pub(super) use preconditions::{Expected, IfMatch, IfNoneMatch};
pub(super) use scope::RequestScope;
