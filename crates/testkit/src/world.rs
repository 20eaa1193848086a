//! A broker, a database, and the services on them.

use crate::{Account, Merchant, Process, Program, Replica, Users, eventually};
use bus::{Bus, BusConfig, Feed, User};
use model::{Attention, ConnectionId, EventId, Outcome, Position, Quantity, StoreId, record::EventOutcome};
use sandbox::{Nats, NatsCluster, NatsOptions, Postgres, PostgresOptions, Scratch};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use store::{Consumer, EventRow, Store, StoreConfig};

/// The key that seals credentials, a test value that protects nothing.
const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";
/// Upper limit of each process's connections to the database.
const CONNECTIONS_MAX: u32 = 4;
/// Time for which nothing may change before the world counts as quiet.
const REST_INTERVAL: Duration = Duration::from_millis(300);

/// Settings of a world that differ from those of the services; a setting that isn't set has the services' value.
#[derive(Debug, Clone, Default)]
pub struct WorldOptions {
    /// Upper limit of each feed, in bytes.
    pub feed_max_bytes: Option<u64>,
    /// Upper limit of APPLIED, in bytes.
    pub applied_max_bytes: Option<u64>,
    /// Upper limit of DEAD, in bytes.
    pub dead_max_bytes: Option<u64>,
    /// Statement timeout of the services at the database, in milliseconds.
    pub statement_timeout_ms: Option<u64>,
    /// Time limit of a service for getting a connection to the database, in milliseconds.
    pub acquire_timeout_ms: Option<u64>,
    /// The number of requests that a connection may send at once.
    pub requests_burst: Option<u32>,
    /// Further lines of ingest's configuration section.
    pub ingest_settings: Vec<&'static str>,
    /// Lines of fetch's section about scheduled reads. Without any, no list is read: most tests count the calls of
    /// notifications.
    pub scheduled_reads: Vec<&'static str>,
    /// Lines of fetch's section about comparisons of variants.
    pub matching: Vec<&'static str>,
    /// Further lines of the sections about calls to platforms.
    pub calls_settings: Vec<&'static str>,
    /// Number of events that a new owner of a partition of dedupe reads back.
    pub read_back_max: Option<usize>,
    /// Time for which RAW is kept after it was applied, in seconds.
    pub replay_window_seconds: Option<u64>,
    /// The broker's storage folder; a temporary one unless set.
    pub broker_folder: Option<PathBuf>,
    /// The log filter of services.
    pub log_filter: Option<String>,
    /// True if the broker is a cluster of three servers.
    pub clustered: bool,
}

/// A broker, a database, and the services on them, for one test. Everything is stopped on drop; if the test has failed,
/// the ends of the logs are printed.
pub struct World {
    pub(crate) processes: BTreeMap<Replica, Process>,
    /// The record.
    pub store: Store,
    /// A connection to the broker as its administrator.
    pub bus: Bus,
    /// The users of the broker.
    pub users: Users,
    /// The broker's server.
    pub nats: Nats,
    /// The broker's other servers, if it is a cluster.
    pub peers: Vec<Nats>,
    /// The database server.
    pub postgres: Postgres,
    pub(crate) ingest_address: Option<String>,
    pub(crate) started: u32,
    options: WorldOptions,
    // Removed last.
    pub(crate) scratch: Scratch,
}

impl World {
    /// Starts servers with empty tables, then these services, and waits until they are ready.
    pub async fn start(programs: &[Program]) -> Self {
        Self::start_with(WorldOptions::default(), programs).await
    }

