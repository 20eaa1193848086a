//! Bytes for [`fuzz_targets::bodies`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::bodies(data));
