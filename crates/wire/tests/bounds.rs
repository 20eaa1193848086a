//! Values within the bounds of an event are read as they were written, for all texts and numbers.

use model::{Action, SourceVersion};
use proptest::{option, prelude::*};
use testkit::payloads::{payload, time};
use wire::PublishedEvent;

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn what_passes_the_bounds_is_read_as_it_was_written(
        payload in payload(), occurred_at in option::of(time()),
        version in option::of((any::<i64>(), any::<bool>()))
    ) {
        prop_assume!(payload.check().is_ok());
        let stated = |(number, is_exact): (i64, bool)| {
            if is_exact { SourceVersion::exact(number) } else { SourceVersion::coarse(number) }
        };
        let version = version.map(stated);
        let published = PublishedEvent { action: Action::Updated, occurred_at, version, payload };
        prop_assert_eq!(wire::decode_published(wire::encode_published(&published)).unwrap(), published);
    }
}
