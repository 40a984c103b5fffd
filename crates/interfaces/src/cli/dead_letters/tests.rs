use std::sync::Arc;

use activelog_application::{
    failures::{FailedEvents, Remedy},
    ports::{
        Addressed, AfterDeadLetter, Clock, DeadLetterFilter, DeadLetterState, DeathReason, Failures, ParkingStore,
        StorageErrorKind,
    },
    testing::{FakeClock, MemoryRepositories, broker::event},
};
use clap::{CommandFactory, Parser};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Choice, ChoiceError, Ending, FailedEventsError, Progress, Tools, list, remedy, show};
use crate::cli::{Cli, Command, DeadLettersCommand, ListDeadLettersArgs, RemedyArgs, ShowDeadLetterArgs};

fn parse(arguments: &str) -> Result<DeadLettersCommand, clap::Error> {
    let words = ["activelog", "dead-letters"].into_iter().chain(arguments.split_whitespace());
    match Cli::try_parse_from(words)?.command {
        Command::DeadLetters(args) => Ok(args.command),
        other => panic!("{other:?}"),
    }
}

fn list_args(arguments: &str) -> ListDeadLettersArgs {
    match parse(&format!("list {arguments}")) {
        Ok(DeadLettersCommand::List(args)) => args,
        other => panic!("{other:?}"),
    }
}

fn show_args(arguments: &str) -> ShowDeadLetterArgs {
    match parse(&format!("show {arguments}")) {
        Ok(DeadLettersCommand::Show(args)) => args,
        other => panic!("{other:?}"),
    }
}

fn replay_args(arguments: &str) -> RemedyArgs {
    match parse(&format!("replay {arguments}")) {
        Ok(DeadLettersCommand::Replay(args)) => args,
        other => panic!("{other:?}"),
    }
}

/// The failed events of a storage, and the storage.
async fn with(count: u64) -> (FailedEvents, MemoryRepositories) {
    let storage = MemoryRepositories::new();
    let store = storage.failures();
    let at = FakeClock::default().now();
    for n in 1..=count {
        let event = Arc::new(event("thing.made", &format!("thing-{n}"), 1));
        let addressed = Addressed { handler: "figures".to_owned(), group: "g".to_owned(), event };
        let error = format!("no figures {n}\u{1b}[2J: connection refused");
        let failures = Failures { attempts: 3, first_at: at, last_at: at, error };
        let buried = store.bury(&addressed, DeathReason::Exhausted, &failures, AfterDeadLetter::Continue).await;
        assert!(buried.expect("memory takes it"));
    }
    (FailedEvents::new(Arc::new(store.clone()), Arc::new(store)), storage)
}

/// Output and notes of a list.
async fn listed(failed: &FailedEvents, arguments: &str) -> (String, String) {
    let (args, never) = (list_args(arguments), CancellationToken::new());
    let (mut output, mut notes) = (Vec::new(), Vec::new());
    let filter = args.filter().expect("a filter");
    list(failed, &filter, &args, &mut output, &mut notes, &never).await.expect("memory can be read");
    (String::from_utf8(output).expect("UTF-8"), String::from_utf8(notes).expect("UTF-8"))
}

async fn run(failed: &FailedEvents, what: Remedy, arguments: &str) -> (Result<Ending, FailedEventsError>, String) {
    let (args, never) = (replay_args(arguments), CancellationToken::new());
    let (mut output, progress) = (Vec::new(), Progress::hidden());
    let choice = Choice::of(&args).expect("a choice");
    let tools = Tools { failed, output: &mut output, progress: &progress, cancel: &never };
    let ending = remedy(tools, what, &choice, &args).await;
    (ending, String::from_utf8(output).expect("UTF-8"))
}

async fn done(failed: &FailedEvents, what: Remedy, arguments: &str) -> (Ending, String) {
    let (ending, output) = run(failed, what, arguments).await;
    (ending.expect("memory can be changed"), output)
}

