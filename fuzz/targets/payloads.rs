//! Bytes for [`fuzz_targets::payloads`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::payloads(data));
