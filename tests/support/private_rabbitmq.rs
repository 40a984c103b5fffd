#![expect(clippy::expect_used, reason = "a server that is there and cannot be configured fails the test")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use super::private_postgres::free_port;

/// Where Debian keeps the program itself: what it puts on the path asks for a user of its own.
pub(super) const PACKAGED: &str = "/usr/lib/rabbitmq/bin";

/// The script that starts a server, which takes the place of its shell. Erlang's name service is one of its own, and ends with it.
const START: &str = r#"server=$$
( epmd -port "$1" -address 127.0.0.1 &
  names=$!
  while kill -0 "$server"; do sleep 0.2; done
  kill -KILL "$names" ) 2>/dev/null &
until epmd -port "$1" -names >/dev/null 2>&1; do sleep 0.05; done
exec env -i PATH="$PATH" LANG=C.UTF-8 HOME="$PWD" \
  ERL_EPMD_PORT="$1" ERL_EPMD_ADDRESS=127.0.0.1 \
  RABBITMQ_NODENAME="activelog$2@localhost" RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$2" \
  RABBITMQ_DIST_PORT="$3" RABBITMQ_MNESIA_BASE="$PWD/data" RABBITMQ_LOG_BASE="$PWD/log" \
  RABBITMQ_CONFIG_FILE="$PWD/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE="$PWD/rabbitmq-env.conf" \
  RABBITMQ_ENABLED_PLUGINS_FILE="$PWD/enabled_plugins" RABBITMQ_ALLOW_INPUT=1 \
  RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-noinput +S 2:2 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}" \
  "$4"
"#;

const CONFIGURATION: &str = "log.file = false
log.console = true
log.console.level = warning
vm_memory_high_watermark.absolute = 2GB
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 64000000
";

/// Writes what a server on this port needs, with `extra` lines of configuration. The arguments of `sh` that start it.
pub(super) fn prepare(folder: &Path, program: &Path, port: u16, extra: &str) -> Vec<String> {
    let configuration = format!("{CONFIGURATION}{extra}");
    for (name, text) in
        [("start", START), ("rabbitmq.conf", &configuration), ("rabbitmq-env.conf", ""), ("enabled_plugins", "[].\n")]
    {
        fs::write(folder.join(name), text).expect("a configuration");
    }
    let ports = [free_port(), port, free_port()].map(|port| port.to_string());
    std::iter::once("start".to_owned()).chain(ports).chain([program.display().to_string()]).collect()
}

/// Whether one on this port answers as AMQP has it.
pub(super) fn is_ready(mut connection: TcpStream) -> bool {
    let _ = connection.set_read_timeout(Some(Duration::from_secs(1)));
    let mut answer = [0; 1];
    connection.write_all(b"AMQP\0\0\x09\x01").and_then(|()| connection.read_exact(&mut answer)).is_ok()
}