#[test]
fn filters_are_read() {
    const ID: &str = "01929d5e-0000-7000-8000-000000000001";
    let filter = list_args(&format!(
        "--handler figures --event activity.created --aggregate {ID} --reason crashed --state dead --from 2026-03-12 --to 2026-03-12T18:00:00Z"
    ))
    .filter();
    let expected = DeadLetterFilter {
        handler: Some("figures".to_owned()),
        event: Some("activity.created".to_owned()),
        subject: Some(format!("activity-{ID}")),
        reason: Some(DeathReason::Crashed),
        state: Some(DeadLetterState::Dead),
        from: "2026-03-12T00:00:00Z".parse().ok(),
        to: "2026-03-12T18:00:00Z".parse().ok(),
    };
    assert_eq!(filter, Ok(expected));
    for (bad, told) in [
        ("list --reason bad", "exhausted, permanent, undecodable or crashed"),
        ("list --state gone", "dead, replaying, replayed or discarded"),
        ("list --from yesterday", "RFC 3339"),
        ("list --limit 0", "0"),
        ("list --handler= ", "1 to 300"),
        ("show 0", "0"),
        ("show", "NUMBER"),
        ("replay 1 --handler figures", "cannot be used with"),
        ("replay 1 --all", "cannot be used with"),
        ("replay --all --from 2026-03-12", "cannot be used with"),
        ("replay --all --state dead", "--state"),
        ("discard x", "invalid value"),
    ] {
        let error = parse(bad).expect_err(bad).to_string();
        assert!(error.contains(told), "{bad}: {error}");
    }
    assert_eq!(list_args("--from 2026-03-13 --to 2026-03-12").filter(), Err(ChoiceError::Times));
}

#[test]
fn nothing_is_acted_on_unless_the_arguments_say_which() {
    let choice = |arguments: &str| Choice::of(&replay_args(arguments));
    assert_eq!(choice(""), Err(ChoiceError::Nothing));
    assert_eq!(choice("--dry-run --limit 5"), Err(ChoiceError::Nothing));
    assert_eq!(choice("--from 2026-03-13 --to 2026-03-12"), Err(ChoiceError::Times));
    assert_eq!(choice("3 1 3 2"), Ok(Choice::Numbers(vec![1, 2, 3])));
    assert_eq!(choice("--all"), Ok(Choice::Matching(DeadLetterFilter::default())));
    assert!(matches!(choice("--reason crashed --limit 5"), Ok(Choice::Matching(filter)) if filter.reason.is_some()));
}

#[test]
fn every_command_has_an_example() {
    let mut command = Cli::command();
    for name in ["dead-letters", "parked"] {
        let group = command.find_subcommand_mut(name).expect("it is there");
        for command in group.get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("activelog {name} {}", command.get_name())), "{help}");
        }
    }
}

#[tokio::test]
async fn lists_are_for_people_or_machines_and_say_when_there_is_more() {
    let (failed, _) = with(600).await;
    let (text, notes) = listed(&failed, "").await;
    assert_eq!(text.lines().count(), 51, "a head and fifty");
    assert!(text.contains("600  dead       2026-03-12T18:00:00Z  exhausted    figures"), "{text}");
    assert!(!text.contains('\u{1b}'), "nothing steers the terminal");
    assert!(notes.contains("--before 551"), "{notes}");
    let (json, notes) = listed(&failed, "--output json --limit 1000").await;
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((lines.len(), lines[0]["id"].as_i64(), lines[599]["id"].as_i64()), (600, Some(600), Some(1)));
    assert_eq!((&lines[0]["event"]["type"], &lines[0]["deaths"][0]["attempts"]), (&"thing.made".into(), &3.into()));
    assert_eq!(notes, "");
    let (text, _) = listed(&failed, "--before 3").await;
    assert_eq!(text.lines().count(), 3);
    let (text, notes) = listed(&failed, "--handler other").await;
    assert_eq!((text.as_str(), notes.as_str()), ("", "No dead letters match.\n"));
}

