//! The real services as child processes.

use crate::{eventually, log::Log};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// Time limit for a service to become ready; all of them start at once on two cores.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// Time limit for a service to end after SIGTERM; its own limit is 20 seconds.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A program of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// The intake: receives deliveries.
    Ingest,
    /// Turns deliveries into events.
    Normalize,
    /// Passes each event once.
    Dedupe,
    /// Adds the store's locations to events.
    Enrich,
    /// Normalize, dedupe and enrich in one pass.
    Transform,
    /// Decides and commits the change of each event.
    Apply,
    /// Writes the store's values to platforms.
    Propagate,
    /// Fetches the objects that thin notifications name.
    Fetch,
}

impl Program {
    /// The programs of an installation in which each stage is deployed apart, in the order in which an event passes them.
    pub const ALL: [Self; 7] = [
        Self::Ingest,
        Self::Normalize,
        Self::Dedupe,
        Self::Enrich,
        Self::Apply,
        Self::Propagate,
        Self::Fetch,
    ];

    /// The programs of an installation in which the stages before apply run in one pass.
    pub const IN_ONE_PASS: [Self; 5] =
        [Self::Ingest, Self::Transform, Self::Apply, Self::Propagate, Self::Fetch];

    /// The name of the binary, and of the stage if it is one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Normalize => "normalize",
            Self::Dedupe => "dedupe",
            Self::Enrich => "enrich",
            Self::Transform => "transform",
            Self::Apply => "apply",
            Self::Propagate => "propagate",
            Self::Fetch => "fetch",
        }
    }

    /// Returns true if its configuration section has a database.
    pub const fn has_store(self) -> bool {
        !matches!(self, Self::Normalize | Self::Dedupe)
    }

    /// The path of the binary: beside our own, or one folder up for a test in the folder `deps`.
    pub fn binary(self) -> PathBuf {
        let own = std::env::current_exe().expect("a program knows where it is");
        let beside = own.parent().expect("a program is in a folder");
        let is_below = beside.ends_with("deps") || beside.ends_with("examples");
        let folder = if is_below { beside.parent().unwrap_or(beside) } else { beside };
        let binary = folder.join(self.name());
        let folder = folder.display();
        assert!(binary.is_file(), "{folder} has no {}: run `cargo build --workspace` first", self.name());
        binary
    }

    /// Runs the binary with these settings alone until it ends by itself. Returns its exit code and all that it wrote
    /// to standard error. Kills it and panics if it doesn't end within 30 seconds.
    pub async fn run_to_end(self, settings: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = self.command();
        command.envs(settings.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = timeout(STOP_LIMIT, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{} didn't end by itself", self.name()));
        let output = output.expect("a binary can be run");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn command(self) -> Command {
        let mut command = Command::new(self.binary());
        // The environment of the test must not change its result.
        command.env_clear().env("RUST_BACKTRACE", "1").stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// A running service. It is killed on drop.
pub struct Process {
    program: Program,
    pid: u32,
    log: Log,
    /// Declared before the child, so that it ends before the child's process id can be reused.
    _watchdog: Child,
    child: Child,
}

impl Process {
    /// Starts the program with these settings alone; its output goes to `log`.
    pub fn start(program: Program, settings: &[(&str, &str)], log: &Path) -> Self {
        let log = Log::new(log.to_owned());
        let mut command = program.command();
        command.envs(settings.iter().copied()).stdout(log.output()).stderr(log.output());
        let child = command.spawn().expect("a binary can be run");
        let pid = child.id().expect("a process that was just started has an id");
        Self { program, pid, log, _watchdog: watchdog(pid), child }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The whole log.
    pub fn log(&self) -> String {
        self.log.text()
    }

    pub(crate) fn log_file(&self) -> &Log {
        &self.log
    }

    /// The address for metrics and health, once it is logged.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.log.field("starting", "admin")?.parse().ok()
    }

    /// The address for webhooks, once it is logged; only ingest has one.
    pub fn webhooks(&self) -> Option<SocketAddr> {
        self.log.field("taking webhooks", "address")?.parse().ok()
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) {
        let name = self.program.name();
        let client = https::client().no_proxy().build().expect("an HTTP client");
        eventually(READY_LIMIT, &format!("{name} takes work"), async || {
            let ended = self.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "{name} ended at its start ({ended:?}):\n{}", self.log.tail());
            let admin = self.admin().ok_or("it says no address")?;
            let response =
                client.get(format!("http://{admin}/readyz")).send().await.map_err(|_| "it is silent")?;
            if !response.status().is_success() {
                return Err("it says it isn't ready");
            }
            if self.program == Program::Ingest && self.webhooks().is_none() {
                Err("no intake")
            } else {
                Ok(())
            }
        })
        .await;
    }

    /// Returns true if it has ended, by itself or not.
    pub fn has_ended(&mut self) -> bool {
        self.ended().is_some()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Stops it in the middle of its work (SIGSTOP), as a stalled machine would, until [`Process::resume`].
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues it where it was paused (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("a child can be signalled");
    }

    /// Kills it (SIGKILL), as a fault would.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("a child can be killed");
    }

    /// Requests it to stop (SIGTERM) and waits for its end; panics after 30 seconds.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let ended = timeout(STOP_LIMIT, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| {
            panic!("{} goes on after SIGTERM:\n{}", self.program.name(), self.log.tail())
        });
        ended.expect("a child can be waited for")
    }
}

/// Starts a shell that kills the process when its input closes: if we are killed, we can't do it ourselves.
fn watchdog(pid: u32) -> Child {
    Command::new("sh")
        .args(["-c", "read -r _; kill -s KILL \"$1\" 2>/dev/null", "watchdog", &pid.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .expect("a shell can be run")
}
