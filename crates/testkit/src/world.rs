//! A broker, a database, and the services on them.

use crate::{Account, Merchant, Process, Program, Replica, Users, eventually};
use bus::{Bus, BusConfig, Feed, User};
use model::{Attention, ConnectionId, EventId, Outcome, Position, Quantity, StoreId, record::EventOutcome};
use sandbox::{Nats, NatsCluster, NatsOptions, Postgres, PostgresOptions, Scratch};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};
use store::{Consumer, EventRow, Store, StoreConfig};

/// The key that credentials are sealed with; there is nothing behind it.
const KEY: &str = "0707070707070707070707070707070707070707070707070707070707070707";
/// How many connections to the database each process may open.
const CONNECTIONS_MAX: u32 = 4;
/// How long everything must have been still to count as quiet.
const STILL: Duration = Duration::from_millis(300);

/// What is unlike in a world that a test wants unlike others; all of it as services have it unless set.
#[derive(Debug, Clone, Default)]
pub struct WorldOptions {
    /// How much each feed may hold, in bytes.
    pub feed_max_bytes: Option<u64>,
    /// How much APPLIED may hold, in bytes.
    pub applied_max_bytes: Option<u64>,
    /// How much DEAD may hold, in bytes.
    pub dead_max_bytes: Option<u64>,
    /// After how many milliseconds the database gives up a statement of a service.
    pub statement_timeout_ms: Option<u64>,
    /// How many milliseconds a service waits for a connection to the database.
    pub acquire_timeout_ms: Option<u64>,
    /// The number of requests that a connection may send at once.
    pub requests_burst: Option<u32>,
    /// Further lines of ingest's section of the configuration.
    pub ingest_settings: Vec<&'static str>,
    /// How many events a new owner of dedupe reads back.
    pub read_back_max: Option<usize>,
    /// For how many seconds RAW is kept after it was applied.
    pub replay_window_seconds: Option<u64>,
    /// Where the broker keeps everything; in a folder to throw away unless set.
    pub broker_folder: Option<PathBuf>,
    /// The levels that services log.
    pub log_filter: Option<String>,
    /// Whether the broker is three servers that hold everything together.
    pub clustered: bool,
}

/// A broker, a database, and the services on them, all of one's own. Dropped, everything is stopped; if the test has
/// failed, the ends of the logs are shown.
pub struct World {
    pub(crate) processes: BTreeMap<Replica, Process>,
    /// The record.
    pub store: Store,
    /// The broker, as its administrator.
    pub bus: Bus,
    /// The users of the broker.
    pub users: Users,
    /// The broker, as a server.
    pub nats: Nats,
    /// The broker's other servers, if it is a cluster.
    pub peers: Vec<Nats>,
    /// The database, as a server.
    pub postgres: Postgres,
    pub(crate) ingest_address: Option<String>,
    pub(crate) started: u32,
    options: WorldOptions,
    // Removed last.
    pub(crate) scratch: Scratch,
}

impl World {
    /// Starts servers with empty tables, then these services, and waits until they take work.
    pub async fn start(programs: &[Program]) -> Self {
        Self::start_with(WorldOptions::default(), programs).await
    }

    /// The same, with something unlike.
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
            // Nobody else makes them.
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

    /// The configuration file of a service on these servers. Ingest takes the same address again when it is started
    /// again: platforms have it registered.
    pub fn configuration(&self, program: Program) -> String {
        self.configuration_at(program, self.ingest_address.as_deref().unwrap_or("127.0.0.1:0"))
    }

