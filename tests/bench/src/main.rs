//! Benchmarks: one binary, a row a claim.

fn main() {}
