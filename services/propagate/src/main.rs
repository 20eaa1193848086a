//! The propagate service.

fn main() -> std::process::ExitCode {
    runner::main("propagate", propagate::run)
}
