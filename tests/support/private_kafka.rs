#![expect(clippy::expect_used, reason = "a server that is there and cannot be prepared fails the test")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::private_postgres::{as_nobody, free_port};

/// Any id will do: there is one node.
const CLUSTER: &str = "YWN0aXZlbG9nLXRlc3RzMQ";

/// Where the jars are in the server's folder: whom it runs as need not see where they were installed.
const JARS: &str = "jars";

const PROPERTIES: &str = "server.properties";

/// For a short life on a small machine.
const JVM: [&str; 6] = [
    "-Xmx384m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Djava.awt.headless=true",
];

/// The newest version that `scripts/install-kafka` has put on this machine.
pub fn jars() -> Option<PathBuf> {
    let configured = std::env::var_os("ACTIVELOG_SERVERS_HOME").map(PathBuf::from);
    let installed = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share/activelog/servers"));
    let versions = fs::read_dir(configured.or_else(installed)?.join("kafka")).ok()?;
    let name = |folder: &PathBuf| folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let folders = versions.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    folders.filter(|folder| name(folder).is_some_and(|name| !name.starts_with('.'))).max()
}

/// Copies the jars, writes the configuration, in which what comes later counts and by which clients come to the port `advertised`, and formats the data folder.
pub fn prepare(java: &Path, folder: &Path, port: u16, advertised: u16, extra: &str) {
    let (from, to) = (jars().expect("it was found"), folder.join(JARS));
    if !to.exists() {
        fs::create_dir(&to).expect("a folder");
        for jar in fs::read_dir(from).expect("the jars").filter_map(Result::ok) {
            fs::copy(jar.path(), to.join(jar.file_name())).expect("a jar");
        }
    }
    fs::write(folder.join(PROPERTIES), properties(folder, port, advertised, free_port()) + extra)
        .expect("a configuration");
    let format = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", CLUSTER, "-c", PROPERTIES];
    let user = as_nobody();
    let mut words = user.iter().map(String::as_str).map(Path::new).chain([java]);
    let mut command = Command::new(words.next().expect("java at least"));
    command.args(words).args(JVM).args(["-cp", &format!("{JARS}/*")]).args(format).current_dir(folder);
    let output = command.stdin(Stdio::null()).output().expect("java runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What `java` is started with.
pub fn arguments() -> Vec<String> {
    let classpath = format!("{JARS}/*");
    let rest = ["-cp", &classpath, "kafka.Kafka", PROPERTIES];
    JVM.iter().chain(&rest).map(|argument| (*argument).to_owned()).collect()
}

/// Whether it answers what protocols it speaks, which it does when it has started.
pub fn answers(connection: &mut TcpStream) -> bool {
    let _ = connection.set_read_timeout(Some(Duration::from_secs(1)));
    // Length, ApiVersions, version 0, correlation 7, no client id.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255];
    let mut answer = [0; 8];
    connection.write_all(&request).and_then(|()| connection.read_exact(&mut answer)).is_ok()
        && answer[4..] == [0, 0, 0, 7]
}

fn properties(folder: &Path, port: u16, advertised: u16, controller: u16) -> String {
    let data = folder.join("data").display().to_string();
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
log.flush.interval.messages=1
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
num.network.threads=2
num.io.threads=4
background.threads=2
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=4194304
"
    )
}
