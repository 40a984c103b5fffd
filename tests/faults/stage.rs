//! A database and the roles on it, kept running whatever is done to them.

use std::{
    path::Path,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use nix::sys::signal::Signal;
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::{
    client::{Clients, Habits},
    database::Database,
    evidence,
    oracle::{Verdict, judge},
    processes::{Launch, Program, tail},
    schedule::{Component, Fault, Schedule, Step},
    support::private_postgres::free_port,
    tally::TALLY,
};

/// The bound on a stop in order.
const STOP: Duration = Duration::from_secs(10);

/// The bound on the end after a second signal.
const CUT_SHORT: Duration = Duration::from_secs(3);

/// The exit code of a stop that was cut short.
const INTERRUPTED: i32 = 130;

/// The signal that `abort` ends a process with.
const SIGABRT: i32 = Signal::SIGABRT as i32;

/// What a scenario runs on.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    /// The roles, and how many of each.
    pub(crate) roles: Vec<(Component, usize)>,
    /// Configuration besides the usual.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Whether a process may end by `abort`: a handler does it.
    pub(crate) aborts: bool,
}

impl Cast {
    /// These roles, configured as usual.
    pub(crate) fn of(roles: &[(Component, usize)]) -> Self {
        Self { roles: roles.to_vec(), environment: Vec::new(), aborts: false }
    }
}

/// One process that is to run.
#[derive(Clone)]
struct Slot {
    component: Component,
    launch: Launch,
    /// Locked while something is being done to it; `None` while it is down.
    program: Arc<Mutex<Option<Program>>>,
}

/// A database and the roles on it.
pub(crate) struct Stage {
    /// `None` once it is to be kept for whoever looks into a failure.
    folder: Option<TempDir>,
    pub(crate) database: Database,
    base: String,
    slots: Vec<Slot>,
    complaints: Arc<StdMutex<Vec<String>>>,
    watchdog: JoinHandle<()>,
}

impl Stage {
    /// Starts the roles on a database, in a folder of their own.
    pub(crate) async fn set(folder: TempDir, database: Database, cast: &Cast) -> Result<Self, String> {
        let port = free_port();
        std::fs::create_dir_all(folder.path().join("attempts")).map_err(|error| error.to_string())?;
        let mut slots = Vec::new();
        for (component, count) in &cast.roles {
            for number in 0..*count {
                let launch = launch(*component, number, folder.path(), &database, port, cast);
                slots.push(Slot { component: *component, launch, program: Arc::default() });
            }
        }
        for slot in &slots {
            *slot.program.lock().await = Some(slot.launch.start().await?);
        }
        let complaints = Arc::new(StdMutex::new(Vec::new()));
        let watchdog = tokio::spawn(watch(slots.clone(), cast.aborts, complaints.clone()));
        Ok(Self {
            folder: Some(folder),
            database,
            base: format!("http://127.0.0.1:{port}"),
            slots,
            complaints,
            watchdog,
        })
    }

    /// Where the API is.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Clients on it.
    pub(crate) fn clients(&self, seed: u64, habits: &Habits) -> Clients {
        Clients::start(&self.base, seed, habits)
    }

