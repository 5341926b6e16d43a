//! The account: balances, and the part of them that working orders reserve. Exact inside, amounts at the edge.

use super::margin::Positions;
use crate::broker::terms::FeeRate;
use tickdeck_model::{
    AccountId, AccountUpdate, Amount, CurrencyId, Instrument, Money, Pad, Price, Side, Size,
    VenueId,
};

/// Money reserved for a working order, so that it cannot be spent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reservation {
    /// Nothing is reserved.
    Nothing,
    /// An amount of one currency.
    Of {
        /// The currency.
        currency: CurrencyId,
        /// The currency's scale, in case it has no balance yet.
        scale: u8,
        /// The amount.
        money: Money,
    },
}

impl Reservation {
    pub(super) const NOTHING: Self = Self::Nothing;

    /// The reservation for a buy: price times size, and the fee on it.
    pub(super) fn buy(terms: &Instrument, price: Price, size: Size, fee: FeeRate) -> Self {
        let fee = Money::from_amount(fee.fee(terms, price, size), terms.quote_scale);
        let money = Money(notional(terms, price, size).0.saturating_add(fee.0));
        Self::Of {
            currency: terms.quote,
            scale: terms.quote_scale,
            money,
        }
    }

    /// The reservation for a sell that must deliver.
    pub(super) fn sell(terms: &Instrument, size: Size) -> Self {
        Self::Of {
            currency: terms.base,
            scale: terms.size_scale,
            money: units(size, terms),
        }
    }

