//! The enrich service.

fn main() -> std::process::ExitCode {
    runner::main("enrich", enrich::run)
}
