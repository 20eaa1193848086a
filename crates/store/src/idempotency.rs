//! Requests with an `Idempotency-Key` and their responses.

use crate::{
    LISTED_ROWS, Store, StoreError,
    columns::unreadable,
    row::Row as _,
    statement::{query, statements},
};
use model::Timestamp;
use sqlx::{Row as _, postgres::PgRow};
use std::collections::BTreeMap;

/// The key of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestKey<'a> {
    /// The caller that sent it: at most 200 bytes.
    pub caller: &'a str,
    /// The value of the header: at most 255 bytes.
    pub key: &'a str,
}

/// A response that is kept for repetitions of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptResponse {
    /// The status, below 500.
    pub status: u16,
    /// The headers that matter to the caller.
    pub headers: BTreeMap<String, String>,
    /// The body: at most 1 MiB of text.
    pub body: String,
}

/// The result of beginning a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BegunRequest {
    /// It is the first with its key, or the one before was cut off: it is to be carried out.
    First,
    /// It was carried out before, with this response.
    Repeated(KeptResponse),
    /// One with the same key is under way.
    UnderWay,
    /// The key was used for another request.
    Other,
}

impl Store {
    /// Begins a request, whose content has the digest `request`. One that began before `cut_off_before` and has no
    /// response counts as cut off.
    pub async fn begin_request(
        &self,
        of: RequestKey<'_>,
        request: [u8; 32],
        now: Timestamp,
        cut_off_before: Timestamp,
    ) -> Result<BegunRequest, StoreError> {
        let statement = query(BEGIN)
            .bind(of.caller.to_owned())
            .bind(of.key.to_owned())
            .bind(request.to_vec())
            .bind(now.as_chrono())
            .bind(cut_off_before.as_chrono());
        if self.execute(statement).await?.rows_affected() == 1 {
            return Ok(BegunRequest::First);
        }
        let statement = query(ONE).bind(of.caller.to_owned()).bind(of.key.to_owned());
        let row = self.fetch_optional(statement).await?;
        // Abandoned in between: as good as under way, for the caller asks again.
        row.map_or(Ok(BegunRequest::UnderWay), |row| found(&row, request))
    }

    /// Keeps the response of a request that was begun.
    pub async fn end_request(&self, of: RequestKey<'_>, response: &KeptResponse) -> Result<(), StoreError> {
        let status = i16::try_from(response.status).map_err(|_| unreadable("status"))?;
        let statement = query(END)
            .bind(of.caller.to_owned())
            .bind(of.key.to_owned())
            .bind(status)
            .bind(response.body.clone())
            .bind(crate::columns::json(&response.headers)?);
        self.execute(statement).await.map(drop)
    }

    /// Forgets a request that was begun and had no effect.
    pub async fn abandon_request(&self, of: RequestKey<'_>) -> Result<(), StoreError> {
        let statement = query(ABANDON).bind(of.caller.to_owned()).bind(of.key.to_owned());
        self.execute(statement).await.map(drop)
    }

    /// Forgets requests that began before `before`, at most [`LISTED_ROWS`]; returns their number.
    pub async fn forget_requests(&self, before: Timestamp) -> Result<u64, StoreError> {
        let statement = query(FORGET).bind(before.as_chrono()).bind(LISTED_ROWS);
        Ok(self.execute(statement).await?.rows_affected())
    }
}

fn found(row: &PgRow, request: [u8; 32]) -> Result<BegunRequest, StoreError> {
    if row.try_get::<&[u8], _>("request")? != request {
        return Ok(BegunRequest::Other);
    }
    let Some(status) = row.try_get::<Option<i16>, _>("status")? else { return Ok(BegunRequest::UnderWay) };
    Ok(BegunRequest::Repeated(KeptResponse {
        status: u16::try_from(status).map_err(|_| unreadable("status"))?,
        headers: row.json_or_null("headers")?.unwrap_or_default(),
        body: row.try_get::<Option<String>, _>("response")?.unwrap_or_default(),
    }))
}

statements! {
    const BEGIN: ByKey(text, text, bytea, timestamptz, timestamptz) = "
        INSERT INTO idempotent_requests AS r (caller, key, request, began_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (caller, key) DO UPDATE SET began_at = excluded.began_at
        WHERE r.status IS NULL AND r.request = excluded.request AND r.began_at < $5";

    const ONE: ByKey(text, text) = "SELECT * FROM idempotent_requests WHERE caller = $1 AND key = $2";

    const END: ByKey(text, text, int2, text, text) = "
        UPDATE idempotent_requests SET status = $3, response = $4, headers = $5::jsonb
        WHERE caller = $1 AND key = $2 AND status IS NULL";

    const ABANDON: ByKey(text, text) =
        "DELETE FROM idempotent_requests WHERE caller = $1 AND key = $2 AND status IS NULL";

    const FORGET: ByKey(timestamptz, int8) = "
        DELETE FROM idempotent_requests WHERE (caller, key) IN (
            SELECT caller, key FROM idempotent_requests WHERE began_at < $1 ORDER BY began_at LIMIT $2)";
}
