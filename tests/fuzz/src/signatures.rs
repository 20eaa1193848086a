//! Signatures of webhooks: only the right one is accepted.

use crate::notation::{line, text};
use model::{ConnectionId, Timestamp};
use platforms::{Platform, Signed, Unverified, VerifyContext, Webhooks};
use testkit::Account;

const PRESENT: &str = "the-present-secret";
const FORMER: &str = "the-former-secret";
const ANOTHER: &str = "a-secret-of-somebody-else";

/// Checks that a delivery is accepted with the signature that its platform would make, and with no other. Input: four
/// bytes (the platform, and a change of the right signature), then a line with the URL, a line with a header's value,
/// and the body.
pub fn signatures(data: &[u8]) {
    let [platform, change, at, byte, rest @ ..] = data else { return };
    let all: Vec<_> = platforms::all().iter().filter(|platform| platform.webhooks().is_some()).collect();
    let (url, rest) = line(rest);
    let (value, body) = line(rest);
    let case = Case { platform: *all[usize::from(*platform) % all.len()], url: text(url), body };
    let right = case.signature(PRESENT, &case.url, body);

    // Shopify's own library accepts no empty body, and WooCommerce sends none.
    let is_verified = !body.is_empty() || !["shopify", "woocommerce"].contains(&case.platform.name());
    for secret in [PRESENT, FORMER] {
        let signature = case.signature(secret, &case.url, body);
        assert_eq!(case.verify(Some(&signature)).is_ok(), is_verified, "the platform's own signature");
    }
    for secret in [ANOTHER, ""] {
        case.refuses(&case.signature(secret, &case.url, body), "another secret's signature");
    }
    assert_eq!(case.verify(None), Err(Unverified::Missing));

    let longer = [body, &[*byte]].concat();
    let others = [
        case.signature(PRESENT, &format!("{}/", case.url), body),
        case.signature(PRESENT, &case.url, &longer),
    ];
    for other in others.iter().filter(|other| **other != right) {
        case.refuses(other, "a signature over something else");
    }
    for given in [text(value), changed(&right, *change, usize::from(*at), char::from(*byte))] {
        let expected = is_verified && (says_the_same(&given, &right) || case.is_formers(&given));
        assert_eq!(case.verify(Some(&given)).is_ok(), expected, "{} {given:?}", case.platform.name());
    }
}

struct Case<'a> {
    platform: &'static dyn Platform,
    url: String,
    body: &'a [u8],
}

impl Case<'_> {
    fn webhooks(&self) -> &'static dyn Webhooks {
        self.platform.webhooks().expect("it sends webhooks")
    }

    /// The value of the signature header, as the platform writes it.
    fn signature(&self, secret: &str, url: &str, body: &[u8]) -> String {
        let account = Account {
            connection: ConnectionId::new("c").expect("a connection's id"),
            platform: self.platform.name(),
            name: "tests".to_owned(),
            webhook_url: url.to_owned(),
            secret: secret.to_owned(),
            simulator: None,
        };
        let names = self.webhooks().signature_headers();
        let headers = account.sign("topic", "delivery", body.to_vec()).headers;
        let signature = headers.into_iter().find(|(name, _)| names.contains(&name.as_str()));
        signature.expect("a platform signs in a header that it names").1
    }

    /// Returns the verdict; checks that it is the same under every name of the header.
    fn verify(&self, value: Option<&str>) -> Result<(), Unverified> {
        let active = [String::new(), PRESENT.to_owned(), FORMER.to_owned()];
        let context = VerifyContext::new(&active, &self.url, Timestamp::default());
        let verdict = |name: &str| {
            let headers: Vec<_> =
                value.map(|value| (name.to_owned(), value.to_owned())).into_iter().collect();
            self.webhooks().verify(&Signed { headers: &headers, body: self.body }, &context)
        };
        let [first, others @ ..] = self.webhooks().signature_headers() else { panic!("a platform signs") };
        let said = verdict(first);
        assert!(others.iter().all(|name| verdict(name) == said), "a header's names count alike");
        said
    }

    fn refuses(&self, value: &str, what: &str) {
        assert!(self.verify(Some(value)).is_err(), "{} accepts {what}", self.platform.name());
    }

    fn is_formers(&self, given: &str) -> bool {
        says_the_same(given, &self.signature(FORMER, &self.url, self.body))
    }
}

/// Returns true if the value equals the right one byte for byte, apart from the case of an authentication scheme's name
/// (RFC 9110, 11.1).
fn says_the_same(given: &str, right: &str) -> bool {
    match (given.split_once(' '), right.split_once(' ')) {
        (Some((scheme, token)), Some((right_scheme, right_token))) => {
            scheme.eq_ignore_ascii_case(right_scheme) && token == right_token
        }
        _ => given == right,
    }
}

/// Returns the right signature with one change, which may have no effect.
fn changed(right: &str, change: u8, at: usize, with: char) -> String {
    let mut letters: Vec<char> = right.chars().collect();
    let at = at % (letters.len() + 1);
    match change % 8 {
        0 => letters.truncate(at),
        1 => letters.insert(at, with),
        2 if at < letters.len() => letters[at] = with,
        3 if at < letters.len() => drop(letters.remove(at)),
        4 => letters = letters[at..].to_vec(),
        5 if at < letters.len() => letters[at].make_ascii_lowercase(),
        6 if at < letters.len() => letters[at].make_ascii_uppercase(),
        _ => letters.extend([with; 2]),
    }
    letters.into_iter().collect()
}
