//! Lists of a connection's platform that are read on a schedule.

use crate::{
    access::Access,
    body::{Body, Path},
    problem::{Problem, Refusals, WriteRefusals},
    schema::Token,
};
use axum::Json;
use hyper::StatusCode;
use model::{ConnectionId, Permission, ReadRequest, Requested};
use serde::{Deserialize, Serialize};
use store::CollectionRow;
use utoipa::ToSchema;

/// A list, with its reads.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = List)]
pub(crate) struct ListBody {
    /// Its name.
    #[schema(example = "products")]
    name: String,
    /// Number of reads that were begun.
    begun: u64,
    /// The earliest time of the next read.
    #[schema(format = DateTime)]
    due_at: String,
    /// The read under way; null if there is none.
    #[schema(required)]
    under_way: Option<UnderWay>,
    /// The last read that ended; null if there was none.
    #[schema(required)]
    last: Option<Ended>,
}

/// A read under way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnderWay {
    /// Time of its beginning.
    #[schema(format = DateTime)]
    began_at: String,
    /// Number of pages that were read.
    pages: u64,
    /// Number of objects that were read.
    seen: u64,
    /// Number of objects of the list, where the platform states it.
    #[schema(required)]
    total: Option<u64>,
}

/// A read that ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ended {
    /// Time of its end.
    #[schema(format = DateTime)]
    at: String,
    /// `complete`, `shifted`, `given_up` or `superseded`.
    outcome: &'static str,
    /// Number of objects that were read.
    seen: u64,
    /// Number of objects that were reported as changed.
    reported: u64,
    /// Number of objects that were missing.
    missing: u64,
    /// Number of objects that count as deleted.
    gone: u64,
}

/// The lists of a connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lists)]
pub(crate) struct ListsBody {
    /// The lists, by name.
    items: Vec<ListBody>,
}

/// A read that is wanted now.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRead)]
pub(crate) struct NewReadBody {
    /// True to read the whole list, and not what changed alone.
    #[serde(default)]
    whole: bool,
    /// True to accept that many objects are missing: those that are count as deleted.
    #[serde(default)]
    accept_missing: bool,
}

impl From<CollectionRow> for ListBody {
    fn from(row: CollectionRow) -> Self {
        let state = row.state;
        Self {
            name: row.collection,
            begun: state.reads,
            due_at: state.due_at.to_string(),
            under_way: state.read.map(|read| UnderWay {
                began_at: read.began_at.to_string(),
                pages: read.pages.into(),
                seen: read.seen,
                total: read.total,
            }),
            last: state.last.map(|ended| Ended {
                at: ended.ended_at.to_string(),
                outcome: ended.outcome.as_str(),
                seen: ended.read.seen,
                reported: ended.read.reported,
                missing: ended.read.missing,
                gone: ended.read.gone,
            }),
        }
    }
}

/// Returns the lists of a connection's platform, with their reads.
#[utoipa::path(
    get, path = "/v1/connections/{connection}/lists", tag = "lists", operation_id = "showLists",
    params(("connection" = inline(Token), Path, description = "The connection's id.")),
    responses((status = 200, body = ListsBody), Refusals),
)]
pub(crate) async fn list(access: Access, connection: Path<ConnectionId>) -> Result<Json<ListsBody>, Problem> {
    access.connection(Permission::ReadConnections, &connection.0).await?;
    let rows = access.gateway().store.collections(&connection.0).await?;
    Ok(Json(ListsBody { items: rows.into_iter().map(ListBody::from).collect() }))
}

/// Requests a read of a list. It begins as soon as the connection's budget of calls permits.
#[utoipa::path(
    post, path = "/v1/connections/{connection}/lists/{list}/read", tag = "lists", operation_id = "readList",
    params(
        ("connection" = inline(Token), Path, description = "The connection's id."),
        ("list" = inline(Token), Path, description = "The list's name."),
    ),
    request_body = NewReadBody,
    responses((status = 202), WriteRefusals),
)]
pub(crate) async fn read(
    access: Access,
    Path((connection, list)): Path<(ConnectionId, String)>,
    body: Body<NewReadBody>,
) -> Result<StatusCode, Problem> {
    access.connection(Permission::WriteConnections, &connection).await?;
    let rows = access.gateway().store.collections(&connection).await?;
    if rows.iter().all(|row| row.collection != list) {
        return Err(Problem::not_found("list", &list));
    }
    let requested = if body.0.whole { Requested::Whole } else { Requested::Due };
    let request = ReadRequest { requested, accepts_missing: body.0.accept_missing };
    access.gateway().store.request_read(&connection, &[list], &request).await?;
    Ok(StatusCode::ACCEPTED)
}
