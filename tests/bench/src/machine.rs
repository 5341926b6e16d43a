//! The machine on which the figures were measured.

use std::process::Command;

/// Returns one line with processor, cores, compiler, wasmtime, commit and command.
pub(crate) fn describe() -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|info| {
            let line = info.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let command: Vec<String> = std::env::args().skip(1).collect();
    format!(
        "{}, {cores} cores; {}; wasmtime 48.0.8; commit {}; tickdeck-bench {}",
        processor.unwrap_or_else(|| "unknown processor".to_owned()),
        output("rustc", &["--version"]),
        output("git", &["rev-parse", "--short", "HEAD"]),
        command.join(" ")
    )
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success());
    output.map_or_else(
        || "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
