//! Tests of the system as real processes.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod layers;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod network;
#[cfg(test)]
mod new_platform;
#[cfg(test)]
mod platform_names;
#[cfg(test)]
mod words;
