//! Potencies as platforms send them; `source` names the document (capitals: the project's notes of a platform).

use super::*;
use proptest::prelude::*;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A text, the unit of its field (`-` for none), the measurement (empty for no value), and the source.
const TEXTS: &[(&str, &str, &str, &str)] = &[
    ("14.75 - 28.31 %R", "-", "14.75-28.31 %", "FLOWHUB [TPB spec]: keep both ends"),
    ("28.31 %", "-", "28.31 %", "FLOWHUB [TPB]"),
    ("20.9%THCa", "-", "20.9 %", "LEAFLOGIX, productName BG Chem-3.5g-20.9%THCa"),
    ("n.d.", "-", "n.d.", "LEAFLOGIX, thcContentUnit n.d. [OAS]"),
    ("18.2", "%", "18.2 %", "TREEZ, amount_type PERCENTAGE beside minimum_value [WH-P]"),
    ("1000", "mg", "1000 mg", "TREEZ, the older sample has total_mg_thc as the text 1000 [WH-P]"),
    ("", "mg", "", "TREEZ, total_mg_thc null [WH-P]"),
    ("12 - 24 mg/g", "-", "12-24 mg/g", "FLOWHUB, terpenes lowerRange 12, upperRange 24, mg/g"),
    ("18-22%", "-", "18-22 %", "DUTCHIE, potency formatted: percent, mg or a range [AE]"),
    ("18% - 22%", "-", "18-22 %", "DUTCHIE, potency formatted [AE]"),
    ("THC: 18.5%", "-", "18.5 %", "COVASOFT, specs are free text [TPB]"),
    ("CBD 10 mg", "-", "10 mg", "COVASOFT, specs are free text [TPB]"),
    ("18–22 %", "-", "18-22 %", "COVASOFT, a value may be a range [TPB]"),
    ("18 to 22 %", "-", "18-22 %", "COVASOFT, a value may be a range [TPB]"),
    ("22-18%", "-", "18-22 %", "a range has the same ends in either order"),
    ("0.0", "%", "0 %", "BLAZE, cbd 0.0 is percent: measured, and zero"),
    ("0 mg", "-", "0 mg", "a zero with a unit is measured"),
    ("0", "-", "", "a zero without a unit is no value"),
    ("0.00", "-", "", "a zero without a unit is no value"),
    ("N/A", "%", "", "a placeholder is no value"),
    ("-", "%", "", "a placeholder is no value"),
    ("--", "-", "", "a placeholder is no value"),
    ("null", "-", "", "a placeholder is no value"),
    ("  ", "-", "", "a placeholder is no value"),
    ("ND", "-", "n.d.", "a certificate's abbreviation"),
    ("Not Detected", "%", "n.d.", "a certificate's words"),
    ("<LOQ", "%", "<LOQ", "below the limit of quantification"),
    ("< loq", "-", "<LOQ", "below the limit of quantification"),
    ("BLQ", "-", "<LOQ", "below the limit of quantification"),
    ("<0.1%", "-", "<0.1 %", "below a stated limit"),
    ("< 0.5 mg/g", "-", "<0.5 mg/g", "below a stated limit"),
    ("1,000 mg", "-", "1000 mg", "a comma between thousands"),
    ("5mg/ml", "-", "5 mg/ml", "a tincture"),
    ("100MG", "-", "100 mg", "units are in any case"),
    ("18%", "%", "18 %", "a unit may be stated twice"),
];

#[test]
fn texts_are_understood_as_platforms_write_them() {
    for (text, unit, expected, source) in TEXTS {
        let unit = (*unit != "-").then(|| PotencyUnit::parse(unit).unwrap());
        let found =
            Potency::parse(text, unit).map(|found| found.map_or_else(String::new, |found| found.to_string()));
        assert_eq!(found.as_deref(), Ok(*expected), "{text:?} of {source}");
    }
}

#[test]
fn a_text_that_could_mean_several_things_is_refused() {
    let long = "1".repeat(POTENCY_CHARS_MAX + 1);
    for (text, error) in [
        ("18", InvalidPotency::NoUnit),
        ("18-22", InvalidPotency::NoUnit),
        ("<0.1", InvalidPotency::NoUnit),
        ("18,2%", InvalidPotency::Form),
        ("1,00 mg", InvalidPotency::Form),
        ("0,125 mg", InvalidPotency::Form),
        ("1.%", InvalidPotency::Form),
        (".5%", InvalidPotency::Form),
        ("1.2.3%", InvalidPotency::Form),
        ("high", InvalidPotency::Form),
        ("-5%", InvalidPotency::Form),
        ("18% - 22 mg", InvalidPotency::Unit),
        ("3.5 g", InvalidPotency::Unit),
        ("18 % of something", InvalidPotency::Unit),
        ("101%", InvalidPotency::Range),
        ("1001 mg/g", InvalidPotency::Range),
        ("1000001 mg", InvalidPotency::Range),
        ("0.1234567%", InvalidPotency::Range),
        ("99999999999999999999999999999999 mg", InvalidPotency::Form),
        (long.as_str(), InvalidPotency::Form),
    ] {
        assert_eq!(Potency::parse(text, None), Err(error), "{text:?}");
    }
    assert_eq!(Potency::parse("18 mg", Some(PotencyUnit::Percent)), Err(InvalidPotency::Unit));
}

