//! TLS of outgoing HTTP: rustls with ring, and the authorities that Mozilla trusts, compiled in.

use reqwest::ClientBuilder;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::sync::Arc;

/// Protocols offered to a server, the preferred one first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Begins an HTTP client that trusts Mozilla's authorities and no others, whatever the machine trusts. Nothing is
/// installed for the process. A client that begins otherwise has no cryptography: it panics when it is built.
pub fn client() -> ClientBuilder {
    trusting(mozilla())
}

fn mozilla() -> RootCertStore {
    webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()
}

fn trusting(authorities: RootCertStore) -> ClientBuilder {
    #[expect(clippy::expect_used, reason = "ring has suites of TLS 1.2 and of TLS 1.3")]
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions that the provider knows");
    let mut config = versions.with_root_certificates(authorities).with_no_client_auth();
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    #[expect(clippy::disallowed_methods, reason = "the cryptography is added here")]
    let builder = reqwest::Client::builder();
    builder.tls_backend_preconfigured(config)
}

#[cfg(test)]
mod tests;
