//! The apply service.

fn main() -> std::process::ExitCode {
    runner::main("apply", apply::run)
}
