use std::{net::SocketAddr, time::Duration};

use anyhow::ensure;
use serde_json::json;

use crate::{
    bench::{Bench, Database},
    figures::{Figures, whole},
    load,
    process::{Process, free_address},
    report::Row,
};

/// How many clients there are.
pub(crate) const CONNECTIONS: usize = 64;

/// The pool sizes of which the bare server gets the one it is fastest with.
const SQLITE_POOLS: [u32; 3] = [1, 4, 16];

/// PostgreSQL: as many as activelog uses by default.
const POSTGRES_POOL: u32 = 16;

/// A server under load, and what the turns so far have found.
pub(crate) struct Server<'b> {
    process: Process,
    address: SocketAddr,
    database: &'b Database,
    created: u64,
    rates: Figures,
    latencies: Vec<f64>,
}

impl<'b> Server<'b> {
    /// The program itself in a role.
    pub(crate) fn activelog(bench: &Bench, role: &str, database: &'b Database) -> anyhow::Result<Self> {
        let address = free_address()?;
        let listen = address.to_string();
        let arguments = [role, "--listen", &listen, "--database-url", &database.url];
        Self::answering(Process::activelog(&bench.new_folder(role)?, &arguments)?, address, database)
    }

    fn bare(bench: &Bench, database: &'b Database, pool: u32) -> anyhow::Result<Self> {
        let address = free_address()?;
        let arguments = ["bare-server", &address.to_string(), &database.url, &pool.to_string()];
        Self::answering(Process::counterpart(&bench.new_folder("bare")?, &arguments)?, address, database)
    }

    fn answering(mut process: Process, address: SocketAddr, database: &'b Database) -> anyhow::Result<Self> {
        process.wait_for_http(address)?;
        Ok(Self { process, address, database, created: 0, rates: Figures::default(), latencies: Vec::new() })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A load that does not count.
    fn warm_up(&mut self, bench: &Bench) -> anyhow::Result<f64> {
        let outcome =
            bench.block_on(load::closed(self.address, CONNECTIONS, bench.turn.min(Duration::from_secs(2))))?;
        self.created += outcome.created;
        Ok(outcome.rate())
    }

    fn turn(&mut self, bench: &Bench) -> anyhow::Result<()> {
        let outcome = bench.block_on(load::closed(self.address, CONNECTIONS, bench.turn))?;
        self.created += outcome.created;
        self.rates.push(outcome.rate());
        self.latencies.extend(outcome.latencies);
        Ok(())
    }

    /// Stops it. Fails unless exactly what was answered with 201 is stored.
    fn finish(mut self, bench: &Bench) -> anyhow::Result<Measured> {
        self.process.ensure_runs()?;
        self.process.stop()?;
        let stored = bench.number(self.database, "SELECT count(*) FROM activities")?;
        ensure!(u64::try_from(stored) == Ok(self.created), "{} answered 201, {stored} stored", self.created);
        let latencies: Figures = self.latencies.into_iter().collect();
        let note = format!("{}/s, {}", self.rates.range(), latencies.quantiles());
        Ok(Measured { rates: self.rates, note })
    }

    /// Stops it, whatever it has stored.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.process.stop()
    }
}

/// What the turns of a server came to.
struct Measured {
    rates: Figures,
    note: String,
}

/// `POST /activities` on SQLite.
pub(crate) fn sqlite(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let (pool, tried) = best_pool(bench)?;
    let (ours, theirs) = (bench.new_sqlite("api")?, bench.new_sqlite("bare")?);
    let mut row = contest(bench, "create-sqlite", &ours, &theirs, pool)?;
    row.bar = "≥ 5";
    row.holds = row.ratio.map(|ratio| ratio >= 5.0);
    row.note += &format!("; bare pool of {pool}, its best ({tried})");
    // With relay and worker in the same process, and last: they go on working after the load.
    let database = bench.new_sqlite("serve")?;
    let mut serve = Server::activelog(bench, "serve", &database)?;
    for _ in 0..bench.rounds {
        serve.turn(bench)?;
    }
    let serve = serve.finish(bench)?;
    let raw = row.figures["raw"]["median"].as_f64().unwrap_or(f64::NAN);
    let mut all_in_one = Row::new("create-sqlite (serve)").rates(serve.rates.median(), raw);
    all_in_one.figures = json!({ "activelog": figures(&serve.rates) });
    all_in_one.note = format!("relay and worker in the same process: {}", serve.note);
    Ok(vec![row, all_in_one])
}

/// `POST /activities` on PostgreSQL.
pub(crate) fn postgres(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    const NAME: &str = "create-postgres";
    let server = match bench.postgres()? {
        Ok(server) => server,
        Err(missing) => return Ok(vec![Row::left_out(NAME, missing)]),
    };
    let (ours, theirs) = (bench.new_postgres(server)?, bench.new_postgres(server)?);
    let mut row = contest(bench, NAME, &ours, &theirs, POSTGRES_POOL)?;
    row.bar = "≥ 0.8";
    row.holds = row.ratio.map(|ratio| ratio >= 0.8);
    row.note += &format!("; pools of {POSTGRES_POOL}");
    Ok(vec![row])
}

/// Both in turns, as a machine's speed is not constant.
fn contest(bench: &Bench, name: &str, ours: &Database, theirs: &Database, pool: u32) -> anyhow::Result<Row> {
    let mut activelog = Server::activelog(bench, "api", ours)?;
    let mut bare = Server::bare(bench, theirs, pool)?;
    if !bench.smoke {
        activelog.warm_up(bench)?;
        bare.warm_up(bench)?;
    }
    for _ in 0..bench.rounds {
        activelog.turn(bench)?;
        bare.turn(bench)?;
    }
    let (activelog, bare) = (activelog.finish(bench)?, bare.finish(bench)?);
    let mut row = Row::new(name).rates(activelog.rates.median(), bare.rates.median());
    row.note = format!("activelog {}; raw {}", activelog.note, bare.note);
    row.figures = json!({ "activelog": figures(&activelog.rates), "raw": figures(&bare.rates) });
    Ok(row)
}

fn figures(rates: &Figures) -> serde_json::Value {
    json!({ "median": rates.median(), "turns": rates })
}

/// The pool size with which the bare server is fastest, and how fast it was with each.
fn best_pool(bench: &Bench) -> anyhow::Result<(u32, String)> {
    let (mut best, mut tried) = ((SQLITE_POOLS[0], 0.0), Vec::new());
    if bench.smoke {
        return Ok((best.0, "not tried".to_owned()));
    }
    for pool in SQLITE_POOLS {
        let database = bench.new_sqlite("pool")?;
        let mut server = Server::bare(bench, &database, pool)?;
        let rate = server.warm_up(bench)?;
        server.stop()?;
        tried.push(format!("{pool}: {}/s", whole(rate)));
        if rate > best.1 {
            best = (pool, rate);
        }
    }
    Ok((best.0, tried.join(", ")))
}
