//! The account: the holdings of all strategies together, computed from fills, and the balances that venues state.

use crate::deal::{Deal, sum};
use crate::digest::Digest;
use crate::error::PortfolioError;
use crate::position::{Position, PositionStep};
use crate::table::{Row, Table};
use crate::unrealised::Unrealised;
use tickdeck_model::{
    AccountUpdate, Amount, CurrencyId, Instrument, InstrumentId, Money, MoneyError, Price, Size,
    Timestamp, VenueId,
};

/// The holdings of all strategies together.
///
/// Its positions are netted: what one strategy sells to open closes what another bought. Size, fees, and cost less
/// realised are the sums over the strategies; how much of a result counts as realised may differ from their sum while
/// strategies hold opposite positions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    cash: Table<Cash>,
    positions: Table<Position>,
}

/// The effect of a deal on the account, and the rows that it touches.
pub(crate) struct AccountStep {
    step: PositionStep,
    rows: AccountRows,
}

/// Indices of the rows; `None` for rows that do not exist yet. Looked up once, while planning.
struct AccountRows {
    position: Option<usize>,
    quote: Option<usize>,
    fee: Option<usize>,
}

/// Money in one currency at one venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cash {
    /// The venue.
    pub venue: VenueId,
    /// The currency.
    pub currency: CurrencyId,
    /// The opening balance.
    pub opening: Money,
    /// Paid for what was bought, less what came in for what was sold; without fees.
    pub spent: Money,
    /// Profit of closed positions of instruments quoted in this currency, before fees.
    pub realised: Money,
    /// Fees paid in this currency, less rebates, whatever was traded.
    pub fees: Money,
    /// The balance last reported by the venue. It never changes the other fields; comparing is up to the caller.
    pub stated: Option<Stated>,
}

/// A balance as the venue reports it, at the currency's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated {
    /// The total balance.
    pub total: Amount,
    /// The part that no working order reserves.
    pub free: Amount,
    /// When the host received it, in nanoseconds since 1970.
    pub ts_host: Timestamp,
}

impl Cash {
    const fn nothing(venue: VenueId, currency: CurrencyId) -> Self {
        let zero = Money::ZERO;
        Self {
            venue,
            currency,
            opening: zero,
            spent: zero,
            realised: zero,
            fees: zero,
            stated: None,
        }
    }

    // Each sum is kept within a quarter of the range, see `deal::LARGEST`: these cannot overflow.

    /// Money in hand: opening, less spent, less fees.
    pub const fn cash(&self) -> Money {
        Money(self.opening.0 - self.spent.0 - self.fees.0)
    }

    /// Balance with open positions at cost: opening, plus realised, less fees.
    pub const fn balance(&self) -> Money {
        Money(self.opening.0 + self.realised.0 - self.fees.0)
    }
}

impl Row for Cash {
    type Key = (VenueId, CurrencyId);

    fn key(&self) -> (VenueId, CurrencyId) {
        (self.venue, self.currency)
    }
}

impl Account {
    /// Money by venue and currency.
    pub fn cash(&self) -> impl Iterator<Item = &Cash> {
        self.cash.iter()
    }

    /// Money in one currency at one venue, if there was ever any.
    pub fn cash_at(&self, venue: VenueId, currency: CurrencyId) -> Option<&Cash> {
        self.cash.get((venue, currency))
    }

    /// Balance in a currency over all venues, open positions at cost: opening, plus realised, less fees.
    ///
    /// # Errors
    /// The sum is out of range.
    pub fn balance(&self, currency: CurrencyId) -> Result<Money, MoneyError> {
        let mut lines = self.cash.iter().filter(|cash| cash.currency == currency);
        lines.try_fold(Money::ZERO, |total, cash| total.add(cash.balance()))
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

    /// A digest that is equal for two identical replicas of the account, and in practice only then. It is the same on every
    /// machine and in every build, so it may be stored. Balances reported by venues are left out.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::new();
        for cash in self.cash() {
            digest.word(cash.venue.0);
            digest.word(cash.currency.0);
            digest.money([cash.opening, cash.spent, cash.realised, cash.fees]);
        }
        self.positions
            .iter()
            .for_each(|position| digest.position(position));
        digest.finish()
    }

    pub(crate) fn open(&mut self, venue: VenueId, currency: CurrencyId, opening: Money) {
        self.cash_row(venue, currency).opening = opening;
    }

    pub(crate) fn state(&mut self, update: &AccountUpdate, ts_host: Timestamp) {
        let stated = Stated {
            total: update.total,
            free: update.free,
            ts_host,
        };
        self.cash_row(update.venue, update.currency).stated = Some(stated);
    }

    /// Computes the effect of a deal without changing the account.
    #[inline(always)]
    pub(crate) fn plan(&self, deal: &Deal<'_>) -> Result<AccountStep, MoneyError> {
        let quote = self.cash.find((deal.terms.venue, deal.terms.quote));
        let rows = AccountRows {
            position: self.positions.find(deal.terms.id),
            quote,
            fee: if deal.pays_in_quote() {
                quote
            } else {
                self.cash.find((deal.terms.venue, deal.fee_currency))
            },
        };
        let position = match rows.position {
            Some(at) => self.positions[at],
            None => Position::flat(deal.terms),
        };
        let step = position.plan(deal)?;
        let zero = Money::ZERO;
        let (spent, realised) = rows.quote.map_or((zero, zero), |at| {
            let cash = &self.cash[at];
            (cash.spent, cash.realised)
        });
        sum(spent, deal.notional)?;
        sum(realised, step.gain)?;
        sum(rows.fee.map_or(zero, |at| self.cash[at].fees), deal.fee)?;
        Ok(AccountStep { step, rows })
    }

    /// Applies a planned step.
    #[inline(always)]
    pub(crate) fn commit(&mut self, AccountStep { step, rows }: &AccountStep, deal: &Deal<'_>) {
        let (Some(position), Some(quote), Some(fee)) = (rows.position, rows.quote, rows.fee) else {
            return self.commit_first(step, deal);
        };
        self.positions[position].commit(step, deal);
        let quote = &mut self.cash[quote];
        quote.spent.0 += deal.notional.0;
        quote.realised.0 += step.gain.0;
        self.cash[fee].fees.0 += deal.fee.0;
    }

    /// Applies the first deal of its kind, for which rows have to be created.
    #[cold]
    fn commit_first(&mut self, step: &PositionStep, deal: &Deal<'_>) {
        self.positions
            .row(deal.terms.id, || Position::flat(deal.terms))
            .commit(step, deal);
        let quote = self.cash_row(deal.terms.venue, deal.terms.quote);
        quote.spent.0 += deal.notional.0;
        quote.realised.0 += step.gain.0;
        if deal.fee != Money::ZERO {
            self.cash_row(deal.terms.venue, deal.fee_currency).fees.0 += deal.fee.0;
        }
    }

    fn cash_row(&mut self, venue: VenueId, currency: CurrencyId) -> &mut Cash {
        self.cash
            .row((venue, currency), || Cash::nothing(venue, currency))
    }
}
