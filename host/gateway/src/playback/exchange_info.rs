//! The terms of symbols as Binance publishes them: the answer of `/api/v3/exchangeInfo` (Spot) or `/fapi/v1/exchangeInfo`
//! (USD-M futures), saved as a file.
//!
//! Source: `filters.md` of binance/binance-spot-api-docs, and "Exchange Information" of Binance's USD-M futures documentation.

use super::config::{CURRENCY_SCALE, SymbolSettings};
use super::step::Step;
use serde::Deserialize;
use std::path::Path;
use tickdeck_engine::port::GatewayError;
use tickdeck_files::read_bounded;
use tickdeck_model::untrusted::quoted;
use tickdeck_model::{Amount, FixedError, Untrusted, parse_fixed};

/// Spot's whole answer has some 20 MB.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Deserialize)]
struct ExchangeInfo {
    symbols: Vec<SymbolInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SymbolInfo {
    symbol: String,
    base_asset: String,
    quote_asset: String,
    #[serde(default)]
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    filter_type: String,
    tick_size: Option<String>,
    step_size: Option<String>,
    /// Of Spot.
    min_notional: Option<String>,
    /// Of futures.
    notional: Option<String>,
}

/// Reads the terms of all symbols of a file.
///
/// # Errors
/// The file can't be read or is no such answer; the text names the place.
pub fn read_exchange_info(path: &Path) -> Result<Vec<SymbolSettings>, GatewayError> {
    let problem = |problem: String| GatewayError::Source {
        source_name: Untrusted::path(path).to_string(),
        problem,
    };
    let unreadable = |error: std::io::Error| problem(format!("cannot be read: {error}"));
    let text = read_bounded(path, MAX_BYTES).map_err(unreadable)?;
    let info: ExchangeInfo = serde_json::from_slice(&text).map_err(|error| {
        problem(format!(
            "is not Binance's answer of exchangeInfo: {}; save that of /api/v3/exchangeInfo or /fapi/v1/exchangeInfo",
            Untrusted::new(&error.to_string())
        ))
    })?;
    let settings = |info: &SymbolInfo| {
        info.settings().map_err(|(filter, error)| {
            problem(format!("{filter} of {}: {error}", quoted(&info.symbol)))
        })
    };
    info.symbols.iter().map(settings).collect()
}

impl SymbolInfo {
    fn settings(&self) -> Result<SymbolSettings, (&'static str, FixedError)> {
        let mut settings = SymbolSettings {
            name: self.symbol.clone(),
            base: Some(self.base_asset.clone()),
            quote: Some(self.quote_asset.clone()),
            ..SymbolSettings::default()
        };
        for filter in &self.filters {
            let step = |name, text: &Option<String>| {
                let step = text.as_deref().map(Step::parse).transpose();
                step.map(Option::flatten).map_err(|error| (name, error))
            };
            match filter.filter_type.as_str() {
                "PRICE_FILTER" => settings.tick = step("PRICE_FILTER", &filter.tick_size)?,
                "LOT_SIZE" => settings.lot = step("LOT_SIZE", &filter.step_size)?,
                "NOTIONAL" | "MIN_NOTIONAL" => {
                    let least = filter
                        .min_notional
                        .as_deref()
                        .or(filter.notional.as_deref());
                    let least = least
                        .map(|text| parse_fixed(text, CURRENCY_SCALE))
                        .transpose();
                    settings.min_notional = least.map_err(|error| ("NOTIONAL", error))?.map(Amount);
                }
                _ => {}
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<SymbolSettings>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_exchange_info(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn terms_of_spot_and_futures_are_read() {
        let text = r#"{"timezone":"UTC","symbols":[
            {"symbol":"BTCPLN","baseAsset":"BTC","quoteAsset":"PLN","filters":[
                {"filterType":"PRICE_FILTER","minPrice":"1.00000000","tickSize":"1.00000000"},
                {"filterType":"LOT_SIZE","minQty":"0.00001000","stepSize":"0.00001000"},
                {"filterType":"ICEBERG_PARTS","limit":10},
                {"filterType":"NOTIONAL","minNotional":"25.00000000"}]},
            {"symbol":"BTCUSDT","baseAsset":"BTC","quoteAsset":"USDT","filters":[
                {"filterType":"PRICE_FILTER","tickSize":"0.10"},
                {"filterType":"MIN_NOTIONAL","notional":"100"}]}]}"#;
        let all = read(text).unwrap();
        let step = |units, scale| Some(Step { units, scale });
        assert_eq!((all[0].tick, all[0].lot), (step(1, 0), step(1, 5)));
        assert_eq!(all[0].min_notional, Some(Amount(25 * 100_000_000)));
        assert_eq!((all[1].tick, all[1].lot), (step(1, 1), None));
        assert_eq!(all[1].min_notional, Some(Amount(100 * 100_000_000)));
        assert_eq!(all[1].quote.as_deref(), Some("USDT"));
    }

    #[test]
    fn another_file_is_refused_with_what_it_should_be() {
        let error = read("{\"lastUpdateId\":1}").unwrap_err();
        assert!(error.contains("/api/v3/exchangeInfo"), "{error}");
        let text = r#"{"symbols":[{"symbol":"A","baseAsset":"B","quoteAsset":"C","filters":[
            {"filterType":"LOT_SIZE","stepSize":"much"}]}]}"#;
        let error = read(text).unwrap_err();
        assert!(error.contains("LOT_SIZE of `A`"), "{error}");
    }
}
