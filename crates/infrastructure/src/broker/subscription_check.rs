use activelog_application::ports::{SubscribeError, Subscription};

/// The most characters a group's name has.
const GROUP_MAX: usize = 100;

/// Refuses what cannot be the name of a group.
pub(super) fn check_group(group: &str) -> Result<(), SubscribeError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
    if group.is_empty() || group.len() > GROUP_MAX || !group.bytes().all(plain) {
        let reason = format!("group {group:?}: must be 1 to {GROUP_MAX} of a-z, 0-9, `_`, `-` and `.`");
        return Err(SubscribeError::Invalid(reason));
    }
    Ok(())
}

/// Refuses a subscription that breaks the rules every broker shares.
pub(super) fn check(subscription: &Subscription) -> Result<(), SubscribeError> {
    let group = &subscription.group;
    check_group(group)?;
    if subscription.patterns.is_empty() {
        return Err(SubscribeError::Invalid(format!("group {group}: no event patterns; use `#` for every event")));
    }
    if subscription.prefetch == 0 {
        return Err(SubscribeError::Invalid(format!("group {group}: prefetch is 0, it must be at least 1")));
    }
    Ok(())
}
