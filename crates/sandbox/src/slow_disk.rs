//! A slower disk for a server: each of its syncs takes longer, as on volumes of clouds.

use std::{ffi::OsStr, time::Duration};
use tokio::process::Command;

/// Returns a command that runs `program` with each sync prolonged by `delay`; by its own name without a delay. The
/// delay is injected by `strace` (strace(1)), which stops the program at these calls only, and which runs beside it: the
/// process keeps the id that it is started with.
pub(crate) fn command(program: impl AsRef<OsStr>, delay: Option<Duration>) -> Command {
    let Some(delay) = delay else { return Command::new(program) };
    let mut command = Command::new("strace");
    command.args(["--daemonize", "--follow-forks", "--seccomp-bpf", "--quiet=all", "--output=/dev/null"]);
    command.arg("--trace=fsync,fdatasync");
    command.arg(format!("--inject=fsync,fdatasync:delay_exit={}", delay.as_micros()));
    command.arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_slow_only_where_a_delay_is_given() {
        let shown = |delay| {
            let command = command("/bin/server", delay);
            let arguments: Vec<_> = command.as_std().get_args().map(OsStr::to_os_string).collect();
            (command.as_std().get_program().to_os_string(), arguments)
        };
        assert_eq!(shown(None), ("/bin/server".into(), Vec::new()));
        let (program, arguments) = shown(Some(Duration::from_millis(4)));
        assert_eq!(program, "strace");
        assert!(arguments.contains(&"--inject=fsync,fdatasync:delay_exit=4000".into()), "{arguments:?}");
        assert_eq!(arguments.last(), Some(&"/bin/server".into()));
    }
}
