//! Arguments about the broker's users.

use clap::Args;
use std::path::PathBuf;

/// Which keys are made or ended.
#[derive(Debug, Args)]
pub(crate) struct NatsAuth {
    /// The folder of the keys: seeds, the list of users, and the file that the server's configuration includes. It is made if
    /// it isn't there, and closed to others.
    #[arg(long, default_value = "nats-users")]
    pub(crate) folder: PathBuf,
    /// Add the user of a connection that publishes itself.
    #[arg(long, num_args = 2, value_names = ["STORE", "CONNECTION"])]
    pub(crate) partner: Vec<String>,
    /// Give a user a new key; the one before is taken too until --retire.
    #[arg(long, value_name = "USER", conflicts_with = "partner")]
    pub(crate) rotate: Option<String>,
    /// End a user's key before the present one.
    #[arg(long, value_name = "USER", conflicts_with_all = ["partner", "rotate"])]
    pub(crate) retire: Option<String>,
    /// Take a partner's user off, with its keys.
    #[arg(long, value_name = "USER", conflicts_with_all = ["partner", "rotate", "retire"])]
    pub(crate) revoke: Option<String>,
    /// With --partner or --rotate: the public half (`U…`) of a key whose seed stays with whoever made it.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["retire", "revoke"])]
    pub(crate) public_key: Option<String>,
    /// With --partner: don't ask the record whether the connections exist.
    #[arg(long, requires = "partner")]
    pub(crate) unchecked: bool,
    /// Write `cluster.conf`, too: the `cluster` block that all servers of a cluster include. Say it for each of its three to
    /// nine servers, as the others reach it.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) route_server: Vec<String>,
    /// The folder on each server with the certificate that it shows the others, its key and their authority: `tls.crt`,
    /// `tls.key`, `ca.crt`. The certificate is for both ends of a connection.
    #[arg(long, value_name = "FOLDER", default_value = "/etc/nats-tls", requires = "route_server")]
    pub(crate) route_tls: PathBuf,
    /// Say what would change, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