    fn complain(&self, what: String) {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Does all of it, each component's faults one after the other and the components' at the same time. Returns when everything runs again.
    pub(crate) async fn suffer(&self, schedules: &[Schedule]) {
        let all = schedules.iter().map(|schedule| async move {
            let mut restarts = JoinSet::new();
            for step in &schedule.steps {
                tokio::time::sleep(step.after).await;
                self.hit(schedule.component, step, &mut restarts).await;
                while restarts.try_join_next().is_some() {}
            }
            while restarts.join_next().await.is_some() {}
        });
        futures::future::join_all(all).await;
    }

    /// Does one thing; what has to happen afterwards goes on beside it.
    async fn hit(&self, component: Component, step: &Step, after: &mut JoinSet<()>) {
        if component == Component::Database {
            TALLY.fault(self.database.name(), component, step.fault);
            self.database.kill().await;
            tokio::time::sleep(step.down).await;
            return self.database.restart().await;
        }
        let alike: Vec<&Slot> = self.slots.iter().filter(|slot| slot.component == component).collect();
        let slot = alike[step.victim % alike.len()];
        let mut seat = slot.program.clone().lock_owned().await;
        let Some(mut program) = seat.take() else { return };
        TALLY.fault(self.database.name(), component, step.fault);
        match step.fault {
            Fault::Kill => program.kill().await,
            Fault::Freeze(time) => {
                program.signal(Signal::SIGSTOP);
                after.spawn(async move {
                    tokio::time::sleep(time).await;
                    program.signal(Signal::SIGCONT);
                    *seat = Some(program);
                });
                return;
            }
            Fault::Terminate => self.stop(slot, &mut program).await,
            Fault::TerminateTwice(time) => self.stop_twice(slot, &mut program, time).await,
        }
        let (launch, down, complaints) = (slot.launch.clone(), step.down, self.complaints.clone());
        after.spawn(async move {
            tokio::time::sleep(down).await;
            restart(&launch, seat, &complaints).await;
        });
    }

    /// Asks it to stop, which it has to do in order and in time.
    async fn stop(&self, slot: &Slot, program: &mut Program) {
        let asked = Instant::now();
        program.signal(Signal::SIGTERM);
        let ended = program.ended(STOP).await;
        TALLY.stop(self.database.name(), asked.elapsed());
        match ended {
            Some(status) if status.code() == Some(0) => {}
            Some(status) => self.complain(format!("{} stopped with {status}", slot.launch.name)),
            None => self.complain(format!("{} has not stopped within {STOP:?}", slot.launch.name)),
        }
    }

    async fn stop_twice(&self, slot: &Slot, program: &mut Program, pause: Duration) {
        program.signal(Signal::SIGTERM);
        let ended = match program.ended(pause).await {
            Some(status) => Some(status),
            None => {
                program.signal(Signal::SIGTERM);
                program.ended(CUT_SHORT).await
            }
        };
        match ended.map(|status| status.code()) {
            Some(Some(0 | INTERRUPTED)) => {}
            Some(code) => self.complain(format!("{} was stopped twice and ended with {code:?}", slot.launch.name)),
            None => self.complain(format!("{} still runs {CUT_SHORT:?} after the second signal", slot.launch.name)),
        }
    }

    /// Stops every process of a component in order, and leaves it down.
    pub(crate) async fn take_down(&self, component: Component) {
        for slot in self.slots.iter().filter(|slot| slot.component == component) {
            let mut seat = slot.program.lock().await;
            if let Some(mut program) = seat.take() {
                self.stop(slot, &mut program).await;
            }
        }
    }

    /// Starts every process of a component that is down.
    pub(crate) async fn bring_up(&self, component: Component) {
        for slot in self.slots.iter().filter(|slot| slot.component == component) {
            let seat = slot.program.clone().lock_owned().await;
            if seat.is_none() {
                restart(&slot.launch, seat, &self.complaints).await;
            }
        }
    }

    /// Kills one process of a component, and leaves it down.
    pub(crate) async fn kill(&self, component: Component, victim: usize) {
        TALLY.fault(self.database.name(), component, Fault::Kill);
        let alike: Vec<&Slot> = self.slots.iter().filter(|slot| slot.component == component).collect();
        if let Some(program) = alike[victim % alike.len()].program.lock().await.take() {
            program.kill().await;
        }
    }

    /// Ends the clients, waits until nothing moves, stops everything, and has it judged. Fails with all that is wrong.
    pub(crate) async fn conclude(mut self, clients: Clients, deadline: Duration) -> Result<Verdict, String> {
        let log = clients.finish().await;
        let mut wrong = Vec::new();
        let begin = Instant::now();
        wrong.extend(evidence::drained(&self.database, deadline).await.err());
        TALLY.time(self.database.name(), "until all is drained", begin.elapsed());
        self.watchdog.abort();
        for component in [Component::Api, Component::Serve, Component::Relay, Component::Worker] {
            self.take_down(component).await;
        }
        let verdict = judge(&evidence::gather(&self.database, log).await?);
        TALLY.judged(self.database.name(), &verdict);
        wrong.append(&mut *self.complaints.lock().unwrap_or_else(PoisonError::into_inner));
        if !verdict.is_good() {
            wrong.push(verdict.report());
        }
        if wrong.is_empty() { Ok(verdict) } else { Err(self.failure(&wrong.join("\n"))) }
    }

    /// What is wrong, and the ends of the logs, which are kept.
    pub(crate) fn failure(&mut self, what: &str) -> String {
        let kept = self.folder.take().map(TempDir::keep);
        let mut text = format!("{what}\nthe folder is kept: {}\n", kept.unwrap_or_default().display());
        for slot in &self.slots {
            text += &format!("the end of {}:\n{}\n", slot.launch.name, tail(&slot.launch.log(), 12));
        }
        text
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.watchdog.abort();
    }
}

/// How a role is started.
fn launch(component: Component, number: usize, folder: &Path, database: &Database, port: u16, cast: &Cast) -> Launch {
    let role = match component {
        Component::Serve | Component::Database => "serve",
        Component::Api => "api",
        Component::Relay => "relay",
        Component::Worker => "worker",
    };
    let mut environment: Vec<(String, String)> = [
        ("ACTIVELOG_DATABASE_URL", database.url()),
        ("ACTIVELOG_LISTEN", format!("127.0.0.1:{port}")),
        ("ACTIVELOG__STORAGE__MAX_CONNECTIONS", "12".to_owned()),
        ("ACTIVELOG_FAULT_LEDGER", "1".to_owned()),
        ("ACTIVELOG_FAULT_FOLDER", folder.join("attempts").display().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    environment.extend(cast.environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Launch { role, name: format!("{component}-{number}"), folder: folder.to_owned(), environment }
}

async fn restart(launch: &Launch, mut seat: OwnedMutexGuard<Option<Program>>, complaints: &StdMutex<Vec<String>>) {
    match launch.start().await {
        Ok(program) => *seat = Some(program),
        Err(why) => complaints.lock().unwrap_or_else(PoisonError::into_inner).push(why),
    }
}

/// Starts again what has ended by itself, which only a handler that aborts may make it do.
async fn watch(slots: Vec<Slot>, aborts: bool, complaints: Arc<StdMutex<Vec<String>>>) {
    use std::os::unix::process::ExitStatusExt;
    loop {
        for slot in &slots {
            let Ok(mut seat) = slot.program.clone().try_lock_owned() else { continue };
            let Some(status) = seat.as_mut().and_then(Program::has_ended) else { continue };
            *seat = None;
            if !(aborts && status.signal() == Some(SIGABRT)) {
                let what = format!("{} has ended by itself: {status}", slot.launch.name);
                complaints.lock().unwrap_or_else(PoisonError::into_inner).push(what);
            }
            let (launch, complaints) = (slot.launch.clone(), complaints.clone());
            tokio::spawn(async move { restart(&launch, seat, &complaints).await });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
