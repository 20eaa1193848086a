//! Verbs and their arguments.

mod api_keys;
mod bench;
mod decisions;
mod matches;
mod program;
mod reads;
mod shown;
mod signing;
mod users;

pub(crate) use api_keys::{ApiKeyVerb, ApiKeys};
pub(crate) use bench::{
    Bench, Benched, IngestBench, LatencyBench, Load, PipelineBench, PropagateBench, ReplayBench, SyncBench,
};
pub(crate) use decisions::{
    Baseline, Conflicts, ConflictsVerb, ConnectionVerb, Connections, IgnoreLocation, Link, LinkLocation,
    Take, Unlink, Wait,
};
pub(crate) use matches::{Limit, Matches, MatchesVerb};
pub(crate) use program::{Completions, Man};
pub(crate) use reads::{Backfill, Listed, Sync, SyncVerb};
pub(crate) use shown::{Show, Shown};
pub(crate) use signing::{SECRET_VARIABLE, Sign, Signing, Verify};
pub(crate) use users::NatsAuth;

use clap::{Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf};

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 it failed, 2 the arguments or the configuration can't be used.";

/// Keeps all sales platforms of a store in agreement.
#[derive(Debug, Parser)]
#[command(name = "tillflow", version = runner::VERSION_TEXT, propagate_version = true)]
pub(crate) struct Cli {
    /// Format of results.
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

impl Cli {
    /// Reads the arguments of this process.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&command().try_get_matches()?)
    }
}

/// The definition of the arguments. The help of every verb ends with the exit codes.
pub(crate) fn command() -> Command {
    with_exit_codes(Cli::command())
}

fn with_exit_codes(command: Command) -> Command {
    let before = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
    command.after_help(before + EXIT_CODES).mut_subcommands(with_exit_codes)
}

