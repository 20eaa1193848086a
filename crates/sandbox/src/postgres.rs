use crate::{
    SandboxError, find, private,
    process::{Home, Kind, LOOK_INTERVAL, Server},
    scram, session, slow_disk, template,
};
use rustix::process::Signal;
use std::{
    fs, io,
    net::TcpListener,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt as _,
    process::Command,
    time::{Instant, sleep, timeout},
};

/// Time limit of `initdb`.
const INIT_LIMIT: Duration = Duration::from_mins(1);
/// Time limit for a server to be ready; after a kill it recovers first.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// Upper limit of attempts to start: a port may be taken between the check and the bind, and a killed server's
/// children linger.
const MAX_STARTS: u32 = 20;
/// The pause between two starts.
const START_PAUSE: Duration = Duration::from_millis(250);
/// SIGINT is Postgres's fast shutdown, SIGQUIT its immediate one, which leaves no shared memory behind.
const KIND: Kind = Kind { program: "postgres", orderly: Signal::INT, abrupt: Signal::QUIT };
/// Settings for two cores that the server shares with everything else. `fsync` stays on: durability is promised.
const SETTINGS: [&str; 8] = [
    // The details of a refused statement quote rows and texts; the log shall contain none.
    "log_error_verbosity=terse",
    "log_min_error_statement=panic",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "shared_buffers=256MB",
    "max_wal_size=2GB",
    "wal_compression=on",
    "max_connections=60",
];

/// Options for the start of a Postgres.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The folder of its cluster and its log.
    pub data_dir: PathBuf,
    /// The port on loopback; 0 selects a free one.
    pub port: u16,
    /// True if its data need not survive a crash of the machine: a new cluster is copied from a template that was made
    /// once, in the folder for temporary files, and isn't synced before it is used.
    pub is_throwaway: bool,
    /// Prolongs each sync to disk, by means of `strace`.
    pub sync_delay: Option<Duration>,
}

impl PostgresOptions {
    /// A server on a free port.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), port: 0, is_throwaway: false, sync_delay: None }
    }

    /// A server on a free port that is thrown away after a test.
    pub fn throwaway(data_dir: impl Into<PathBuf>) -> Self {
        Self { is_throwaway: true, ..Self::new(data_dir) }
    }
}

/// The arguments of `initdb` for a new cluster: nobody can connect while it is made, and it gets its password before it
/// is started.
const NEW_CLUSTER: [&str; 5] =
    ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
/// The file in its folder that holds the password of the user `postgres`.
const PASSWORD_FILE: &str = "password";
/// The content of `pg_hba.conf`: connections are accepted with the password, and from this machine only.
const ADMITTED: &str = "host all all 127.0.0.1/32 scram-sha-256\n";

/// A Postgres that belongs to this process and requires a random password of its own; it is stopped at once when this
/// is dropped.
pub struct Postgres {
    home: Home,
    password: String,
    programs: PathBuf,
    user: Option<User>,
    port: u16,
    sync_delay: Option<Duration>,
    server: Option<Server>,
    pid: u32,
}

impl Postgres {
    /// Starts a server, with a new cluster if the folder holds none, and waits until it is ready. If this process is
    /// root, the server runs as the user `postgres` or `nobody`. The programs are in `$TILLFLOW_POSTGRES_BIN`, the
    /// folder that `pg_config` reports, the newest `/usr/lib/postgresql/*/bin`, or on `PATH`.
    pub async fn start(options: PostgresOptions) -> Result<Self, SandboxError> {
        let programs = find::postgres_folder()?;
        let user = User::to_run_as()?;
        let home = Home::take(&options.data_dir).await?;
        let password = String::new();
        let PostgresOptions { port, sync_delay, .. } = options;
        let mut postgres = Self { home, password, programs, user, port, sync_delay, server: None, pid: 0 };
        postgres.init(options.is_throwaway).await?;
        postgres.launch(options.port == 0).await?;
        Ok(postgres)
    }

