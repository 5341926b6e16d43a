//! Resolves a manifest against the user's settings and the deck's registry.

use crate::manifest::{MAX_SHORT, Manifest, Subscription, placeholder};
use crate::parameter::{Parameter, ParameterKind, check_value};
use std::collections::{BTreeMap, HashSet};
use tickdeck_model::suggestion::nearest;
use tickdeck_model::untrusted::quoted;
use tickdeck_model::{BarBasis, Feed, FeedRequest, Pad, Registry, TextId, Untrusted};

/// Maximum number of unknown parameters reported: each costs a search for the one that was meant.
const MAX_UNKNOWN: usize = 64;

/// Why the value of a parameter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// There is no such parameter. The user must rename or remove it.
    #[error("no parameter {}{}", quoted(name), did_you_mean(nearest.as_deref()))]
    Unknown {
        /// The name given.
        name: String,
        /// The nearest parameter name, if there is one.
        nearest: Option<String>,
    },
    /// The parameter has no default. The user must give a value.
    #[error("parameter `{name}` ({kind}) has no default: give it a value")]
    Missing {
        /// The parameter.
        name: String,
        /// Its kind.
        kind: &'static str,
    },
    /// The value is not valid. The user must correct it.
    #[error("parameter `{name}`: {} {problem}", quoted(value))]
    Invalid {
        /// The parameter.
        name: String,
        /// The value given.
        value: String,
        /// The problem.
        problem: String,
    },
}

/// Why this deck cannot provide a feed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WantError {
    /// The deck has no such instrument. The user must correct the symbol or add its venue.
    #[error("{wanted}: no instrument {} in this deck{}", quoted(symbol), did_you_mean(nearest.as_deref()))]
    NoInstrument {
        /// The subscription or parameter that refers to it.
        wanted: String,
        /// The symbol.
        symbol: String,
        /// The nearest symbol, if there is one.
        nearest: Option<String>,
    },
    /// The name of a signal is too long. The user must shorten it.
    #[error(
        "subscription to `{target}`: the name of a signal may have {MAX_SHORT} bytes, this one has {bytes}"
    )]
    LongSignal {
        /// The subscription.
        target: String,
        /// The length of the name.
        bytes: usize,
    },
    /// Its signals and messages do not fit into the deck. The user must do without some plugins, or use fewer texts.
    #[error(
        "its signals and messages do not fit: the names that strategies ever brought into this data folder would take more          than 4 MiB; use fewer or shorter ones, or start with an empty data folder"
    )]
    NoRoom,
    /// A placeholder has no value, because the parameters are not those of [`Manifest::resolve`].
    #[error("subscription to `{target}`: that parameter has no value")]
    NoValue {
        /// The placeholder.
        target: String,
    },
}

/// The resolved needs of a strategy, as numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// Feeds from the first event on.
    pub feeds: Vec<FeedRequest>,
    /// Whether it receives the account's balances.
    pub accounts: bool,
    /// The texts that `notify` refers to by index.
    pub messages: Vec<TextId>,
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |near| {
        format!("; did you mean {}?", quoted(near))
    })
}

