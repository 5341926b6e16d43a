//! The `tickdeck` command.

use clap::Parser;
use std::process::ExitCode;
use tickdeck::cli::Cli;
use tickdeck::exit::exit_code;
use tickdeck::output::note;
use tickdeck_recording::sentence::sentence;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            note(format!("error: {}", sentence(&error)));
            exit_code(&error)
        }
    }
}
