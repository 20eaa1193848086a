//! Reads the record through Postgres's own client, without any code under test.

use super::{Account, Change, EventOutcome, Level, MirrorRow, Thing};
use model::{Payload, record::Applied};
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::BTreeMap, process::Stdio, time::Duration};
use testkit::World;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

/// Time limit of a statement.
const STATEMENT_LIMIT: Duration = Duration::from_mins(5);

/// Work that is due at the platform of a mirror `m`; null if there is none, and for a write that the connection's rules
/// suppress: the mirror has a desired value all the same.
const DUE: &str =
    "(SELECT m.attention FROM connections c WHERE c.id = m.connection AND (m.attention <> 'write'
    OR coalesce((c.rules -> CASE m.kind WHEN 'inventory' THEN 'propagate_inventory'
        WHEN 'price' THEN 'propagate_prices' ELSE 'propagate_products' END)::boolean, true)))";

/// A consumer's progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Progress {
    pub(crate) raw_sequence: u64,
    pub(crate) delivery: u64,
    pub(crate) number: i64,
}

/// Queries the record.
pub(crate) struct Sql<'a>(pub(crate) &'a World);

#[derive(Deserialize)]
struct ChangeRow {
    store: String,
    sequence: i64,
    partition: u16,
    number: i64,
    connection: String,
    event: String,
    payload: String,
}

impl Sql<'_> {
    /// Returns the rows of a statement, each read from one JSON object.
    async fn rows<T: DeserializeOwned>(&self, statement: &str) -> Result<Vec<T>, String> {
        let mut rows = Vec::new();
        self.each(statement, |row| rows.push(row)).await?;
        Ok(rows)
    }

    async fn each<T: DeserializeOwned>(
        &self,
        statement: &str,
        mut take: impl FnMut(T),
    ) -> Result<(), String> {
        let mut psql = self.0.postgres.psql().map_err(|error| error.to_string())?;
        psql.args(["-c", &format!("SELECT row_to_json(t) FROM ({statement}) AS t")]);
        let mut child =
            psql.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(|error| error.to_string())?;
        let output = child.stdout.take().ok_or("psql has no output")?;
        let reading = async {
            let mut lines = BufReader::new(output).lines();
            while let Some(line) = lines.next_line().await.map_err(|error| error.to_string())? {
                if !line.is_empty() {
                    take(
                        serde_json::from_str(&line)
                            .map_err(|error| format!("{error} in a row of {statement}"))?,
                    );
                }
            }
            child.wait().await.map_err(|error| error.to_string())
        };
        let status = timeout(STATEMENT_LIMIT, reading).await.map_err(|_| "the record doesn't answer")??;
        if status.success() { Ok(()) } else { Err(format!("the record refuses: {statement}")) }
    }

    /// The progress of each consumer in each partition.
    pub(crate) async fn cursors(&self) -> Result<BTreeMap<(String, u16), Progress>, String> {
        #[derive(Deserialize)]
        struct Row {
            name: String,
            partition: u16,
            #[serde(flatten)]
            progress: Progress,
        }
        let rows: Vec<Row> =
            self.rows("SELECT name, partition, raw_sequence, delivery, number FROM cursors").await?;
        Ok(rows.into_iter().map(|row| ((row.name, row.partition), row.progress)).collect())
    }

    /// Something that is to be written to or read from a platform, if there is anything. Writes that a connection's
    /// rules suppress don't count.
    pub(crate) async fn due(&self) -> Result<Option<String>, String> {
        let rows: Vec<serde_json::Value> = self
            .rows(&format!(
                "SELECT count(*) OVER () AS due, connection, kind, external, attention, state -> 'phase' AS phase,
                     round(extract(epoch FROM next_attempt_at - now())::numeric, 1) AS seconds_left,
                     state -> 'schedule' -> 'error' AS last_error
                 FROM mirrors m WHERE {DUE} IS NOT NULL ORDER BY next_attempt_at DESC LIMIT 1"
            ))
            .await?;
        Ok(rows.first().map(|row| format!("something is due: {row}")))
    }

    /// The outcome of every event.
    pub(crate) async fn event_outcomes(&self) -> Result<Vec<EventOutcome>, String> {
        self.rows(
            "SELECT store, connection, encode(event_id, 'hex') AS event, encode(delivery_id, 'hex') AS delivery,
                 outcome, reason, raw_sequence, delivery_index, event_index, sequence, attempts FROM event_outcomes",
        )
        .await
    }

    /// The event store, with each store's changes in order.
    pub(crate) async fn changes(&self) -> Result<Vec<Change>, String> {
        let mut changes = Vec::new();
        let mut unreadable = None;
        self.each(
            "SELECT store, sequence, partition, number, connection, encode(event_id, 'hex') AS event,
                 encode(payload, 'hex') AS payload FROM events ORDER BY store, sequence",
            |row: ChangeRow| match change(row) {
                Ok(change) => changes.push(change),
                Err(error) => unreadable = Some(error),
            },
        )
        .await?;
        unreadable.map_or(Ok(changes), Err)
    }

    /// Every store's row of `conservation`.
    pub(crate) async fn accounts(&self) -> Result<Vec<Account>, String> {
        self.rows(
            "SELECT store, accepted, further, in_flight,
                 applied + duplicate + stale + unchanged + echo + filtered + dead AS outcomes FROM conservation",
        )
        .await
    }

    /// Every level, with the ledger's values for it.
    pub(crate) async fn levels(&self) -> Result<Vec<Level>, String> {
        self.rows(
            "WITH lines AS (
                 SELECT store, variant, location, delta, level, sequence,
                     lag(level, 1, 0) OVER each + delta = level AS follows,
                     row_number() OVER (PARTITION BY variant, location ORDER BY sequence DESC) AS newest
                 FROM inventory_movements WINDOW each AS (PARTITION BY variant, location ORDER BY sequence)
             ), sums AS (
                 SELECT store, variant, location, sum(delta) AS ledger,
                     max(level) FILTER (WHERE newest = 1) AS last, count(*) FILTER (WHERE NOT follows) AS broken_lines
                 FROM lines GROUP BY store, variant, location
             )
             SELECT coalesce(l.store, s.store) AS store, variant, location, v.sku,
                 trim_scale(l.quantity)::text AS quantity, trim_scale(s.ledger)::text AS ledger,
                 trim_scale(s.last)::text AS last, coalesce(s.broken_lines, 0) AS broken_lines
             FROM inventory_levels l FULL JOIN sums s USING (variant, location)
             LEFT JOIN variants v ON v.id = variant",
        )
        .await
    }

    /// Ledger lines without a change, at most 100.
    pub(crate) async fn orphans(&self) -> Result<Vec<String>, String> {
        #[derive(Deserialize)]
        struct Row {
            line: String,
        }
        let rows: Vec<Row> = self
            .rows(
                "SELECT m.store || ' ' || m.sequence || ' ' || m.variant AS line FROM inventory_movements m
                 WHERE NOT EXISTS (SELECT FROM events e WHERE e.store = m.store AND e.sequence = m.sequence)
                 LIMIT 100",
            )
            .await?;
        Ok(rows.into_iter().map(|row| row.line).collect())
    }

    /// Every mirror, with the store's own value.
    pub(crate) async fn mirrors(&self) -> Result<Vec<MirrorRow>, String> {
        self.rows(&format!(
            "SELECT m.connection, m.kind, m.external, m.place AS location, {DUE} AS attention,
                 m.state -> 'schedule' ->> 'error' AS last_error,
                 (m.state -> 'observed' ->> 'version')::bigint AS observed_version,
                 CASE jsonb_typeof(m.state -> 'phase')
                     WHEN 'object' THEN (SELECT name FROM jsonb_object_keys(m.state -> 'phase') AS name)
                     ELSE coalesce(m.state ->> 'phase', 'idle') END AS phase,
                 CASE m.kind WHEN 'inventory' THEN trim_scale(l.quantity)::text
                     WHEN 'price' THEN v.price_minor::text ELSE p.title END AS ours
             FROM mirrors m
             LEFT JOIN inventory_levels l ON m.kind = 'inventory' AND l.variant = m.internal AND l.location = m.place
             LEFT JOIN variants v ON m.kind = 'price' AND v.id = m.internal
             LEFT JOIN products p ON m.kind = 'product' AND p.id = m.internal"
        ))
        .await
    }

    /// The titles of products, by the platforms' ids.
    pub(crate) async fn products(&self) -> Result<Vec<Thing>, String> {
        self.rows(
            "SELECT l.connection, l.external, p.title AS text, NULL::bigint AS total_minor
             FROM links l JOIN products p ON p.id = l.internal WHERE l.kind = 'product'",
        )
        .await
    }

    /// All orders.
    pub(crate) async fn orders(&self) -> Result<Vec<Thing>, String> {
        self.rows("SELECT connection, external, status AS text, total_minor FROM orders").await
    }

    /// Number of conflicts.
    pub(crate) async fn conflicts(&self) -> Result<u64, String> {
        #[derive(Deserialize)]
        struct Row {
            count: u64,
        }
        let rows: Vec<Row> = self.rows("SELECT count(*) AS count FROM conflicts").await?;
        Ok(rows.first().map_or(0, |row| row.count))
    }
}

