//! The frames of the real captures, as sent by the exchange.

use anyhow::{Context, Result};
use std::io::Read;
use std::path::{Path, PathBuf};
use tickdeck_gateway::binance::{Decoder, Symbol};
use tickdeck_gateway::playback::{Market, SymbolTerms};

/// The frames of one capture, and their decoder.
pub(crate) struct Frames {
    pub(crate) decoder: Decoder,
    text: String,
}

impl Frames {
    /// Reads every capture.
    pub(crate) fn of(captures: &[PathBuf]) -> Result<Vec<Self>> {
        captures.iter().map(|file| Self::read(file)).collect()
    }

    fn read(file: &Path) -> Result<Self> {
        let name = file.display();
        let mut text = String::new();
        let open = std::fs::File::open(file).with_context(|| format!("cannot open {name}"))?;
        flate2::read::MultiGzDecoder::new(open)
            .read_to_string(&mut text)
            .with_context(|| format!("cannot read {name}"))?;
        let known = ["BTCUSDT", "ETHUSDT"].into_iter();
        let symbol = known
            .filter(|symbol| text.contains(symbol))
            .find_map(|name| SymbolTerms::known(Market::Spot, name))
            .with_context(|| format!("{name} is of no symbol that is known"))?;
        let symbol = Symbol {
            name: symbol.name,
            price_scale: symbol.price_scale,
            size_scale: symbol.size_scale,
        };
        Ok(Self {
            decoder: Decoder::new(vec![symbol]),
            text,
        })
    }

    /// The frames, without their local times.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.text.lines();
        lines.filter_map(|line| Some(line.split_once(' ')?.1.as_bytes()))
    }
}
