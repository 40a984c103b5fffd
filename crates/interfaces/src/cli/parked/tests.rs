use std::sync::Arc;

use activelog_application::{
    failures::FailedEvents,
    ports::{Addressed, Clock, Failures, ParkingStore},
    testing::{FakeClock, MemoryRepositories, broker::event},
};
use clap::Parser;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::list;
use crate::cli::{Cli, Command, ListParkedArgs, ParkedCommand};

fn args(arguments: &str) -> ListParkedArgs {
    let words = ["activelog", "parked", "list"].into_iter().chain(arguments.split_whitespace());
    match Cli::try_parse_from(words).map(|cli| cli.command) {
        Ok(Command::Parked(args)) => {
            let ParkedCommand::List(args) = args.command;
            args
        }
        other => panic!("{other:?}"),
    }
}

/// 600 parked events of one aggregate: the first has failed, the others wait behind it.
async fn parked() -> FailedEvents {
    let store = MemoryRepositories::new().failures();
    let at = FakeClock::default().now();
    for n in 1..=600 {
        let event = Arc::new(event("thing.made", "thing-1", n));
        let addressed = Addressed { handler: "figures".to_owned(), group: "g".to_owned(), event };
        let failures = Failures { attempts: 3, first_at: at, last_at: at, error: "no\u{7}figures".to_owned() };
        let failures = (n == 1).then_some(&failures);
        assert!(store.park(&addressed, failures, at).await.expect("memory takes it"));
    }
    FailedEvents::new(Arc::new(store.clone()), Arc::new(store))
}

async fn listed(failed: &FailedEvents, arguments: &str) -> (String, String) {
    let (mut output, mut notes) = (Vec::new(), Vec::new());
    let never = CancellationToken::new();
    list(failed, &args(arguments), &mut output, &mut notes, &never).await.expect("memory can be read");
    (String::from_utf8(output).expect("UTF-8"), String::from_utf8(notes).expect("UTF-8"))
}

#[tokio::test]
async fn parked_events_are_listed_in_their_order() {
    let failed = parked().await;
    let (text, notes) = listed(&failed, "--limit 2").await;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].ends_with("3  no\\u{7}figures"), "{text}");
    assert!(lines.len() == 3 && lines[2].ends_with("0  waits behind another"), "{text}");
    assert!(notes.contains("--after "), "{notes}");
    let (json, notes) = listed(&failed, "--limit 1000 --output json").await;
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((lines.len(), notes.as_str()), (600, ""));
    assert_eq!((&lines[0]["attempts"], &lines[1]["error"]), (&3.into(), &Value::Null));
    assert!(lines.is_sorted_by_key(|line| line["place"].as_i64()), "over several pages");
    assert_eq!(listed(&failed, "--subject thing-2").await, (String::new(), "No parked events match.\n".to_owned()));
}
