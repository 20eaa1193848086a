//! The client of a request.

use super::{origin::Origin, permits::Permit};
use std::sync::Arc;

/// The origin of a request, and its connection.
#[derive(Clone)]
pub struct Client {
    pub(super) origin: Origin,
    pub(super) permit: Arc<Permit>,
}

impl Client {
    /// Returns the address of the client: the connection's, or the one reported by a trusted proxy.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Marks the connection as proven, because its request was authenticated: it is never evicted from now on.
    pub fn prove(&self) {
        self.permit.prove();
    }
}
