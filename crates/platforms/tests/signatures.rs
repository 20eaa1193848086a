//! Valid and invalid signatures: every scheme with every variation of a header or a body.

#![expect(clippy::expect_used, reason = "a test may panic, and so may what it is made of")]

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::Timestamp;
use platforms::{Signed, Unverified, VerifyContext};
use sha2::Sha256;

const SECRET: &str = "a secret of the app";
const FORMER: &str = "the secret before";
const URL: &str = "https://shop.example/webhook/square/c-1";
const BODY: &[u8] = br#"{"type":"order.created","event_id":"e-1","note":"tea"}"#;

type Headers = Vec<(String, String)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Believed,
    Missing,
    Mismatch,
}
use Expected::{Believed, Mismatch, Missing};

/// One request: its name, its headers, its body, and the expected result.
type Case = (&'static str, Headers, Vec<u8>, Expected);

fn mac(secret: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length makes a key");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn one(name: &str, value: impl Into<String>) -> Headers {
    vec![(name.to_owned(), value.into())]
}

fn check(platform: &str, active: &[&str], cases: Vec<Case>) {
    let platform = platforms::find(platform).expect("it is registered");
    let active: Vec<String> = active.iter().map(|&secret| secret.to_owned()).collect();
    let context = VerifyContext::new(&active, URL, Timestamp::default());
    let count = cases.len();
    for (what, headers, body, expected) in cases {
        let webhooks = platform.webhooks().expect("it sends webhooks");
        let verified = match webhooks.verify(&Signed { headers: &headers, body: &body }, &context) {
            Ok(()) => Believed,
            Err(Unverified::Missing) => Missing,
            Err(Unverified::Mismatch | Unverified::Outdated) => Mismatch,
        };
        assert_eq!(verified, expected, "{} with {what}: {headers:?}", platform.name());
    }
    assert!(count >= 35, "{count} cases");
}

/// The cases common to all schemes that sign with HMAC-SHA256 in base64, in the header `name`; `before` is signed
/// before the body.
fn hmac_cases(name: &str, before: &[u8]) -> Vec<Case> {
    let sign = |secret: &str, body: &[u8]| STANDARD.encode(mac(secret, &[before, body]));
    let (right, raw) = (sign(SECRET, BODY), mac(SECRET, &[before, BODY]));
    let with = |value: &str| one(name, value);
    let body = || BODY.to_vec();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = body();
        change(&mut body);
        body
    };
    let flipped = |byte: usize, bit: u8| {
        let mut raw = raw.clone();
        raw[byte] ^= 1 << bit;
        STANDARD.encode(raw)
    };
    let spare = {
        // The last character before the padding has two spare bits.
        let mut text = right.clone().into_bytes();
        text[42] = match text[42] {
            b'A'..=b'Y' | b'a'..=b'y' | b'0'..=b'8' => text[42] + 1,
            other => {
                if other == b'Z' {
                    b'a'
                } else {
                    b'B'
                }
            }
        };
        String::from_utf8(text).expect("base64 is text")
    };
    vec![
        ("the right signature", with(&right), body(), Believed),
        ("that of the secret before", with(&sign(FORMER, BODY)), body(), Believed),
        (
            "the right one among other headers",
            [one("content-type", "x"), with(&right)].concat(),
            body(),
            Believed,
        ),
        ("no header", Vec::new(), body(), Missing),
        ("another header", one("x-signature", &right), body(), Missing),
        (
            "the name in capitals, which `http` never gives",
            one(&name.to_uppercase(), &right),
            body(),
            Missing,
        ),
        ("another secret", with(&sign("another", BODY)), body(), Mismatch),
        ("the secret in capitals", with(&sign(&SECRET.to_uppercase(), BODY)), body(), Mismatch),
        ("the secret with a space behind", with(&sign(&format!("{SECRET} "), BODY)), body(), Mismatch),
        ("an empty secret", with(&sign("", BODY)), body(), Mismatch),
        ("white space before", with(&format!(" {right}")), body(), Mismatch),
        ("white space behind", with(&format!("{right} ")), body(), Mismatch),
        ("a tab behind", with(&format!("{right}\t")), body(), Mismatch),
        ("a line break within", with(&right.replacen(&right[20..21], "\n", 1)), body(), Mismatch),
        ("quotes around it", with(&format!("\"{right}\"")), body(), Mismatch),
        ("a scheme before it", with(&format!("sha256={right}")), body(), Mismatch),
        ("a version before it", with(&format!("v1,{right}")), body(), Mismatch),
        ("it twice, joined", with(&format!("{right},{right}")), body(), Mismatch),
        ("it twice, joined as lists are", with(&format!("{right}, {right}")), body(), Mismatch),
        ("no padding", with(&STANDARD_NO_PAD.encode(&raw)), body(), Mismatch),
        ("too much padding", with(&format!("{right}=")), body(), Mismatch),
        ("the padding alone", with("="), body(), Mismatch),
        (
            "base64 for URLs, marked as such",
            with(&format!("-{}", &URL_SAFE.encode(&raw)[1..])),
            body(),
            Mismatch,
        ),
        ("spare bits set", with(&spare), body(), Mismatch),
        ("hexadecimal", with(&hex(&raw)), body(), Mismatch),
        ("hexadecimal in capitals", with(&hex(&raw).to_uppercase()), body(), Mismatch),
        ("capitals", with(&right.to_uppercase()), body(), Mismatch),
        ("small letters", with(&right.to_lowercase()), body(), Mismatch),
        ("its half", with(&right[..right.len() / 2]), body(), Mismatch),
        ("31 of 32 bytes", with(&STANDARD.encode(&raw[..31])), body(), Mismatch),
        ("33 bytes", with(&STANDARD.encode([&raw[..], &[0]].concat())), body(), Mismatch),
        ("its first bit flipped", with(&flipped(0, 7)), body(), Mismatch),
        ("its last bit flipped", with(&flipped(31, 0)), body(), Mismatch),
        ("zeros", with(&STANDARD.encode([0; 32])), body(), Mismatch),
        ("a plain digest of the secret's kind", with(&STANDARD.encode(mac("", &[]))), body(), Mismatch),
        ("a megabyte of text", with(&"A".repeat(1 << 20)), body(), Mismatch),
        ("letters that look alike", with(&right.replacen(&right[..1], "Α", 1)), body(), Mismatch),
        ("a NUL", with(&format!("{right}\0")), body(), Mismatch),
        ("the secret itself", with(SECRET), body(), Mismatch),
        ("the first of two wrong", [with("AAAA"), with(&right)].concat(), body(), Mismatch),
        ("a body with a line break behind", with(&right), changed(&|body| body.push(b'\n')), Mismatch),
        ("a body with a byte order mark", with(&right), [b"\xef\xbb\xbf", BODY].concat(), Mismatch),
        ("a body with a bit flipped", with(&right), changed(&|body| body[0] ^= 1), Mismatch),
        ("a body that is shorter", with(&right), BODY[..BODY.len() - 1].to_vec(), Mismatch),
        ("the body written anew", with(&right), BODY.iter().copied().flat_map(spaced).collect(), Mismatch),
        ("an empty body", with(&right), Vec::new(), Mismatch),
    ]
}

