//! Replicas of every service, restarted whenever they end, as in Kubernetes.

use crate::{
    journal::{Journal, Life},
    memory::Memory,
};
use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use testkit::{Process, Program, World};
use tokio::{sync::Mutex, task::JoinHandle};

/// Interval at which replicas are checked, and thus the delay of a restart.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Interval at which a replica's counters are read.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// Interval at which a replica's memory is sampled.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Interval at which the sizes of logs are checked.
const TRIM_EVERY: Duration = Duration::from_secs(10);
/// Time limit for a replica's response to a reading of its counters.
const COUNT_LIMIT: Duration = Duration::from_millis(500);
/// Time limit for all replicas to become ready.
const READY_LIMIT: Duration = Duration::from_mins(3);
/// Ports of intakes. They stay the same over restarts, so they lie below the ports of outgoing connections.
const INTAKE_PORTS: std::ops::Range<u16> = 18_000..30_000;
/// Number of database sessions for all replicas: 60, less those that listen for changes and those of the run itself.
const SESSIONS: u8 = 42;
/// Logs less of what happens thousands of times, and more of what is counted here.
const LOG_FILTER: &str = "info,async_nats=warn,bus::publish=debug,runner::stage_loop=error,propagate=error,apply::partition=error,fetch=error";

/// A replica's slot, which outlives its processes.
pub(crate) struct Slot {
    /// The service.
    pub(crate) program: Program,
    /// Index among the replicas of the service.
    pub(crate) index: u8,
    /// Address for webhooks; only ingest has one.
    pub(crate) intake: Option<SocketAddr>,
    configuration: PathBuf,
    logs: PathBuf,
    state: Mutex<State>,
}

struct State {
    process: Option<Process>,
    life: u32,
    admin: Option<SocketAddr>,
    paused: bool,
    began: Instant,
}

/// All replicas. They are killed on drop.
pub(crate) struct Fleet {
    slots: Vec<Arc<Slot>>,
    journal: Arc<Journal>,
    memory: Arc<Memory>,
    read_again: AtomicU64,
    stopping: Arc<AtomicBool>,
    supervisor: JoinHandle<()>,
    client: reqwest::Client,
}

impl Slot {
    /// The service's name and the index.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.program.name(), self.index)
    }

    fn log(&self, life: u32) -> PathBuf {
        self.logs.join(format!("{}-{life}.log", self.name()))
    }

    fn life(&self, life: u32) -> Life {
        (self.program.name(), self.index, life)
    }

    fn begin(&self, state: &mut State) {
        state.life += 1;
        let file = self.configuration.to_string_lossy();
        let process = Process::start(self.program, &[("TILLFLOW_CONFIG", &file)], &self.log(state.life));
        (state.process, state.admin, state.began) = (Some(process), None, Instant::now());
    }

    /// Starts the process if none runs, and records the end of one that has ended.
    async fn look(&self, journal: &Journal) {
        let mut state = self.state.lock().await;
        let ended = state.process.as_mut().is_some_and(Process::has_ended);
        if ended {
            state.process = None;
            journal.over(self.life(state.life), &self.log(state.life), true);
        } else if state.process.is_none() {
            self.begin(&mut state);
        }
    }

    /// Reads the process's counters, if it responds.
    async fn count(&self, client: &reqwest::Client, journal: &Journal) {
        let (admin, life) = {
            let mut state = self.state.lock().await;
            if state.paused {
                return;
            }
            if state.admin.is_none() {
                state.admin = state.process.as_ref().and_then(Process::admin);
            }
            (state.admin, state.life)
        };
        let Some(admin) = admin else { return };
        let request = client.get(format!("http://{admin}/metrics")).timeout(COUNT_LIMIT);
        let Ok(response) = request.send().await else { return };
        if let Ok(page) = response.text().await {
            journal.counted(self.life(life), &page);
        }
    }

    async fn sample(&self, memory: &Memory) {
        let state = self.state.lock().await;
        if let Some(process) = &state.process {
            memory.sample(self.life(state.life), process.pid());
        }
    }

    async fn is_ready(&self, client: &reqwest::Client) -> bool {
        let admin = {
            let mut state = self.state.lock().await;
            if state.admin.is_none() {
                state.admin = state.process.as_ref().and_then(Process::admin);
            }
            state.admin
        };
        let Some(admin) = admin else { return false };
        let response = client.get(format!("http://{admin}/readyz")).timeout(COUNT_LIMIT).send().await;
        response.is_ok_and(|response| response.status().is_success())
    }
}

