//! A database and the roles on it, kept running whatever is done to them.

use std::{
    os::unix::process::ExitStatusExt,
    process::ExitStatus,
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
    broker::Broker,
    cast::{Cast, launch},
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

/// The bound on the time from when a broker is back until events flow. The bar is 5 s for 99 of 100; a machine that is busy gets more before the test fails.
const RECOVERY: Duration = Duration::from_secs(30);

/// What the tally calls that time.
const RECOVERED: &str = "broker back to delivery";

/// The same when there was much else to be handled before.
const RECOVERED_BEHIND: &str = "the same with a backlog";

/// Those of them in which no worker had just been killed or was meanwhile: its share waits until it counts as dead, and while a group shares anew all of it may.
const RECOVERED_ALONE: &str = "of these, no worker hit";

/// How long after a worker's end its group may still be occupied with it: the longest after which a broker counts it as dead, and sharing anew.
const SETTLED: Duration = Duration::from_secs(10);

/// So few calls of handlers are no backlog.
const FEW: i64 = 80;

/// The exit code of a stop that was cut short.
const INTERRUPTED: i32 = 130;

/// The signal that `abort` ends a process with.
const SIGABRT: i32 = Signal::SIGABRT as i32;

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
    pub(crate) broker: Option<Broker>,
    times_recovery: bool,
    aborts: bool,
    base: String,
    slots: Vec<Slot>,
    /// When a worker was killed last.
    worker_killed: StdMutex<Option<Instant>>,
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
            broker: cast.broker.clone(),
            times_recovery: cast.times_recovery,
            aborts: cast.aborts,
            base: format!("http://127.0.0.1:{port}"),
            slots,
            worker_killed: StdMutex::default(),
            complaints,
            watchdog,
        })
    }

    /// What the tally calls this.
    pub(crate) fn name(&self) -> &'static str {
        self.broker.as_ref().map_or(self.database.name(), Broker::name)
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
        if let Component::Database | Component::Broker | Component::Network = component {
            TALLY.fault(self.name(), component, step.fault);
            return self.hit_server(component, step).await;
        }
        let alike: Vec<&Slot> = self.slots.iter().filter(|slot| slot.component == component).collect();
        let slot = alike[step.victim % alike.len()];
        let mut seat = slot.program.clone().lock_owned().await;
        let Some(mut program) = seat.take() else { return };
        TALLY.fault(self.name(), component, step.fault);
        match step.fault {
            Fault::Kill => {
                program.kill().await;
                if component == Component::Worker {
                    *self.worker_killed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                }
            }
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
            Fault::Trouble(..) => {}
        }
        let (launch, down, complaints) = (slot.launch.clone(), step.down, self.complaints.clone());
        after.spawn(async move {
            tokio::time::sleep(down).await;
            restart(&launch, seat, &complaints).await;
        });
    }

    /// Does one thing to what the roles rest on. Returns when it is there again.
    async fn hit_server(&self, component: Component, step: &Step) {
        let Some(broker) = self.broker.as_ref().filter(|_| component != Component::Database) else {
            self.database.kill().await;
            tokio::time::sleep(step.down).await;
            return self.database.restart().await;
        };
        match step.fault {
            Fault::Trouble(trouble, share) => broker.trouble(trouble, share).await,
            Fault::Freeze(time) => broker.freeze(time).await,
            Fault::Kill | Fault::Terminate | Fault::TerminateTwice(_) => {
                let behind = evidence::unhandled(&self.database).await;
                broker.kill().await;
                tokio::time::sleep(step.down).await;
                broker.restart().await;
                if self.times_recovery {
                    self.time_recovery(behind.is_none_or(|behind| behind > FEW)).await;
                }
            }
        }
    }

    /// How long it takes until an event that is recorded from now on has been handled. Before a new event come those that wait: the time is told apart when
    /// there were many. Then they are caught up with, for a while, so that the next time is not theirs.
    async fn time_recovery(&self, was_behind: bool) {
        let back = Instant::now();
        match evidence::first_after_now(&self.database, RECOVERY).await {
            Some(took) if was_behind => TALLY.time(self.name(), RECOVERED_BEHIND, took),
            Some(took) => {
                TALLY.time(self.name(), RECOVERED, took);
                if !self.worker_killed_within(took + SETTLED) {
                    TALLY.time(self.name(), RECOVERED_ALONE, took);
                }
            }
            None if was_behind => TALLY.time(self.name(), RECOVERED_BEHIND, RECOVERY),
            None => self.complain(format!("the broker is back since {:?}, and nothing is delivered", back.elapsed())),
        }
        while back.elapsed() < RECOVERY && evidence::unhandled(&self.database).await.is_none_or(|left| left > FEW) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn worker_killed_within(&self, time: Duration) -> bool {
        let killed = *self.worker_killed.lock().unwrap_or_else(PoisonError::into_inner);
        killed.is_some_and(|at| at.elapsed() < time)
    }

    /// Asks it to stop, which it has to do in order and in time.
    async fn stop(&self, slot: &Slot, program: &mut Program) {
        let asked = Instant::now();
        program.signal(Signal::SIGTERM);
        let ended = program.ended(STOP).await;
        TALLY.stop(self.name(), asked.elapsed());
        match ended {
            Some(status) if status.code() == Some(0) => {}
            // A handler still held its thread: its event has been given up on by another worker meanwhile.
            Some(status) if is_abort(self.aborts, status) => {}
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

    /// The memory that a component's processes hold, in KiB.
    pub(crate) async fn memory(&self, component: Component) -> Vec<u64> {
        let mut all = Vec::new();
        for slot in self.slots.iter().filter(|slot| slot.component == component) {
            all.extend(slot.program.lock().await.as_ref().and_then(Program::memory));
        }
        all
    }

    /// Kills one process of a component, and leaves it down.
    pub(crate) async fn kill(&self, component: Component, victim: usize) {
        TALLY.fault(self.name(), component, Fault::Kill);
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
        wrong.extend(evidence::drained(&self.database, self.broker.is_some(), deadline).await.err());
        TALLY.time(self.name(), "until all is drained", begin.elapsed());
        self.watchdog.abort();
        for component in [Component::Api, Component::Serve, Component::Relay, Component::Worker] {
            self.take_down(component).await;
        }
        let verdict = judge(&evidence::gather(&self.database, log).await?);
        TALLY.judged(self.name(), &verdict);
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

async fn restart(launch: &Launch, mut seat: OwnedMutexGuard<Option<Program>>, complaints: &StdMutex<Vec<String>>) {
    match launch.start().await {
        Ok(program) => *seat = Some(program),
        Err(why) => complaints.lock().unwrap_or_else(PoisonError::into_inner).push(why),
    }
}

/// Whether it has ended by `abort`, where that may be.
fn is_abort(allowed: bool, status: ExitStatus) -> bool {
    allowed && status.signal() == Some(SIGABRT)
}

/// Starts again what has ended by itself, which only a handler that aborts may make it do.
async fn watch(slots: Vec<Slot>, aborts: bool, complaints: Arc<StdMutex<Vec<String>>>) {
    loop {
        for slot in &slots {
            let Ok(mut seat) = slot.program.clone().try_lock_owned() else { continue };
            let Some(status) = seat.as_mut().and_then(Program::has_ended) else { continue };
            *seat = None;
            if !is_abort(aborts, status) {
                let what = format!("{} has ended by itself: {status}", slot.launch.name);
                complaints.lock().unwrap_or_else(PoisonError::into_inner).push(what);
            }
            let (launch, complaints) = (slot.launch.clone(), complaints.clone());
            tokio::spawn(async move { restart(&launch, seat, &complaints).await });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