impl Manifest {
    /// Returns one value for each parameter, in the manifest's order: the given one, or the default.
    ///
    /// # Errors
    /// All problems: invalid values, missing values, unknown names.
    pub fn resolve(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<Vec<(String, String)>, Vec<ParameterError>> {
        let unknown = given.keys().filter_map(|name| self.unknown(name));
        let mut errors: Vec<_> = unknown.take(MAX_UNKNOWN).collect();
        let mut values = Vec::with_capacity(self.parameters.len());
        for parameter in &self.parameters {
            match parameter.value(given.get(&parameter.name)) {
                Ok(value) => values.push((parameter.name.clone(), value)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(values)
        } else {
            Err(errors)
        }
    }

    fn unknown(&self, name: &str) -> Option<ParameterError> {
        if self.parameter(name).is_some() {
            return None;
        }
        let names = self.parameters.iter().map(|parameter| &*parameter.name);
        Some(ParameterError::Unknown {
            name: name.to_owned(),
            nearest: nearest(name, names).map(str::to_owned),
        })
    }

    /// Resolves the subscriptions: symbols, `*` and `{parameter}`. Names of signals and messages are interned.
    /// `parameters` are the values that [`Manifest::resolve`] returned.
    ///
    /// # Errors
    /// All symbols that the deck does not know.
    pub fn wants(
        &self,
        parameters: &[(String, String)],
        registry: &mut Registry,
    ) -> Result<Wants, Vec<WantError>> {
        // Names are never forgotten, so they are checked before any of them is interned.
        let mut refused = self.long_signals(parameters);
        let names = self.signals(parameters).map(|(_, signal)| signal);
        let messages = self.messages.iter().map(Untrusted::raw);
        if !registry.has_room_for(names.chain(messages)) {
            refused.push(WantError::NoRoom);
        }
        if !refused.is_empty() {
            return Err(refused);
        }
        let mut errors = self.unknown_instruments(parameters, registry);
        let (mut feeds, mut accounts) = (Vec::new(), false);
        for subscription in &self.subscriptions {
            if *subscription == Subscription::Accounts {
                accounts = true;
                continue;
            }
            match requests(subscription, parameters, registry) {
                Ok(requests) => feeds.extend(requests),
                Err(error) => errors.push(error),
            }
        }
        let mut seen = HashSet::new();
        feeds.retain(|feed| seen.insert(*feed));
        if !errors.is_empty() {
            return Err(errors);
        }
        let messages = self
            .messages
            .iter()
            .map(|message| registry.add_text(message.raw()))
            .collect();
        Ok(Wants {
            feeds,
            accounts,
            messages,
        })
    }

    /// The signals that it subscribes to, each with the subscription as it is shown.
    fn signals<'a>(
        &'a self,
        parameters: &'a [(String, String)],
    ) -> impl Iterator<Item = (&'a Untrusted, &'a str)> {
        let signal = |subscription: &'a Subscription| match subscription {
            Subscription::Signals(shown) => {
                let named = placeholder(shown.raw());
                let target = named.map_or(Some(shown.raw()), |name| value_of(name, parameters));
                target.map(|target| (shown, target))
            }
            _ => None,
        };
        self.subscriptions.iter().filter_map(signal)
    }

    /// Names of signals from parameters, which may be longer than those in a manifest.
    fn long_signals(&self, parameters: &[(String, String)]) -> Vec<WantError> {
        let too_long = |(shown, signal): (&Untrusted, &str)| {
            (signal.len() > MAX_SHORT).then(|| WantError::LongSignal {
                target: shown.to_string(),
                bytes: signal.len(),
            })
        };
        self.signals(parameters).filter_map(too_long).collect()
    }

    /// Checks parameters of kind instrument whose value the deck does not know. A parameter that a subscription names is
    /// left to the subscription, so that no symbol is reported twice.
    fn unknown_instruments(
        &self,
        parameters: &[(String, String)],
        registry: &Registry,
    ) -> Vec<WantError> {
        let subscribed: HashSet<&str> = self
            .subscriptions
            .iter()
            .filter_map(Subscription::parameter)
            .collect();
        let instruments = parameters.iter().filter(|(name, _)| {
            let kind = self.parameter(name).map(|parameter| parameter.kind);
            kind == Some(ParameterKind::Instrument) && !subscribed.contains(name.as_str())
        });
        instruments
            .filter_map(|(name, symbol)| {
                find(symbol, &format!("parameter `{name}`"), registry).err()
            })
            .collect()
    }
}

impl Parameter {
    fn value(&self, given: Option<&String>) -> Result<String, ParameterError> {
        let default = self.default.as_ref().map(Untrusted::raw);
        let Some(value) = given.map(String::as_str).or(default) else {
            return Err(ParameterError::Missing {
                name: self.name.clone(),
                kind: self.kind.as_str(),
            });
        };
        match check_value(self, value) {
            Ok(()) => Ok(value.to_owned()),
            Err(problem) => Err(ParameterError::Invalid {
                name: self.name.clone(),
                value: value.to_owned(),
                problem,
            }),
        }
    }
}

fn requests(
    subscription: &Subscription,
    parameters: &[(String, String)],
    registry: &mut Registry,
) -> Result<Vec<FeedRequest>, WantError> {
    let Some(shown) = subscription.target() else {
        return Ok(Vec::new());
    };
    let written = shown.raw();
    let target = match placeholder(written) {
        None => written,
        Some(name) => value_of(name, parameters).ok_or_else(|| WantError::NoValue {
            target: shown.to_string(),
        })?,
    };
    let (feed, basis, step) = match subscription {
        Subscription::Quotes(_) => (Feed::Quotes, BarBasis::Time, 0),
        Subscription::Trades(_) => (Feed::Trades, BarBasis::Time, 0),
        Subscription::Book(_) => (Feed::Book, BarBasis::Time, 0),
        Subscription::Bars { basis, step, .. } => (Feed::Bars, *basis, *step),
        Subscription::Signals(_) => return Ok(vec![signal(target, registry)]),
        Subscription::Accounts => return Ok(Vec::new()),
    };
    // All instruments, only when the manifest says so: a parameter's value is one symbol.
    let targets = match written {
        "*" => registry.instruments().iter().map(|all| all.id.0).collect(),
        _ => vec![find(target, &format!("{feed} of `{shown}`"), registry)?],
    };
    let request = |target| FeedRequest {
        target,
        step,
        feed,
        basis,
        pad: Pad::ZERO,
    };
    Ok(targets.into_iter().map(request).collect())
}

/// The request for a signal: of everyone, or of the strategy that `NAME/SIGNAL` names.
fn signal(written: &str, registry: &mut Registry) -> FeedRequest {
    let (publisher, name) = registry.add_signal(written);
    FeedRequest::signal(name, publisher)
}

fn value_of<'a>(name: &str, parameters: &'a [(String, String)]) -> Option<&'a str> {
    let found = parameters.iter().find(|(given, _)| given == name)?;
    Some(&found.1)
}

