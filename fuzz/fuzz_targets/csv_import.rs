#![no_main]

#[path = "../checks/csv_import.rs"]
mod csv_import;

libfuzzer_sys::fuzz_target!(|input: &[u8]| csv_import::check(input));
