//! Write a Tickdeck strategy in Rust.
