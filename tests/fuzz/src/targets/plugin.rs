//! Strategies whose bytes were changed: core modules and components.

use crate::dice::Dice;
use crate::mutate::mutate;
use crate::targets::guest::Guest;
use std::sync::OnceLock;

const WORDS: &[&str] = &[
    "\0asm",
    "\u{1}",
    "\0",
    "component-type",
    "tickdeck:strategy/hot@0.1.0",
    "cabi_realloc",
    "memory",
    "\u{7f}",
    "name",
];

pub(crate) fn make(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = dice.pick(bases()).clone();
    mutate(&mut bytes, WORDS, dice);
    bytes
}

fn bases() -> &'static [Vec<u8>] {
    static BASES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    BASES.get_or_init(|| {
        let guest = || Guest::new().trades("*").parameter("a", Some("b"));
        let says = guest().says("hello").on_events(
            "(call $say) (call $take (local.get $len)) (call $put (i32.const 0) (i32.const 6) (i64.const 0))
             (call $answer (local.get $len) (i32.const 8192) (i32.const 1))",
        );
        vec![
            guest().core(),
            guest().component(),
            guest().bytes().core(),
            says.core(),
            says.component(),
        ]
    })
}
