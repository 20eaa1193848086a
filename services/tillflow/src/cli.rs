//! Verbs and their arguments.

mod decisions;
mod users;

pub(crate) use decisions::{
    Baseline, Conflicts, ConflictsVerb, ConnectionVerb, Connections, IgnoreLocation, Link, LinkLocation,
    Take, Unlink, Wait,
};
pub(crate) use users::NatsAuth;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf};

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 it failed, 2 the arguments or the configuration can't be used.";

/// Keeps every place a shop sells from in agreement.
#[derive(Debug, Parser)]
#[command(name = "tillflow", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    /// How results are written.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Lines for people.
    Text,
    /// One JSON value a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run everything on this machine: broker, database, all services and, with --demo, three simulated platforms.
    #[command(
        after_help = "Example:\n  tillflow dev --demo\n  tillflow dev --listen 127.0.0.1:0 --output json"
    )]
    Dev(Dev),
    /// Send a signed delivery, as the platform would.
    #[command(
        after_help = "Example:\n  tillflow trigger shopify inventory_levels/update --connection demo-shopify --dup 3\n  \
                      tillflow trigger square inventory.count.updated --connection demo-square --file body.json"
    )]
    Trigger(Trigger),
    /// Follow what is committed, decoded, one line or JSON value each.
    #[command(
        after_help = "Example:\n  tillflow tail --store demo\n  tillflow tail --output json | jq .effects"
    )]
    Tail(Tail),
    /// Show what the record holds.
    #[command(after_help = "Example:\n  tillflow show store demo")]
    Show(Show),
    /// List how the events of a store ended, the latest last; or every outcome of one delivery, whichever stage it
    /// ended in.
    #[command(after_help = "Example:\n  tillflow events --store demo --limit 20\n  \
                      tillflow events --delivery 6f1c2a9b3d4e5f60718293a4b5c6d7e8\n\n\
                      With --store too, --delivery reads that store only, which is faster.\n\n\
                      Exit code 1 if nothing is known of the delivery.")]
    Events(Events),
    /// Conflicts: what rules can't decide. List them, look at one, end one.
    #[command(
        after_help = "Example:\n  tillflow conflicts ls --store demo\n  tillflow conflicts show 17\n  \
                      tillflow conflicts resolve 17 --take store"
    )]
    Conflicts(Conflicts),
    /// Connections: their states, pausing them, whose number stands at a first contact.
    #[command(after_help = "Example:\n  tillflow connection ls --store demo\n  \
                      tillflow connection show demo-shopify\n  tillflow connection pause demo-shopify\n  \
                      tillflow connection set demo-shopify --baseline platform")]
    Connection(Connections),
    /// Link a platform's variant to a variant of the store.
    #[command(
        after_help = "Example:\n  tillflow link --connection demo-square --variant VAR7 --to var_3fa1c09b2d44\n\n\
                      Exit code 1 if there is no such connection or variant, or if it wasn't applied within --wait."
    )]
    Link(Link),
    /// Make a platform's variant one of its own; it keeps its number and isn't matched again by it.
    #[command(after_help = "Example:\n  tillflow unlink --connection demo-square --variant VAR7\n\n\
                      Exit code 1 if there is no such connection or link, or if it wasn't applied within --wait.")]
    Unlink(Unlink),
    /// Link a platform's location to a location of the store: what is reported there counts from then on, and the
    /// platform is read for each of its items there.
    #[command(
        after_help = "Example:\n  tillflow link-location --connection demo-shopify --location 655441491 --to demo-main --dry-run\n  \
                      tillflow link-location --connection demo-shopify --location 655441491 --to demo-main\n\n\
                      A link of a location stays: it can't be changed. Beyond 10,000 items the others count from their next \
                      report on.\n\n\
                      Exit code 1 if there is no such connection or location, if either side is linked otherwise, or if it \
                      wasn't applied within --wait."
    )]
    LinkLocation(LinkLocation),
    /// Take no part in a platform's location: what is reported of it is left aside without a conflict.
    #[command(
        after_help = "Example:\n  tillflow ignore-location --connection demo-shopify --location 655441491\n  \
                      tillflow ignore-location --connection demo-shopify --location 655441491 --undo\n\n\
                      Exit code 1 if there is no such connection."
    )]
    IgnoreLocation(IgnoreLocation),
    /// Hold what was accepted against what the record has of it: name what is missing or contradicts itself.
    #[command(after_help = "Example:\n  tillflow audit\n  tillflow audit --store demo --output json\n\n\
                      While events come in, `in flight` may be below 0: what is accepted is counted once a second.\n\n\
                      Exit code 1 if anything is missing or contradicts itself.")]
    Audit(Audit),
    /// Dead letters: list them by cause, look at one, take them in again, give them up.
    #[command(after_help = "Example:\n  tillflow dlq ls\n  tillflow dlq show 17\n  \
                      tillflow dlq replay --fingerprint 3fa1c09b2d44 --dry-run\n  \
                      tillflow dlq replay --fingerprint 3fa1c09b2d44 --rate 20\n  \
                      tillflow dlq discard 17 --note 'test data of the partner'")]
    Dlq(Dlq),
    /// Decide RAW once more: into an empty database, which then must be as the present one; or against the present one,
    /// which must not change. Nothing is sent to any platform.
    #[command(
        after_help = "Example:\n  tillflow replay\n  tillflow replay --into postgres://localhost/rebuilt\n  tillflow replay --repair\n\n\
                      Exit code 1 if a store differs, or if the present record would change."
    )]
    Replay(Replay),
    /// Hold levels, ledger, products, variants and orders against what the event store tells, and put right what
    /// differs.
    ///
    /// The projections (current orders, daily sales, current inventory) are views of these and need nothing of their
    /// own. Customers aren't rebuilt: events hold no personal data. Nothing is deleted: rows that no event made, and
    /// lines of the ledger that differ, are named and left alone. Services may run meanwhile. A run over all stores
    /// that was cut short less than a day ago is gone on with.
    #[command(after_help = "Example:\n  tillflow rebuild --dry-run\n  tillflow rebuild --store demo\n\n\
                      Exit code 1 if anything can't be put right; with --dry-run, if anything differs.")]
    Rebuild(Rebuild),
    /// Check the broker and the database, and say how to mend what is wrong.
    #[command(after_help = "Example:\n  tillflow doctor")]
    Doctor(Target),
    /// Bring the database's tables up to date.
    #[command(after_help = "Example:\n  TILLFLOW_SERVICE__STORE__URL=postgres://… tillflow migrate")]
    Migrate(Target),
    /// Make the users of the broker: for each service, for people, and for each connection that publishes itself, a key
    /// and exactly the permissions that it needs.
    ///
    /// Users that are there stay as they are; their permissions are written anew, for the layout that the configuration
    /// says (`bus.streams_per_feed`). The server takes the file by `include` outside of any block, and reads it again
    /// at
    /// `nats-server --signal reload`.
    #[command(
        after_help = "Example:\n  tillflow nats-auth --folder nats-users --dry-run\n  tillflow nats-auth --folder nats-users\n  \
                      tillflow nats-auth --partner acme acme-till\n  \
                      tillflow nats-auth --partner acme acme-till --public-key UB…\n  \
                      tillflow nats-auth --rotate ingest\n  tillflow nats-auth --retire ingest\n  \
                      tillflow nats-auth --revoke partner-acme-till\n  \
                      tillflow nats-auth --route-server nats-0.nats --route-server nats-1.nats --route-server nats-2.nats\n\n\
                      Users: ingest, intake, normalize, dedupe, enrich, apply, propagate, poll, operator (the command line), \
                      administrator, partner-CONNECTION.\n\n\
                      A partner's connection is looked up in the record if a database is configured (`service.store`) or the \
                      folder is that of a running `tillflow dev`; --unchecked doesn't ask.\n\n\
                      Exit code 1 if there is no such user, if its keys can't be changed so, if the record has no such \
                      connection of that store, or if it can't be asked."
    )]
    NatsAuth(NatsAuth),
    /// Measure, on servers of its own.
    #[command(
        after_help = "Example:\n  tillflow bench pipeline --events 200000\n  tillflow bench latency --rate 1700\n  \
                      tillflow bench ingest --connections 64\n  tillflow bench replay"
    )]
    Bench(Bench),
}

