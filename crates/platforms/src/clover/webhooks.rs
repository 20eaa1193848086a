//! Authentication and updates of a webhook. Clover signs nothing: each request carries the code that its dashboard shows
//! for the app.

use crate::{
    Envelope, Handshake, HandshakeMedia, HandshakeReply, Handshakes, Signed, Unverified, VerifyContext,
    Webhooks, json, verify,
};
use serde_json::{Value, json};

/// The header that carries the code.
const CODE_HEADER: &str = "x-clover-auth";
/// The field of the request by which Clover checks the URL, which has no other.
const VERIFICATION_CODE: &str = "verificationCode";
/// Upper limit of that request's body, in bytes; a code is a UUID (README).
const VERIFICATION_BYTES_MAX: usize = 1024;
/// Upper limit of such a code, in bytes; a longer text isn't one.
const VERIFICATION_CODE_BYTES_MAX: usize = 64;
/// The topic of an update that names no object: its schema refuses it, so that it becomes a dead letter.
const UNREADABLE: &str = "I";

impl Webhooks for super::Clover {
    fn signature_headers(&self) -> &'static [&'static str] {
        &[CODE_HEADER]
    }

    /// Compares the code with any active secret. Body and time are not proven: a delivery is only as safe as its
    /// transport.
    fn verify(&self, signed: &Signed<'_>, context: &VerifyContext<'_>) -> Result<(), Unverified> {
        let code = signed.header(CODE_HEADER).ok_or(Unverified::Missing)?;
        verify::secret(context.secrets, code)
    }

    /// One delivery for each update, in the form of a request that contains only it. Retries and other requests with the
    /// same update have the same key: merchant, object, type and time.
    fn split(&self, signed: &Signed<'_>) -> Vec<Envelope> {
        let Ok(body) = json::read(signed.body) else { return Vec::new() };
        if body.get(VERIFICATION_CODE).is_some() && body.get("merchants").is_none() {
            // Nothing to deliver, even with the code of the app: no topic has this name.
            return vec![Envelope::whole(VERIFICATION_CODE.to_owned(), None)];
        }
        let Some(merchants) = body.get("merchants").and_then(Value::as_object) else { return Vec::new() };
        let mut envelopes = Vec::new();
        for (merchant, updates) in merchants {
            let updates = updates.as_array().map_or(std::slice::from_ref(updates), Vec::as_slice);
            envelopes.extend(updates.iter().map(|update| envelope(body.get("appId"), merchant, update)));
        }
        envelopes
    }

    fn handshakes(&self) -> Option<&dyn Handshakes> {
        Some(self)
    }
}

fn envelope(app: Option<&Value>, merchant: &str, update: &Value) -> Envelope {
    let text = |name: &str| update.get(name).and_then(Value::as_str);
    let object = text("objectId");
    let topic = object.and_then(|object| object.split_once(':')).map(|(topic, _)| topic);
    let topic = topic.filter(|topic| !topic.is_empty()).unwrap_or(UNREADABLE).to_owned();
    let key = match (object, text("type"), update.get("ts").and_then(Value::as_i64)) {
        (Some(object), Some(kind), Some(ts)) => Some(format!("{merchant} {object} {kind} {ts}")),
        _ => None,
    };
    let mut body = json!({"merchants": {merchant: [update]}});
    if let Some(app) = app {
        body["appId"] = app.clone();
    }
    Envelope { topic, key, body: Some(body.to_string().into()) }
}

impl Handshakes for super::Clover {
    fn body_bytes_max(&self) -> usize {
        VERIFICATION_BYTES_MAX
    }

    /// Any response with status 200 suffices.
    fn reply(
        &self,
        request: &Handshake<'_>,
        _context: &VerifyContext<'_>,
    ) -> Result<Option<HandshakeReply>, Unverified> {
        let reply = || HandshakeReply { media_type: HandshakeMedia::Json, body: "{}".to_owned() };
        Ok(self.code_for_people(request).map(|_| reply()))
    }

    /// A person enters the code in the settings of the app; then Clover uses the URL.
    fn code_for_people(&self, request: &Handshake<'_>) -> Option<String> {
        if request.is_get { None } else { verification_code(request.body) }
    }
}

/// The code in a request that contains nothing else.
fn verification_code(body: &[u8]) -> Option<String> {
    let body = json::read(body).ok()?;
    let fields = body.as_object().filter(|fields| fields.len() == 1)?;
    let code = fields.get(VERIFICATION_CODE)?.as_str()?;
    let is_code = (1..=VERIFICATION_CODE_BYTES_MAX).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_code.then(|| code.to_owned())
}

#[cfg(test)]
mod tests;
