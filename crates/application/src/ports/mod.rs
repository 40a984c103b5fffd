//! Every trait the outside implements, one file each. A trait's comment is its contract; the suites in
//! [`testing`](crate::testing) check it.

mod broker;
mod broker_probe;
mod clock;
mod crash_marks;
mod dead_letters;
mod delivery_stream;
mod disk_space;
mod event_publisher;
mod event_subscriber;
mod finding;
mod id_generator;
mod idempotency;
mod inbox;
mod journal;
mod lease_store;
mod outbox;
mod parking;
mod replays;
mod retention;
mod scheduled_events;
mod signal;
mod storage_error;
mod subscription;
mod unit_of_work;

pub use broker::{Broker, BrokerCapabilities, BrokerHealth, Durability, Lag, OrderingGuarantee};
pub use broker_probe::{BrokerProbe, BrokerReport, ProbeError};
pub use clock::Clock;
pub use crash_marks::CrashMarks;
pub use dead_letters::{DeadLetter, DeadLetterFilter, DeadLetterState, DeadLetters, Death};
pub use delivery_stream::{Delivery, DeliveryStream, Settle, SettleError};
pub use disk_space::DiskSpace;
pub use event_publisher::{EventPublisher, PublishError, PublishErrorKind};
pub use event_subscriber::{EventSubscriber, SubscribeError};
pub use finding::{Finding, Severity};
pub use id_generator::IdGenerator;
pub use idempotency::{Claim, IdempotencyKey, IdempotencyStore, StoredResponse};
pub use inbox::{Inbox, Intake};
pub use journal::{
    GroupPositions, JOURNAL_PAGE_MAX, Journal, JournalCursor, JournalEntry, PARTITIONS, Partition, partition_of,
};
pub use lease_store::{Lease, LeaseStore, Membership};
pub use outbox::{Outbox, OutboxDepth, OutboxEntry, OutboxStore};
pub use parking::{
    Addressed, AfterDeadLetter, ClaimedLane, DeathReason, ERROR_TEXT_MAX, Failures, Listed, PARKING_PAGE_MAX,
    ParkedEvent, ParkedFilter, Parking, ParkingDepth, ParkingStore,
};
pub use replays::{Replay, ReplayProgress, Replays};
pub use retention::{JournalSpan, PrunedUpTo, Retention};
pub use scheduled_events::{SCHEDULED_PAGE_MAX, ScheduledEvent, ScheduledEvents, ScheduledFilter};
pub use signal::{Signal, SignalListener};
pub use storage_error::{StorageError, StorageErrorKind};
pub use subscription::{EventPattern, PatternError, StartFrom, Subscription};
pub use unit_of_work::{CommitError, Isolation, TransactionOptions, UnitOfWork, UnitOfWorkFactory};
