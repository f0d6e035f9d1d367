//! The laws of a store: what [`EventStore`](syncline::store::EventStore) and [`Storage`](syncline::store::Storage) promise.

use futures_util::future::LocalBoxFuture;

use crate::StoreHarness;

pub mod append;
pub mod changed;
pub mod clock;
pub mod concurrency;
pub mod conflict;
pub mod contiguity;
pub mod cursor;
pub mod differential;
pub mod folded;
pub mod limits;
pub mod origin;
pub mod page;
pub mod processes;
pub mod refusal;
pub mod reopen;
pub mod replace;
pub mod rewrite;
pub mod rows;
pub mod scan;
pub mod spaces;
pub mod trim;
pub mod views;
pub mod voids;

/// One law, as a value.
#[derive(Clone, Copy)]
pub struct StoreLaw {
    /// The sentence that it proves.
    pub name: &'static str,
    /// Proves it, or panics.
    pub prove: for<'a> fn(&'a dyn StoreHarness) -> LocalBoxFuture<'a, ()>,
}

impl std::fmt::Debug for StoreLaw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The register: calls the macro `$callback!` with `$harness` and every store law, by the module that holds it.
/// A law that is not listed here fails a test of the kit.
#[macro_export]
macro_rules! for_each_store_law {
    ([$($callback:tt)+] $harness:expr) => {
        $($callback)+! { ($harness)
            append {
                a_new_log_is_empty
                positions_count_up_in_commit_order_without_holes
                a_commit_answers_what_status_shows_afterwards
                an_empty_batch_raises_the_revision_and_nothing_else
                runs_of_one_batch_lie_in_the_order_given
                bodies_are_kept_byte_for_byte
                times_are_kept_over_their_whole_range
                heads_name_the_last_bundle_of_every_origin
                origins_of_any_bytes_are_kept_apart
                a_long_run_is_kept_whole
                positions_sort_as_numbers_around_powers_of_ten
            }
            contiguity {
                a_gap_is_refused_with_the_seq_expected
                an_origin_starts_with_its_first_bundle
                a_known_bundle_is_refused
                a_run_that_overlaps_the_log_is_refused
                a_run_of_another_history_is_refused
                a_first_run_must_continue_the_empty_chain
                runs_of_one_batch_must_follow_each_other
                origins_are_counted_apart
            }
            conflict {
                a_stale_revision_is_a_conflict
                a_revision_yet_to_come_is_a_conflict
                the_current_revision_is_accepted
                a_commit_of_rows_alone_makes_others_stale
                without_an_expectation_only_contiguity_counts
            }
            refusal {
                a_batch_refused_for_a_conflict_leaves_no_trace
                a_batch_refused_for_a_gap_leaves_no_trace
                a_batch_refused_for_a_wrong_chain_leaves_no_trace
                a_batch_refused_for_an_unknown_void_leaves_no_trace
                a_batch_refused_for_a_large_row_leaves_no_trace
                a_batch_refused_for_a_long_key_leaves_no_trace
                of_several_errors_the_first_is_told
            }
            cursor {
                a_cursor_of_another_log_is_refused
                a_cursor_beyond_the_head_is_refused
                a_cursor_at_the_head_reads_an_empty_last_page
                a_cursor_in_the_middle_of_a_run_reads_its_rest
                a_cursor_goes_on_where_it_stopped
            }
            page {
                a_page_holds_at_most_as_many_bundles_as_asked
                a_page_holds_at_most_as_many_bytes_as_asked
                a_page_holds_at_least_one_bundle_however_small_the_limit
                pages_of_any_size_give_the_same_bundles
                a_page_is_the_last_exactly_when_nothing_is_left
                every_run_of_a_page_brings_the_hash_before_it
                no_run_of_a_page_exceeds_the_limit_of_runs
            }
            origin {
                an_origin_reads_on_from_every_seq
                an_origin_reads_empty_at_its_end_and_beyond
                an_unknown_origin_reads_empty
                an_origin_is_read_in_pages_of_any_size
            }
            rows {
                a_row_reads_back_as_written
                an_absent_row_is_none
                a_later_write_replaces_a_row
                a_deleted_row_is_absent
                rows_are_answered_in_the_order_asked
                keys_of_any_bytes_are_kept_apart
                one_key_of_two_views_is_two_rows
                many_rows_pass_in_one_batch_and_one_load
            }
            scan {
                rows_are_scanned_in_the_order_of_their_bytes
                a_scan_keeps_its_bounds
                a_scan_backward_is_the_same_scan_from_its_end
                a_range_that_holds_nothing_scans_empty
                a_prefix_scans_exactly_its_keys
                a_scan_holds_as_many_rows_as_asked
                a_scan_holds_at_most_as_many_bytes_as_asked
                pages_of_a_scan_join_without_repeats_or_gaps
                a_scan_by_pages_under_writes_gives_untouched_rows_once
                scans_of_two_views_do_not_mix
            }
            voids {
                a_void_loses_its_body_and_keeps_every_hash
                any_bundle_of_a_packed_run_can_become_void
                several_bundles_become_void_in_one_batch
                a_bundle_may_arrive_and_become_void_in_one_batch
                a_run_that_brings_voids_is_stored_as_it_is
                making_a_void_again_changes_nothing
                a_void_of_an_unknown_bundle_is_refused
                voids_are_read_alike_by_position_and_by_origin
                an_origin_goes_on_behind_its_void
                voids_that_are_larger_than_their_bodies_stay_readable
            }
            rewrite {
                a_rewritten_tail_takes_the_places_of_the_old_one
                a_rewritten_tail_may_move_to_another_origin
                a_rewritten_tail_is_read_alike_by_position_and_by_origin
                a_tail_that_moved_before_its_new_origin_is_read_where_it_lies
                commits_follow_the_rewritten_tail
                a_batch_goes_on_behind_its_rewrite
                a_rewrite_sets_the_clock_back
                a_rewrite_takes_voids_away
                a_rewrite_behind_what_the_log_does_not_hold_is_refused
                a_rewrite_that_fills_other_places_is_refused
                a_rewritten_tail_must_follow_what_stays
                a_cursor_outlives_a_rewrite
                an_origin_that_was_emptied_may_begin_anew
                a_rewritten_tail_is_there_after_a_restart
            }
            views {
                progress_is_kept_for_each_view
                progress_is_what_was_written_last
                clearing_a_view_removes_its_rows_and_its_progress
                clearing_a_view_leaves_all_others
                a_cleared_view_may_be_written_in_the_same_batch
                clearing_an_unknown_view_is_nothing_special
            }
            trim {
                a_trimmed_log_is_read_from_its_base_on
                a_trim_keeps_heads_rows_progress_and_clock
                a_trim_beyond_the_head_is_refused_and_leaves_no_trace
                a_trim_at_or_below_the_base_changes_nothing
                a_trim_is_refused_after_everything_else
                a_void_of_a_trimmed_bundle_is_refused_and_leaves_no_trace
                a_rewrite_reaches_down_to_the_base_and_no_further
                an_origin_is_read_down_to_the_base_and_no_further
                an_origin_with_a_trimmed_bundle_in_its_middle_is_not_read_past_it
                a_trimmed_bundle_is_not_taken_again
                commits_go_on_after_a_trim
                a_batch_appends_changes_and_trims_at_once
                a_reader_between_two_pages_goes_on_or_is_told
                a_log_that_grows_and_is_trimmed_in_turn_reads_the_same
                a_trim_is_there_after_a_restart
                a_trim_leaves_other_spaces
            }
            replace {
                a_replaced_log_begins_behind_what_its_heads_tell_of
                the_bundles_of_a_replaced_log_are_gone
                no_cursor_into_a_replaced_log_is_served
                a_replacement_keeps_rows_progress_and_clock
                a_batch_goes_on_behind_its_replacement
                a_run_that_does_not_follow_the_new_heads_is_refused_and_leaves_no_trace
                a_replacement_under_the_same_identity_is_refused_and_leaves_no_trace
                a_replacement_from_another_revision_is_a_conflict_and_leaves_no_trace
                a_replacement_by_more_than_can_be_counted_is_refused_and_leaves_no_trace
                a_replacement_is_judged_before_the_rest_of_its_batch
                a_log_that_is_replaced_without_heads_begins_with_nothing
                a_log_that_grows_and_is_replaced_in_turn_reads_the_same
                commits_go_on_behind_a_replacement
                a_reader_of_a_log_that_is_replaced_is_told_and_never_misled
                a_replacement_is_there_after_a_restart
                a_replacement_leaves_other_spaces
            }
            clock {
                the_clock_keeps_the_largest_time
                the_clock_covers_all_64_bits
                the_time_of_a_bundle_does_not_move_the_clock
            }
            changed {
                a_wait_for_the_past_returns_at_once
                a_commit_wakes_who_waits
                a_commit_without_bundles_wakes_who_waits
                a_commit_wakes_everybody_who_waits
                a_commit_just_before_the_wait_is_not_missed
                a_wait_ends_only_behind_what_was_seen
                a_wait_given_up_leaves_the_others
                a_commit_through_one_handle_wakes_another
            }
            reopen {
                everything_committed_is_there_after_a_restart
                a_restart_changes_nothing_however_often
                commits_go_on_after_a_restart
                a_cursor_outlives_a_restart
                a_void_stays_void_after_a_restart
                spaces_are_there_after_a_restart
                waits_go_on_after_a_restart
                durability_says_whether_a_restart_loses_all
            }
            limits {
                the_largest_body_passes
                the_largest_run_passes
                the_longest_key_passes_and_one_byte_more_does_not
                the_largest_row_passes_and_one_byte_more_does_not
                many_of_the_largest_rows_pass_in_one_batch_and_one_load
                many_runs_pass_in_one_batch
                the_longest_names_pass
            }
            concurrency {
                a_polling_reader_never_skips
                every_concurrent_commit_gets_its_own_place
                a_refusal_among_concurrent_commits_is_its_own
                of_commits_from_one_revision_exactly_one_wins
                reload_and_retry_loses_no_update
                status_is_one_moment
                rows_loaded_together_are_of_one_moment
                rows_scanned_together_are_of_one_moment
                a_page_is_of_one_moment
                rows_and_bundles_move_together
                a_commit_is_seen_by_everybody_once_it_returns
                a_commit_given_up_is_done_wholly_or_not_at_all
                a_call_left_half_polled_holds_up_no_other
            }
            processes {
                a_second_process_shares_the_log_or_is_told_that_it_is_in_use
                a_polling_reader_in_another_process_never_skips
                a_commit_is_seen_by_another_process_once_it_returns
                a_revision_that_another_process_has_left_behind_is_a_conflict
                a_commit_of_another_process_wakes_who_waits
            }
            folded {
                a_fold_gets_the_rows_in_the_order_asked
                what_a_fold_makes_is_committed_with_its_batch
                nothing_of_a_declined_fold_is_committed
                a_fold_at_another_revision_is_a_conflict_and_not_called
                a_batch_refused_behind_its_fold_leaves_no_trace
                of_several_errors_of_a_folded_batch_the_first_is_told
                folds_and_commits_lose_no_update
                a_fold_gets_the_rows_of_the_revision_before_its_commit
                a_panic_of_a_fold_reaches_its_caller_and_harms_nobody_else
                a_folded_commit_given_up_is_done_wholly_or_not_at_all
            }
            differential {
                random_steps_are_seen_as_the_oracle_sees_them
            }
            spaces {
                two_opens_of_one_space_share_one_log
                opening_a_space_again_changes_nothing
                a_space_opened_by_many_at_once_is_one_log
                two_spaces_are_two_logs
                two_storages_never_share_a_log
                spaces_do_not_mix
                clearing_a_view_leaves_other_spaces
                spaces_are_listed_in_the_order_of_their_names
                a_whole_storage_is_ready_and_passes_its_check_while_it_is_written_to
            }
        }
    };
}

/// Makes every store law a test. The expression gives a [`StoreHarness`]; each test evaluates it again.
///
/// A test file with several suites gives each a module of its own.
#[macro_export]
macro_rules! store_suite {
    ($harness:expr) => {
        $crate::for_each_store_law! { [$crate::__store_tests] $harness }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __store_tests {
    (($harness:expr) $($module:ident { $($law:ident)+ })+) => { $($(
        #[test]
        fn $law() {
            $crate::run::law(async { $crate::store::$module::$law(&$harness).await });
        }
    )+)+ };
}

macro_rules! table {
    (($harness:expr) $($module:ident { $($law:ident)+ })+) => {
        &[$($(
            StoreLaw { name: stringify!($law), prove: |harness| Box::pin($module::$law(harness)) },
        )+)+]
    };
}

/// All store laws.
pub const LAWS: &[StoreLaw] = for_each_store_law! { [table] () };
