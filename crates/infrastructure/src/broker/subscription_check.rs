use activelog_application::ports::{SubscribeError, Subscription};

/// The most characters a name has.
const NAME_MAX: usize = 100;

/// Refuses what cannot be the name of a group.
pub(super) fn check_group(group: &str) -> Result<(), SubscribeError> {
    check_name("group", group)
}

fn check_name(what: &str, name: &str) -> Result<(), SubscribeError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(plain) {
        let reason = format!("{what} {name:?}: must be 1 to {NAME_MAX} of a-z, 0-9, `_`, `-` and `.`");
        return Err(SubscribeError::Invalid(reason));
    }
    Ok(())
}

/// Refuses a subscription that breaks the rules every broker shares.
pub(super) fn check(subscription: &Subscription) -> Result<(), SubscribeError> {
    let group = &subscription.group;
    check_group(group)?;
    if let Some(instance) = &subscription.instance {
        check_name("instance", instance)?;
    }
    if subscription.patterns.is_empty() {
        return Err(SubscribeError::Invalid(format!("group {group}: no event patterns; use `#` for every event")));
    }
    if subscription.prefetch == 0 {
        return Err(SubscribeError::Invalid(format!("group {group}: prefetch is 0, it must be at least 1")));
    }
    Ok(())
}
