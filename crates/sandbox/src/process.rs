//! A server as a child process: its log, its lock and its end.

use crate::{SandboxError, private};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// Time limit of a graceful stop; then the process is killed.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// Time limit for a killed process to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Time limit for a former owner of the folder to end.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
/// Interval for polling a state that sends no notice.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Upper limit of the part of a log that an error quotes, in bytes.
const TAIL_BYTES: u64 = 2048;

/// The folder of one server, locked as long as this or the server exists.
pub(crate) struct Home {
    folder: PathBuf,
    lock: File,
}

impl Home {
    pub(crate) async fn take(folder: &Path) -> Result<Self, SandboxError> {
        private::folder(folder).map_err(SandboxError::file(folder))?;
        let folder = folder.canonicalize().map_err(SandboxError::file(folder))?;
        let path = folder.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .read(true)
            .mode(0o600)
            .open(&path)
            .map_err(SandboxError::file(&path))?;
        let deadline = Instant::now() + LOCK_LIMIT;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { folder, lock }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(LOOK_INTERVAL).await,
                Err(TryLockError::WouldBlock) => return Err(SandboxError::InUse { path: folder }),
                Err(TryLockError::Error(source)) => return Err(SandboxError::File { path, source }),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The error of a server that has ended, with the end of its log.
    pub(crate) fn ended(&self, program: &'static str) -> SandboxError {
        let log = self.log();
        let tail = tail(&log).unwrap_or_default();
        SandboxError::Ended { program, log, tail }
    }

    /// Starts `command` with its output in the log.
    pub(crate) fn spawn(&self, mut command: Command, kind: Kind) -> Result<Server, SandboxError> {
        let path = self.log();
        let open = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let log = open.map_err(SandboxError::file(&path))?;
        let [stderr, lock] =
            [log.try_clone(), self.lock.try_clone()].map(|file| file.map_err(SandboxError::file(&path)));
        // The lock is passed on as standard input: it is held until the server is gone, even if we are gone before.
        command.stdin(lock?).stdout(log).stderr(stderr?).process_group(0);
        let program = PathBuf::from(command.as_std().get_program());
        let child = command.spawn().map_err(|source| SandboxError::Spawn { program, source })?;
        Server::watch(child, kind)
    }
}

fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// The program of a server, and the signals that stop it.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) program: &'static str,
    /// Stops it gracefully: work in progress is finished.
    pub(crate) orderly: Signal,
    /// Stops it at once, but without leaving anything behind.
    pub(crate) abrupt: Signal,
}

/// A running server. It is stopped at once when this is dropped.
pub(crate) struct Server {
    child: Child,
    pid: u32,
    kind: Kind,
    /// Stops the server when our end of the watchdog's pipe closes: if we are killed, nothing else would.
    _watchdog: Child,
}

impl Server {
    fn watch(child: Child, kind: Kind) -> Result<Self, SandboxError> {
        let pid = child.id().unwrap_or_default();
        let watchdog = Command::new("sh")
            .args(["-c", "read -r _; kill -s \"$1\" \"$2\" 2>/dev/null", "watchdog"])
            .args([kind.abrupt.as_raw().to_string(), pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| SandboxError::Spawn { program: "sh".into(), source });
        match watchdog {
            Ok(watchdog) => Ok(Self { child, pid, kind, _watchdog: watchdog }),
            Err(error) => {
                signal(pid, Signal::KILL);
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self::signal(self.pid, signal);
    }

    /// Returns true if it has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Stops it gracefully; kills it if that takes too long.
    pub(crate) async fn stop(mut self) -> Result<(), SandboxError> {
        if !self.ended() {
            signal(self.pid, self.kind.orderly);
        }
        if let Ok(waited) = timeout(STOP_LIMIT, self.child.wait()).await {
            return waited.map(|_| ()).map_err(|source| self.failed(source));
        }
        tracing::warn!(program = self.kind.program, pid = self.pid, limit = ?STOP_LIMIT, "killed: did not stop");
        self.kill().await
    }

    /// Kills it.
    pub(crate) async fn kill(mut self) -> Result<(), SandboxError> {
        let killed = timeout(KILL_LIMIT, self.child.kill()).await;
        killed.unwrap_or_else(|elapsed| Err(elapsed.into())).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> SandboxError {
        SandboxError::Stop { program: self.kind.program, pid: self.pid, source }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended() {
            signal(self.pid, self.kind.abrupt);
        }
    }
}

fn signal(pid: u32, signal: Signal) {
    // Fails only if the process is gone already, which is the wanted state.
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
