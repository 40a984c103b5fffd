//! Redis Streams (`redis://`, `rediss://`): Redis 7 and newer, Valkey.
//!
//! Events are the entries of sixteen streams, `<namespace>:events:<n>`, chosen by the hash of the partition key. Their ids are `0-1`, `0-2` … (`XADD … 0-*`),
//! so that an id is a position and a group's lag is exact. Whoever adds entries by hand uses `0-*` too: an id made of the time would be ahead of everything that comes
//! later. The attributes of CloudEvents are fields with the prefix `ce_`, the data is the field `data`.
//!
//! Consumer groups are this application's own, on `partitioned`: positions in the hash `<namespace>:group:<group>`, moved only by the member that has the lease of a stream
//! (`<namespace>:leases:…`), in scripts that run as one. Redis' own groups hand entries to whoever asks: after a failure their order per key is gone.
//!
//! What every group has acknowledged is trimmed, beyond the newest [`RedisOptions::retain`] of each stream; what one has not acknowledged never is.
//!
//! # The URL
//!
//! `redis://[user[:password]@]host[:port][/database][?namespace=activelog&retain=100000]`, `rediss://` for TLS with the system's certificates.
//!
//! # Durability
//!
//! As the server is configured: `appendonly yes` with `appendfsync always` survives a loss of power, any other `appendfsync` the end of the process. Without
//! an append-only file nothing survives. Set `maxmemory-policy noeviction`.

mod broker;
mod connection;
mod error;
mod factory;
mod keys;
mod lease_store;
mod log;
mod options;
mod positions;
mod probe;
mod publisher;
mod settings;

pub use broker::RedisBroker;
pub use factory::RedisFactory;
pub use options::RedisOptions;
