//! See the target of this name in `tickdeck-fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let target = tickdeck_fuzz::target("tables").expect("the target exists");
    (target.run)(input);
});
