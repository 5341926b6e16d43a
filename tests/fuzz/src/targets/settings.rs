//! Files of settings. The first byte of an input says which file it is.

use crate::dice::Dice;
use crate::mutate::mutate;
use tickdeck_model::{Amount, Instrument, InstrumentId, Price, Registry, Size};
use tickdeck_settings::config::{Config, Located, PluginSettings};
use tickdeck_settings::grants::Grants;
use tickdeck_settings::operator_rules::OperatorRules;
use tickdeck_settings::signature::TrustedKeys;

const DECK: &str = include_str!("../../../../tickdeck.toml");
const SMALL: &str = "[engine]\nworkers = 2\nbatch = 64\nstepping = \"free\"\n[venues.A]\nkind = \"sim\"\nseed = 7\nstart_ms = 5\n\
[venues.B]\nkind = \"capture\"\nfiles = [\"a.gz\", \"b\"]\nlatency_us = 5\nmaker_fee_bps = 1.5\n[risk]\ncollar_bps = 50\n\
[risk.instruments.\"BTCUSDT.SIM\"]\nmax_size = 0.5\n[strategies.ema]\nplugin = \"x\"\ncapital = 12.5\n\
[strategies.ema.parameters]\nfast = 3\n[wasm]\nmemory_mib = 8\ntrusted_keys = [\"RWQ\"]\n[journal]\nsync = \"order\"\n";
const PLUGIN: &str = "[permissions]\norder_rate = { orders = 100, window_ms = 1000 }\nvenues = [\"SIM\"]\n\
max_notional = 1000.5\n[limits]\ntime_ms = 10\nmemory_mib = 64\n[swap]\nshadow = true\ntrial_events = 5\ntrial_s = 60\n\
other_schema = \"fresh\"\n[parameters]\nfast = 5\nname = \"a\"\n";
const GRANTS: &str = "[ema]\nmodule = \"00\"\napproved = \"2026-01-01\"\nmax_notional = 5\norder_rate = { orders = 1, window_ms = 5 }\n";
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
trusted comment: timestamp:1633700835\tfile:test\tprehashed\n\
wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n";

const WORDS: &[&str] = &[
    "[",
    "[[",
    "]",
    "{",
    "}",
    "=",
    "\"",
    "\"\"\"",
    "'",
    "#",
    "\n",
    ".",
    ",",
    "true",
    "inf",
    "nan",
    "-0",
    "1e999",
    "0x",
    "[venue]\n",
    "[venues.A]\n",
    "a.b.c = 1\n",
    "\u{202e}",
    "\u{1b}[31m",
    "\0",
    "9999-12-31T23:59:60Z",
    "[strategies.\"\"]\n",
    "start_ms = ",
    "[[risk]]\n",
];

pub(crate) fn make(dice: &mut Dice) -> Vec<u8> {
    let kind = dice.below(5);
    let base = match kind {
        0 => *dice.pick(&[DECK, SMALL]),
        1 => PLUGIN,
        2 => GRANTS,
        3 => KEY,
        _ => SIGNATURE,
    };
    let mut text = base.as_bytes().to_vec();
    mutate(&mut text, WORDS, dice);
    text.insert(0, kind as u8);
    text
}

pub(crate) fn run(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(bytes);
    let registry = registry();
    match kind % 5 {
        0 => {
            if let Ok(config) = Config::parse("tickdeck.toml", &text) {
                for settings in config.strategies.values() {
                    let _ = OperatorRules::of(&config, settings, &registry);
                }
            }
        }
        1 => {
            if let Ok(plugin) = PluginSettings::parse("ema.toml", &text) {
                let _ = plugin.request(&registry);
            }
        }
        2 => {
            if let Ok(grants) = Grants::parse("grants.toml", &text) {
                let _ = grants.granted("ema", &registry);
                let _ = grants.text_of("ema");
            }
        }
        3 => drop(keys(&text)),
        _ => {
            if let Some(keys) = keys(KEY) {
                let _ = keys.verify("ema.wasm", b"test", None, Some(bytes));
            }
        }
    }
}

fn keys(text: &str) -> Option<TrustedKeys> {
    let value = text.to_owned();
    TrustedKeys::parse("tickdeck.toml", &[Located { value, line: 1 }]).ok()
}

/// A market of one instrument.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::new();
    let venue = registry.add_venue("SIM");
    let mut currency = |code| registry.add_currency(code, 8).expect("it is new");
    let (base, quote) = (currency("BTC"), currency("USDT"));
    let terms = Instrument {
        id: InstrumentId(0),
        venue,
        symbol: "BTCUSDT.SIM".to_owned(),
        base,
        quote,
        price_scale: 2,
        size_scale: 5,
        quote_scale: 8,
        tick: Price(1),
        lot: Size(1),
        min_notional: Amount(1),
    };
    registry.add_instrument(terms).expect("it is new");
    registry.add_strategy("ema");
    registry.add_text("first");
    registry
}
