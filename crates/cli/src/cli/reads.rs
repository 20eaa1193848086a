//! Verbs for lists of platforms: scheduled reads and backfills.

use super::{Target, Wait};
use clap::{Args, Subcommand};
use model::Timestamp;

#[derive(Debug, Args)]
pub(crate) struct Sync {
    #[command(subcommand)]
    pub(crate) what: SyncVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SyncVerb {
    /// Read a connection's lists now, instead of when they are due.
    #[command(after_help = "Example:\n  tillflow sync run --connection demo-square\n  \
                      tillflow sync run --connection demo-square --collection products --whole\n\n\
                      It takes the place of a read that is under way. A paused connection is read when it is resumed.\n\n\
                      Exit code 1 if there is no such connection or collection, if the platform has no lists, or if a read \
                      was given up or hasn't ended within --wait.")]
    Run {
        #[command(flatten)]
        of: Listed,
        /// Read everything, not only what changed; objects that haven't changed are reported too.
        #[arg(long)]
        whole: bool,
        /// Retire all objects that the list lacks, however many: where a conflict `many_missing` isn't an outage.
        #[arg(long, requires = "whole")]
        accept_missing: bool,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        target: Target,
    },
    /// Show when a connection's lists were read, what they had, and when they are due.
    #[command(after_help = "Example:\n  tillflow sync status --connection demo-square\n  \
                      tillflow sync status --connection demo-square --output json\n\n\
                      Exit code 1 if there is no such connection.")]
    Status {
        /// The connection.
        #[arg(long)]
        connection: String,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Backfill {
    #[command(flatten)]
    pub(crate) of: Listed,
    /// Beginning of the range, such as 2026-11-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) since: Timestamp,
    /// End of the range; now, unless given.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<Timestamp>,
    /// Don't wait for the end.
    #[arg(long)]
    pub(crate) no_wait: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Lists of a connection.
#[derive(Debug, Clone, Args)]
pub(crate) struct Listed {
    /// The connection.
    #[arg(long)]
    pub(crate) connection: String,
    /// Only this collection, such as `products`, `levels`, `orders`, `customers`; may be repeated.
    #[arg(long)]
    pub(crate) collection: Vec<String>,
}

pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}