impl Fleet {
    /// Starts `replicas` of each service on the world's servers, and waits until all are ready.
    pub(crate) async fn start(world: &World, folder: &Path, programs: &[Program], replicas: u8) -> Self {
        let (journal, memory) = (Arc::new(Journal::default()), Arc::new(Memory::default()));
        let mut ports = INTAKE_PORTS;
        let mut slots = Vec::new();
        for program in programs.iter().copied() {
            for index in 0..replicas {
                let intake = (program == Program::Ingest).then(|| free_port(&mut ports));
                let slot = Slot {
                    program,
                    index,
                    intake,
                    configuration: folder.join(format!("{}-{index}.toml", program.name())),
                    logs: folder.to_owned(),
                    state: Mutex::new(State {
                        process: None,
                        life: 0,
                        admin: None,
                        paused: false,
                        began: Instant::now(),
                    }),
                };
                let text = adapted(&world.configuration(program), intake, sessions(replicas));
                std::fs::write(&slot.configuration, text).expect("a configuration can be written");
                slots.push(Arc::new(slot));
            }
        }
        let client = https::client().no_proxy().build().expect("an HTTP client");
        let stopping = Arc::new(AtomicBool::new(false));
        let supervisor = tokio::spawn(supervise(
            slots.clone(),
            Arc::clone(&journal),
            Arc::clone(&memory),
            client.clone(),
            Arc::clone(&stopping),
        ));
        let fleet =
            Self { slots, journal, memory, read_again: AtomicU64::new(0), stopping, supervisor, client };
        let late = fleet.ready(READY_LIMIT).await;
        let said = fleet.journal.last_words();
        assert!(late.is_empty(), "not ready within {READY_LIMIT:?}: {late:?}; last words: {said:#?}");
        fleet
    }

