//! Inputs written by hand.

use crate::Seed;
use std::io::Write as _;

/// Replies for which there is no example.
pub(crate) const REPLIES: [&str; 11] = [
    r#"shopify 200 inventory_level/read

{"data":{"inventoryItem":{"tracked":true,"inventoryLevel":{"updatedAt":"2026-07-01T00:00:00Z","quantities":[{"name":"available","quantity":7}]}}}}"#,
    r#"shopify 200 product/read

{"data":{"product":{"title":"Tea","descriptionHtml":"<p>Green</p>","updatedAt":"2026-07-01T00:00:00Z"},"productVariant":{"price":"9.50"}}}"#,
    r#"shopify 200 product/read

{"data":{"inventorySetQuantities":{"userErrors":[{"code":"CHANGE_FROM_QUANTITY_STALE","field":["input"],"message":"m"}]},"product":null,"inventoryItem":null}}"#,
    r#"shopify 200 x

{"data":{"productUpdate":{"product":{"title":"Tea","descriptionHtml":"x","updatedAt":"2026-07-01T00:00:00Z"},"userErrors":[]},"productVariantsBulkUpdate":{"product":{"updatedAt":"2026-07-01T00:00:00Z"},"productVariants":[{"id":"gid://shopify/ProductVariant/808950810","price":"9.50"}],"userErrors":[]}}}"#,
    r#"shopify 200 x

{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],"extensions":{"cost":{"requestedQueryCost":10,"throttleStatus":{"maximumAvailable":1000,"currentlyAvailable":0,"restoreRate":50}}}}"#,
    "shopify 429 x\nretry-after: 2\n\n",
    r#"square 200 catalog.version.updated

{"object":{"type":"ITEM_VARIATION","id":"V","version":7,"item_variation_data":{"item_id":"I","pricing_type":"FIXED_PRICING","sku":"S","price_money":{"amount":150,"currency":"USD"},"location_overrides":[{"location_id":"L"}]}}}"#,
    r#"square 200 catalog.version.updated

{"object":{"type":"ITEM","id":"I","version":9,"item_data":{"name":"Tea","description":"Old","description_html":"<p>Old</p>","tax_ids":["T"],"variations":[{"id":"V","version":3}]}},"catalog_object":{"type":"ITEM","id":"I","version":10,"item_data":{"name":"Tea"}}}"#,
    r#"square 400 order.updated

{"errors":[{"category":"INVALID_REQUEST_ERROR","code":"VERSION_MISMATCH","detail":"d"}]}
%%
{"data":{"id":"../a?b"}}"#,
    r#"treez 200 TICKET_STATUS

{"resultCode":"SUCCESS","ticketList":[{"ticket_id":"t","order_status":"COMPLETED","items":[]}]}
%%
{"data":{"ticket_id":"t"}}"#,
    r#"treez 200 INVENTORY

{"data":{"product_list":[{"product_id":"p/1","product_status":"ACTIVE","sellable_quantity":30,"sellable_quantity_detail":[{"location_id":"l","sellable_quantity":"30"}]}]}}
%%
{"data":{"productId":"p/1"}}"#,
];

const SIGNATURES: [&[u8]; 7] = [
    b"\0\0\x05xhttps://hooks.example.com/webhook/a\nB23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g=\n{\"foo\": \"bar\"}",
    b"\0\x01\x02=\n\n",
    b"\x01\x07\0=https://webhook.site/webhooks\nW3FlCNk5IA3ZQ2LHTWoajvzfaDu/OwY2tNHIHC3IUOA=\n{\"data\":{\"type\":\"webhooks\"}}",
    b"\x01\x02\x10A\n \n{}",
    b"\x02\x05\x01 x\nBearer the-former-secret\n{}",
    b"\x02\x01\x06 \nbearer  the-present-secret\n{}",
    b"\x02\x03\x06B\nBasic the-present-secret\n",
];

