//! The gateway.

fn main() -> std::process::ExitCode {
    runner::main(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_DESCRIPTION"), gateway::run)
}
