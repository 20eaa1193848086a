//! Verifies a delivery as ingest does, and finds out why one isn't genuine.

use super::{connection, headers, platform, read};
use crate::{
    cli::{Output, Verify},
    failure::Failed,
    output,
};
use platforms::{Envelope, Signed, Unverified, VerifyContext, Webhooks};
use serde_json::json;

/// Verifies a delivery; fails with the reason if it isn't genuine.
pub(crate) fn run(arguments: &Verify, output: Output) -> Result<(), Failed> {
    let platform = platform(&arguments.platform)?;
    let (connection, active) = connection(platform.name(), &arguments.signing)?;
    let headers = headers::parse(&String::from_utf8_lossy(&read(&arguments.headers)?))?;
    let body = read(&arguments.file)?;
    let signed = Signed { headers: &headers, body: &body };
    let context = VerifyContext::new(&active, &connection.webhook_url, runner::now());
    let webhooks =
        platform.webhooks().ok_or_else(|| Failed::Usage(format!("{} sends no webhooks", platform.name())))?;
    let reason = reason(webhooks, &signed, &context);
    // As ingest, nothing is read from a body that isn't verified.
    let envelopes = if reason.is_none() { webhooks.split(&signed) } else { Vec::new() };
    let deliveries = envelopes.iter().map(|Envelope { topic, key, .. }| json!({"topic": topic, "key": key}));
    if output == Output::Json {
        output::json(&json!({
            "verified": reason.is_none(),
            "platform": platform.name(),
            "reason": reason,
            "deliveries": deliveries.collect::<Vec<_>>(),
        }));
    }
    if let Some(reason) = reason {
        return Err(Failed::Other(reason));
    }
    if output == Output::Text {
        let topics: Vec<_> = envelopes.iter().map(|envelope| envelope.topic.as_str()).collect();
        let topics = match topics.as_slice() {
            [] => "its body names no topic".to_owned(),
            topics => format!("topic {}", topics.join(", ")),
        };
        output::line(&format!("verified: the delivery is from {}; {topics}", platform.name()));
    }
    Ok(())
}

/// The reason why a delivery isn't verified; `None` if it is.
fn reason(webhooks: &dyn Webhooks, signed: &Signed<'_>, context: &VerifyContext<'_>) -> Option<String> {
    let times = |name: &str| signed.headers.iter().filter(|(found, _)| found == name).count();
    if let Some(name) = webhooks.single_headers().iter().find(|name| times(name) > 1) {
        return Some(format!(
            "the header {name} occurs {} times, so that the request is refused",
            times(name)
        ));
    }
    let error = webhooks.verify(signed, context).err()?;
    let hint = match error {
        Unverified::Missing => {
            format!("there is no header {}", webhooks.signature_headers().join(" or "))
        }
        Unverified::Mismatch => hint(webhooks, signed, context),
        Unverified::Outdated => {
            "a recorded delivery is refused, and so is one of a clock that differs".to_owned()
        }
    };
    Some(format!("{error}: {hint}"))
}

/// Finds the change to body or URL with which the signature would match.
fn hint(webhooks: &dyn Webhooks, signed: &Signed<'_>, context: &VerifyContext<'_>) -> String {
    let matches = |body: &[u8], url: &str| {
        let context = VerifyContext { notification_url: url, ..*context };
        webhooks.verify(&Signed { body, ..*signed }, &context).is_ok()
    };
    let (body, url) = (signed.body, context.notification_url);
    let without_break = body.strip_suffix(b"\r\n").or_else(|| body.strip_suffix(b"\n"));
    if without_break.is_some_and(|body| matches(body, url)) {
        return "it matches without the line break at the end of the body, which wasn't sent".to_owned();
    }
    if matches(&[body, b"\n"].concat(), url) {
        return "it matches with a line break at the end of the body".to_owned();
    }
    if let Some(other) = other_urls(url).into_iter().find(|other| matches(body, other)) {
        return format!("it matches for the URL {other}");
    }
    let url = if url.is_empty() { "; no URL is given, which some platforms sign" } else { "" };
    format!("another secret, or another body, byte for byte{url}")
}

/// Other spellings of a URL, which platforms take for others.
fn other_urls(url: &str) -> Vec<String> {
    let slash = url.strip_suffix('/').map_or_else(|| format!("{url}/"), str::to_owned);
    let scheme = match url.split_once("://") {
        Some(("http", rest)) => Some(format!("https://{rest}")),
        Some(("https", rest)) => Some(format!("http://{rest}")),
        _ => None,
    };
    std::iter::once(slash).chain(scheme).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{environment::RunningConnection, trigger::signed_headers};

    const URL: &str = "https://example.com/webhook";
    const BODY: &[u8] = b"{\"merchant_id\": \"m\"}";

    fn signed(platform: &str) -> Vec<(String, String)> {
        let connection = RunningConnection {
            id: String::new(),
            platform: platform.to_owned(),
            store: String::new(),
            webhook_url: URL.to_owned(),
            secret: "present".to_owned(),
            account: "m".to_owned(),
        };
        let headers = signed_headers(&connection, "topic", "delivery", BODY).unwrap();
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The platforms that send webhooks.
    fn senders() -> impl Iterator<Item = &'static dyn platforms::Platform> {
        platforms::all().iter().copied().filter(|platform| platform.webhooks().is_some())
    }

    fn verified(
        platform: &dyn platforms::Platform,
        headers: &[(String, String)],
        body: &[u8],
        url: &str,
        secrets: &[&str],
    ) -> Option<String> {
        let active: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        let context = VerifyContext::new(&active, url, runner::now());
        reason(platform.webhooks().expect("it sends webhooks"), &Signed { headers, body }, &context)
    }

    #[test]
    fn a_signed_body_is_verified_with_any_active_secret_for_every_platform() {
        for platform in senders() {
            let headers = signed(platform.name());
            assert_eq!(
                verified(platform, &headers, BODY, URL, &["other", "present"]),
                None,
                "{}",
                platform.name()
            );
            let reason = verified(platform, &headers, BODY, URL, &["other"]).expect("it isn't verified");
            assert!(reason.contains("another secret"), "{reason}");
        }
    }

    #[test]
    fn a_missing_and_a_repeated_header_are_named() {
        for platform in senders() {
            let reason = verified(platform, &[], BODY, URL, &["present"]).expect("it isn't verified");
            assert!(
                reason.contains(platform.webhooks().expect("it sends webhooks").signature_headers()[0]),
                "{reason}"
            );
            let headers = [signed(platform.name()), signed(platform.name())].concat();
            let reason = verified(platform, &headers, BODY, URL, &["present"]).expect("it isn't verified");
            assert!(reason.contains("occurs 2 times"), "{reason}");
        }
    }

    #[test]
    fn a_change_to_body_or_url_is_found() {
        let with_break = [BODY, b"\n"].concat();
        for platform in senders() {
            let headers = signed(platform.name());
            let reason = |body: &[u8], url: &str| verified(platform, &headers, body, url, &["present"]);
            // A platform that signs nothing can't know that the body changed.
            if let Some(reason) = reason(&with_break, URL) {
                assert!(reason.contains("without the line break"), "{reason}");
            }
            if let Some(reason) = reason(BODY, "https://example.com/webhook/") {
                assert!(reason.contains(&format!("for the URL {URL}")), "{reason}");
            }
            if let Some(reason) = reason(BODY, "") {
                assert!(reason.contains("no URL is given"), "{reason}");
            }
        }
    }
}
