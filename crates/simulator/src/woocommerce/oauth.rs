//! Calls that are signed by OAuth 1.0a without tokens: where there is no TLS, the platform accepts no others. The rules
//! are those of `class-wc-rest-authentication.php`; of its two methods only HMAC-SHA256 is simulated.

use super::api::Denial;
use crate::exchange::Incoming;
use crate::ledger::Instant;
use crate::sign::hmac_base64;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

/// Maximum difference between the time of a call and the shop's, in seconds.
const AGE_SECONDS_MAX: i64 = 15 * 60;
/// Maximum number of recorded nonces.
const NONCES_MAX: usize = 1_000;
/// The parameters of a signed call, all of which are required.
const REQUIRED: [&str; 5] =
    ["oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method"];

/// The parameters of a call by their names.
type Parameters<'a> = BTreeMap<&'a str, &'a str>;

/// The nonces of the last signed calls: each is accepted once.
#[derive(Debug, Default)]
pub(super) struct Nonces(VecDeque<String>);

impl Nonces {
    /// Records a nonce; returns false if it was recorded before.
    fn accept(&mut self, nonce: &str) -> bool {
        if self.0.iter().any(|used| used == nonce) {
            return false;
        }
        self.0.push_back(nonce.to_owned());
        if self.0.len() > NONCES_MAX {
            self.0.pop_front();
        }
        true
    }
}

/// Verifies the signature of a call; `None` if the call isn't signed.
pub(super) fn verify(
    nonces: &mut Nonces,
    call: &Incoming,
    (key, secret): (&str, &str),
    now: Instant,
) -> Option<Result<(), Denial>> {
    // Of several values of one parameter PHP keeps the last.
    let mut parameters: Parameters<'_> =
        call.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if !REQUIRED.iter().any(|name| parameters.contains_key(name)) {
        return None;
    }
    let [Some(consumer), Some(time), Some(nonce), Some(signature), Some(method)] =
        REQUIRED.map(|name| parameters.get(name).copied().filter(|value| !value.is_empty()))
    else {
        let code = "woocommerce_rest_authentication_missing_parameter";
        return Some(Err(Denial::new(401, code, "Missing OAuth parameters")));
    };
    parameters.remove("oauth_signature");
    let is_timely = time.parse::<i64>().is_ok_and(|time| (now.timestamp() - time).abs() <= AGE_SECONDS_MAX);
    let refusal = if consumer != key {
        "Consumer key is invalid."
    } else if method != "HMAC-SHA256" {
        "Invalid signature - signature method is invalid."
    } else if signature != signature_of(call, &parameters, secret) {
        "Invalid signature - provided signature does not match."
    } else if !is_timely {
        "Invalid timestamp."
    } else if !nonces.accept(nonce) {
        "Invalid nonce - nonce has already been used."
    } else {
        return Some(Ok(()));
    };
    Some(Err(Denial::new(401, "woocommerce_rest_authentication_error", refusal)))
}

/// The signature of method, address and parameters, which are sorted by their names.
fn signature_of(call: &Incoming, parameters: &Parameters<'_>, secret: &str) -> String {
    let address = format!("http://{}{}", call.header("host").unwrap_or_default(), call.path);
    let pairs = parameters.iter().map(|(name, value)| encode(&format!("{}={}", encode(name), encode(value))));
    let pairs = pairs.collect::<Vec<_>>().join("%26");
    let signed = format!("{}&{}&{pairs}", call.method, encode(&address));
    hmac_base64(&format!("{secret}&"), &[signed.as_bytes()])
}

/// Encodes a text as RFC 3986 requires.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text can't fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::decode_form;
    use crate::notation;

    const ACCOUNT: (&str, &str) = ("ck_simulated", "the-token");

    /// A call as the SDK for Python, version 3.0.0, signs it with this time and nonce.
    fn signed() -> Incoming {
        let query = "per_page=2&search=50%25+off+%26+more~&oauth_consumer_key=ck_simulated&\
            oauth_timestamp=1764306000&oauth_nonce=0f8e2d1c&oauth_signature_method=HMAC-SHA256&\
            oauth_signature=ILH6a1dynVEFEVEnbKvtkBVW4enSDPBLKetvQZfRDk4%3D";
        Incoming {
            method: "GET".to_owned(),
            path: "/wp-json/wc/v3/products".to_owned(),
            query: decode_form(query),
            headers: vec![("host".to_owned(), "127.0.0.1:4000".to_owned())],
            body: bytes::Bytes::new(),
        }
    }

    fn at(text: &str) -> Instant {
        notation::instant(text).unwrap()
    }

    fn refusal(nonces: &mut Nonces, call: &Incoming, account: (&str, &str), now: Instant) -> String {
        let denial = verify(nonces, call, account, now).unwrap().unwrap_err();
        denial.reply().body["message"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_call_is_verified_as_the_sdk_signs_it_and_accepted_once() {
        let (mut nonces, call, now) = (Nonces::default(), signed(), at("2025-11-28T05:00:00Z"));
        assert!(verify(&mut nonces, &call, ACCOUNT, now).unwrap().is_ok());
        assert!(refusal(&mut nonces, &call, ACCOUNT, now).contains("nonce"));
    }

    #[test]
    fn another_account_query_address_or_time_is_refused() {
        let (mut nonces, now) = (Nonces::default(), at("2025-11-28T05:00:00Z"));
        assert!(refusal(&mut nonces, &signed(), ("ck_other", "the-token"), now).contains("Consumer key"));
        assert!(refusal(&mut nonces, &signed(), ("ck_simulated", "other"), now).contains("match"));
        assert!(refusal(&mut nonces, &signed(), ACCOUNT, at("2025-11-28T05:20:00Z")).contains("timestamp"));
        let changes: [fn(&mut Incoming); 4] = [
            |call| call.query[0].1 = "3".to_owned(),
            |call| call.query.push(("page".to_owned(), "2".to_owned())),
            |call| call.path.push('x'),
            |call| call.method = "PUT".to_owned(),
        ];
        for change in changes {
            let mut call = signed();
            change(&mut call);
            assert!(refusal(&mut nonces, &call, ACCOUNT, now).contains("match"));
        }
    }

    #[test]
    fn a_call_without_signature_is_none_and_half_a_signature_is_refused() {
        let (mut nonces, mut call, now) = (Nonces::default(), signed(), at("2025-11-28T05:00:00Z"));
        call.query.retain(|(name, _)| name != "oauth_nonce");
        assert!(refusal(&mut nonces, &call, ACCOUNT, now).contains("Missing"));
        call.query.retain(|(name, _)| !name.starts_with("oauth"));
        assert!(verify(&mut nonces, &call, ACCOUNT, now).is_none());
    }
}
