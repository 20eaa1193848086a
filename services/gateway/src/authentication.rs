//! Authentication of requests: a key in `Authorization: Bearer`, and the tenant in `Tillflow-Tenant`.

use crate::{Gateway, api_key::ApiKeyText, problem::Problem};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use hyper::{HeaderMap, header::AUTHORIZATION};
use model::{Role, Scope, TenantId};
use runner::{Client, Origin};
use std::sync::Arc;
use store::StoredApiKey;

/// The header in which a caller of all tenants names the one that a request is about.
pub(crate) const TENANT_HEADER: &str = "tillflow-tenant";
/// Upper limit of the text of credentials, in bytes.
const CREDENTIALS_BYTES_MAX: usize = 8 * 1024;

/// The sender of an authenticated request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// A name that no other caller has, at most 200 bytes.
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
    pub(crate) scope: Scope,
    /// The tenant that the request is about, if it names one.
    pub(crate) about: Option<TenantId>,
}

/// Lets authenticated requests pass, with their [`Caller`] as an extension.
pub(crate) async fn authenticate(
    State(gateway): State<Arc<Gateway>>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = request.extensions().get::<Client>().cloned();
    let origin = client.as_ref().map(Client::origin);
    match identify(&gateway, request.headers(), origin).await {
        Ok(caller) => {
            if let Some(client) = client {
                client.prove();
            }
            if let Err(wait) = gateway.limits.take(&caller.name) {
                return Problem::too_many(wait).into_response();
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn identify(gateway: &Gateway, headers: &HeaderMap, origin: Option<Origin>) -> Result<Caller, Problem> {
    let token = bearer(headers)?;
    let refused = || Problem::unauthenticated("the key is unknown, revoked, expired or misspelt");
    let text = ApiKeyText::parse(token).ok_or_else(refused)?;
    if let Some(wait) = origin.and_then(|origin| gateway.limits.wait_of(origin, &text.id)) {
        return Err(Problem::too_many(wait));
    }
    let stored = gateway.store.api_key(&text.id).await?;
    let is_good = |stored: &StoredApiKey| {
        text.secret.has_digest(&stored.digest) && stored.key.is_in_force(runner::now())
    };
    let Some(stored) = stored.filter(is_good) else {
        if let Some(origin) = origin {
            gateway.limits.note_refused(origin);
        }
        return Err(refused());
    };
    gateway.limits.note_accepted(&text.id);
    let about = tenant(headers)?;
    let own = stored.key.scope.tenant();
    if about.is_some() && own.is_some() && about.as_ref() != own {
        return Err(Problem::forbidden("Tillflow-Tenant: the key isn't of this tenant"));
    }
    let about = about.or_else(|| own.cloned());
    let name = format!("key:{}", stored.key.id).into();
    Ok(Caller { name, role: stored.key.role, scope: stored.key.scope, about })
}

/// Reads the credentials of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let missing = "send a key in the header `Authorization: Bearer <key>`";
    let value = values.next().ok_or_else(|| Problem::unauthenticated(missing))?;
    if values.next().is_some() {
        return Err(Problem::malformed("the header Authorization is given more than once"));
    }
    let text = value.to_str().map_err(|_| Problem::unauthenticated(missing))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") || token.len() > CREDENTIALS_BYTES_MAX {
        return Err(Problem::unauthenticated(missing));
    }
    Ok(token.trim())
}

fn tenant(headers: &HeaderMap) -> Result<Option<TenantId>, Problem> {
    let mut values = headers.get_all(TENANT_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::malformed("the header Tillflow-Tenant is given more than once"));
    }
    let id = value.to_str().ok().and_then(|text| TenantId::new(text).ok());
    id.map(Some)
        .ok_or_else(|| Problem::malformed("Tillflow-Tenant: a tenant's id has 1 to 64 of A-Z a-z 0-9 _ -"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn credentials_are_read_from_one_bearer_header_alone() {
        assert_eq!(bearer(&headers(&["Bearer abc"])).unwrap(), "abc");
        assert_eq!(bearer(&headers(&["bearer  abc "])).unwrap(), "abc");
        for refused in [&[][..], &["Basic abc"], &["abc"], &["Bearer a", "Bearer b"]] {
            assert!(bearer(&headers(refused)).is_err(), "{refused:?}");
        }
    }
}
