//! Opens the venues that the settings name.
//!
//! A new kind of venue takes a folder in `host/gateway`, its settings in `config/venue.rs` of `host/settings`, and one row in
//! `open`.

use crate::folder::module_name;
use anyhow::Result;
use tickdeck_engine::port::Gateway;
use tickdeck_gateway::broker::{FeeRate, Fees, Latency};
use tickdeck_gateway::playback::{
    Playback, PlaybackConfig, Step, SymbolSettings, read_exchange_info,
};
use tickdeck_gateway::sim::{Exchange, SimConfig};
use tickdeck_model::{Amount, parse_fixed};
use tickdeck_settings::config::{
    BrokerSettings, CaptureSettings, Config, Decimal, Located, SimSettings, SymbolSection,
    VenueKind, VenueSettings,
};

/// The default seed: everyone who tries the demo sees the same market.
pub const DEFAULT_SEED: u64 = 7;

const NS_PER_MS: u64 = 1_000_000;

/// Decimal digits of a capture's currencies.
const CURRENCY_SCALE: u8 = 8;

/// A venue to trade on.
pub struct Venue {
    /// The gateway to it.
    pub gateway: Box<dyn Gateway>,
    /// The title, for display.
    pub title: String,
    /// Its random seed.
    pub seed: u64,
}

/// Opens every venue in the settings, in that order. Their names, and so the symbols of their instruments, are distinct.
///
/// # Errors
/// A setting does not fit, or a file can't be read.
pub fn open_all(config: &Config) -> Result<Vec<Venue>> {
    // Venues without a seed of their own must not be copies of each other.
    let seeds = DEFAULT_SEED..;
    let venues = seeds.zip(&config.venues);
    venues
        .map(|(seed, settings)| open(config, settings, seed))
        .collect()
}

/// Opens a venue: one row per kind.
fn open(config: &Config, venue: &VenueSettings, seed: u64) -> Result<Venue> {
    match &venue.kind {
        VenueKind::Sim(settings) => simulated(config, venue, settings, seed),
        VenueKind::Capture(settings) => capture(config, venue, settings, seed),
    }
}

fn simulated(
    config: &Config,
    venue: &VenueSettings,
    settings: &SimSettings,
    seed: u64,
) -> Result<Venue> {
    let seed = settings.seed.unwrap_or(seed);
    let broker = &settings.broker;
    let mut sim = SimConfig {
        seed,
        ..SimConfig::default()
    };
    let title = title("the simulated exchange", &sim.venue, venue);
    sim.venue.clone_from(&venue.name);
    if let Some(rate) = settings.events_per_second {
        sim.events_per_second = rate;
    }
    if let Some(start_ms) = settings.start_ms {
        let start_ns = start_ms.saturating_mul(NS_PER_MS);
        sim.start = i64::try_from(start_ns).unwrap_or(i64::MAX);
    }
    if let Some(latency_us) = broker.latency_us {
        (sim.order_latency_ns, sim.feed_latency_ns) = (latency_us * 1_000, latency_us * 1_000);
    }
    sim.fees = fees(config, broker, sim.fees)?;
    if let Some(total) = &broker.balance {
        for balance in &mut sim.balances {
            balance.total = amount(config, "balance", total, balance.scale)?;
        }
    }
    Ok(Venue {
        gateway: Box::new(Exchange::new(sim)),
        title: format!("{title}, seed {seed}"),
        seed,
    })
}

fn capture(
    config: &Config,
    venue: &VenueSettings,
    settings: &CaptureSettings,
    seed: u64,
) -> Result<Venue> {
    let broker = &settings.broker;
    let mut playback = PlaybackConfig::new(settings.files.clone());
    let title = title("the capture", &playback.venue, venue);
    playback.venue.clone_from(&venue.name);
    let symbols = settings.symbols.iter();
    let symbols = symbols.map(|symbol| symbol_settings(config, symbol));
    playback.symbols = symbols.collect::<Result<_>>()?;
    if let Some(file) = &settings.exchange_info {
        playback.published = read_exchange_info(file)?;
    }
    if let Some(latency_us) = broker.latency_us {
        playback.latency = Latency {
            order_ns: latency_us * 1_000,
            answer_ns: latency_us * 1_000,
        };
    }
    playback.fees = fees(config, broker, playback.fees)?;
    if let Some(total) = &broker.balance {
        playback.balance = amount(config, "balance", total, CURRENCY_SCALE)?;
    }
    let files = settings.files.iter();
    let names: Vec<String> = files.map(|file| module_name(file)).collect();
    Ok(Venue {
        gateway: Box::new(Playback::open(playback)?),
        title: format!("{title} {}", names.join(", ")),
        seed: settings.seed.unwrap_or(seed),
    })
}

