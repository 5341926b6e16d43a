//! Events and actions of reels of schemas 1 to 3, in the layout that the contract had then: 88 and 56 bytes, with one byte for each code.
//!
//! A code was one less than it is now, where the set has got an `other`, and no field was in reserve.

use tickdeck_model::{
    AccountId, AccountUpdate, Action, Aggressor, Amount, Bar, BarBasis, Body, BookChange,
    BookUpdate, CancelAll, CancelScope, CurrencyId, Event, Feed, FeedRequest, Fill, InstrumentId,
    Kind, Lagged, Liquidity, Modify, Notify, OrderFlags, OrderStatus, OrderType, OrderUpdate, Pad,
    Price, Quote, Reason, Severity, Side, Signal, Size, StrategyId, Submit, TextId, TimeInForce,
    Timer, TimerRequest, Trade, VenueId, VenueScope, VenueState, VenueStatus,
};

/// Bytes of an event.
pub(crate) const EVENT: usize = 88;
/// Bytes of an action.
pub(crate) const ACTION: usize = 56;

/// Where the discriminant and the record of an event are.
const KIND_AT: usize = 24;
const BODY_AT: usize = 32;
/// Where the record of an action is.
const RECORD_AT: usize = 8;

/// Reads an event; `None` if a value is outside the contract.
pub(crate) fn event(bytes: &[u8; EVENT]) -> Option<Event> {
    let head = Old(bytes);
    let kind = *Kind::ALL.get(usize::from(head.byte(KIND_AT)))?;
    let event = Event::new(
        head.long(8),
        head.long(16),
        body(kind, Old(&bytes[BODY_AT..]))?,
    );
    Some(event.with_sequence(head.number(0)))
}

/// Reads an action; `None` if a value is outside the contract.
pub(crate) fn action(bytes: &[u8; ACTION]) -> Option<Action> {
    let old = Old(&bytes[RECORD_AT..]);
    Some(match bytes[0] {
        0 => Action::Submit(Submit {
            order: old.number(0),
            instrument: InstrumentId(old.int(8)),
            side: *Side::ALL.get(usize::from(old.byte(12)))?,
            kind: OrderType::from_number(old.code(13))?,
            time_in_force: TimeInForce::from_number(old.code(14))?,
            flags: OrderFlags::none()
                .set(OrderFlags::POST_ONLY, old.byte(15) == 1)
                .set(OrderFlags::REDUCE_ONLY, old.byte(16) == 1),
            size: Size(old.long(24)),
            price: Price(old.long(32)),
            stop_price: Price(old.long(40)),
            ..Submit::EMPTY
        }),
        1 => Action::Modify(Modify {
            order: old.number(0),
            price: Price(old.long(8)),
            size: Size(old.long(16)),
            stop_price: Price::ZERO,
            trail: 0,
            reserved: Pad::ZERO,
        }),
        2 => Action::Cancel(old.number(0)),
        3 => Action::CancelAll(CancelAll {
            instrument: InstrumentId(old.int(0)),
            scope: *CancelScope::ALL.get(usize::from(old.byte(4)))?,
            pad: Pad::ZERO,
        }),
        4 => Action::SetTimer(TimerRequest {
            id: old.int(0),
            pad: Pad::ZERO,
            due: old.long(8),
        }),
        5 => Action::ClearTimer(old.int(0)),
        6 => Action::Notify(Notify {
            message: old.int(0),
            severity: *Severity::ALL.get(usize::from(old.byte(4)))?,
            pad: Pad::ZERO,
            value: old.float(8)?,
        }),
        7 => Action::Subscribe(feed(old)?),
        8 => Action::Unsubscribe(feed(old)?),
        _ => return None,
    })
}

fn feed(old: Old<'_>) -> Option<FeedRequest> {
    Some(FeedRequest {
        target: old.int(0),
        step: old.int(4),
        feed: *Feed::ALL.get(usize::from(old.byte(8)))?,
        basis: *BarBasis::ALL.get(usize::from(old.byte(9)))?,
        pad: Pad::ZERO,
    })
}

