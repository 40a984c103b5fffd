use std::{net::SocketAddr, time::Duration};

use super::{ByteSize, reader::Reader};

/// `[server]`: the HTTP API.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where `/health` is answered by a role without the API, `worker` or `relay`. `None`: nowhere.
    pub health_listen: Option<SocketAddr>,
    /// The largest request body.
    pub body_limit: ByteSize,
    /// The most requests under way at once; more are answered 503.
    pub max_in_flight: u32,
    /// The most requests per second and client; more are answered 429. `None`: no limit.
    pub rate_limit_per_second: Option<u32>,
    /// How long a request may take.
    pub request_timeout: Duration,
}

impl ServerConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("server");
        Self {
            listen: section.get("listen", SocketAddr::from(([127, 0, 0, 1], 8080))),
            health_listen: section.get("health_listen", None),
            body_limit: section.get_if("body_limit", ByteSize::mib(1), |size| {
                let sane = ByteSize::kib(1)..=ByteSize::mib(1_024);
                if sane.contains(size) { Ok(()) } else { Err("must be 1KiB to 1GiB".to_owned()) }
            }),
            max_in_flight: section.number("max_in_flight", 1_024, 1, 1_000_000),
            rate_limit_per_second: section.optional_number("rate_limit_per_second"),
            request_timeout: section.duration("request_timeout", Duration::from_secs(60), 1, 3_600_000),
        }
    }
}
