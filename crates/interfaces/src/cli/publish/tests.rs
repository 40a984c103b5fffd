use std::{
    io::{Cursor, Write},
    sync::{Arc, Mutex},
};

use activelog_application::{
    ports::{BrokerHealth, EventPublisher, PublishError, PublishErrorKind},
    testing::broker::event,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    LineParser, PublishEnd, PublishProgress, PublishTools, Source,
    lines::{Line, Lines},
    publish,
};
use crate::cli::OutputFormat;

/// Takes everything but what is called `bad.one`; the first `away` times it takes nothing.
#[derive(Default)]
struct Publisher {
    taken: Mutex<Vec<EventEnvelope>>,
    away: Mutex<u32>,
}

#[async_trait]
impl EventPublisher for Publisher {
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        self.publish_batch(std::slice::from_ref(event)).await.remove(0)
    }

    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Result<(), PublishError>> {
        let mut away = self.away.lock().expect("not poisoned");
        let gone = *away > 0;
        *away = away.saturating_sub(1);
        let take = |event: &EventEnvelope| match (gone, event.name.as_str()) {
            (true, _) => Err(PublishError::new(PublishErrorKind::Unavailable, "away")),
            (_, "bad.one") => Err(PublishError::new(PublishErrorKind::Rejected, "not this one")),
            _ => {
                self.taken.lock().expect("not poisoned").push(event.clone());
                Ok(())
            }
        };
        events.iter().map(take).collect()
    }

    fn health(&self) -> BrokerHealth {
        BrokerHealth::Up
    }

    async fn close(&self) -> Result<(), PublishError> {
        Ok(())
    }
}

async fn run(publisher: &Arc<Publisher>, text: &str, keep_going: bool) -> (PublishEnd, String) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(text.as_bytes()).expect("it is written");
    let (mut output, progress, cancel) = (Vec::new(), PublishProgress::hidden(), CancellationToken::new());
    let tools = PublishTools {
        publisher: publisher.clone(),
        parser: LineParser::for_tests(),
        output: &mut output,
        progress: &progress,
        cancel: &cancel,
    };
    let end = publish(Source::of(Some(file.path())), keep_going, OutputFormat::Text, tools).await;
    (end.expect("it can be read and written"), String::from_utf8(output).expect("UTF-8"))
}

fn json(event: &EventEnvelope) -> String {
    serde_json::to_string(event).expect("JSON")
}

#[tokio::test]
async fn what_is_printed_is_taken_back_byte_for_byte() {
    let mut binary = event("thing.done", "thing-1", 2);
    binary.content_type = "application/octet-stream".to_owned();
    binary.data = vec![0, 255, 10].into();
    let events = [event("thing.done", "thing-1", 1), binary];
    let lines = format!(
        "{}\n\n{{\"partition\":3,\"position\":9,\"published_at\":\"2026-03-12T00:00:00Z\",\"event\":{}}}",
        json(&events[0]),
        json(&events[1])
    );
    let publisher = Arc::new(Publisher::default());
    let (end, told) = run(&publisher, &lines, false).await;
    assert_eq!(end, PublishEnd::Done, "{told}");
    assert_eq!(*publisher.taken.lock().expect("not poisoned"), events);
    assert!(told.contains(&format!("line 3: accepted {}", events[1].id)), "{told}");
    assert!(told.ends_with("2 accepted by the broker, 0 not\n"), "{told}");
}

