//! Lines of the control protocol: requests as a host reads them, answers as a client does.

use crate::dice::Dice;
use crate::mutate::mutate;
use tickdeck_control::protocol::{read_answer, read_request};

const LINES: &str = include_str!("../../../../host/control/src/protocol/protocol.golden.jsonl");

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "-",
    "1e999",
    "\\u0000",
    "\\ud800",
    "\"command\":\"kill\"",
    "\"name\":",
    "\"protocol\":",
    "[[[[[[[[",
    "\u{1b}[2J",
    "{\"request\":",
    "0.0000000000001",
];

pub(crate) fn make(dice: &mut Dice) -> Vec<u8> {
    let lines: Vec<&str> = LINES.lines().filter(|line| line.starts_with('{')).collect();
    let mut line = dice.pick(&lines).as_bytes().to_vec();
    mutate(&mut line, WORDS, dice);
    line
}

pub(crate) fn run(input: &[u8]) {
    let _ = read_request(input);
    let _ = read_answer(input);
}
