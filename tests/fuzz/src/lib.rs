//! The fuzz suite.
//!
//! A [`Target`] is a kind of input and the code of the host that reads it. `run` takes bytes and must return, whatever they are:
//! a panic, an abort, a hang or memory without bound is a finding. `make` builds an input from dice: a valid one of the kind that
//! was changed somewhere, so that most get past the first check.
//!
//! Three drivers share the targets: `cargo run -p tickdeck-fuzz` plays inputs by the million in child processes and prints the
//! figures; `tests/short.rs` plays a few in CI; and `libfuzzer/` has a `cargo fuzz` target for each, for fuzzing by coverage with a
//! nightly toolchain.
#![forbid(unsafe_code)]

mod dice;
mod mutate;
mod scratch;
mod segment;
mod targets;

pub use dice::Dice;

/// A kind of input.
#[derive(Clone, Copy)]
pub struct Target {
    /// The name on the command line.
    pub name: &'static str,
    /// What reads the input.
    pub about: &'static str,
    /// The share of the inputs of a run, in parts of all shares: cheap ones are played more often.
    pub share: u64,
    /// Makes an input.
    pub make: fn(&mut Dice) -> Vec<u8>,
    /// Reads an input. Must return.
    pub run: fn(&[u8]),
}

/// Every kind of input. Those that compile code are [`GUESTS`].
pub static FILES: &[Target] = &[
    Target {
        name: "settings",
        about: "tickdeck.toml, NAME.toml, grants.toml, public keys, signatures",
        share: 30,
        make: targets::settings::make,
        run: targets::settings::run,
    },
    Target {
        name: "protocol",
        about: "requests and answers of the control protocol",
        share: 40,
        make: targets::protocol::make,
        run: targets::protocol::run,
    },
    Target {
        name: "capture",
        about: "captures, checked and played",
        share: 15,
        make: targets::capture::make,
        run: targets::capture::run,
    },
    Target {
        name: "reel",
        about: "reels with right checksums or without, by every reader: names, events, effects, verification, export",
        share: 10,
        make: targets::reel::make,
        run: targets::reel::run,
    },
    Target {
        name: "tables",
        about: "Parquet and JSON lines",
        share: 5,
        make: targets::tables::make,
        run: targets::tables::run,
    },
];

/// Guests, in the real host: compiled, described, started, called, saved, stopped.
pub static GUESTS: &[Target] = &[
    Target {
        name: "guest",
        about: "modules of wasm-smith with the exports of a strategy",
        share: 40,
        make: targets::guest::make,
        run: targets::guest::run,
    },
    Target {
        name: "manifest",
        about: "a strategy whose manifest was changed in its memory",
        share: 30,
        make: targets::manifest::make,
        run: targets::guest::run,
    },
    Target {
        name: "plugin",
        about: "strategies with changed bytes",
        share: 30,
        make: targets::plugin::make,
        run: targets::guest::run,
    },
];

/// Finds a target by its name.
pub fn target(name: &str) -> Option<&'static Target> {
    FILES
        .iter()
        .chain(GUESTS)
        .find(|target| target.name == name)
}

/// Makes the input of this number in a run of this seed. The same numbers make the same input.
pub fn input(target: &Target, seed: u64, number: u64) -> Vec<u8> {
    (target.make)(&mut Dice::of(seed, number))
}
