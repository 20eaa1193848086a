//! The sender of a webhook: the connection that it names, and the proof that its platform sent it.

use crate::{
    Reply,
    public_keys::{KeyCache, KeyRequest},
};
use model::Timestamp;
use platforms::{Handshake, HandshakeReply, Platform, Signed, Unverified, VerifyContext, Webhooks};
use runner::Origin;
use std::sync::Arc;
use store::Connection;

/// Secret that the signature of a request for an unknown connection is checked with, so that its response takes as long
/// as any other.
const DECOY_SECRET: &str = "a secret that nobody has signed anything with";

/// The connection that a webhook names, not verified yet.
pub(crate) struct Claim {
    pub(crate) platform: &'static dyn Platform,
    pub(crate) webhooks: &'static dyn Webhooks,
    /// `None` if there is no such connection. Reported only after the same work as for an existing one.
    pub(crate) connection: Option<Arc<Connection>>,
}

/// A webhook's connection, after its signature was verified.
pub(crate) struct Proven {
    pub(crate) platform: &'static dyn Platform,
    pub(crate) webhooks: &'static dyn Webhooks,
    pub(crate) connection: Arc<Connection>,
}

impl Claim {
    /// The response to a request without a signature.
    pub(crate) fn unsigned(&self) -> Reply {
        match self.connection {
            Some(_) => Reply::Unverified(Unverified::Missing),
            None => Reply::UnknownConnection,
        }
    }

    /// The reply to a request without a signature, if it is a handshake of the platform.
    pub(crate) fn handshake(
        &self,
        request: &Handshake<'_>,
        received_at: Timestamp,
    ) -> Result<HandshakeReply, Reply> {
        let (Some(handshakes), Some(connection)) = (self.webhooks.handshakes(), &self.connection) else {
            return Err(self.unsigned());
        };
        let context = VerifyContext::new(&connection.secrets, &connection.notification_url, received_at);
        let reply = handshakes.reply(request, &context).map_err(Reply::Unverified)?;
        reply.ok_or_else(|| self.unsigned())
    }

    /// The code in a handshake that a person has to enter in the platform's settings, and the connection that it is for.
    pub(crate) fn code_for_people(&self, request: &Handshake<'_>) -> Option<(&Connection, String)> {
        let connection = self.connection.as_deref()?;
        Some((connection, self.webhooks.handshakes()?.code_for_people(request)?))
    }

    /// The public key that the request is signed with; `None` if the platform uses none, or has no key of that id.
    pub(crate) async fn public_key(
        &self,
        signed: &Signed<'_>,
        cache: &KeyCache,
        origin: Option<Origin>,
        received_at: Timestamp,
    ) -> Result<Option<Arc<[u8]>>, Reply> {
        let (Some(keys), Some(connection)) = (self.webhooks.public_keys(), &self.connection) else {
            return Ok(None);
        };
        let id = keys.key_id(signed).map_err(Reply::Unverified)?;
        let wanted = KeyRequest { platform: self.platform, keys, connection, id };
        cache.find(&wanted, origin, received_at).await
    }

    /// Verifies the signature, even of a request for an unknown connection.
    pub(crate) fn prove(
        &self,
        signed: &Signed<'_>,
        public_key: Option<&[u8]>,
        received_at: Timestamp,
    ) -> Result<Proven, Reply> {
        let decoy = [DECOY_SECRET.to_owned()];
        let (secrets, url) = match &self.connection {
            Some(connection) => (&connection.secrets[..], &*connection.notification_url),
            None => (&decoy[..], DECOY_SECRET),
        };
        let context = VerifyContext { public_key, ..VerifyContext::new(secrets, url, received_at) };
        let verified = self.webhooks.verify(signed, &context);
        let connection = self.connection.as_ref().ok_or(Reply::UnknownConnection)?;
        verified.map_err(Reply::Unverified)?;
        Ok(Proven { platform: self.platform, webhooks: self.webhooks, connection: Arc::clone(connection) })
    }
}
