//! The system as real processes.
