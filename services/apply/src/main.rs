//! tracing
fn main() {}
