use activelog_application::ports::Finding;
use jiff::SignedDuration;

/// A difference that nothing here minds.
const SMALL: SignedDuration = SignedDuration::from_secs(2);

/// A difference that signatures of webhooks and leases do not forgive.
const LARGE: SignedDuration = SignedDuration::from_secs(60);

/// Compares the clocks of servers, by how far they are ahead of this machine's, where they tell.
pub(super) fn compare(clocks: &[(&str, Option<SignedDuration>)]) -> Vec<Finding> {
    let told: Vec<Finding> =
        clocks.iter().filter_map(|(whose, ahead)| ahead.map(|ahead| judge(whose, ahead))).collect();
    match told.is_empty() {
        true => vec![Finding::ok("neither database nor broker has a clock of its own that it tells")],
        false => told,
    }
}

fn judge(whose: &str, ahead: SignedDuration) -> Finding {
    let seconds = ahead.abs().as_secs_f64();
    let direction = if ahead.is_negative() { "behind" } else { "ahead of" };
    let what = format!("the clock of the {whose} is {seconds:.3} s {direction} this machine's");
    let advice = "let both keep time by NTP (chrony, systemd-timesyncd)";
    let means = "events and their ages are dated wrongly, scheduled events come early or late";
    match ahead.abs() {
        apart if apart >= LARGE => {
            Finding::error(what, format!("{means}, and receivers of webhooks refuse their signatures"), advice)
        }
        apart if apart >= SMALL => Finding::warning(what, means, advice),
        _ => Finding::ok(what),
    }
}

#[cfg(test)]
mod tests {
    use activelog_application::ports::Severity;

    use super::*;

    #[test]
    fn clocks_may_differ_a_little() {
        for (millis, severity) in
            [(0, Severity::Ok), (-1_500, Severity::Ok), (2_500, Severity::Warning), (-61_000, Severity::Error)]
        {
            let found = compare(&[("database", None), ("broker", Some(SignedDuration::from_millis(millis)))]);
            assert_eq!(found.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [severity], "{found:?}");
        }
        assert_eq!(
            judge("broker", SignedDuration::from_millis(-1_500)).what,
            "the clock of the broker is 1.500 s behind this machine's"
        );
        assert_eq!(compare(&[("database", None)]).len(), 1);
    }
}
