//! What every store has to keep, as one suite: [`store_contract!`](crate::store_contract) makes
//! one test of each case for one store.
//!
//! A case gets a [`Fixture`]: a fresh store, and a [`Room`] wherever it wants a conversation,
//! which numbers entries as a conversation actor does.

pub mod audit;
pub mod changes;
pub mod consultations;
pub mod denials;
pub mod fixture;
pub mod glass;
pub mod listing;
pub mod log;
pub mod lookups;
pub mod members;
pub mod notifications;
pub mod numbered;
pub mod people;
pub mod receipts;

pub use fixture::{Fixture, Opened, Room};

use std::future::Future;

/// Runs one case on a fresh store, and closes it. Not when `open` has none: a store that needs a
/// server may be without one, and says so itself.
///
/// # Panics
/// When the store does not keep what the case asks for.
pub fn run<F, O>(open: impl FnOnce() -> O, case: impl FnOnce(Fixture) -> F)
where
    F: Future<Output = ()>,
    O: Into<Option<Opened>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime, because tests need one");
    runtime.block_on(async {
        let Some(Opened { store, guard }) = open().into() else {
            return;
        };
        case(Fixture::new(store.clone())).await;
        store.close().await;
        drop(guard);
    });
}

/// One `#[test]` per case of the suite. Takes the path of a `fn() -> Opened`, or of one that
/// returns an `Option` of it.
#[macro_export]
macro_rules! store_contract {
    ($open:path) => {
        $crate::store_contract!(@each $open;
            log: [
                what_was_appended_is_read_back,
                a_log_begins_with_its_creation,
                a_gap_is_refused,
                a_repeat_is_refused,
                what_counts_on_a_failed_append_fails_too,
                a_failed_append_spares_the_others,
                an_unknown_conversation_takes_nothing,
                answers_come_in_the_order_of_the_appends,
                appends_after_close_fail,
            ],
            changes: [
                an_edit_shows_in_the_message_and_in_its_entry,
                a_delete_leaves_a_tombstone_everywhere,
                earlier_texts_are_kept_as_revisions,
                a_deleted_message_takes_nothing_more,
                changes_of_what_is_not_there_are_refused,
                reactions_keep_their_order,
            ],
            members: [
                a_load_has_everything,
                a_load_tells_who_wrote_what,
                a_load_after_writes_sees_every_append,
                the_tail_holds_what_was_sent_lately,
                sender_ords_count_each_sender,
                a_newcomer_starts_just_below_their_window,
                the_end_of_a_window_is_the_last_thing_seen,
                who_comes_back_keeps_their_watermarks,
                title_and_state_change,
                preferences_are_the_members_own,
                a_pair_has_one_direct_conversation,
                an_id_is_taken_once,
            ],
            receipts: [
                watermarks_grow_in_any_order,
                unread_counts_what_others_said,
                the_total_leaves_out_archived_and_past,
                receipts_of_strangers_are_refused,
                counts_below_a_seq,
            ],
            listing: [
                newest_activity_comes_first,
                pages_follow_each_other,
                some_can_be_left_out,
                some_can_be_asked_for_by_id,
                what_may_be_read_is_what_the_list_says,
                past_members_see_their_window,
                the_last_message_is_a_message,
                a_row_has_everything,
                what_was_active_lately_is_found,
            ],
            numbered: [
                messages_are_found_by_their_number,
                messages_are_numbered_within_a_stretch,
                pages_cover_the_log_once,
                everything_of_a_user_is_listed,
            ],
            lookups: [
                a_sent_message_is_found_by_its_client_id,
                a_sent_message_is_found_beyond_the_tail,
                a_message_is_found_by_its_id,
                a_log_pages_forward,
                a_log_pages_backward,
                a_page_stops_before_too_many_bytes,
                an_unknown_log_is_empty,
            ],
            people: [
                people_are_remembered,
                last_seen_outlives_a_profile_update,
                people_are_paged_by_role,
                relations_are_one_per_pair,
                who_shares_a_group,
                an_open_store_is_ready,
            ],
            audit: [
                entries_are_kept_as_they_are,
                a_taken_place_is_refused,
                stretches_come_from_either_end,
                a_chain_is_whole_and_a_key_counts,
                a_tail_that_was_never_written_is_missed,
            ],
            consultations: [
                one_is_made_with_its_conversation,
                an_appointment_has_one,
                ids_are_taken_once,
                only_a_conversation_of_its_kind_will_do,
                one_starts_and_ends_by_its_log,
                one_is_cancelled_without_a_start,
                what_the_log_refuses_changes_nothing,
                other_conversations_have_none,
                the_newest_are_listed_first,
                lists_keep_to_what_was_asked_for,
                members_find_theirs,
            ],
            denials: [
                nobody_is_kept_out_at_first,
                what_is_denied_is_kept_as_it_was_said,
                of_two_times_the_later_one_stands,
                a_token_is_denied_once,
                a_block_is_made_anew_and_lifted,
                each_change_is_seen_in_the_version,
                none_is_lost_among_many,
            ],
            glass: [
                it_is_kept_for_one_user_and_conversation,
                the_last_one_stands,
            ],
            notifications: [
                one_is_kept_as_it_was_made,
                the_newest_come_first,
                a_key_is_used_once_per_user,
                a_taken_id_refuses_all,
                only_the_owner_marks,
                the_first_mark_stands,
                unread_counts_what_was_not_seen,
                the_oldest_are_pruned_first,
                a_pruned_key_is_free_again,
                settings_are_replaced,
            ],
        );
    };
    (@each $open:path; $($group:ident: [$($case:ident,)*],)*) => {
        $(mod $group {
            $(#[test]
            fn $case() {
                $crate::testkit::store_contract::run(
                    $open,
                    $crate::testkit::store_contract::$group::$case,
                );
            })*
        })*
    };
}
