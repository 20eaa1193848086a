//! Verbs by which people decide what rules can't: conflicts, connections, links.

use super::Target;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct Conflicts {
    #[command(subcommand)]
    pub(crate) what: ConflictsVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConflictsVerb {
    /// List conflicts, the newest first.
    #[command(after_help = "Example:\n  tillflow conflicts ls --store demo\n  \
                            tillflow conflicts ls --kind first_contact --output json\n  tillflow conflicts ls --all")]
    Ls {
        /// Only this store.
        #[arg(long)]
        store: Option<String>,
        /// Only this connection.
        #[arg(long)]
        connection: Option<String>,
        /// Only this kind, such as `first_contact`, `oversold`, `needs_reauth`.
        #[arg(long)]
        kind: Option<String>,
        /// Resolved ones too.
        #[arg(long)]
        all: bool,
        /// Upper limit of lines.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        target: Target,
    },
    /// Show one conflict: what stands against what, since when, and the way to end it.
    #[command(
        after_help = "Example:\n  tillflow conflicts show 17\n\nExit code 1 if there is no such conflict."
    )]
    Show {
        /// The conflict's number.
        conflict: i64,
        #[command(flatten)]
        target: Target,
    },
    /// End a conflict by your word; a first contact by saying whose number stands.
    #[command(after_help = "Example:\n  tillflow conflicts resolve 17 --take store\n  \
                            tillflow conflicts resolve 18 --note 'counted again, 4 pieces were broken'\n\n\
                            Ending a conflict `flapping` starts its writes at once.\n\n\
                            Exit code 1 if there is no such conflict, if it was resolved before, or if the answer to a \
                            first contact wasn't applied within --wait.")]
    Resolve {
        /// The conflict's number.
        conflict: i64,
        /// Whose number stands; for first contacts only.
        #[arg(long, value_enum)]
        take: Option<Take>,
        /// Your reason; kept for ever.
        #[arg(long)]
        note: Option<String>,
        /// Your name; kept with the conflict.
        #[arg(long, env = "USER", hide_env_values = true, default_value = "operator")]
        by: String,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        target: Target,
    },
}

/// Whose number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Take {
    /// The store's: the platform is written to.
    Store,
    /// The platform's: the store follows.
    Platform,
}

#[derive(Debug, Args)]
pub(crate) struct Connections {
    #[command(subcommand)]
    pub(crate) what: ConnectionVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionVerb {
    /// List connections with their states and what waits.
    #[command(
        after_help = "Example:\n  tillflow connection ls\n  tillflow connection ls --store demo --output json"
    )]
    Ls {
        /// Only this store.
        #[arg(long)]
        store: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Show one connection: its state, why and since when, its rule, and what waits.
    #[command(
        after_help = "Example:\n  tillflow connection show demo-shopify\n\nExit code 1 if there is no such connection."
    )]
    Show {
        /// The connection.
        connection: String,
        #[command(flatten)]
        target: Target,
    },
    /// Stop calling a platform. What happens meanwhile is kept and made good on resume.
    #[command(
        after_help = "Example:\n  tillflow connection pause demo-shopify\n\nExit code 1 if there is no such connection."
    )]
    Pause {
        /// The connection.
        connection: String,
        #[command(flatten)]
        target: Target,
    },
    /// Call a platform again: what was missed is fetched, and what differs is written.
    #[command(
        after_help = "Example:\n  tillflow connection resume demo-shopify\n\nExit code 1 if there is no such connection."
    )]
    Resume {
        /// The connection.
        connection: String,
        #[command(flatten)]
        target: Target,
    },
    /// Set whose number stands when the platform reports an item for the first time and the store has another number.
    #[command(
        after_help = "Example:\n  tillflow connection set demo-shopify --baseline platform --dry-run\n  \
                            tillflow connection set demo-shopify --baseline platform\n\n\
                            First contacts that wait for an answer get this one; the platform's number never stands where \
                            it is a zero that nothing stands behind.\n\n\
                            Exit code 1 if there is no such connection, or if it wasn't applied within --wait."
    )]
    Set {
        /// The connection.
        connection: String,
        /// Whose number stands; `ask` opens a conflict each time.
        #[arg(long, value_enum)]
        baseline: Baseline,
        /// Say how many first contacts would be answered, and do nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        target: Target,
    },
}

/// Whose number stands at a first contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Baseline {
    /// Nobody's until somebody answers.
    Ask,
    /// The store's.
    Store,
    /// The platform's.
    Platform,
}

#[derive(Debug, Args)]
pub(crate) struct Link {
    /// The connection.
    #[arg(long)]
    pub(crate) connection: String,
    /// The platform's id of the variant.
    #[arg(long, value_name = "EXTERNAL")]
    pub(crate) variant: String,
    /// The store's variant.
    #[arg(long, value_name = "VARIANT")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Unlink {
    /// The connection.
    #[arg(long)]
    pub(crate) connection: String,
    /// The platform's id of the variant.
    #[arg(long, value_name = "EXTERNAL")]
    pub(crate) variant: String,
    #[command(flatten)]
    pub(crate) wait: Wait,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct LinkLocation {
    /// The connection.
    #[arg(long)]
    pub(crate) connection: String,
    /// The platform's id of the location.
    #[arg(long, value_name = "EXTERNAL")]
    pub(crate) location: String,
    /// The store's location.
    #[arg(long, value_name = "LOCATION")]
    pub(crate) to: String,
    /// Say how many items would be read there, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) wait: Wait,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct IgnoreLocation {
    /// The connection.
    #[arg(long)]
    pub(crate) connection: String,
    /// The platform's id of the location.
    #[arg(long, value_name = "EXTERNAL")]
    pub(crate) location: String,
    /// Take part in it again.
    #[arg(long)]
    pub(crate) undo: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// How long a decision is waited for.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Wait {
    /// Seconds to wait until the decision is applied; 0 returns as soon as it is accepted.
    #[arg(long = "wait", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) seconds: u64,
}
