//! Notices about an account, and decisions that people made about it.

use super::{Decision, View, Write, contact, links, locations, matched, sales};
use model::{
    AccountNotice, Conflict, ConflictKind, CustomerId, Duty, Event, ExternalId, Gate, Instruction, LevelKey,
    Outcome,
};
use stage::Reject;

/// The subject of a conflict about a connection as a whole.
const WHOLE_CONNECTION: &str = "the connection";

/// Decides a notice: carries the duty out where that is possible, and always opens a conflict that a person confirms.
pub(super) fn notice(event: &Event, notice: &AccountNotice, view: &View<'_>) -> Decision {
    let external = &notice.external;
    let (kind, subject, detail, write) = match notice.duty {
        Duty::EraseCustomer => {
            let id = CustomerId::derive(&event.origin.connection, external);
            let row = sales::erased(event, external, id.clone(), view.facts.customers.get(&id));
            let detail = "the record was erased; RAW and dead letters that hold the customer's data are dropped at \
                the end of their retention";
            (ConflictKind::EraseCustomer, format!("customer {external}"), detail, Some(Write::Customer(row)))
        }
        Duty::ReportCustomer => {
            let detail = "the data that is kept of the customer has to be reported to the merchant";
            (ConflictKind::ReportCustomer, format!("customer {external}"), detail, None)
        }
        Duty::EraseAccount => {
            let detail = "the personal data of the account's customers and employees was erased, and dead letters that came before \
                are; RAW drops its bytes at the end of its retention";
            let write = Write::EraseAccount(sales::erasure(event));
            (ConflictKind::EraseAccount, format!("account {external}"), detail, Some(write))
        }
        Duty::AccessRevoked => {
            let detail =
                "the platform revoked our access: nothing is called until the connection is set up again";
            (ConflictKind::AccessRevoked, WHOLE_CONNECTION.to_owned(), detail, Some(Write::AccessRevoked))
        }
    };
    let conflict = Conflict { detail: detail.to_owned(), ..view.conflict(event, kind, subject) };
    let mut decision = Decision::of(Outcome::Applied, "");
    decision.writes.extend(write);
    decision.writes.push(Write::Conflict(conflict));
    decision
}

/// Decides an instruction: a person's decision.
pub(super) fn instruction(
    event: &Event,
    instruction: &Instruction,
    view: &View<'_>,
) -> Result<Decision, Reject> {
    match instruction {
        Instruction::Link { variant, to } => links::by_hand(event, variant, to, view),
        Instruction::LinkMatched(link) => matched::link(event, link, view),
        Instruction::Unlink { variant } => links::undone_by_hand(event, variant, view),
        Instruction::LinkLocation { location, to } => Ok(locations::link(event, location, to, view)),
        Instruction::Adopt { item, location, side } => {
            contact::adopt(event, &level_key(event, item, location), *side, view)
        }
        Instruction::Baseline(rule) => {
            let mut together = Decision::of(Outcome::Applied, "");
            together.writes.push(Write::Rule(*rule));
            for key in waiting(event, view) {
                let decision = contact::resolve(event, &key, *rule, view)?;
                together.writes.extend(decision.writes);
                together.effects.extend(decision.effects);
            }
            Ok(together)
        }
    }
}

fn level_key(event: &Event, item: &ExternalId, location: &model::LocationId) -> LevelKey {
    LevelKey { connection: event.origin.connection.clone(), item: item.clone(), location: location.clone() }
}

/// The connection's mirrors whose first contact waits for a person's decision.
fn waiting(event: &Event, view: &View<'_>) -> Vec<LevelKey> {
    let of_connection =
        view.facts.mirrors.levels.iter().filter(|(key, _)| key.connection == event.origin.connection);
    of_connection
        .filter(|(_, mirror)| matches!(mirror.gate, Gate::Asked | Gate::Unproven))
        .map(|(key, _)| key.clone())
        .collect()
}
