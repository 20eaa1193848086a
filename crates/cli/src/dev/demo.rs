//! One store on every simulated platform, and its customers.

use super::provision::{self, Wanted};
use crate::{
    environment::{RunningConnection, RunningSimulator},
    failure::Failed,
};
use simulator::{Shop, Simulator, SimulatorOptions, Traffic};
use std::time::Duration;
use store::{Rules, Store};
use tokio::{sync::oneshot, task::JoinHandle};

/// Time limit for the traffic to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// The simulators and their connections.
pub(crate) struct Demo {
    simulators: Vec<(&'static str, Simulator)>,
    connections: Vec<RunningConnection>,
}

impl Demo {
    /// Starts the simulators, connects them, and sets their stock. Each demo has a store of its own, since the
    /// simulators lose their state when they stop.
    pub(crate) async fn start(store: &Store, ingest_url: &str) -> Result<Self, Failed> {
        let store_id = format!("demo-{}", chrono::Utc::now().format("%m%d-%H%M%S"));
        provision::store(store, &store_id).await?;
        let mut demo = Self { simulators: Vec::new(), connections: Vec::new() };
        for simulated in simulator::all() {
            let platform = simulated.name();
            let shop = Shop {
                platform,
                account: format!("{store_id}-{platform}"),
                token: provision::secret(),
                webhook_secret: provision::secret(),
                webhook_url: None,
                currency: "USD".to_owned(),
                locations: vec![simulated.samples().location.to_owned()],
            };
            let seed = rand::random();
            let simulator =
                Simulator::start(SimulatorOptions { seed, ..SimulatorOptions::default() }, shop.clone())
                    .await
                    .map_err(|error| {
                        Failed::Other(format!("the simulator of {platform} can't start: {error}"))
                    })?;
            let token = simulated.client_token(&shop);
            // After the platform's own, so that the examples of `tillflow trigger` name linked locations.
            let mut examples = crate::trigger::example_locations(platform);
            examples.retain(|target| !shop.locations.contains(target));
            let wanted = Wanted {
                platform,
                base_url: simulator.base_url(),
                account: shop.account,
                token,
                secret: shop.webhook_secret,
                locations: [shop.locations, examples].concat(),
                rules: Rules::default(),
            };
            let connection = provision::connection(store, &store_id, ingest_url, wanted).await?;
            simulator.set_webhook(&connection.webhook_url);
            demo.simulators.push((platform, simulator));
            demo.connections.push(connection);
        }
        for (platform, simulator) in &demo.simulators {
            Traffic::stock(&simulator.shop())
                .map_err(|error| Failed::Other(format!("{platform} can't be stocked: {error}")))?;
        }
        Ok(demo)
    }

    pub(crate) fn connections(&self) -> Vec<RunningConnection> {
        self.connections.clone()
    }

    pub(crate) fn simulators(&self) -> Vec<RunningSimulator> {
        let describe = |(platform, simulator): &(&str, Simulator)| RunningSimulator {
            platform: (*platform).to_owned(),
            url: simulator.base_url(),
        };
        self.simulators.iter().map(describe).collect()
    }

    /// Starts traffic: sales, restocks and edits.
    pub(crate) fn live(&self, per_minute: u32) -> Live {
        let shops = self.simulators.iter().map(|(_, simulator)| simulator.shop()).collect();
        let (stop, stopped) = oneshot::channel::<()>();
        let cancel = async move { stopped.await.unwrap_or_default() };
        let task = tokio::spawn(async move {
            Traffic::run(shops, per_minute, rand::random(), cancel).await;
        });
        Live { stop, task }
    }

    pub(crate) async fn stop(self) {
        for (_, simulator) in self.simulators {
            simulator.stop().await;
        }
    }
}

/// Running traffic.
pub(crate) struct Live {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Live {
    pub(crate) async fn stop(self) {
        self.stop.send(()).ok();
        tokio::time::timeout(STOP_TIMEOUT, self.task).await.ok();
    }
}
