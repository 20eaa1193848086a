//! Matches as they are stored: proposed, made, rejected, ended.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::{id, id_or_null, signed, time, time_or_null, unreadable},
    conflicts::storable,
    match_queue::score,
    statement::{Bound, query, statements},
};
use model::{
    Conflict, ConnectionId, DeliveryId, ExternalId, Instruction, MatchedLink, Origin, PlatformName, StoreId,
    TenantId, Timestamp, VariantId,
    matching::{Candidate, KnownMatch, MatchReason, MatchState, Score},
};
use sqlx::{Row as _, postgres::PgRow};
use std::collections::BTreeSet;

/// The topic by which the ids of matches' instructions are derived.
const TOPIC: &str = "match";

/// A stored match, with the present link of its item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchRow {
    /// The match.
    pub known: KnownMatch,
    /// The owner, connection and platform of the item.
    pub origin: Origin,
    /// The platform's id of the item.
    pub external: ExternalId,
    /// The variant that the item was linked to when it was matched.
    pub variant: VariantId,
    /// The variant that the item is linked to now; `None` if its platform no longer has it.
    pub linked_to: Option<VariantId>,
    /// The number of times that it was proposed again.
    pub round: i32,
    /// The person who decided it, if one did.
    pub decided_by: Option<String>,
    /// The reason of that person, or of its end.
    pub note: Option<String>,
    /// The position in RAW before its instruction.
    pub after_raw: u64,
    /// The time at which the intake had its instruction.
    pub instructed_at: Option<Timestamp>,
    /// The time of the first proposal.
    pub created_at: Timestamp,
    /// The time of the last change.
    pub changed_at: Timestamp,
    /// The titles of the item's product and variant, as they were before it was linked.
    pub titles: [Option<String>; 2],
    /// The titles of the product and variant that it was matched with.
    pub candidate_titles: [Option<String>; 2],
    /// True if the item's product has no other variant.
    pub is_only_variant: bool,
}

impl MatchRow {
    /// Returns the id of its instruction: the same however often it is sent.
    pub fn delivery(&self) -> DeliveryId {
        // Ids have no control characters.
        let distinct = format!("{}\n{}\n{}", self.external, self.known.to, self.round);
        DeliveryId::derive(&self.origin.connection, TOPIC, distinct.as_bytes())
    }

    /// Returns the instruction that links its item.
    pub fn instruction(&self) -> Instruction {
        Instruction::LinkMatched(MatchedLink {
            variant: self.external.clone(),
            from: self.variant.clone(),
            to: self.known.to.clone(),
            score: self.known.score,
            is_automatic: self.known.state == MatchState::Automatic,
            is_only_variant: self.is_only_variant,
        })
    }
}

/// A selection of matches; without a value, the field doesn't limit it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatchFilter {
    /// The store.
    pub store: Option<StoreId>,
    /// The connection of the item.
    pub connection: Option<ConnectionId>,
    /// The states; none for all.
    pub states: Vec<MatchState>,
}

/// A match to be proposed or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedMatch {
    /// The connection of the item.
    pub connection: ConnectionId,
    /// The platform's id of the item.
    pub external: ExternalId,
    /// The variant that the item is linked to.
    pub variant: VariantId,
    /// The variant that it may be, with score and reasons.
    pub candidate: Candidate,
    /// Proposed, or automatic.
    pub state: MatchState,
    /// The state of a match of the pair that is stored.
    pub before: Option<MatchState>,
}

/// A change of a match's state that no person made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchEnd {
    /// Its item is linked because of it: this isn't the end of its state.
    Linked,
    /// The link was undone.
    Undone,
    /// It no longer holds.
    Superseded,
}

