//! base64
fn main() {}