#[test]
fn an_event_of_somebody_else_needs_three_attributes() {
    let parse = |line: &str| LineParser::for_tests().parse(line.as_bytes());
    let event = parse(r#"{"specversion":"1.0","source":"/shop","type":"order.placed"}"#).expect("an event");
    assert_eq!((event.sequence, event.version, event.data.len()), (0, 1, 0));
    assert_eq!((event.partition_key, event.correlation_id), (event.id.to_string(), event.id));
    assert_ne!(event.id, Uuid::nil());
    let given = r#"{"specversion":"1.0","source":"/shop","type":"order.placed","id":"7","subject":"order-7"}"#;
    let [one, two] = [parse(given), parse(given)].map(|event| event.expect("an event"));
    assert_eq!((one.id, one.partition_key), (two.id, "order-7".to_owned()));
    let text = r#"{"specversion":"1.0","source":"/s","type":"a.b","datacontenttype":"text/plain","data":"hi"}"#;
    assert_eq!(&parse(text).expect("an event").data[..], b"hi");
    let large = format!(r#"{{"specversion":"1.0","source":"/s","type":"a.b","data":"{}"}}"#, "x".repeat(2_000));
    for (bad, reason) in [
        ("[1]", "invalid type"),
        ("{", "EOF"),
        (r#"{"specversion":"1.0","type":"a.b"}"#, "source"),
        (r#"{"specversion":"0.3","source":"/s","type":"a.b"}"#, "specversion"),
        (r#"{"specversion":"1.0","source":"/s","type":"a.*"}"#, "type must"),
        (r#"{"specversion":"1.0","source":"/s","type":"a.b","sequence":"x"}"#, "sequence"),
        (r#"{"specversion":"1.0","source":"/s","type":"a.b","data":1,"data_base64":"AA=="}"#, "both"),
        (large.as_str(), "2002 bytes of data, at most 1024"),
    ] {
        let error = parse(bad).expect_err(bad).to_string();
        assert!(error.contains(reason), "{bad}: {error}");
    }
}

#[tokio::test]
async fn a_bad_line_stops_everything_before_anything_is_sent() {
    let good = json(&event("thing.done", "thing-1", 1));
    let publisher = Arc::new(Publisher::default());
    let lines = format!("{good}\nnonsense\n{good}");
    let (end, told) = run(&publisher, &lines, false).await;
    assert_eq!(end, PublishEnd::NothingSent);
    assert!(told.contains("line 2: no event: "), "{told}");
    assert!(publisher.taken.lock().expect("not poisoned").is_empty());
    let (end, told) = run(&publisher, &lines, true).await;
    assert_eq!(end, PublishEnd::SomeRefused);
    assert!(told.ends_with("2 accepted by the broker, 1 not\n"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn the_broker_may_refuse_one_and_be_away_for_a_while() {
    let lines = [event("thing.done", "a", 1), event("bad.one", "b", 1), event("thing.done", "c", 1)].map(|e| json(&e));
    let publisher = Arc::new(Publisher { away: Mutex::new(5), ..Publisher::default() });
    let (end, told) = run(&publisher, &lines.join("\n"), true).await;
    assert_eq!(end, PublishEnd::SomeRefused);
    assert!(told.contains("line 2: refused by the broker") && told.contains("not this one"), "{told}");
    assert_eq!(publisher.taken.lock().expect("not poisoned").len(), 2);
    let gone = Arc::new(Publisher { away: Mutex::new(u32::MAX), ..Publisher::default() });
    let (end, told) = run(&gone, &lines.join("\n"), true).await;
    assert_eq!(end, PublishEnd::Failed);
    assert!(told.contains("line 1: not accepted: ") && told.contains("away"), "{told}");
}

#[test]
fn long_lines_are_passed_over() {
    let mut lines = Lines::new(Cursor::new(b"\xef\xbb\xbf12345\n123456\n\n12\r\n".as_slice()), 8);
    let mut seen = Vec::new();
    while let Some(line) = lines.next().expect("memory can be read") {
        seen.push(line);
    }
    assert_eq!(seen[0], (1, Line::Whole(b"12345".to_vec())));
    assert_eq!(seen[2], (4, Line::Whole(b"12\r".to_vec())));
    let mut lines = Lines::new(Cursor::new(b"123456789\nab".as_slice()), 8);
    assert_eq!(lines.next().expect("memory"), Some((1, Line::TooLong)));
    assert_eq!(lines.next().expect("memory"), Some((2, Line::Whole(b"ab".to_vec()))));
    assert_eq!(lines.next().expect("memory"), None);
}
