//! A strategy that describes itself by a manifest that was changed where it lies in its memory: pointers, lengths, texts and words.

use crate::dice::Dice;
use crate::targets::guest::Guest;
use std::sync::OnceLock;

/// A text of the manifest, by which its place in the module is found.
const MARK: &[u8] = b"guest-of-the-fuzz-suite";

/// Bytes before the mark that are the manifest's records, and behind it that are its texts.
const BEFORE: usize = 320;
const BEHIND: usize = 160;

pub(crate) fn make(dice: &mut Dice) -> Vec<u8> {
    let (core, at) = base();
    let mut core = core.clone();
    for _ in 0..=dice.below(3) {
        let place = at - BEFORE + dice.below(BEFORE + BEHIND);
        match dice.below(3) {
            0 => core[place] ^= 1 << dice.below(8),
            1 => core[place] = dice.roll() as u8,
            _ => {
                let number = dice.odd_number().to_le_bytes();
                let word = (at - BEFORE) + (place - (at - BEFORE)) / 4 * 4;
                core[word..word + 4].copy_from_slice(&number[..4]);
            }
        }
    }
    core
}

/// The module, and where the texts of its manifest begin.
fn base() -> &'static (Vec<u8>, usize) {
    static BASE: OnceLock<(Vec<u8>, usize)> = OnceLock::new();
    BASE.get_or_init(|| {
        let core = Guest::new()
            .named(std::str::from_utf8(MARK).expect("it is a text"))
            .trades("*")
            .quotes("{instrument}")
            .parameter("instrument", Some("BTCUSDT.SIM"))
            .parameter("other", None)
            .restores(&[1, 2])
            .core();
        let found = core.windows(MARK.len()).position(|window| window == MARK);
        let at = found.expect("the name lies in the module as it is");
        (core, at)
    })
}
