//! The fetch service.

fn main() -> std::process::ExitCode {
    runner::main("fetch", fetch::run)
}