#[tokio::test]
async fn one_is_shown_whole() {
    let (failed, _) = with(1).await;
    let mut output = Vec::new();
    assert!(show(&failed, &show_args("1"), &mut output).await.expect("memory can be read"));
    let text = String::from_utf8(output).expect("UTF-8");
    for expected in [
        "Dead letter 1: dead",
        "figures (group g)",
        "exhausted after 3 attempts",
        "connection refused",
        "\"specversion\": \"1.0\"",
        "\"sequence\": 1",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "nothing steers the terminal");
    let mut output = Vec::new();
    assert!(!show(&failed, &show_args("2"), &mut output).await.expect("memory can be read"));
    assert!(show(&failed, &show_args("1 --output json"), &mut output).await.expect("memory can be read"));
    let letter: Value = serde_json::from_slice(&output).expect("JSON");
    assert_eq!((&letter["id"], &letter["event"]["subject"]), (&1.into(), &"thing-1".into()));
}

#[tokio::test]
async fn numbers_are_acted_on_one_by_one() {
    let (failed, _) = with(3).await;
    let (ending, text) = done(&failed, Remedy::Replay, "1 2 --dry-run").await;
    assert_eq!((ending, text.as_str()), (Ending::Done, "1: would be replayed\n2: would be replayed\n"));
    assert_eq!(done(&failed, Remedy::Replay, "1").await, (Ending::Done, "1: replayed\n".to_owned()));
    let (ending, text) = done(&failed, Remedy::Discard, "9 2 1").await;
    assert_eq!(ending, Ending::SomeRefused);
    assert_eq!(text, "2: discarded\n1: is being replayed; nothing was done\n9: there is no such dead letter\n");
    assert_eq!(done(&failed, Remedy::Replay, "2").await.0, Ending::NoneDone);
    let (ending, json) = done(&failed, Remedy::Replay, "1 3 9 --output json").await;
    let report: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (ending, &report["done"], &report["not_found"]),
        (Ending::SomeRefused, &vec![3].into(), &vec![9].into())
    );
    assert_eq!(report["not_dead"], serde_json::json!([{ "id": 1, "state": "replaying" }]));
}

#[tokio::test]
async fn what_matches_is_acted_on() {
    let (failed, _) = with(30).await;
    let (ending, text) = done(&failed, Remedy::Replay, "--handler figures --dry-run").await;
    assert_eq!((ending, text.lines().count()), (Ending::Done, 22), "{text}");
    assert!(text.starts_with("30 would be replayed\n") && text.ends_with("… and 10 more\n"), "{text}");
    let (_, json) = done(&failed, Remedy::Replay, "--all --limit 10 --dry-run --output json").await;
    let report: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&report["would"], &report["matched"], &report["done"]), (&10.into(), &30.into(), &0.into()));
    let (_, text) = done(&failed, Remedy::Replay, "--all --limit 10").await;
    assert_eq!(text, "10 replayed, 20 left\n");
    let (_, json) = done(&failed, Remedy::Discard, "--all --output json").await;
    let report: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&report["action"], &report["done"], &report["remaining"]), (&"discard".into(), &20.into(), &0.into()));
    let (ending, text) = done(&failed, Remedy::Discard, "--all").await;
    assert_eq!((ending, text.as_str()), (Ending::Done, "No dead letters match: nothing to discard\n"));
}

#[tokio::test]
async fn a_failure_of_the_storage_says_how_far_it_came() {
    let (failed, storage) = with(3).await;
    storage.fail_next("replay dead letter", StorageErrorKind::Unavailable);
    let (ending, output) = run(&failed, Remedy::Replay, "--all").await;
    let told = ending.expect_err("it fails").to_string();
    assert!(told.starts_with("stopped after ") && output.is_empty(), "{told}");
}

#[tokio::test]
async fn an_interruption_is_told() {
    let (failed, _) = with(3).await;
    for arguments in ["1 2", "--all"] {
        let (args, cancel) = (replay_args(arguments), CancellationToken::new());
        cancel.cancel();
        let (mut output, progress) = (Vec::new(), Progress::hidden());
        let tools = Tools { failed: &failed, output: &mut output, progress: &progress, cancel: &cancel };
        let choice = Choice::of(&args).expect("a choice");
        let ending = remedy(tools, Remedy::Replay, &choice, &args).await.expect("memory can be changed");
        assert_eq!(ending, Ending::Interrupted);
        assert!(String::from_utf8(output).expect("UTF-8").contains("run the same command again"), "{arguments}");
    }
}
