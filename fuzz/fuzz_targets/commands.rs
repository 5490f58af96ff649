//! Native commands in both formats: see `checks/commands.rs`.

#![no_main]

#[path = "../checks/commands.rs"]
mod check;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check::check(data));
