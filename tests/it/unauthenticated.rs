//! Effects of unauthenticated clients on the intake and on authenticated ones.

mod client;

use crate::PATIENCE;
use client::{UnauthenticatedClient, head, memory_kib, milliseconds, processor_ms};
use flate2::{Compression, write::GzEncoder};
use futures::future::join_all;
use std::{
    io::Write as _,
    time::{Duration, Instant},
};
use testkit::{Account, AccountOptions, Merchant, Program, Sender, Signed, World, WorldOptions, eventually};

const MEBIBYTE: usize = 1024 * 1024;
const TOPIC: &str = "inventory_levels/update";
/// Time-out of an honest sender: a generous one, since responses take milliseconds.
const HONEST_LIMIT: Duration = Duration::from_secs(3);
/// Number of connection permits of the intake, unless set.
const CONNECTIONS: usize = 4096;
/// Addresses of unauthenticated clients.
const ADDRESSES: u8 = 16;
/// Unauthenticated clients of each address: even with their pauses, more than there are permits.
const OF_EACH: usize = 320;

async fn intake_with(settings: &[&'static str]) -> (World, Merchant, Account) {
    let options = WorldOptions { ingest_settings: settings.to_vec(), ..WorldOptions::default() };
    let world = World::start_with(options, &[Program::Ingest]).await;
    let merchant = world.merchant("shop").await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    (world, merchant, account)
}

/// The times of `count` deliveries, in milliseconds, each over its own connection, one after the other.
async fn honest_ms(account: &Account, prefix: &str, count: usize) -> Vec<u128> {
    let mut times = Vec::new();
    for number in 0..count {
        let delivery = account.level(&format!("{prefix}-{number}"), 1, 1, 1);
        let began = Instant::now();
        let response = Sender::patient_for(HONEST_LIMIT).send(&delivery).await;
        times.push(began.elapsed().as_millis());
        assert_eq!(response.map(|response| response.status), Some(200), "{prefix} {number}");
    }
    times
}

fn empty_members(bytes: usize) -> Vec<u8> {
    let member = gzip(b"");
    member.repeat(bytes / member.len())
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// The delivery with the signature of another body.
fn missigned(account: &Account, body: Vec<u8>) -> Signed {
    Signed { body, ..account.sign(TOPIC, "missigned", b"{}".to_vec()) }
}

async fn status(delivery: &Signed) -> Option<u16> {
    Sender::patient_for(PATIENCE).send(delivery).await.map(|response| response.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_end_take_bounded_memory_and_hold_up_no_honest_sender() {
    let (world, _, account) = intake_with(&[]).await;
    honest_ms(&account, "before", 5).await;
    let signed = account.sign(TOPIC, "endless", b"{}".to_vec());
    for (what, delivery) in
        [("unsigned", signed.clone().without("x-shopify-hmac-sha256")), ("missigned", signed)]
    {
        let (before, _) = memory_kib(&world);
        let unauthenticated_clients = (0..300_u16).map(|number| {
            let (world, delivery) = (&world, &delivery);
            async move {
                let mut unauthenticated_client =
                    UnauthenticatedClient::connect(world, 2 + u8::try_from(number % 4).expect("small")).await;
                unauthenticated_client.send(head(delivery, 4 * MEBIBYTE - 1).as_bytes()).await;
                unauthenticated_client.send(&vec![b' '; MEBIBYTE]).await;
                unauthenticated_client
            }
        });
        let unauthenticated_clients = join_all(unauthenticated_clients).await;
        let times = honest_ms(&account, what, 20).await;
        let (_, highest) = memory_kib(&world);
        let grown = highest.saturating_sub(before) / 1024;
        println!("300 {what} bodies of 1 MiB that never end: +{grown} MiB; honest {}", milliseconds(times));
        assert!(grown < 240, "{what}: +{grown} MiB of at most 64 for bodies");
        drop(unauthenticated_clients);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_decompressed_before_it_is_verified_and_then_one_member_alone() {
    let (world, _, account) = intake_with(&[]).await;
    let gzipped = |delivery: Signed| delivery.with("content-encoding", "gzip");
    let empty = empty_members(4 * MEBIBYTE - 1);
    let unsigned = gzipped(missigned(&account, empty.clone()).without("x-shopify-hmac-sha256"));
    for (what, delivery) in
        [("unsigned", unsigned), ("missigned", gzipped(missigned(&account, empty.clone())))]
    {
        let before = processor_ms(&world);
        for _ in 0..5 {
            assert_eq!(status(&delivery).await, Some(401));
        }
        println!("4 MiB of empty members, {what}: {} ms of CPU each", (processor_ms(&world) - before) / 5);
    }
    // A body that isn't gzip at all isn't parsed either.
    assert_eq!(status(&gzipped(missigned(&account, b"[]".to_vec()))).await, Some(401));
    assert_eq!(status(&missigned(&account, b"[]".to_vec()).with("content-encoding", "br")).await, Some(401));
    // A signed body is parsed: one member is accepted, more are not.
    let members = [(gzip(b"{}"), 200), ([gzip(b"{"), gzip(b"}")].concat(), 400), (empty, 400)];
    for (index, (body, expected)) in members.into_iter().enumerate() {
        let delivery = gzipped(account.sign(TOPIC, &format!("member-{index}"), body));
        assert_eq!(status(&delivery).await, Some(expected), "{index}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_beyond_the_limit_is_refused_before_any_of_the_body_has_come() {
    let (world, _, account) = intake_with(&[]).await;
    let signed = account.sign(TOPIC, "long", b"{}".to_vec());
    let unsigned = signed.clone().without("x-shopify-hmac-sha256");
    let nobody = Signed { url: format!("{}-no", signed.url), ..signed.clone() };
    for (delivery, expected) in [(&signed, 413), (&unsigned, 401), (&nobody, 404)] {
        let mut unauthenticated_client = UnauthenticatedClient::connect(&world, 1).await;
        unauthenticated_client.send(head(delivery, 4 * MEBIBYTE + 1).as_bytes()).await;
        assert_eq!(unauthenticated_client.status().await, Some(expected), "before a byte of it was sent");
    }
    // With a signature, the body is read to its end before the response, even for a connection that doesn't exist.
    let wrong = missigned(&account, vec![b' '; 100]);
    let nobody = Signed { url: format!("{}-no", wrong.url), ..wrong.clone() };
    for (delivery, expected) in [(&wrong, 401), (&nobody, 404)] {
        let mut unauthenticated_client = UnauthenticatedClient::connect(&world, 1).await;
        unauthenticated_client.send([head(delivery, 100).as_bytes(), &[b' '; 99]].concat().as_slice()).await;
        let early = tokio::time::timeout(Duration::from_millis(300), unauthenticated_client.status()).await;
        assert!(early.is_err(), "{expected} was said early: {early:?}");
        unauthenticated_client.send(b" ").await;
        assert_eq!(unauthenticated_client.status().await, Some(expected));
    }
    // The intake doesn't request a body (`100-continue`) that it won't accept.
    let mut unauthenticated_client = UnauthenticatedClient::connect(&world, 1).await;
    let asking = head(&unsigned, 100).replacen("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n", 1);
    unauthenticated_client.send(asking.as_bytes()).await;
    assert_eq!(unauthenticated_client.status().await, Some(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_sender_is_served_beside_as_many_idle_unauthenticated_clients_as_the_intake_has_permits() {
    runner::need_descriptors(2 * CONNECTIONS).expect("a connection is a descriptor");
    let (world, _, account) = intake_with(&[]).await;
    println!("alone: {}", milliseconds(honest_ms(&account, "alone", 20).await));
    // Each reconnects as soon as it is closed, as an attacker that wants to fill the intake would.
    let address = world.ingest_url().trim_start_matches("http://").parse().expect("an address");
    let idle: Vec<_> = (0..ADDRESSES)
        .flat_map(|host| (0..OF_EACH).map(move |_| host + 2))
        .map(|host| tokio::spawn(client::idle_for_ever(address, host)))
        .collect();
    // A connection from before, which continues to send.
    let mut held = UnauthenticatedClient::connect(&world, 1).await;
    let delivery = account.sign(TOPIC, "held", b"{}".to_vec());
    let request = format!("{}{{}}", head(&delivery, 2));
    let mut looks = 0;
    while client::descriptors(&world) <= CONNECTIONS {
        held.send(request.as_bytes()).await;
        assert_eq!(held.status().await, Some(200), "a connection that has proven itself stays");
        looks += 1;
        assert!(looks < 300, "the intake is never full: {}", client::descriptors(&world));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!(
        "beside {} idle unauthenticated clients: {}",
        OF_EACH * usize::from(ADDRESSES),
        milliseconds(honest_ms(&account, "beside", 20).await)
    );
    held.send(request.as_bytes()).await;
    assert_eq!(held.status().await, Some(200), "it stays beside all of them");
    assert!(world.scrape().await.count("tillflow_connections_closed_total", &[("cause", "evicted")]) > 0);
    for task in idle {
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_beside_unauthenticated_clients_at_their_own_intake() {
    let (world, _, _) = intake_with(&[]).await;
    let admin = world.process(Program::Ingest).admin().expect("it has said so");
    let idle: Vec<_> = (0..100).map(|_| tokio::spawn(client::idle_for_ever(admin, 1))).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for path in ["livez", "readyz", "metrics"] {
        for _ in 0..5 {
            let client = https::client().no_proxy().timeout(HONEST_LIMIT).build().expect("a client");
            let response = client.get(format!("http://{admin}/{path}")).send().await;
            assert_eq!(response.map(|response| response.status().as_u16()).ok(), Some(200), "{path}");
        }
    }
    for task in idle {
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_can_be_read_in_two_ways_is_refused() {
    let (world, _, account) = intake_with(&[]).await;
    let delivery = account.sign(TOPIC, "twice", b"{}".to_vec());
    let whole = format!("{}{{}}", head(&delivery, 2));
    let path = delivery.url.trim_start_matches(&world.ingest_url()).to_owned();
    let with = |line: &str| whole.replacen("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"), 1);
    let signature = whole.lines().find(|line| line.starts_with("x-shopify-hmac")).expect("it is signed");
    let chunked = whole
        .replace("content-length: 2", "transfer-encoding: chunked")
        .replace("\r\n\r\n{}", "\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
    let at = |path_as: &str| whole.replacen(&path, path_as, 1);
    let table = [
        (whole.clone(), 200, "as it should be"),
        (chunked.clone(), 200, "in chunks"),
        (whole.replacen("host: ", "x-host: ", 1), 400, "no Host"),
        (with("host: other"), 400, "two Hosts"),
        (
            chunked.replacen("transfer-encoding", "content-length: 2\r\ntransfer-encoding", 1),
            400,
            "Content-Length, Transfer-Encoding",
        ),
        (
            chunked.replacen(
                "transfer-encoding: chunked",
                "transfer-encoding: chunked\r\ncontent-length: 2",
                1,
            ),
            400,
            "Transfer-Encoding, Content-Length",
        ),
        (with("content-length: 2"), 400, "two lengths"),
        (with("content-length: 3"), 400, "two lengths that differ"),
        (with(signature), 400, "two signatures"),
        (with("x-shopify-hmac-sha256: AAAA"), 400, "two signatures that differ"),
        (with("x-shopify-topic: orders/paid"), 400, "two topics"),
        (with("x-shopify-webhook-id: other"), 400, "two ids"),
        (at(&format!("/{path}")), 400, "// before"),
        (at(&format!("{path}//")), 400, "// behind"),
        (at(&path.replacen("/shopify/", "/shopify//", 1)), 400, "// within"),
        (at(&path.replacen("/shopify/", "/shopify/%2e%2e/", 1)), 404, "a segment too many"),
        (at(&path.replacen("/webhook", "/WEBHOOK", 1)), 404, "another path"),
        (at(&format!("{path}%00")), 404, "a NUL"),
    ];
    for (sent, expected, what) in table {
        let mut unauthenticated_client = UnauthenticatedClient::connect(&world, 1).await;
        unauthenticated_client.send(sent.as_bytes()).await;
        let response = unauthenticated_client.response().await;
        assert!(response.starts_with(&format!("HTTP/1.1 {expected}")), "{what}:\n{sent}\n{response}");
        let is_problem = response.contains("application/problem+json");
        // `hyper` itself refuses lengths that differ, without a body.
        assert!(expected == 200 || is_problem || what == "two lengths that differ", "{what}: {response}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_connections_that_do_not_exist_is_soon_refused_and_no_other_is() {
    let (world, _, account) = intake_with(&[]).await;
    let ask = async |from: u8, id: &str| {
        let delivery = Signed {
            url: format!("{}/webhook/shopify/{id}", world.ingest_url()),
            ..account.sign(TOPIC, "nobody", b"{}".to_vec())
        };
        let mut unauthenticated_client = UnauthenticatedClient::connect(&world, from).await;
        unauthenticated_client.send(format!("{}{{}}", head(&delivery, 2)).as_bytes()).await;
        unauthenticated_client.response().await
    };
    honest_ms(&account, "known", 1).await;
    let mut statuses = Vec::new();
    for number in 0..80 {
        let response = ask(2, &format!("nobody-{number}")).await;
        statuses.push(response[9..12].parse::<u16>().expect("a status"));
        assert!(response.contains("retry-after") == (statuses.last() == Some(&429)), "{response}");
    }
    let expected: Vec<u16> = (0..80).map(|number| if number < 60 { 404 } else { 429 }).collect();
    assert_eq!(statuses, expected);
    honest_ms(&account, "remembered", 1).await;
    // A cached connection costs nothing, and the other address hasn't sent a request yet.
    assert!(ask(2, account.connection.as_str()).await.starts_with("HTTP/1.1 200"));
    assert!(ask(3, "nobody-100").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_proxy_says_whose_requests_it_brings() {
    let (world, _, account) = intake_with(&["trusted_proxies = [\"127.0.0.9/32\"]"]).await;
    let mut number = 0;
    let mut ask = async |from: u8, speaks_for: &str| {
        number += 1;
        let delivery = Signed {
            url: format!("{}/webhook/shopify/nobody-{number}", world.ingest_url()),
            ..account.sign(TOPIC, "nobody", b"{}".to_vec()).with("x-forwarded-for", speaks_for)
        };
        let mut unauthenticated_client = UnauthenticatedClient::connect(&world, from).await;
        unauthenticated_client.send(format!("{}{{}}", head(&delivery, 2)).as_bytes()).await;
        unauthenticated_client.status().await
    };
    for _ in 0..60 {
        assert_eq!(ask(9, "198.51.100.7").await, Some(404));
    }
    assert_eq!(ask(9, "198.51.100.7").await, Some(429));
    assert_eq!(ask(9, "198.51.100.7, 198.51.100.8").await, Some(404), "another client of the proxy");
    assert_eq!(ask(9, "198.51.100.8, 198.51.100.7").await, Some(429), "the client's own claim");
    // A client that is no proxy can't use another's allowance, nor get a new one with each request.
    assert_eq!(ask(8, "198.51.100.7").await, Some(404));
    for other in 0..59 {
        assert_eq!(ask(8, &format!("203.0.113.{other}")).await, Some(404));
    }
    assert_eq!(ask(8, "203.0.113.200").await, Some(429));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_one_connection_share_one_look_up() {
    let (world, _, account) = intake_with(&[]).await;
    let held =
        world.sql("BEGIN; LOCK TABLE connections IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT");
    let sending = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let deliveries: Vec<Signed> =
            (0..50).map(|number| account.level(&format!("shared-{number}"), 1, 1, 1)).collect();
        join_all(deliveries.iter().map(status)).await
    };
    let looking = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").await
    };
    let (_, statuses, waiting) = tokio::join!(held, sending, looking);
    assert!(statuses.iter().all(|status| *status == Some(200)), "{statuses:?}");
    assert_eq!(waiting, "1", "look-ups that wait for the database");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_without_descriptors_says_so_once_and_serves_again_at_once() {
    let (world, _, account) = intake_with(&[]).await;
    honest_ms(&account, "before", 3).await;
    client::limit_descriptors(&world, client::descriptors(&world) as u64 + 300);
    let address = world.ingest_url().trim_start_matches("http://").parse().expect("an address");
    let idle: Vec<_> = (0..600).map(|_| tokio::spawn(client::idle_for_ever(address, 2))).collect();
    let said = || world.process(Program::Ingest).log().matches("no connection can be accepted").count();
    eventually(PATIENCE, "it says that it has no descriptors", async || {
        if said() > 0 { Ok(()) } else { Err("it says nothing") }
    })
    .await;
    println!("without descriptors: {}", milliseconds(honest_ms(&account, "beside", 10).await));
    assert!(said() <= 2, "once in ten seconds: {}", said());
    for task in idle {
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intake_that_may_have_too_few_descriptors_is_not_opened() {
    let (world, _, _) = intake_with(&[]).await;
    let file = world.streams_folder().join("../../ingest-of-millions.toml");
    std::fs::write(&file, world.configuration(Program::Ingest)).expect("a file can be written");
    let file = file.to_string_lossy().into_owned();
    let settings = [
        ("TILLFLOW_CONFIG", &*file),
        ("TILLFLOW_SERVICE__LISTEN", "127.0.0.1:0"),
        ("TILLFLOW_SERVICE__CONNECTIONS_MAX", "4000000000"),
    ];
    let (code, said) = Program::Ingest.run_to_end(&settings).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("LimitNOFILE") && said.contains("connections_max"), "no remedy:\n{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_shops_of_a_partition_are_served_beside_an_attack() {
    let world = World::start(&[Program::Ingest]).await;
    let mut shops = Vec::new();
    let partitions = world.bus.partitions();
    let mut names = (0..).map(|number| format!("shop-{number}"));
    let first = partitions.of(&model::StoreId::new("shop-0").expect("a store's id"));
    while shops.len() < 4 {
        let name = names.next().expect("there are names");
        if partitions.of(&model::StoreId::new(&name).expect("a store's id")) == first {
            let merchant = world.merchant(&name).await;
            shops.push(world.account(&merchant, "shopify", AccountOptions::silent()).await);
        }
    }
    let (attacked, others) = shops.split_first().expect("there are four");
    let honest = async |prefix: &str| {
        let prefixes: Vec<_> = (0..others.len()).map(|shop| format!("{prefix}-{shop}")).collect();
        let all = join_all(others.iter().zip(&prefixes).map(|(shop, prefix)| honest_ms(shop, prefix, 100)));
        all.await.concat()
    };
    println!("alone: {}", milliseconds(honest("alone").await));
    let empty = empty_members(4 * MEBIBYTE - 1);
    let attacks = [
        (
            "unsigned gzip",
            missigned(attacked, empty.clone())
                .without("x-shopify-hmac-sha256")
                .with("content-encoding", "gzip"),
        ),
        ("missigned gzip", missigned(attacked, empty.clone()).with("content-encoding", "gzip")),
        ("signed gzip", attacked.sign(TOPIC, "members", empty).with("content-encoding", "gzip")),
        ("missigned 4 MiB", missigned(attacked, vec![b' '; 4 * MEBIBYTE])),
    ];
    for (what, attack) in attacks {
        let unauthenticated_clients: Vec<_> = (0..4)
            .map(|_| {
                let attack = attack.clone();
                tokio::spawn(async move {
                    let sender = Sender::patient_for(PATIENCE);
                    loop {
                        sender.send(&attack).await;
                    }
                })
            })
            .collect();
        println!("beside four senders of {what}: {}", milliseconds(honest(what).await));
        for unauthenticated_client in unauthenticated_clients {
            unauthenticated_client.abort();
        }
    }
}
