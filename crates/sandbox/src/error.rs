use std::{io, path::PathBuf, time::Duration};

/// Reason why a server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The program was not found.
    #[error("{program} was not found: run script/setup, install it, or set {variable}")]
    NotFound {
        /// The program.
        program: &'static str,
        /// The environment variable for its location.
        variable: &'static str,
    },
    /// A file or folder could not be made, read or written.
    #[error("{} could not be used", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The underlying error.
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
        /// The program.
        program: PathBuf,
        /// The underlying error.
        #[source]
        source: io::Error,
    },
    /// The program ended instead of serving.
    #[error("{program} ended at its start; the end of its log ({}) says:\n{tail}", log.display())]
    Ended {
        /// The program.
        program: &'static str,
        /// The path of the whole log.
        log: PathBuf,
        /// The last lines.
        tail: String,
    },
    /// The program didn't serve in time.
    #[error("{program} was not ready within {limit:?}; its log is {}", log.display())]
    NotReady {
        /// The program.
        program: &'static str,
        /// The time limit.
        limit: Duration,
        /// The path of its log.
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
        /// The first folder on the way that the user can't pass through.
        folder: PathBuf,
    },
    /// The process can't be waited for or signalled.
    #[error("{program} (process {pid}) could not be stopped")]
    Stop {
        /// The program.
        program: &'static str,
        /// Its process id.
        pid: u32,
        /// The underlying error.
        #[source]
        source: io::Error,
    },
    /// The database could not be created.
    #[error("the database {name} could not be created: {reason}")]
    Database {
        /// Its name.
        name: String,
        /// The error of Postgres or of the connection to it.
        reason: String,
    },
}

impl SandboxError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
