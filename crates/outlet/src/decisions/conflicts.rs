//! Answers to conflicts.

use super::{Decisions, Instructed, NotDecided};
use model::{Conflict, ConflictKind, DeliveryId, ExternalId, Instruction, LocationId, Outcome, Side};
use store::ConflictRow;

/// The resolution that is stored if a person gave no reason.
const NO_NOTE: &str = "resolved by hand";

/// The answer to a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConflictAnswer {
    /// The number of one side stands: an instruction, whose event ends the conflict.
    Adopt {
        /// The platform's id of the item.
        item: ExternalId,
        /// Our id of the location.
        location: LocationId,
        /// The side whose number stands.
        side: Side,
    },
    /// It is resolved, and nothing else changes.
    Note,
}

/// The reason why a conflict can't be answered in that way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchAnswer {
    /// A first contact needs a side.
    #[error("the conflict is a first contact: say whose number stands, the store's or the platform's")]
    SideNeeded,
    /// No side has a number in it.
    #[error("only a first contact is answered by a side; conflict {id} is {}: say why it is resolved", kind.as_str())]
    NoSides {
        /// The conflict.
        id: i64,
        /// Its kind.
        kind: ConflictKind,
    },
    /// Its subject names no item.
    #[error("the subject of conflict {id} names no item: {subject}")]
    NoItem {
        /// The conflict.
        id: i64,
        /// Its subject.
        subject: String,
    },
    /// It was resolved before.
    #[error("conflict {id} was resolved at {at} by {by}: {resolution}")]
    Resolved {
        /// The conflict.
        id: i64,
        /// Time of its end.
        at: model::Timestamp,
        /// The person who ended it, or `tillflow`.
        by: String,
        /// The decision.
        resolution: String,
    },
}

impl ConflictAnswer {
    /// Returns the answer to an open conflict, of the side that a person named, if any.
    pub fn of(row: &ConflictRow, side: Option<Side>) -> Result<Self, NoSuchAnswer> {
        if let Some(resolved) = &row.resolved {
            return Err(NoSuchAnswer::Resolved {
                id: row.id,
                at: resolved.at,
                by: resolved.by.clone(),
                resolution: resolved.resolution.clone(),
            });
        }
        let kind = row.conflict.kind;
        let has_item = Conflict::item_of(&row.conflict.subject).is_some();
        let side = match (kind, side) {
            (ConflictKind::FirstContact, Some(side)) => side,
            (ConflictKind::FirstContact, None) => return Err(NoSuchAnswer::SideNeeded),
            // Stopped writes begin anew from the store's number.
            (ConflictKind::Flapping, None | Some(Side::Store)) if has_item => Side::Store,
            (_, Some(_)) => return Err(NoSuchAnswer::NoSides { id: row.id, kind }),
            (_, None) => return Ok(Self::Note),
        };
        let subject = &row.conflict.subject;
        let no_item = || NoSuchAnswer::NoItem { id: row.id, subject: subject.clone() };
        let (item, location) = Conflict::item_of(subject).ok_or_else(no_item)?;
        Ok(Self::Adopt { item, location, side })
    }

    /// Returns the resolution that is stored, with the reason that a person gave.
    pub fn resolution(&self, note: Option<&str>) -> String {
        let decided = match self {
            Self::Adopt { side: Side::Store, .. } => "the store's number stands",
            Self::Adopt { side: Side::Platform, .. } => "the platform's number stands",
            Self::Note => "",
        };
        match (note, decided) {
            (Some(note), "") => note.to_owned(),
            (Some(note), decided) => format!("{decided}: {note}"),
            (None, "") => NO_NOTE.to_owned(),
            (None, decided) => decided.to_owned(),
        }
    }
}