    /// Waits until all are ready; returns the names of those that aren't within the limit.
    pub(crate) async fn ready(&self, limit: Duration) -> Vec<String> {
        let deadline = Instant::now() + limit;
        loop {
            let mut late = Vec::new();
            for slot in &self.slots {
                if !slot.is_ready(&self.client).await {
                    late.push(slot.name());
                }
            }
            if late.is_empty() || Instant::now() > deadline {
                return late;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// All slots.
    pub(crate) fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    /// The addresses for webhooks.
    pub(crate) fn intakes(&self) -> Vec<SocketAddr> {
        self.slots.iter().filter_map(|slot| slot.intake).collect()
    }

    /// Logs and counters of the replicas.
    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Memory use of the replicas.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Kills the replica (SIGKILL); returns false if none was running.
    pub(crate) async fn kill(&self, slot: &Slot) -> bool {
        slot.count(&self.client, &self.journal).await;
        let mut state = slot.state.lock().await;
        let Some(process) = state.process.take() else { return false };
        process.kill().await;
        let life = slot.life(state.life);
        self.read_again.fetch_add(self.journal.in_hand(life), Ordering::Relaxed);
        self.journal.over(life, &slot.log(state.life), false);
        state.paused = false;
        true
    }

    /// Pauses the replica (SIGSTOP) in the middle of its work; returns false if none was running.
    pub(crate) async fn pause(&self, slot: &Slot) -> bool {
        slot.count(&self.client, &self.journal).await;
        let mut state = slot.state.lock().await;
        let Some(process) = &mut state.process else { return false };
        if process.has_ended() {
            return false;
        }
        process.pause();
        state.paused = true;
        true
    }

    /// Resumes the replica (SIGCONT).
    pub(crate) async fn resume(&self, slot: &Slot) {
        let mut state = slot.state.lock().await;
        if let Some(process) = state.process.as_ref().filter(|_| state.paused) {
            process.resume();
        }
        state.paused = false;
    }

    /// Number of records that killed replicas had read and not passed on, as far as their last counters show.
    pub(crate) fn read_again(&self) -> u64 {
        self.read_again.load(Ordering::Relaxed)
    }

    /// Number of starts of each service.
    pub(crate) async fn lives(&self) -> BTreeMap<&'static str, u32> {
        let mut lives: BTreeMap<&'static str, u32> = BTreeMap::new();
        for slot in &self.slots {
            *lives.entry(slot.program.name()).or_default() += slot.state.lock().await.life;
        }
        lives
    }

    /// Reads all counters and logs once more.
    pub(crate) async fn close(&self) -> crate::journal::Read {
        let mut logs = Vec::new();
        for slot in &self.slots {
            slot.count(&self.client, &self.journal).await;
            logs.push(slot.log(slot.state.lock().await.life));
        }
        self.journal.close(logs.iter().map(PathBuf::as_path))
    }

    /// Ends the supervision and kills all replicas.
    pub(crate) async fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        drop(self.supervisor.await);
        for slot in &self.slots {
            if let Some(process) = slot.state.lock().await.process.take() {
                process.kill().await;
            }
        }
    }
}

async fn supervise(
    slots: Vec<Arc<Slot>>,
    journal: Arc<Journal>,
    memory: Arc<Memory>,
    client: reqwest::Client,
    stopping: Arc<AtomicBool>,
) {
    let (mut counted, mut sampled, mut trimmed) = (Instant::now(), Instant::now(), Instant::now());
    while !stopping.load(Ordering::Relaxed) {
        for slot in &slots {
            slot.look(&journal).await;
        }
        if counted.elapsed() > COUNT_EVERY {
            counted = Instant::now();
            for slot in &slots {
                slot.count(&client, &journal).await;
            }
        }
        if sampled.elapsed() > SAMPLE_EVERY {
            sampled = Instant::now();
            for slot in &slots {
                slot.sample(&memory).await;
            }
        }
        if trimmed.elapsed() > TRIM_EVERY {
            trimmed = Instant::now();
            for slot in &slots {
                let life = slot.state.lock().await.life;
                journal.trim(&slot.log(life));
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Number of database sessions that each replica may open, so that all of them fit.
fn sessions(replicas: u8) -> u8 {
    const WITH_RECORD: u8 = 5;
    (SESSIONS / (WITH_RECORD * replicas)).clamp(1, 4)
}

/// The world's configuration with our log filter, this intake address and this number of sessions.
fn adapted(configuration: &str, intake: Option<SocketAddr>, sessions: u8) -> String {
    let mut text = String::new();
    for line in configuration.lines() {
        let line = match (line.split_once(" = "), intake) {
            (Some(("filter", _)), _) => format!("filter = \"{LOG_FILTER}\""),
            (Some(("max_connections", _)), _) => format!("max_connections = {sessions}"),
            (Some(("listen", _)), Some(intake)) if text.contains("[service]") => {
                format!("listen = \"{intake}\"")
            }
            _ => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn free_port(ports: &mut std::ops::Range<u16>) -> SocketAddr {
    // Runs at the same time use different ports.
    let offset = u16::try_from(std::process::id() % 6_000).unwrap_or(0);
    for port in ports {
        let address = SocketAddr::from(([127, 0, 0, 1], port + offset / 2));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free for an intake");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_intake_of_the_service_is_moved() {
        let text = "[admin]\nlisten = \"127.0.0.1:0\"\n[log]\nfilter = \"info\"\n[service]\nlisten = \"127.0.0.1:0\"\nmax_connections = 4\n";
        let intake = SocketAddr::from(([127, 0, 0, 1], 19_000));
        let adapted = adapted(text, Some(intake), 3);
        assert!(adapted.starts_with("[admin]\nlisten = \"127.0.0.1:0\"\n"), "{adapted}");
        assert!(
            adapted.ends_with("[service]\nlisten = \"127.0.0.1:19000\"\nmax_connections = 3\n"),
            "{adapted}"
        );
        assert!(adapted.contains(LOG_FILTER));
    }
}