    /// The configuration file of the command line: a service's with a database, as the operator.
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
        if *user == User::Apply {
            lines.extend(
                options.replay_window_seconds.map(|count| format!("replay_window_seconds = {count}")),
            );
        }
        if matches!(program, Program::Propagate | Program::Poll) {
            lines.push("[service.calls]\nallow = [\"http://127.0.0.1:*\"]".to_owned());
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

    /// Makes a user for a connection that publishes itself, or finds the one that it has, and has the broker know it.
    pub async fn partner(&self, store: &StoreId, connection: &ConnectionId) -> User {
        let user = User::partner(store.as_str(), connection.as_str()).expect("ids are tokens");
        self.users.change(|keyring| keyring.add_partner(user.clone(), None).map(drop));
        self.reload_users().await;
        user
    }

    /// Has the broker's servers read their users anew.
    pub async fn reload_users(&self) {
        // Who waits here is in the list that is read behind it.
        let _reloading = self.users.reloading.lock().await;
        for server in self.servers() {
            server.reload(self.users.authorization()).await.expect("the broker reads its users anew");
        }
    }

    /// The broker's servers.
    pub fn servers(&self) -> impl Iterator<Item = &Nats> {
        std::iter::once(&self.nats).chain(&self.peers)
    }

    /// The broker's server of that name.
    pub fn server_mut(&mut self, name: &str) -> &mut Nats {
        let mut servers = std::iter::once(&mut self.nats).chain(&mut self.peers);
        servers.find(|server| server.name() == name).unwrap_or_else(|| panic!("there is no server {name}"))
    }

    /// Where the broker keeps its streams, a folder each.
    pub fn streams_folder(&self) -> PathBuf {
        let folder = self.options.broker_folder.clone();
        folder.unwrap_or_else(|| self.scratch.path().join("nats")).join("jetstream/$G/streams")
    }

    /// Runs statements on the database as its superuser, and gives what they say: a line for each row, columns parted
    /// by `|`. Several statements are one transaction unless they say otherwise. Panics if one is refused.
    pub async fn sql(&self, statements: &str) -> String {
        let output = self.postgres.psql().expect("psql is installed").args(["-c", statements]).output();
        let output = output.await.expect("psql can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{statements}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// How the events of a store ended, in their order.
    pub async fn event_outcomes(&self, merchant: &Merchant) -> Vec<EventOutcome> {
        let rows =
            self.store.event_outcomes_of(&merchant.store, i64::MAX).await.expect("the database answers");
        let mut event_outcomes: Vec<EventOutcome> = rows.into_iter().map(|row| row.event_outcome).collect();
        event_outcomes.sort_by_key(|event_outcome| event_outcome.position);
        event_outcomes
    }

    /// Waits until an event of that delivery (the intake's id of it) has ended, and tells how.
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

    /// How many events of a store ended so.
    pub async fn count(&self, merchant: &Merchant, outcome: Outcome) -> usize {
        self.event_outcomes(merchant)
            .await
            .iter()
            .filter(|event_outcome| event_outcome.outcome == outcome)
            .count()
    }

    /// The store's level of the variant with that merchant's number, if it has one.
    pub async fn level(&self, merchant: &Merchant, sku: &str) -> Option<Quantity> {
        let view = self.store.show_store(&merchant.store).await.expect("the database answers");
        view.levels.iter().find(|line| line.sku.as_deref() == Some(sku)).map(|line| line.quantity)
    }

    /// Asserts what is always true of a store: its sequence is 1..n without gaps and in the order of acceptance, every
    /// change has its outcome, and the ledger sums up to the levels. Gives the events in their order.
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

    /// Waits until everything that was accepted has passed, everything that is due is written, and nothing stirs: for
    /// all partitions, for the mirrors of these merchants, and for the webhooks of these accounts.
    pub async fn quiet(&self, limit: Duration, merchants: &[&Merchant], accounts: &[&Account]) {
        let mut before = None;
        eventually(limit, "nothing stirs", async || {
            let now = self.stands(merchants, accounts).await?;
            if before.replace(now) == Some(now) {
                return Ok(());
            }
            tokio::time::sleep(STILL).await;
            Err("it has just come to rest".to_owned())
        })
        .await;
    }

    /// Where everything stands once nothing is under way; else what is.
    async fn stands(&self, merchants: &[&Merchant], accounts: &[&Account]) -> Result<(u64, i64), String> {
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
            if self.runs(Program::Poll) && cursor(Consumer::Poll).await?.position.raw_sequence < tail {
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
            Some(Attention::Answer) | None => false,
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
