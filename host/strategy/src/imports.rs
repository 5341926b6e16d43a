//! The host functions of a strategy: its log, the terms of instruments, and its own book while it handles events.

use crate::generated::{instruments, log, store, types};
use crate::limits::{Deadline, Limiter};
use crate::log::{LogLevel, Logger};
use std::sync::Arc;
use tickdeck_model::{
    CurrencyId, Instrument, InstrumentId, Money, OrderStatus, Registry, Side, TextId,
};
use tickdeck_portfolio::{Order, Position, StrategyBook};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Result, bail, format_err};

/// The data and limits of one instance's calls.
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// The strategy's own view of the store, swapped in by the caller for the duration of a call.
    pub(crate) book: Box<StrategyBook>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: Logger,
    pub(crate) limiter: Limiter,
    pub(crate) deadline: Deadline,
}

/// The kind of call in progress, which decides what may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `describe`: only the log.
    Describing,
    /// `save`, `stop`: the log and the instruments.
    Lifecycle,
    /// `init`, `restore`, `on-events`: everything.
    Running,
}

pub(crate) fn linker(engine: &wasmtime::Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    crate::generated::Strategy::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl State {
    /// The state of a new instance: nothing may be read before its first call.
    pub(crate) fn new(
        book: Box<StrategyBook>,
        registry: Arc<Registry>,
        log: Logger,
        limiter: Limiter,
    ) -> Self {
        Self {
            phase: Phase::Describing,
            book,
            registry,
            log,
            limiter,
            deadline: Deadline::default(),
        }
    }

    fn registry(&self) -> Result<&Registry> {
        if self.phase == Phase::Describing {
            bail!("`describe` may call only the import `log`");
        }
        Ok(&self.registry)
    }

    fn book(&self) -> Result<&StrategyBook> {
        if self.phase != Phase::Running {
            bail!("the store can be read only in `init`, `restore` and `on-events`");
        }
        Ok(&self.book)
    }

    fn amount(&self, what: &str, money: Money, currency: CurrencyId) -> Result<i64> {
        let terms = self
            .registry
            .currency(currency)
            .ok_or_else(|| format_err!("currency {currency} is not in the registry"))?;
        match money.to_amount(terms.scale) {
            Ok(amount) => Ok(amount.0),
            Err(_) => bail!(
                "{what} of {} {} does not fit 64 bits",
                money.at(terms.scale),
                terms.code
            ),
        }
    }

    fn position(&self, position: &Position) -> Result<store::Position> {
        let id = position.instrument;
        let terms = self
            .registry
            .instrument(id)
            .ok_or_else(|| format_err!("instrument {id} is not in the registry"))?;
        let average = position
            .average_price(terms)
            .ok_or_else(|| format_err!("the average price of {} does not fit", terms.symbol))?;
        Ok(store::Position {
            account: 0,
            instrument: id.0,
            size: position.size.0,
            cost: self.amount("the cost", position.cost, position.quote)?,
            average_price: average.0,
            realised: self.amount("the profit", position.realised, position.quote)?,
        })
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> Result<()> {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.log.write(level, &message);
        Ok(())
    }
}

impl store::Host for State {
    fn capital(&mut self) -> Result<Vec<store::CapitalIn>> {
        let capital = self.book()?.capital().map(|(currency, capital)| {
            Ok(store::CapitalIn {
                currency: currency.0,
                balance: self.amount("the balance", capital.balance(), currency)?,
                realised: self.amount("the profit", capital.realised, currency)?,
                fees: self.amount("the fees", capital.fees, currency)?,
            })
        });
        capital.collect()
    }

    fn positions(&mut self) -> Result<Vec<store::Position>> {
        let positions = self.book()?.positions();
        positions.map(|position| self.position(position)).collect()
    }

    fn position_size(&mut self, instrument: u32) -> Result<i64> {
        Ok(self.book()?.position_size(InstrumentId(instrument)).0)
    }

    fn orders(&mut self) -> Result<Vec<store::WorkingOrder>> {
        Ok(self.book()?.orders().map(working_order).collect())
    }

    fn order(&mut self, number: u64) -> Result<Option<store::WorkingOrder>> {
        Ok(self.book()?.order(number).map(working_order))
    }

    fn timestamp(&mut self) -> Result<i64> {
        Ok(self.book()?.timestamp())
    }
}

impl instruments::Host for State {
    fn get(&mut self, id: u32) -> Result<Option<instruments::Instrument>> {
        Ok(self.registry()?.instrument(InstrumentId(id)).map(terms))
    }

    fn find(&mut self, symbol: String) -> Result<Option<u32>> {
        Ok(self
            .registry()?
            .find_instrument(&symbol)
            .map(|found| found.id.0))
    }

    fn list(&mut self) -> Result<Vec<instruments::Instrument>> {
        Ok(self.registry()?.instruments().iter().map(terms).collect())
    }

    fn text(&mut self, id: u32) -> Result<Option<String>> {
        Ok(self.registry()?.text(TextId(id)).map(str::to_owned))
    }

    fn find_text(&mut self, text: String) -> Result<Option<u32>> {
        Ok(self.registry()?.find_signal(&text).map(|id| id.0))
    }
}

// Interfaces with types only; a component that uses them still imports them.
impl types::Host for State {}
impl crate::generated::events::Host for State {}
impl crate::generated::actions::Host for State {}

fn terms(instrument: &Instrument) -> instruments::Instrument {
    instruments::Instrument {
        id: instrument.id.0,
        venue: instrument.venue.0,
        symbol: instrument.symbol.clone(),
        base: instrument.base.0,
        quote: instrument.quote.0,
        price_scale: instrument.price_scale,
        size_scale: instrument.size_scale,
        quote_scale: instrument.quote_scale,
        tick: instrument.tick.0,
        lot: instrument.lot.0,
        min_notional: instrument.min_notional.0,
    }
}

fn working_order(order: &Order) -> store::WorkingOrder {
    store::WorkingOrder {
        order: order.number,
        after: order.submit.after,
        price: order.price.0,
        stop_price: order.stop_price.0,
        size: order.size.0,
        filled: order.filled.0,
        trail: order.submit.trail,
        expires: order.submit.expires,
        reserved_1: 0,
        instrument: order.submit.instrument.0,
        account: order.submit.account.0,
        group: order.submit.group,
        kind: order.submit.kind.number(),
        time_in_force: order.submit.time_in_force.number(),
        flags: order.submit.flags.number(),
        status: order.state.status().map(OrderStatus::number),
        side: match order.submit.side {
            Side::Buy => types::Side::Buy,
            Side::Sell => types::Side::Sell,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{MemoryAccount, Newcomer};
    use crate::footprint::Footprint;
    use crate::limits::ResourceLimits;
    use crate::log::Discard;
    use instruments::Host as _;
    use store::Host as _;
    use tickdeck_model::{
        AccountId, Amount, Event, Fill, Liquidity, OrderType, OrderUpdate, Pad, Price, Reason,
        Size, StrategyId, Submit, TimeInForce,
    };
    use tickdeck_portfolio::Portfolio;

    const STRATEGY: StrategyId = StrategyId(1);

    fn registry() -> Registry {
        let mut registry = Registry::new();
        let venue = registry.add_venue("SIM");
        let base = registry.add_currency("BTC", 8).unwrap();
        let quote = registry.add_currency("USDT", 6).unwrap();
        let terms = Instrument {
            id: InstrumentId(0),
            venue,
            symbol: "BTCUSDT.SIM".to_owned(),
            base,
            quote,
            price_scale: 2,
            size_scale: 3,
            quote_scale: 6,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount(0),
        };
        registry.add_instrument(terms).unwrap();
        registry.add_strategy("ema");
        registry.add_text("crossed");
        registry
    }

    fn submit(order: u64) -> Submit {
        Submit {
            order,
            instrument: InstrumentId(0),
            side: Side::Buy,
            kind: OrderType::StopLimit,
            time_in_force: TimeInForce::Day,
            size: Size(3_000),
            price: Price(10_100),
            stop_price: Price(10_050),
            ..Submit::EMPTY
        }
    }

    /// A book with 2 of 3 bought at 100.00 for a fee of 0.5, and an order that is not answered yet.
    fn book(registry: &Registry, allocation: i64) -> Box<StrategyBook> {
        let currencies: Vec<_> = (0..2)
            .filter_map(|id| registry.currency(CurrencyId(id)))
            .collect();
        let mut portfolio = Portfolio::new(registry.instruments(), &currencies);
        portfolio.open_strategy(STRATEGY, &[(CurrencyId(1), Amount(allocation))], 7);
        portfolio.intend(STRATEGY, &submit(7)).unwrap();
        let update = OrderUpdate {
            account: AccountId(0),
            reserved: Pad::ZERO,
            stop_price: Price::ZERO,
            instrument: InstrumentId(0),
            strategy: STRATEGY,
            order: 7,
            price: Price(10_100),
            size: Size(3_000),
            filled: Size(0),
            status: OrderStatus::Submitted,
            reason: Reason::Normal,
            side: Side::Buy,
            pad: Pad::ZERO,
        };
        portfolio.apply(&Event::new(40, 41, update)).unwrap();
        let fill = Fill {
            account: AccountId(0),
            reserved: Pad::ZERO,
            instrument: InstrumentId(0),
            strategy: STRATEGY,
            order: 7,
            trade_id: 1,
            price: Price(10_000),
            size: Size(2_000),
            fee: Amount(500_000),
            fee_currency: CurrencyId(1),
            side: Side::Buy,
            liquidity: Liquidity::Taker,
            pad: Pad::ZERO,
        };
        portfolio.apply(&Event::new(50, 51, fill)).unwrap();
        portfolio.intend(STRATEGY, &submit(8)).unwrap();
        portfolio.close_strategy(STRATEGY).unwrap()
    }

    fn state(allocation: i64) -> State {
        let registry = registry();
        let book = book(&registry, allocation);
        let log = Logger::new("ema", Arc::new(Discard), 1);
        let (limits, footprint) = (ResourceLimits::default(), Footprint::default());
        let charge = MemoryAccount::default().open("ema", &footprint, Newcomer::Instance);
        let limiter = Limiter::new(&limits, &footprint, charge.unwrap()).unwrap();
        let mut state = State::new(book, Arc::new(registry), log, limiter);
        state.phase = Phase::Running;
        state
    }

    #[test]
    fn the_store_shows_the_strategys_own_book_at_each_currencys_scale() {
        let mut state = state(1_000_000_000);
        let capital = state.capital().unwrap();
        assert_eq!(capital.len(), 1);
        let usdt = &capital[0];
        assert_eq!(
            (usdt.currency, usdt.balance, usdt.realised, usdt.fees),
            (1, 999_500_000, 0, 500_000)
        );
        let positions = state.positions().unwrap();
        assert_eq!(positions.len(), 1);
        let position = &positions[0];
        assert_eq!(
            (position.size, position.cost, position.average_price),
            (2_000, 200_000_000, 10_000)
        );
        assert_eq!(state.position_size(0).unwrap(), 2_000);
        assert_eq!(state.position_size(9).unwrap(), 0);
        assert_eq!(state.timestamp().unwrap(), 51);
    }

    #[test]
    fn the_store_shows_orders_in_their_current_state() {
        let mut state = state(0);
        let orders = state.orders().unwrap();
        assert_eq!(
            orders.iter().map(|order| order.order).collect::<Vec<_>>(),
            [7, 8]
        );
        let working = state.order(7).unwrap().unwrap();
        assert_eq!(
            (working.size, working.filled, working.stop_price),
            (3_000, 2_000, 10_050)
        );
        assert_eq!(working.status, Some(OrderStatus::Accepted.number()));
        assert_eq!(working.kind, OrderType::StopLimit.number());
        let sent = state.order(8).unwrap().unwrap();
        assert!(
            sent.status.is_none(),
            "sent, but not yet answered by the host"
        );
        assert!(state.order(9).unwrap().is_none());
    }

    #[test]
    fn an_amount_beyond_64_bits_is_an_error_and_never_wraps() {
        let error = state(0)
            .amount(
                "the balance",
                Money(i128::from(i64::MAX) * 10i128.pow(13)),
                CurrencyId(1),
            )
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("the balance of 92233720368547.758070 USDT does not fit 64 bits"),
            "{text}"
        );
    }

    #[test]
    fn instruments_and_texts_are_found_by_number_and_by_name() {
        let mut state = state(0);
        let terms = state.get(0).unwrap().unwrap();
        assert_eq!(
            (terms.symbol.as_str(), terms.quote_scale),
            ("BTCUSDT.SIM", 6)
        );
        assert!(state.get(1).unwrap().is_none());
        assert_eq!(state.find("BTCUSDT".to_owned()).unwrap(), Some(0));
        assert_eq!(state.list().unwrap().len(), 1);
        let crossed = state.find_text("crossed".to_owned()).unwrap().unwrap();
        assert_eq!(state.text(crossed).unwrap().as_deref(), Some("crossed"));
        state.phase = Phase::Describing;
        assert!(state.list().is_err());
    }
}