fn body(kind: Kind, old: Old<'_>) -> Option<Body> {
    let reserved = Pad::ZERO;
    let instrument = InstrumentId(old.int(0));
    let account = AccountId(0);
    Some(match kind {
        Kind::Quote => Body::Quote(Quote {
            instrument,
            pad: Pad::ZERO,
            bid: Price(old.long(8)),
            bid_size: Size(old.long(16)),
            ask: Price(old.long(24)),
            ask_size: Size(old.long(32)),
            reserved,
        }),
        Kind::Trade => Body::Trade(Trade {
            instrument,
            aggressor: *Aggressor::ALL.get(usize::from(old.byte(4)))?,
            pad: Pad::ZERO,
            price: Price(old.long(8)),
            size: Size(old.long(16)),
            trade_id: old.number(24),
            reserved,
        }),
        Kind::Book => Body::Book(book_update(old)?),
        Kind::Bar => Body::Bar(bar(old)?),
        Kind::Order => Body::Order(order_update(old)?),
        Kind::Fill => Body::Fill(fill(old)?),
        Kind::Signal => Body::Signal(Signal {
            source: StrategyId(old.int(0)),
            name: TextId(old.int(4)),
            value: old.float(8)?,
            reserved,
        }),
        Kind::Timer => Body::Timer(Timer {
            strategy: StrategyId(old.int(0)),
            id: old.int(4),
            due: old.long(8),
            reserved,
        }),
        Kind::Venue => Body::Venue(VenueStatus {
            venue: VenueId(old.int(0)),
            instrument: InstrumentId(old.int(4)),
            reserved,
            scope: *VenueScope::ALL.get(usize::from(old.byte(8)))?,
            state: VenueState::from_number(old.code(9))?,
            pad: Pad::ZERO,
        }),
        Kind::Account => Body::Account(AccountUpdate {
            venue: VenueId(old.int(0)),
            currency: CurrencyId(old.int(4)),
            total: Amount(old.long(8)),
            free: Amount(old.long(16)),
            reserved,
            account,
            pad: Pad::ZERO,
        }),
        Kind::Lagged => Body::Lagged(Lagged {
            first: old.number(0),
            last: old.number(8),
            dropped: old.number(16),
            reserved,
        }),
    })
}

fn bar(old: Old<'_>) -> Option<Bar> {
    Some(Bar {
        instrument: InstrumentId(old.int(0)),
        step: old.int(4),
        open: Price(old.long(8)),
        high: Price(old.long(16)),
        low: Price(old.long(24)),
        close: Price(old.long(32)),
        volume: Size(old.long(40)),
        reserved: Pad::ZERO,
        trades: old.int(48),
        basis: *BarBasis::ALL.get(usize::from(old.byte(52)))?,
        pad: Pad::ZERO,
    })
}

fn order_update(old: Old<'_>) -> Option<OrderUpdate> {
    Some(OrderUpdate {
        instrument: InstrumentId(old.int(0)),
        strategy: StrategyId(old.int(4)),
        order: old.number(8),
        price: Price(old.long(16)),
        size: Size(old.long(24)),
        filled: Size(old.long(32)),
        stop_price: Price::ZERO,
        reserved: Pad::ZERO,
        account: AccountId(0),
        status: OrderStatus::from_number(old.code(40))?,
        reason: Reason::from_number(old.code(41))?,
        side: *Side::ALL.get(usize::from(old.byte(42)))?,
        pad: Pad::ZERO,
    })
}

fn fill(old: Old<'_>) -> Option<Fill> {
    Some(Fill {
        instrument: InstrumentId(old.int(0)),
        strategy: StrategyId(old.int(4)),
        order: old.number(8),
        trade_id: old.number(16),
        price: Price(old.long(24)),
        size: Size(old.long(32)),
        fee: Amount(old.long(40)),
        reserved: Pad::ZERO,
        fee_currency: CurrencyId(old.int(48)),
        account: AccountId(0),
        side: *Side::ALL.get(usize::from(old.byte(52)))?,
        liquidity: Liquidity::from_number(old.code(53))?,
        pad: Pad::ZERO,
    })
}

