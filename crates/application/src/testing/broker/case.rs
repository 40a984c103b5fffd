use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::timeout;

use super::{
    BrokerFixture,
    cases::{close, fidelity, groups, order, patterns, publish, settle},
};
use crate::ports::{BrokerCapabilities, Durability, OrderingGuarantee};

/// How a case ends: the error says what the adapter did wrong.
pub type Outcome = Result<(), String>;

/// One test of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// Names it.
    pub name: &'static str,
    /// Whether it is for an adapter with these capabilities.
    pub applies: fn(&BrokerCapabilities) -> bool,
    /// Runs it, without a deadline: see [`Case::check`].
    pub run: fn(Arc<dyn BrokerFixture>) -> BoxFuture<'static, Outcome>,
}

impl Case {
    /// Runs it, and fails it when it takes six times the fixture's patience.
    pub async fn check(&self, fixture: Arc<dyn BrokerFixture>) -> Outcome {
        let deadline: Duration = fixture.patience() * 6;
        let outcome = timeout(deadline, (self.run)(fixture)).await;
        outcome.unwrap_or_else(|_| Err(format!("it hangs: no end within {deadline:?}")))
    }
}

fn always(_: &BrokerCapabilities) -> bool {
    true
}

fn ordered(capabilities: &BrokerCapabilities) -> bool {
    capabilities.ordering == OrderingGuarantee::PerKey
}

fn replaying(capabilities: &BrokerCapabilities) -> bool {
    capabilities.replay
}

fn kept(capabilities: &BrokerCapabilities) -> bool {
    capabilities.replay || capabilities.durability > Durability::None
}

macro_rules! suite {
    ($($applies:ident: $module:ident::$case:ident;)+) => {
        vec![$(Case {
            name: stringify!($case),
            applies: $applies,
            run: |fixture| Box::pin($module::$case(fixture)),
        }),+]
    };
}

/// Every case.
pub fn cases() -> Vec<Case> {
    suite! {
        always: publish::publish_subscribe;
        always: publish::concurrent_publishers;
        always: publish::publish_batch_has_an_outcome_for_each;
        always: publish::too_large_is_refused;
        always: publish::same_event_again_changes_nothing;
        always: publish::batch_skips_the_key_of_a_failed_event;
        always: publish::lag_reaches_zero;
        always: publish::health_tells_up_and_closed;
        always: publish::asking_disturbs_nothing;
        always: settle::nacked_is_redelivered;
        always: settle::nack_delay_is_respected;
        always: settle::dropped_is_redelivered;
        always: settle::unacknowledged_after_stream_drop_is_redelivered;
        always: settle::acknowledged_never_comes_again;
        always: settle::no_ack_withholds_next;
        always: settle::prefetch_bounds_unsettled;
        always: settle::continue_after_errors;
        always: settle::next_is_cancel_safe;
        always: settle::settling_after_close_has_no_effect;
        ordered: order::publish_subscribe_in_order;
        ordered: order::order_per_key_across_streams;
        ordered: order::order_per_key_with_nacks;
        ordered: order::order_per_key_when_members_come_and_go;
        ordered: order::redelivered_comes_before_later_events_of_its_key;
        always: order::delayed_key_does_not_hold_up_others;
        always: groups::concurrent_subscribe;
        always: groups::concurrent_subscribe_multiple_topics;
        always: groups::every_group_gets_everything;
        kept: groups::group_is_shared_across_connections;
        replaying: groups::late_group_gets_history;
        always: groups::latest_starts_with_what_comes;
        always: groups::removed_group_begins_anew;
        always: groups::group_in_use_is_not_removed;
        always: groups::slow_group_does_not_hold_up_another;
        kept: groups::reconnect_resumes_where_the_group_stood;
        kept: groups::acknowledged_stays_acknowledged_after_reconnect;
        always: close::publish_after_close_is_refused;
        always: close::publisher_close_keeps_every_ok;
        always: close::subscriber_close_ends_streams;
        always: close::continue_after_subscriber_close;
        always: close::concurrent_close;
        always: close::close_while_delivering;
        always: fidelity::binary_data_is_kept;
        always: fidelity::one_mebibyte_is_kept;
        always: fidelity::every_attribute_is_kept;
        always: fidelity::unicode_is_kept;
        always: patterns::names_do_not_leak;
        always: patterns::wildcards_select;
        always: patterns::an_event_that_matches_twice_comes_once;
        always: patterns::impossible_subscriptions_are_refused;
    }
}
