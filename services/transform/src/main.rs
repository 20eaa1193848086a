//! The transform service.

fn main() -> std::process::ExitCode {
    runner::main(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_DESCRIPTION"), transform::run)
}
