//! Bytes for [`fuzz_targets::destinations`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::destinations(data));
