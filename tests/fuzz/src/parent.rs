//! Shares inputs out to child processes and gathers what they say.

use crate::child::SLOW_MS;
use crate::figures::{Figures, Finding, FindingKind};
use anyhow::{Context, Result};
use std::io::{BufRead as _, BufReader};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tickdeck_fuzz::Target;

/// A child that says nothing for so long hangs and is killed.
const SILENCE: Duration = Duration::from_secs(20);

/// Inputs of one child: memory that is never given back would show, and an end loses little.
const CHUNK: u64 = 200_000;

/// Findings after which a target is given up.
const MOST_FINDINGS: usize = 20;

/// Plays so many inputs of a target.
pub(crate) fn play(
    target: &'static Target,
    seed: u64,
    inputs: u64,
    jobs: usize,
) -> Result<Figures> {
    let begun = Instant::now();
    let each = inputs.div_ceil(jobs as u64);
    let parts =
        (0..jobs as u64).map(|job| (job * each).min(inputs)..((job + 1) * each).min(inputs));
    let mut figures = Figures::default();
    std::thread::scope(|scope| {
        let parts: Vec<_> = parts
            .map(|part| scope.spawn(|| play_part(target, seed, part)))
            .collect();
        for part in parts {
            figures.add(part.join().expect("a part returns its errors")?);
        }
        anyhow::Ok(())
    })?;
    figures.elapsed = begun.elapsed();
    Ok(figures)
}

fn play_part(target: &'static Target, seed: u64, numbers: Range<u64>) -> Result<Figures> {
    let mut figures = Figures::default();
    let mut from = numbers.start;
    while from < numbers.end && figures.findings.len() < MOST_FINDINGS {
        let until = numbers.end.min(from + CHUNK);
        let reached = Run::start(target, seed, from..until)?.follow(&mut figures)?;
        figures.inputs += reached - from;
        from = reached;
    }
    Ok(figures)
}

/// A child at work.
struct Run {
    target: &'static Target,
    seed: u64,
    numbers: Range<u64>,
    child: Child,
    lines: Receiver<String>,
}

impl Run {
    fn start(target: &'static Target, seed: u64, numbers: Range<u64>) -> Result<Self> {
        let here = std::env::current_exe().context("where this program is")?;
        let mut child = Command::new(here)
            .arg(target.name)
            .args([
                "--seed",
                &seed.to_string(),
                "--inputs",
                &numbers.end.to_string(),
            ])
            .args(["--child-from", &numbers.start.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a child")?;
        let out = child.stdout.take().context("the child has an output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            target,
            seed,
            numbers,
            child,
            lines,
        })
    }

    /// Follows the child to its end; returns the number of the first input that was not played.
    fn follow(mut self, figures: &mut Figures) -> Result<u64> {
        let mut at = self.numbers.start;
        let mut find = |number, kind| {
            figures.findings.push(Finding {
                target: self.target.name,
                seed: self.seed,
                number,
                kind,
            });
        };
        loop {
            let line = match self.lines.recv_timeout(SILENCE) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().context("cannot end a child")?;
                    self.child.wait()?;
                    find(at, FindingKind::Hang(SILENCE.as_millis()));
                    return Ok(at + 1);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait()?;
                    if status.success() {
                        return Ok(self.numbers.end);
                    }
                    find(at, FindingKind::Crash(status.to_string()));
                    return Ok(at + 1);
                }
            };
            let mut words = line.splitn(3, ' ');
            let (what, number) = (
                words.next(),
                words.next().and_then(|word| word.parse().ok()),
            );
            let rest = words.next().unwrap_or_default();
            match (what, number) {
                (Some("at"), Some(number)) => at = number,
                (Some("panic"), Some(number)) => find(number, FindingKind::Panic(rest.to_owned())),
                (Some("slow"), Some(number)) => {
                    find(number, FindingKind::Hang(rest.parse().unwrap_or(SLOW_MS)));
                }
                (Some("peak"), Some(kib)) => figures.peak_kib = figures.peak_kib.max(kib),
                _ => {}
            }
        }
    }
}
