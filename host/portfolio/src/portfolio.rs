//! One replica of the store: the account and the books of some strategies.

use crate::account::Account;
use crate::book::StrategyBook;
use crate::deal::Deal;
use crate::error::PortfolioError;
use tickdeck_model::{
    Amount, Currency, CurrencyId, Event, Fill, Instrument, InstrumentId, Money, OrderNumber,
    OrderUpdate, StrategyId, Submit, Timestamp, VenueId, View,
};

/// One replica of the store. Each worker thread owns one with the books of its strategies; the router owns one.
#[derive(Debug, Clone, Default)]
pub struct Portfolio {
    terms: Terms,
    account: Account,
    /// By strategy id.
    books: Vec<Option<Box<StrategyBook>>>,
}

impl Portfolio {
    /// An empty portfolio that knows these instruments and currencies.
    pub fn new(instruments: &[Instrument], currencies: &[Currency]) -> Self {
        let mut portfolio = Self::default();
        instruments
            .iter()
            .for_each(|instrument| portfolio.add_instrument(instrument));
        currencies
            .iter()
            .for_each(|currency| portfolio.add_currency(currency));
        portfolio
    }

    /// Adds an instrument, or updates the tick and lot of a known one.
    pub fn add_instrument(&mut self, instrument: &Instrument) {
        *slot(&mut self.terms.instruments, instrument.id.index()) = Some(instrument.clone());
    }

    /// Adds a currency.
    pub fn add_currency(&mut self, currency: &Currency) {
        *slot(&mut self.terms.currencies, currency.id.index()) = Some(currency.scale);
    }

    /// Opens the account's balance in a currency at a venue. Another call replaces the opening balance and keeps what was
    /// folded.
    ///
    /// # Panics
    /// The currency is not known.
    pub fn open_account(&mut self, venue: VenueId, currency: CurrencyId, balance: Amount) {
        let opening = self.terms.money(currency, balance);
        self.account.open(venue, currency, opening);
    }

    /// Opens the book of a strategy, allocations at each currency's scale; `next_order` is the first number it may
    /// use. A book that is open already keeps what it holds: it takes the new allocation, and `next_order` if that is
    /// higher.
    ///
    /// # Panics
    /// A currency is not known.
    pub fn open_strategy(
        &mut self,
        strategy: StrategyId,
        allocation: &[(CurrencyId, Amount)],
        next_order: OrderNumber,
    ) {
        let mut book = self.close_strategy(strategy).unwrap_or_default();
        book.allocate(
            allocation
                .iter()
                .map(|(currency, amount)| (*currency, self.terms.money(*currency, *amount))),
        );
        book.raise_next_order(next_order);
        *slot(&mut self.books, strategy.index()) = Some(book);
    }

    /// Removes and returns the book of a strategy. From then on its events change the account only.
    pub fn close_strategy(&mut self, strategy: StrategyId) -> Option<Box<StrategyBook>> {
        self.books.get_mut(strategy.index())?.take()
    }

    /// Creates a replica with the same instruments and currencies and one book, given in an earlier state.
    pub fn fork(&self, strategy: StrategyId, book: Box<StrategyBook>) -> Self {
        let mut fork = Self {
            terms: self.terms.clone(),
            account: self.account.clone(),
            books: Vec::new(),
        };
        *slot(&mut fork.books, strategy.index()) = Some(book);
        fork
    }

    /// Adds an order that the strategy has decided to send to its book, as initialised. The order is not validated: the
    /// host's checks find an order that could never be sent.
    ///
    /// # Errors
    /// The number is not above every earlier one, no book is kept for the strategy, or the book is full. Nothing
    /// changed.
    pub fn intend(&mut self, strategy: StrategyId, order: &Submit) -> Result<(), PortfolioError> {
        self.book_mut(strategy)
            .ok_or(PortfolioError::UnknownStrategy { strategy })?
            .intend(strategy, order)
    }

