//! What is done to whom and when, drawn from a seed: the same seed gives the same schedule.

use std::{fmt, time::Duration};

use crate::support::proxy::{Share, Trouble};

/// Something that can be hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Component {
    Serve,
    Api,
    Relay,
    Worker,
    Database,
    Broker,
    /// What lies between the roles and the broker.
    Network,
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serve => "serve",
            Self::Api => "api",
            Self::Relay => "relay",
            Self::Worker => "worker",
            Self::Database => "database",
            Self::Broker => "broker",
            Self::Network => "network",
        })
    }
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, and after this long SIGCONT.
    Freeze(Duration),
    /// SIGTERM: it has to end in order.
    Terminate,
    /// SIGTERM, and after this long another: it has to end at once.
    TerminateTwice(Duration),
    /// Something happens to these connections.
    Trouble(Trouble, Share),
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// How long after the one before.
    pub(crate) after: Duration,
    /// Which of several alike, modulo how many there are.
    pub(crate) victim: usize,
    pub(crate) fault: Fault,
    /// How long it is down before it is started again.
    pub(crate) down: Duration,
}

/// How faults are drawn.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// The time between faults, in milliseconds.
    pub(crate) between: std::ops::Range<u64>,
    /// The time that the victim is down, in milliseconds.
    pub(crate) down: std::ops::Range<u64>,
    /// What may be drawn, each as likely as the others.
    pub(crate) faults: Vec<Draw>,
}

/// A kind of fault whose details are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Draw {
    Kill,
    /// For longer than any lease that keeps order: relays' last 4 s, consumers' 3 s.
    Freeze,
    Terminate,
    TerminateTwice,
    /// For at least five seconds, and at most this many: a server's clients have to notice.
    FreezeUpTo(u64),
    /// The network is silent for at most this many seconds.
    SilenceUpTo(u64),
    Reset,
    Cut,
    Delay,
    HalfOpen,
}

/// The longest lease that a frozen process has to lose, with some to spare.
const PAST_THE_LEASE: std::ops::Range<u64> = 5_000..7_000;

/// What happens to one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) component: Component,
    pub(crate) steps: Vec<Step>,
}

impl Schedule {
    /// Draws `count` faults for a component. Each component has random numbers of its own, so that leaving one out changes nothing for the
    /// others.
    pub(crate) fn draw(seed: u64, component: Component, count: usize, pace: &Pace) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ (component as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let steps = (0..count).map(|_| Step {
            after: Duration::from_millis(random.u64(pace.between.clone())),
            victim: random.usize(..1_000),
            fault: draw(&mut random, &pace.faults, component),
            down: Duration::from_millis(random.u64(pace.down.clone())),
        });
        Self { component, steps: steps.collect() }
    }

    /// This one, and then the other's steps.
    pub(crate) fn then(mut self, other: Self) -> Self {
        self.steps.extend(other.steps);
        self
    }
}

fn draw(random: &mut fastrand::Rng, faults: &[Draw], component: Component) -> Fault {
    let drawn = random.choice(faults).copied().unwrap_or(Draw::Kill);
    let (frozen, second) = (random.u64(PAST_THE_LEASE), random.u64(0..400));
    let share = [Share::All, Share::Half(0), Share::Half(1)][random.usize(..3)];
    let mut up_to = |least, seconds: u64| Duration::from_millis(random.u64(least..=(1_000 * seconds).max(least)));
    match drawn {
        // A server is killed, and nothing else: how it stops in order is its makers' concern.
        _ if component == Component::Database => Fault::Kill,
        Draw::Kill => Fault::Kill,
        Draw::Freeze => Fault::Freeze(Duration::from_millis(frozen)),
        Draw::Terminate => Fault::Terminate,
        Draw::TerminateTwice => Fault::TerminateTwice(Duration::from_millis(second)),
        Draw::FreezeUpTo(seconds) => Fault::Freeze(up_to(5_000, seconds)),
        Draw::SilenceUpTo(seconds) => Fault::Trouble(Trouble::Silence(up_to(500, seconds)), share),
        Draw::Reset => Fault::Trouble(Trouble::Reset, share),
        Draw::Cut => Fault::Trouble(Trouble::Cut, share),
        Draw::Delay => Fault::Trouble(Trouble::Delay(Duration::from_millis(second)), share),
        Draw::HalfOpen => Fault::Trouble(Trouble::HalfOpen, share),
    }
}

/// A seed gives one schedule, and another seed another.
pub(crate) fn a_seed_reproduces_its_schedule() {
    let pace =
        Pace { between: 10..2_000, down: 0..3_000, faults: vec![Draw::Kill, Draw::Freeze, Draw::TerminateTwice] };
    let draw = |seed, component| Schedule::draw(seed, component, 50, &pace);
    assert_eq!(draw(7, Component::Relay), draw(7, Component::Relay));
    assert_ne!(draw(7, Component::Relay), draw(8, Component::Relay));
    assert_ne!(draw(7, Component::Relay).steps, draw(7, Component::Worker).steps);
    assert!(draw(7, Component::Database).steps.iter().all(|step| step.fault == Fault::Kill));
}
