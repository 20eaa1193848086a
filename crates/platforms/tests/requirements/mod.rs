//! `docs/platforms/conformance.md`: what every platform has to hold, and the tests that show it.

use crate::{root, write_or_compare};
use model::MirrorKind;
use platforms::{Platform, Reads};
use std::{fmt::Write as _, fs};

/// A requirement on the code of each platform that has a capability.
struct Requirement {
    /// The input, and what has to follow from it.
    what: &'static str,
    /// The tests, each of which is made for every such platform: file and function.
    tests: &'static [&'static str],
    /// The capability.
    concerns: Concerns,
}

#[derive(Clone, Copy)]
enum Concerns {
    All,
    Webhooks,
    Fetches,
    Lists,
    WebhooksAndLists,
    Absences,
    Employees,
    Writes,
    Batches,
}

impl Concerns {
    fn has(self, platform: &dyn Platform) -> bool {
        let lists = || platform.collections().is_some();
        let writes = || MirrorKind::ALL.into_iter().filter_map(|kind| platform.write_limits(kind));
        match self {
            Self::All => true,
            Self::Webhooks => platform.webhooks().is_some(),
            Self::Fetches => platform.reader().is_some(),
            Self::Lists => lists(),
            Self::WebhooksAndLists => platform.webhooks().is_some() && lists(),
            Self::Absences => platform.collections().is_some_and(|lists| {
                lists.all().iter().any(|list| !matches!(list.reads, Reads::Changes { .. }))
            }),
            Self::Employees => platform
                .collections()
                .is_some_and(|lists| lists.all().iter().any(|list| list.name == "employees")),
            Self::Writes => writes().next().is_some(),
            Self::Batches => writes().any(|limits| limits.batch_max > 1),
        }
    }
}

