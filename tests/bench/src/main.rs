//! Benchmarks: one binary, a row a claim.
//!
//! Every row is measured in rounds that interleave it with its baseline, so that a noisy machine disturbs both alike;
//! what is printed is the median over the rounds, with the least and the most. Nothing here is a test.

mod allocations;
mod book;
mod boundary;
mod deck;
mod decode;
mod derived;
mod empty;
mod engine;
mod frames;
mod guests;
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

use anyhow::Result;
use clap::Parser;
use clap::builder::PossibleValuesParser;
use row::{Row, print_table};
use std::path::PathBuf;

/// Measures what Tickdeck claims.
#[derive(Parser)]
#[command(
    name = "tickdeck-bench",
    after_help = "Examples:\n  tickdeck-bench\n  tickdeck-bench boundary --json\n  tickdeck-bench engine --rounds 30"
)]
struct Options {
    /// What to measure. Everything when nothing is named.
    #[arg(value_parser = known())]
    names: Vec<String>,
    /// One JSON object a row.
    #[arg(long)]
    json: bool,
    /// Rounds of each row.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Folder of the full captures, where it is not beside the repository.
    #[arg(long, value_name = "FOLDER")]
    captures: Option<PathBuf>,
    /// Few short rounds, only to see that it works.
    #[arg(long)]
    short: bool,
}

/// How long to measure, and on what.
#[derive(Debug, Clone)]
struct Effort {
    rounds: usize,
    /// Events of one measurement.
    events: usize,
    /// Swaps of one strategy.
    swaps: usize,
    /// Whether to measure what takes minutes too.
    full: bool,
    /// What engines play.
    captures: Vec<PathBuf>,
}

type Bench = (&'static str, fn(&Effort) -> Result<Vec<Row>>);

const BENCHES: &[Bench] = &[
    ("boundary", boundary::run),
    ("ring", ring::run),
    ("latency", latency::run),
    ("engine", engine::run),
    ("decode", decode::run),
    ("book", book::run),
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

fn main() -> Result<()> {
    let options = Options::parse();
    let captures = deck::captures(options.captures.as_deref());
    let effort = if options.short {
        Effort {
            rounds: 3,
            events: 1 << 14,
            swaps: 100,
            full: false,
            captures,
        }
    } else {
        Effort {
            rounds: options.rounds.max(1),
            events: 1 << 18,
            swaps: 1_000,
            full: true,
            captures,
        }
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
