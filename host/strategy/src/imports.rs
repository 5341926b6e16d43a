//! What a strategy may call: its log, the instruments' terms, and its own book while it handles events.

use crate::generated::{instruments, log, store, types};
use crate::limits::{Deadline, Limiter};
use crate::log::{LogLevel, Logger};
use std::sync::Arc;
use tickdeck_model::{
    CurrencyId, Instrument, InstrumentId, Money, OrderStatus, OrderType, Registry, Side, TextId,
    TimeInForce,
};
use tickdeck_portfolio::{Order, Position, StrategyBook};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Result, bail, format_err};

/// What one instance's calls see and are held to.
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// The strategy's own view, lent by the caller for the length of `on-events`.
    pub(crate) book: Box<StrategyBook>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: Logger,
    pub(crate) limiter: Limiter,
    pub(crate) deadline: Deadline,
}

/// What is being called, which decides what may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// `describe`: nothing but the log.
    Describing,
    /// `init`, `save`, `restore`, `stop`: the instruments.
    Lifecycle,
    /// `on-events`: the book too.
    Events,
}

pub(crate) fn linker(engine: &wasmtime::Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    crate::generated::Strategy::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl State {
    fn registry(&self) -> Result<&Registry> {
        if self.phase == Phase::Describing {
            bail!("`describe` may call no import but `log`");
        }
        Ok(&self.registry)
    }

    fn book(&self) -> Result<&StrategyBook> {
        if self.phase != Phase::Events {
            bail!("the store can be read while `on-events` runs, and at no other time");
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
        Ok(self.registry()?.find_text(&text).map(|id| id.0))
    }
}

// Interfaces of types only; a component that uses them imports them all the same.
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
        instrument: order.submit.instrument.0,
        side: order.submit.side.into(),
        kind: order.submit.kind.into(),
        time_in_force: order.submit.time_in_force.into(),
        status: order.state.status().map(Into::into),
        price: order.price.0,
        stop_price: order.stop_price.0,
        size: order.size.0,
        filled: order.filled.0,
    }
}

/// Translates a closed set of the model into its generated twin, case by case.
macro_rules! twins {
    ($($name:ident { $($case:ident,)+ })+) => {$(
        impl From<$name> for types::$name {
            fn from(value: $name) -> Self {
                match value { $($name::$case => Self::$case,)+ }
            }
        }
    )+};
}

twins! {
    Side { Buy, Sell, }
    OrderType { Market, Limit, Stop, StopLimit, }
    TimeInForce { Gtc, Ioc, Fok, Day, }
    OrderStatus {
        Submitted, Accepted, Denied, Rejected, Canceled, Expired, Replaced, Triggered, PendingModify, PendingCancel,
        ModifyRejected, CancelRejected, Unknown,
    }
}