fn symbol_settings(config: &Config, symbol: &SymbolSection) -> Result<SymbolSettings> {
    let step = |key, given: &Option<Located<Decimal>>| -> Result<Option<Step>> {
        let Some(given) = given else {
            return Ok(None);
        };
        let problem = |what: String| {
            let what = format!("`{key}`: {what}");
            let fix = "give a decimal above 0 such as 0.01".to_owned();
            config.problem(given.line, what, fix)
        };
        let step = Step::parse(&given.value.0).map_err(|error| problem(error.to_string()))?;
        Ok(Some(step.ok_or_else(|| problem("it is 0".to_owned()))?))
    };
    let least = symbol.min_notional.as_ref();
    let least = least.map(|given| amount(config, "min_notional", given, CURRENCY_SCALE));
    Ok(SymbolSettings {
        name: symbol.name.clone(),
        base: symbol.base.as_ref().map(|base| base.value.clone()),
        quote: symbol.quote.as_ref().map(|quote| quote.value.clone()),
        tick: step("tick", &symbol.tick)?,
        lot: step("lot", &symbol.lot)?,
        min_notional: least.transpose()?,
    })
}

/// Returns a venue's kind, with its name unless that is the default name of its kind.
fn title(kind: &str, default_name: &str, venue: &VenueSettings) -> String {
    if venue.name == default_name {
        kind.to_owned()
    } else {
        format!("{}: {kind}", venue.name)
    }
}

fn fees(config: &Config, broker: &BrokerSettings, default: Fees) -> Result<Fees> {
    let rate = |key, given: &Option<_>, default| match given {
        Some(given) => fee_rate(config, key, given),
        None => Ok(default),
    };
    Ok(Fees {
        maker: rate("maker_fee_bps", &broker.maker_fee_bps, default.maker)?,
        taker: rate("taker_fee_bps", &broker.taker_fee_bps, default.taker)?,
    })
}

/// Returns a decimal from the settings as an amount.
///
/// # Errors
/// The decimal has more digits than the currency, or is too large.
pub fn amount(config: &Config, key: &str, given: &Located<Decimal>, scale: u8) -> Result<Amount> {
    Ok(Amount(units(config, key, given, scale)?))
}

/// Returns a decimal from the settings as units at a scale.
///
/// # Errors
/// The decimal has more digits than the scale, or is too large.
pub fn units(config: &Config, key: &str, given: &Located<Decimal>, scale: u8) -> Result<i64> {
    parse_fixed(&given.value.0, scale).map_err(|error| {
        config
            .problem(
                given.line,
                format!("`{key}`: {error}"),
                format!("give at most {scale} decimal digits"),
            )
            .into()
    })
}

