//! The services of a world: one or several processes of each.

use crate::{Process, Program, Scrape, World, eventually};
use std::{process::ExitStatus, time::Duration};

/// The variable that names the place where a process is to die.
const KILL_AT: &str = "TILLFLOW_KILL_AT";
/// How long metrics may take to come.
const SCRAPE_LIMIT: Duration = Duration::from_secs(10);

/// One process among the replicas of its program; no other one ever has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    program: Program,
    number: u32,
}

impl Replica {
    /// What it runs.
    pub const fn program(self) -> Program {
        self.program
    }
}

impl World {
    /// Starts services that don't run, and waits until they take work.
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

    /// Starts further replicas of a service, all at once, and waits until they take work. Webhooks go to ingest's first
    /// one; where a further one takes them, [`World::webhooks_of`] tells.
    pub async fn launch_replicas(&mut self, program: Program, count: usize) -> Vec<Replica> {
        let replicas: Vec<Replica> = (0..count).map(|_| self.spawn(program, &[])).collect();
        for replica in &replicas {
            self.ready(*replica).await;
        }
        replicas
    }

    /// Starts a replica of a service that mustn't take work as things are, and doesn't wait.
    pub fn launch_unready(&mut self, program: Program) -> Replica {
        self.spawn(program, &[])
    }

    /// Starts a replica of a service that dies at a kill point, as in `apply.committed:3`, and doesn't wait: it may die
    /// before it is ready.
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

    /// Waits until a replica takes work.
    pub async fn ready(&mut self, replica: Replica) {
        let process = self.processes.get_mut(&replica).expect("the replica runs");
        process.ready().await;
        if replica.program == Program::Ingest && self.ingest_address.is_none() {
            self.ingest_address = process.webhooks().map(|address| address.to_string());
        }
    }

    /// Whether any replica of the service runs.
    pub fn runs(&self, program: Program) -> bool {
        !self.replicas(program).is_empty()
    }

    /// The replicas of a service, those that were started first before others.
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

    /// Kills a service (SIGKILL), all its replicas, as a fault would.
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

    /// Asks a service with one replica to stop (SIGTERM) and waits for its end.
    pub async fn terminate(&mut self, program: Program) -> ExitStatus {
        let replicas = self.replicas(program);
        assert_eq!(replicas.len(), 1, "{} has one replica", program.name());
        self.terminate_replica(replicas[0]).await
    }

    /// Asks one replica to stop (SIGTERM) and waits for its end.
    pub async fn terminate_replica(&mut self, replica: Replica) -> ExitStatus {
        self.take(replica).terminate().await
    }

    /// Waits until a replica has ended by itself; gives how, and all that it has written.
    pub async fn death(&mut self, replica: Replica, limit: Duration) -> (ExitStatus, String) {
        let process = self.processes.get_mut(&replica).expect("the replica runs");
        let what = format!("{} ends by itself", replica.program.name());
        let status = eventually(limit, &what, async || process.ended().ok_or("it runs on")).await;
        (status, self.take(replica).log())
    }

    fn take(&mut self, replica: Replica) -> Process {
        self.processes.remove(&replica).unwrap_or_else(|| panic!("{replica:?} doesn't run"))
    }

    /// Where webhooks are taken: scheme, host and port. It stays the same when ingest is started again.
    pub fn ingest_url(&self) -> String {
        format!("http://{}", self.ingest_address.as_deref().expect("ingest was started"))
    }

    /// Where this replica of ingest takes webhooks.
    pub fn webhooks_of(&self, replica: Replica) -> String {
        format!("http://{}", self.replica(replica).webhooks().expect("it takes webhooks"))
    }

    /// What the running services count, together.
    pub async fn scrape(&self) -> Scrape {
        let mut pages = Vec::new();
        for replica in self.processes.keys() {
            pages.push(self.page(*replica).await);
        }
        Scrape::read(&pages)
    }

    /// What one replica counts.
    pub async fn scrape_of(&self, replica: Replica) -> Scrape {
        Scrape::read(&[self.page(replica).await])
    }

    async fn page(&self, replica: Replica) -> String {
        let client =
            reqwest::Client::builder().no_proxy().timeout(SCRAPE_LIMIT).build().expect("an HTTP client");
        let admin = self.replica(replica).admin().expect("it takes work");
        let page = client.get(format!("http://{admin}/metrics")).send().await.expect("metrics are served");
        page.text().await.expect("metrics are text")
    }
}