fn change(row: ChangeRow) -> Result<Change, String> {
    let applied: Applied =
        wire::decode_applied(bytes_of(&row.payload)?.into()).map_err(|error| error.to_string())?;
    let event = &applied.event;
    let location = match &event.payload {
        Payload::Inventory(report) => report.location.as_ref().map(ToString::to_string).unwrap_or_default(),
        Payload::Product(_)
        | Payload::Order(_)
        | Payload::Customer(_)
        | Payload::Employee(_)
        | Payload::Stocked(_)
        | Payload::Promotion(_)
        | Payload::Activity { .. }
        | Payload::Account(_)
        | Payload::Instruction { .. }
        | Payload::Deleted { .. } => String::new(),
    };
    Ok(Change {
        object: format!("{} {} {location}", event.payload.entity(), event.payload.external()),
        version: event.version_number().map(|number| number.0),
        event: row.event.parse().map_err(|_| "an event's id".to_owned())?,
        store: row.store,
        sequence: row.sequence,
        partition: row.partition,
        number: row.number,
        connection: row.connection,
    })
}

fn bytes_of(text: &str) -> Result<Vec<u8>, String> {
    let digit = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(digit).collect();
    bytes.ok_or_else(|| "not hexadecimal".to_owned())
}

/// Deserializes ids from their hexadecimal form in rows.
pub(super) mod hexadecimal {
    use serde::{Deserialize, Deserializer, de::Error};
    use std::str::FromStr;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: FromStr>(from: D) -> Result<T, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| D::Error::custom("not an id"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_ids() {
        let row = r#"{"store":"s","connection":"c","event":"00000000000000000000000000000001",
            "delivery":"00000000000000000000000000000002","outcome":"applied","reason":"","raw_sequence":3,
            "delivery_index":4,"event_index":5,"sequence":6,"attempts":1}"#;
        let event_outcome: EventOutcome = serde_json::from_str(row).unwrap();
        assert_eq!(event_outcome.delivery.as_bytes()[15], 2);
        assert_eq!(event_outcome.position().to_string(), "3.4.5");
        assert_eq!(bytes_of("00ff10"), Ok(vec![0, 255, 16]));
        assert!(bytes_of("0g").is_err());
    }
}
