//! A platform of these tests: ECDSA over time and body, with a key that the request names; challenges and pings.

use model::{Delivery, Timestamp};
use platforms::{
    Access, CallError, Envelope, Handshake, HandshakeMedia, HandshakeReply, Handshakes, HttpReply,
    HttpRequest, KeyId, MapContext, Method, Platform, PublicKeys, Rate, Rows, Spec, Topic, TopicKind,
    Unverified, VerifyContext, Webhooks,
};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
    },
};
use serde_json::{Value, json};
use stage::Reject;

/// The header with key, time and signature.
const SIGNATURE: &str = "x-acme-signature";

/// The platform.
pub(crate) static ACME: Acme = Acme;
pub(crate) struct Acme;

static SPEC: Spec = Spec {
    name: "acme",
    topics: &[Topic { name: "level", kind: TopicKind::Full, schema: "{}" }],
    body_bytes_max: platforms::BODY_BYTES_DEFAULT,
    rate: Rate { per_second: 1.0, burst: 1 },
};

impl Platform for Acme {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn map(&self, _: &Delivery, _: &Value, _: &MapContext) -> Result<Rows, Reject> {
        Ok(Vec::new())
    }

    fn webhooks(&self) -> Option<&dyn Webhooks> {
        Some(self)
    }
}

/// The parts of the header's value: `<key>,<seconds since 1970>,<signature in hex>`.
fn parts<'a>(signed: &platforms::Signed<'a>) -> Result<[&'a str; 3], Unverified> {
    let value = signed.header(SIGNATURE).ok_or(Unverified::Missing)?;
    let parts: Vec<&str> = value.split(',').collect();
    parts.try_into().map_err(|_| Unverified::Mismatch)
}

impl Webhooks for Acme {
    fn signature_headers(&self) -> &'static [&'static str] {
        &[SIGNATURE]
    }

    fn verify(&self, signed: &platforms::Signed<'_>, context: &VerifyContext<'_>) -> Result<(), Unverified> {
        let [_, seconds, signature] = parts(signed)?;
        let key =
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, context.public_key.ok_or(Unverified::Mismatch)?);
        let signature = hex::decode(signature).map_err(|_| Unverified::Mismatch)?;
        let message = [seconds.as_bytes(), b".", signed.body].concat();
        key.verify(&message, &signature).map_err(|_| Unverified::Mismatch)?;
        let seconds: i64 = seconds.parse().map_err(|_| Unverified::Mismatch)?;
        context.check_age(Timestamp::from_micros(seconds * 1_000_000))
    }

    fn split(&self, signed: &platforms::Signed<'_>) -> Vec<Envelope> {
        let events: Vec<Value> = serde_json::from_slice(signed.body).unwrap_or_default();
        let envelope = |event: Value| Envelope {
            topic: event["topic"].as_str().unwrap_or_default().to_owned(),
            key: event["id"].as_str().map(str::to_owned),
            body: Some(event.to_string().into()),
        };
        events.into_iter().map(envelope).collect()
    }

    fn handshakes(&self) -> Option<&dyn Handshakes> {
        Some(self)
    }

    fn public_keys(&self) -> Option<&dyn PublicKeys> {
        Some(self)
    }
}

impl Handshakes for Acme {
    fn body_bytes_max(&self) -> usize {
        64
    }

    fn reply(
        &self,
        request: &Handshake<'_>,
        context: &VerifyContext<'_>,
    ) -> Result<Option<HandshakeReply>, Unverified> {
        if !request.is_get {
            let is_ping = request.body.starts_with(b"ping=");
            return Ok(
                is_ping.then(|| HandshakeReply { media_type: HandshakeMedia::Text, body: String::new() })
            );
        }
        let Some(challenge) = request.query.strip_prefix("challenge=") else { return Ok(None) };
        let challenge = challenge.replace("%3C", "<").replace("%3E", ">");
        let body = json!({"response": response(&challenge, &context.secrets[0], context.notification_url)});
        Ok(Some(HandshakeReply { media_type: HandshakeMedia::Json, body: body.to_string() }))
    }
}

impl PublicKeys for Acme {
    fn key_id(&self, signed: &platforms::Signed<'_>) -> Result<KeyId, Unverified> {
        KeyId::new(parts(signed)?[0])
    }

    fn request(&self, key: &KeyId, access: &Access) -> Result<HttpRequest, Reject> {
        Ok(HttpRequest::new(Method::Get, format!("{}/keys/{key}", access.base_url)))
    }

    fn key(&self, reply: &HttpReply<'_>) -> Result<Vec<u8>, CallError> {
        match reply.status {
            200 => {
                let key = hex::decode(reply.body).ok();
                key.ok_or_else(|| CallError::transient("the reply is no key"))
            }
            404 => Err(CallError::Gone),
            status => Err(CallError::transient(format!("status {status}"))),
        }
    }
}

/// The response to a challenge: the digest of challenge, secret and URL.
pub(crate) fn response(challenge: &str, secret: &str, url: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, [challenge, secret, url].concat().as_bytes()).as_ref())
}

/// A private key of the platform.
pub(crate) struct Key {
    pub(crate) id: String,
    pair: EcdsaKeyPair,
}

impl Key {
    /// A new key under this id.
    pub(crate) fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key can be made");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).expect("a key");
        Self { id: id.to_owned(), pair }
    }

    /// The public key, in hex.
    pub(crate) fn public(&self) -> String {
        hex::encode(self.pair.public_key().as_ref())
    }

    /// A request that is signed now.
    pub(crate) fn sign(&self, url: &str, body: &str) -> testkit::Signed {
        self.sign_at(runner::now().as_micros() / 1_000_000, url, body)
    }

    /// A request that was signed `seconds` after 1970.
    pub(crate) fn sign_at(&self, seconds: i64, url: &str, body: &str) -> testkit::Signed {
        let message = format!("{seconds}.{body}");
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).expect("it signs");
        let value = format!("{},{seconds},{}", self.id, hex::encode(signature.as_ref()));
        testkit::Signed {
            url: url.to_owned(),
            headers: vec![(SIGNATURE.to_owned(), value)],
            body: body.as_bytes().to_vec(),
        }
    }
}
