//! The dedupe service.

fn main() -> std::process::ExitCode {
    runner::main("dedupe", dedupe::run)
}
