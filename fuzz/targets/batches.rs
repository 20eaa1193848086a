//! Bytes for [`fuzz_targets::batches`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_targets::batches(data));
