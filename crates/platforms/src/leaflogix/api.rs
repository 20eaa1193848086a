//! URLs and credentials of the API, and the classification of every reply.

use crate::{Access, CallError, HttpReply, HttpRequest, Method};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use stage::{Reject, RejectClass};

/// The lists from which products and stock are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Area {
    /// Those of the area of reports: everything.
    Reporting,
    /// Those for shops on the internet: products that are enabled for the API.
    Inventory,
}

impl Area {
    /// The area that a connection reads. Its API version names it, as the API itself has no versions.
    pub(super) fn of(access: &Access) -> Result<Self, Reject> {
        match access.api_version.as_str() {
            "" | "reporting" => Ok(Self::Reporting),
            "inventory" => Ok(Self::Inventory),
            _ => {
                let reason = "leaflogix wants `reporting` or `inventory` as the API version, or none";
                Err(Reject::new(RejectClass::Config, reason))
            }
        }
    }
}

/// A request that reads `path`, with a reply of at most that many bytes.
pub(super) fn get(access: &Access, path: &str, reply_bytes_max: usize) -> Result<HttpRequest, Reject> {
    let key = access.token.split(':').next().unwrap_or_default();
    if key.is_empty() {
        let reason = "leaflogix wants credentials as <location key> or <location key>:<integrator key>";
        return Err(Reject::new(RejectClass::Config, reason));
    }
    let is_pair = access.token.contains(':');
    let pair = if is_pair { access.token.clone() } else { format!("{key}:") };
    let request = HttpRequest {
        reply_bytes_max,
        ..HttpRequest::new(Method::Get, format!("{}{path}", access.base_url))
    };
    Ok(request
        .with_header("authorization", format!("Basic {}", STANDARD.encode(pair)))
        .with_header("accept", "application/json"))
}

/// Returns the error that a reply states with its status. A key has roles, each for some lists: whether 403 concerns the
/// account or one list shows in another list, which the caller tries.
pub(super) fn check(reply: &HttpReply<'_>) -> Result<(), CallError> {
    let status = reply.status;
    let reject = |class, what: &str| Reject::new(class, format!("{what}: status {status}"));
    Err(match status {
        200..=299 => return Ok(()),
        429 => CallError::RateLimited { after: reply.retry_after },
        401 => reject(RejectClass::Auth, "leaflogix refuses the key").into(),
        403 => reject(RejectClass::Auth, "the key has no role for this list").into(),
        300..=399 | 402 | 404 | 405 | 423 | 501 => {
            reject(RejectClass::Config, "this is not the API of leaflogix").into()
        }
        400..=407 | 409..=499 => reject(RejectClass::Platform, "leaflogix refuses the call").into(),
        _ => CallError::transient(format!("status {status}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AccountRefusal;
    use std::time::Duration;

    fn access(token: &str, api_version: &str) -> Access {
        Access {
            base_url: "https://pos.example".to_owned(),
            token: token.to_owned(),
            access_token: None,
            api_version: api_version.to_owned(),
            account: "Front Street".to_owned(),
        }
    }

    #[test]
    fn the_key_is_the_user_and_the_integrators_key_the_password() {
        for (token, pair) in [("key", "key:"), ("key:", "key:"), ("key:integrator", "key:integrator")] {
            let request = get(&access(token, ""), "/brand", 9).unwrap();
            assert_eq!((request.url.as_str(), request.reply_bytes_max), ("https://pos.example/brand", 9));
            let value = format!("Basic {}", STANDARD.encode(pair));
            assert!(request.headers.contains(&("authorization", value)), "{token}");
        }
        for token in ["", ":", ":integrator"] {
            assert_eq!(get(&access(token, ""), "/brand", 9).unwrap_err().class, RejectClass::Config);
        }
    }

    #[test]
    fn a_connection_may_choose_the_lists_for_shops_on_the_internet() {
        let area = |version| Area::of(&access("key", version));
        assert_eq!((area(""), area("reporting")), (Ok(Area::Reporting), Ok(Area::Reporting)));
        assert_eq!(area("inventory"), Ok(Area::Inventory));
        assert_eq!(area("v2").unwrap_err().class, RejectClass::Config);
    }

    #[test]
    fn a_status_says_whether_to_come_again() {
        let error = |status| check(&HttpReply::new(status, b"")).unwrap_err();
        assert!(error(401).is_unauthorized() && error(403).is_unauthorized());
        assert!(error(403).to_string().contains("role"), "{}", error(403));
        assert!(matches!(error(400), CallError::Rejected(_)));
        for status in [301, 402, 404, 423] {
            let error = error(status);
            assert!(matches!(error, CallError::AccountRefused(AccountRefusal::Misconfigured, _)), "{status}");
        }
        for status in [408, 500, 503] {
            assert!(matches!(error(status), CallError::Transient { .. }), "{status}");
        }
        let reply = HttpReply { retry_after: Some(Duration::from_secs(3)), ..HttpReply::new(429, b"") };
        assert_eq!(check(&reply), Err(CallError::RateLimited { after: Some(Duration::from_secs(3)) }));
    }
}
