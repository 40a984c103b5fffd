//! Apache Kafka (`kafka://`, over TLS `kafkas://`), through librdkafka: Kafka 2.5 and newer.
//!
//! Events are the messages of one topic, `<namespace>.events`, in CloudEvents' binary mode: the attributes are headers with the prefix `ce_`, the media type of the data is
//! the header `content-type`, and the key is the partition key, spread over the partitions as Java clients do (`murmur2_random`). The topic is made when it is missing, and made
//! anew when it was deleted. Its partitions are the most members of a group that have work at the same time; adding partitions later gives keys other partitions, and so breaks
//! the order of what is under way.
//!
//! Publishing is idempotent and waits for all replicas in sync, one unacknowledged event of a key at a time. What is not acknowledged within [`KafkaOptions::timeout`] is an
//! error: the broker may have stored it.
//!
//! Consumer groups are Kafka's own, `<namespace>.<group>`, with the assignor `cooperative-sticky`. Each stream is a member with a consumer on a thread of its own:
//!
//! - A group's position in a partition is what has been acknowledged without a gap. It is committed explicitly, so that a commit also says whether this is still a
//!   member: without a confirmed one for five seconds a stream delivers nothing more, as its partitions may be another's.
//! - A partition that goes to another member is drained for at most ten seconds and committed before it is given up. Meanwhile the driver fetches nothing: of the others what is
//!   in memory goes on. A member that died is followed after six seconds.
//! - Members are static (`group.instance.id`): the brokers know them again after an outage that was longer than a session, and one that was killed by the name of its process
//!   ([`Subscription::instance`](activelog_application::ports::Subscription::instance)). They leave by unsubscribing. Partitions that stay nobody's for twelve seconds have the
//!   group shared anew.
//! - A new group writes down where it begins when it subscribes. Kafka forgets the positions of a group without members after `offsets.retention.minutes` (a week); it
//!   then gets everything again.
//! - `nack` with a delay is kept in memory, and its key waits with it.
//! - When there is no room the driver is not asked for more, and after a while partitions are paused.
//! - Every three seconds the topic is looked at. A group that does not admit or confirm a member, events that are there and do not come, and a log that ends before what was
//!   read of it lead to a new start, and show in `health` until it works.
//!
//! # The URL
//!
//! `kafka://[user:password@]host[:port][,host…][?namespace=activelog&partitions=16&replication=1&max_age=7d&max_payload=1048576]`. User and password are for
//! SASL PLAIN, or with `sasl=scram-sha-256` or `sasl=scram-sha-512` for SCRAM. `kafkas://` speaks TLS and trusts the authorities that OpenSSL trusts, or those of `SSL_CERT_FILE`
//! instead. TLS and SCRAM need the feature `kafka-tls`, which links the system's OpenSSL. `partitions`, `replication`, `max_age` (or `forever`) and `max_payload`
//! say how the topic is made; of one that is there, `max.message.bytes` bounds the payload. Clients show as `activelog-publisher`, `activelog-monitor`, `activelog-admin`,
//! `activelog-probe` and `activelog-<group>` in the broker's tools.
//!
//! # Durability
//!
//! A broker acknowledges before its system has written to the disk: an event survives the end of the process. With `flush.messages=1` in the topic's configuration it survives a
//! loss of power. Several replicas (`replication=3`) survive the loss of a machine.

mod broker;
mod commits;
mod config;
mod context;
mod error;
mod factory;
mod groups;
mod handover;
mod headers;
mod intake;
mod member;
mod member_context;
mod member_name;
mod monitor;
mod off_thread;
mod options;
mod owners;
mod probe;
mod producer;
mod publisher;
mod session;
mod settings;
mod subscriber;
mod topic;
mod watch;

pub use broker::KafkaBroker;
pub use factory::KafkaFactory;
pub use options::{KafkaOptions, KafkaServers, SaslMechanism};
