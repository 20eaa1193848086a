//! Resolves names to public addresses only. The addresses of a name are checked at each connection, the very ones that
//! are connected to.

use crate::{Forbidden, address::is_public};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{net::SocketAddr, sync::Arc};

/// Upper limit of addresses of one name that are tried.
const ADDRESSES_MAX: usize = 16;

/// The system's resolver.
pub(crate) struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A resolver that returns the public addresses among those of another resolver, and fails if there are only others.
pub(crate) struct PublicOnly(pub(crate) Arc<dyn Resolve>);

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let mut found = inner.resolve(name).await?.take(ADDRESSES_MAX).peekable();
            if found.peek().is_none() {
                return Ok(Box::new(found) as Addrs);
            }
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(Forbidden::Address.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}