    /// The part of the reservation for `part` of `whole`.
    pub(super) fn scaled(self, part: Size, whole: Size) -> Self {
        match self {
            Self::Of {
                currency,
                scale,
                money,
            } if part > Size::ZERO => Self::Of {
                currency,
                scale,
                money: money.mul_ratio(part.0, whole.0).unwrap_or(money),
            },
            Self::Nothing | Self::Of { .. } => Self::Nothing,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Balance {
    currency: CurrencyId,
    scale: u8,
    total: Money,
    reserved: Money,
    changed: bool,
}

/// All balances of the account. A handful, so a list.
#[derive(Debug, Default)]
pub(super) struct Account {
    balances: Vec<Balance>,
    /// Kept on margin: trades move no currency but what they realise.
    margin: Option<Positions>,
}

impl Account {
    pub(super) fn use_margin(&mut self) {
        self.margin = Some(Positions::default());
    }

    pub(super) fn deposit(&mut self, currency: CurrencyId, scale: u8, amount: Amount) {
        let balance = self.open(currency, scale);
        balance.scale = scale;
        balance.total.0 = balance
            .total
            .0
            .saturating_add(Money::from_amount(amount, scale).0);
    }

    pub(super) fn totals(&self) -> Vec<(CurrencyId, Amount)> {
        self.balances
            .iter()
            .map(|balance| (balance.currency, amount(balance.total, balance.scale)))
            .collect()
    }

    pub(super) fn can_reserve(&self, reservation: Reservation) -> bool {
        self.can_replace(Reservation::Nothing, reservation)
    }

    /// Whether `new` can be reserved once `old` is released. Reserving less than before is always possible.
    pub(super) fn can_replace(&self, old: Reservation, new: Reservation) -> bool {
        let Reservation::Of {
            currency, money, ..
        } = new
        else {
            return true;
        };
        let released = match old {
            Reservation::Of {
                currency: of,
                money,
                ..
            } if of == currency => money,
            Reservation::Of { .. } | Reservation::Nothing => Money::ZERO,
        };
        money <= released || money.0 <= self.free(currency).0.saturating_add(released.0)
    }

    pub(super) fn reserve(&mut self, reservation: Reservation) {
        if let Reservation::Of {
            currency,
            scale,
            money,
        } = reservation
        {
            let balance = self.open(currency, scale);
            balance.reserved.0 = balance.reserved.0.saturating_add(money.0);
        }
    }

    pub(super) fn release(&mut self, reservation: Reservation) {
        if let Reservation::Of {
            currency,
            scale,
            money,
        } = reservation
        {
            let balance = self.open(currency, scale);
            balance.reserved.0 = balance.reserved.0.saturating_sub(money.0);
        }
    }

    /// Moves base against quote, or on margin what the trade realises; and the fee out of the quote currency.
    pub(super) fn trade(
        &mut self,
        terms: &Instrument,
        side: Side,
        price: Price,
        size: Size,
        fee: Amount,
    ) {
        let sign = i128::from(side.sign());
        let fee = Money::from_amount(fee, terms.quote_scale);
        if let Some(positions) = &mut self.margin {
            let realised = positions.trade(terms, side, price, size);
            self.add(
                terms.quote,
                terms.quote_scale,
                Money(realised.0.saturating_sub(fee.0)),
            );
            return;
        }
        self.add(
            terms.base,
            terms.size_scale,
            Money(units(size, terms).0 * sign),
        );
        let paid = notional(terms, price, size)
            .0
            .saturating_mul(-sign)
            .saturating_sub(fee.0);
        self.add(terms.quote, terms.quote_scale, Money(paid));
    }

    /// The balances changed by trades since this was last asked.
    pub(super) fn take_changes(&mut self, venue: VenueId) -> Vec<AccountUpdate> {
        let changed = self.balances.iter_mut().filter(|balance| balance.changed);
        changed
            .map(|balance| {
                balance.changed = false;
                let free = Money(balance.total.0.saturating_sub(balance.reserved.0));
                AccountUpdate {
                    account: AccountId(0),
                    pad: Pad::ZERO,
                    reserved: Pad::ZERO,
                    venue,
                    currency: balance.currency,
                    total: amount(balance.total, balance.scale),
                    free: amount(free, balance.scale),
                }
            })
            .collect()
    }

    fn free(&self, currency: CurrencyId) -> Money {
        let balance = self
            .balances
            .iter()
            .find(|balance| balance.currency == currency);
        balance.map_or(Money::ZERO, |balance| {
            Money(balance.total.0.saturating_sub(balance.reserved.0))
        })
    }

    fn add(&mut self, currency: CurrencyId, scale: u8, money: Money) {
        let balance = self.open(currency, scale);
        balance.total.0 = balance.total.0.saturating_add(money.0);
        balance.changed = true;
    }

    fn open(&mut self, currency: CurrencyId, scale: u8) -> &mut Balance {
        let at = self
            .balances
            .iter()
            .position(|balance| balance.currency == currency)
            .unwrap_or_else(|| {
                self.balances.push(Balance {
                    currency,
                    scale,
                    total: Money::ZERO,
                    reserved: Money::ZERO,
                    changed: false,
                });
                self.balances.len() - 1
            });
        &mut self.balances[at]
    }
}

/// Price times size, saturating at the largest [`Money`].
fn notional(terms: &Instrument, price: Price, size: Size) -> Money {
    terms.notional(price, size).unwrap_or(Money(i128::MAX))
}

fn units(size: Size, terms: &Instrument) -> Money {
    Money::from_units(i128::from(size.0), terms.size_scale).unwrap_or(Money(i128::MAX))
}

fn amount(money: Money, scale: u8) -> Amount {
    money
        .to_amount(scale)
        .unwrap_or(Amount(if money.0 < 0 { i64::MIN } else { i64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::InstrumentId;

    const BTC: CurrencyId = CurrencyId(0);
    const USDT: CurrencyId = CurrencyId(1);

    fn terms() -> Instrument {
        Instrument {
            id: InstrumentId(0),
            venue: VenueId(0),
            symbol: "BTCUSDT.BINANCE".to_owned(),
            base: BTC,
            quote: USDT,
            price_scale: 2,
            size_scale: 5,
            quote_scale: 8,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount::ZERO,
        }
    }

    #[test]
    fn a_buy_holds_its_cost_and_fee_and_a_trade_moves_both_currencies() {
        let mut account = Account::default();
        account.deposit(USDT, 8, Amount(1_001 * 100_000_000));
        // 1 BTC at 1000.00 with 0.1 % is 1001 exactly; a tick more is too much.
        let reservation = Reservation::buy(
            &terms(),
            Price(100_000),
            Size(100_000),
            FeeRate { ppm: 1000 },
        );
        assert!(account.can_reserve(reservation));
        assert!(!account.can_reserve(Reservation::buy(
            &terms(),
            Price(100_001),
            Size(100_000),
            FeeRate { ppm: 1000 }
        )));
        account.reserve(reservation);
        assert!(!account.can_reserve(Reservation::buy(
            &terms(),
            Price(1),
            Size(1),
            FeeRate { ppm: 0 }
        )));
        account.release(reservation);
        account.trade(
            &terms(),
            Side::Buy,
            Price(100_000),
            Size(100_000),
            Amount(100_000_000),
        );
        assert_eq!(
            account.totals(),
            [(USDT, Amount(0)), (BTC, Amount(100_000))]
        );
        assert_eq!(account.take_changes(VenueId(0)).len(), 2);
        assert!(account.take_changes(VenueId(0)).is_empty());
    }

    #[test]
    fn a_hold_shrinks_with_what_is_left() {
        let reservation = Reservation::sell(&terms(), Size(300));
        assert_eq!(
            reservation.scaled(Size(100), Size(300)),
            Reservation::sell(&terms(), Size(100))
        );
        assert_eq!(
            reservation.scaled(Size::ZERO, Size(300)),
            Reservation::Nothing
        );
    }
}