#[test]
fn numbers_are_understood_with_the_unit_beside_them() {
    let parts = |low: &str, high: &str, unit: &str| {
        let number = |text: &str| (!text.is_empty()).then(|| decimal(text));
        let found = Potency::from_numbers(number(low), number(high), (unit != "null").then_some(unit));
        found.map(|found| found.map_or_else(String::new, |found| found.to_string()))
    };
    for (low, high, unit, expected, source) in [
        ("14.75", "", "Percentage", "14.75 %", "LEAFLOGIX, labResults value 14.75, labResultUnit Percentage"),
        ("100", "", "Milligrams", "100 mg", "LEAFLOGIX, labResultUnit Milligrams"),
        ("", "", "Percentage", "", "LEAFLOGIX, labResults value null"),
        ("0", "", "n.d.", "n.d.", "LEAFLOGIX, thcContentUnit n.d."),
        ("5", "", "mg/g", "5 mg/g", "LEAFLOGIX, thcContentUnit mg/g"),
        ("18.2", "21.4", "PERCENTAGE", "18.2-21.4 %", "TREEZ, lab_results minimum_value and maximum_value"),
        ("1000", "1000", "MG", "1000 mg", "TREEZ, amount_type MG"),
        ("", "21.4", "PERCENTAGE", "21.4 %", "TREEZ, an end that is null"),
        ("1", "1", "%", "1 %", "FLOWHUB, cannabinoidInformation lowerRange 1, upperRange 1, %"),
        ("14.75", "28.31", "%R", "14.75-28.31 %", "FLOWHUB [TPB spec]: %R"),
        ("0", "0", "null", "", "zeros without a unit are no value"),
        ("0", "0", "", "", "zeros without a unit are no value"),
        ("0", "0", "%", "0 %", "BLAZE, cbd 0.0 is percent"),
        ("21.4", "", "%", "21.4 %", "BLAZE, thc 21.4 is percent"),
    ] {
        assert_eq!(parts(low, high, unit).as_deref(), Ok(expected), "{source}");
    }
    assert_eq!(parts("18", "", "null"), Err(InvalidPotency::NoUnit));
    assert_eq!(parts("18", "", "N/A"), Err(InvalidPotency::NoUnit));
    assert_eq!(parts("18", "", "ounces"), Err(InvalidPotency::Unit));
    assert_eq!(parts("-1", "", "%"), Err(InvalidPotency::Range));
    assert_eq!(parts("12", "101", "%"), Err(InvalidPotency::Range));
}

#[test]
fn a_share_of_the_weight_is_known_for_percent_and_milligrams_per_gram_alone() {
    let percent = |low: &str, unit| {
        PotencyRange::new(decimal(low), decimal(low), unit).unwrap().percent().map(|range| range.to_string())
    };
    assert_eq!(percent("21.4", PotencyUnit::Percent).as_deref(), Some("21.4 %"));
    assert_eq!(percent("147.5", PotencyUnit::MilligramsPerGram).as_deref(), Some("14.75 %"));
    assert_eq!(percent("100", PotencyUnit::Milligrams), None);
    assert_eq!(percent("5", PotencyUnit::MilligramsPerMilliliter), None);
}

#[test]
fn the_total_counts_0_877_of_the_acid() {
    // LEAFLOGIX and FLOWHUB [TPB]: total THC = THC + 0.877 * THCA.
    let range = |low: &str, high: &str, unit| PotencyRange::new(decimal(low), decimal(high), unit).unwrap();
    let thc = range("0.5", "1", PotencyUnit::Percent);
    let acid = range("20", "25", PotencyUnit::Percent);
    assert_eq!(thc.with_acid(acid).unwrap().to_string(), "18.04-22.925 %");
    assert_eq!(thc.with_acid(range("5", "5", PotencyUnit::Milligrams)), None, "their units differ");
    let all = range("100", "100", PotencyUnit::Percent);
    assert_eq!(all.with_acid(acid), None, "more than everything");
}

proptest! {
    #[test]
    fn a_measurement_is_read_again_as_it_is_shown(
        one in 0..100_000_000_u32, other in 0..100_000_000_u32, unit in 0..4_usize,
    ) {
        use PotencyUnit::{Milligrams, MilligramsPerGram, MilligramsPerMilliliter, Percent};
        let unit = [Percent, Milligrams, MilligramsPerGram, MilligramsPerMilliliter][unit];
        let range = PotencyRange::new(Decimal::new(one.into(), 6), Decimal::new(other.into(), 6), unit).unwrap();
        let potency = Potency::Measured(range);
        prop_assert_eq!(Potency::parse(&potency.to_string(), None), Ok(Some(potency)));
    }

    #[test]
    fn no_text_fails_otherwise_than_with_an_error(text in "[0-9.,<% a-zA-Z/-]{0,70}|\\PC{0,70}") {
        if let Ok(Some(Potency::Measured(range))) = Potency::parse(&text, None) {
            prop_assert!(range.low() <= range.high());
        }
    }
}
