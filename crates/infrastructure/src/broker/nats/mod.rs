//! NATS JetStream (`nats://`, which speaks TLS when the server asks for it, or `tls://`, which speaks nothing else): NATS 2.10 and newer.
//!
//! Events are the messages of one stream, `<namespace>`, on the subjects `<namespace>.events.<partition>.<event name>`; the partition is chosen by the hash of the partition
//! key. The attributes of CloudEvents are headers with the prefix `ce-`, percent-encoded as in HTTP, and the event's id is the message id, so that what is published again within
//! [`NatsOptions::duplicate_window`] is stored once.
//!
//! Consumer groups are this application's own, on `partitioned`: leases and positions are keys of the bucket `<namespace>-groups`, changed only from the revision that was
//! read. Each owned partition is read by a consumer of its own from the group's position on: JetStream's durable consumers hand messages that were not acknowledged in time to
//! whoever asks, in the midst of later ones, so that order per key would be gone with the first failure.
//!
//! Leases are judged by whether a member's beat goes on, as each member sees it: clocks need not agree.
//!
//! # The URL
//!
//! `nats://[user:password@]host[:port][,host…][?namespace=activelog&replicas=1&max_age=7d&durability=power-loss]`.
//!
//! # Durability
//!
//! By default the server syncs its files every two minutes: a message survives the end of the process, and not a loss of power. A server whose configuration says
//! `sync_interval: always` keeps it through both; it does not tell, so `durability=power-loss` in the URL says so for it.

mod broker;
mod connection;
mod error;
mod factory;
mod headers;
mod keys;
mod lease_store;
mod log;
mod options;
mod positions;
mod probe;
mod publisher;
mod servers;
mod settings;

pub use broker::NatsBroker;
pub use factory::NatsFactory;
pub use options::NatsOptions;
pub use servers::{NatsLogin, NatsServers};