impl Decisions {
    /// Answers a conflict in the name of `by`. Returns its instruction, if it needed one: the event of the instruction ends
    /// the conflict; if the first contact no longer waits for one, the conflict is resolved directly.
    pub async fn answer_conflict(
        &self,
        row: &ConflictRow,
        random: DeliveryId,
        answer: &ConflictAnswer,
        (by, note): (&str, Option<&str>),
    ) -> Result<Option<Instructed>, NotDecided> {
        let resolution = answer.resolution(note);
        let ConflictAnswer::Adopt { item, location, side } = answer else {
            if !self.store.resolve_conflict(row.id, by, &resolution).await? {
                let meanwhile = format!("conflict {} was resolved meanwhile", row.id);
                return Err(NotDecided::Contradicted(meanwhile));
            }
            return Ok(None);
        };
        let missing =
            || NotDecided::Contradicted(format!("there is no connection {}", row.conflict.connection));
        let state = self.store.connection_state(&row.conflict.connection).await?.ok_or_else(missing)?;
        let adopt = Instruction::Adopt { item: item.clone(), location: location.clone(), side: *side };
        let instructed = self.instruct(&state.origin, random, (item, &adopt)).await?;
        let Some(outcome) = &instructed.outcome else { return Ok(Some(instructed)) };
        if outcome.outcome == Outcome::Applied {
            self.store.credit_conflict(row.id, by, &resolution).await?;
        }
        self.store.resolve_conflict(row.id, by, &resolution).await?;
        Ok(Some(instructed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ConnectionId, StoreId, TenantId, Timestamp};
    use store::Resolved;

    fn row(kind: ConflictKind, subject: &str) -> ConflictRow {
        let conflict = Conflict {
            tenant: TenantId::new("t1").unwrap(),
            store: StoreId::new("s1").unwrap(),
            connection: ConnectionId::new("c1").unwrap(),
            event: None,
            kind,
            subject: subject.to_owned(),
            detail: "detail".to_owned(),
        };
        let at = Timestamp::from_micros(0);
        ConflictRow { id: 1, conflict, seen: 1, recorded_at: at, last_seen_at: at, resolved: None }
    }

    fn item() -> String {
        let item = ExternalId::new("i1").unwrap();
        Conflict::about_item(&item, &LocationId::new("l1").unwrap())
    }

    #[test]
    fn each_kind_of_conflict_has_the_answers_that_it_can_have() {
        use ConflictKind::{FirstContact, Flapping, Oversold};
        let adopt = |side| {
            let (item, location) = Conflict::item_of(&item()).unwrap();
            Ok(ConflictAnswer::Adopt { item, location, side })
        };
        let table = [
            (FirstContact, item(), Some(Side::Store), adopt(Side::Store)),
            (FirstContact, item(), Some(Side::Platform), adopt(Side::Platform)),
            (FirstContact, item(), None, Err(NoSuchAnswer::SideNeeded)),
            (Flapping, item(), None, adopt(Side::Store)),
            (Flapping, item(), Some(Side::Store), adopt(Side::Store)),
            (Flapping, item(), Some(Side::Platform), Err(NoSuchAnswer::NoSides { id: 1, kind: Flapping })),
            (Flapping, "price of i1".to_owned(), None, Ok(ConflictAnswer::Note)),
            (Oversold, item(), None, Ok(ConflictAnswer::Note)),
            (Oversold, item(), Some(Side::Store), Err(NoSuchAnswer::NoSides { id: 1, kind: Oversold })),
        ];
        for (kind, subject, side, expected) in table {
            assert_eq!(
                ConflictAnswer::of(&row(kind, &subject), side),
                expected,
                "{kind:?} {subject} {side:?}"
            );
        }
    }

    #[test]
    fn a_resolved_conflict_is_not_answered_again() {
        let resolved = Resolved {
            at: Timestamp::from_micros(0),
            by: "ada".to_owned(),
            resolution: "counted".to_owned(),
        };
        let row = ConflictRow { resolved: Some(resolved), ..row(ConflictKind::Oversold, &item()) };
        assert!(matches!(ConflictAnswer::of(&row, None), Err(NoSuchAnswer::Resolved { id: 1, .. })));
    }

    #[test]
    fn a_resolution_says_what_was_decided_and_why() {
        let side = ConflictAnswer::of(&row(ConflictKind::FirstContact, &item()), Some(Side::Store)).unwrap();
        assert_eq!(ConflictAnswer::Note.resolution(None), NO_NOTE);
        assert_eq!(ConflictAnswer::Note.resolution(Some("counted")), "counted");
        assert_eq!(side.resolution(None), "the store's number stands");
        assert_eq!(side.resolution(Some("counted")), "the store's number stands: counted");
    }
}
