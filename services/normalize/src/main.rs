//! The normalize service.

fn main() -> std::process::ExitCode {
    runner::main("normalize", normalize::run)
}
