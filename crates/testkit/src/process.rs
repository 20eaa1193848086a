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

/// How long a service may take to say that it takes work; all of them start at once on two cores.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// How long a service may take to end after SIGTERM; it gives itself 20 seconds.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A program of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Program {
    /// The intake.
    Ingest,
    /// Deliveries to events.
    Normalize,
    /// Each event once.
    Dedupe,
    /// What events are about.
    Enrich,
    /// What events change.
    Apply,
    /// What platforms should hold.
    Propagate,
    /// What thin notifications speak of.
    Poll,
}

impl Program {
    /// All of them, in the order in which an event passes them.
    pub const ALL: [Self; 7] =
        [Self::Ingest, Self::Normalize, Self::Dedupe, Self::Enrich, Self::Apply, Self::Propagate, Self::Poll];

    /// The name of its binary and of its stage.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Normalize => "normalize",
            Self::Dedupe => "dedupe",
            Self::Enrich => "enrich",
            Self::Apply => "apply",
            Self::Propagate => "propagate",
            Self::Poll => "poll",
        }
    }

    /// Whether its section of the configuration has a database.
    pub const fn has_store(self) -> bool {
        !matches!(self, Self::Normalize | Self::Dedupe)
    }

    /// Its binary: beside our own, or, for a test in its folder `deps`, one folder up.
    pub fn binary(self) -> PathBuf {
        let own = std::env::current_exe().expect("a program knows where it is");
        let beside = own.parent().expect("a program is in a folder");
        let folder = if beside.ends_with("deps") { beside.parent().unwrap_or(beside) } else { beside };
        let binary = folder.join(self.name());
        let folder = folder.display();
        assert!(binary.is_file(), "{folder} has no {}: run `cargo build --workspace` first", self.name());
        binary
    }

    /// Runs the binary with these settings alone until it ends by itself, and gives its exit code and all that it
    /// wrote. Kills it and panics if it doesn't end within 30 seconds.
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
        // Nothing of the surroundings may change what a test sees.
        command.env_clear().env("RUST_BACKTRACE", "1").stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

/// A running service. Dropped, it is killed.
pub struct Process {
    program: Program,
    pid: u32,
    log: Log,
    /// Before the child, so that it is gone before the child's id may be another's.
    _watchdog: Child,
    child: Child,
}

impl Process {
    /// Starts the program with these settings alone; it writes to `log`.
    pub fn start(program: Program, settings: &[(&str, &str)], log: &Path) -> Self {
        let log = Log::new(log.to_owned());
        let mut command = program.command();
        command.envs(settings.iter().copied()).stdout(log.output()).stderr(log.output());
        let child = command.spawn().expect("a binary can be run");
        let pid = child.id().expect("a process that was just started has an id");
        Self { program, pid, log, _watchdog: watchdog(pid), child }
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// All that it has written.
    pub fn log(&self) -> String {
        self.log.text()
    }

    pub(crate) fn log_file(&self) -> &Log {
        &self.log
    }

    /// Where it serves metrics and health, once it has said so.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.log.field("starting", "admin")?.parse().ok()
    }

    /// Where it takes webhooks, once it has said so; only ingest does.
    pub fn webhooks(&self) -> Option<SocketAddr> {
        self.log.field("taking webhooks", "address")?.parse().ok()
    }

    /// Waits until it takes work.
    pub async fn ready(&mut self) {
        let name = self.program.name();
        let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        eventually(READY_LIMIT, &format!("{name} takes work"), async || {
            let ended = self.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "{name} ended at its start ({ended:?}):\n{}", self.log.tail());
            let admin = self.admin().ok_or("it says no address")?;
            let answer =
                client.get(format!("http://{admin}/readyz")).send().await.map_err(|_| "it is silent")?;
            if !answer.status().is_success() {
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

    /// Whether it has ended, by itself or not.
    pub fn has_ended(&mut self) -> bool {
        self.ended().is_some()
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Stops it in the middle of whatever it does (SIGSTOP), as a stalled machine would, until [`Process::resume`].
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Has it go on where it was paused (SIGCONT).
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

    /// Asks it to stop (SIGTERM) and waits for its end; panics after 30 seconds.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        let ended = timeout(STOP_LIMIT, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| {
            panic!("{} goes on after SIGTERM:\n{}", self.program.name(), self.log.tail())
        });
        ended.expect("a child can be waited for")
    }
}

/// Kills the process when we are gone: killed, we can't do it ourselves.
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
