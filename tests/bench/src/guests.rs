//! The example plugins as modules, and a registry for them.

use anyhow::{Context, Result, anyhow};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tickdeck_model::{Amount, Currency, Instrument, InstrumentId, Price, Registry, Size};
use tickdeck_toolchain::rust::{Build, build, examples};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("tests/bench is two below the root")
}

/// Builds the example plugins and returns their modules by name.
pub(crate) fn modules() -> Result<Vec<(String, PathBuf)>> {
    built(examples(&root().join("plugins"))?, false)
}

/// Builds the counting strategy, and returns the file of its module.
pub(crate) fn counter() -> Result<PathBuf> {
    let built = built(vec![root().join("tests/bench/counter")], false)?;
    let (_, file) = built.into_iter().next().context("one crate, one module")?;
    Ok(file)
}

/// Returns a module of the same code under another hash: with an additional custom section.
pub(crate) fn variant(module: &[u8], number: u64) -> Vec<u8> {
    let content: [&[u8]; 3] = [&[5], b"bench", &number.to_le_bytes()];
    let content = content.concat();
    let length = u8::try_from(content.len()).expect("14 bytes");
    [module, &[0, length], &content].concat()
}

/// An example plugin in the world `strategy-bytes`.
pub(crate) fn in_bytes(name: &str) -> Result<PathBuf> {
    let built = built(vec![root().join("plugins").join(name)], true)?;
    let (_, file) = built.into_iter().next().context("one crate, one module")?;
    Ok(file)
}

fn built(crates: Vec<PathBuf>, bytes: bool) -> Result<Vec<(String, PathBuf)>> {
    let folder = if bytes { "bytes" } else { "typed" };
    let out = root().join("target/bench-plugins").join(folder);
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let built = build(&Build { crates, out, bytes })?;
    Ok(built
        .into_iter()
        .map(|built| (built.name, built.file))
        .collect())
}

pub(crate) fn module(name: &str) -> Result<PathBuf> {
    let found = modules()?.into_iter().find(|(other, _)| other == name);
    found
        .map(|(_, file)| file)
        .ok_or_else(|| anyhow!("there is no example plugin `{name}`"))
}

/// Returns a registry with the one instrument of the boundary's events.
pub(crate) fn registry() -> Result<(Arc<Registry>, Vec<Currency>)> {
    let mut registry = Registry::new();
    let venue = registry.add_venue("BENCH");
    let base = registry.add_currency("BTC", 8)?;
    let quote = registry.add_currency("USDT", 8)?;
    registry.add_text("cross");
    registry.add_instrument(Instrument {
        id: InstrumentId(0),
        venue,
        symbol: "BTCUSDT.BENCH".to_owned(),
        base,
        quote,
        price_scale: 2,
        size_scale: 5,
        quote_scale: 8,
        tick: Price(1),
        lot: Size(1),
        min_notional: Amount(0),
    })?;
    let currencies = [base, quote]
        .into_iter()
        .filter_map(|id| registry.currency(id))
        .collect();
    Ok((Arc::new(registry), currencies))
}
