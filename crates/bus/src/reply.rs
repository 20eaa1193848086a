//! The subjects that responses may be sent to.
//!
//! The sender of a request names the reply subject, and we publish there with our own permissions. Therefore responses
//! are sent to inboxes only: a reply subject could be a stream of ours, another connection's intake, or the broker's
//! own API.

use crate::{User, message::is_token, permissions::PARTNERS_INBOX};
use serde::Deserialize;

/// Upper limit of a reply subject, in bytes.
const SUBJECT_MAX_BYTES: usize = 255;
/// The placeholder in a prefix for the connection of a request.
const CONNECTION: &str = "{connection}";

/// A prefix of subjects that responses may be sent to: whole tokens, with a dot at the end. `{connection}` stands for
/// the connection of the request, so that each connection may have an inbox that no other connection's user can read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct InboxPrefix(String);

/// Reason why a text can't be the prefix of inboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadInboxPrefix {
    /// It isn't made of whole tokens with a dot behind each.
    #[error("a prefix of inboxes is tokens of A-Z a-z 0-9 _ - with a dot behind each, as in `_INBOX.`")]
    Tokens,
    /// It covers subjects of ours or of the broker.
    #[error("a prefix of inboxes begins with a token of its own, not with `pos` or `$`")]
    Ours,
}

impl InboxPrefix {
    /// Validates that the prefix is made of whole tokens, and is neither ours nor the broker's.
    pub fn new(text: &str) -> Result<Self, BadInboxPrefix> {
        // With a placeholder at its beginning, it could become any token.
        if is_reserved(text) || text.starts_with('{') {
            return Err(BadInboxPrefix::Ours);
        }
        let plain = text.replace(CONNECTION, "c");
        let tokens = plain.strip_suffix('.').ok_or(BadInboxPrefix::Tokens)?;
        if tokens.split('.').all(is_token) { Ok(Self(text.to_owned())) } else { Err(BadInboxPrefix::Tokens) }
    }

    /// The default of NATS clients: `_INBOX.`.
    pub fn of_clients() -> Self {
        Self("_INBOX.".to_owned())
    }

    /// Returns true if `reply` is below this prefix. A prefix with the placeholder covers nothing for a request without
    /// a connection.
    fn holds(&self, reply: &str, connection: Option<&str>) -> bool {
        if !self.0.contains(CONNECTION) {
            return reply.strip_prefix(&self.0).is_some_and(is_below);
        }
        let Some(connection) = connection.filter(|connection| is_token(connection)) else { return false };
        reply.strip_prefix(&self.0.replace(CONNECTION, connection)).is_some_and(is_below)
    }
}

/// Returns true if a subject is one of ours or of the broker.
fn is_reserved(subject: &str) -> bool {
    let first = subject.split('.').next().unwrap_or_default();
    first == "pos" || first.starts_with('$')
}

/// Returns true if `rest` is whole tokens of visible characters, without wildcards.
fn is_below(rest: &str) -> bool {
    let is_plain =
        |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) && token != "*";
    rest.split('.').all(|token| is_plain(token) && token != ">")
}

impl TryFrom<String> for InboxPrefix {
    type Error = BadInboxPrefix;
    fn try_from(text: String) -> Result<Self, BadInboxPrefix> {
        Self::new(&text)
    }
}

/// The subjects that responses to one kind of request may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ReplyRule(Vec<InboxPrefix>);

impl Default for ReplyRule {
    fn default() -> Self {
        Self(vec![InboxPrefix::of_clients()])
    }
}

impl ReplyRule {
    /// Permits subjects below any of these prefixes.
    pub fn new(prefixes: Vec<InboxPrefix>) -> Self {
        Self(prefixes)
    }

    /// Permits responses to partners: each in the inbox of its own user.
    pub fn of_partners() -> Self {
        Self(vec![InboxPrefix(format!("{PARTNERS_INBOX}.{CONNECTION}."))])
    }

    /// Permits responses to our own services and the command line, in the inboxes of their users.
    pub fn of_services() -> Self {
        let users = [User::Fetch, User::Propagate, User::Gateway, User::Operator, User::Administrator];
        Self(users.iter().map(|user| InboxPrefix(format!("{}.", user.inbox_prefix()))).collect())
    }

