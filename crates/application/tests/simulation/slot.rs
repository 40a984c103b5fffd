//! Where one process runs after the other: it is killed, stopped, frozen, or ends itself, and another takes its place.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use crate::{process::Process, relay::RunningRelay, worker::Worker, world::World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Worker,
    Relay,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    Kill,
    Stop,
    Freeze(Duration),
    /// Stop, and start no other.
    End,
}

enum Running {
    Worker(Worker),
    Relay(RunningRelay),
}

impl Running {
    async fn start(role: Role, process: &Arc<Process>) -> Self {
        match role {
            Role::Relay => Self::Relay(RunningRelay::start(process)),
            Role::Worker => loop {
                match Worker::start(process).await {
                    Ok(worker) => return Self::Worker(worker),
                    Err(error) => process.note(|| format!("cannot start: {error}")),
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            },
        }
    }

    async fn kill(self) {
        match self {
            Self::Worker(worker) => worker.kill().await,
            Self::Relay(relay) => relay.kill().await,
        }
    }

    async fn stop(&mut self) {
        match self {
            Self::Worker(worker) => worker.stop().await,
            Self::Relay(relay) => relay.stop().await,
        }
    }
}

pub(crate) struct Slot {
    orders: UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Slot {
    pub(crate) fn open(world: &Arc<World>, role: Role, number: u64) -> Self {
        let (orders, receiver) = unbounded_channel();
        let world = world.clone();
        Self { orders, task: tokio::spawn(async move { run(&world, role, number, receiver).await }) }
    }

    pub(crate) fn order(&self, order: Order) {
        self.orders.send(order).expect("it listens");
    }

    /// Ends it in order.
    pub(crate) async fn end(self) {
        self.order(Order::End);
        self.task.await.expect("a slot does not panic");
    }
}

async fn run(world: &Arc<World>, role: Role, number: u64, mut orders: UnboundedReceiver<Order>) {
    for incarnation in 0.. {
        let process = Process::new(world, format!("{role:?} {number}.{incarnation}"));
        process.note(|| "starts".to_owned());
        let mut running = Running::start(role, &process).await;
        let end = live(&process, &mut running, &mut orders).await;
        if let Some(order) = end {
            process.note(|| format!("{order:?}"));
            // One that ends itself while it stops is dropped, as it would be.
            tokio::select! {
                biased;
                () = process.crashed() => {}
                () = running.stop() => process.note(|| "stopped".to_owned()),
            }
        }
        process.die();
        running.kill().await;
        if matches!(end, Some(Order::End)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(world.chance.below(50))).await;
    }
}

/// Lets it live until it is to be stopped; `None` when it has ended suddenly.
async fn live(process: &Arc<Process>, running: &mut Running, orders: &mut UnboundedReceiver<Order>) -> Option<Order> {
    loop {
        let order = tokio::select! {
            biased;
            () = process.crashed() => return None,
            order = orders.recv() => order.unwrap_or(Order::End),
        };
        match order {
            Order::Kill => return None,
            Order::Stop | Order::End => return Some(order),
            Order::Freeze(time) => {
                process.freeze(time);
                process.world.froze();
                if let Running::Worker(worker) = running
                    && process.world.chance.below(2) == 0
                {
                    process.world.broker.revoke(worker.stream);
                }
            }
        }
    }
}