impl Store {
    /// Returns every match of these items, of the items of these variants, and with these variants: at most
    /// [`LISTED_ROWS`].
    pub async fn matches_about(
        &self,
        store: &StoreId,
        items: &[(ConnectionId, ExternalId)],
        variants: &BTreeSet<VariantId>,
    ) -> Result<Vec<MatchRow>, StoreError> {
        let statement = query(ABOUT)
            .bind(store.as_str().to_owned())
            .bind(items.iter().map(|(connection, _)| connection.as_str()).collect::<Vec<_>>())
            .bind(items.iter().map(|(_, external)| external.as_str()).collect::<Vec<_>>())
            .bind(variants.iter().map(VariantId::as_str).collect::<Vec<_>>())
            .bind(LISTED_ROWS);
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns the store's matches whose links are under way, the oldest first: at most `limit`.
    pub async fn matches_under_way(&self, store: &StoreId, limit: i64) -> Result<Vec<MatchRow>, StoreError> {
        let statement = query(UNDER_WAY).bind(store.as_str().to_owned()).bind(limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns matches, the newest first: at most `limit`, and at most [`LISTED_ROWS`].
    pub async fn matches(&self, filter: &MatchFilter, limit: i64) -> Result<Vec<MatchRow>, StoreError> {
        let statement = query(LIST)
            .bind(filter.store.as_ref().map(|store| store.as_str().to_owned()))
            .bind(filter.connection.as_ref().map(|connection| connection.as_str().to_owned()))
            .bind(filter.states.iter().map(|state| state.as_str()).collect::<Vec<_>>())
            .bind(limit.min(LISTED_ROWS));
        self.fetch_all(statement).await?.iter().map(read).collect()
    }

    /// Returns one match; `None` if there is none with that number.
    pub async fn match_by_id(&self, id: i64) -> Result<Option<MatchRow>, StoreError> {
        self.fetch_optional(one(id)).await?.map(|row| read(&row)).transpose()
    }

    /// Returns the number of matches that wait for a person, counted up to [`LISTED_ROWS`].
    pub async fn count_waiting_matches(&self) -> Result<i64, StoreError> {
        Ok(self.fetch_one(query(COUNT_WAITING).bind(LISTED_ROWS)).await?.try_get("waiting")?)
    }

    /// Stores matches of a store, unless a person decided about them meanwhile. `after_raw` is a position in RAW before
    /// their instructions.
    pub async fn propose_matches(
        &self,
        tenant: &TenantId,
        store: &StoreId,
        proposed: &[ProposedMatch],
        after_raw: u64,
    ) -> Result<u64, StoreError> {
        let scores = proposed.iter().map(|it| small(it.candidate.score)).collect::<Result<Vec<_>, _>>()?;
        let reasons = |it: &ProposedMatch| codes(&it.candidate.reasons).join(",");
        let statement = query(PROPOSE)
            .bind(tenant.as_str().to_owned())
            .bind(store.as_str().to_owned())
            .bind(proposed.iter().map(|it| it.connection.as_str()).collect::<Vec<_>>())
            .bind(proposed.iter().map(|it| it.external.as_str()).collect::<Vec<_>>())
            .bind(proposed.iter().map(|it| it.variant.as_str()).collect::<Vec<_>>())
            .bind(proposed.iter().map(|it| it.candidate.id.as_str()).collect::<Vec<_>>())
            .bind(scores)
            .bind(proposed.iter().map(reasons).collect::<Vec<_>>())
            .bind(proposed.iter().map(|it| it.state.as_str()).collect::<Vec<_>>())
            .bind(proposed.iter().map(|it| it.before.map(MatchState::as_str)).collect::<Vec<_>>())
            .bind(signed(after_raw)?);
        Ok(self.execute(statement).await?.rows_affected())
    }

    /// Changes the state of matches, unless a person decided about them meanwhile. Other items that may be the same
    /// variants are to be decided again: one of several that were alike may be left alone.
    pub async fn end_matches(&self, ids: &[i64], end: MatchEnd, note: &str) -> Result<u64, StoreError> {
        let statement = match end {
            MatchEnd::Linked => query(LINKED).bind(ids.to_vec()),
            MatchEnd::Undone => query(UNDONE).bind(ids.to_vec()).bind(note.to_owned()),
            MatchEnd::Superseded => query(SUPERSEDED).bind(ids.to_vec()).bind(note.to_owned()),
        };
        let ended = self.execute(statement).await?.rows_affected();
        self.execute(query(ADD_RIVALS).bind(ids.to_vec())).await?;
        Ok(ended)
    }

    /// Notes that the intake has the instruction of a match.
    pub async fn note_match_instructed(&self, id: i64) -> Result<(), StoreError> {
        self.execute(query(INSTRUCTED).bind(id)).await.map(drop)
    }

    /// Accepts a match that is proposed, rejected or ended. Returns `false` if it is in another state.
    pub async fn accept_match(&self, id: i64, by: &str, after_raw: u64) -> Result<bool, StoreError> {
        let by = storable(by, Conflict::DETAIL_MAX_BYTES);
        let statement = query(ACCEPT).bind(id).bind(by).bind(signed(after_raw)?);
        Ok(self.execute(statement).await?.rows_affected() == 1)
    }

    /// Rejects a match in one of these states. Returns `false` if it is in another one.
    pub async fn reject_match(
        &self,
        id: i64,
        from: &[MatchState],
        (by, note): (&str, Option<&str>),
    ) -> Result<bool, StoreError> {
        let statement = query(REJECT)
            .bind(id)
            .bind(from.iter().map(|state| state.as_str()).collect::<Vec<_>>())
            .bind(storable(by, Conflict::DETAIL_MAX_BYTES))
            .bind(note.map(|note| storable(note, Conflict::DETAIL_MAX_BYTES)));
        Ok(self.execute(statement).await?.rows_affected() == 1)
    }

    /// Stores that an item isn't a variant of the store that it is linked to, for every reason that there could be: it is
    /// never matched with it again, unless a person accepts that.
    pub async fn reject_pair(
        &self,
        origin: &Origin,
        external: &ExternalId,
        variant: &VariantId,
        by: &str,
    ) -> Result<(), StoreError> {
        let statement = query(REJECT_PAIR)
            .bind(origin.tenant.as_str().to_owned())
            .bind(origin.store.as_str().to_owned())
            .bind(origin.connection.as_str().to_owned())
            .bind(external.as_str().to_owned())
            .bind(VariantId::derive(&origin.connection, external).as_str().to_owned())
            .bind(variant.as_str().to_owned())
            .bind(codes(&EVERY_REASON_FOR))
            .bind(storable(by, Conflict::DETAIL_MAX_BYTES));
        self.execute(statement).await.map(drop)
    }
}

/// Every reason for a match.
const EVERY_REASON_FOR: [MatchReason; 6] = [
    MatchReason::Identical,
    MatchReason::GtinEqual,
    MatchReason::SkuEqual,
    MatchReason::NameEqual,
    MatchReason::BrandEqual,
    MatchReason::SizeEqual,
];

fn codes(reasons: &[MatchReason]) -> Vec<String> {
    reasons.iter().map(|reason| reason.code()).collect()
}

fn small(score: Score) -> Result<i16, StoreError> {
    i16::try_from(score.per_mille()).map_err(|_| StoreError::refused("the score is too high"))
}

/// Builds the statement that lists matches of a store with numbers below `below`, the latest first.
pub(crate) fn of_store(store: &StoreId, filter: &MatchFilter, below: i64, limit: i64) -> Bound {
    query(OF_STORE)
        .bind(store.as_str().to_owned())
        .bind(filter.connection.as_ref().map(|connection| connection.as_str().to_owned()))
        .bind(filter.states.iter().map(|state| state.as_str()).collect::<Vec<_>>())
        .bind(below)
        .bind(limit)
}

/// Builds the statement that looks up one match.
pub(crate) fn one(id: i64) -> Bound {
    query(ONE).bind(id)
}

pub(crate) fn read(row: &PgRow) -> Result<MatchRow, StoreError> {
    let state = MatchState::parse(row.try_get("state")?).ok_or_else(|| unreadable("state"))?;
    let reasons: Vec<String> = row.try_get("reasons")?;
    let reasons = reasons.iter().map(|code| MatchReason::parse(code)).collect::<Option<Vec<_>>>();
    let linked_at = time_or_null(row, "linked_at")?;
    let known = KnownMatch {
        id: row.try_get("id")?,
        to: id(row, "candidate")?,
        score: score(row.try_get("score")?, "score")?,
        reasons: reasons.ok_or_else(|| unreadable("reasons"))?,
        state,
        is_linked: linked_at.is_some(),
        was_rejected: row.try_get("was_rejected")?,
    };
    let origin = Origin {
        tenant: id::<TenantId>(row, "tenant")?,
        store: id(row, "store")?,
        connection: id(row, "connection")?,
        platform: id::<PlatformName>(row, "platform")?,
    };
    Ok(MatchRow {
        known,
        origin,
        external: id(row, "external")?,
        variant: id(row, "variant")?,
        linked_to: id_or_null(row, "linked_to")?,
        round: row.try_get("round")?,
        decided_by: row.try_get("decided_by")?,
        note: row.try_get("note")?,
        after_raw: row.try_get::<i64, _>("after_raw")?.unsigned_abs(),
        instructed_at: time_or_null(row, "instructed_at")?,
        created_at: time(row, "created_at")?,
        changed_at: time(row, "changed_at")?,
        titles: [row.try_get("product_title")?, row.try_get("title")?],
        candidate_titles: [row.try_get("candidate_product_title")?, row.try_get("candidate_title")?],
        is_only_variant: row.try_get("is_only_variant")?,
    })
}

/// Columns of a match, and the joins that they need; its row is `m`.
macro_rules! matches {
    ($rest:literal) => {
        concat!(
            "
        SELECT m.*, c.platform, l.internal AS linked_to, v.title, p.title AS product_title,
            o.title AS candidate_title, q.title AS candidate_product_title,
            NOT EXISTS (SELECT FROM variants a WHERE a.product = v.product AND a.id <> v.id) AS is_only_variant
        FROM match_candidates m
        JOIN connections c ON c.id = m.connection
        LEFT JOIN links l ON l.connection = m.connection AND l.kind = 'variant' AND l.external = m.external
            AND l.retired_at IS NULL
        LEFT JOIN variants v ON v.id = m.variant
        LEFT JOIN products p ON p.id = v.product
        LEFT JOIN variants o ON o.id = m.candidate
        LEFT JOIN products q ON q.id = o.product
        ",
            $rest
        )
    };
}

statements! {
    const ABOUT: ByKey(text, text[], text[], text[], int8) = matches!(
        "WHERE m.store = $1 AND m.id IN (
            SELECT a.id FROM unnest($2::text[], $3::text[]) AS u(connection, external)
            JOIN match_candidates a ON a.connection = u.connection AND a.external = u.external
            UNION SELECT b.id FROM match_candidates b WHERE b.variant = ANY($4)
            UNION SELECT d.id FROM match_candidates d WHERE d.candidate = ANY($4))
         ORDER BY m.id LIMIT $5"
    );

    const UNDER_WAY: ByKey(text, int8) = matches!(
        "WHERE m.store = $1 AND m.state IN ('automatic', 'accepted') AND m.linked_at IS NULL
         ORDER BY m.id LIMIT $2"
    );

    const LIST: Any(text, text, text[], int8) = matches!(
        "WHERE ($1::text IS NULL OR m.store = $1) AND ($2::text IS NULL OR m.connection = $2)
            AND (cardinality($3::text[]) = 0 OR m.state = ANY($3))
         ORDER BY m.id DESC LIMIT $4"
    );

    const OF_STORE: Any(text, text, text[], int8, int8) = matches!(
        "WHERE m.store = $1 AND ($2::text IS NULL OR m.connection = $2)
            AND (cardinality($3::text[]) = 0 OR m.state = ANY($3)) AND m.id < $4
         ORDER BY m.id DESC LIMIT $5"
    );

    const ONE: ByKey(int8) = matches!("WHERE m.id = $1");

    const COUNT_WAITING: ByKey(int8) = "
        SELECT count(*) AS waiting
        FROM (SELECT FROM match_candidates WHERE state = 'proposed' AND store > '' LIMIT $1) AS waiting";

    const PROPOSE: ByKey(text, text, text[], text[], text[], text[], int2[], text[], text[], text[], int8) = "
        INSERT INTO match_candidates AS m (tenant, store, connection, external, variant, candidate, score, reasons, state,
            after_raw)
        SELECT $1, $2, u.connection, u.external, u.variant, u.candidate, u.score, string_to_array(u.reasons, ','),
            u.state, $11
        FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::int2[], $8::text[], $9::text[], $10::text[])
            AS u(connection, external, variant, candidate, score, reasons, state, before)
        WHERE u.before IS NOT DISTINCT FROM (
            SELECT k.state FROM match_candidates k
            WHERE k.connection = u.connection AND k.external = u.external AND k.candidate = u.candidate)
        ON CONFLICT (connection, external, candidate) DO UPDATE
        SET variant = excluded.variant, score = excluded.score, reasons = excluded.reasons, state = excluded.state,
            round = m.round + CASE WHEN m.state = 'proposed' THEN 0 ELSE 1 END, decided_by = NULL, note = NULL,
            after_raw = excluded.after_raw, instructed_at = NULL, linked_at = NULL, changed_at = now()
        WHERE m.state IN ('proposed', 'rejected', 'superseded')";

    const LINKED: ByKey(int8[]) = "
        UPDATE match_candidates SET linked_at = coalesce(linked_at, now()), changed_at = now()
        WHERE id = ANY($1) AND state IN ('automatic', 'accepted')";

    const UNDONE: ByKey(int8[], text) = "
        UPDATE match_candidates SET state = 'rejected', was_rejected = true, note = $2, changed_at = now()
        WHERE id = ANY($1) AND state IN ('automatic', 'accepted')";

    const SUPERSEDED: ByKey(int8[], text) = "
        UPDATE match_candidates SET state = 'superseded', note = $2, changed_at = now()
        WHERE id = ANY($1) AND state IN ('proposed', 'automatic', 'accepted')";

    const ADD_RIVALS: ByKey(int8[]) = "
        INSERT INTO match_due AS d (tenant, store, variant, is_item_only)
        SELECT DISTINCT r.tenant, r.store, r.variant, true
        FROM match_candidates m
        CROSS JOIN LATERAL (SELECT * FROM match_candidates k WHERE k.candidate = m.candidate OFFSET 0) AS r
        WHERE m.id = ANY($1) AND r.state = 'proposed' AND r.id <> m.id ORDER BY r.variant
        ON CONFLICT (store, variant) DO UPDATE SET marks = d.marks + 1";

    const INSTRUCTED: ByKey(int8) =
        "UPDATE match_candidates SET instructed_at = coalesce(instructed_at, now()) WHERE id = $1";

    // Its instruction names the present link of the item.
    const ACCEPT: ByKey(int8, text, int8) = "
        UPDATE match_candidates m
        SET state = 'accepted', decided_by = $2, note = NULL, after_raw = $3, instructed_at = NULL, linked_at = NULL,
            round = m.round + CASE WHEN m.state = 'proposed' THEN 0 ELSE 1 END, changed_at = now(),
            variant = coalesce((SELECT l.internal FROM links l
                                WHERE l.connection = m.connection AND l.kind = 'variant' AND l.external = m.external
                                    AND l.retired_at IS NULL), m.variant)
        WHERE m.id = $1 AND m.state IN ('proposed', 'rejected', 'superseded')";

    const REJECT: ByKey(int8, text[], text, text) = "
        UPDATE match_candidates
        SET state = 'rejected', was_rejected = true, decided_by = $3, note = $4, changed_at = now()
        WHERE id = $1 AND state = ANY($2)";

    const REJECT_PAIR: ByKey(text, text, text, text, text, text, text[], text) = "
        INSERT INTO match_candidates AS m (tenant, store, connection, external, variant, candidate, score, reasons, state,
            was_rejected, decided_by)
        VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 'rejected', true, $8)
        ON CONFLICT (connection, external, candidate) DO UPDATE
        SET state = 'rejected', was_rejected = true, decided_by = excluded.decided_by, changed_at = now()";
}
