//! The ingest service.

fn main() -> std::process::ExitCode {
    runner::main("ingest", ingest::run)
}