/// Format of results, for people or for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Lines for people.
    Text,
    /// One JSON value a line.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run everything on this machine: broker, database, all services and, with --demo, the simulated platforms.
    #[command(
        after_help = "Example:\n  tillflow dev --demo\n  tillflow dev --listen 127.0.0.1:0 --output json"
    )]
    Dev(Dev),
    /// Send a signed delivery, as the platform would.
    #[command(
        after_help = "Example:\n  tillflow trigger shopify inventory_levels/update --connection demo-shopify --dup 3\n  \
                      tillflow trigger square inventory.count.updated --connection demo-square --file body.json\n  \
                      tillflow trigger shopify products/update --connection demo-shopify --set title=Tea\n  \
                      tillflow trigger --list\n\n\
                      Exit code 1 if it isn't accepted."
    )]
    Trigger(Trigger),
    /// Print the headers with which a platform would send a body, its signature included.
    #[command(
        after_help = "Example:\n  tillflow sign shopify products/update --connection demo-shopify --file body.json\n  \
                      TILLFLOW_SECRET=… tillflow sign square inventory.count.updated --url https://example.com/w < body.json\n\n\
                      To send it: tillflow sign … --file body.json > headers && \
                      curl -H @headers --data-binary @body.json URL\n\n\
                      Exit code 1 if there is no such connection."
    )]
    Sign(Sign),
    /// Verify the signature of a delivery, as ingest does, and explain a failure.
    #[command(
        after_help = "Example:\n  tillflow verify shopify --secret-file secret --headers headers.txt --file body.json\n  \
                      tillflow verify square --connection demo-square --headers headers.txt --file body.json\n\n\
                      Exit code 1 if it isn't verified, or if there is no such connection."
    )]
    Verify(Verify),
    /// Follow committed changes, decoded, one line or JSON value each.
    #[command(
        after_help = "Example:\n  tillflow tail --store demo\n  tillflow tail --output json | jq .effects"
    )]
    Tail(Tail),
    /// Show the present state of the record.
    #[command(after_help = "Example:\n  tillflow show store demo")]
    Show(Show),
    /// List the event outcomes of a store, the latest last; or every outcome of one delivery, in any stage.
    #[command(after_help = "Example:\n  tillflow events --store demo --limit 20\n  \
                      tillflow events --delivery 6f1c2a9b3d4e5f60718293a4b5c6d7e8\n\n\
                      With --store too, --delivery reads that store only, which is faster.\n\n\
                      Exit code 1 if there is no such store, or if nothing is known of the delivery.")]
    Events(Events),
    /// List, show or resolve conflicts that rules can't decide.
    #[command(
        after_help = "Example:\n  tillflow conflicts ls --store demo\n  tillflow conflicts show 17\n  \
                      tillflow conflicts resolve 17 --take store"
    )]
    Conflicts(Conflicts),
    /// List connections and their states, pause or resume them, or set their rule for first contacts.
    #[command(after_help = "Example:\n  tillflow connection ls --store demo\n  \
                      tillflow connection show demo-shopify\n  tillflow connection pause demo-shopify\n  \
                      tillflow connection set demo-shopify --baseline platform")]
    Connection(Connections),
    /// Read a connection's lists now, or show when they were read: scheduled reads make up for lost webhooks.
    #[command(after_help = "Example:\n  tillflow sync run --connection demo-square\n  \
                      tillflow sync status --connection demo-square")]
    Sync(Sync),
    /// Read what changed at a platform in a range of time, and report it.
    ///
    /// The reads are rows of the record: they go on if this command is interrupted, and the same command follows them
    /// again. They take the places of scheduled reads that are under way.
    #[command(
        after_help = "Example:\n  tillflow backfill --connection demo-square --since 2026-11-01T00:00:00Z \
                      --until 2026-11-08T00:00:00Z\n  \
                      tillflow backfill --connection demo-square --collection orders --since 2026-11-01T00:00:00Z --no-wait\n\n\
                      Exit code 1 if there is no such connection or collection, if no list has such a range, or if a read was \
                      given up."
    )]
    Backfill(Backfill),
    /// Link a platform's variant to a variant of the store.
    #[command(
        after_help = "Example:\n  tillflow link --connection demo-square --variant VAR7 --to var_3fa1c09b2d44\n\n\
                      Exit code 1 if there is no such connection or variant, or if it wasn't applied within --wait."
    )]
    Link(Link),
    /// Unlink a platform's variant, so that it is one of its own. It keeps its number and isn't matched again by it.
    #[command(after_help = "Example:\n  tillflow unlink --connection demo-square --variant VAR7\n\n\
                      Exit code 1 if there is no such connection or link, or if it wasn't applied within --wait.")]
    Unlink(Unlink),
    /// List what may be one item on several platforms, accept or reject it, undo a link that was made so, or set the score
    /// from which no person is asked.
    #[command(after_help = "Example:\n  tillflow matches ls --store demo\n  tillflow matches accept 17\n  \
                      tillflow matches reject 18 --note 'another flavour'\n  tillflow matches undo 17\n  \
                      tillflow matches limit --store demo --score 0.9")]
    Matches(Matches),
    /// Link a platform's location to a location of the store. Its reports are applied from then on, and the platform is
    /// read for each of its items there.
    #[command(
        after_help = "Example:\n  tillflow link-location --connection demo-shopify --location 655441491 --to demo-main --dry-run\n  \
                      tillflow link-location --connection demo-shopify --location 655441491 --to demo-main\n\n\
                      A link of a location stays: it can't be changed. Beyond 10,000 items the others count from their next \
                      report on.\n\n\
                      Exit code 1 if there is no such connection or location, if either side is linked otherwise, or if it \
                      wasn't applied within --wait."
    )]
    LinkLocation(LinkLocation),
    /// Ignore a platform's location: its reports are filtered without a conflict.
    #[command(
        after_help = "Example:\n  tillflow ignore-location --connection demo-shopify --location 655441491\n  \
                      tillflow ignore-location --connection demo-shopify --location 655441491 --undo\n\n\
                      Exit code 1 if there is no such connection."
    )]
    IgnoreLocation(IgnoreLocation),
    /// Compare the accepted deliveries with the record, and report missing ones and contradictions.
    #[command(after_help = "Example:\n  tillflow audit\n  tillflow audit --store demo --output json\n\n\
                      What is accepted is counted once a second: a delivery that ended before that is `uncounted`.\n\n\
                      Exit code 1 if anything is missing or contradicts itself, or if there is no such store.")]
    Audit(Audit),
    /// List dead letters by cause, show one, re-ingest or discard them.
    #[command(after_help = "Example:\n  tillflow dlq ls\n  tillflow dlq show 17\n  \
                      tillflow dlq replay --fingerprint 3fa1c09b2d44 --dry-run\n  \
                      tillflow dlq replay --fingerprint 3fa1c09b2d44 --rate 20\n  \
                      tillflow dlq discard 17 --note 'test data of the partner'")]
    Dlq(Dlq),
    /// Replay RAW: into an empty database, which must then equal the present one; or against the present one, which
    /// must not change. Nothing is sent to any platform.
    #[command(
        after_help = "Example:\n  tillflow replay\n  tillflow replay --into postgres://localhost/rebuilt\n  tillflow replay --repair\n\n\
                      Exit code 1 if a store differs, or if the present record would change."
    )]
    Replay(Replay),
    /// Compare levels, ledger, products, variants, orders and promotions with the event store, and correct differences.
    ///
    /// The projections (current orders, daily sales, current inventory) are views of these and need no rebuild.
    /// Customers aren't rebuilt: events hold no personal data. Nothing is deleted: rows that no event made, and lines
    /// of the ledger that differ, are reported and left unchanged. Services may run meanwhile. A run over all stores
    /// that was interrupted less than a day ago is continued.
    #[command(after_help = "Example:\n  tillflow rebuild --dry-run\n  tillflow rebuild --store demo\n\n\
                      Exit code 1 if anything can't be corrected, or if there is no such store; with --dry-run, if anything differs.")]
    Rebuild(Rebuild),
    /// Check the broker and the database, and report problems with their remedies.
    #[command(after_help = "Example:\n  tillflow doctor")]
    Doctor(Target),
    /// Bring the database's tables up to date.
    #[command(after_help = "Example:\n  TILLFLOW_SERVICE__STORE__URL=postgres://… tillflow migrate")]
    Migrate(Target),
    /// Issue, list or revoke keys of the management API, at the database: the first one, before any key could issue another.
    #[command(after_help = "Example:\n  tillflow api-key issue --role platform-owner --name operations\n  \
                      tillflow api-key ls\n  tillflow api-key revoke 0011223344556677")]
    ApiKey(ApiKeys),
    /// Create the broker's users: a key and exactly the permissions needed, for each service, for people, and for each
    /// connection that publishes itself.
    ///
    /// Existing users keep their keys; their permissions are written anew, for the configured layout
    /// (`bus.streams_per_feed`). The server's configuration must `include` the file outside of any block; the server
    /// reads it again on `nats-server --signal reload`.
    #[command(
        after_help = "Example:\n  tillflow nats-auth --folder nats-users --dry-run\n  tillflow nats-auth --folder nats-users\n  \
                      tillflow nats-auth --partner acme acme-till\n  \
                      tillflow nats-auth --partner acme acme-till --public-key UB…\n  \
                      tillflow nats-auth --rotate ingest\n  tillflow nats-auth --retire ingest\n  \
                      tillflow nats-auth --revoke partner-acme-till\n  \
                      tillflow nats-auth --route-server nats-0.nats --route-server nats-1.nats --route-server nats-2.nats\n\n\
                      Users: ingest, intake, normalize, dedupe, enrich, apply, propagate, fetch, gateway, operator (the command line), \
                      administrator, partner-CONNECTION.\n\n\
                      A partner's connection is looked up in the record if a database is configured (`service.store`) or the \
                      folder is that of a running `tillflow dev`; --unchecked doesn't ask.\n\n\
                      Exit code 1 if there is no such user, if its keys can't be changed so, if the record has no such \
                      connection of that store, or if it can't be asked."
    )]
    NatsAuth(NatsAuth),
    /// Measure throughput, latency and CPU time on temporary servers.
    #[command(
        after_help = "Example:\n  tillflow bench pipeline --events 200000\n  tillflow bench latency --rate 1700\n  \
                      tillflow bench propagate --rate 100\n  tillflow bench ingest --connections 64\n  tillflow bench replay"
    )]
    Bench(Bench),
    /// Show the version, and the commit that this program was built from.
    #[command(after_help = "Example:\n  tillflow version\n  tillflow version --output json\n\n\
                      `--version` prints the same.")]
    Version,
    /// Print the script that completes arguments in a shell.
    #[command(
        after_help = "Example:\n  tillflow completions bash > ~/.local/share/bash-completion/completions/tillflow\n  \
                      tillflow completions fish > ~/.config/fish/completions/tillflow.fish"
    )]
    Completions(Completions),
    /// Write manual pages, one for each verb.
    #[command(after_help = "Example:\n  tillflow man ~/.local/share/man/man1")]
    Man(Man),
}

