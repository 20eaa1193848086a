//! The state of connections: acceptance of calls, waiting values, pauses.

use crate::{
    access::Access,
    body::Path,
    problem::{Problem, Refusals, WriteRefusals},
    schema::Token,
};
use axum::Json;
use hyper::StatusCode;
use model::{ConnectionId, Permission};
use serde::Serialize;
use store::ConnectionState;
use utoipa::ToSchema;

/// The state of a connection.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectionState)]
pub(crate) struct StateBody {
    /// False while it is paused.
    enabled: bool,
    /// The platform's acceptance of its calls: `ok`, `needs_reauth`, `misconfigured` or `revoked`.
    #[schema(example = "ok")]
    health: &'static str,
    /// The reason for not being ok, in the platform's words or ours.
    #[schema(required)]
    health_reason: Option<String>,
    /// Time since which it isn't ok.
    #[schema(required, format = DateTime)]
    health_since: Option<String>,
    /// Earliest time of the next call that checks if the platform accepts calls again.
    #[schema(required, format = DateTime)]
    next_probe_at: Option<String>,
    /// Number of open conflicts.
    open_conflicts: i64,
    /// Number of values that wait to be written.
    due_writes: i64,
    /// Number of values that wait to be read.
    due_reads: i64,
    /// Number of values that the platform refused.
    refused_writes: i64,
}

impl From<ConnectionState> for StateBody {
    fn from(state: ConnectionState) -> Self {
        Self {
            enabled: state.enabled,
            health: state.health.as_str(),
            health_reason: state.health_reason,
            health_since: state.health_since.map(|at| at.to_string()),
            next_probe_at: state.probe_at.map(|at| at.to_string()),
            open_conflicts: state.open_conflicts,
            due_writes: state.due_writes,
            due_reads: state.due_reads,
            refused_writes: state.refused_writes,
        }
    }
}

/// Returns the state of a connection.
#[utoipa::path(
    get, path = "/v1/connections/{connection}/state", tag = "connections", operation_id = "showConnectionState",
    params(("connection" = inline(Token), Path, description = "The connection's id.")),
    responses((status = 200, body = StateBody), Refusals),
)]
pub(crate) async fn show(access: Access, connection: Path<ConnectionId>) -> Result<Json<StateBody>, Problem> {
    access.connection(Permission::ReadConnections, &connection.0).await?;
    let state = access.gateway().store.connection_state(&connection.0).await?;
    let state = state.ok_or_else(|| Problem::not_found("connection", connection.0.as_str()))?;
    Ok(Json(state.into()))
}

/// Pauses a connection: its platform isn't called until it is resumed. What it reports is still accepted.
#[utoipa::path(
    post, path = "/v1/connections/{connection}/pause", tag = "connections", operation_id = "pauseConnection",
    params(("connection" = inline(Token), Path, description = "The connection's id.")),
    responses((status = 204), WriteRefusals),
)]
pub(crate) async fn pause(access: Access, connection: Path<ConnectionId>) -> Result<StatusCode, Problem> {
    enable(&access, &connection.0, false).await
}

/// Resumes a connection: what was missed is fetched, and every value that differs is written.
#[utoipa::path(
    post, path = "/v1/connections/{connection}/resume", tag = "connections", operation_id = "resumeConnection",
    params(("connection" = inline(Token), Path, description = "The connection's id.")),
    responses((status = 204), WriteRefusals),
)]
pub(crate) async fn resume(access: Access, connection: Path<ConnectionId>) -> Result<StatusCode, Problem> {
    enable(&access, &connection.0, true).await
}

async fn enable(access: &Access, connection: &ConnectionId, enabled: bool) -> Result<StatusCode, Problem> {
    access.connection(Permission::WriteConnections, connection).await?;
    if !access.gateway().store.set_enabled(connection, enabled).await? {
        return Err(Problem::not_found("connection", connection.as_str()));
    }
    Ok(StatusCode::NO_CONTENT)
}
