//! Tests of the permissions of each user of the broker, against a real nats-server.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, and so may what it is made of"
)]

#[path = "users/keys.rs"]
mod keys;
#[path = "users/limits.rs"]
mod limits;
#[path = "users/tls.rs"]
mod tls;

use async_nats::{Client, ConnectError, ConnectOptions, Event, ServerError};
use bus::{Bus, BusConfig, Credentials, Keyring, Tls, User, seed_file};
use bytes::Bytes;
use model::PartitionCount;
use sandbox::{Nats, NatsOptions, Scratch};
use std::{path::PathBuf, time::Duration};
use tokio::{sync::mpsc, time::timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// A broker with Tillflow's users, two partners of one store, and the streams that apply has created.
struct Broker {
    nats: Nats,
    users: PathBuf,
    /// Connected as apply.
    bus: Bus,
    scratch: Scratch,
}

fn till() -> User {
    User::partner("shop", "till").unwrap()
}

fn web() -> User {
    User::partner("shop", "web").unwrap()
}

/// A client, and the errors that the server sends to it.
struct Watched {
    client: Client,
    errors: mpsc::UnboundedReceiver<String>,
}

impl Broker {
    async fn start() -> Self {
        Self::start_as(|options| options, None).await
    }

    async fn start_as(change: impl FnOnce(NatsOptions) -> NatsOptions, tls: Option<Tls>) -> Self {
        let scratch = Scratch::new().unwrap();
        let users = scratch.path().join("users");
        let mut keyring = Keyring::default();
        keyring.add_ours().unwrap();
        for partner in [till(), web()] {
            keyring.add_partner(partner, None).unwrap();
        }
        keyring.save(&users, &layout()).unwrap();
        let authorization = Some(keyring.authorization(&layout()).unwrap());
        let options = NatsOptions { authorization, ..NatsOptions::new(scratch.path().join("nats")) };
        let nats = Nats::start(change(options)).await.unwrap();
        let config = BusConfig { servers: vec![nats.url()], tls, ..layout() };
        let bus = Bus::connect(&as_user(config, &users, &User::Apply)).await.unwrap();
        bus.declare().await.unwrap();
        Self { nats, users, bus, scratch }
    }

    async fn bus_of(&self, user: &User) -> Bus {
        let config = BusConfig { servers: vec![self.nats.url()], ..layout() };
        Bus::connect(&as_user(config, &self.users, user)).await.unwrap()
    }

    fn seed(&self, user: &User) -> String {
        std::fs::read_to_string(seed_file(&self.users, &user.name())).unwrap().trim().to_owned()
    }

    async fn client(&self, user: &User) -> Watched {
        self.client_with(self.seed(user), user).await.unwrap()
    }

    async fn client_with(&self, seed: String, user: &User) -> Result<Watched, ConnectError> {
        let (report, errors) = mpsc::unbounded_channel();
        let options = ConnectOptions::with_nkey(seed)
            .custom_inbox_prefix(user.inbox_prefix())
            .connection_timeout(PATIENCE)
            .event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(text)) = event {
                    let _ = report.send(text);
                }
                std::future::ready(())
            });
        let client = options.connect(self.nats.url()).await?;
        Ok(Watched { client, errors })
    }

    /// Changes the users, and reloads the server's configuration.
    async fn change(&self, change: impl FnOnce(&mut Keyring)) {
        let mut keyring = Keyring::open(&self.users).unwrap();
        change(&mut keyring);
        keyring.save(&self.users, &layout()).unwrap();
        self.nats.reload(keyring.authorization(&layout()).unwrap()).await.unwrap();
    }
}

fn layout() -> BusConfig {
    BusConfig {
        partitions: PartitionCount::new(4).unwrap(),
        streams_per_feed: 2,
        allow_unsafe: true,
        feed_max_bytes: 64 << 20,
        applied_max_bytes: 64 << 20,
        dead_max_bytes: 1 << 20,
        ..BusConfig::default()
    }
}

fn as_user(config: BusConfig, users: &std::path::Path, user: &User) -> BusConfig {
    let credentials = Credentials::Seed { seed_file: seed_file(users, &user.name()) };
    BusConfig { credentials: Some(credentials), ..config }.of(user)
}

impl Watched {
    /// The server's next error.
    async fn error(&mut self) -> String {
        timeout(PATIENCE, self.errors.recv()).await.expect("the server says no").unwrap()
    }

    /// Returns true if the server accepts a publish on `subject`. Errors arrive in the order of the publishes, so the
    /// error of a publish that nobody may make shows that there was none before it.
    async fn may_publish(&mut self, subject: &str) -> bool {
        self.client.publish(subject.to_owned(), Bytes::new()).await.unwrap();
        self.client.publish("nobody.may", Bytes::new()).await.unwrap();
        let said = self.error().await;
        if said.contains("nobody.may") {
            return true;
        }
        assert!(said.to_lowercase().contains(&format!("publish to \"{subject}\"").to_lowercase()), "{said}");
        assert!(self.error().await.contains("nobody.may"));
        false
    }

    /// Returns true if the server accepts a subscription to `subject`, determined in the same way.
    async fn may_subscribe(&mut self, subject: &str) -> bool {
        let subscription = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.client.publish("nobody.may", Bytes::new()).await.unwrap();
        let said = self.error().await;
        drop(subscription);
        if said.contains("nobody.may") {
            return true;
        }
        assert!(
            said.to_lowercase().contains(&format!("subscription to \"{subject}\"").to_lowercase()),
            "{said}"
        );
        assert!(self.error().await.contains("nobody.may"));
        false
    }
}
