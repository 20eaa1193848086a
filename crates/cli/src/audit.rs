//! Checks that every accepted delivery has an outcome, once and in order: validates RAW against the record.

use crate::{
    cli::{Audit, Output},
    doctor::{alert_line, alerts_json},
    environment::{open_bus, open_store},
    failure::Failed,
    output,
    progress::Progress,
    raw::RawReader,
    stores,
    table::{Table, left, right},
};
use bus::{Alert, Bus, Foreign};
use model::{DeliveryId, Outcome, Partition, Position, StoreId};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use store::{Account, Consumer, DeliveryPosition, Store};

/// Upper limit of positions of a store that are queried at once.
const POSITIONS_MAX: usize = 4000;

/// A delivery of RAW without an outcome in the record.
struct Missing {
    store: StoreId,
    delivery: DeliveryId,
    position: Position,
}

/// The findings.
#[derive(Default)]
struct Found {
    checked: usize,
    in_flight: usize,
    missing: Vec<Missing>,
    /// Foreign messages of RAW: they contain no accepted delivery.
    foreign: Vec<Foreign>,
    /// The permanent errors of the last seven days.
    alerts: Vec<Alert>,
    contradictions: Vec<(StoreId, String)>,
}

pub(crate) async fn run(arguments: Audit, output: Output) -> Result<(), Failed> {
    let (bus, store) = (open_bus(&arguments.target).await?, open_store(&arguments.target).await?);
    let wanted = stores::find_any(&store, arguments.store.as_deref()).await?;
    let mut audit = Auditing { bus, store, wanted, found: Found::default() };
    let progress = Progress::new("the partitions of RAW");
    progress.expect(u64::from(audit.bus.partitions().get()));
    for partition in audit.bus.partitions().all() {
        audit.partition(partition).await?;
        progress.add(1);
    }
    progress.finish();
    let accounts = audit.store.accounts(audit.wanted.as_ref()).await?;
    for account in &accounts {
        let wrong = audit.store.contradictions(&account.store).await?;
        audit.found.contradictions.extend(wrong.into_iter().map(|wrong| (account.store.clone(), wrong)));
    }
    audit.found.alerts = audit.bus.alerts().await?;
    print(output, &accounts, &audit.found);
    let Found { missing, contradictions, .. } = &audit.found;
    let wrong = missing.len() + contradictions.len();
    if wrong > 0 { Err(Failed::Other(format!("{wrong} findings"))) } else { Ok(()) }
}

struct Auditing {
    bus: Bus,
    store: Store,
    wanted: Option<StoreId>,
    found: Found,
}

impl Auditing {
    async fn partition(&mut self, partition: Partition) -> Result<(), Failed> {
        let applied = self.store.cursor(Consumer::Apply, partition).await?.position;
        let mut reader = RawReader::open(&self.bus, partition, Position::default()).await?;
        let mut waiting: BTreeMap<StoreId, BTreeMap<DeliveryPosition, DeliveryId>> = BTreeMap::new();
        loop {
            let messages = reader.next().await?;
            if messages.is_empty() {
                break;
            }
            for message in &messages {
                self.found.foreign.extend(message.foreign.clone());
            }
            for positioned in messages.into_iter().flat_map(|message| message.deliveries) {
                let store = &positioned.value.origin.store;
                if self.wanted.as_ref().is_some_and(|wanted| wanted != store) {
                    continue;
                }
                if positioned.position > applied {
                    self.found.in_flight += 1;
                    continue;
                }
                let position = (positioned.position.raw_sequence, positioned.position.delivery);
                let positions = waiting.entry(store.clone()).or_default();
                positions.insert(position, positioned.value.id);
                if positions.len() >= POSITIONS_MAX {
                    let (store, positions) = (store.clone(), std::mem::take(positions));
                    self.check(store, positions).await?;
                }
            }
        }
        for (store, positions) in waiting {
            self.check(store, positions).await?;
        }
        Ok(())
    }

    async fn check(
        &mut self,
        store: StoreId,
        positions: BTreeMap<DeliveryPosition, DeliveryId>,
    ) -> Result<(), Failed> {
        let keys: BTreeSet<DeliveryPosition> = positions.keys().copied().collect();
        let missing = self.store.positions_without_outcome(&store, &keys).await?;
        self.found.checked += positions.len();
        self.found.missing.extend(missing.into_iter().filter_map(|(raw_sequence, delivery)| {
            let id = *positions.get(&(raw_sequence, delivery))?;
            let position = Position { raw_sequence, delivery, event: 0 };
            Some(Missing { store: store.clone(), delivery: id, position })
        }));
        Ok(())
    }
}

fn print(output: Output, accounts: &[Account], found: &Found) {
    match output {
        Output::Text => print_text(accounts, found),
        Output::Json => print_json(accounts, found),
    }
}