fn book_update(old: Old<'_>) -> Option<BookUpdate> {
    Some(BookUpdate {
        instrument: InstrumentId(old.int(0)),
        change: *BookChange::ALL.get(usize::from(old.byte(4)))?,
        side: *Side::ALL.get(usize::from(old.byte(5)))?,
        last: old.byte(6) == 1,
        pad: Pad::ZERO,
        price: Price(old.long(8)),
        size: Size(old.long(16)),
        update_id: old.number(24),
        reserved: Pad::ZERO,
    })
}

/// A record in the layout of then.
#[derive(Clone, Copy)]
struct Old<'a>(&'a [u8]);

impl Old<'_> {
    fn byte(self, at: usize) -> u8 {
        self.0[at]
    }

    /// A code of a set that has an `other` now.
    fn code(self, at: usize) -> u16 {
        u16::from(self.byte(at)) + 1
    }

    fn take<const N: usize>(self, at: usize) -> [u8; N] {
        self.0[at..].first_chunk().copied().unwrap_or([0; N])
    }

    fn int(self, at: usize) -> u32 {
        u32::from_le_bytes(self.take(at))
    }

    fn number(self, at: usize) -> u64 {
        u64::from_le_bytes(self.take(at))
    }

    fn long(self, at: usize) -> i64 {
        i64::from_le_bytes(self.take(at))
    }

    /// A number that is one.
    fn float(self, at: usize) -> Option<f64> {
        let value = f64::from_le_bytes(self.take(at));
        (!value.is_nan()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event of a kind with the bytes 1, 2, 3 ... in its record, but for some.
    fn old_event(kind: Kind, but: &[(usize, u8)]) -> [u8; EVENT] {
        let mut bytes = [0; EVENT];
        (bytes[0], bytes[8], bytes[16]) = (7, 8, 9);
        bytes[KIND_AT] = kind as u8;
        for (at, byte) in bytes[BODY_AT..].iter_mut().enumerate() {
            *byte = at as u8 + 1;
        }
        for (at, value) in but {
            bytes[BODY_AT + at] = *value;
        }
        bytes
    }

    #[test]
    fn an_event_of_each_kind_is_read_with_the_codes_of_now() {
        let order = old_event(Kind::Order, &[(40, 12), (41, 27), (42, 1)]);
        let Some(Body::Order(update)) = event(&order).map(|event| event.body()) else {
            panic!("it is an order update");
        };
        assert_eq!(update.status, OrderStatus::Unknown, "the last of then");
        assert_eq!(update.reason, Reason::Operator, "the last of then");
        assert_eq!(update.filled, Size(0x2827_2625_2423_2221));
        let fill = old_event(Kind::Fill, &[(52, 0), (53, 1)]);
        let Some(Body::Fill(fill)) = event(&fill).map(|event| event.body()) else {
            panic!("it is a fill");
        };
        assert_eq!(fill.liquidity, Liquidity::Taker);
        assert_eq!(fill.fee_currency, CurrencyId(0x3433_3231));
        let venue = old_event(Kind::Venue, &[(8, 1), (9, 4)]);
        let Some(Body::Venue(status)) = event(&venue).map(|event| event.body()) else {
            panic!("it is a status");
        };
        assert_eq!(status.state, VenueState::Halted);
    }

    #[test]
    fn a_submit_is_read_with_the_codes_of_now() {
        let mut bytes = [0; ACTION];
        bytes[8] = 5;
        bytes[16] = 2;
        bytes[20..25].copy_from_slice(&[1, 3, 3, 0, 1]);
        bytes[32] = 100;
        bytes[40] = 7;
        bytes[48] = 8;
        let expected = Submit {
            order: 5,
            instrument: InstrumentId(2),
            side: Side::Sell,
            kind: OrderType::StopLimit,
            time_in_force: TimeInForce::Day,
            flags: OrderFlags::REDUCE_ONLY,
            size: Size(100),
            price: Price(7),
            stop_price: Price(8),
            ..Submit::EMPTY
        };
        assert_eq!(action(&bytes), Some(Action::Submit(expected)));
    }

    #[test]
    fn a_value_outside_the_contract_is_none() {
        assert_eq!(event(&old_event(Kind::Order, &[(42, 2)])), None);
        let mut bytes = [0; EVENT];
        bytes[KIND_AT] = 11;
        assert_eq!(event(&bytes), None);
        assert_eq!(action(&[9; ACTION]), None);
    }
}
