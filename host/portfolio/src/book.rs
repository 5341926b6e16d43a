//! A strategy's own view of the store.

use crate::deal::{Deal, sum};
use crate::digest::Digest;
use crate::error::PortfolioError;
use crate::order::{MAX_ORDERS, Order, Orders};
use crate::position::{Position, PositionStep};
use crate::table::{Row, Table};
use crate::unrealised::Unrealised;
use tickdeck_model::{
    CurrencyId, Fill, Instrument, InstrumentId, Money, MoneyError, OrderNumber, OrderUpdate, Price,
    Size, StrategyId, Submit, Timestamp,
};

/// One strategy's own view of the store: capital, positions, orders and the time of the last change.
///
/// The default is an empty book, a placeholder for one that is lent out.
#[derive(Debug, Default, PartialEq)]
pub struct StrategyBook {
    capital: Table<CapitalIn>,
    positions: Table<Position>,
    orders: Orders,
    next_order: OrderNumber,
    timestamp: Timestamp,
}

impl Clone for StrategyBook {
    fn clone(&self) -> Self {
        Self {
            capital: self.capital.clone(),
            positions: self.positions.clone(),
            orders: self.orders.clone(),
            next_order: self.next_order,
            timestamp: self.timestamp,
        }
    }

    /// Copies a book into existing memory if there is enough of it, because snapshots are frequent.
    fn clone_from(&mut self, other: &Self) {
        let Self {
            capital,
            positions,
            orders,
            next_order,
            timestamp,
        } = self;
        capital.clone_from(&other.capital);
        positions.clone_from(&other.positions);
        orders.clone_from(&other.orders);
        (*next_order, *timestamp) = (other.next_order, other.timestamp);
    }
}

/// The capital of a strategy in one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capital {
    /// The allocated amount.
    pub allocation: Money,
    /// Profit of closed positions of instruments quoted in this currency, before fees.
    pub realised: Money,
    /// Fees paid in this currency, less rebates, whatever was traded.
    pub fees: Money,
}

