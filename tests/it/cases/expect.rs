//! Compares outcomes with the right ones.

use super::case::Expect;
use testkit::Ended;

/// Maximum number of a reason's characters in a complaint.
const REASON_SHOWN: usize = 120;

/// Differences between the outcomes of a delivery's events and the expected ones; empty if there are none.
pub(super) fn complaints(expect: &Expect, ended: &[Ended]) -> Vec<String> {
    let mut complaints = Vec::new();
    if let Some(wanted) = &expect.outcome
        && let Some(wrong) = ended.iter().find(|one| !wanted.has(&one.outcome))
    {
        complaints.push(format!("ended {}, want {wanted:?}", shown(wrong)));
    }
    for (outcome, count) in &expect.ends {
        let found = ended.iter().filter(|one| one.outcome == *outcome).count();
        if found != *count {
            let all: Vec<String> = ended.iter().take(5).map(shown).collect();
            complaints.push(format!("{found} ended {outcome}, want {count}: {}", all.join("; ")));
        }
    }
    if let Some(count) = expect.count.filter(|count| *count != ended.len()) {
        complaints.push(format!("{} events ended, want {count}", ended.len()));
    }
    if let Some(reason) = &expect.reason
        && !ended.iter().any(|one| one.reason.contains(reason))
    {
        complaints.push(format!("no reason names {reason}"));
    }
    complaints
}

/// Returns true if anything is expected of outcomes.
pub(super) fn concerns_outcomes(expect: &Expect) -> bool {
    expect.outcome.is_some() || !expect.ends.is_empty() || expect.count.is_some() || expect.reason.is_some()
}

fn shown(ended: &Ended) -> String {
    let reason: String = ended.reason.chars().take(REASON_SHOWN).collect();
    format!("{} in {} ({reason})", ended.outcome, ended.stage)
}

#[test]
fn every_expectation_can_be_disappointed() {
    let ended = |outcome: &str| Ended {
        outcome: outcome.to_owned(),
        stage: "apply".to_owned(),
        reason: "at /price".to_owned(),
    };
    let expect = |text: &str| serde_json::from_str::<Expect>(text).expect("an expectation");
    let both = [ended("applied"), ended("dead")];
    for (text, wrong) in [
        (r#"{"outcome": ["applied", "dead"]}"#, 0),
        (r#"{"outcome": "applied"}"#, 1),
        (r#"{"ends": {"applied": 1}, "count": 2}"#, 0),
        (r#"{"ends": {"applied": 2}, "count": 1}"#, 2),
        (r#"{"reason": "price"}"#, 0),
        (r#"{"reason": "title"}"#, 1),
    ] {
        assert!(concerns_outcomes(&expect(text)));
        assert_eq!(complaints(&expect(text), &both).len(), wrong, "{text}");
    }
    assert!(!concerns_outcomes(&expect(r#"{"http": 401}"#)));
}
