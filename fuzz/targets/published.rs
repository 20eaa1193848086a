//! Bytes for [`fuzz_targets::published`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::published(data));
