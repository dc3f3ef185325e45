//! The oracles once more with pages, with so little memory that keys come and go all
//! the time, and from one backend to the other; and what only pages can do.

use super::stage::with_pages;
use super::{aggregates, changelog_normalize, deduplicate, join, rank, restore, sink_materialize};

#[test]
fn aggregates_equal_their_recomputation_with_pages() {
    with_pages(aggregates::every_aggregate_equals_its_recomputation_without_retraction);
    with_pages(aggregates::every_aggregate_equals_its_recomputation_with_retraction);
}

#[test]
fn rows_kept_equal_a_recomputation_with_pages() {
    with_pages(deduplicate::rows_kept_equal_a_recomputation_over_random_input_with_restores);
}

#[test]
fn normalized_changes_build_the_same_table_with_pages() {
    with_pages(
        changelog_normalize::normalized_changes_build_the_same_table_over_random_input_with_restores,
    );
}

#[test]
fn the_sink_holds_the_last_row_with_pages() {
    with_pages(sink_materialize::the_sink_holds_the_last_row_over_random_input_with_restores);
}

#[test]
fn ranks_equal_sorting_with_pages() {
    with_pages(rank::ranks_equal_sorting_over_random_input_with_restores);
}

#[test]
fn joins_equal_nested_loops_with_pages() {
    with_pages(join::joins_equal_nested_loops_over_random_changelogs_with_restores);
}

#[test]
fn a_snapshot_of_a_restored_operator_is_the_same_snapshot_with_pages() {
    with_pages(restore::a_snapshot_of_a_restored_operator_is_the_same_snapshot);
}