/// The environment: that of a running `tillflow dev`, else the one set by the configuration and environment variables.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// The folder of a running `tillflow dev`.
    #[arg(long, default_value = ".tillflow")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Start three simulated platforms with live traffic.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Folder of all data.
    #[arg(long, default_value = ".tillflow")]
    pub(crate) dir: PathBuf,
    /// Address for webhooks; port 0 selects a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Address of the management API; port 0 selects a free one.
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub(crate) api_listen: SocketAddr,
    /// Address for metrics and health; port 0 selects a free one.
    #[arg(long, default_value = "127.0.0.1:9100")]
    pub(crate) admin_listen: SocketAddr,
    /// Number of sales, restocks and edits a minute in the demo.
    #[arg(long, default_value_t = 120)]
    pub(crate) traffic_per_minute: u32,
    /// Run normalize, dedupe and enrich apart, with a stream between each two, instead of in one pass.
    #[arg(long)]
    pub(crate) apart: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Trigger {
    /// The platform.
    #[arg(required_unless_present = "list", default_value = "", hide_default_value = true)]
    pub(crate) platform: String,
    /// The topic, as the platform writes it.
    #[arg(required_unless_present = "list", default_value = "", hide_default_value = true)]
    pub(crate) topic: String,
    /// List the topics of which there is an example, of all platforms or of one, and send nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// The connection that receives the delivery.
    #[arg(long, required_unless_present = "list", default_value = "", hide_default_value = true)]
    pub(crate) connection: String,
    /// The body; an example of the topic if none is given.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// Change one value of the body, such as `variants.0.price=9.99`; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Number of times that the same delivery is sent.
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
pub(crate) struct Events {
    /// The store.
    #[arg(long, required_unless_present = "delivery")]
    pub(crate) store: Option<String>,
    /// Every outcome of this delivery instead.
    #[arg(long, value_name = "ID", conflicts_with = "limit")]
    pub(crate) delivery: Option<String>,
    /// Upper limit of events.
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
    /// List causes with their numbers of dead letters, or single dead letters.
    #[command(after_help = "Example:\n  tillflow dlq ls\n  tillflow dlq ls --dead-letters --store demo")]
    Ls {
        #[command(flatten)]
        of: DeadLetters,
        /// One line for each dead letter instead of for each cause.
        #[arg(long)]
        dead_letters: bool,
        /// Upper limit of lines.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
        #[command(flatten)]
        target: Target,
    },
    /// Show one dead letter: its cause, its origin, and the actions taken on it.
    #[command(after_help = "Example:\n  tillflow dlq show 17\n  tillflow dlq show 17 --bytes\n\n\
                      Exit code 1 if there is no such dead letter.")]
    Show {
        /// The dead letter's number.
        dead_letter: u64,
        /// Print the original bytes too. They may hold personal data.
        #[arg(long)]
        bytes: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Re-ingest dead letters through the whole pipeline, as the same events: newer changes stand, and nothing takes
    /// effect twice.
    #[command(after_help = "Example:\n  tillflow dlq replay --fingerprint 3fa1c09b2d44 --dry-run\n  \
                      tillflow dlq replay --fingerprint 3fa1c09b2d44 --rate 20\n\n\
                      Exit code 1 if any of them stays a dead letter.")]
    Replay {
        #[command(flatten)]
        of: DeadLetters,
        /// Show what would be re-ingested, and do nothing.
        #[arg(long)]
        dry_run: bool,
        /// Upper limit of dead letters a second.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        rate: u32,
        #[command(flatten)]
        target: Target,
    },
    /// Discard dead letters. RAW keeps their bytes until the end of its retention.
    #[command(after_help = "Example:\n  tillflow dlq discard 17 --note 'test data of the partner'\n\n\
                      Exit code 1 if any of them stays a dead letter.")]
    Discard {
        #[command(flatten)]
        of: DeadLetters,
        /// The reason; kept for ever.
        #[arg(long)]
        note: String,
        /// Show what would be discarded, and do nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// Selection of dead letters.
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
    /// Empty database to rebuild the record in. Its tables are created, and the set-up is copied from the present one.
    #[arg(long, env = "TILLFLOW_REPLAY_INTO", hide_env_values = true)]
    pub(crate) into: Option<String>,
    /// Continue a replay into that database from where it ended.
    #[arg(long, requires = "into")]
    pub(crate) resume: bool,
    /// Apply deliveries of RAW that the present record lacks, after it was restored from an older copy. Stop `apply`
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
    /// Report differences, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Begin with the first store, even if a run was interrupted.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_and_arguments_do_not_contradict_each_other() {
        command().debug_assert();
    }

    #[test]
    fn the_help_of_every_verb_has_an_example_and_the_exit_codes() {
        fn check(verb: &mut Command) {
            let help = verb.render_long_help().to_string();
            let name = verb.get_name().to_owned();
            assert!(help.contains("Exit codes: 0"), "{name}: {help}");
            assert!(name == "tillflow" || help.contains("Example:"), "{name}: {help}");
            verb.get_subcommands_mut().for_each(check);
        }
        check(&mut command().disable_help_subcommand(true));
    }

    #[test]
    fn a_delivery_has_a_platform_a_topic_and_a_connection_and_a_list_needs_none() {
        for (arguments, is_taken) in [
            (&["p", "t", "--connection", "c"][..], true),
            (&["p", "t", "--connection", "c", "--set", "a=1", "--set", "b=2"], true),
            (&["p", "t"], false),
            (&["p", "--connection", "c"], false),
            (&[], false),
            (&["--list"], true),
            (&["p", "--list"], true),
        ] {
            let given = ["tillflow", "trigger"].into_iter().chain(arguments.iter().copied());
            assert_eq!(Cli::try_parse_from(given).is_ok(), is_taken, "{arguments:?}");
        }
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