fn spaced(byte: u8) -> Vec<u8> {
    if byte == b':' { vec![b':', b' '] } else { vec![byte] }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[test]
fn shopify_signs_the_body() {
    let right = STANDARD.encode(mac(SECRET, &[BODY]));
    let mut cases = hmac_cases("x-shopify-hmac-sha256", b"");
    let both = |first: &str, second: &str| {
        [one("x-shopify-hmac-sha256", first), one("shopify-hmac-sha256", second)].concat()
    };
    cases.extend([
        ("the name without x-", one("shopify-hmac-sha256", &right), BODY.to_vec(), Believed),
        ("the present name wrong, the other right", both("AAAA", &right), BODY.to_vec(), Mismatch),
        ("the present name right, the other wrong", both(&right, "AAAA"), BODY.to_vec(), Believed),
        ("an empty value", one("x-shopify-hmac-sha256", ""), BODY.to_vec(), Missing),
        (
            "an empty body and its own signature",
            one("x-shopify-hmac-sha256", STANDARD.encode(mac(SECRET, &[b""]))),
            Vec::new(),
            Mismatch,
        ),
        (
            "the URL before the body, as Square signs",
            one("x-shopify-hmac-sha256", STANDARD.encode(mac(SECRET, &[URL.as_bytes(), BODY]))),
            BODY.to_vec(),
            Mismatch,
        ),
    ]);
    check("shopify", &[SECRET, FORMER], cases);
}

#[test]
fn square_signs_the_url_and_the_body() {
    let name = "x-square-hmacsha256-signature";
    let of_url = |url: &str| one(name, STANDARD.encode(mac(SECRET, &[url.as_bytes(), BODY])));
    let mut cases = hmac_cases(name, URL.as_bytes());
    cases.extend([
        ("an empty value", one(name, ""), BODY.to_vec(), Mismatch),
        ("the name of before 2021", one("x-square-signature", "AAAA"), BODY.to_vec(), Missing),
        ("the body alone", one(name, STANDARD.encode(mac(SECRET, &[BODY]))), BODY.to_vec(), Mismatch),
        (
            "the body before the URL",
            one(name, STANDARD.encode(mac(SECRET, &[BODY, URL.as_bytes()]))),
            BODY.to_vec(),
            Mismatch,
        ),
        ("a slash behind the URL", of_url(&format!("{URL}/")), BODY.to_vec(), Mismatch),
        (
            "the URL with its port",
            of_url(&URL.replacen(".example", ".example:443", 1)),
            BODY.to_vec(),
            Mismatch,
        ),
        ("the URL with http", of_url(&URL.replacen("https", "http", 1)), BODY.to_vec(), Mismatch),
        ("the URL in capitals", of_url(&URL.to_uppercase()), BODY.to_vec(), Mismatch),
        ("the URL of another connection", of_url(&URL.replacen("c-1", "c-2", 1)), BODY.to_vec(), Mismatch),
        (
            "the URL's end moved into the body",
            one(name, STANDARD.encode(mac(SECRET, &[URL.as_bytes(), BODY]))),
            [b"1", BODY].concat(),
            Mismatch,
        ),
    ]);
    check("square", &[SECRET, FORMER], cases);
}

#[test]
fn woocommerce_signs_the_body() {
    let name = "x-wc-webhook-signature";
    let mut cases = hmac_cases(name, b"");
    cases.extend([
        ("an empty value", one(name, ""), BODY.to_vec(), Missing),
        ("the name without x-", one("wc-webhook-signature", "AAAA"), BODY.to_vec(), Missing),
        (
            "an empty body and its own signature",
            one(name, STANDARD.encode(mac(SECRET, &[b""]))),
            Vec::new(),
            Mismatch,
        ),
        (
            "the topic before the body",
            one(name, STANDARD.encode(mac(SECRET, &[b"product.updated", BODY]))),
            BODY.to_vec(),
            Mismatch,
        ),
    ]);
    check("woocommerce", &[SECRET, FORMER], cases);
}

#[test]
fn treez_sends_a_token() {
    let with = |value: &str| one("authorization", value);
    let bearer = |token: &str| with(&format!("Bearer {token}"));
    let cut = &SECRET[..SECRET.len() - 1];
    let cases: Vec<(&'static str, Headers, Expected)> = vec![
        ("the token", bearer(SECRET), Believed),
        ("the token before", bearer(FORMER), Believed),
        ("the scheme in small letters", with(&format!("bearer {SECRET}")), Believed),
        ("the scheme in capitals", with(&format!("BEARER {SECRET}")), Believed),
        ("no header", Vec::new(), Missing),
        ("another header", one("x-authorization", format!("Bearer {SECRET}")), Missing),
        ("the header of proxies", one("proxy-authorization", format!("Bearer {SECRET}")), Missing),
        ("the name in capitals, which `http` never gives", one("AUTHORIZATION", SECRET), Missing),
        ("an empty value", with(""), Mismatch),
        ("the scheme alone", with("Bearer"), Mismatch),
        ("the scheme and a space", with("Bearer "), Mismatch),
        ("the token alone", with(SECRET), Mismatch),
        ("another token", bearer("another"), Mismatch),
        ("an empty token", bearer(""), Mismatch),
        ("no space", with(&format!("Bearer{SECRET}")), Mismatch),
        ("two spaces", with(&format!("Bearer  {SECRET}")), Mismatch),
        ("a tab", with(&format!("Bearer\t{SECRET}")), Mismatch),
        ("white space before", with(&format!(" Bearer {SECRET}")), Mismatch),
        ("white space behind", bearer(&format!("{SECRET} ")), Mismatch),
        ("a tab behind", bearer(&format!("{SECRET}\t")), Mismatch),
        ("a line break behind", bearer(&format!("{SECRET}\n")), Mismatch),
        ("a NUL behind", bearer(&format!("{SECRET}\0")), Mismatch),
        ("the token in capitals", bearer(&SECRET.to_uppercase()), Mismatch),
        ("one letter less", bearer(cut), Mismatch),
        ("one letter more", bearer(&format!("{SECRET}s")), Mismatch),
        ("its first letter other", bearer(&SECRET.replacen('a', "b", 1)), Mismatch),
        ("the first letter alone", bearer("a"), Mismatch),
        ("letters that look alike", bearer(&SECRET.replacen('a', "а", 1)), Mismatch),
        ("it twice", bearer(&format!("{SECRET}{SECRET}")), Mismatch),
        ("it twice, joined as lists are", bearer(&format!("{SECRET}, Bearer {SECRET}")), Mismatch),
        ("both tokens", bearer(&format!("{SECRET} {FORMER}")), Mismatch),
        ("quotes around it", bearer(&format!("\"{SECRET}\"")), Mismatch),
        ("base64 of it", bearer(&STANDARD.encode(SECRET)), Mismatch),
        ("hexadecimal of it", bearer(&hex(SECRET.as_bytes())), Mismatch),
        ("per cent signs", bearer(&SECRET.replace(' ', "%20")), Mismatch),
        ("another scheme", with(&format!("Basic {SECRET}")), Mismatch),
        (
            "Basic with it as the password",
            with(&format!("Basic {}", STANDARD.encode(format!(":{SECRET}")))),
            Mismatch,
        ),
        ("a scheme that begins so", with(&format!("BearerX {SECRET}")), Mismatch),
        ("a scheme that is shorter", with(&format!("Beare {SECRET}")), Mismatch),
        ("a megabyte of text", bearer(&"a".repeat(1 << 20)), Mismatch),
        ("the first of two wrong", [bearer("wrong"), bearer(SECRET)].concat(), Mismatch),
        ("a signature as Shopify's", bearer(&STANDARD.encode(mac(SECRET, &[BODY]))), Mismatch),
    ];
    let cases = cases.into_iter().map(|(what, headers, expected)| (what, headers, BODY.to_vec(), expected));
    check("treez", &[SECRET, FORMER], cases.collect());
}

#[test]
fn clover_sends_the_code_of_the_app() {
    let with = |value: &str| one("x-clover-auth", value);
    let cut = &SECRET[..SECRET.len() - 1];
    let cases: Vec<(&'static str, Headers, Expected)> = vec![
        ("the code", with(SECRET), Believed),
        ("the code before", with(FORMER), Believed),
        ("the code among other headers", [one("content-type", "x"), with(SECRET)].concat(), Believed),
        ("no header", Vec::new(), Missing),
        ("the header of another product", one("clover-signature", SECRET), Missing),
        ("a header that public repositories made up", one("x-clover-signature", SECRET), Missing),
        ("a bearer token", one("authorization", format!("Bearer {SECRET}")), Missing),
        ("the name in capitals, which `http` never gives", one("X-CLOVER-AUTH", SECRET), Missing),
        ("an empty value", with(""), Mismatch),
        ("a space", with(" "), Mismatch),
        ("another code", with("another"), Mismatch),
        ("a scheme before it", with(&format!("Bearer {SECRET}")), Mismatch),
        ("white space before", with(&format!(" {SECRET}")), Mismatch),
        ("white space behind", with(&format!("{SECRET} ")), Mismatch),
        ("a tab behind", with(&format!("{SECRET}\t")), Mismatch),
        ("a line break behind", with(&format!("{SECRET}\n")), Mismatch),
        ("a NUL behind", with(&format!("{SECRET}\0")), Mismatch),
        ("a NUL before", with(&format!("\0{SECRET}")), Mismatch),
        ("the code in capitals", with(&SECRET.to_uppercase()), Mismatch),
        ("one character less", with(cut), Mismatch),
        ("one character more", with(&format!("{SECRET}s")), Mismatch),
        ("its first character other", with(&SECRET.replacen('a', "b", 1)), Mismatch),
        ("the first character alone", with("a"), Mismatch),
        ("letters that look alike", with(&SECRET.replacen('a', "а", 1)), Mismatch),
        ("it twice", with(&format!("{SECRET}{SECRET}")), Mismatch),
        ("it twice, joined as lists are", with(&format!("{SECRET}, {SECRET}")), Mismatch),
        ("both codes", with(&format!("{SECRET} {FORMER}")), Mismatch),
        ("both codes, joined as lists are", with(&format!("{FORMER},{SECRET}")), Mismatch),
        ("quotes around it", with(&format!("\"{SECRET}\"")), Mismatch),
        ("base64 of it", with(&STANDARD.encode(SECRET)), Mismatch),
        ("hexadecimal of it", with(&hex(SECRET.as_bytes())), Mismatch),
        ("per cent signs", with(&SECRET.replace(' ', "%20")), Mismatch),
        ("its half", with(&SECRET[..SECRET.len() / 2]), Mismatch),
        ("a megabyte of text", with(&"a".repeat(1 << 20)), Mismatch),
        ("the first of two wrong", [with("wrong"), with(SECRET)].concat(), Mismatch),
        ("a signature with it, as Shopify's", with(&STANDARD.encode(mac(SECRET, &[BODY]))), Mismatch),
        ("a signature with it in hexadecimal", with(&hex(&mac(SECRET, &[BODY]))), Mismatch),
    ];
    let cases = cases.into_iter().map(|(what, headers, expected)| (what, headers, BODY.to_vec(), expected));
    check("clover", &[SECRET, FORMER], cases.collect());
}

#[test]
fn a_connection_without_a_secret_accepts_nobody() {
    for active in [Vec::new(), vec![String::new()], vec![String::new(), String::new()]] {
        for webhooks in platforms::all().iter().filter_map(|platform| platform.webhooks()) {
            let empty = STANDARD.encode(mac("", &[BODY]));
            let empty_of_url = STANDARD.encode(mac("", &[URL.as_bytes(), BODY]));
            for value in ["", "Bearer", "Bearer ", "=", &empty, &empty_of_url] {
                for name in webhooks.signature_headers() {
                    let headers = one(name, value);
                    let context = VerifyContext::new(&active, URL, Timestamp::default());
                    let verified = webhooks.verify(&Signed { headers: &headers, body: BODY }, &context);
                    assert!(verified.is_err(), "{name} {value:?}");
                }
            }
        }
    }
}

#[test]
fn every_platform_says_where_its_signature_is_and_which_topics_are_its_own_readings() {
    for platform in platforms::all() {
        let is_read = platform.spec().topics.iter().any(|topic| !topic.is_sent());
        let reads = platform.reader().is_some() || platform.collections().is_some();
        assert_eq!(is_read, reads, "{}", platform.name());
        let Some(webhooks) = platform.webhooks() else {
            let are_all_read = platform.spec().topics.iter().all(|topic| !topic.is_sent());
            assert!(are_all_read, "{} sends no webhooks", platform.name());
            continue;
        };
        let (signed, single) = (webhooks.signature_headers(), webhooks.single_headers());
        assert!(!signed.is_empty() && signed.iter().all(|name| single.contains(name)), "{}", platform.name());
        assert!(single.iter().all(|name| name.bytes().all(|byte| !byte.is_ascii_uppercase())));
        assert!(webhooks.kept_headers().iter().all(|name| single.contains(name)), "{}", platform.name());
    }
}
