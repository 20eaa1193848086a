//! The poll service.

fn main() -> std::process::ExitCode {
    runner::main("poll", poll::run)
}