fn print_text(accounts: &[Account], found: &Found) {
    output::table(account_table(accounts));
    for missing in &found.missing {
        output::finding(&format!(
            "missing: delivery {} of store {} at {}",
            missing.delivery, missing.store, missing.position
        ));
    }
    for (store, wrong) in &found.contradictions {
        output::finding(&format!("wrong: store {store}: {wrong}"));
    }
    for foreign in &found.foreign {
        output::line(&format!("foreign: {foreign}"));
    }
    for alert in &found.alerts {
        output::finding(&format!("alert: {}", alert_line(alert)));
    }
    output::line(&format!(
        "{} deliveries in RAW have come to an end, {} are under way, {} are missing",
        found.checked - found.missing.len(),
        found.in_flight,
        found.missing.len()
    ));
}

/// The difference between a store's accepted deliveries and those with an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UnderWay {
    /// Accepted, without an outcome yet.
    in_flight: i64,
    /// With an outcome, and not counted as accepted yet: that count is a second behind.
    uncounted: i64,
}

impl UnderWay {
    fn of(account: &Account) -> Self {
        Self { in_flight: account.in_flight.max(0), uncounted: account.in_flight.min(0).saturating_neg() }
    }
}

fn account_table(accounts: &[Account]) -> Table {
    let outcomes = Outcome::ALL.map(|outcome| right(outcome.as_str()));
    let columns = [left("store"), right("accepted"), right("further")].into_iter();
    let is_behind = accounts.iter().any(|account| UnderWay::of(account).uncounted > 0);
    let last = [right("in flight"), right("uncounted")].into_iter().take(1 + usize::from(is_behind));
    let mut table = Table::new(columns.chain(outcomes).chain(last));
    for account in accounts {
        let outcomes = Outcome::ALL.iter().map(|outcome| account.outcomes[outcome].to_string());
        let first = [account.store.to_string(), account.accepted.to_string(), account.further.to_string()];
        let UnderWay { in_flight, uncounted } = UnderWay::of(account);
        table.add(first.into_iter().chain(outcomes).chain([in_flight, uncounted].map(|it| it.to_string())));
    }
    table
}

fn print_json(accounts: &[Account], found: &Found) {
    for account in accounts {
        let UnderWay { in_flight, uncounted } = UnderWay::of(account);
        output::json(&json!({
            "kind": "account", "tenant": account.tenant, "store": account.store, "accepted": account.accepted,
            "further": account.further, "outcomes": account.outcomes, "in_flight": in_flight, "uncounted": uncounted,
        }));
    }
    for missing in &found.missing {
        output::json(&json!({
            "kind": "missing", "store": missing.store, "delivery_id": missing.delivery.to_string(),
            "position": missing.position.to_string(),
        }));
    }
    for (store, wrong) in &found.contradictions {
        output::json(&json!({"kind": "contradiction", "store": store, "what": wrong}));
    }
    for foreign in &found.foreign {
        let Foreign { stream, subject, sequence, digest, reason, .. } = foreign;
        output::json(&json!({
            "kind": "foreign", "stream": stream, "sequence": sequence, "subject": subject, "digest": digest,
            "reason": reason,
        }));
    }
    for mut alert in alerts_json(&found.alerts) {
        alert["kind"] = json!("alert");
        output::json(&alert);
    }
    output::json(&json!({
        "kind": "summary", "checked": found.checked, "in_flight": found.in_flight,
        "missing": found.missing.len(), "contradictions": found.contradictions.len(),
        "foreign": found.foreign.len(),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TenantId;

    fn account(in_flight: i64) -> Account {
        Account {
            tenant: TenantId::new("t").unwrap(),
            store: StoreId::new("s").unwrap(),
            accepted: 5,
            further: 0,
            outcomes: Outcome::ALL.into_iter().map(|outcome| (outcome, 1)).collect(),
            in_flight,
        }
    }

    #[test]
    fn nothing_is_in_flight_less_than_none_and_what_is_not_counted_yet_has_its_own_column() {
        assert_eq!(UnderWay::of(&account(3)), UnderWay { in_flight: 3, uncounted: 0 });
        assert_eq!(UnderWay::of(&account(-2)), UnderWay { in_flight: 0, uncounted: 2 });
        let lines = account_table(&[account(0), account(-2)]).lines();
        assert!(lines[0].ends_with("in flight  uncounted"), "{lines:#?}");
        assert!(lines[2].ends_with("          0          2"), "{lines:#?}");
        assert!(account_table(&[account(1)]).lines()[0].ends_with("in flight"));
        assert!(!account_table(&[account(-2)]).lines().concat().contains('-'));
    }
}
