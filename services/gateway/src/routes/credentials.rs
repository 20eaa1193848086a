//! Credentials of connections: entered and replaced, never returned.

use crate::{
    access::Access,
    body::{Body, Path, optional_text},
    problem::{Problem, WriteRefusals},
    routes::connections::edited,
    schema::{Secret, Token},
};
use hyper::StatusCode;
use model::{Connection, ConnectionId, Permission};
use serde::Deserialize;
use store::{ConnectionEdit, Tenancy};
use utoipa::ToSchema;

/// Upper limit of the secrets of a connection that are active at once.
pub(crate) const SECRETS_MAX: usize = 4;
/// Upper limit of a secret and of an access token, in characters.
const SECRET_CHARS_MAX: usize = 1024;
/// Upper limit of attempts at an edit that meets another one.
const ATTEMPTS_MAX: u32 = 3;

/// An access token to use from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub(crate) struct NewTokenBody {
    /// The access token. It is sealed, and never returned.
    #[schema(value_type = Secret)]
    token: String,
}

/// A secret that signs webhooks from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSecret)]
pub(crate) struct NewSecretBody {
    /// The secret. It is sealed, and never returned.
    #[schema(value_type = Secret)]
    secret: String,
    /// True to accept webhooks with the former secret too, until the next rotation.
    keep_former: bool,
}

/// Replaces a connection's access token. A connection that needed it makes calls again.
#[utoipa::path(
    put, path = "/v1/connections/{connection}/token", tag = "connections", operation_id = "replaceToken",
    params(("connection" = inline(Token), Path, description = "The connection's id.")),
    request_body = NewTokenBody,
    responses((status = 204), WriteRefusals),
)]
pub(crate) async fn replace(
    access: Access,
    connection: Path<ConnectionId>,
    body: Body<NewTokenBody>,
) -> Result<StatusCode, Problem> {
    secret("/token", &body.0.token)?;
    let own = access.connection(Permission::WriteConnections, &connection.0).await?;
    edit(&own.tenancy, &connection.0, |known| known.token.clone_from(&body.0.token)).await
}

/// Rotates the secret that signs a connection's webhooks.
#[utoipa::path(
    put, path = "/v1/connections/{connection}/secret", tag = "connections", operation_id = "rotateSecret",
    params(("connection" = inline(Token), Path, description = "The connection's id.")),
    request_body = NewSecretBody,
    responses((status = 204), WriteRefusals),
)]
pub(crate) async fn rotate(
    access: Access,
    connection: Path<ConnectionId>,
    body: Body<NewSecretBody>,
) -> Result<StatusCode, Problem> {
    secret("/secret", &body.0.secret)?;
    let own = access.connection(Permission::WriteConnections, &connection.0).await?;
    edit(&own.tenancy, &connection.0, |known| rotated(&mut known.secrets, &body.0)).await
}

/// Puts the new secret first; keeps the latest former one if that is wanted. A repetition changes nothing.
fn rotated(secrets: &mut Vec<String>, wanted: &NewSecretBody) {
    if secrets.first() == Some(&wanted.secret) {
        secrets.truncate(if wanted.keep_former { 2 } else { 1 });
        return;
    }
    secrets.retain(|former| *former != wanted.secret);
    secrets.truncate(usize::from(wanted.keep_former));
    secrets.insert(0, wanted.secret.clone());
}

/// Edits a connection's credentials, again if another edit came between.
async fn edit(
    tenancy: &Tenancy,
    connection: &ConnectionId,
    change: impl Fn(&mut Connection),
) -> Result<StatusCode, Problem> {
    let missing = || Problem::not_found("connection", connection.as_str());
    for attempt in 1.. {
        let from = tenancy.connection(connection).await?.ok_or_else(missing)?.revision;
        let mut known = tenancy.connection_to_call(connection).await?.ok_or_else(missing)?;
        change(&mut known);
        let result =
            tenancy.change_connection(ConnectionEdit { connection: &known, from: Some(from) }).await?;
        match edited(result, connection) {
            Ok(_) => break,
            Err(stale) if attempt >= ATTEMPTS_MAX => return Err(stale),
            Err(_) => {}
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Checks a secret or an access token: a text that signs bytes or is sent in headers. The error doesn't quote it.
pub(crate) fn secret(field: &str, text: &str) -> Result<(), Problem> {
    // Anybody could sign with an empty one.
    if text.is_empty() {
        return Err(Problem::invalid(field, "must not be empty"));
    }
    optional_text(field, text, SECRET_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_keeps_the_latest_former_secret_if_that_is_wanted() {
        let table: [(&[&str], bool, &[&str]); 7] = [
            (&[], false, &["new"]),
            (&[], true, &["new"]),
            (&["old"], false, &["new"]),
            (&["old"], true, &["new", "old"]),
            (&["old", "older"], true, &["new", "old"]),
            // Repeated.
            (&["new", "old"], true, &["new", "old"]),
            (&["new", "old"], false, &["new"]),
        ];
        for (before, keep_former, after) in table {
            let mut secrets: Vec<String> = before.iter().map(|text| (*text).to_owned()).collect();
            rotated(&mut secrets, &NewSecretBody { secret: "new".to_owned(), keep_former });
            assert_eq!(secrets, after, "{before:?} {keep_former}");
        }
    }

    #[test]
    fn an_empty_secret_is_refused() {
        assert!(secret("/secret", "").is_err());
        assert!(secret("/secret", "s").is_ok());
        assert!(secret("/token", "a\nb").is_err());
    }
}