    /// Returns true if the response to a request of that connection may be sent to `reply`.
    pub fn allows(&self, reply: &str, connection: Option<&str>) -> bool {
        // With the connection inserted, a prefix may begin differently than it was written.
        reply.len() <= SUBJECT_MAX_BYTES
            && !is_reserved(reply)
            && self.0.iter().any(|prefix| prefix.holds(reply, connection))
    }
}

/// Outcome of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replied {
    /// It was sent.
    Sent,
    /// The sender does not wait for one.
    NotWanted,
    /// The reply subject is not permitted: nothing was sent.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_go_to_inboxes_and_nowhere_else() {
        let rule = ReplyRule::default();
        for inbox in ["_INBOX.a", "_INBOX.Xy12.7", "_INBOX.a.b.c"] {
            assert!(rule.allows(inbox, None), "{inbox}");
        }
        for hostile in [
            "pos.raw.3",
            "pos.members.apply.ghost",
            "pos.dead.normalize.data.shop",
            "pos.applied.3.shop.inventory.updated",
            "pos.in.other.connection.topic",
            "pos.accept",
            "pos.alerts.apply.0.setup",
            "pos.foreign.RAW-0.1.0",
            "$JS.API.STREAM.DELETE.RAW-0",
            "$SYS.REQ.SERVER.PING",
            "_INBOX",
            "_INBOX.",
            "_INBOX..a",
            "_INBOX.a.",
            "_INBOX.*",
            "_INBOX.a.>",
            "_INBOX_other.a",
            "_inbox.a",
            "",
        ] {
            assert!(!rule.allows(hostile, None), "{hostile}");
        }
        assert!(!rule.allows(&format!("_INBOX.{}", "a".repeat(250)), None), "too long");
    }

    #[test]
    fn a_prefix_with_the_connection_in_it_is_that_connections_alone() {
        let rule = ReplyRule::new(vec![InboxPrefix::new("_INBOX_{connection}.").unwrap()]);
        assert!(rule.allows("_INBOX_shop-1.x", Some("shop-1")));
        assert!(!rule.allows("_INBOX_shop-2.x", Some("shop-1")));
        assert!(!rule.allows("_INBOX_shop-1.x", None), "a request of no connection");
        assert!(!rule.allows("_INBOX_a.b.x", Some("a.b")), "no token");
        let rule = ReplyRule::new(vec![InboxPrefix::new("po{connection}.").unwrap()]);
        assert!(rule.allows("port-1.x", Some("rt-1")));
        assert!(!rule.allows("pos.raw.3", Some("s")), "what a connection makes of it is ours");
    }

    #[test]
    fn a_partner_gets_its_reply_in_the_inbox_of_its_own_user_and_a_service_in_that_of_its_own() {
        let till = User::partner("shop", "till").unwrap().inbox_prefix();
        let partners = ReplyRule::of_partners();
        assert!(partners.allows(&format!("{till}.x"), Some("till")));
        let fetch = User::Fetch.inbox_prefix();
        for (reply, connection) in [
            (format!("{till}.x"), Some("web")),
            (format!("{till}.x"), None),
            (format!("{fetch}.x"), Some("till")),
            (format!("{fetch}.x"), Some("fetch")),
            ("_INBOX.x".to_owned(), Some("till")),
        ] {
            assert!(!partners.allows(&reply, connection), "{reply} of {connection:?}");
        }
        let services = ReplyRule::of_services();
        assert!(services.allows(&format!("{fetch}.x"), None));
        for reply in [format!("{till}.x"), format!("{}.x", User::Apply.inbox_prefix()), "_INBOX.x".to_owned()]
        {
            assert!(!services.allows(&reply, None), "{reply}");
        }
    }

    #[test]
    fn a_prefix_that_holds_subjects_of_ours_or_is_part_of_a_token_is_refused() {
        for ours in ["pos.", "pos.in.", "$JS.", "$SYS.", "{connection}."] {
            assert_eq!(InboxPrefix::new(ours), Err(BadInboxPrefix::Ours), "{ours}");
        }
        for part in ["", ".", "_INBOX", "_INBOX.*.", ">.", "_IN BOX.", "a..b.", "p", "{store}."] {
            assert!(InboxPrefix::new(part).is_err(), "{part:?}");
        }
        for good in ["_INBOX.", "_INBOX.shop.", "inboxes.{connection}.", "position."] {
            assert!(InboxPrefix::new(good).is_ok(), "{good}");
        }
    }
}
