use super::*;
use serde_json::json;

#[test]
fn an_image_is_at_an_address_of_the_web() {
    for text in ["https://a.example/b.jpg", " http://a.example/ü?x=1 "] {
        assert_eq!(ImageUrl::new(text).unwrap().as_str(), text.trim());
    }
    let long = format!("https://{}", "x".repeat(2048));
    for text in
        ["", "https://", "//a.example/b", "data:image/png;base64,AA", "javascript:x", "https://a b", &long]
    {
        assert_eq!(ImageUrl::new(text), Err(InvalidImageUrl), "{text}");
        assert!(serde_json::from_value::<ImageUrl>(json!(text)).is_err(), "{text}");
    }
}

#[test]
fn a_substance_is_one_however_it_is_written() {
    for text in ["thc-a", "THCA", " ThC A "] {
        assert_eq!(Substance::new(text).unwrap().as_str(), "THCA");
    }
    for text in ["", "--", &"x".repeat(41)] {
        assert_eq!(Substance::new(text), Err(InvalidSubstance));
    }
}

#[test]
fn a_lab_result_is_read_as_it_was_written() {
    for text in [
        "18.2 %",
        "14.75-28.31 %",
        "0 %",
        "100 mg",
        "1000000 mg",
        "0.000001-999.999999 mg/ml",
        "5 mg/g",
        "n.d.",
        "<LOQ",
        "<0.1 mg/g",
    ] {
        let potency = Potency::parse(text, None).unwrap().unwrap();
        let result = LabResult { substance: Substance::new("THC").unwrap(), potency };
        let written = serde_json::to_value(&result).unwrap();
        assert_eq!(written, json!({"substance": "THC", "potency": text}));
        assert_eq!(serde_json::from_value::<LabResult>(written).unwrap(), result);
    }
    for text in ["18", "", "N/A"] {
        assert!(serde_json::from_value::<Potency>(json!(text)).is_err(), "{text}");
    }
}

#[test]
fn names_are_those_of_their_json() {
    for name in AttributeName::ALL {
        assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
    }
    for unit in [TierUnit::Piece, TierUnit::Gram, TierUnit::Weight] {
        assert_eq!(serde_json::to_value(unit).unwrap(), unit.as_str());
    }
    for basis in [TierBasis::Unit, TierBasis::Whole, TierBasis::Unknown] {
        assert_eq!(serde_json::to_value(basis).unwrap(), basis.as_str());
    }
}