fn find(symbol: &str, wanted: &str, registry: &Registry) -> Result<u32, WantError> {
    if let Some(found) = registry.find_instrument(symbol) {
        return Ok(found.id.0);
    }
    let symbols = registry.instruments().iter().map(|known| &*known.symbol);
    Err(WantError::NoInstrument {
        wanted: wanted.to_owned(),
        symbol: symbol.to_owned(),
        nearest: nearest(symbol, symbols).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_engine::port::OrderPolicy;
    use tickdeck_model::{Amount, Instrument, InstrumentId, Price, Size};

    fn parameter(name: &str, kind: ParameterKind, default: Option<&str>) -> Parameter {
        Parameter {
            name: name.to_owned(),
            doc: Untrusted::default(),
            kind,
            default: default.map(Untrusted::new),
            minimum: None,
            maximum: None,
        }
    }

    fn manifest() -> Manifest {
        let mut fast = parameter("fast", ParameterKind::Integer, Some("12"));
        (fast.minimum, fast.maximum) = (Some(1.0), Some(100.0));
        Manifest {
            name: "test".to_owned(),
            version: "0.1.0".to_owned(),
            doc: Untrusted::default(),
            parameters: vec![
                fast,
                parameter("symbol", ParameterKind::Instrument, None),
                parameter("source", ParameterKind::Text, Some("mood")),
                parameter("live", ParameterKind::Boolean, Some("false")),
                parameter("hedge", ParameterKind::Instrument, Some("ETHUSDT")),
            ],
            subscriptions: vec![
                Subscription::Trades("{symbol}".into()),
                Subscription::Quotes("*".into()),
                Subscription::Quotes("BTCUSDT".into()),
                Subscription::Signals("{source}".into()),
                Subscription::Bars {
                    instrument: "{symbol}".into(),
                    basis: BarBasis::Trades,
                    step: 7,
                },
                Subscription::Accounts,
            ],
            messages: vec!["crossed".into()],
            order_policy: OrderPolicy::Hold,
            state_schema: 1,
            restores: Vec::new(),
        }
    }

    fn given(values: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        values.iter().map(owned).collect()
    }

    fn registry() -> Registry {
        let mut registry = Registry::new();
        let venue = registry.add_venue("SIM");
        let quote = registry.add_currency("USDT", 8).unwrap();
        for ticker in ["BTC", "ETH"] {
            let base = registry.add_currency(ticker, 8).unwrap();
            let terms = Instrument {
                id: InstrumentId(0),
                venue,
                symbol: format!("{ticker}USDT.SIM"),
                base,
                quote,
                price_scale: 2,
                size_scale: 5,
                quote_scale: 8,
                tick: Price(1),
                lot: Size(1),
                min_notional: Amount(0),
            };
            registry.add_instrument(terms).unwrap();
        }
        registry
    }

    #[test]
    fn defaults_are_filled_in_and_the_manifests_order_is_kept() {
        let values = manifest()
            .resolve(&given(&[("symbol", "BTCUSDT"), ("fast", "7")]))
            .unwrap();
        let expected = [
            ("fast", "7"),
            ("symbol", "BTCUSDT"),
            ("source", "mood"),
            ("live", "false"),
            ("hedge", "ETHUSDT"),
        ];
        let values: Vec<_> = values
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(values, expected);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let errors = manifest()
            .resolve(&given(&[("fsat", "7"), ("fast", "101"), ("live", "yes")]))
            .unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let expected = [
            "no parameter `fsat`; did you mean `fast`?",
            "parameter `fast`: `101` is above the maximum 100",
            "parameter `symbol` (instrument) has no default: give it a value",
            "parameter `live`: `yes` is neither `true` nor `false`",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn feeds_resolve_symbols_stars_and_parameters() {
        let (manifest, mut registry) = (manifest(), registry());
        let values = manifest
            .resolve(&given(&[("symbol", "ETHUSDT.SIM")]))
            .unwrap();
        let wants = manifest.wants(&values, &mut registry).unwrap();
        let feeds: Vec<_> = wants
            .feeds
            .iter()
            .map(|feed| (feed.feed, feed.target, feed.step))
            .collect();
        let mood = registry.find_text("mood").unwrap().0;
        let expected = [
            (Feed::Trades, 1, 0),
            (Feed::Quotes, 0, 0),
            (Feed::Quotes, 1, 0),
            (Feed::Signals, mood, 0),
            (Feed::Bars, 1, 7),
        ];
        assert_eq!(feeds, expected, "BTCUSDT is in `*` already");
        assert!(wants.accounts);
        assert_eq!(wants.messages, [registry.find_text("crossed").unwrap()]);
    }

    #[test]
    fn symbols_that_the_deck_does_not_know_are_named() {
        let (manifest, mut registry) = (manifest(), registry());
        let values = manifest
            .resolve(&given(&[("symbol", "BTCUSD.SIM"), ("hedge", "*")]))
            .unwrap();
        let errors = manifest.wants(&values, &mut registry).unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let unknown = "no instrument `BTCUSD.SIM` in this deck; did you mean `BTCUSDT.SIM`?";
        let expected = [
            "parameter `hedge`: no instrument `*` in this deck".to_owned(),
            format!("trades of `{{symbol}}`: {unknown}"),
            format!("bars of `{{symbol}}`: {unknown}"),
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn the_names_that_strategies_bring_are_bounded_and_none_is_kept_of_one_that_is_refused() {
        let (manifest, mut registry) = (manifest(), registry());
        let long = "x".repeat(300);
        let values = |source: &str| {
            let given = given(&[("symbol", "BTCUSDT"), ("source", source)]);
            manifest.resolve(&given).unwrap()
        };
        let errors = manifest.wants(&values(&long), &mut registry).unwrap_err();
        let text = errors[0].to_string();
        assert!(
            text.contains("`{source}`") && text.contains("this one has 300"),
            "{text}"
        );
        assert_eq!(registry.find_text(&long), None);

        let mut number = 0;
        while registry.has_room_for(["crossed", "last", &format!("{number:0250}")]) {
            registry.add_text(&format!("{number:0250}"));
            number += 1;
        }
        assert!(number > 10_000);
        let last = "y".repeat(250);
        let errors = manifest.wants(&values(&last), &mut registry).unwrap_err();
        assert_eq!(errors, [WantError::NoRoom]);
        assert_eq!(registry.find_text(&last), None);
        // What it knows already takes no room.
        let known = format!("{:0250}", 7);
        assert!(manifest.wants(&values(&known), &mut registry).is_ok());
    }
}
