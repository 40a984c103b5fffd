//! RabbitMQ (`amqp://`, `amqps://`): 3.10 and newer, 4.x.
//!
//! Events are persistent messages to the durable topic exchange `<namespace>:events` with the routing key `<partition>.<event name>`; the partition, 0 to 15, is chosen by the hash of
//! the partition key. Whoever publishes by hand uses the same number for the same key, always. The attributes of CloudEvents are headers with the prefix `cloudEvents_`, as its binding
//! to AMQP has it (`cloudEvents:` and `ce-` are read too); the media type of the data is the content type, the event's id the message id.
//!
//! Events that are published together have a channel to themselves meanwhile; those that many publish one by one go side by side on one channel. What the server returns may come with the answer
//! to another event, so no answer is believed before those that may tell of it.
//!
//! # Groups
//!
//! A consumer group has sixteen durable quorum queues, `<namespace>:<group>:<partition>`, from its first subscription on: what is published earlier it does not get. An event that no group has a
//! queue for is refused, as unavailable, so that it stays with whoever publishes it.
//!
//! The queues have a single active consumer, so that order per key holds whoever subscribes. The members of a group tell each other of themselves once a second over the exchange
//! `<namespace>:members`, share the queues out by a rule that needs no agreement, and consume their own only. A queue changes hands when its consumer closes the channel: the server then
//! puts what was not acknowledged back to the front, in order, and gives it to the next. Before, up to ten seconds, what is out at streams is waited for.
//!
//! Publishing, consuming and what members tell each other have connections of their own: in an alarm for memory or disk the server reads nothing more from a connection that has published,
//! acknowledgements included. Until it is over, members cannot hear of each other, and each consumes every queue; the server gives a queue's events to one of them.
//!
//! Acknowledgements are gathered, for 250 ms or a quarter of the window: a quorum queue writes each to disk as it does an event. What was not told to the server when a process is killed comes again.
//!
//! A delay asked for when an event is given back is kept in memory. Events that wait for it keep a part of the window (see below) for themselves; when that is most of
//! it, the queue is consumed anew with a larger one.
//!
//! # The URL
//!
//! `amqp[s]://[user[:password]@]host[:port][/virtual-host][?namespace=activelog&window=128&heartbeat=5]`; without a user `guest`, without a virtual host `/`. `window` is how many events of each queue
//! are held in memory, `heartbeat` how often in seconds both sides show that they are there: a connection that is silent for twice as long is given up. TLS trusts the system's certificates.
//!
//! # Durability
//!
//! A quorum queue confirms what it has synced to disk, on the majority of its servers: it survives a loss of power. The queues are made with as many replicas as the server makes by itself.

mod answers;
mod broker;
mod channels;
mod consuming;
mod driver;
mod error;
mod factory;
mod greeting;
mod group;
mod headers;
mod link;
mod membership;
mod options;
mod partition;
mod pipeline;
mod probe;
mod publisher;
mod sending;
mod shared;
mod shares;
mod stream;
mod subscriber;
mod topology;
mod trouble;
mod view;

pub use broker::RabbitMqBroker;
pub use factory::RabbitMqFactory;
pub use options::RabbitMqOptions;
