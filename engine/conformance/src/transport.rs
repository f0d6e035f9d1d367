//! The laws of a transport: what [`Transport`](syncline::Transport) promises, in front of a [`Service`](syncline::Service).

use futures_util::future::LocalBoxFuture;

use crate::TransportHarness;

pub mod call;
pub mod crash;
pub mod cut;
pub mod problem;
pub mod pull;
pub mod push;
pub mod snapshot;
pub mod watch;

/// One law, as a value.
#[derive(Clone, Copy)]
pub struct TransportLaw {
    /// The sentence that it proves.
    pub name: &'static str,
    /// Proves it, or panics.
    pub prove: for<'a> fn(&'a dyn TransportHarness) -> LocalBoxFuture<'a, ()>,
}

impl std::fmt::Debug for TransportLaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The register: calls the macro `$callback!` with `$harness` and every transport law, by the module that holds it.
#[macro_export]
macro_rules! for_each_transport_law {
    ([$($callback:tt)+] $harness:expr) => {
        $($callback)+! { ($harness)
            call {
                hello_says_what_the_peer_can_do
                every_answer_is_the_one_the_service_gives
                every_answer_brings_the_peers_clock
                heads_arrive_as_the_peer_has_them
                digests_lead_to_the_heads_that_differ
                concurrent_answers_do_not_mix
                a_slow_call_holds_up_no_other
                many_slow_calls_and_watches_hold_up_no_other
                two_connections_are_two_principals
                a_repeated_call_is_answered_alike
                a_call_given_up_may_be_repeated
                a_connection_bears_many_calls
            }
            push {
                pushed_bundles_arrive_byte_for_byte
                pushed_runs_arrive_in_their_order
                the_senders_own_replica_arrives
                a_push_is_answered_with_how_far_the_peer_has_it
                refusals_come_back_with_their_reasons
                an_empty_push_is_answered
                pushed_voids_arrive_as_voids
                the_largest_push_passes
                a_push_beyond_the_limit_of_bytes_is_too_large
                a_push_of_too_many_runs_is_too_large
                many_runs_pass_in_one_push
                concurrent_pushes_are_answered_each_for_its_own
            }
            pull {
                a_pull_by_cursor_brings_all_behind_it
                a_pull_by_heads_brings_what_they_lack
                a_tail_is_the_pull_by_cursor_with_a_digest
                a_pull_leaves_out_the_origin_that_is_not_wanted
                the_limits_of_a_pull_reach_the_peer
                pages_of_a_pull_join_to_the_whole_log
                the_largest_page_passes
                pulled_voids_arrive_as_voids
                a_pull_of_an_empty_log_is_the_last_page
                many_heads_pass_in_one_pull
                concurrent_pulls_bring_each_its_own
            }
            snapshot {
                snapshots_are_listed_as_the_peer_has_them
                pieces_of_a_snapshot_come_byte_for_byte
                concurrent_pieces_come_each_for_its_own
                a_snapshot_that_is_handed_over_is_handed_out
                an_upload_goes_on_where_it_was_cut
                a_manifest_of_many_chunks_passes
                a_snapshot_that_the_peer_lacks_is_unknown
                a_bad_snapshot_comes_back_with_what_is_wrong
                an_upload_takes_an_owner
            }
            problem {
                an_unknown_token_is_unauthorized
                a_space_without_a_grant_is_unknown
                a_push_of_a_reader_is_forbidden
                a_push_of_a_foreign_origin_is_forbidden
                a_cursor_that_is_gone_comes_back_whole
                a_gap_comes_back_with_the_seq_expected
                a_fork_comes_back_with_its_bundle
                a_time_too_far_ahead_comes_back_with_its_distance
                a_push_that_breaks_the_protocol_is_malformed
                a_busy_peer_says_how_long_to_wait
                a_failure_of_the_peer_says_no_more
                problems_belong_to_their_calls
            }
            watch {
                a_watch_begins_with_a_notice
                a_commit_is_followed_by_a_notice
                the_last_commit_is_never_missed
                rows_alone_make_no_notice
                every_watcher_is_told
                watchers_of_two_spaces_do_not_mix
                calls_go_on_beside_a_watch
                a_watch_given_up_leaves_the_others
                a_dropped_watch_is_given_up
                a_watch_from_a_cursor_that_is_gone_is_refused
                a_watch_of_an_unknown_space_is_refused
                a_watch_ends_when_its_role_is_taken_away
            }
            crash {
                a_call_to_a_peer_that_is_gone_can_be_tried_again
                a_call_under_way_is_interrupted_when_the_peer_goes
                a_watch_ends_with_an_error_when_the_peer_goes
                a_new_connection_goes_on_after_a_crash
            }
            cut {
                a_broken_connection_is_replaced
                a_connection_that_broke_while_idle_is_replaced
                calls_under_way_are_interrupted_by_a_cut_and_may_be_repeated
                a_watch_is_interrupted_by_a_cut_and_may_begin_again
            }
        }
    };
}

/// Makes every transport law a test. The expression gives a [`TransportHarness`]; each test evaluates it again.
#[macro_export]
macro_rules! transport_suite {
    ($harness:expr) => {
        $crate::for_each_transport_law! { [$crate::__transport_tests] $harness }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __transport_tests {
    (($harness:expr) $($module:ident { $($law:ident)+ })+) => { $($(
        #[test]
        fn $law() {
            $crate::run::law(async { $crate::transport::$module::$law(&$harness).await });
        }
    )+)+ };
}

macro_rules! table {
    (($harness:expr) $($module:ident { $($law:ident)+ })+) => {
        &[$($(
            TransportLaw { name: stringify!($law), prove: |harness| Box::pin($module::$law(harness)) },
        )+)+]
    };
}

/// All transport laws.
pub const LAWS: &[TransportLaw] = for_each_transport_law! { [table] () };
