//! Sorts the objects of a page by the digests of their contents.

use model::{KnownObject, ListedObject, PageObject, PageRead, SortedPage};
use platforms::{Listed, Object};

/// Sorts the objects of a page. `known` are those that a former page had.
pub(super) fn sort(listed: Vec<Listed>, known: Vec<KnownObject>, read: PageRead) -> SortedPage<Object> {
    let object = |Listed { key, object }: Listed| PageObject {
        object: ListedObject { key, digest: object.digest() },
        content: object,
    };
    SortedPage::of(listed.into_iter().map(object).collect(), known, read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;
    use proptest::prelude::*;

    fn listed(key: &str, body: &str) -> Listed {
        Listed { key: key.to_owned(), object: Object { topic: "product", body: body.as_bytes().to_vec() } }
    }

    fn known(key: &str, body: &str, seen_in: u64) -> KnownObject {
        let digest = listed(key, body).object.digest();
        KnownObject {
            object: ListedObject { key: key.to_owned(), digest },
            seen_in,
            seen_at: None,
            observed_at: None,
        }
    }

    fn read(number: u64, reports_all: bool) -> PageRead {
        PageRead { number, reports_all, page_at: Timestamp::from_micros(100) }
    }

    fn bodies(sorted: &SortedPage<Object>) -> Vec<&str> {
        sorted.reported.iter().map(|(_, object)| std::str::from_utf8(&object.body).unwrap()).collect()
    }

    #[test]
    fn only_new_and_changed_objects_are_reported_unless_all_are() {
        let page = || vec![listed("new", "a"), listed("changed", "b"), listed("same", "c")];
        let before = || vec![known("changed", "a", 1), known("same", "c", 1)];
        let sorted = sort(page(), before(), read(2, false));
        assert_eq!((bodies(&sorted), sorted.seen.len(), sorted.has_repeats), (vec!["a", "b"], 3, false));
        assert_eq!(bodies(&sort(page(), before(), read(2, true))), ["a", "b", "c"]);
    }

    #[test]
    fn a_level_that_another_source_reported_since_is_reported_though_the_list_is_as_before() {
        let at = |micros: i64| Some(Timestamp::from_micros(micros));
        for (seen_at, observed_at, is_reported) in [
            (at(50), at(60), true),
            (at(50), at(50), false),
            (at(50), at(40), false),
            (at(50), None, false),
            (None, at(60), false),
            // Later than the page, which may not show it yet: the next list reports it.
            (at(50), at(100), false),
            (at(50), at(101), false),
        ] {
            let before = KnownObject { seen_at, observed_at, ..known("I", "9", 1) };
            let sorted = sort(vec![listed("I", "9")], vec![before], read(2, false));
            assert_eq!(bodies(&sorted) == ["9"], is_reported, "{seen_at:?} {observed_at:?}");
        }
    }

    #[test]
    fn an_object_that_is_listed_twice_shows_that_pages_shifted() {
        assert!(
            sort(vec![listed("1", "a")], vec![known("1", "a", 2)], read(2, false)).has_repeats,
            "on a former page"
        );
        let twice =
            sort(vec![listed("1", "a"), listed("2", "x"), listed("1", "b")], Vec::new(), read(2, false));
        assert!(twice.has_repeats);
        assert_eq!(bodies(&twice), ["a", "x", "b"]);
        let last = twice.seen.iter().find(|seen| seen.key == "1").unwrap();
        assert_eq!(last.digest, listed("1", "b").object.digest(), "the later content is remembered");
    }

    #[test]
    fn an_object_without_a_usable_key_is_reported_and_makes_the_list_incomplete() {
        for key in ["a\0b", &"x".repeat(ListedObject::KEY_BYTES_MAX + 1)] {
            let sorted = sort(vec![listed(key, "a")], Vec::new(), read(1, false));
            assert_eq!(
                (bodies(&sorted), sorted.seen.as_slice(), sorted.has_repeats),
                (vec!["a"], &[][..], true)
            );
        }
    }

    #[test]
    fn an_object_that_is_not_accounted_for_is_reported_and_may_be_listed_again() {
        let related = sort(vec![listed("", "a"), listed("", "a")], Vec::new(), read(1, false));
        assert_eq!((related.reported.len(), related.seen.len(), related.has_repeats), (2, 0, false));
    }

    proptest! {
        #[test]
        fn every_key_is_remembered_once_and_what_is_not_reported_was_known(
            page in proptest::collection::vec(("[a-e]", "[x-z]"), 0..12),
            before in proptest::collection::btree_map("[a-e]", ("[x-z]", 1_u64..4), 0..5),
            reports_all: bool,
        ) {
            let former: Vec<_> = before.iter().map(|(key, (body, seen))| known(key, body, *seen)).collect();
            let objects = page.iter().map(|(key, body)| listed(key, body)).collect();
            let sorted = sort(objects, former, read(3, reports_all));
            let keys: std::collections::BTreeSet<_> = page.iter().map(|(key, _)| key.as_str()).collect();
            let seen: Vec<_> = sorted.seen.iter().map(|seen| seen.key.as_str()).collect();
            prop_assert_eq!(seen.len(), keys.len());
            prop_assert!(seen.iter().all(|key| keys.contains(key)));
            for (key, body) in &page {
                let digest = listed(key, body).object.digest();
                let was_known = before.get(key).is_some_and(|(known, _)| known == body);
                prop_assert!(was_known || sorted.reported.iter().any(|(reported, _)| *reported == digest));
            }
            let repeats = page.len() > keys.len() || before.iter().any(|(key, (_, seen))| *seen == 3 && keys.contains(key.as_str()));
            prop_assert_eq!(sorted.has_repeats, repeats);
        }
    }
}
