//! The process that plays inputs, and says what it does on standard output, a line each:
//! `at N` now and then, `panic N MESSAGE`, `slow N MS`, and `peak KIB` at the end.

use std::io::Write as _;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;
use tickdeck_fuzz::Target;

/// What is slower is reported, in milliseconds.
pub(crate) const SLOW_MS: u128 = 2_000;

static PANIC: Mutex<String> = Mutex::new(String::new());

/// Plays the inputs of these numbers.
pub(crate) fn play(target: &Target, seed: u64, numbers: Range<u64>) {
    // On the threads of a contained library, a panic is no finding: they have a hook of their own over this one.
    std::panic::set_hook(Box::new(|panic| {
        if let Ok(mut last) = PANIC.lock() {
            *last = panic.to_string().replace('\n', " ");
        }
    }));
    for number in numbers {
        // Before the input is made: what aborts in between is known by it.
        say(&format!("at {number}"));
        let begun = Instant::now();
        let played = catch_unwind(AssertUnwindSafe(|| {
            (target.run)(&tickdeck_fuzz::input(target, seed, number));
        }));
        if played.is_err() {
            let message = PANIC.lock().map(|last| last.clone()).unwrap_or_default();
            say(&format!("panic {number} {message}"));
        }
        let took = begun.elapsed().as_millis();
        if took > SLOW_MS {
            say(&format!("slow {number} {took}"));
        }
    }
    say(&format!("peak {}", peak_kib()));
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Without a parent there is nobody to tell.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The most memory that this process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
