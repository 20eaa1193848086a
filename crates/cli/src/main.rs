//! The command line.

mod api_keys;
mod audit;
mod bar;
mod bench;
mod cli;
mod conflicts;
mod connection;
mod dev;
mod dlq;
mod doctor;
mod environment;
mod events;
mod failure;
mod instruct;
mod link;
mod manual;
mod matches;
mod nats_auth;
mod output;
mod port;
mod progress;
mod raw;
mod rebuild;
mod replay;
mod show;
mod signing;
mod stores;
mod sync;
mod table;
mod tail;
mod trigger;
mod version;

use cli::{Cli, Output, Verb};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) if version::is_requested_as_json(&error, std::env::args_os()) => {
            version::run(Output::Json);
            return ExitCode::SUCCESS;
        }
        Err(error) => return output::arguments(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::failed(&failure::Failed::io("the runtime can't start", error)),
    };
    let outcome = runtime.block_on(async {
        match cli.verb {
            Verb::Dev(arguments) => Box::pin(dev::run(arguments, cli.output)).await,
            Verb::Trigger(arguments) => trigger::run(arguments, cli.output).await,
            Verb::Sign(arguments) => signing::sign(&arguments, cli.output),
            Verb::Verify(arguments) => signing::verify(&arguments, cli.output),
            Verb::Tail(arguments) => tail::run(arguments, cli.output).await,
            Verb::Show(arguments) => show::run(arguments, cli.output).await,
            Verb::Events(arguments) => events::run(arguments, cli.output).await,
            Verb::Conflicts(arguments) => conflicts::run(arguments, cli.output).await,
            Verb::Connection(arguments) => connection::run(arguments, cli.output).await,
            Verb::Sync(arguments) => sync::run(arguments, cli.output).await,
            Verb::Backfill(arguments) => sync::backfill(arguments, cli.output).await,
            Verb::Link(arguments) => link::link(arguments, cli.output).await,
            Verb::Unlink(arguments) => link::unlink(arguments, cli.output).await,
            Verb::Matches(arguments) => matches::run(arguments, cli.output).await,
            Verb::LinkLocation(arguments) => link::link_location(arguments, cli.output).await,
            Verb::IgnoreLocation(arguments) => link::ignore_location(arguments, cli.output).await,
            Verb::Audit(arguments) => audit::run(arguments, cli.output).await,
            Verb::Dlq(arguments) => dlq::run(arguments, cli.output).await,
            Verb::Replay(arguments) => replay::run(arguments, cli.output).await,
            Verb::Rebuild(arguments) => rebuild::run(arguments, cli.output).await,
            Verb::Doctor(arguments) => doctor::run(arguments, cli.output).await,
            Verb::Migrate(arguments) => doctor::migrate(arguments, cli.output).await,
            Verb::ApiKey(arguments) => api_keys::run(arguments, cli.output).await,
            Verb::NatsAuth(arguments) => nats_auth::run(&arguments, cli.output).await,
            Verb::Bench(arguments) => Box::pin(bench::run(arguments, cli.output)).await,
            Verb::Completions(arguments) => {
                manual::completions(&arguments);
                Ok(())
            }
            Verb::Man(arguments) => manual::run(&arguments, cli.output),
            Verb::Version => {
                version::run(cli.output);
                Ok(())
            }
        }
    });
    // Remaining background tasks must not delay the exit.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::failed(&failure),
    }
}
