//! Names and decimals for the numbers of a running deck.

use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_engine::{Status, StrategyResult, StrategyStatus};
use tickdeck_model::{
    Amount, CurrencyId, Instrument, InstrumentId, Money, Price, Registry, Size, StrategyId, TextId,
    Untrusted, VenueId,
};

/// The registry, and the currency in which results are shown. Every name is escaped for display.
#[derive(Debug, Clone)]
pub struct Names {
    registry: Arc<Registry>,
    money: Option<CurrencyId>,
    /// Names of all strategies; the rest of the registry does not change while a deck runs.
    strategies: Arc<Mutex<Vec<String>>>,
}

impl Names {
    /// Uses the names of `registry`, and shows results in `money`.
    pub fn new(registry: Arc<Registry>, money: Option<CurrencyId>) -> Self {
        let names = Self {
            registry: Arc::clone(&registry),
            money,
            strategies: Arc::default(),
        };
        names.learn(&registry);
        names
    }

    /// Adds the names of strategies that were started later.
    pub fn learn(&self, registry: &Registry) {
        let names = (0..)
            .map_while(|id| registry.strategy(StrategyId(id)))
            .map(shown);
        *self
            .strategies
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = names.collect();
    }

    /// Returns the currency in which results are shown.
    pub fn money(&self) -> Option<CurrencyId> {
        self.money
    }

    /// Returns the code of the currency in which results are shown.
    pub fn money_code(&self) -> String {
        self.money.map_or_else(String::new, |id| self.currency(id))
    }

    /// Returns a currency's code.
    pub fn currency(&self, id: CurrencyId) -> String {
        self.registry
            .currency(id)
            .map_or_else(|| format!("currency {id}"), |known| shown(&known.code))
    }

    /// Returns a strategy's name.
    pub fn strategy(&self, id: StrategyId) -> String {
        let names = self
            .strategies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        names
            .get(id.index())
            .cloned()
            .unwrap_or_else(|| format!("strategy {id}"))
    }

    /// Returns a venue's name.
    pub fn venue(&self, id: VenueId) -> String {
        self.registry
            .venue(id)
            .map_or_else(|| format!("venue {id}"), shown)
    }

    /// Returns an interned text, such as the name of a signal.
    pub fn text(&self, id: TextId) -> String {
        self.registry
            .text(id)
            .map_or_else(|| format!("text {id}"), shown)
    }

    /// Formats an amount of a currency without trailing zeros.
    pub fn amount(&self, id: CurrencyId, amount: Amount) -> String {
        let scale = self
            .registry
            .currency(id)
            .map_or(0, |currency| currency.scale);
        let text = amount.at(scale).to_string();
        format!(
            "{} {}",
            tickdeck_model::format::trimmed(&text),
            self.currency(id)
        )
    }

    /// Returns an instrument's symbol.
    pub fn symbol(&self, id: InstrumentId) -> String {
        self.instrument(id)
            .map_or_else(|| format!("instrument {id}"), |terms| shown(&terms.symbol))
    }

    /// Returns an instrument's terms.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.registry.instrument(id)
    }

    /// Formats a price of an instrument.
    pub fn price(&self, id: InstrumentId, price: Price) -> String {
        self.instrument(id)
            .map_or_else(String::new, |terms| price.at(terms.price_scale).to_string())
    }

    /// Formats a size of an instrument without trailing zeros.
    pub fn size(&self, id: InstrumentId, size: Size) -> String {
        let shown = self
            .instrument(id)
            .map(|terms| size.at(terms.size_scale).to_string());
        shown.map_or_else(String::new, |text| {
            tickdeck_model::format::trimmed(&text).to_owned()
        })
    }

    /// Returns a strategy's result in the currency that results are shown in.
    pub fn result(&self, strategy: &StrategyStatus) -> Option<StrategyResult> {
        strategy
            .results
            .iter()
            .find(|result| Some(result.currency) == self.money)
            .copied()
    }

    /// Returns the result of all strategies: realised and unrealised, less fees.
    pub fn profit(&self, status: &Status) -> Money {
        status
            .strategies
            .iter()
            .filter_map(|strategy| self.result(strategy))
            .fold(Money::ZERO, |sum, result| {
                Money(sum.0.saturating_add(net(&result).0))
            })
    }

    /// Returns the account's balance in the currency that results are shown in.
    pub fn capital(&self, status: &Status) -> Option<Money> {
        status
            .capital
            .iter()
            .find(|(currency, _)| Some(*currency) == self.money)
            .map(|(_, balance)| *balance)
    }
}

/// Escapes a name for display: it may come from a venue, a guest or a reel.
fn shown(name: &str) -> String {
    Untrusted::new(name).to_string()
}

/// Returns the realised and unrealised result less fees. For display: an overflow, far beyond any account, shows as the limit.
pub fn net(result: &StrategyResult) -> Money {
    Money(
        result
            .realised
            .0
            .saturating_add(result.unrealised.0)
            .saturating_sub(result.fees.0),
    )
}