    /// Like [`World::start`], with these options.
    pub async fn start_with(options: WorldOptions, programs: &[Program]) -> Self {
        let scratch = Scratch::new().expect("a folder to throw away");
        let broker_folder = options.broker_folder.clone().unwrap_or_else(|| scratch.path().join("nats"));
        let users = Users::make(scratch.path().join("nats-users"));
        let authorization = users.authorization();
        let broker = async {
            if options.clustered {
                let cluster = NatsCluster::start(&broker_folder, Some(&authorization)).await;
                return cluster.map(|cluster| cluster.servers);
            }
            let authorization = Some(authorization.clone());
            let server = NatsOptions { authorization, ..NatsOptions::new(&broker_folder) };
            Nats::start(server).await.map(|server| vec![server])
        };
        let (mut peers, postgres) = tokio::try_join!(
            broker,
            Postgres::start(PostgresOptions::throwaway(scratch.path().join("postgres")))
        )
        .expect("servers can be started");
        let servers = peers.iter().map(Nats::url).collect();
        let nats = peers.remove(0);
        let mut config = StoreConfig::new(postgres.url());
        config.keys.insert("test".to_owned(), KEY.to_owned());
        "test".clone_into(&mut config.current_key);
        config.max_connections = CONNECTIONS_MAX;
        let store =
            Store::connect(&config, config.vault().expect("a key")).await.expect("the database answers");
        store.migrate().await.expect("tables can be made");
        store.maintain().await.expect("partitions can be made");
        let mut config = BusConfig {
            servers,
            monitoring_url: Some(nats.monitoring_url()),
            name: "tests".to_owned(),
            replicas: if options.clustered { 3 } else { 1 },
            credentials: Some(users.credentials(&User::Administrator)),
            ..BusConfig::default()
        };
        for (bytes, wanted) in [
            (&mut config.feed_max_bytes, options.feed_max_bytes),
            (&mut config.applied_max_bytes, options.applied_max_bytes),
            (&mut config.dead_max_bytes, options.dead_max_bytes),
        ] {
            *bytes = wanted.unwrap_or(*bytes);
        }
        let bus = Bus::connect(&config.of(&User::Administrator)).await.expect("the broker answers");
        if !programs.contains(&Program::Apply) {
            // Otherwise apply declares them.
            bus.declare().await.expect("streams can be made");
        }
        let processes = BTreeMap::new();
        let mut world = Self {
            processes,
            store,
            bus,
            users,
            nats,
            peers,
            postgres,
            ingest_address: None,
            started: 0,
            options,
            scratch,
        };
        world.launch(programs).await;
        world
    }

    /// The configuration file of a service on these servers. A restarted ingest has the same address: it is registered
    /// at the platforms.
    pub fn configuration(&self, program: Program) -> String {
        self.configuration_at(program, self.ingest_address.as_deref().unwrap_or("127.0.0.1:0"))
    }

    /// The configuration file of the command line: that of a service with a database, with the operator's credentials.
    pub fn configuration_of_operator(&self) -> String {
        self.configuration_as(&User::Operator, Program::Apply, "")
    }

    pub(crate) fn configuration_at(&self, program: Program, ingest_address: &str) -> String {
        let user = User::of_service(program.name()).expect("each service has a user");
        self.configuration_as(&user, program, ingest_address)
    }

    fn configuration_as(&self, user: &User, program: Program, ingest_address: &str) -> String {
        let mut lines = vec![
            "[bus]".to_owned(),
            format!("servers = {:?}", self.servers().map(Nats::url).collect::<Vec<_>>()),
            format!("replicas = {}", if self.options.clustered { 3 } else { 1 }),
            format!("monitoring_url = \"{}\"", self.nats.monitoring_url()),
            format!("name = \"{}\"", program.name()),
        ];
        let options = &self.options;
        for (key, bytes) in [
            ("feed_max_bytes", options.feed_max_bytes),
            ("applied_max_bytes", options.applied_max_bytes),
            ("dead_max_bytes", options.dead_max_bytes),
        ] {
            lines.extend(bytes.map(|bytes| format!("{key} = {bytes}")));
        }
        lines.push(format!("[bus.credentials]\nseed_file = \"{}\"", self.users.seed_file(user).display()));
        let filter = options.log_filter.as_deref().unwrap_or("info,async_nats=warn");
        lines.push("[admin]\nlisten = \"127.0.0.1:0\"".to_owned());
        lines.push(format!("[log]\nfilter = {filter:?}\n[service]"));
        if program == Program::Ingest {
            lines.push(format!("listen = \"{ingest_address}\""));
            lines.extend(options.requests_burst.map(|count| format!("requests_burst = {count}")));
            lines.extend(options.ingest_settings.iter().map(|&line| line.to_owned()));
            let seed_file = self.users.seed_file(&User::Intake);
            lines.push(format!("[service.partner_credentials]\nseed_file = \"{}\"", seed_file.display()));
        }
        if program == Program::Dedupe {
            lines.extend(options.read_back_max.map(|count| format!("read_back_max = {count}")));
        }
        if program == Program::Transform {
            let read_back_max = options.read_back_max;
            lines.extend(read_back_max.map(|count| format!("[service.dedupe]\nread_back_max = {count}")));
        }
        if *user == User::Apply {
            lines.extend(
                options.replay_window_seconds.map(|count| format!("replay_window_seconds = {count}")),
            );
        }
        if program == Program::Fetch {
            lines.push("[service.scheduled_reads]".to_owned());
            lines.push(format!("enabled = {}", !options.scheduled_reads.is_empty()));
            lines.extend(options.scheduled_reads.iter().map(|&line| line.to_owned()));
            lines.push("[service.matching]".to_owned());
            lines.extend(options.matching.iter().map(|&line| line.to_owned()));
        }
        if matches!(program, Program::Propagate | Program::Fetch) {
            lines.push("[service.calls]\nallow = [\"http://127.0.0.1:*\"]".to_owned());
            lines.extend(options.calls_settings.iter().map(|&line| line.to_owned()));
        }
        if program.has_store() {
            lines.push("[service.store]\ncurrent_key = \"test\"".to_owned());
            lines.push(format!("url = \"{}\"\nmax_connections = {CONNECTIONS_MAX}", self.postgres.url()));
            for (key, milliseconds) in [
                ("statement_timeout_ms", options.statement_timeout_ms),
                ("acquire_timeout_ms", options.acquire_timeout_ms),
            ] {
                lines.extend(milliseconds.map(|milliseconds| format!("{key} = {milliseconds}")));
            }
            lines.push(format!("[service.store.keys]\ntest = \"{KEY}\""));
        }
        lines.join("\n") + "\n"
    }

