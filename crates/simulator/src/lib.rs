//! Simulators of the platforms' HTTP APIs, for development and for tests of the whole system.
//!
//! A simulator is one HTTP server with one shop behind it. The shop has its own ledger; people act on it through a
//! [`ShopHandle`], programs through the platform's documented API, and both cause signed webhooks as the platform would
//! send them. Written from the platforms' documents, independently of the code that calls them, so that neither can
//! hide the other's mistakes. A request that isn't documented gets an error response that names this. `tests/sdk` calls
//! the simulators with the SDKs that platforms publish, through `examples/serve.rs`.
//!
//! A platform is one folder: its API, its webhooks, their signer, its rules for the ledger, and samples. One line in
//! [`all`] registers it. Nothing outside the folder knows it.

mod acts;
mod backend;
mod blaze;
mod chaos;
mod clover;
mod exchange;
mod flowhub;
mod handle;
mod ids;
mod incidents;
mod leaflogix;
mod ledger;
mod level;
mod machine;
mod machine_acts;
mod notation;
mod open_shop;
mod platform;
mod promotion;
mod recent;
mod rules;
mod server;
mod shop;
mod shopify;
mod sign;
mod square;
mod staff;
mod standing;
mod state;
mod traffic;
mod treez;
mod webhooks;
mod woocommerce;

pub use backend::BulkTrouble;
pub use chaos::Chaos;
pub use exchange::ChangedLevel;
pub use handle::ShopHandle;
pub use machine::{MachineReply, MachineRequest, MachineWebhook, ShopMachine};
pub use machine_acts::Offer;
pub use platform::{
    Headers, SampleLevel, SampleProduct, SampleVariant, SampleWebhook, Samples, SimulatedPlatform, Unsigned,
};
pub use promotion::NewPromotion;
pub use server::RecordedCall;
pub use shop::{Impossible, ItemIds, NewVariant, Shop, Unfit};
pub use staff::EMPLOYEE_PIN;
pub use standing::Standing;
pub use traffic::{Tally, Traffic};
pub use webhooks::{Retries, SentWebhook};

use backend::Simulation;
use chaos::FaultInjector;
use chrono::Utc;
use open_shop::OpenShop;
use recent::Recent;
use server::{CALLS_MAX, Inner};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use webhooks::{Outbox, Sender};

/// Every simulated platform, in alphabetical order.
static ALL: [&dyn Simulation; 8] = [
    &blaze::PLATFORM,
    &clover::PLATFORM,
    &flowhub::PLATFORM,
    &leaflogix::PLATFORM,
    &shopify::PLATFORM,
    &square::PLATFORM,
    &treez::PLATFORM,
    &woocommerce::PLATFORM,
];

/// Every simulated platform, in alphabetical order.
pub fn all() -> impl Iterator<Item = &'static dyn SimulatedPlatform> {
    ALL.into_iter().map(|platform| platform as &dyn SimulatedPlatform)
}

/// The simulated platform of that name.
pub fn find(name: &str) -> Option<&'static dyn SimulatedPlatform> {
    all().find(|platform| platform.name() == name)
}

fn simulation(name: &str) -> Option<&'static dyn Simulation> {
    ALL.into_iter().find(|platform| platform.name() == name)
}

/// Options of a simulator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimulatorOptions {
    /// The port on 127.0.0.1; 0 for any free port.
    pub port: u16,
    /// Fault rates at the start.
    pub chaos: Chaos,
    /// Seed of ids, fault draws and other random choices.
    pub seed: u64,
    /// `None` for as many as the platform documents, with pauses short enough for development.
    pub retries: Option<Retries>,
    /// Refill rate of the budget for calls, in points per second, where the platform has one; `None` for the documented
    /// one.
    pub points_per_second: Option<f64>,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self { port: 0, chaos: Chaos::default(), seed: 1, retries: None, points_per_second: None }
    }
}

/// Reason why a simulator doesn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The shop isn't one that the platform could have.
    #[error("the shop doesn't fit its platform")]
    Unfit(#[source] Unfit),
    /// The port can't be opened.
    #[error("port {port} of 127.0.0.1 can't be listened on")]
    Port {
        /// The requested port.
        port: u16,
        /// Error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// The client that sends webhooks can't be built.
    #[error("webhooks can't be sent from here")]
    Client(#[source] reqwest::Error),
}

/// A running simulator of one platform with one shop. Stops when it is dropped.
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
        let platform = simulation(shop.platform).ok_or(StartError::Unfit(Unfit::UnknownPlatform))?;
        let shop = OpenShop::new(platform, shop, options.seed, options.points_per_second, Utc::now())
            .map_err(StartError::Unfit)?;
        let port = options.port;
        let taken = |source| StartError::Port { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let sender = Sender::new(platform, options.retries).map_err(StartError::Client)?;
        let inner = Arc::new(Inner {
            shop: Mutex::new(shop),
            faults: Mutex::new(FaultInjector::new(options.chaos, options.seed)),
            outbox: Outbox::new(),
            calls: Mutex::new(Recent::new(CALLS_MAX)),
        });
        let server = tokio::spawn(server::serve(listener, Arc::clone(&inner)));
        let sending = Arc::clone(&inner);
        let sender = tokio::spawn(async move { sender.run(&sending.outbox, &sending.faults).await });
        Ok(Self { address, inner, server, sender })
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sets the URL for webhooks of later acts, exactly as registered.
    pub fn set_webhook(&self, url: &str) {
        self.shop().set_webhook(url);
    }

    /// Sets the fault rates.
    pub fn set_chaos(&self, chaos: Chaos) {
        self.shop().set_chaos(chaos);
    }

    /// The shop behind the server.
    pub fn shop(&self) -> ShopHandle {
        ShopHandle { inner: Arc::clone(&self.inner) }
    }

    /// Closes the port and stops sending webhooks; returns when both are done.
    pub async fn stop(mut self) {
        self.server.abort();
        self.sender.abort();
        // Both tasks end because they were aborted; there is no error to report.
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

/// Locks `mutex`; a panic in another thread doesn't make its data unreadable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
