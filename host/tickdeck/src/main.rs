//! The tickdeck command.

fn main() {}
