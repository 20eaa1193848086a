//! Arguments about the broker's users.

use clap::Args;
use std::path::PathBuf;

/// The users and keys to create or remove.
#[derive(Debug, Args)]
pub(crate) struct NatsAuth {
    /// Folder of the keys: seeds, the list of users, and the file that the server's configuration includes. It is
    /// created if it doesn't exist, readable by its owner only.
    #[arg(long, default_value = "nats-users")]
    pub(crate) folder: PathBuf,
    /// Add the user of a connection that publishes itself.
    #[arg(long, num_args = 2, value_names = ["STORE", "CONNECTION"])]
    pub(crate) partner: Vec<String>,
    /// Give a user a new key; the former one is accepted too until --retire.
    #[arg(long, value_name = "USER", conflicts_with = "partner")]
    pub(crate) rotate: Option<String>,
    /// Remove a user's former key.
    #[arg(long, value_name = "USER", conflicts_with_all = ["partner", "rotate"])]
    pub(crate) retire: Option<String>,
    /// Remove a partner's user, with its keys.
    #[arg(long, value_name = "USER", conflicts_with_all = ["partner", "rotate", "retire"])]
    pub(crate) revoke: Option<String>,
    /// With --partner or --rotate: the public half (`U…`) of a key whose seed stays with its owner.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["retire", "revoke"])]
    pub(crate) public_key: Option<String>,
    /// With --partner: don't check that the connections exist in the record.
    #[arg(long, requires = "partner")]
    pub(crate) unchecked: bool,
    /// Also write `cluster.conf`: the `cluster` block that all servers of a cluster include. Repeat the option for each
    /// of its three to nine servers, with the address at which the others reach it.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) route_server: Vec<String>,
    /// Folder on each server with the certificate that it presents to the others, its key and their authority:
    /// `tls.crt`, `tls.key`, `ca.crt`. The certificate is for both ends of a connection.
    #[arg(long, value_name = "FOLDER", default_value = "/etc/nats-tls", requires = "route_server")]
    pub(crate) route_tls: PathBuf,
    /// Show what would change, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
