//! Builds again when a migration changed: the migrations are compiled in.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
