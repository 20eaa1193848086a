//! The apply service.

fn main() -> std::process::ExitCode {
    runner::main(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_DESCRIPTION"), apply::run)
}
