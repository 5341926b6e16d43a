//! The `tickdeck` command.

use clap::Parser;
use std::process::ExitCode;
use tickdeck::cli::Cli;
use tickdeck::exit::exit_code;
use tickdeck::output::note;
use tickdeck_recording::sentence::sentence;

fn main() -> ExitCode {
    // Before anything is opened, and before anything reads the arguments.
    if let Some(code) = tickdeck_strategy::compile::serve_if_asked() {
        return code;
    }
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            note(format!("error: {}", sentence(&error)));
            exit_code(&error)
        }
    }
}
