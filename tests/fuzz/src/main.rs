//! Plays inputs by the million and prints the figures.
//!
//! `cargo run --release -p tickdeck-fuzz -- files --inputs 10000000` and `... -- guests --inputs 100000` are the long form. Inputs are
//! played in child processes, so that an abort is a finding like any other; a child that is silent for long is a hang.
//! `... -- settings --seed 7 --only 12345` plays one input again.
#![forbid(unsafe_code)]

mod child;
mod figures;
mod parent;

use anyhow::{Context, Result};
use clap::Parser;
use figures::Figures;
use std::process::ExitCode;
use tickdeck_fuzz::{FILES, GUESTS, Target, target};

/// Gives hostile inputs to everything that reads files, the wire, or guests.
#[derive(Debug, Parser)]
struct Arguments {
    /// A target, `files` for all kinds of file, or `guests` for all kinds of guest
    what: String,
    /// Inputs in all; those of several targets are shared out
    #[arg(long, default_value_t = 10_000)]
    inputs: u64,
    /// Seed of the inputs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Child processes at a time
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Play this input alone, in this process
    #[arg(long)]
    only: Option<u64>,
    /// With `--only`: write the input to a file instead
    #[arg(long)]
    write: Option<std::path::PathBuf>,
    /// Play from this input on, as a child
    #[arg(long, hide = true)]
    child_from: Option<u64>,
}

fn main() -> ExitCode {
    match Arguments::parse().run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

impl Arguments {
    /// Returns whether nothing was found.
    fn run(self) -> Result<bool> {
        if let Some(from) = self.child_from {
            child::play(self.target()?, self.seed, from..self.inputs);
            return Ok(true);
        }
        if let Some(number) = self.only {
            return self.play_one(number);
        }
        let targets: Vec<&'static Target> = match self.what.as_str() {
            "files" => FILES.iter().collect(),
            "guests" => GUESTS.iter().collect(),
            _ => vec![self.target()?],
        };
        let shares: u64 = targets.iter().map(|target| target.share).sum();
        let mut all = Figures::default();
        println!("{}", Figures::HEAD);
        for target in targets {
            let inputs = (self.inputs * target.share).div_ceil(shares);
            let figures = parent::play(target, self.seed, inputs, self.jobs.max(1))?;
            println!("{}", figures.row(target.name));
            all.add(figures);
        }
        println!("{}", all.row("all"));
        for finding in &all.findings {
            println!("{finding}");
        }
        Ok(all.findings.is_empty())
    }

    fn target(&self) -> Result<&'static Target> {
        let names = || FILES.iter().chain(GUESTS).map(|target| target.name);
        target(&self.what).with_context(|| {
            let names: Vec<&str> = names().collect();
            format!(
                "there is no target `{}`: name one of {}, files or guests",
                self.what,
                names.join(", ")
            )
        })
    }

    fn play_one(&self, number: u64) -> Result<bool> {
        let target = self.target()?;
        let input = tickdeck_fuzz::input(target, self.seed, number);
        match &self.write {
            Some(file) => std::fs::write(file, input)?,
            None => (target.run)(&input),
        }
        Ok(true)
    }
}
