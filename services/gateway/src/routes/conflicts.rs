//! Conflicts: what rules couldn't decide.

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
use model::{ConflictKind, ConnectionId, DeliveryId, Permission, Side, StoreId};
use outlet::{ConflictAnswer, NoSuchAnswer};
use serde::{Deserialize, Serialize};
use store::{ConflictFilter, ConflictRow};
use utoipa::{IntoParams, ToSchema};

/// The requested conflicts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ConflictQuery {
    /// Only those of one connection.
    connection: Option<String>,
    /// Only those of one kind, such as `first_contact`.
    kind: Option<String>,
    /// True to include resolved ones.
    with_resolved: Option<bool>,
    /// Upper limit of the items on the page: 1 to 500, 50 unless given.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before; the first page unless given.
    #[param(max_length = 512)]
    cursor: Option<String>,
}

/// A conflict.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conflict)]
pub(crate) struct ConflictBody {
    /// Its number.
    id: i64,
    /// Its kind.
    #[schema(example = "first_contact")]
    kind: &'static str,
    /// The thing that it is about.
    subject: String,
    /// Text for people.
    detail: String,
    /// The store.
    store: String,
    /// The connection.
    connection: String,
    /// Number of times it was found.
    seen: i64,
    /// Time of the first finding.
    #[schema(format = DateTime)]
    first_seen_at: String,
    /// Time of the latest finding.
    #[schema(format = DateTime)]
    last_seen_at: String,
    /// Its end; null while it is open.
    #[schema(required)]
    resolved: Option<ResolvedBody>,
}

/// The end of a conflict.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Resolved)]
pub(crate) struct ResolvedBody {
    /// Time of the end.
    #[schema(format = DateTime)]
    at: String,
    /// The caller that ended it, or `tillflow` if it ended by itself.
    by: String,
    /// The decision, for people.
    resolution: String,
}

impl From<ConflictRow> for ConflictBody {
    fn from(row: ConflictRow) -> Self {
        Self {
            id: row.id,
            kind: row.conflict.kind.as_str(),
            subject: row.conflict.subject,
            detail: row.conflict.detail,
            store: row.conflict.store.to_string(),
            connection: row.conflict.connection.to_string(),
            seen: row.seen,
            first_seen_at: row.recorded_at.to_string(),
            last_seen_at: row.last_seen_at.to_string(),
            resolved: row.resolved.map(|resolved| ResolvedBody {
                at: resolved.at.to_string(),
                by: resolved.by,
                resolution: resolved.resolution,
            }),
        }
    }
}

/// A side of a first contact.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Side)]
pub(crate) enum SideBody {
    /// The store's number stands.
    Store,
    /// The platform's number stands.
    Platform,
}

/// The answer to a conflict.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConflictAnswer)]
pub(crate) struct AnswerBody {
    /// The side whose number stands: needed for a first contact, and for nothing else.
    #[serde(default)]
    take: Option<SideBody>,
    /// The reason, for people: 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<Title>)]
    note: Option<String>,
}

/// Lists conflicts of a store, the latest first.
#[utoipa::path(
    get, path = "/v1/stores/{store}/conflicts", tag = "conflicts", operation_id = "listConflicts",
    params(("store" = inline(Token), Path, description = "The store's id."), ConflictQuery),
    responses((status = 200, body = Page<ConflictBody>), Refusals),
)]
pub(crate) async fn list(
    access: Access,
    store: Path<StoreId>,
    query: Query<ConflictQuery>,
) -> Result<Json<Page<ConflictBody>>, Problem> {
    let own = access.store(Permission::ReadRecord, &store.0).await?;
    let asked = LatestQuery { limit: query.0.limit, cursor: query.0.cursor }.read()?;
    let connection = query.0.connection.map(ConnectionId::try_from).transpose();
    let kind = query.0.kind.map(|kind| {
        ConflictKind::parse(&kind)
            .ok_or_else(|| Problem::invalid("kind", "there is no such kind of conflict"))
    });
    let filter = ConflictFilter {
        store: None,
        connection: connection.map_err(|error| Problem::invalid("connection", error))?,
        kind: kind.transpose()?,
        with_resolved: query.0.with_resolved.unwrap_or_default(),
    };
    let rows = own.tenancy.conflicts(&store.0, &filter, asked.part()).await?;
    Ok(Json(asked.page(rows, |row| row.id, ConflictBody::from)))
}

/// Returns a conflict.
#[utoipa::path(
    get, path = "/v1/conflicts/{conflict}", tag = "conflicts", operation_id = "showConflict",
    params(("conflict" = i64, Path, description = "The conflict's number.")),
    responses((status = 200, body = ConflictBody), Refusals),
)]
pub(crate) async fn show(access: Access, conflict: Path<i64>) -> Result<Json<ConflictBody>, Problem> {
    Ok(Json(access.conflict(Permission::ReadRecord, conflict.0).await?.into()))
}

/// Resolves a conflict. A first contact takes effect in the store's order, like any event.
#[utoipa::path(
    post, path = "/v1/conflicts/{conflict}/resolve", tag = "conflicts", operation_id = "resolveConflict",
    params(("conflict" = i64, Path, description = "The conflict's number.")),
    request_body = AnswerBody,
    responses(
        (status = 200, body = OutcomeBody),
        (status = 202, body = OutcomeBody, description = "It was accepted, and takes effect later."),
        WriteRefusals,
    ),
)]
pub(crate) async fn resolve(
    access: Access,
    conflict: Path<i64>,
    body: Body<AnswerBody>,
) -> Result<(StatusCode, Json<OutcomeBody>), Problem> {
    let row = access.conflict(Permission::Decide, conflict.0).await?;
    if let Some(note) = &body.0.note {
        text("/note", note, TEXT_CHARS_MAX)?;
    }
    let side = body.0.take.map(|take| match take {
        SideBody::Store => Side::Store,
        SideBody::Platform => Side::Platform,
    });
    let answer = ConflictAnswer::of(&row, side).map_err(|none| refused(&none))?;
    let by = access.caller().name.as_ref();
    let random = DeliveryId::from_bytes(rand::random());
    let decisions = &access.gateway().decisions;
    let answered = decisions.answer_conflict(&row, random, &answer, (by, body.0.note.as_deref())).await;
    Decided::of(answered).response()
}

fn refused(answer: &NoSuchAnswer) -> Problem {
    match answer {
        NoSuchAnswer::SideNeeded => {
            Problem::invalid("/take", "a first contact needs a side: store or platform")
        }
        NoSuchAnswer::NoSides { kind, .. } => {
            Problem::invalid("/take", format!("a conflict of the kind {} has no sides", kind.as_str()))
        }
        NoSuchAnswer::NoItem { .. } | NoSuchAnswer::Resolved { .. } => Problem::conflict(answer.to_string()),
    }
}
