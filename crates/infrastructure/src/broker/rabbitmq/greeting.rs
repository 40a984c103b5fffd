use futures::{AsyncReadExt, AsyncWriteExt};
use lapin::{
    tcp::{AMQPUriTcpExt, OwnedTLSConfig},
    types::{AMQPValue, FieldTable, parsing::parse_field_table},
    uri::AMQPUri,
};

use super::error::AnyError;

/// What a server says of itself before anybody has logged in. The driver keeps it to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) product: String,
    pub(super) version: Option<String>,
}

const PROTOCOL: &[u8] = b"AMQP\0\0\x09\x01";

/// A greeting is far shorter.
const LONGEST: u32 = 1 << 20;

/// Asks for the greeting, on a connection of its own that goes no further.
pub(super) async fn greeting(uri: &AMQPUri) -> Result<Greeting, AnyError> {
    let (runtime, tls) = (lapin::runtime::default_runtime()?, OwnedTLSConfig::default());
    let mut stream = uri.connect_with_config_async(tls.as_ref(), &runtime).await?;
    stream.write_all(PROTOCOL).await?;
    stream.flush().await?;
    // Kind, channel and length of the frame.
    let mut head = [0; 7];
    stream.read_exact(&mut head).await?;
    let [kind, _, _, length @ ..] = head;
    let length = u32::from_be_bytes(length);
    if kind != 1 || length > LONGEST {
        return Err("this is no RabbitMQ, or one of another protocol".into());
    }
    let mut method = vec![0; usize::try_from(length)?];
    stream.read_exact(&mut method).await?;
    read(&method)
}

/// Reads `connection.start`: its numbers, the version of the protocol, and what the server is.
fn read(method: &[u8]) -> Result<Greeting, AnyError> {
    let rest = method.strip_prefix(&[0, 10, 0, 10]).and_then(|rest| rest.get(2..));
    let rest = rest.ok_or("the server did not begin as RabbitMQ does")?;
    let (_, properties) = parse_field_table(rest).map_err(|_| "what the server says of itself cannot be read")?;
    Ok(Greeting {
        product: text(&properties, "product").unwrap_or_else(|| "an AMQP server".to_owned()),
        version: text(&properties, "version"),
    })
}

fn text(properties: &FieldTable, name: &str) -> Option<String> {
    match properties.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_greeting_is_refused() {
        for bad in [&b""[..], b"\0\x0a", b"\0\x0a\0\x0a\0\x09", b"\0\x0a\0\x0a\0\x09\0\0\0\xff", b"HTTP/1.1"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        let properties = b"\x07productS\0\0\0\x08RabbitMQ\x07versionS\0\0\0\x053.9.1";
        let length = u32::try_from(properties.len()).expect("short").to_be_bytes();
        let whole = [&b"\0\x0a\0\x0a\0\x09"[..], &length, properties].concat();
        let expected = Greeting { product: "RabbitMQ".to_owned(), version: Some("3.9.1".to_owned()) };
        assert_eq!(read(&whole).expect("a greeting"), expected);
    }
}
