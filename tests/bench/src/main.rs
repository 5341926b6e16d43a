//! Benchmarks: one binary, one row for each claim.
//!
//! Every row is measured in rounds that alternate with its baseline, so that a noisy machine disturbs both alike. The
//! binary prints the median over the rounds, with minimum and maximum. Nothing here is a test.

mod allocations;
mod book;
mod boundary;
mod clock;
mod compare;
mod deck;
mod decode;
mod derived;
mod effort;
mod empty;
mod engine;
mod frames;
mod guests;
mod isolation;
mod journal;
mod latency;
mod machine;
mod memory;
mod native;
mod portfolio;
mod replay;
mod ring;
mod risk;
mod row;
mod scale;
mod start;
mod swap;
mod watch;

use anyhow::{Result, ensure};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use effort::Effort;
use row::{Row, print_table};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measures Tickdeck's performance claims.
#[derive(Parser)]
#[command(
    name = "tickdeck-bench",
    after_help = "Examples:\n  tickdeck-bench\n  tickdeck-bench boundary --json\n  tickdeck-bench engine --rounds 30\n  tickdeck-bench --compare ../before/tickdeck-bench --rounds 20 engine latency"
)]
struct Options {
    /// Benchmarks to run; all of them by default.
    #[arg(value_parser = known())]
    names: Vec<String>,
    /// Print one JSON object per row.
    #[arg(long)]
    json: bool,
    /// Rounds per row.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Folder of the full captures, if it is not next to the repository.
    #[arg(long, value_name = "FOLDER")]
    captures: Option<PathBuf>,
    /// Run a few short rounds, only to check that the benchmarks work.
    #[arg(long)]
    short: bool,
    /// Compare with another build of this binary, in alternating runs.
    #[arg(long, value_name = "BINARY")]
    compare: Option<PathBuf>,
}

type Bench = (&'static str, fn(&Effort) -> Result<Vec<Row>>);

const BENCHES: &[Bench] = &[
    ("boundary", boundary::run),
    ("ring", ring::run),
    ("latency", latency::run),
    ("isolation", isolation::run),
    ("engine", engine::run),
    ("decode", decode::run),
    ("book", book::run),
    ("journal", journal::run),
    ("swap", swap::run),
    ("scale", scale::run),
    ("risk", risk::run),
    ("portfolio", portfolio::run),
    ("replay", replay::run),
    ("memory", memory::run),
    ("start", start::run),
];

fn known() -> PossibleValuesParser {
    PossibleValuesParser::new(BENCHES.iter().map(|(name, _)| *name))
}

fn main() -> ExitCode {
    // The rows of live swaps compile as a host does.
    if let Some(code) = tickdeck_strategy::compile::serve_if_asked() {
        return code;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let options = Options::parse();
    if let Some(before) = &options.compare {
        return compare_builds(&options, before);
    }
    let captures = deck::captures(options.captures.as_deref());
    let effort = if options.short {
        Effort::short(captures)
    } else {
        Effort::full(options.rounds, captures)
    };
    if !options.json {
        println!("{}", machine::describe());
    }
    let mut rows = Vec::new();
    for (name, run) in BENCHES {
        if options.names.is_empty() || options.names.iter().any(|wanted| wanted == name) {
            rows.extend(run(&effort)?);
        }
    }
    if options.json {
        for row in &rows {
            println!("{}", serde_json::to_string(row)?);
        }
    } else {
        print_table(&rows);
    }
    Ok(())
}

fn compare_builds(options: &Options, before: &Path) -> Result<()> {
    let mut arguments = options.names.clone();
    if options.short {
        arguments.push("--short".to_owned());
    }
    if let Some(captures) = &options.captures {
        let captures = captures.to_str();
        ensure!(captures.is_some(), "--captures is not UTF-8");
        arguments.extend(["--captures", captures.unwrap_or_default()].map(str::to_owned));
    }
    if !options.json {
        println!("{}", machine::describe());
    }
    let rows = compare::run(before, options.rounds, &arguments)?;
    if options.json {
        for row in &rows {
            println!("{}", serde_json::to_string(row)?);
        }
    } else {
        print!("{}", compare::table(&rows));
    }
    Ok(())
}
