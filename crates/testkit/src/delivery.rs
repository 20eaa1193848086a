//! Deliveries of platforms, signed as the simulators sign them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use simulator::{Headers, SampleLevel, SampleProduct, SampleVariant, SampleWebhook, SimulatedPlatform};

/// A wrong way to sign a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missigned {
    /// The right signature in hexadecimal instead of base64.
    Hexadecimal,
    /// The right signature without base64's padding.
    Unpadded,
    /// No signature.
    Absent,
    /// A signature over the registered URL with a slash appended, which is wrong where the URL is signed.
    OtherUrl,
    /// Only the signature of a way of signing that the platform has given up.
    Former,
}

/// A delivery as it is transmitted. Sent again, it is the same delivery.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The URL that it is sent to.
    pub url: String,
    /// Names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The bytes that are signed.
    pub body: Vec<u8>,
}

impl Signed {
    /// A delivery with the headers that a signer made.
    pub(crate) fn with_headers(url: &str, headers: Headers, body: Vec<u8>) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { url: url.to_owned(), headers, body }
    }

    /// Replaces the signature in this header by the result of `rewrite` on its base64 text.
    pub(crate) fn rewriting(mut self, header: &str, rewrite: impl Fn(&str) -> String) -> Self {
        for (_, value) in self.headers.iter_mut().filter(|(name, _)| name == header) {
            *value = rewrite(value);
        }
        self
    }

    /// Adds a header, or replaces the one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(held, _)| *held != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Removes the header of that name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(held, _)| held != name);
        self
    }
}

/// Converts base64 to hexadecimal.
pub(crate) fn hexadecimal(base64: &str) -> String {
    hex::encode(STANDARD.decode(base64).expect("base64"))
}

/// Body of the platform's delivery of a level, `second` seconds into the year 2026.
pub fn level_body(platform: &str, item: u64, location: u64, available: i64, second: i64) -> Vec<u8> {
    level(platform, item, location, available, second).body.into_bytes()
}

/// Body of the platform's delivery of a product, `second` seconds into the year 2026, with `variants` variants.
/// Variant n has the id `product + n`, the inventory item `product + n + 100` and the SKU `sku-<product>-n`.
pub fn product_body(platform: &str, product: u64, title: &str, variants: u64, second: i64) -> Vec<u8> {
    self::product(platform, product, title, variants, second).body.into_bytes()
}

pub(crate) fn level(platform: &str, item: u64, location: u64, available: i64, second: i64) -> SampleWebhook {
    let location = location.to_string();
    let level = SampleLevel { item, location: &location, available, updated_at: time(second) };
    simulated(platform).level_webhook(&level).expect("the platform reports levels")
}

pub(crate) fn product(
    platform: &str,
    product: u64,
    title: &str,
    variants: u64,
    second: i64,
) -> SampleWebhook {
    let variant = |number: u64| SampleVariant {
        id: product + number,
        item: product + number + 100,
        title: format!("Variant {number}"),
        sku: format!("sku-{product}-{number}"),
        price: "9.50",
    };
    let variants: Vec<SampleVariant> = (1..=variants).map(variant).collect();
    let sample =
        SampleProduct { id: product, title, variants: &variants, updated_at: time(second), is_new: false };
    simulated(platform).product_webhook(&sample).expect("the platform reports products")
}

/// The simulated platform of that name.
pub(crate) fn simulated(platform: &str) -> &'static dyn SimulatedPlatform {
    simulator::find(platform).expect("the platform is simulated")
}

fn time(second: i64) -> DateTime<Utc> {
    /// 2026-01-01T00:00:00Z.
    const BEGINNING: i64 = 1_767_225_600;
    DateTime::from_timestamp(BEGINNING + second, 0).expect("a time of this century")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_the_beginning_of_the_year() {
        assert_eq!(time(61).to_rfc3339(), "2026-01-01T00:01:01+00:00");
    }
}
