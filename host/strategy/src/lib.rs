//! The wasmtime host of strategies: loading, checks, limits, the one-memcpy boundary.
