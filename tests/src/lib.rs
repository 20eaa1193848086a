//! The system as real processes.

#[cfg(test)]
mod layers;
