//! Brokers that want to know who asks, and speak TLS with a certificate of an authority of their own: the program works with the right password and the authority's
//! certificate, and else says what is wrong, without the password.
#![cfg(all(feature = "kafka-tls", feature = "nats", feature = "rabbitmq", feature = "redis", feature = "sqlite"))]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "credentials/authority.rs"]
mod authority;
#[path = "credentials/program.rs"]
mod program;
mod support;

use std::process::Command;

use authority::Authority;
use program::{refused, works};
use support::{Kind, PrivateBroker, broker_left_out, private_kafka, private_postgres::free_port};

/// With letters that mean something in URLs; and as it is in one.
const PASSWORD: &str = "hu/sh@7";
const IN_A_URL: &str = "hu%2Fsh%407";

/// A server with this configuration, told the port it is on; that it is missing is said.
fn server(kind: Kind, configuration: impl Fn(u16) -> String) -> Option<PrivateBroker> {
    let server = PrivateBroker::start_with(kind, configuration);
    if server.is_none() {
        broker_left_out(kind);
    }
    server
}

/// That `url` works, and neither with another password nor without the authority.
async fn only_as_it_should(url: &str, authority: &Authority, about_the_user: &[&str]) {
    works(url, Some(authority)).await;
    refused(&url.replace(IN_A_URL, "wr0ng%2Fpass"), Some(authority), about_the_user).await;
    refused(url, None, &["certificate"]).await;
}

#[tokio::test]
async fn redis_with_a_user_over_tls() {
    let Some(authority) = Authority::new() else { return };
    let secure = free_port();
    let configuration = |_| {
        format!(
            "user default off\nuser anna on >{PASSWORD} ~* &* +@all\ntls-port {secure}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
             tls-auth-clients no\n",
            authority.file("server.pem"),
            authority.file("server.key"),
            authority.file("ca.pem"),
        )
    };
    let Some(server) = server(Kind::Redis, configuration) else { return };
    works(&format!("redis://anna:{IN_A_URL}@127.0.0.1:{}", server.port()), None).await;
    refused(&format!("redis://127.0.0.1:{}", server.port()), None, &["uthentication"]).await;
    let url = format!("rediss://anna:{IN_A_URL}@127.0.0.1:{secure}");
    only_as_it_should(&url, &authority, &["uthentication"]).await;
}

#[tokio::test]
async fn nats_with_a_user_over_tls() {
    let Some(authority) = Authority::new() else { return };
    let configuration = |_| {
        format!(
            "authorization {{ user: anna, password: {PASSWORD:?} }}\ntls {{ cert_file: {:?}, key_file: {:?} }}\n",
            authority.file("server.pem"),
            authority.file("server.key"),
        )
    };
    let Some(server) = server(Kind::Nats, configuration) else { return };
    let url = format!("nats://anna:{IN_A_URL}@127.0.0.1:{}", server.port());
    only_as_it_should(&url, &authority, &["user or password are wrong"]).await;
}

#[tokio::test]
async fn nats_with_a_token() {
    let configuration = |_| format!("authorization {{ token: {PASSWORD:?} }}\n");
    let Some(server) = server(Kind::Nats, configuration) else { return };
    let url = format!("nats://{IN_A_URL}@127.0.0.1:{}", server.port());
    works(&url, None).await;
    refused(&url.replace(IN_A_URL, "wr0ng%2Fpass"), None, &["wrong"]).await;
}

#[tokio::test]
async fn rabbitmq_with_a_user_and_a_virtual_host_over_tls() {
    let Some(authority) = Authority::new() else { return };
    let secure = free_port();
    let configuration = |_| {
        format!(
            "default_user = anna\ndefault_pass = {PASSWORD}\ndefault_vhost = shop\nlisteners.ssl.1 = 127.0.0.1:{secure}\nssl_options.cacertfile = {}\n\
             ssl_options.certfile = {}\nssl_options.keyfile = {}\nssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\n",
            authority.file("ca.pem"),
            authority.file("server.pem"),
            authority.file("server.key"),
        )
    };
    let Some(server) = server(Kind::RabbitMq, configuration) else { return };
    works(&format!("amqp://anna:{IN_A_URL}@127.0.0.1:{}/shop", server.port()), None).await;
    refused(&format!("amqp://anna:{IN_A_URL}@127.0.0.1:{}/elsewhere", server.port()), None, &["elsewhere"]).await;
    let url = format!("amqps://anna:{IN_A_URL}@127.0.0.1:{secure}/shop");
    only_as_it_should(&url, &authority, &["ACCESS_REFUSED"]).await;
}

#[tokio::test]
async fn kafka_with_a_user_over_tls() {
    let Some(authority) = Authority::new() else { return };
    let (secure, inner, controller) = (free_port(), free_port(), free_port());
    let login = format!("org.apache.kafka.common.security.plain.PlainLoginModule required user_anna=\"{PASSWORD}\";");
    let configuration = |port| {
        format!(
            "listeners=SASL_PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secure},INNER://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{secure},INNER://127.0.0.1:{inner}
inter.broker.listener.name=INNER
listener.security.protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.quorum.voters=1@127.0.0.1:{controller}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_plaintext.plain.sasl.jaas.config={login}
listener.name.sasl_ssl.plain.sasl.jaas.config={login}
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={}
",
            authority.file("keystore.pem"),
        )
    };
    let Some(server) = server(Kind::Kafka, configuration) else { return };
    let plain = format!("kafka://anna:{IN_A_URL}@127.0.0.1:{}", server.port());
    works(&plain, None).await;
    refused(&plain.replace(IN_A_URL, "wr0ng%2Fpass"), None, &["user or password are wrong"]).await;
    let url = format!("kafkas://anna:{IN_A_URL}@127.0.0.1:{secure}");
    only_as_it_should(&url, &authority, &["user or password are wrong"]).await;
    for mechanism in ["scram-sha-256", "scram-sha-512"] {
        add_scram_user("berta", mechanism, inner);
        let url = format!("kafkas://berta:{IN_A_URL}@127.0.0.1:{secure}?sasl={mechanism}&namespace=proven");
        only_as_it_should(&url, &authority, &["user or password are wrong"]).await;
    }
}

/// Has Kafka know a user with [`PASSWORD`] by a proof of it. One at a time: it alters a user once in a request.
fn add_scram_user(name: &str, mechanism: &str, port: u16) {
    let java = Kind::Kafka.find().expect("the server runs by it");
    let jars = private_kafka::jars().expect("they are there").join("*");
    let mut command = Command::new(java);
    command.arg("-cp").arg(jars).args([
        "kafka.admin.ConfigCommand",
        "--bootstrap-server",
        &format!("127.0.0.1:{port}"),
    ]);
    command.args(["--alter", "--entity-type", "users", "--entity-name", name]);
    let proof = format!("{}=[password={PASSWORD}]", mechanism.to_uppercase());
    let output = command.args(["--add-config", &proof]).output();
    let output = output.expect("java runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
