//! Verbs for decisions that people make and rules can't: conflicts, connections, links.

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
        /// Include resolved ones.
        #[arg(long)]
        all: bool,
        /// Upper limit of lines.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        target: Target,
    },
    /// Show one conflict: the contradicting values, their times, and the way to resolve it.
    #[command(
        after_help = "Example:\n  tillflow conflicts show 17\n\nExit code 1 if there is no such conflict."
    )]
    Show {
        /// The conflict's number.
        conflict: i64,
        #[command(flatten)]
        target: Target,
    },
    /// Resolve a conflict; for a first contact, select the number that stands.
    #[command(after_help = "Example:\n  tillflow conflicts resolve 17 --take store\n  \
                            tillflow conflicts resolve 18 --note 'counted again, 4 pieces were broken'\n\n\
                            Ending a conflict `flapping` starts its writes at once.\n\n\
                            Exit code 1 if there is no such conflict, if it was resolved before, or if the decision of a \
                            first contact wasn't applied within --wait.")]
    Resolve {
        /// The conflict's number.
        conflict: i64,
        /// The number that stands; for first contacts only.
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

/// The number that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Take {
    /// The store's number, which is written to the platform.
    Store,
    /// The platform's number, to which the store's level is set.
    Platform,
}

#[derive(Debug, Args)]
pub(crate) struct Connections {
    #[command(subcommand)]
    pub(crate) what: ConnectionVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionVerb {
    /// List connections with their states, open conflicts, and due and refused writes.
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
    /// Show one connection: its state with reason and time, its rule, open conflicts, due writes and readings.
    #[command(
        after_help = "Example:\n  tillflow connection show demo-shopify\n\nExit code 1 if there is no such connection."
    )]
    Show {
        /// The connection.
        connection: String,
        #[command(flatten)]
        target: Target,
    },
    /// Stop calling a platform. Changes meanwhile are kept and processed on resume.
    #[command(
        after_help = "Example:\n  tillflow connection pause demo-shopify\n\nExit code 1 if there is no such connection."
    )]
    Pause {
        /// The connection.
        connection: String,
        #[command(flatten)]
        target: Target,
    },
    /// Call a platform again: missed changes are fetched, and values that differ are written.
    #[command(
        after_help = "Example:\n  tillflow connection resume demo-shopify\n\nExit code 1 if there is no such connection."
    )]
    Resume {
        /// The connection.
        connection: String,
        #[command(flatten)]
        target: Target,
    },
    /// Set the rule for first contacts: the number that stands if the store has another number than a platform's first
    /// report of an item.
    #[command(
        after_help = "Example:\n  tillflow connection set demo-shopify --baseline platform --dry-run\n  \
                            tillflow connection set demo-shopify --baseline platform\n\n\
                            First contacts that wait for a decision get this one; the platform's number never stands where \
                            it is a zero that nothing stands behind.\n\n\
                            Exit code 1 if there is no such connection, or if it wasn't applied within --wait."
    )]
    Set {
        /// The connection.
        connection: String,
        /// The number that stands; `ask` opens a conflict each time.
        #[arg(long, value_enum)]
        baseline: Baseline,
        /// Show how many waiting first contacts would be decided, and do nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        target: Target,
    },
}

/// Rule for first contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Baseline {
    /// Neither number, until a person decides.
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
    /// Show how many items would be read there, and do nothing.
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
    /// Stop ignoring it.
    #[arg(long)]
    pub(crate) undo: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// Time limit for waiting for a decision's outcome.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Wait {
    /// Seconds to wait until the decision is applied; 0 returns as soon as it is accepted.
    #[arg(long = "wait", value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(crate) seconds: u64,
}
