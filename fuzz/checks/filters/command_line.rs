use std::cell::RefCell;

use activelog_application::{failures::Remedy, ports::DeadLetterFilter};
use activelog_interfaces::cli::{
    Cli, Command, DeadLettersCommand, EventsCommand, ListDeadLettersArgs, OutputFormat, RemedyArgs,
    dead_letters::{self, Choice, Tools},
};
use clap::{CommandFactory, FromArgMatches};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::site::{self, Site};

/// How long a refusal may be beside what it repeats, in bytes.
const REFUSAL_MAX: usize = 8 * 1_024;

thread_local! {
    /// Made once: it is large.
    static COMMAND: RefCell<clap::Command> = RefCell::new(Cli::command().color(clap::ColorChoice::Never));
}

/// Reads a command line, and runs it where it is one of dead letters.
pub(super) fn run(arguments: &str) {
    let arguments: Vec<&str> = arguments.lines().collect();
    let words = ["activelog"].iter().chain(&arguments);
    let parsed = COMMAND.with_borrow_mut(|command| command.try_get_matches_from_mut(words));
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let given: usize = arguments.iter().map(|argument| argument.len()).sum();
            let told = error.to_string();
            assert!(!told.is_empty() && told.len() <= REFUSAL_MAX + 16 * given, "{} bytes: {told}", told.len());
            return;
        }
    };
    match cli.command {
        Command::DeadLetters(args) => match args.command {
            DeadLettersCommand::List(args) => list(&args, &arguments),
            DeadLettersCommand::Replay(args) => remedy(Remedy::Replay, &args, &arguments),
            DeadLettersCommand::Discard(args) => remedy(Remedy::Discard, &args, &arguments),
            DeadLettersCommand::Show(args) => assert!(args.id >= 1),
        },
        Command::Events(args) => match args.command {
            EventsCommand::Tail(args) => {
                assert!(args.limit != Some(0));
                args.types.iter().for_each(|pattern| assert!(was_given(&arguments, pattern.as_str()), "{pattern}"));
            }
            EventsCommand::Replay(args) => assert!(was_given(&arguments, &args.handler), "{args:?}"),
            EventsCommand::Publish(_) | EventsCommand::Scheduled(_) => {}
        },
        _ => {}
    }
}

/// Whether an argument is this text, or ends in it behind its name.
fn was_given(arguments: &[&str], text: &str) -> bool {
    arguments.iter().any(|argument| argument.ends_with(text))
}

/// Every condition of the filter was given as it is; an aggregate may have been given by its id alone.
fn conditions_were_given(filter: &DeadLetterFilter, arguments: &[&str]) {
    let DeadLetterFilter { handler, event, subject, reason, state, from: _, to: _ } = filter;
    for text in [handler.as_deref(), event.as_deref(), reason.map(|r| r.as_str()), state.map(|s| s.as_str())] {
        assert!(text.is_none_or(|text| was_given(arguments, text)), "{text:?} of {arguments:?}");
    }
    if let Some(subject) = subject {
        let bare = |id: &str| arguments.iter().any(|argument| argument.to_ascii_lowercase().ends_with(id));
        let given = was_given(arguments, subject) || subject.strip_prefix("activity-").is_some_and(bare);
        assert!(given, "{subject} of {arguments:?}");
    }
    if let (Some(from), Some(to)) = (filter.from, filter.to) {
        assert!(from <= to, "{filter:?}");
    }
    let conditions = ["--handler", "--event", "--subject", "--aggregate", "--reason", "--state", "--from", "--to"];
    let named = |argument: &&&str| conditions.iter().any(|name| argument.split('=').next() == Some(name));
    let given = arguments.iter().filter(named).count();
    let held = [handler.is_some(), event.is_some(), subject.is_some(), reason.is_some(), state.is_some()];
    let held = held.into_iter().chain([filter.from.is_some(), filter.to.is_some()]).filter(|held| *held).count();
    assert!(held <= given, "{filter:?} of {arguments:?}");
}

fn list(args: &ListDeadLettersArgs, arguments: &[&str]) {
    let Ok(filter) = args.filter() else { return };
    conditions_were_given(&filter, arguments);
    site::with(|site| {
        let (mut output, mut notes, never) = (Vec::new(), Vec::new(), CancellationToken::new());
        let args = ListDeadLettersArgs { output: OutputFormat::Json, ..args.clone() };
        let listing = dead_letters::list(&site.failed, &filter, &args, &mut output, &mut notes, &never);
        site.runtime.block_on(listing).expect("memory can be read");
        let output = String::from_utf8(output).expect("UTF-8");
        let id = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["id"].as_i64();
        let shown: Vec<i64> = output.lines().map(|line| id(line).expect("a number")).collect();
        let mut expected = chosen(site, &filter);
        expected.reverse();
        expected.retain(|id| args.before.is_none_or(|before| *id < before));
        expected.truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
        assert_eq!(shown, expected);
        assert!(!shown.is_empty() || !notes.is_empty(), "nothing is shown, and nothing said about it");
    });
}

fn remedy(what: Remedy, args: &RemedyArgs, arguments: &[&str]) {
    let Ok(choice) = Choice::of(args) else { return };
    site::with(|site| {
        let mut wanted = match &choice {
            Choice::Numbers(ids) => ids.clone(),
            Choice::Matching(filter) => {
                conditions_were_given(filter, arguments);
                let everything = *filter == DeadLetterFilter::default();
                assert_eq!(everything, arguments.contains(&"--all"), "{filter:?}");
                let dead = activelog_application::ports::DeadLetterState::Dead;
                chosen(site, &DeadLetterFilter { state: Some(dead), ..filter.clone() })
            }
        };
        wanted.truncate(args.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)));
        let (mut output, progress, never) = (Vec::new(), dead_letters::Progress::hidden(), CancellationToken::new());
        let tools = Tools { failed: &site.failed, output: &mut output, progress: &progress, cancel: &never };
        let ending = site.runtime.block_on(dead_letters::remedy(tools, what, &choice, args));
        ending.expect("memory can be changed");
        let acted_on = site.letters.acted_on();
        assert!(!output.is_empty(), "nothing is said about {acted_on:?}");
        if args.dry_run {
            assert!(acted_on.is_empty(), "{acted_on:?} in a dry run");
        }
        assert!(acted_on.iter().all(|id| wanted.contains(id)), "{acted_on:?} of {wanted:?}");
        if matches!(choice, Choice::Matching(_)) && !args.dry_run {
            assert_eq!(acted_on, wanted);
        }
    });
}

/// What a filter chooses, ascending.
fn chosen(site: &Site, filter: &DeadLetterFilter) -> Vec<i64> {
    site.letters.that(|letter| {
        let event = &letter.addressed.event;
        filter.handler.as_ref().is_none_or(|handler| *handler == letter.addressed.handler)
            && filter.event.as_ref().is_none_or(|name| *name == event.name)
            && filter.subject.as_ref().is_none_or(|subject| *subject == event.subject)
            && filter.reason.is_none_or(|reason| reason == letter.death.reason)
            && filter.state.is_none_or(|state| state == letter.state)
            && filter.from.is_none_or(|from| from <= letter.died_at)
            && filter.to.is_none_or(|to| letter.died_at < to)
    })
}
