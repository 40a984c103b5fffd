//! How the suite is run.

use std::{env, time::Duration};

use libtest_mimic::Arguments;

/// Which of the suite's forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Every scenario, in about ten minutes.
    Bounded,
    /// Every scenario with more faults, over and over for this long.
    Long(Duration),
    /// Only kills, this many of each component, as fast as they do any good.
    Kills(usize),
    /// Only so many activities, all the way through each broker that is a server.
    Volume(usize),
}

/// What was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    /// `ACTIVELOG_FAULTS_SEED`, or a new one.
    pub(crate) seed: u64,
    pub(crate) arguments: Arguments,
}

/// What the harness does not know.
const USAGE: &str = "besides the arguments of any test binary: `--long 4h` runs for four hours, `--kills 300` kills every component 300 times, \
     `--volume 100000` sends as many activities through each broker; \
     ACTIVELOG_FAULTS_SEED=n repeats a run";

impl Options {
    /// Reads the command line and the environment. `ACTIVELOG_FAULTS=long:4h` and `ACTIVELOG_FAULTS=kills:300` are for where arguments
    /// cannot be given.
    pub(crate) fn read() -> Result<Self, String> {
        let mut rest = Vec::new();
        let mut mode = match env::var_os("ACTIVELOG_FAULTS").and_then(|value| value.into_string().ok()) {
            Some(text) => {
                let (name, value) = text.split_once(':').ok_or(USAGE)?;
                mode(name, value)?
            }
            None => Mode::Bounded,
        };
        let mut arguments = env::args();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--long" | "--kills" | "--volume" => {
                    let value = arguments.next().ok_or(USAGE)?;
                    mode = self::mode(argument.trim_start_matches('-'), &value)?;
                }
                _ => rest.push(argument),
            }
        }
        let seed = match env::var_os("ACTIVELOG_FAULTS_SEED") {
            Some(text) => {
                text.to_str().and_then(|text| text.parse().ok()).ok_or("ACTIVELOG_FAULTS_SEED is a number")?
            }
            None => fastrand::u64(..),
        };
        Ok(Self { mode, seed, arguments: Arguments::from_iter(rest) })
    }
}

fn mode(name: &str, value: &str) -> Result<Mode, String> {
    match name {
        "long" => {
            let duration: jiff::SignedDuration = value.parse().map_err(|error| format!("--long {value}: {error}"))?;
            Duration::try_from(duration).map(Mode::Long).map_err(|error| format!("--long {value}: {error}"))
        }
        "volume" => value.parse().map(Mode::Volume).map_err(|error| format!("--volume {value}: {error}")),
        "kills" => value.parse().map(Mode::Kills).map_err(|error| format!("--kills {value}: {error}")),
        _ => Err(USAGE.to_owned()),
    }
}
