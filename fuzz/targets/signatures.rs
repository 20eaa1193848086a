//! Bytes for [`fuzz_targets::signatures`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::signatures(data));
