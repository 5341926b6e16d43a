//! Changes to valid inputs.

use crate::dice::Dice;

/// Longest input that changes make.
const MOST: usize = 256 << 10;

/// Changes a text in one to a few places: bytes, numbers, parts of it, or a word of the kind's own.
pub(crate) fn mutate(bytes: &mut Vec<u8>, words: &[&str], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        change(bytes, words, dice);
        bytes.truncate(MOST);
    }
}

fn change(bytes: &mut Vec<u8>, words: &[&str], dice: &mut Dice) {
    if bytes.is_empty() {
        return bytes.extend(dice.pick(words).bytes());
    }
    let at = dice.below(bytes.len());
    match dice.below(10) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.roll() as u8,
        2 => bytes.truncate(at),
        3 => {
            let end = (at + 1 + dice.below(32)).min(bytes.len());
            bytes.drain(at..end);
        }
        4 => {
            let end = (at + 1 + dice.below(64)).min(bytes.len());
            let part = bytes[at..end].to_vec();
            let most = if dice.one_in(50) { 4_096 } else { 4 };
            let times = 1 + dice.below(most);
            splice(bytes, at, &part.repeat(times));
        }
        5 => splice(bytes, at, dice.pick(words).as_bytes()),
        6 => {
            let number = dice.odd_number().to_string();
            replace_number(bytes, at, number.as_bytes());
        }
        7 => {
            let other = dice.below(bytes.len());
            bytes.swap(at, other);
        }
        8 => {
            let count = 1 + dice.below(16);
            let random = dice.bytes(count);
            splice(bytes, at, &random);
        }
        _ => {
            let number = dice.odd_number().to_le_bytes();
            let size = *dice.pick(&[1, 2, 4, 8]);
            let end = (at + size).min(bytes.len());
            bytes[at..end].copy_from_slice(&number[..end - at]);
        }
    }
}

fn splice(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}

/// Replaces the number at or behind a place.
fn replace_number(bytes: &mut Vec<u8>, at: usize, number: &[u8]) {
    let Some(from) = bytes[at..].iter().position(u8::is_ascii_digit) else {
        return;
    };
    let from = at + from;
    let digits = bytes[from..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let end = from + digits.count();
    bytes.splice(from..end, number.iter().copied());
}
