//! From the settings to a venue: the simulated exchange, or a recorded market.

use crate::folder::module_name;
use anyhow::Result;
use tickdeck_engine::port::Gateway;
use tickdeck_gateway::broker::{FeeRate, Latency};
use tickdeck_gateway::playback::{Playback, PlaybackConfig};
use tickdeck_gateway::sim::{Exchange, SimConfig};
use tickdeck_model::{Amount, parse_fixed};
use tickdeck_settings::config::{Config, Decimal, Located, VenueKind};

/// The seed that plays when none is given; the same market for everyone who tries the demo.
pub const DEFAULT_SEED: u64 = 7;

/// Decimal digits of a capture's currencies.
const CURRENCY_SCALE: u8 = 8;

/// A venue to trade on.
pub struct Venue {
    /// The venue.
    pub gateway: Box<dyn Gateway>,
    /// What it is, for people.
    pub title: String,
    /// The seed of what is random about it.
    pub seed: u64,
}

/// Makes the venue that the settings ask for.
///
/// # Errors
/// A setting does not fit, or a file can't be read.
pub fn venue(config: &Config) -> Result<Venue> {
    let seed = config.venue.seed.unwrap_or(DEFAULT_SEED);
    match config.venue.kind {
        VenueKind::Sim => simulated(config, seed),
        VenueKind::Capture => capture(config, seed),
    }
}

fn simulated(config: &Config, seed: u64) -> Result<Venue> {
    let settings = &config.venue;
    let mut sim = SimConfig {
        seed,
        ..SimConfig::default()
    };
    if let Some(rate) = settings.events_per_second {
        sim.events_per_second = rate;
    }
    if let Some(latency_us) = settings.latency_us {
        (sim.order_latency_ns, sim.feed_latency_ns) = (latency_us * 1_000, latency_us * 1_000);
    }
    if let Some(fee) = &settings.maker_fee_bps {
        sim.fees.maker = fee_rate(config, "maker_fee_bps", fee)?;
    }
    if let Some(fee) = &settings.taker_fee_bps {
        sim.fees.taker = fee_rate(config, "taker_fee_bps", fee)?;
    }
    if let Some(total) = &settings.balance {
        for balance in &mut sim.balances {
            balance.total = amount(config, "balance", total, balance.scale)?;
        }
    }
    Ok(Venue {
        gateway: Box::new(Exchange::new(sim)),
        title: format!("the simulated exchange, seed {seed}"),
        seed,
    })
}

fn capture(config: &Config, seed: u64) -> Result<Venue> {
    let settings = &config.venue;
    let mut capture = PlaybackConfig::new(settings.files.clone());
    if let Some(latency_us) = settings.latency_us {
        capture.latency = Latency {
            order_ns: latency_us * 1_000,
            answer_ns: latency_us * 1_000,
        };
    }
    if let Some(fee) = &settings.maker_fee_bps {
        capture.fees.maker = fee_rate(config, "maker_fee_bps", fee)?;
    }
    if let Some(fee) = &settings.taker_fee_bps {
        capture.fees.taker = fee_rate(config, "taker_fee_bps", fee)?;
    }
    if let Some(total) = &settings.balance {
        let total = amount(config, "balance", total, CURRENCY_SCALE)?;
        capture
            .balances
            .iter_mut()
            .for_each(|(_, balance)| *balance = total);
    }
    let names: Vec<String> = settings
        .files
        .iter()
        .map(|file| module_name(file))
        .collect();
    let gateway = Playback::open(capture)?;
    Ok(Venue {
        gateway: Box::new(gateway),
        title: format!("the capture {}", names.join(", ")),
        seed,
    })
}

/// A decimal of the settings as an amount.
///
/// # Errors
/// It is finer than the currency, or too large.
pub fn amount(config: &Config, key: &str, given: &Located<Decimal>, scale: u8) -> Result<Amount> {
    Ok(Amount(units(config, key, given, scale)?))
}

/// A decimal of the settings as units at a scale.
///
/// # Errors
/// It is finer than the scale, or too large.
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

/// Hundredths of a percent as parts per million.
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

    #[test]
    fn fees_are_read_exactly_or_refused_with_their_line() {
        let fee = |text: &str| {
            let config = Config::parse("t", &format!("[venue]\ntaker_fee_bps = {text}")).unwrap();
            fee_rate(
                &config,
                "taker_fee_bps",
                config.venue.taker_fee_bps.as_ref().unwrap(),
            )
            .map(|rate| rate.ppm)
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
}
