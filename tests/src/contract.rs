//! The contract between the engine and any log under it (architecture decision D6): one suite, run
//! against the embedded log and against Apache Kafka. Where the two differ, Kafka is right.
//!
//! Each line of the contract is a function that takes a cluster and panics where it is broken. The
//! macro [`contract_tests`](crate::contract_tests) makes one test of each, so that a failure names
//! the line. A line makes topics, groups and ids of its own ([`Names`]) and every wait in it is
//! bounded, so lines may run side by side on one broker.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod groups;
pub mod names;
pub mod offsets;
pub mod reading;
mod support;
pub mod topics;
pub mod transactions;
pub mod writing;

pub use names::Names;

/// One test per line of the contract. The argument is a function or closure that takes a line, a
/// `fn(&dyn Cluster, &mut Names)`, and runs it.
#[macro_export]
macro_rules! contract_tests {
    ($run:path) => {
        $crate::contract_tests!(@lines $run;
            groups: [
                a_third_member_gets_its_share_and_nothing_else_moves
                a_revoked_task_goes_on_only_after_the_acknowledgement
                a_static_member_that_restarts_finds_its_tasks_and_nobody_else_notices
                a_member_that_leaves_hands_its_tasks_over_at_once
                a_member_that_vanishes_hands_its_tasks_over_when_its_session_ends
                an_instance_id_that_joins_anew_fences_the_older_member
                a_group_with_members_cannot_be_deleted_and_one_without_can
            ]
            offsets: [
                committed_offsets_and_their_metadata_come_back
                offsets_of_a_transaction_count_with_its_commit_and_not_with_its_abort
                committed_waits_for_a_pending_transaction
                metadata_of_an_old_generation_is_fenced_and_the_new_one_is_not
                metadata_of_a_member_that_left_is_fenced
                a_fenced_commit_of_offsets_leaves_the_producer_usable
            ]
            reading: [
                a_pause_holds_records_back_and_a_resume_brings_each_once
                latest_begins_after_everything_uncommitted_records_included
                an_unassigned_partition_is_silent_and_starts_anew_where_it_is_told
                an_offset_inside_the_log_is_where_reading_begins
                an_offset_after_the_end_is_an_error
                an_offset_before_the_start_is_an_error
                the_end_of_an_empty_partition_is_its_start
                the_end_comes_again_after_new_records
                a_poll_delivers_no_more_than_it_was_asked_for
            ]
            topics: [
                creating_a_topic_that_is_there_changes_nothing
                a_topic_created_again_has_another_id
                partitions_can_be_added
                configurations_are_what_was_set_and_the_defaults
                an_unknown_configuration_is_refused
                a_topic_that_is_not_there_is_none_or_an_error
                deleted_records_are_gone_and_the_start_is_raised
                compaction_keeps_the_last_value_of_each_key_and_all_offsets
            ]
            transactions: [
                committed_records_are_read_in_order_and_aborted_ones_never
                an_open_transaction_holds_back_what_was_written_after_it
                the_end_lies_after_the_marker_of_a_commit
                the_end_lies_after_the_marker_of_an_abort
                a_transaction_without_records_leaves_no_trace
                an_abort_drops_what_was_handed_over
                a_transaction_spans_topics_and_partitions
                a_newer_producer_fences_the_older_and_aborts_its_transaction
                a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced
            ]
            writing: [
                keys_values_headers_and_timestamps_come_back_as_they_were
                acknowledged_is_the_offset_after_the_last_record_and_never_the_marker
                a_record_that_is_too_large_is_refused_alone
                a_compacted_topic_takes_no_record_without_a_key
                writing_to_a_partition_that_is_not_there_fails
                a_producer_without_a_transactional_id_writes_at_once
            ]
        );
    };
    (@lines $run:path; $($module:ident: [$($line:ident)*])*) => {
        $(mod $module {
            $(#[test]
            fn $line() {
                $run($crate::contract::$module::$line);
            })*
        })*
    };
}
