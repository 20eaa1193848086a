//! Verbs for lists of platforms: scheduled reads and backfills.

use super::{Target, Wait};
use clap::{Args, Subcommand};
use model::{ReadTimes, Timestamp};

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
    /// Set the times at which a connection's lists are read as a whole, by the clock of the store.
    #[command(after_help = "Example:\n  tillflow sync times --connection demo-square --at '0 4 * * *'\n  \
                      tillflow sync times --connection demo-square --collection products --at '30 2 * * SUN'\n  \
                      tillflow sync times --connection demo-square --default\n\n\
                      Times are a cron pattern: minute, hour, day, month, weekday. Each list is read up to an hour later, always \
                      by the same time. A time that clocks skip is that of the change; one that they show twice counts \
                      once. Lists of changes are read at their intervals as before; a list that can only be read whole is read \
                      at these times alone.\n\n\
                      Exit code 1 if there is no such connection or collection, or if the platform has no such lists.")]
    Times {
        #[command(flatten)]
        of: Listed,
        /// The times.
        #[arg(long, value_name = "PATTERN", value_parser = times, required_unless_present = "default")]
        at: Option<ReadTimes>,
        /// The times that the service is configured with; lists that can only be read whole at their intervals.
        #[arg(long, conflicts_with = "at")]
        default: bool,
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

fn times(text: &str) -> Result<ReadTimes, String> {
    ReadTimes::parse(text).map_err(|error| error.to_string())
}

pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| error.to_string())
}
