//! The arguments of a service's program.

use crate::{
    VERSION_TEXT,
    config::{Key, PREFIX},
};
use clap::{Arg, ArgAction, Command};
use model::visible;
use std::{ffi::OsString, io::Write as _, process::ExitCode};

const ALLOW_UNSAFE: &str = "allow-unsafe";

/// The arguments of a service's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// True to continue with a broker that may lose an acknowledged message.
    pub(crate) allow_unsafe: bool,
}

impl Arguments {
    /// Reads the arguments of this process. Prints the help or the version if requested, or the reason why they can't
    /// be used, and returns the exit code.
    pub(crate) fn read(name: &'static str, about: &'static str, keys: &[Key]) -> Result<Self, ExitCode> {
        Self::parse(command(name, about, keys), std::env::args_os()).map_err(|error| {
            if !error.use_stderr() {
                error.print().ok();
                return ExitCode::SUCCESS;
            }
            for line in error.render().to_string().lines() {
                writeln!(std::io::stderr(), "{}", visible(line)).ok();
            }
            ExitCode::from(2)
        })
    }

    fn parse(command: Command, given: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = command.try_get_matches_from(given)?;
        Ok(Self { allow_unsafe: matches.get_flag(ALLOW_UNSAFE) })
    }
}

fn command(name: &'static str, about: &'static str, keys: &[Key]) -> Command {
    let allow_unsafe = Arg::new(ALLOW_UNSAFE)
        .long(ALLOW_UNSAFE)
        .action(ArgAction::SetTrue)
        .help("Continue with a broker that acknowledges before it syncs: a 2xx then doesn't mean on disk");
    Command::new(name).about(about).version(VERSION_TEXT).arg(allow_unsafe).after_help(after_help(name, keys))
}

/// The example, the configuration's keys and the exit codes.
fn after_help(name: &str, keys: &[Key]) -> String {
    let width = keys.iter().map(|key| key.path.len()).max().unwrap_or_default();
    let keys: Vec<String> = keys.iter().map(|key| format!("  {:<width$}  {}", key.path, key.kind)).collect();
    let keys = keys.join("\n");
    format!(
        "Example:\n  \
         {PREFIX}BUS__SERVERS='[\"nats://127.0.0.1:4222\"]' {PREFIX}LOG__FORMAT=text {name}\n\n\
         Configuration: the TOML file that {PREFIX}CONFIG names, then variables, which take precedence. The variable of \
         the key `bus.servers` is {PREFIX}BUS__SERVERS. Keys:\n\
         {keys}\n\n\
         Exit codes: 0 stopped as asked, 1 it failed, 2 the arguments or the configuration can't be used."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, config::keys};
    use clap::error::ErrorKind;

    fn parse(given: &[&str]) -> Result<Arguments, clap::Error> {
        let keys = keys::<Config<()>>();
        let given = ["apply"].iter().chain(given).map(OsString::from);
        Arguments::parse(command("apply", "Applies events", &keys), given)
    }

    #[test]
    fn the_help_names_every_key_of_the_configuration_an_example_and_the_exit_codes() {
        let error = parse(&["--help"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DisplayHelp);
        let text = error.render().to_string();
        for said in
            ["Applies events", "Example:", "bus.servers", "admin.listen", "log.filter", "Exit codes: 0"]
        {
            assert!(text.contains(said), "{said} is not in\n{text}");
        }
    }

    #[test]
    fn the_version_names_the_commit() {
        let error = parse(&["--version"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DisplayVersion);
        let text = error.render().to_string();
        assert_eq!(text.trim(), format!("apply {VERSION_TEXT}"));
        assert!(text.contains(crate::COMMIT), "{text}");
    }

    #[test]
    fn an_unknown_argument_is_refused() {
        assert_eq!(parse(&["--alow-unsafe"]).unwrap_err().kind(), ErrorKind::UnknownArgument);
        assert_eq!(parse(&["--allow-unsafe"]).unwrap(), Arguments { allow_unsafe: true });
        assert_eq!(parse(&[]).unwrap(), Arguments { allow_unsafe: false });
    }
}