const SUITE: [Requirement; 23] = [
    Requirement {
        what: "a signature by any active secret, the former one during a rotation, and by another",
        tests: &["conformance.rs any_active_secret_proves_a_delivery_and_no_other_does"],
        concerns: Concerns::Webhooks,
    },
    Requirement {
        what: "no signature",
        tests: &["conformance.rs a_delivery_without_proof_says_so"],
        concerns: Concerns::Webhooks,
    },
    Requirement {
        what: "a flipped bit; a body that was written anew",
        tests: &[
            "conformance.rs a_flipped_bit_in_the_proof_or_in_a_proven_body_is_not_verified",
            "conformance.rs a_proven_body_that_was_written_anew_is_not_verified",
        ],
        concerns: Concerns::Webhooks,
    },
    Requirement {
        what: "a truncated body",
        tests: &["conformance.rs no_truncation_of_an_example_is_read"],
        concerns: Concerns::All,
    },
    Requirement {
        what: "unknown fields",
        tests: &["conformance.rs unknown_fields_change_nothing"],
        concerns: Concerns::All,
    },
    Requirement {
        what: "missing fields; null, zero, text, lists and extremes in place of each value",
        tests: &["conformance.rs any_value_in_place_of_another_is_mapped_or_rejected"],
        concerns: Concerns::All,
    },
    Requirement {
        what: "a duplicate",
        tests: &["conformance.rs mapping_twice_gives_the_same_and_says_what_an_event_must"],
        concerns: Concerns::All,
    },
    Requirement {
        what: "nesting without end; texts that can't be kept; a byte order mark",
        tests: &[
            "conformance.rs depth_bombs_are_refused_before_they_are_read",
            "conformance.rs what_cannot_be_kept_rejects_the_row_that_it_is_mapped_in_and_no_text_keeps_it",
            "conformance.rs a_byte_order_mark_before_the_body_is_ignored",
        ],
        concerns: Concerns::All,
    },
    Requirement {
        what: "a change that a webhook reports and a list shows",
        tests: &[
            "overlap/mod.rs a_new_product_is_listed_as_its_webhook_reports_it",
            "overlap/mod.rs an_edited_price_is_listed_as_its_webhook_reports_it",
            "overlap/mod.rs a_sale_is_listed_as_its_webhooks_report_it",
            "overlap/mod.rs a_customer_is_listed_as_its_webhook_reports_it",
        ],
        concerns: Concerns::WebhooksAndLists,
    },
    Requirement {
        what: "an employee, of whom the API shows a PIN or the pay",
        tests: &["lists.rs an_employee_is_listed_until_leaving_and_never_with_a_pin_or_pay"],
        concerns: Concerns::Employees,
    },
    Requirement {
        what: "every page of a list, each object once",
        tests: &[
            "lists.rs every_page_of_a_list_is_read_and_every_object_of_it_is_mapped",
            "lists.rs a_list_has_each_key_once_and_is_the_same_until_something_changes",
        ],
        concerns: Concerns::Lists,
    },
    Requirement {
        what: "a list of changes",
        tests: &[
            "lists.rs a_read_of_changes_lists_what_changed_since",
            "lists.rs a_read_of_changes_lists_nothing_from_long_before",
        ],
        concerns: Concerns::Lists,
    },
    Requirement {
        what: "empty pages, and cursors that lead elsewhere",
        tests: &[
            "collections.rs a_list_of_empty_pages_has_an_end",
            "collections.rs no_cursor_leads_away_from_the_connections_api",
        ],
        concerns: Concerns::Lists,
    },
    Requirement {
        what: "a failed page: 401, 403, 404, 429 with Retry-After, 5xx, a body that is none",
        tests: &["collections.rs a_failed_page_means_what_a_failed_call_means_and_never_an_empty_list"],
        concerns: Concerns::Lists,
    },
    Requirement {
        what: "a deletion without a tombstone",
        tests: &["lists.rs what_is_missing_is_mapped_as_gone"],
        concerns: Concerns::Absences,
    },
    Requirement {
        what: "stock that is sold out",
        tests: &["lists.rs what_is_sold_out_is_at_zero_by_the_list_or_by_its_absence_from_it"],
        concerns: Concerns::Lists,
    },
    Requirement {
        what: "a level that comes back to a former number",
        tests: &["lists.rs a_level_that_comes_back_to_a_former_number_is_another_event"],
        concerns: Concerns::Lists,
    },
    Requirement {
        what: "a sale and its cancellation",
        tests: &["lists.rs a_sale_is_a_completed_order_and_a_cancelled_one_is_listed_again"],
        concerns: Concerns::Lists,
    },
    Requirement {
        what: "an account that is closed or elsewhere",
        tests: &["lists.rs an_account_that_is_closed_or_elsewhere_is_misconfigured"],
        concerns: Concerns::Lists,
    },
    Requirement {
        what: "a failed fetch",
        tests: &["conformance.rs a_failed_fetch_means_what_a_failed_call_means"],
        concerns: Concerns::Fetches,
    },
    Requirement {
        what: "a reply to a write: 401, 429 with and without Retry-After, 5xx, with any body",
        tests: &["conformance.rs replies_mean_the_same_whatever_their_body"],
        concerns: Concerns::Writes,
    },
    Requirement {
        what: "a call that is made again: the same request, with the token in a header",
        tests: &["conformance.rs a_call_is_the_same_request_each_time_and_keeps_the_token_in_a_header"],
        concerns: Concerns::Writes,
    },
    Requirement {
        what: "a batch, and one with an item that is refused",
        tests: &[
            "batches.rs the_largest_batch_is_one_request_that_names_each_of_its_objects",
            "batches.rs the_reply_to_a_batch_gives_each_write_a_result_and_a_refusal_concerns_all",
        ],
        concerns: Concerns::Batches,
    },
];

