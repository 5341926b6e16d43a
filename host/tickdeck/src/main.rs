//! The tickdeck command.

use clap::Parser;
use std::process::ExitCode;
use tickdeck::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", tickdeck_recording::sentence::sentence(&error));
            tickdeck::cli::exit_code(&error)
        }
    }
}
