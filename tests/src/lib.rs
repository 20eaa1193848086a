//! The system as real processes.

#[cfg(test)]
mod layers;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod network;