    /// Creates a user for a connection that publishes itself, unless it has one, and makes it known to the broker.
    pub async fn partner(&self, store: &StoreId, connection: &ConnectionId) -> User {
        let user = User::partner(store.as_str(), connection.as_str()).expect("ids are tokens");
        self.users.change(|keyring| keyring.add_partner(user.clone(), None).map(drop));
        self.reload_users().await;
        user
    }

    /// Makes the broker's servers reload their users.
    pub async fn reload_users(&self) {
        // The list is read under the lock: it contains the users of all callers that wait for the lock.
        let _reloading = self.users.reloading.lock().await;
        for server in self.servers() {
            server.reload(self.users.authorization()).await.expect("the broker reads its users anew");
        }
    }

    /// The broker's servers.
    pub fn servers(&self) -> impl Iterator<Item = &Nats> {
        std::iter::once(&self.nats).chain(&self.peers)
    }

    /// The broker's server with this name.
    pub fn server_mut(&mut self, name: &str) -> &mut Nats {
        let mut servers = std::iter::once(&mut self.nats).chain(&mut self.peers);
        servers.find(|server| server.name() == name).unwrap_or_else(|| panic!("there is no server {name}"))
    }

    /// The folder of the broker's streams, with one folder for each.
    pub fn streams_folder(&self) -> PathBuf {
        let folder = self.options.broker_folder.clone();
        folder.unwrap_or_else(|| self.scratch.path().join("nats")).join("jetstream/$G/streams")
    }

