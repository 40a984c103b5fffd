use std::{error::Error, net::IpAddr, time::Duration};

use activelog_application::webhook::ports::{SendError, WebhookRequest, WebhookSender};
use activelog_domain::webhook::Reach;
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, StatusCode, Uri,
    header::{CONTENT_TYPE, USER_AGENT},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use super::{
    body::discard,
    resolver::{NotAllowed, Resolver},
    signature::signatures,
    tls,
};

/// How this program calls itself.
const AGENT: &str = concat!("activelog/", env!("CARGO_PKG_VERSION"));

/// The most of an answer's head that is read, in bytes.
const HEAD_MAX: usize = 32 * 1024;

/// How long a connection waits for its next request, and how many do per receiver.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_MAX: usize = 2;

/// The longest reason for a receiver that cannot be reached, in bytes.
const REASON_MAX: usize = 200;

/// How requests are sent.
#[derive(Debug, Clone, Copy)]
pub struct WebhookSenderOptions {
    /// How long one may take in all.
    pub timeout: Duration,
    /// Where they may go.
    pub reach: Reach,
}

/// Sends requests to webhooks over HTTP/1.1 and TLS.
pub struct HttpWebhookSender {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    options: WebhookSenderOptions,
}

impl HttpWebhookSender {
    /// A sender with connections of its own. Must be called within a Tokio runtime. Fails when TLS cannot be set up.
    pub fn new(options: WebhookSenderOptions) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new_with_resolver(Resolver { reach: options.reach });
        http.enforce_http(false);
        http.set_connect_timeout(Some(options.timeout));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config()?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .http1_max_buf_size(HEAD_MAX)
            .build(https);
        Ok(Self { client, options })
    }

    /// The request as it travels, unless it may not.
    fn prepare(&self, request: WebhookRequest) -> Result<Request<Full<Bytes>>, SendError> {
        let defect = |what: &str| SendError::Unreachable(format!("the request cannot be made: {what}"));
        let uri: Uri = request.url.expose().parse().map_err(|_| defect("its URL is not one"))?;
        // An address that needs no looking up does not come by the resolver. What counts is what will be connected to.
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.parse::<IpAddr>().is_ok_and(|address| !self.options.reach.allows(address)) {
            return Err(SendError::Forbidden);
        }
        let (id, timestamp) = (request.id.to_string(), request.timestamp.as_second());
        let signature = signatures(&id, timestamp, &request.body, &request.secrets);
        let signature = signature.ok_or_else(|| defect("there is no secret to sign it with"))?;
        Request::post(uri)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, AGENT)
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Full::new(request.body))
            .map_err(|error| defect(&error.to_string()))
    }
}

#[async_trait]
impl WebhookSender for HttpWebhookSender {
    async fn send(&self, request: WebhookRequest) -> Result<(), SendError> {
        let request = self.prepare(request)?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| failure(&error))?;
            let status = answer.status();
            discard(answer.into_body()).await;
            Ok(status)
        };
        let status = tokio::time::timeout(self.options.timeout, exchange).await.map_err(|_| SendError::TimedOut)??;
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(SendError::Gone),
            status if status.is_redirection() => Err(SendError::Redirect(status.as_u16())),
            status => Err(SendError::Status(status.as_u16())),
        }
    }
}

/// Why there was no answer: the innermost cause says most, and names no URL.
fn failure(error: &(dyn Error + 'static)) -> SendError {
    let mut cause = error;
    loop {
        if is_not_allowed(cause) {
            return SendError::Forbidden;
        }
        match cause.source() {
            Some(inner) => cause = inner,
            None => break,
        }
    }
    let mut reason = cause.to_string();
    reason.truncate(reason.floor_char_boundary(REASON_MAX));
    SendError::Unreachable(reason)
}

fn is_not_allowed(error: &(dyn Error + 'static)) -> bool {
    // An I/O error holds its cause without naming it as its source.
    let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<NotAllowed>() || held.is_some_and(|held| held.is::<NotAllowed>())
}