    /// Folds an event. Kinds that do not change a portfolio are ignored. Fills of strategies that this replica keeps
    /// no book for change the account only, their order updates nothing.
    ///
    /// A fill is evidence from the venue: it changes account, position and capital whatever state its order is in,
    /// and a problem with the order is reported after that.
    ///
    /// # Errors
    /// An anomaly of the order ([`PortfolioError::is_anomaly`]), after which folding may go on; or an event that could
    /// not be folded and changed nothing.
    pub fn apply(&mut self, event: &Event) -> Result<(), PortfolioError> {
        // Most events are market data: their bodies are not even read.
        if !event.changes_portfolio() {
            return Ok(());
        }
        match event.view() {
            View::Fill(fill) => self.fill(fill, event.ts_host),
            View::Order(update) => self.update(update, event.ts_host),
            View::Account(update) => {
                self.terms.scale(update.currency)?;
                self.account.state(update, event.ts_host);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The book of a strategy, if this replica keeps it.
    pub fn book(&self, strategy: StrategyId) -> Option<&StrategyBook> {
        self.books.get(strategy.index())?.as_deref()
    }

    /// The box that holds the book of a strategy, so that it can be lent out with `mem::swap` for the duration of a call into
    /// the strategy. The borrower must put it back before the next event is folded.
    pub fn book_mut(&mut self, strategy: StrategyId) -> Option<&mut Box<StrategyBook>> {
        self.books.get_mut(strategy.index())?.as_mut()
    }

    /// The holdings of all strategies, including those of other replicas.
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// The strategies whose books this replica keeps, by id.
    pub fn strategies(&self) -> impl Iterator<Item = (StrategyId, &StrategyBook)> {
        let books = self.books.iter().zip(0..);
        books.filter_map(|(book, id)| Some((StrategyId(id), book.as_deref()?)))
    }

    fn fill(&mut self, fill: &Fill, ts_host: Timestamp) -> Result<(), PortfolioError> {
        let instrument = fill.instrument;
        let out_of_range = |source| PortfolioError::OutOfRange { instrument, source };
        let fee_scale = self.terms.scale(fill.fee_currency)?;
        let deal = Deal::new(self.terms.instrument(instrument)?, fill, fee_scale)?;
        let book = self
            .books
            .get_mut(fill.strategy.index())
            .and_then(Option::as_mut);
        // Both plans first: either every ledger takes the fill or none does.
        let account = self.account.plan(&deal).map_err(out_of_range)?;
        match book {
            Some(book) => {
                let step = book.plan(&deal).map_err(out_of_range)?;
                self.account.commit(&account, &deal);
                book.commit(&step, &deal, fill, ts_host)
            }
            None => {
                self.account.commit(&account, &deal);
                Ok(())
            }
        }
    }

    fn update(&mut self, update: &OrderUpdate, ts_host: Timestamp) -> Result<(), PortfolioError> {
        match self.book_mut(update.strategy) {
            Some(book) => book.update(update, ts_host),
            None => Ok(()),
        }
    }
}

/// The known instruments and currencies.
#[derive(Debug, Clone, Default)]
struct Terms {
    /// By instrument id.
    instruments: Vec<Option<Instrument>>,
    /// Scales by currency id.
    currencies: Vec<Option<u8>>,
}

impl Terms {
    fn instrument(&self, instrument: InstrumentId) -> Result<&Instrument, PortfolioError> {
        let terms = self
            .instruments
            .get(instrument.index())
            .and_then(Option::as_ref);
        terms.ok_or(PortfolioError::UnknownInstrument { instrument })
    }

    fn scale(&self, currency: CurrencyId) -> Result<u8, PortfolioError> {
        let scale = self.currencies.get(currency.index()).copied().flatten();
        scale.ok_or(PortfolioError::UnknownCurrency { currency })
    }

    fn money(&self, currency: CurrencyId, amount: Amount) -> Money {
        let scale = self
            .scale(currency)
            .expect("a currency is made known before money is in it");
        Money::from_amount(amount, scale)
    }
}

/// The entry of an id, created if there is none yet. Ids are interned, so they are dense.
fn slot<T>(places: &mut Vec<Option<T>>, at: usize) -> &mut Option<T> {
    if places.len() <= at {
        places.resize_with(at + 1, || None);
    }
    &mut places[at]
}