impl Capital {
    /// Allocated, plus realised, less fees.
    pub const fn balance(&self) -> Money {
        // Each sum is kept within a quarter of the range, see `deal::LARGEST`.
        Money(self.allocation.0 + self.realised.0 - self.fees.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct CapitalIn {
    currency: CurrencyId,
    capital: Capital,
}

impl Row for CapitalIn {
    type Key = CurrencyId;

    fn key(&self) -> CurrencyId {
        self.currency
    }
}

/// The effect of a deal on a book, and the rows that it touches.
pub(crate) struct BookStep {
    step: PositionStep,
    rows: BookRows,
}

/// Indices of the rows; `None` for rows that do not exist yet. Looked up once, while planning.
struct BookRows {
    position: Option<usize>,
    quote: Option<usize>,
    fee: Option<usize>,
}

impl StrategyBook {
    /// The strategy's capital, by currency id.
    pub fn capital(&self) -> impl Iterator<Item = (CurrencyId, &Capital)> {
        self.capital.iter().map(|row| (row.currency, &row.capital))
    }

    /// The strategy's capital in one currency, if there is any.
    pub fn capital_in(&self, currency: CurrencyId) -> Option<&Capital> {
        self.capital.get(currency).map(|row| &row.capital)
    }

    /// Positions that are not flat, by instrument id.
    pub fn positions(&self) -> impl Iterator<Item = &Position> {
        self.positions.iter().filter(|position| !position.is_flat())
    }

    /// The position in an instrument; one that was once open is kept when flat, with what it realised.
    pub fn position(&self, instrument: InstrumentId) -> Option<&Position> {
        self.positions.get(instrument)
    }

    /// Signed size of the position, 0 if flat, in units of the instrument's size scale.
    #[inline]
    pub fn position_size(&self, instrument: InstrumentId) -> Size {
        self.positions
            .get(instrument)
            .map_or(Size::ZERO, |position| position.size)
    }

    /// The unfinished orders, by number.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter()
    }

    /// The number of unfinished orders.
    pub fn order_count(&self) -> usize {
        self.orders.len()
    }

    /// The order with that number, if it is unfinished.
    pub fn order(&self, number: OrderNumber) -> Option<&Order> {
        self.orders.get(number)
    }

    /// The order with that number, if it ended and is still remembered; see
    /// [`ENDED_REMEMBERED`](crate::ENDED_REMEMBERED).
    pub fn ended_order(&self, number: OrderNumber) -> Option<&Order> {
        self.orders.ended(number)
    }

    /// The smallest number that the strategy's next order may have.
    pub const fn next_order(&self) -> OrderNumber {
        self.next_order
    }

    /// `ts_host` of the last event that changed this view, in nanoseconds since 1970; 0 before the first.
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The sizes that unfinished orders may still buy and sell of an instrument, in units of its size scale, capped at the
    /// largest size. Orders without an answer count, including those whose answer never came.
    pub fn exposure(&self, instrument: InstrumentId) -> (Size, Size) {
        self.orders.open(instrument)
    }

    /// The size that unfinished orders may still buy, in units of the instrument's size scale.
    pub fn open_buy(&self, instrument: InstrumentId) -> Size {
        self.exposure(instrument).0
    }

    /// The size that unfinished orders may still sell, in units of the instrument's size scale.
    pub fn open_sell(&self, instrument: InstrumentId) -> Size {
        self.exposure(instrument).1
    }

    /// Profit before fees if everything were closed at the prices of `mark`. `terms` is indexed by id, like
    /// `Registry::instruments`.
    ///
    /// # Errors
    /// `terms` lacks an instrument that is held, or the sum is out of range.
    pub fn unrealised(
        &self,
        mark: impl Fn(InstrumentId) -> Option<Price>,
        terms: &[Instrument],
    ) -> Result<Unrealised, PortfolioError> {
        Unrealised::of(self.positions.iter(), mark, terms)
    }

    /// A digest that is equal for two identical replicas of the book, and in practice only then. It is the same on every
    /// machine and in every build, so it may be stored.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::new();
        for (currency, capital) in self.capital() {
            digest.word(currency.0);
            digest.money([capital.allocation, capital.realised, capital.fees]);
        }
        self.positions
            .iter()
            .for_each(|position| digest.position(position));
        self.orders().for_each(|order| digest.order(order));
        digest.word(self.next_order);
        digest.signed(self.timestamp);
        digest.finish()
    }

    /// Sets the strategy's allocation; a currency that is not listed has none.
    pub(crate) fn allocate(&mut self, allocation: impl Iterator<Item = (CurrencyId, Money)>) {
        self.capital
            .iter_mut()
            .for_each(|row| row.capital.allocation = Money::ZERO);
        for (currency, amount) in allocation {
            self.capital_row(currency).allocation = amount;
        }
    }

    /// Raises the smallest number that the next order may have.
    pub(crate) fn raise_next_order(&mut self, next_order: OrderNumber) {
        self.next_order = self.next_order.max(next_order);
    }

    pub(crate) fn intend(
        &mut self,
        strategy: StrategyId,
        order: &Submit,
    ) -> Result<(), PortfolioError> {
        let (got, next) = (order.order, self.next_order);
        let after =
            got.checked_add(1)
                .filter(|_| got >= next)
                .ok_or(PortfolioError::OrderNumber {
                    strategy,
                    got,
                    next,
                })?;
        if self.orders.len() >= MAX_ORDERS {
            return Err(PortfolioError::TooManyOrders {
                strategy,
                limit: MAX_ORDERS,
            });
        }
        self.orders.add(Order::new(order));
        self.next_order = after;
        Ok(())
    }

    pub(crate) fn update(
        &mut self,
        update: &OrderUpdate,
        ts_host: Timestamp,
    ) -> Result<(), PortfolioError> {
        self.orders.update(update)?;
        self.timestamp = ts_host;
        Ok(())
    }

    /// Computes the effect of a deal without changing the book.
    #[inline(always)]
    pub(crate) fn plan(&self, deal: &Deal<'_>) -> Result<BookStep, MoneyError> {
        let quote = self.capital.find(deal.terms.quote);
        let rows = BookRows {
            position: self.positions.find(deal.terms.id),
            quote,
            fee: if deal.pays_in_quote() {
                quote
            } else {
                self.capital.find(deal.fee_currency)
            },
        };
        let position = match rows.position {
            Some(at) => self.positions[at],
            None => Position::flat(deal.terms),
        };
        let step = position.plan(deal)?;
        let kept = |row: Option<usize>, of: fn(&Capital) -> Money| {
            row.map_or(Money::ZERO, |at| of(&self.capital[at].capital))
        };
        sum(kept(rows.quote, |capital| capital.realised), step.gain)?;
        sum(kept(rows.fee, |capital| capital.fees), deal.fee)?;
        Ok(BookStep { step, rows })
    }

    /// Applies a planned step, then updates the fill's order. The error is about the order alone.
    #[inline(always)]
    pub(crate) fn commit(
        &mut self,
        BookStep { step, rows }: &BookStep,
        deal: &Deal<'_>,
        fill: &Fill,
        ts_host: Timestamp,
    ) -> Result<(), PortfolioError> {
        if let (Some(position), Some(quote), Some(fee)) = (rows.position, rows.quote, rows.fee) {
            self.positions[position].commit(step, deal);
            self.capital[quote].capital.realised.0 += step.gain.0;
            self.capital[fee].capital.fees.0 += deal.fee.0;
        } else {
            self.commit_first(step, deal);
        }
        self.timestamp = ts_host;
        self.orders.fill(fill)
    }

    /// Applies the first deal of its kind, for which rows have to be created.
    #[cold]
    fn commit_first(&mut self, step: &PositionStep, deal: &Deal<'_>) {
        self.positions
            .row(deal.terms.id, || Position::flat(deal.terms))
            .commit(step, deal);
        self.capital_row(deal.terms.quote).realised.0 += step.gain.0;
        if deal.fee != Money::ZERO {
            self.capital_row(deal.fee_currency).fees.0 += deal.fee.0;
        }
    }

    fn capital_row(&mut self, currency: CurrencyId) -> &mut Capital {
        let make = || CapitalIn {
            currency,
            capital: Capital::default(),
        };
        &mut self.capital.row(currency, make).capital
    }
}
