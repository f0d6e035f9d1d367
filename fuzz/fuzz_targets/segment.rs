#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| syncline_fuzz_targets::segment(bytes));
