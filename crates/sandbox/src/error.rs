use std::{io, path::PathBuf, time::Duration};

/// Why a server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The program is nowhere to be found.
    #[error("{program} was not found: run script/setup, install it, or set {variable}")]
    NotFound {
        /// What was looked for.
        program: &'static str,
        /// The environment variable that names it.
        variable: &'static str,
    },
    /// A file or folder could not be made, read or written.
    #[error("{} could not be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// How it showed.
        #[source]
        source: io::Error,
    },
    /// Another server works in the folder.
    #[error("{} is in use by another server: stop that one, or choose another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The program could not be run at all.
    #[error("{} could not be run", program.display())]
    Spawn {
        /// Which.
        program: PathBuf,
        /// How it showed.
        #[source]
        source: io::Error,
    },
    /// The program ended instead of serving.
    #[error("{program} ended at its start; the end of its log ({}) says:\n{tail}", log.display())]
    Ended {
        /// Which.
        program: &'static str,
        /// Where all of it is.
        log: PathBuf,
        /// The last lines.
        tail: String,
    },
    /// The program didn't serve in time.
    #[error("{program} was not ready within {limit:?}; its log is {}", log.display())]
    NotReady {
        /// Which.
        program: &'static str,
        /// How long it was waited for.
        limit: Duration,
        /// Where its log is.
        log: PathBuf,
    },
    /// Postgres refuses to run as root, and there is no other user to run it as.
    #[error("postgres refuses to run as root and there is no user postgres or nobody: start as another user")]
    NoUser,
    /// The user that Postgres runs as can't reach its folder.
    #[error(
        "the user {user} that postgres runs as can't pass through {}: choose a folder elsewhere, or `chmod o+x` it",
        folder.display()
    )]
    Unreachable {
        /// The user.
        user: String,
        /// The first folder on the way that is closed.
        folder: PathBuf,
    },
    /// The process can't be waited for or signalled.
    #[error("{program} (process {pid}) could not be stopped")]
    Stop {
        /// Which.
        program: &'static str,
        /// Its process id.
        pid: u32,
        /// How it showed.
        #[source]
        source: io::Error,
    },
    /// Postgres couldn't be asked for a database.
    #[error("the database {name} could not be created: {reason}")]
    Database {
        /// Its name.
        name: String,
        /// What Postgres or the connection to it said.
        reason: String,
    },
}

impl SandboxError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
