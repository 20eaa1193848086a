//! Correctly signed bodies that no platform sends: after `JSONTestSuite` (nst, `test_parsing`), and other inputs that
//! break parsers.

use crate::intake::kept;
use testkit::{Account, AccountOptions, Program, Sender, World};

/// Bodies for Shopify, whose topic is in a header; for the other platforms, bodies without a topic.
fn bodies() -> Vec<Vec<u8>> {
    let texts = [
        // Not JSON.
        " ",
        "\n",
        "nul",
        "truee",
        "NaN",
        "Infinity",
        "-Infinity",
        "'a'",
        "a",
        "<!doctype html>",
        "\u{feff}",
        "\u{feff}{}",
        "{",
        "}",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1:2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1}}",
        "{}{}",
        "{} x",
        "{}#",
        "{}//",
        "/**/{}",
        "[\"a",
        "[\"\\x\"]",
        "[\"\\u12\"]",
        "[\"\t\"]",
        "[\"\u{0}\"]",
        "[1e]",
        "[1.]",
        "[.1]",
        "[+1]",
        "[-]",
        "[01]",
        "[0x1]",
        "[1e+]",
        "[--1]",
        "\u{0}",
        // JSON without a meaning for any platform.
        "null",
        "true",
        "0",
        "-0",
        "1e400",
        "-1e400",
        "1e-400",
        "[]",
        "{}",
        "\"\"",
        "\"a\"",
        "[null]",
        "[[]]",
        "123456789012345678901234567890",
        "0.1000000000000000055511151231257827",
        "{\"\":0}",
        "{\"a\":1,\"a\":2}",
        "{\"\\u0000\":1}",
        "[\"\\ud800\"]",
        "[\"\\ud800\\ud800\"]",
        "[\"\\udc00\"]",
        "[\"\\ud83d\\ude00\"]",
        "{\"type\":null}",
        "{\"type\":[]}",
        "{\"type\":{}}",
        "{\"type\":1}",
        "{\"type\":true}",
        "{\"event_type\":0}",
        "{\"event_type\":null,\"type\":null}",
        "{\"type\":\"\\ud800\"}",
        "{\"event_id\":1}",
    ];
    let mut bodies: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    bodies.extend([
        vec![0xff, 0xfe, b'{', 0, b'}', 0],
        vec![0xfe, 0xff, 0, b'{', 0, b'}'],
        b"[\"\xff\"]".to_vec(),
        b"[\"\xed\xa0\x80\"]".to_vec(),
        b"[\"\xc0\xaf\"]".to_vec(),
        b"[\"\xf4\x90\x80\x80\"]".to_vec(),
        b"[\"\xe2\x82".to_vec(),
        b"[".repeat(100_000),
        [b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
        b"{\"a\":".repeat(100_000),
        [b"[".repeat(127), b"]".repeat(127)].concat(),
        [b"[".repeat(129), b"]".repeat(129)].concat(),
        [b"[".to_vec(), b"1".repeat(500_000), b"]".to_vec()].concat(),
        [b"[\"".to_vec(), b"\\u0000".repeat(100_000), b"\"]".to_vec()].concat(),
        [b"{".to_vec(), b"\"a\":0,".repeat(100_000), b"\"a\":0}".to_vec()].concat(),
        vec![0; 100_000],
    ]);
    bodies
}

#[tokio::test(flavor = "multi_thread")]
async fn every_body_that_is_signed_is_kept_byte_for_byte_whatever_it_holds() {
    let world = World::start(&[Program::Ingest]).await;
    let merchant = world.merchant("shop").await;
    let mut accounts: Vec<Account> = Vec::new();
    for platform in ["shopify", "square", "treez"] {
        accounts.push(world.account(&merchant, platform, AccountOptions::silent()).await);
    }
    let (sender, bodies) = (Sender::default(), bodies());
    for account in &accounts {
        for (index, body) in bodies.iter().enumerate() {
            let delivery = account.sign("products/update", &format!("naughty-{index}"), body.clone());
            let response = sender.send(&delivery).await.expect("the intake answers");
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            assert_eq!(response.status, 200, "{} {shown:?}: {response:?}", account.platform);
            assert!(response.delivery().is_some(), "{} {shown:?}: {response:?}", account.platform);
        }
        let empty = account.sign("products/update", "empty", Vec::new());
        let response = sender.send(&empty).await.expect("the intake answers");
        let expected = if account.platform == "shopify" { 401 } else { 200 };
        assert_eq!(response.status, expected, "an empty body of {}", account.platform);
    }
    let kept = kept(&world, &merchant).await;
    for account in &accounts {
        let of_it: Vec<&[u8]> = kept
            .iter()
            .filter(|delivery| delivery.origin.connection == account.connection && !delivery.body.is_empty())
            .map(|delivery| &*delivery.body)
            .collect();
        assert!(of_it == bodies.iter().map(Vec::as_slice).collect::<Vec<_>>(), "{}", account.platform);
    }
}
