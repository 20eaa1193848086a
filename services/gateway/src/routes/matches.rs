//! Matches: items of platforms that may be one.

use crate::{
    access::Access,
    body::{Body, Path, Query, TEXT_CHARS_MAX, text},
    page::{LatestQuery, Page},
    problem::{Problem, Refusals, WriteRefusals},
    routes::decision::{Decided, OutcomeBody},
    schema::{Title, Token},
};
use axum::Json;
use hyper::StatusCode;
use model::{ConnectionId, DeliveryId, Permission, StoreId, matching::MatchState};
use serde::{Deserialize, Serialize};
use store::{MatchFilter, MatchRow};
use utoipa::{IntoParams, ToSchema};

/// The requested matches.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MatchQuery {
    /// Only those of one connection.
    connection: Option<String>,
    /// Only those in one state, such as `proposed`.
    state: Option<String>,
    /// Upper limit of the items on the page: 1 to 500, 50 unless given.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before; the first page unless given.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// A match: an item of a platform that may be a variant of the store.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Match)]
pub(crate) struct MatchBody {
    /// Its number.
    id: i64,
    /// Its state.
    #[schema(example = "proposed")]
    state: &'static str,
    /// True if the item is linked to the variant.
    is_linked: bool,
    /// The score, from 0 to 1000.
    score_per_mille: u16,
    /// The reasons for the score, for people.
    reasons: Vec<String>,
    /// The store.
    store: String,
    /// The connection of the item.
    connection: String,
    /// The platform's id of the item.
    external: String,
    /// The titles of the item's product and variant.
    item: Titles,
    /// The variant that it may be.
    variant: String,
    /// The titles of that variant's product and of the variant.
    candidate: Titles,
    /// The caller that decided it; null if nobody did.
    #[schema(required)]
    decided_by: Option<String>,
    /// The reason of that decision, or of its end.
    #[schema(required)]
    note: Option<String>,
    /// Time of the first proposal.
    #[schema(format = DateTime)]
    created_at: String,
    /// Time of the last change.
    #[schema(format = DateTime)]
    changed_at: String,
}

/// The titles of a variant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Titles {
    /// The product's.
    #[schema(required)]
    product: Option<String>,
    /// The variant's.
    #[schema(required)]
    variant: Option<String>,
}

impl From<[Option<String>; 2]> for Titles {
    fn from([product, variant]: [Option<String>; 2]) -> Self {
        Self { product, variant }
    }
}

impl From<MatchRow> for MatchBody {
    fn from(row: MatchRow) -> Self {
        Self {
            id: row.known.id,
            state: row.known.state.as_str(),
            is_linked: row.linked_to.as_ref() == Some(&row.known.to),
            score_per_mille: row.known.score.per_mille(),
            reasons: row.known.reasons.iter().map(|reason| reason.words()).collect(),
            store: row.origin.store.to_string(),
            connection: row.origin.connection.to_string(),
            external: row.external.to_string(),
            item: row.titles.into(),
            variant: row.known.to.to_string(),
            candidate: row.candidate_titles.into(),
            decided_by: row.decided_by,
            note: row.note,
            created_at: row.created_at.to_string(),
            changed_at: row.changed_at.to_string(),
        }
    }
}

/// The reason of a decision.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reason)]
pub(crate) struct ReasonBody {
    /// The reason, for people: 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<Title>)]
    note: Option<String>,
}