const HEADS: [&str; 10] = [
    "\0POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n12345GET /b HTTP/1.1\r\nHost: h\r\n\r\n",
    "\x01POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
    "\x07POST /d HTTP/1.1\r\nHost: h\r\ncontent-length: 4\r\nTransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "\0GET /x HTTP/1.1\r\nHost: h\r\n\r\nPOST /e HTTP/1.1\r\nHost: h\r\nTRANSFER-ENCODING: chunked\r\nCONTENT-LENGTH: 4\r\n\r\n0\r\n\r\n",
    "\x40POST /f HTTP/1.1\nHost: h\nContent-Length: 1\nContent-Length: 1\n\nx",
    "\0\r\n\r\nGET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\nPOST /f HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx",
    "\0CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /d HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "\0POST /g HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}GET * HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n",
    "\0GET /u HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n12345GET http://h/b HTTP/1.1\r\nHost: h\r\n\r\n",
    "\x03HEAD /v HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n12345PUT /w HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
];

const URLS: [&str; 16] = [
    "https://shop.myshopify.com",
    "https://connect.squareup.com:443/v2/",
    "https://user:password@shop.example.com",
    "http://127.0.0.1:8080",
    "https://127.0.0.1.",
    "https://0x7f.1/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[2002:a00:1::]/",
    "https://１２７.０.０.１",
    "https://8.8.8.8/a?b#c",
    "https://[2606:4700::1111]/",
    "https://printer.local./",
    "https://a.localhost\\@b.example.com",
    "https://xn--mgbh0fb.xn--kgbechtv/",
    "ftp://example.com",
];

const TEXTS: [&str; 20] = [
    "1.2.3\n18446744073709551615.4294967295.4294967295",
    "_INBOX.\n_INBOX.a.b",
    "_INBOX_partners.{connection}.\n_INBOX_partners.till-1.x\ntill-1",
    "po{connection}.\npos.raw.3\ns",
    "a.b{connection}.\na.b1.c\n1",
    "pos.\npos.raw.3",
    "2026-11-26T00:00:00Z\n2020-09-03T08:44:10.1234567-04:00",
    "9999-12-31T23:59:59.999999Z\n1970-01-01T00:00:00+00:00",
    "1000000000\n-0.000001",
    "-3.5000\n1e3",
    "USD18.306636\njpy-500",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nSP-1 ",
    "\u{feff}N/A\u{200b}\n\u{1b}[31mred\u{202e}",
    "0123456789abcdef0123456789abcdef\nstore_A-1",
    "KWD-0.0005\nCLF1.23456",
    "{connection}.\n.>",
    "a.$b.\na.$b.c",
    "a.{connection}{connection}.\na.till-1till-1.*\ntill-1",
    "00001\nno sku",
    "\u{e0041}\0\nx",
];

/// The inputs of the targets that read text.
pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = SIGNATURES.iter().map(|seed| ("signatures", seed.to_vec())).collect();
    seeds.extend(HEADS.iter().map(|seed| ("heads", seed.as_bytes().to_vec())));
    seeds.extend(URLS.iter().map(|seed| ("destinations", seed.as_bytes().to_vec())));
    seeds.extend(TEXTS.iter().map(|seed| ("texts", seed.as_bytes().to_vec())));
    let plain = br#"{"id":632910392,"title":"Tea","title":"Tea"}"#;
    for (encodings, body) in [
        ("", plain.to_vec()),
        ("identity|", plain.to_vec()),
        ("GZIP", gzip(plain)),
        ("x-gzip , identity", gzip(b"")),
        ("deflate", zlib(plain)),
        ("gzip|gzip", gzip(&gzip(plain))),
        ("gzip", gzip(&vec![b' '; 70_000])),
        ("deflate", zlib(&vec![b' '; 70_000])),
        ("br", Vec::new()),
        ("zzzz", plain.to_vec()),
    ] {
        seeds.push(("bodies", [encodings.as_bytes(), b"\n", &body].concat()));
    }
    seeds
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Replaces the tokens of a case's text by numbers and texts.
pub(crate) fn without_tokens(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let length =
            rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != ':').unwrap_or(rest.len());
        let (token, behind) = rest.split_at(length);
        let is_whole = plain.ends_with('"') && behind.starts_with('"');
        match token.strip_prefix("id:") {
            // A quoted token alone is replaced by a number.
            Some(number) if is_whole => {
                plain.pop();
                plain.push_str("90");
                plain.push_str(number);
                rest = &behind[1..];
                continue;
            }
            Some(number) => plain.push_str(number),
            None if token == "now" => plain.push_str("2026-11-26T00:00:00Z"),
            None => plain.push_str(token.split(':').next().unwrap_or_default()),
        }
        rest = behind;
    }
    plain.push_str(rest);
    plain
}
