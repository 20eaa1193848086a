//! Partners whose headers the intake's broker client can't parse.

use crate::{PATIENCE, clients::partner};
use std::time::Duration;
use testkit::{
    Account, AccountOptions, Merchant, PASSWORD, PASSWORD_USER, Program, Sender, World, eventually,
    level_body,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

const TOPIC: &str = "inventory_levels/update";
const ITEM: u64 = 1101;
/// Number of connections of the intake to the broker, as in `services/ingest/src/bus_intake.rs`.
const INTAKES: u64 = 4;
/// Number of unreadable messages, each sent after the one before has had its effect.
const MESSAGES: usize = 20;
/// Invalid headers: no colon, no UTF-8, empty, another version.
const HEADERS: [&[u8]; 4] = [
    b"NATS/1.0\r\nno colon\r\n\r\n",
    b"NATS/1.0\r\na: \xff\xfe\r\n\r\n",
    b"\r\n\r\n",
    b"HTTP/1.1 200\r\n\r\n",
];

/// A partner's client that writes the protocol itself.
struct Raw(BufReader<TcpStream>);

impl Raw {
    async fn connect(world: &World) -> Self {
        let address = world.nats.url().replace("nats://", "");
        let mut stream = BufReader::new(TcpStream::connect(address).await.expect("the broker listens"));
        let mut info = String::new();
        stream.read_line(&mut info).await.expect("it says what it is");
        let connect = serde_json::json!({
            "user": PASSWORD_USER, "pass": PASSWORD, "verbose": false, "pedantic": false, "headers": true,
            "protocol": 1, "lang": "hand", "version": "1",
        });
        let mut raw = Self(stream);
        raw.send(format!("CONNECT {connect}\r\n").as_bytes()).await;
        raw.taken().await;
        raw
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("it is sent");
    }

    /// Waits until the broker has processed everything sent.
    async fn taken(&mut self) {
        self.send(b"PING\r\n").await;
        let mut said = String::new();
        while said != "PONG\r\n" {
            assert!(!said.starts_with("-ERR"), "{said}");
            said.clear();
            let read = timeout(PATIENCE, self.0.read_line(&mut said)).await.expect("it answers");
            assert_ne!(read.expect("it answers"), 0, "it closes the connection");
        }
    }

    async fn publish(&mut self, subject: &str, headers: &[u8], payload: &[u8]) {
        let (head, all) = (headers.len(), headers.len() + payload.len());
        self.send(format!("HPUB {subject} {head} {all}\r\n").as_bytes()).await;
        self.send(headers).await;
        self.send(payload).await;
        self.send(b"\r\n").await;
        self.taken().await;
    }
}

async fn shop(world: &World, name: &str) -> (Merchant, Account) {
    let merchant = world.merchant(name).await;
    let account = world.account(&merchant, "shopify", AccountOptions::silent()).await;
    Sender::default()
        .send_until_kept(&account.product(&format!("made-{name}"), 1000, "Tea", 1, 0), PATIENCE)
        .await;
    (merchant, account)
}

fn connected(world: &World, name: &str) -> usize {
    let log = world.process(Program::Ingest).log();
    let lines = log.lines().filter(|line| line.contains("\"connected to the broker\""));
    lines.filter(|line| line.contains(&format!("\"name\":\"{name}\""))).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_nobody_can_read_cost_the_intake_of_partners_a_moment_and_webhooks_nothing() {
    let world = World::start(&Program::ALL).await;
    let (hostile, account) = shop(&world, "hostile").await;
    let (merchant, till) = shop(&world, "good").await;
    let good = partner(&world, &merchant, &till).await;
    let user = world.partner(&hostile.store, &account.connection).await;
    let block = world.users.authorization_with_password(&user);
    world.nats.reload(block).await.expect("the broker reads its users anew");

    let subject = format!("pos.in.{}.{}.{TOPIC}", hostile.store, account.connection);
    let mut raw = Raw::connect(&world).await;
    for (index, headers) in HEADERS.iter().cycle().take(MESSAGES).enumerate() {
        raw.publish(&subject, headers, b"{}").await;
        // A webhook sent meanwhile is on disk at once.
        let second = i64::try_from(index).expect("few");
        let reported = till.level(&format!("webhook-{index}"), ITEM, second, second);
        let response = Sender::default().send(&reported).await.expect("ingest answers");
        assert_eq!(response.status, 200, "webhook {index}");
    }
    eventually(PATIENCE, "the intake's connection is back", async || {
        let (intake, counted) = (
            connected(&world, "ingest-intake"),
            world.scrape().await.count("tillflow_intake_reconnects_total", &[]),
        );
        if counted > 0 && counted + INTAKES == intake as u64 {
            Ok(())
        } else {
            Err(format!("{intake} connections, {counted} counted"))
        }
    })
    .await;
    assert_eq!(connected(&world, "ingest"), 1, "the connection that RAW is appended over was never lost");

    // Another partner gets responses again, with the retries that every client makes.
    let subject = format!("pos.in.{}.{}.{TOPIC}", merchant.store, till.connection);
    eventually(PATIENCE, "another partner is answered", async || {
        let body = level_body("shopify", ITEM, Account::LOCATION, 40, 40);
        let reply = timeout(Duration::from_secs(2), good.request(subject.clone(), body.into())).await;
        match reply.map_err(|_| "no response".to_owned())? {
            Ok(reply) if reply.payload.starts_with(b"{\"") && !reply.payload.starts_with(b"{\"error") => {
                Ok(())
            }
            Ok(reply) => Err(String::from_utf8_lossy(&reply.payload).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    world.quiet(PATIENCE, &[&merchant, &hostile], &[]).await;
    world.assert_sound(&merchant).await;
    assert_eq!(world.assert_sound(&hostile).await.len(), 1, "the product alone: nothing of it was taken");
}