/// Lists matches of a store, the latest first.
#[utoipa::path(
    get, path = "/v1/stores/{store}/matches", tag = "matches", operation_id = "listMatches",
    params(("store" = inline(Token), Path, description = "The store's id."), MatchQuery),
    responses((status = 200, body = Page<MatchBody>), Refusals),
)]
pub(crate) async fn list(
    access: Access,
    store: Path<StoreId>,
    query: Query<MatchQuery>,
) -> Result<Json<Page<MatchBody>>, Problem> {
    let own = access.store(Permission::ReadRecord, &store.0).await?;
    let asked = LatestQuery { limit: query.0.limit, cursor: query.0.cursor }.read()?;
    let connection = query.0.connection.map(ConnectionId::try_from).transpose();
    let state = query.0.state.map(|state| {
        MatchState::parse(&state)
            .ok_or_else(|| Problem::invalid("state", "there is no such state of a match"))
    });
    let filter = MatchFilter {
        store: None,
        connection: connection.map_err(|error| Problem::invalid("connection", error))?,
        states: state.transpose()?.into_iter().collect(),
    };
    let rows = own.tenancy.matches(&store.0, &filter, asked.part()).await?;
    Ok(Json(asked.page(rows, |row| row.known.id, MatchBody::from)))
}

/// Returns a match.
#[utoipa::path(
    get, path = "/v1/matches/{match}", tag = "matches", operation_id = "showMatch",
    params(("match" = i64, Path, description = "The match's number.")),
    responses((status = 200, body = MatchBody), Refusals),
)]
pub(crate) async fn show(access: Access, number: Path<i64>) -> Result<Json<MatchBody>, Problem> {
    Ok(Json(access.find_match(Permission::ReadRecord, number.0).await?.into()))
}

/// Accepts a match: the item is linked to the variant, in the store's order.
#[utoipa::path(
    post, path = "/v1/matches/{match}/accept", tag = "matches", operation_id = "acceptMatch",
    params(("match" = i64, Path, description = "The match's number.")),
    responses(
        (status = 200, body = OutcomeBody),
        (status = 202, body = OutcomeBody, description = "It was accepted, and takes effect later."),
        WriteRefusals,
    ),
)]
pub(crate) async fn accept(
    access: Access,
    number: Path<i64>,
) -> Result<(StatusCode, Json<OutcomeBody>), Problem> {
    let row = access.find_match(Permission::Decide, number.0).await?;
    let accepted = access.gateway().decisions.accept_match(&row, &access.caller().name).await;
    Decided::of_instruction(accepted).response()
}

/// Rejects a match: it isn't proposed again.
#[utoipa::path(
    post, path = "/v1/matches/{match}/reject", tag = "matches", operation_id = "rejectMatch",
    params(("match" = i64, Path, description = "The match's number.")),
    request_body = ReasonBody,
    responses((status = 200, body = OutcomeBody), WriteRefusals),
)]
pub(crate) async fn reject(
    access: Access,
    number: Path<i64>,
    body: Body<ReasonBody>,
) -> Result<(StatusCode, Json<OutcomeBody>), Problem> {
    let row = access.find_match(Permission::Decide, number.0).await?;
    let note = note(&body.0)?;
    let rejected = outlet::reject_match(&access.gateway().store, &row, (&access.caller().name, note)).await;
    Decided::of(rejected.map(|()| None)).response()
}

/// Undoes a match: the item is linked to nothing else, and the two aren't matched again without a person.
#[utoipa::path(
    post, path = "/v1/matches/{match}/undo", tag = "matches", operation_id = "undoMatch",
    params(("match" = i64, Path, description = "The match's number.")),
    request_body = ReasonBody,
    responses(
        (status = 200, body = OutcomeBody),
        (status = 202, body = OutcomeBody, description = "It was accepted, and takes effect later."),
        WriteRefusals,
    ),
)]
pub(crate) async fn undo(
    access: Access,
    number: Path<i64>,
    body: Body<ReasonBody>,
) -> Result<(StatusCode, Json<OutcomeBody>), Problem> {
    let row = access.find_match(Permission::Decide, number.0).await?;
    let note = note(&body.0)?;
    let random = DeliveryId::from_bytes(rand::random());
    let decision = (access.caller().name.as_ref(), note);
    Decided::of_instruction(access.gateway().decisions.undo_match(&row, random, decision).await).response()
}

fn note(body: &ReasonBody) -> Result<Option<&str>, Problem> {
    if let Some(note) = &body.note {
        text("/note", note, TEXT_CHARS_MAX)?;
    }
    Ok(body.note.as_deref())
}