/// Where the environment is: that of a running `tillflow dev`, else what the configuration and the environment say.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The folder of a running `tillflow dev`.
    #[arg(long, default_value = ".tillflow")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Start three simulated platforms with living traffic.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Where data is kept.
    #[arg(long, default_value = ".tillflow")]
    pub(crate) dir: PathBuf,
    /// Where webhooks are taken; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where metrics and health are served; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) admin_listen: SocketAddr,
    /// How many sales, restocks and edits a minute the demo makes.
    #[arg(long, default_value_t = 120)]
    pub(crate) traffic_per_minute: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Trigger {
    /// The platform: shopify, square, treez.
    pub(crate) platform: String,
    /// The topic, as the platform writes it.
    pub(crate) topic: String,
    /// To which connection.
    #[arg(long)]
    pub(crate) connection: String,
    /// The body; an example of the topic if none is given.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// How often the same delivery is sent.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) dup: u32,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Only this store.
    #[arg(long)]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(subcommand)]
    pub(crate) what: Shown,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Shown {
    /// A store's levels, and what each platform has of them.
    Store {
        /// The store.
        store: String,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Of which store.
    #[arg(long, required_unless_present = "delivery")]
    pub(crate) store: Option<String>,
    /// Every outcome of this delivery instead.
    #[arg(long, value_name = "ID", conflicts_with = "limit")]
    pub(crate) delivery: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Dlq {
    #[command(subcommand)]
    pub(crate) what: DlqVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DlqVerb {
    /// List causes, with how many dead letters each has; or dead letters.
    Ls {
        #[command(flatten)]
        of: DeadLetters,
        /// One line for each dead letter instead of for each cause.
        #[arg(long)]
        dead_letters: bool,
        /// How many lines.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        #[command(flatten)]
        target: Target,
    },
    /// Show one dead letter: why, where, and what was done about it.
    Show {
        /// The dead letter's number.
        dead_letter: u64,
        /// Print the original bytes too. They may hold personal data.
        #[arg(long)]
        bytes: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Take dead letters in again, through the whole pipeline, as the same events: newer changes stand, and nothing
    /// takes effect twice.
    Replay {
        #[command(flatten)]
        of: DeadLetters,
        /// Say what would be taken in, and do nothing.
        #[arg(long)]
        dry_run: bool,
        /// How many a second at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        rate: u32,
        #[command(flatten)]
        target: Target,
    },
    /// Give dead letters up. RAW keeps their bytes as long as it keeps anything.
    Discard {
        #[command(flatten)]
        of: DeadLetters,
        /// Why; kept for ever.
        #[arg(long)]
        note: String,
        /// Say what would be given up, and do nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// Which dead letters.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DeadLetters {
    /// Dead letters by their numbers.
    pub(crate) numbers: Vec<u64>,
    /// Dead letters of one cause.
    #[arg(long)]
    pub(crate) fingerprint: Option<String>,
    /// Dead letters of one store.
    #[arg(long)]
    pub(crate) store: Option<String>,
    /// Dead letters of one stage.
    #[arg(long)]
    pub(crate) stage: Option<String>,
    /// Dead letters of one class: schema, data, config, auth, platform, bug.
    #[arg(long)]
    pub(crate) class: Option<String>,
    /// All dead letters.
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The database to rebuild the record in: empty. Its tables are made, and what was set up is copied from the
    /// present one.
    #[arg(long, env = "TILLFLOW_REPLAY_INTO", hide_env_values = true)]
    pub(crate) into: Option<String>,
    /// Go on where a replay into that database ended.
    #[arg(long, requires = "into")]
    pub(crate) resume: bool,
    /// Apply what RAW has and the present record lacks: for a record that was restored from an older copy. Stop `apply`
    /// before, and read the runbook `database-restored`.
    #[arg(long, conflicts_with = "into")]
    pub(crate) repair: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// Only this store.
    #[arg(long)]
    pub(crate) store: Option<String>,
    /// Name what differs, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Begin with the first store, even if a run was cut short.
    #[arg(long, conflicts_with_all = ["store", "dry_run"])]
    pub(crate) restart: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only this store.
    #[arg(long)]
    pub(crate) store: Option<String>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    pub(crate) what: Benched,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Benched {
    /// Signed deliveries through RAW, all stages and Postgres to APPLIED, beside a plain pass-through.
    Pipeline(PipelineBench),
    /// The same at a steady rate: how long from the intake to APPLIED.
    Latency(LatencyBench),
    /// Signed webhooks over HTTP until the answer that they are on disk.
    Ingest(IngestBench),
    /// RAW into an empty database.
    Replay(ReplayBench),
}

/// What is sent.
#[derive(Debug, Clone, Args)]
pub(crate) struct Load {
    /// How many deliveries.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    pub(crate) events: u64,
    /// How many stores they are spread over.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) stores: u32,
    /// How many items each store has.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=250))]
    pub(crate) items: u32,
    /// How many partitions; four carry as much on two cores as sixteen, and sooner.
    #[arg(long, default_value_t = 4)]
    pub(crate) partitions: u16,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct PipelineBench {
    #[command(flatten)]
    pub(crate) load: Load,
    /// How many a second; 0 sends as fast as they are taken.
    #[arg(long, default_value_t = 0)]
    pub(crate) rate: u64,
    /// How many deliveries wait for their answer at once when unpaced.
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) in_flight: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LatencyBench {
    #[command(flatten)]
    pub(crate) load: Load,
    /// How many a second.
    #[arg(long, default_value_t = 1700, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) rate: u64,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct IngestBench {
    #[command(flatten)]
    pub(crate) load: Load,
    /// How many a second; 0 sends as fast as they are taken.
    #[arg(long, default_value_t = 0)]
    pub(crate) rate: u64,
    /// How many connections send, one webhook at a time each.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) connections: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReplayBench {
    #[command(flatten)]
    pub(crate) load: Load,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn verbs_and_arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn events_are_those_of_a_store_or_of_a_delivery() {
        for (arguments, is_taken) in [
            (&["--store", "s"][..], true),
            (&["--delivery", "d"], true),
            (&["--store", "s", "--delivery", "d"], true),
            (&["--delivery", "d", "--limit", "3"], false),
            (&[], false),
        ] {
            let given = ["tillflow", "events"].into_iter().chain(arguments.iter().copied());
            assert_eq!(Cli::try_parse_from(given).is_ok(), is_taken, "{arguments:?}");
        }
    }
}
