use http_body_util::BodyExt;
use hyper::body::Incoming;

/// How much of an answer's body is read, in bytes: enough that the connection of a receiver with a short answer can be used again.
const READ_MAX: usize = 16 * 1024;

/// Reads an answer's body to its end, or up to a bound, and throws it away. A connection with more on it is closed.
pub(super) async fn discard(mut body: Incoming) {
    let mut left = READ_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, |data| data.len());
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