    /// Runs statements on the database as its superuser and returns their output: a line for each row, columns
    /// separated by `|`. Several statements are one transaction unless they contain transaction commands. Panics if one
    /// is refused.
    pub async fn sql(&self, statements: &str) -> String {
        let output = self.postgres.psql().expect("psql is installed").args(["-c", statements]).output();
        let output = output.await.expect("psql can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The outcomes of a store's events, in the order of the events.
    pub async fn event_outcomes(&self, merchant: &Merchant) -> Vec<EventOutcome> {
        let rows =
            self.store.event_outcomes_of(&merchant.store, i64::MAX).await.expect("the database answers");
        let mut event_outcomes: Vec<EventOutcome> = rows.into_iter().map(|row| row.event_outcome).collect();
        event_outcomes.sort_by_key(|event_outcome| event_outcome.position);
        event_outcomes
    }

    /// Waits for the outcome of an event of this delivery, given by the intake's id, and returns it.
    pub async fn event_outcome(&self, limit: Duration, merchant: &Merchant, delivery: &str) -> EventOutcome {
        eventually(limit, &format!("delivery {delivery} has ended"), async || {
            let event_outcomes = self.event_outcomes(merchant).await;
            let found = event_outcomes
                .iter()
                .find(|event_outcome| event_outcome.delivery.to_string() == delivery)
                .cloned();
            found.ok_or_else(|| format!("{} others have", event_outcomes.len()))
        })
        .await
    }

    /// The changes of a store, in order.
    pub async fn events(&self, merchant: &Merchant) -> Vec<EventRow> {
        self.store.events_of(&merchant.store, 0, i64::MAX).await.expect("the database answers")
    }

    /// Number of a store's events with this outcome.
    pub async fn count(&self, merchant: &Merchant, outcome: Outcome) -> usize {
        self.event_outcomes(merchant)
            .await
            .iter()
            .filter(|event_outcome| event_outcome.outcome == outcome)
            .count()
    }

    /// The store's level of the variant with this SKU, if it has one.
    pub async fn level(&self, merchant: &Merchant, sku: &str) -> Option<Quantity> {
        let view = self.store.show_store(&merchant.store).await.expect("the database answers");
        view.levels.iter().find(|line| line.sku.as_deref() == Some(sku)).map(|line| line.quantity)
    }

    /// Asserts the invariants of a store: its sequence is 1..n without gaps and in the order of acceptance, every
    /// change has its outcome, and the ledger sums up to the levels. Returns the events in their order.
    pub async fn assert_sound(&self, merchant: &Merchant) -> Vec<EventId> {
        let (events, event_outcomes) = (self.events(merchant).await, self.event_outcomes(merchant).await);
        let sequences: Vec<i64> = events.iter().map(|event| event.sequence).collect();
        let expected: Vec<i64> = (1..).take(events.len()).collect();
        assert_eq!(sequences, expected, "the sequence of {} has no gaps", merchant.store);
        let applied = event_outcomes.iter().filter(|event_outcome| event_outcome.outcome == Outcome::Applied);
        let by_position: Vec<(EventId, Option<i64>)> =
            applied.map(|event_outcome| (event_outcome.event, event_outcome.sequence)).collect();
        let by_sequence: Vec<(EventId, Option<i64>)> =
            events.iter().map(|event| (event.event, Some(event.sequence))).collect();
        assert_eq!(by_position, by_sequence, "{} has its events in the order of acceptance", merchant.store);
        let wrong = self.store.contradictions(&merchant.store).await.expect("the database answers");
        assert!(wrong.is_empty(), "{}: {wrong:?}", merchant.store);
        events.into_iter().map(|event| event.event).collect()
    }

    /// Waits until everything that was accepted has passed, everything that is due is written, and nothing changes: in
    /// all partitions, for the mirrors of these merchants, and for the webhooks of these accounts.
    pub async fn quiet(&self, limit: Duration, merchants: &[&Merchant], accounts: &[&Account]) {
        let mut before = None;
        eventually(limit, "nothing stirs", async || {
            let now = self.progress(merchants, accounts).await?;
            if before.replace(now) == Some(now) {
                return Ok(());
            }
            tokio::time::sleep(REST_INTERVAL).await;
            Err("it has just come to rest".to_owned())
        })
        .await;
    }

    /// Sums of the partitions' sequences and numbers if no work is under way; otherwise an error that names the work.
    async fn progress(&self, merchants: &[&Merchant], accounts: &[&Account]) -> Result<(u64, i64), String> {
        for account in accounts.iter().filter(|account| account.simulator.is_some()) {
            let waiting = account.shop().webhooks_waiting();
            if waiting > 0 {
                return Err(format!("{waiting} webhooks of {} wait", account.connection));
            }
        }
        let (mut sequences, mut numbers) = (0, 0);
        for partition in self.bus.partitions().all() {
            let tail = self.bus.tail(Feed::Raw, partition).await.map_err(|error| error.to_string())?;
            let tail = tail.map_or(0, |tail| tail.sequence);
            let cursor = async |consumer| {
                self.store.cursor(consumer, partition).await.map_err(|error| error.to_string())
            };
            let applied = cursor(Consumer::Apply).await?;
            let end = Position { raw_sequence: tail, delivery: u32::MAX, event: u32::MAX };
            if tail > 0 && applied.position < end {
                return Err(format!("partition {partition} is applied up to {} of {tail}", applied.position));
            }
            if self.runs(Program::Fetch) && cursor(Consumer::Fetch).await?.position.raw_sequence < tail {
                return Err(format!("partition {partition} isn't polled up to {tail}"));
            }
            if self.runs(Program::Propagate) && cursor(Consumer::Propagate).await?.number < applied.number {
                return Err(format!("partition {partition} isn't propagated up to {}", applied.number));
            }
            sequences += tail;
            numbers += applied.number;
        }
        for merchant in merchants {
            self.nothing_due(merchant).await?;
        }
        Ok((sequences, numbers))
    }

    async fn nothing_due(&self, merchant: &Merchant) -> Result<(), String> {
        let view = self.store.show_store(&merchant.store).await.map_err(|error| error.to_string())?;
        let stirs = view.mirrors.iter().find(|line| match line.mirror.attention() {
            Some(Attention::Write) => line.mirror.summary().phase != "refused" && !line.mirror.is_stopped(),
            Some(Attention::Read) => true,
            Some(Attention::Decision) | None => false,
        });
        stirs.map_or(Ok(()), |mirror| Err(format!("something is due: {mirror:?}")))
    }
}

impl Drop for World {
    #[expect(clippy::print_stderr, reason = "a failed test shows what the services said")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in self.processes.values() {
                let log = process.log_file();
                eprintln!("---- the end of {}\n{}", log.path().display(), log.tail());
            }
        }
    }
}
