//! Stand-ins for the HTTP sides of Shopify, Square and Treez, for development and for tests of the whole system.
//!
//! A simulator is one HTTP server with one shop behind it. The shop has books of its own; people act on them through a
//! [`ShopHandle`], programs through the platform's documented API, and either way signed webhooks go out as the platform
//! would send them. Written from the platforms' documents apart from the code that talks to them, so that neither can
//! hide the other's mistakes. What isn't documented is answered with an error that says so.

mod acts;
mod chaos;
mod exchange;
mod graphql;
mod handle;
mod incidents;
mod ledger;
mod level;
mod machine;
mod machine_acts;
mod notation;
mod project;
mod recent;
mod server;
mod shop;
mod shopify;
mod sign;
mod square;
mod standing;
mod state;
mod traffic;
mod treez;
mod webhooks;

pub use chaos::Chaos;
pub use handle::ShopHandle;
pub use machine::{MachineReply, MachineRequest, MachineWebhook, ShopMachine};
pub use machine_acts::Offer;
pub use server::RecordedCall;
pub use shop::{Impossible, ItemIds, Kind, NewVariant, Shop, Unfit};
pub use standing::Standing;
pub use traffic::{Tally, Traffic};
pub use webhooks::{Retries, SentWebhook};

use chaos::Dice;
use chrono::Utc;
use recent::Recent;
use server::{CALLS_MAX, Inner};
use state::State;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use webhooks::{Outbox, Sender};

/// How a simulator runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatorOptions {
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// What goes wrong from the start.
    pub chaos: Chaos,
    /// Ids, dice and what happens "sometimes" follow from it.
    pub seed: u64,
    /// `None` for [`Retries::documented`].
    pub retries: Option<Retries>,
    /// How fast Shopify's budget refills: 100 on its standard plan, 1,000 on Plus. The budget holds 20 seconds' worth.
    pub points_per_second: f64,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self { port: 0, chaos: Chaos::default(), seed: 1, retries: None, points_per_second: 100.0 }
    }
}

/// Why a simulator doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The shop isn't one that the platform could have.
    #[error("the shop doesn't fit its platform")]
    Unfit(#[source] Unfit),
    /// The port can't be had.
    #[error("port {port} of 127.0.0.1 can't be listened on")]
    Port {
        /// The port that was asked for.
        port: u16,
        /// How it showed.
        #[source]
        source: std::io::Error,
    },
    /// The client that sends webhooks can't be built.
    #[error("webhooks can't be sent from here")]
    Client(#[source] reqwest::Error),
}

/// A running stand-in for one platform with one shop. Stops when it is dropped.
pub struct Simulator {
    address: SocketAddr,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
    sender: JoinHandle<()>,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Simulator {
    /// Opens `shop` and listens; must be called within a tokio runtime.
    pub async fn start(options: SimulatorOptions, shop: Shop) -> Result<Self, StartError> {
        shop.check().map_err(StartError::Unfit)?;
        let port = options.port;
        let taken = |source| StartError::Port { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let platform = shop.platform;
        let retries = options.retries.unwrap_or(Retries::documented(platform));
        let sender = Sender::new(platform, retries).map_err(StartError::Client)?;
        let inner = Arc::new(Inner {
            state: Mutex::new(State::new(shop, options.seed, options.points_per_second, Utc::now())),
            dice: Mutex::new(Dice::new(options.chaos, options.seed)),
            outbox: Outbox::new(),
            calls: Mutex::new(Recent::new(CALLS_MAX)),
        });
        let server = tokio::spawn(server::serve(listener, Arc::clone(&inner)));
        let sending = Arc::clone(&inner);
        let sender = tokio::spawn(async move { sender.run(&sending.outbox, &sending.dice).await });
        Ok(Self { address, inner, server, sender })
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where webhooks of later acts go, exactly as registered.
    pub fn set_webhook(&self, url: &str) {
        self.shop().set_webhook(url);
    }

    /// Turns the dial of things that go wrong.
    pub fn set_chaos(&self, chaos: Chaos) {
        self.shop().set_chaos(chaos);
    }

    /// The shop behind the server.
    pub fn shop(&self) -> ShopHandle {
        ShopHandle { inner: Arc::clone(&self.inner) }
    }

    /// Closes the port and sends nothing more; returns when that is so.
    pub async fn stop(mut self) {
        self.server.abort();
        self.sender.abort();
        // Both end because they were aborted, which is no news.
        let _ = (&mut self.server).await;
        let _ = (&mut self.sender).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
        self.sender.abort();
    }
}

/// Locks; a panic elsewhere doesn't make the books unreadable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
