//! Arguments about signatures of deliveries.

use super::Target;
use clap::Args;
use std::path::PathBuf;

/// The variable with the secret of a connection.
pub(crate) const SECRET_VARIABLE: &str = "TILLFLOW_SECRET";

/// The parameters of a connection that signatures depend on. A secret is never an argument: other users of the machine
/// can read those.
#[derive(Debug, Clone, Args)]
pub(crate) struct Signing {
    /// A connection of a running `tillflow dev`: its secret, URL and account.
    #[arg(long, conflicts_with_all = ["secret_file", "url", "account"])]
    pub(crate) connection: Option<String>,
    /// File with the secret; for `verify` several, one a line. Without it, the variable `TILLFLOW_SECRET`.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// The URL of the webhook as registered, for platforms that sign it.
    #[arg(long, default_value = "")]
    pub(crate) url: String,
    /// The account's name on the platform, for platforms that send it.
    #[arg(long, default_value = "")]
    pub(crate) account: String,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The platform.
    pub(crate) platform: String,
    /// The topic, as the platform writes it.
    pub(crate) topic: String,
    /// The body; `-` is standard input.
    #[arg(long, default_value = "-")]
    pub(crate) file: PathBuf,
    /// Id of the delivery; a random one if none is given.
    #[arg(long, value_name = "ID")]
    pub(crate) delivery: Option<String>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The platform.
    pub(crate) platform: String,
    /// The headers as received: a line `name: value` for each; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) headers: PathBuf,
    /// The body as received, byte for byte; `-` is standard input.
    #[arg(long)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) signing: Signing,
}