/// Converts basis points to parts per million.
fn fee_rate(config: &Config, key: &str, given: &Located<Decimal>) -> Result<FeeRate> {
    /// The whole notional: a higher fee is a mistake.
    const MAX_PPM: i64 = 1_000_000;
    match units(config, key, given, 2)? {
        ppm @ 0..=MAX_PPM => Ok(FeeRate { ppm: ppm as i32 }),
        _ => Err(config
            .problem(
                given.line,
                format!("`{key}` is {}", given.value.0),
                "it must be at most 10000 (100 %)".to_owned(),
            )
            .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};
    use tickdeck_model::Registry;

    #[test]
    fn fees_are_read_exactly_or_refused_with_their_line() {
        let fee = |text: &str| {
            let config = Config::parse("t", &format!("[venue]\ntaker_fee_bps = {text}")).unwrap();
            let VenueKind::Sim(sim) = &config.venues[0].kind else {
                panic!("{:?}", config.venues);
            };
            let default = SimConfig::default().fees;
            fees(&config, &sim.broker, default).map(|fees| fees.taker.ppm)
        };
        assert_eq!(fee("7.5").unwrap(), 750);
        assert_eq!(fee("0").unwrap(), 0);
        let error = fee("10001").unwrap_err().to_string();
        assert_eq!(
            error,
            "`taker_fee_bps` is 10001 at t:2, it must be at most 10000 (100 %)"
        );
        let error = fee("0.001").unwrap_err().to_string();
        assert_eq!(
            error,
            "`taker_fee_bps`: `0.001` has more than 2 decimal digits at t:2, give at most 2 decimal digits"
        );
    }

    fn trades(folder: &Path, name: &str) -> PathBuf {
        let file = folder.join(name);
        let line = "1723161255000000000 {\"e\":\"trade\",\"E\":1723161255000,\"s\":\"BTCUSDT\",\"t\":1,\
                    \"p\":\"60000.00\",\"q\":\"0.10000\",\"T\":1723161255000,\"m\":true}\n";
        std::fs::write(&file, line).unwrap();
        file
    }

    #[test]
    fn a_deck_opens_two_simulated_venues_and_a_capture_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = trades(folder.path(), "btc.txt");
        let text = format!(
            "[venues.EAST]\n[venues.WEST]\nbalance = 5\n\
             [venues.TAPE]\nkind = \"capture\"\nfiles = [\"{}\"]\n",
            file.display()
        );
        let config = Config::parse("t", &text).unwrap();
        let mut venues = open_all(&config).unwrap();
        let titles: Vec<&str> = venues.iter().map(|venue| venue.title.as_str()).collect();
        assert_eq!(
            titles,
            [
                "EAST: the simulated exchange, seed 7",
                "TAPE: the capture btc",
                "WEST: the simulated exchange, seed 9"
            ]
        );
        let mut registry = Registry::new();
        let terms = venues
            .iter_mut()
            .map(|venue| venue.gateway.register(&mut registry).unwrap());
        let terms: Vec<_> = terms.collect();
        let names = terms
            .iter()
            .map(|terms| registry.venue(terms.venue).unwrap());
        assert_eq!(names.collect::<Vec<_>>(), ["EAST", "TAPE", "WEST"]);
        let listing: Vec<&str> = registry
            .instruments()
            .iter()
            .filter(|instrument| instrument.ticker() == "BTCUSDT")
            .map(|instrument| instrument.symbol.as_str())
            .collect();
        assert_eq!(listing, ["BTCUSDT.EAST", "BTCUSDT.TAPE", "BTCUSDT.WEST"]);
        assert_eq!(registry.find_instrument("BTCUSDT"), None, "ambiguous");
    }

    #[test]
    fn the_terms_of_a_symbol_can_be_set_and_a_mistake_has_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = trades(folder.path(), "btc.txt");
        let open = |terms: &str| {
            let text = format!(
                "[venue]\nkind = \"capture\"\nfiles = [\"{}\"]\n[venue.symbols.BTCUSDT]\n{terms}\n",
                file.display()
            );
            let config = Config::parse("t", &text).map_err(|error| error.to_string())?;
            let opened = open_all(&config).map_err(|error| error.to_string())?;
            let mut registry = Registry::new();
            for mut venue in opened {
                venue.gateway.register(&mut registry).unwrap();
            }
            Ok::<_, String>(registry.instruments()[0].clone())
        };
        let terms =
            open("quote = \"USDX\"\ntick = 0.05\nlot = \"0.001\"\nmin_notional = 100").unwrap();
        assert_eq!((terms.tick.0, terms.price_scale), (5, 2));
        assert_eq!((terms.lot.0, terms.size_scale), (1, 3));
        assert_eq!(terms.min_notional, Amount(100 * 100_000_000));
        for (terms, why) in [
            ("tick = 0", "`tick`: it is 0 at t:5"),
            ("lot = 0.0000000001", "at t:5, give a decimal above 0"),
            ("min_notional = 0.0000000001", "at most 8 decimal digits"),
            ("tik = 1", "did you mean `tick`?"),
        ] {
            let error = open(terms).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_deck_with_a_single_venue_is_titled_as_ever() {
        let config = Config::parse("t", "[venue]\nseed = 3\n").unwrap();
        let venue = open_all(&config).unwrap().pop().unwrap();
        assert_eq!(venue.title, "the simulated exchange, seed 3");
        assert_eq!(venue.seed, 3);
    }
}
