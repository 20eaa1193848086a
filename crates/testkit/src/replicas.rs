//! The services of a world: one or several processes for each.

use crate::{Process, Program, Scrape, World, eventually};
use std::{process::ExitStatus, time::Duration};

/// The variable that names the kill point of a process.
const KILL_AT: &str = "TILLFLOW_KILL_AT";
/// Time limit for metrics to be served.
const SCRAPE_LIMIT: Duration = Duration::from_secs(10);

/// One process among the replicas of its program; no other process ever has the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    program: Program,
    number: u32,
}

impl Replica {
    /// Its program.
    pub const fn program(self) -> Program {
        self.program
    }
}

impl World {
    /// Starts services that aren't running, and waits until they are ready.
    pub async fn launch(&mut self, programs: &[Program]) {
        let mut replicas = Vec::new();
        for program in programs {
            assert!(!self.runs(*program), "{} runs already", program.name());
            replicas.push(self.spawn(*program, &[]));
        }
        for replica in replicas {
            self.ready(replica).await;
        }
    }

    /// Starts further replicas of a service, all at once, and waits until they are ready. Webhooks go to the first
    /// replica of ingest; [`World::webhooks_of`] returns the address of a further one.
    pub async fn launch_replicas(&mut self, program: Program, count: usize) -> Vec<Replica> {
        let replicas: Vec<Replica> = (0..count).map(|_| self.spawn(program, &[])).collect();
        for replica in &replicas {
            self.ready(*replica).await;
        }
        replicas
    }

    /// Starts a replica of a service that must not become ready in the present state, and doesn't wait.
    pub fn launch_unready(&mut self, program: Program) -> Replica {
        self.spawn(program, &[])
    }

    /// Starts a replica of a service that dies at a kill point, such as `apply.committed:3`, and doesn't wait: it may
    /// die before it is ready.
    pub fn launch_to_die(&mut self, program: Program, at: &str) -> Replica {
        self.spawn(program, &[(KILL_AT, at)])
    }

    fn spawn(&mut self, program: Program, environment: &[(&str, &str)]) -> Replica {
        self.started += 1;
        let replica = Replica { program, number: self.started };
        let name = format!("{}-{}", program.name(), replica.number);
        let address = self.ingest_address.as_deref().filter(|_| !self.runs(Program::Ingest));
        let configuration = self.configuration_at(program, address.unwrap_or("127.0.0.1:0"));
        let file = self.scratch.path().join(format!("{name}.toml"));
        std::fs::write(&file, configuration).expect("a configuration can be written");
        let file = file.to_string_lossy().into_owned();
        let mut settings = vec![("TILLFLOW_CONFIG", file.as_str())];
        settings.extend(environment);
        let process = Process::start(program, &settings, &self.scratch.path().join(format!("{name}.log")));
        self.processes.insert(replica, process);
        replica
    }

    /// Waits until a replica is ready.
    pub async fn ready(&mut self, replica: Replica) {
        let process = self.processes.get_mut(&replica).expect("the replica runs");
        process.ready().await;
        if replica.program == Program::Ingest && self.ingest_address.is_none() {
            self.ingest_address = process.webhooks().map(|address| address.to_string());
        }
    }

    /// Returns true if any replica of the service is running.
    pub fn runs(&self, program: Program) -> bool {
        !self.replicas(program).is_empty()
    }

    /// The replicas of a service, in the order of their starts.
    pub fn replicas(&self, program: Program) -> Vec<Replica> {
        self.processes.keys().copied().filter(|replica| replica.program == program).collect()
    }

    /// The running service: the first of its replicas.
    pub fn process(&self, program: Program) -> &Process {
        let replica = self.replicas(program).into_iter().next();
        self.replica(replica.unwrap_or_else(|| panic!("{} doesn't run", program.name())))
    }

    /// The running replica.
    pub fn replica(&self, replica: Replica) -> &Process {
        self.processes.get(&replica).unwrap_or_else(|| panic!("{replica:?} doesn't run"))
    }

    /// Kills all replicas of a service (SIGKILL), as a fault would.
    pub async fn kill(&mut self, program: Program) {
        assert!(self.runs(program), "{} doesn't run", program.name());
        for replica in self.replicas(program) {
            self.kill_replica(replica).await;
        }
    }

    /// Kills one replica (SIGKILL).
    pub async fn kill_replica(&mut self, replica: Replica) {
        self.take(replica).kill().await;
    }

    /// Requests a service with one replica to stop (SIGTERM) and waits for its end.
    pub async fn terminate(&mut self, program: Program) -> ExitStatus {
        let replicas = self.replicas(program);
        assert_eq!(replicas.len(), 1, "{} has one replica", program.name());
        self.terminate_replica(replicas[0]).await
    }

    /// Requests one replica to stop (SIGTERM) and waits for its end.
    pub async fn terminate_replica(&mut self, replica: Replica) -> ExitStatus {
        self.take(replica).terminate().await
    }

    /// Waits until a replica has ended by itself; returns its exit status and its whole log.
    pub async fn death(&mut self, replica: Replica, limit: Duration) -> (ExitStatus, String) {
        let process = self.processes.get_mut(&replica).expect("the replica runs");
        let what = format!("{} ends by itself", replica.program.name());
        let status = eventually(limit, &what, async || process.ended().ok_or("it runs on")).await;
        (status, self.take(replica).log())
    }

    fn take(&mut self, replica: Replica) -> Process {
        self.processes.remove(&replica).unwrap_or_else(|| panic!("{replica:?} doesn't run"))
    }

    /// Base URL for webhooks: scheme, host and port. It stays the same when ingest is restarted.
    pub fn ingest_url(&self) -> String {
        format!("http://{}", self.ingest_address.as_deref().expect("ingest was started"))
    }

    /// Base URL for webhooks at this replica of ingest.
    pub fn webhooks_of(&self, replica: Replica) -> String {
        format!("http://{}", self.replica(replica).webhooks().expect("it takes webhooks"))
    }

    /// Sums of the metrics of the running services.
    pub async fn scrape(&self) -> Scrape {
        let mut pages = Vec::new();
        for replica in self.processes.keys() {
            pages.push(self.page(*replica).await);
        }
        Scrape::read(&pages)
    }

    /// The metrics of one replica.
    pub async fn scrape_of(&self, replica: Replica) -> Scrape {
        Scrape::read(&[self.page(replica).await])
    }

    async fn page(&self, replica: Replica) -> String {
        let client = https::client().no_proxy().timeout(SCRAPE_LIMIT).build().expect("an HTTP client");
        let admin = self.replica(replica).admin().expect("it takes work");
        let page = client.get(format!("http://{admin}/metrics")).send().await.expect("metrics are served");
        page.text().await.expect("metrics are text")
    }
}
