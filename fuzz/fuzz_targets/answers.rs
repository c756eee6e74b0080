#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| toolgate::properties::http1::answers(bytes));
