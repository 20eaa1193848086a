//! Tests of readings that are older than a report.

use super::*;

#[test]
fn readings_that_were_requested_before_a_report_of_the_same_version_end_no_waiting() {
    for number in ["5", "4"] {
        let mut mirror = known("5");
        assert_eq!(mirror.observe(&coarse(&report(Some("6"), 1, 1))), LevelOutcome::Ambiguous);
        let early = mirror.read(at(1)).unwrap().waiting;
        mirror.observe(&coarse(&report(Some(number), 1, 2)));
        for seconds in [3, 4] {
            mirror.observe(&Report { read_for: Some(early), ..coarse(&report(Some("6"), 1, seconds)) });
            assert_eq!(mirror.phase.as_str(), "reading", "{number}");
        }
        for seconds in [5, 6] {
            let asked = mirror.read(at(60 * seconds)).unwrap();
            let now = coarse(&report(Some(number), 1, seconds));
            mirror.observe(&Report { read_for: Some(asked.waiting), ..now });
            if mirror.phase == Phase::Idle {
                break;
            }
        }
        assert_eq!((&mirror.phase, mirror.baseline.known()), (&Phase::Idle, Some(&quantity(number))));
    }
}
