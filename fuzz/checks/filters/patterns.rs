use activelog_application::{ports::EventPattern, webhook::WebhookEvents};
use activelog_domain::webhook::{Reach, WebhookUrl, is_public};

/// The events that webhooks can be told of.
const OFFERED: [&str; 3] = ["activity.created", "activity.updated", "activity.deleted"];

/// A pattern, names it may match, and what else a webhook is made of.
pub(super) fn check(first: &str, rest: &str) {
    let names = rest.lines().chain(OFFERED).chain(["", "webhook.delivery.requested", first]);
    match first.parse::<EventPattern>() {
        Ok(pattern) => {
            assert!(pattern.as_str() == first && pattern.to_string() == first && first.len() <= 255, "{pattern}");
            for name in names {
                assert_eq!(pattern.matches(name), matches(first, name), "{pattern} and {name:?}");
                if !pattern.is_wildcard() {
                    assert_eq!(pattern.matches(name), name == first, "{pattern} and {name:?}");
                }
            }
        }
        Err(error) => assert!(error.to_string().len() <= 256 + 10 * first.len(), "{error}"),
    }
    list(&first.split(',').chain(rest.lines()).collect::<Vec<_>>());
    url(first);
}

/// What a pattern means, said another way: by taking words off both.
fn matches(pattern: &str, name: &str) -> bool {
    fn words(pattern: &[&str], name: &[&str]) -> bool {
        match (pattern, name) {
            (["#"], _) | ([], []) => true,
            (["*", pattern @ ..], [_, name @ ..]) => words(pattern, name),
            ([word, pattern @ ..], [first, name @ ..]) => word == first && words(pattern, name),
            _ => false,
        }
    }
    words(&pattern.split('.').collect::<Vec<_>>(), &name.split('.').collect::<Vec<_>>())
}

/// A list of patterns for a webhook wants what one of them matches, and nothing else.
fn list(patterns: &[&str]) {
    let events = match WebhookEvents::new(patterns) {
        Ok(events) => events,
        Err(error) => return assert!(error.to_string().len() <= 1_024, "{error}"),
    };
    assert!((1..=WebhookEvents::MAX).contains(&patterns.len()), "{patterns:?}");
    for name in OFFERED {
        assert_eq!(events.want(name), patterns.iter().any(|pattern| matches(pattern, name)), "{name} of {patterns:?}");
    }
    for pattern in patterns {
        assert!(OFFERED.iter().any(|name| matches(pattern, name)), "{pattern} can match nothing");
    }
    let kept: Vec<&str> = events.patterns().iter().map(EventPattern::as_str).collect();
    assert!(kept.iter().enumerate().all(|(index, pattern)| !kept[..index].contains(pattern)), "{kept:?}");
    assert!(patterns.iter().all(|pattern| kept.contains(pattern)), "{kept:?} of {patterns:?}");
}

/// A URL of a webhook leads to the public internet, and reads back as itself.
fn url(text: &str) {
    let url = match WebhookUrl::new(text, Reach::Public) {
        Ok(url) => url,
        Err(error) => return assert!(error.to_string().len() <= 1_024, "{error}"),
    };
    assert!(url.expose().len() <= WebhookUrl::MAX, "{} bytes", url.expose().len());
    assert!(url.expose().starts_with("https://") || url.expose().starts_with("http://"), "{}", url.expose());
    assert!(url.literal().is_none_or(is_public), "{} leads inside", url.expose());
    let authority = url.expose().split('/').nth(2).unwrap_or_default();
    assert!(!authority.is_empty() && !authority.contains('@'), "{}", url.expose());
    let again = WebhookUrl::new(url.expose(), Reach::Public);
    assert_eq!(again.as_ref().map(WebhookUrl::expose), Ok(url.expose()));
}