    /// The URL of the database `postgres`, with the user `postgres` and the password.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The process id of the server that was started last.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// A command of Postgres's client `psql` on the database `postgres`, as the user `postgres`, without the settings
    /// of the caller's account. It prints rows without decoration and ends at the first statement that is refused.
    pub fn psql(&self) -> Result<Command, SandboxError> {
        let mut command = Command::new(find::psql(&self.programs)?);
        command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        // All users of the machine can see arguments.
        command.env("PGPASSWORD", &self.password);
        command.arg("--dbname").arg(url).stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// Creates the database `name` (`[a-z0-9_]{1,63}`) if there is none, and returns its URL.
    pub async fn create_database(&self, name: &str) -> Result<String, SandboxError> {
        /// `duplicate_database` (Postgres, appendix A).
        const EXISTS: &str = "42P04";
        let failed = |reason: String| SandboxError::Database { name: name.to_owned(), reason };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=63).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(failed("a name is 1 to 63 of a-z 0-9 _".to_owned()));
        }
        match session::execute(self.port, &self.password, &format!("create database \"{name}\"")).await {
            Ok(Ok(())) => Ok(self.url_of(name)),
            Ok(Err(refusal)) if refusal.code == EXISTS => Ok(self.url_of(name)),
            Ok(Err(refusal)) => Err(failed(refusal.message)),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Stops the server gracefully (clients are disconnected); kills it if that takes more than 15 seconds.
    pub async fn stop(mut self) -> Result<(), SandboxError> {
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Kills the server (SIGKILL), as a fault would.
    pub async fn kill(&mut self) -> Result<(), SandboxError> {
        match self.server.take() {
            Some(server) => server.kill().await,
            None => Ok(()),
        }
    }

    /// Stops the server if it runs, and starts it again on the same port with the same data.
    pub async fn restart(&mut self) -> Result<(), SandboxError> {
        if let Some(server) = self.server.take() {
            server.stop().await?;
        }
        self.launch(false).await
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    fn cluster(&self) -> PathBuf {
        self.home.path().join("cluster")
    }

    async fn init(&mut self, is_throwaway: bool) -> Result<(), SandboxError> {
        let cluster = self.cluster();
        if let Some(user) = &self.user {
            user.reach(self.home.path())?;
        }
        // `initdb` writes `global/pg_control` last, except for its final sync; without it a cluster is incomplete.
        let file = self.home.path().join(PASSWORD_FILE);
        let is_made = cluster.join("global/pg_control").exists() && cluster.join("made").exists();
        if is_made && file.exists() {
            let password = fs::read_to_string(&file).map_err(SandboxError::file(&file))?;
            password.trim().clone_into(&mut self.password);
            return Ok(());
        }
        self.password = private::random().map_err(SandboxError::file(&file))?;
        if is_made {
            // An older version made it, with `trust` for everybody.
            return self.set_password(&file, &[]).await;
        }
        if cluster.exists() {
            fs::remove_dir_all(&cluster).map_err(SandboxError::file(&cluster))?;
        }
        fs::create_dir(&cluster).map_err(SandboxError::file(&cluster))?;
        if let Some(user) = &self.user {
            chown(&cluster, Some(user.uid), Some(user.gid)).map_err(SandboxError::file(&cluster))?;
        }
        if is_throwaway {
            self.copy_template(&cluster).await?;
            self.set_password(&file, &["-F"]).await?;
        } else {
            // Both write many small files; they are synced once.
            self.initdb(&cluster, &NEW_CLUSTER).await?;
            self.set_password(&file, &["-F"]).await?;
            self.initdb(&cluster, &["--sync-only"]).await?;
        }
        fs::write(cluster.join("made"), []).map_err(SandboxError::file(&cluster))
    }

    async fn copy_template(&self, cluster: &Path) -> Result<(), SandboxError> {
        let uid = self.user.as_ref().map_or(rustix::process::geteuid().as_raw(), |user| user.uid);
        let folder = template::folder(&self.programs, uid);
        if template::copy(&folder, cluster, uid)? {
            return Ok(());
        }
        self.initdb(cluster, &NEW_CLUSTER).await?;
        template::keep(cluster, &folder, uid)
    }

    /// Sets a cluster's password, makes it required from now on, and writes it into `file`, where the next start reads
    /// it. Nobody can connect meanwhile.
    async fn set_password(&self, file: &Path, options: &[&str]) -> Result<(), SandboxError> {
        let salt = private::random().map_err(SandboxError::file(file))?;
        let kept = scram::kept(&self.password, salt.as_bytes());
        let mut command = self.command("postgres");
        command
            .arg("--single")
            .args(options)
            .arg("-D")
            .arg(self.cluster())
            .arg("postgres")
            .kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = self.programs.join("postgres");
        let spawned = |source| SandboxError::Spawn { program: program.clone(), source };
        let mut child = command.spawn().map_err(spawned)?;
        let statement = format!("alter role postgres password '{kept}'\n");
        if let Some(mut input) = child.stdin.take() {
            input.write_all(statement.as_bytes()).await.map_err(spawned)?;
        }
        let log = self.home.log();
        let late = |_| SandboxError::NotReady { program: "postgres", limit: INIT_LIMIT, log };
        let status = timeout(INIT_LIMIT, child.wait()).await.map_err(late)?.map_err(spawned)?;
        if !status.success() {
            return Err(self.home.ended("postgres"));
        }
        let admitted = self.cluster().join("pg_hba.conf");
        fs::write(&admitted, ADMITTED).map_err(SandboxError::file(&admitted))?;
        private::write(file, self.password.as_bytes()).map_err(SandboxError::file(file))
    }

    async fn initdb(&self, cluster: &Path, options: &[&str]) -> Result<(), SandboxError> {
        let log = self.home.log();
        let open = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&log);
        let output = open.map_err(SandboxError::file(&log))?;
        let errors = output.try_clone().map_err(SandboxError::file(&log))?;
        let mut command = self.command("initdb");
        command.arg("--pgdata").arg(cluster).args(options);
        command.stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
        let program = self.programs.join("initdb");
        let status = timeout(INIT_LIMIT, command.status())
            .await
            .map_err(|_| SandboxError::NotReady { program: "initdb", limit: INIT_LIMIT, log: log.clone() })?
            .map_err(|source| SandboxError::Spawn { program, source })?;
        if status.success() { Ok(()) } else { Err(self.home.ended("initdb")) }
    }

    async fn launch(&mut self, any_port: bool) -> Result<(), SandboxError> {
        let mut starts = 0;
        loop {
            if any_port {
                self.port = free_port().map_err(SandboxError::file(self.home.path()))?;
            }
            starts += 1;
            match self.launch_once().await {
                Err(SandboxError::Ended { .. }) if starts < MAX_STARTS => sleep(START_PAUSE).await,
                other => return other,
            }
        }
    }

    async fn launch_once(&mut self) -> Result<(), SandboxError> {
        let mut command = self.as_user(slow_disk::command(self.programs.join("postgres"), self.sync_delay));
        command.arg("-D").arg(self.cluster()).args(["-p", &self.port.to_string()]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let mut server = self.home.spawn(command, KIND)?;
        self.ready(&mut server).await?;
        self.pid = server.pid();
        self.server = Some(server);
        Ok(())
    }

    /// Waits until the server is ready. The first line of `postmaster.pid` is the process id of the server, the eighth
    /// its state.
    async fn ready(&self, server: &mut Server) -> Result<(), SandboxError> {
        let path = self.cluster().join("postmaster.pid");
        let pid = server.pid().to_string();
        let deadline = Instant::now() + READY_LIMIT;
        while Instant::now() < deadline {
            if server.ended() {
                return Err(self.home.ended(KIND.program));
            }
            let state = fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = state.lines().map(str::trim).collect();
            if lines.first() == Some(&pid.as_str()) && lines.get(7) == Some(&"ready") {
                return Ok(());
            }
            sleep(LOOK_INTERVAL).await;
        }
        Err(SandboxError::NotReady { program: KIND.program, limit: READY_LIMIT, log: self.home.log() })
    }

    fn command(&self, program: &str) -> Command {
        self.as_user(Command::new(self.programs.join(program)))
    }

    fn as_user(&self, mut command: Command) -> Command {
        // The user that it runs as may have no access to the current folder.
        command.current_dir("/");
        if let Some(user) = &self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The user that Postgres runs as if this process is root.
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl User {
    fn to_run_as() -> Result<Option<Self>, SandboxError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = ["postgres", "nobody"].into_iter().find_map(|name| {
            let fields = users
                .lines()
                .map(|line| line.split(':').collect::<Vec<_>>())
                .find(|fields| fields[0] == name)?;
            Some(Self {
                name: name.to_owned(),
                uid: fields.get(2)?.parse().ok()?,
                gid: fields.get(3)?.parse().ok()?,
            })
        });
        found.map(Some).ok_or(SandboxError::NoUser)
    }

    /// Makes this user the owner of `folder`, and checks that every folder above it lets this user through.
    fn reach(&self, folder: &Path) -> Result<(), SandboxError> {
        chown(folder, Some(self.uid), Some(self.gid)).map_err(SandboxError::file(folder))?;
        for folder in folder.ancestors().skip(1) {
            let mode = fs::metadata(folder).map_err(SandboxError::file(folder))?.permissions().mode();
            if mode & 0o001 == 0 {
                return Err(SandboxError::Unreachable {
                    user: self.name.clone(),
                    folder: folder.to_path_buf(),
                });
            }
        }
        Ok(())
    }
}
