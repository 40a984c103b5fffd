//! From one broker to another, with the binary and real servers: a running system is moved as `docs/moving-brokers.md` says, under load; the bridge is killed in the middle
//! of a live stream; and the tools that publish, show and forget.
#![cfg(all(unix, feature = "sqlite", feature = "postgres", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking and tells by printing"
)]

#[path = "moving/bridging.rs"]
mod bridging;
#[path = "program/client.rs"]
#[expect(dead_code, reason = "shared with the suite of the program, which uses more of it")]
mod client;
#[path = "moving/editor.rs"]
mod editor;
#[path = "program/load.rs"]
#[expect(dead_code, reason = "shared with the suite of the program, which uses more of it")]
mod load;
#[path = "program/process.rs"]
#[expect(dead_code, reason = "shared with the suite of the program, which uses more of it")]
mod process;
#[path = "program/store.rs"]
#[expect(dead_code, reason = "shared with the suite of the program, which uses more of it")]
mod store;
mod support;
#[path = "moving/system.rs"]
mod system;
#[path = "moving/tools.rs"]
mod tools;
