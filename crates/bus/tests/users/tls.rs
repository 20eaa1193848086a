//! Encrypted connections whose ends authenticate each other.

use super::{Broker, as_user, layout};
use bus::{Bus, BusConfig, BusError, Tls, User};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Time limit of a connection that must be refused, in milliseconds.
const REFUSED_WITHIN_MS: u64 = 300;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/users/tls").join(name)
}

fn trusting(authority: &str) -> Tls {
    Tls { ca_file: Some(file(authority)), certificate_file: None, key_file: None }
}

fn known() -> Tls {
    let (certificate, key) = (file("client.pem"), file("client-key.pem"));
    Tls { certificate_file: Some(certificate), key_file: Some(key), ..trusting("authority.pem") }
}

async fn connects(broker: &Broker, url: &str, tls: Option<Tls>) -> Result<(), BusError> {
    let config =
        BusConfig { servers: vec![url.to_owned()], tls, connect_limit_ms: REFUSED_WITHIN_MS, ..layout() };
    Bus::connect(&as_user(config, &broker.users, &User::Dedupe)).await?.await_declared(&User::Dedupe).await
}

async fn encrypted(verify: bool) -> Broker {
    let (tls, block) = if verify {
        (
            known(),
            json!({"cert_file": file("server.pem"), "key_file": file("server-key.pem"),
            "ca_file": file("authority.pem"), "verify": true}),
        )
    } else {
        (
            trusting("authority.pem"),
            json!({"cert_file": file("server.pem"), "key_file": file("server-key.pem")}),
        )
    };
    Broker::start_as(|options| sandbox::NatsOptions { tls: Some(block), ..options }, Some(tls)).await
}

#[tokio::test]
async fn a_server_of_an_authority_that_is_trusted_is_spoken_to_and_any_other_is_not() {
    let broker = encrypted(false).await;
    let (plain, tls) = (broker.nats.url(), broker.nats.url().replace("nats://", "tls://"));
    for url in [&plain, &tls] {
        connects(&broker, url, Some(trusting("authority.pem"))).await.unwrap();
        assert!(
            connects(&broker, url, Some(trusting("other-authority.pem"))).await.is_err(),
            "another authority"
        );
        assert!(connects(&broker, url, None).await.is_err(), "the system's authorities");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_does_not_encrypt() {
    let broker = Broker::start().await;
    let url = broker.nats.url();
    connects(&broker, &url, None).await.unwrap();
    assert!(connects(&broker, &url, Some(trusting("authority.pem"))).await.is_err());
    assert!(connects(&broker, &url.replace("nats://", "tls://"), None).await.is_err());
}

#[tokio::test]
async fn a_server_that_asks_for_certificates_takes_those_of_its_authority_alone() {
    let broker = encrypted(true).await;
    let url = broker.nats.url();
    connects(&broker, &url, Some(known())).await.unwrap();
    assert!(connects(&broker, &url, Some(trusting("authority.pem"))).await.is_err(), "no certificate");
    let half = Tls { key_file: None, ..known() };
    assert!(matches!(connects(&broker, &url, Some(half)).await, Err(BusError::Config(_))), "no key");
}