/// Requirements that are decided alike for all platforms: the input, and the tests with their files.
const ALIKE: [(&str, &[&str]); 9] = [
    (
        "reports that overtake each other",
        &["tests/world/tests/weeks.rs in_a_shops_worst_weeks_the_values_are_right"],
    ),
    (
        "pages that shift while they are read",
        &["crates/model/src/collection/tests.rs pages_that_shift_make_a_list_incomplete"],
    ),
    (
        "half a list",
        &[
            "crates/model/src/collection/tests.rs missing_objects_count_only_up_to_a_share_of_the_list",
            "tests/it/scheduled_reads.rs half_a_list_retires_nothing_and_what_two_lists_lack_is_gone",
        ],
    ),
    (
        "429 during a read, and outages of ten pages",
        &[
            "crates/model/src/collection/tests.rs limits_of_calls_and_outages_of_our_own_never_end_a_read",
            "crates/model/src/collection/tests.rs an_outage_is_waited_out_with_growing_pauses_and_then_given_up",
        ],
    ),
    (
        "a process that is killed while it reads",
        &["tests/it/scheduled_reads.rs a_read_that_was_killed_goes_on_with_the_page_that_was_under_way"],
    ),
    (
        "an access token that is refused",
        &["tests/it/access_tokens.rs an_access_token_is_asked_for_once_and_again_when_it_is_refused"],
    ),
    (
        "a lost webhook",
        &["tests/it/scheduled_reads.rs a_lost_webhook_is_made_up_for_by_the_next_scheduled_read"],
    ),
    (
        "a call with its effect whose reply is 5xx or lost, and the echo of a write",
        &[
            "tests/it/platform_faults.rs whatever_platforms_do_to_calls_all_agree_in_the_end_and_no_write_takes_effect_twice",
            "tests/it/absolute_levels.rs sales_of_the_same_moment_and_lost_replies_leave_the_sum",
        ],
    ),
    (
        "the hour that clocks skip or show twice",
        &[
            "crates/model/src/promotion/tests/times.rs promotions_are_active_at_the_times_that_platforms_document",
        ],
    ),
];

/// Fails unless the function is a test, or a sentence of one, in its file.
fn check(test: &str) {
    let (file, function) = test.split_once(' ').unwrap_or_else(|| panic!("{test}: name file and function"));
    let source = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(source.contains(&format!("fn {function}(")), "{file} has no test {function}");
}

/// The path of a test file of the suite, from the root.
fn path(test: &str) -> String {
    format!("crates/platforms/tests/{test}")
}

fn shown(tests: &[String]) -> String {
    let links = tests.iter().map(|test| {
        check(test);
        let (file, function) = test.split_once(' ').unwrap_or_default();
        format!("[{}](../../{file})", function.replace('_', " "))
    });
    links.collect::<Vec<_>>().join("<br>")
}

fn document() -> String {
    let names: Vec<_> = platforms::all().iter().map(|platform| platform.name()).collect();
    let mut text = format!(
        "<!-- Made by crates/platforms/tests/requirements/mod.rs. -->\n\
        # Conformance\n\n\
        What the code of every platform has to hold, and the tests that show it: each is made for every platform that has \
        the capability, a new one included. ✓: the test is made for it; –: the platform has nothing of the kind.\n\n\
        | input | {} | test |\n|---|{}---|\n",
        names.join(" | "),
        "---|".repeat(names.len()),
    );
    for Requirement { what, tests, concerns } in &SUITE {
        let tests: Vec<_> = tests.iter().map(|test| path(test)).collect();
        let cells = platforms::all().iter().map(|platform| if concerns.has(*platform) { "✓" } else { "–" });
        let cells = cells.collect::<Vec<_>>().join(" | ");
        writeln!(text, "| {what} | {cells} | {} |", shown(&tests)).unwrap();
    }
    text.push_str(
        "\nDecided alike for all platforms, behind their modules:\n\n| input | test |\n|---|---|\n",
    );
    for (what, tests) in ALIKE {
        let tests: Vec<_> = tests.iter().map(|test| (*test).to_owned()).collect();
        writeln!(text, "| {what} | {} |", shown(&tests)).unwrap();
    }
    text
}

#[test]
fn the_table_of_requirements_is_that_of_the_tests() {
    write_or_compare("docs/platforms/conformance.md", &document());
}
