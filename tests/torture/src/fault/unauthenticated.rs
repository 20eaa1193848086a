//! Faults made by clients: unauthenticated clients at the intakes, and a hostile partner at the broker.

use super::{FaultRunner, Made, Since};
use crate::probe::Passes;
use async_nats::ConnectOptions;
use model::{ConnectionId, StoreId};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use testkit::World;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Duration of a fault, in seconds.
const LENGTH: Range<f64> = 4.0..9.0;
/// Number of unauthenticated clients at each intake.
const CLIENTS: u8 = 40;
/// Response timeout of an unauthenticated client, after which it sends its next request.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause between two rounds of the partner's attempts.
const TRIES_EVERY: Duration = Duration::from_millis(20);
/// A store and a connection that aren't in the record: what is published for them is refused and stored nowhere.
const PARTNER: [&str; 2] = ["nobodys-store", "nobodys-connection"];

/// A header in the form of a signature, with a wrong value.
const SIGNATURE: &str = "X-Shopify-Hmac-Sha256: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n";

/// The partner's access to the broker.
pub(crate) struct Partner {
    url: String,
    seed: String,
    inbox_prefix: String,
}

impl Partner {
    /// Registers the partner as a user of the broker.
    pub(crate) async fn let_in(world: &World) -> Self {
        let [store, connection] = PARTNER;
        let store = StoreId::new(store).expect("a token");
        let user = world.partner(&store, &ConnectionId::new(connection).expect("a token")).await;
        Self { url: world.nats.url(), seed: world.users.seed(&user), inbox_prefix: user.inbox_prefix() }
    }

    fn options(&self) -> ConnectOptions {
        ConnectOptions::with_nkey(self.seed.clone())
            .custom_inbox_prefix(&self.inbox_prefix)
            .connection_timeout(PATIENCE)
    }
}

/// Subjects that the partner publishes to, each with its reply subject. All of it is refused, or its response
/// reaches nobody.
fn tries() -> Vec<(String, &'static str)> {
    const STREAMS: [&str; 8] = [
        "pos.raw.0",
        "pos.normalized.0",
        "pos.applied.0.shop.inventory.updated",
        "pos.dead.normalize.data.shop",
        "pos.alerts.apply.0.setup",
        "pos.members.apply.ghost",
        "$JS.API.STREAM.PURGE.RAW-0",
        "pos.in.another.another.products/update",
    ];
    let own = format!("pos.in.{}.{}.products/update", PARTNER[0], PARTNER[1]);
    let responses = STREAMS.iter().map(|stream| (own.clone(), *stream));
    let appends = STREAMS.iter().map(|stream| ((*stream).to_owned(), "_INBOX.partner.nobodys-connection.x"));
    responses.chain(appends).collect()
}

/// Request number `turn` of an unauthenticated client to a connection's intake. None is validly signed.
fn request(turn: usize, ours: &str) -> Vec<u8> {
    let head = |path: &str, fields: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: intake\r\nX-Shopify-Topic: products/update\r\n{fields}\r\n")
    };
    let body = "x".repeat(64 << 10);
    let whole = |path: &str, fields: &str| {
        format!("{}{body}", head(path, &format!("{fields}Content-Length: {}\r\n", body.len())))
    };
    let text = match turn % 7 {
        // A body that is shorter than its stated length: the request never ends.
        0 => format!("{}{body}", head(ours, &format!("{SIGNATURE}Content-Length: 1000000\r\n"))),
        1 => whole(ours, SIGNATURE),
        2 => whole(ours, ""),
        3 => whole("/webhook/shopify/nobody", SIGNATURE),
        4 => whole(ours, &format!("{SIGNATURE}Transfer-Encoding: chunked\r\n")),
        5 => whole(ours, &format!("{SIGNATURE}Content-Encoding: gzip\r\n")),
        _ => String::new(),
    };
    text.into_bytes()
}

/// Returns the status of the intake's response, if there is one.
async fn ask(intake: SocketAddr, from: Ipv4Addr, request: &[u8]) -> io::Result<Option<u16>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let mut stream = socket.connect(intake).await?;
    stream.write_all(request).await?;
    let mut response = [0; 16];
    let length = stream.read(&mut response).await?;
    let text = String::from_utf8_lossy(&response[..length]);
    Ok(text.split(' ').nth(1).and_then(|status| status.get(..3)?.parse().ok()))
}

impl FaultRunner {
    /// Starts unauthenticated clients, each with an address of its own, that send to every intake.
    pub(super) fn unauthenticated_clients(&mut self) -> Made {
        let until = Instant::now() + self.order.seconds(LENGTH);
        let account = &self.crowd.stores[0].account;
        let ours = format!("/webhook/shopify/{}", account.connection);
        let mut unauthenticated_clients = JoinSet::new();
        for intake in self.fleet.intakes() {
            for number in 1..=CLIENTS {
                let (ours, let_in) = (ours.clone(), Arc::clone(&self.let_in));
                unauthenticated_clients.spawn(unauthenticated_client(
                    intake,
                    Ipv4Addr::new(127, 0, 66, number),
                    ours,
                    until,
                    let_in,
                ));
            }
        }
        let reported = tokio::spawn(async move {
            unauthenticated_clients.join_all().await;
            Instant::now()
        });
        Made { since: Since::Reported(reported), passes: Passes::Record }
    }

    /// Starts a partner that tries to publish where it has no permission, and to make the intake publish there.
    pub(super) fn partner(&mut self) -> Made {
        let until = Instant::now() + self.order.seconds(LENGTH);
        let (options, url) = (self.partner.options(), self.partner.url.clone());
        let reported = tokio::spawn(async move {
            // The broker may be down because of another fault.
            if let Ok(client) = options.connect(url).await {
                while Instant::now() < until {
                    for (subject, reply) in tries() {
                        client.publish_with_reply(subject, reply, "{}".into()).await.ok();
                    }
                    sleep(TRIES_EVERY).await;
                }
            }
            Instant::now()
        });
        Made { since: Since::Reported(reported), passes: Passes::Record }
    }
}

async fn unauthenticated_client(
    intake: SocketAddr,
    from: Ipv4Addr,
    ours: String,
    until: Instant,
    let_in: Arc<AtomicU64>,
) {
    let mut turn = usize::from(from.octets()[3]);
    while Instant::now() < until {
        let response = timeout(PATIENCE, ask(intake, from, &request(turn, &ours))).await;
        match response {
            Ok(Ok(Some(200..300))) => drop(let_in.fetch_add(1, Ordering::Relaxed)),
            Ok(Ok(_)) | Err(_) => {}
            // The intake is being restarted.
            Ok(Err(_)) => sleep(TRIES_EVERY).await,
        }
        turn += 1;
    }
}
