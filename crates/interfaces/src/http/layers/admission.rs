use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use activelog_application::backpressure::PressureGauge;
use axum::{
    extract::ConnectInfo,
    http::{Extensions, Method},
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::{
    HttpOptions,
    problem::{Problem, ProblemKind},
};

/// After how many requests addresses that have been silent are forgotten.
const FORGET_EVERY: u32 = 4_096;

/// Decides which requests are worked on. Cheap to clone.
#[derive(Clone)]
pub(in crate::http) struct Admission {
    slots: Arc<Semaphore>,
    rate: Option<Arc<Rate>>,
    pressure: PressureGauge,
}

/// What operators do to relieve a pressure must not be refused because of it.
const OPERATORS: &[&str] = &["/health", "/dead-letters", "/parked", "/broker"];

struct Rate {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    requests: AtomicU32,
}

impl Admission {
    pub(in crate::http) fn new(options: &HttpOptions, pressure: PressureGauge) -> Self {
        let rate = options.rate_limit_per_second.and_then(NonZeroU32::new).map(|per_second| {
            let limiter = RateLimiter::keyed(Quota::per_second(per_second));
            Arc::new(Rate { limiter, clock: DefaultClock::default(), requests: AtomicU32::new(0) })
        });
        Self { slots: Arc::new(Semaphore::new(options.max_in_flight.min(Semaphore::MAX_PERMITS))), rate, pressure }
    }

    /// Lets a request in until the permit is dropped. Health checks always get in: a process that is busy is not ill.
    pub(super) fn admit(
        &self,
        method: &Method,
        path: &str,
        extensions: &Extensions,
    ) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        if is_below(path, "/health") {
            return Ok(None);
        }
        if let Some(pressure) = self.pressure.pressure()
            && !method.is_safe()
            && !OPERATORS.iter().any(|prefix| is_below(path, prefix))
        {
            return Err(pressure.into());
        }
        if let (Some(rate), Some(ConnectInfo(address))) = (&self.rate, extensions.get::<ConnectInfo<SocketAddr>>()) {
            rate.check(address.ip())?;
        }
        self.slots.clone().try_acquire_owned().map(Some).map_err(|_| {
            Problem::new(ProblemKind::OVERLOADED, "Too many requests are being worked on. Nothing was done; try again.")
                .with_retry_after(Duration::from_secs(1))
        })
    }
}

/// Whether a path is `prefix` or below it.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Rate {
    fn check(&self, address: IpAddr) -> Result<(), Problem> {
        if self.requests.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&client(address)).map_err(|until| {
            Problem::new(ProblemKind::RATE_LIMITED, "Your address makes more requests per second than it may.")
                .with_retry_after(until.wait_time_from(self.clock.now()))
        })
    }
}

/// Who counts as one client: an IPv4 address, or an IPv6 network of 64 bits, which is what one client is given.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_a_network() {
        let read = |text: &str| client(text.parse().expect("a valid address")).to_string();
        assert_eq!(read("2001:db8::1"), read("2001:db8::2"));
        assert_ne!(read("2001:db8::1"), read("2001:db8:0:1::1"));
        assert_eq!(read("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
