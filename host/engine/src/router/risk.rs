//! The checks between a strategy's order and the venue, each with a deny code and the values that violated it.
//!
//! A check is a pure function of what is known as of the event that caused the order. Working orders count at their
//! worst case: all of them filled.

use crate::config::{InstrumentLimits, OrderLimits, OrderRate, RiskConfig};
use crate::handle::Mode;
use crate::middleware::{Denial, OrderChange, OrderContext, OrderMiddleware, deny};
use std::collections::VecDeque;
use tickdeck_model::format::date_time;
use tickdeck_model::{
    InstrumentId, Money, OrderType, Price, Reason, Side, Size, StrategyId, Submit, TimeInForce,
    Timestamp, TrailBasis,
};

/// The built-in order middleware: every limit of [`RiskConfig`], and the deck's kill switch and modes.
#[derive(Debug)]
pub struct Risk {
    /// For strategies without limits of their own.
    default: OrderLimits,
    /// By strategy. Ids are interned, so they are dense; hashing one would cost as much as a check.
    strategies: Vec<StrategyRisk>,
    /// By instrument.
    instruments: Vec<InstrumentLimits>,
}

/// The limits and the recent orders of a strategy.
#[derive(Debug, Default)]
struct StrategyRisk {
    limits: Option<OrderLimits>,
    history: History,
}

impl Risk {
    /// Creates the checks for these limits, with nothing sent so far.
    pub fn new(config: RiskConfig) -> Self {
        let mut risk = Self {
            default: config.default,
            strategies: Vec::new(),
            instruments: Vec::new(),
        };
        for (strategy, limits) in config.strategies {
            place(&mut risk.strategies, strategy.index()).limits = Some(limits);
        }
        for (instrument, limits) in config.instruments {
            *place(&mut risk.instruments, instrument.index()) = limits;
        }
        risk
    }

    /// The limits that apply to an order, and what the strategy sent recently.
    fn parts<'a>(&'a mut self, at: &'a OrderContext<'a>) -> (Check<'a>, &'a mut History) {
        let StrategyRisk { limits, history } = place(&mut self.strategies, at.strategy.index());
        let instrument = self.instruments.get(at.instrument.id.index());
        let check = Check {
            at,
            limits: limits.as_ref().unwrap_or(&self.default),
            instrument_limits: instrument.copied().unwrap_or_default(),
        };
        (check, history)
    }
}

/// The entry at this index, created if there is none yet.
fn place<T: Default>(places: &mut Vec<T>, at: usize) -> &mut T {
    if places.len() <= at {
        places.resize_with(at + 1, T::default);
    }
    &mut places[at]
}

impl OrderMiddleware for Risk {
    /// What it sent before still counts, as far back as its windows reached until now: a swap cannot bypass a rate limit.
    fn set_limits(&mut self, strategy: StrategyId, limits: &OrderLimits) {
        place(&mut self.strategies, strategy.index()).limits = Some(limits.clone());
    }

    fn check(&mut self, order: &Submit, at: &OrderContext<'_>) -> Result<(), Denial> {
        let (check, history) = self.parts(at);
        check.order(order)?;
        history.check(at.now, order, check.limits)
    }

    fn check_change(&mut self, change: &OrderChange, at: &OrderContext<'_>) -> Result<(), Denial> {
        let (check, history) = self.parts(at);
        check.change(change)?;
        history.check_rate(at.now, check.limits)
    }
}

/// One run of the checks.
struct Check<'a> {
    at: &'a OrderContext<'a>,
    limits: &'a OrderLimits,
    instrument_limits: InstrumentLimits,
}

impl Check<'_> {
    fn order(&self, order: &Submit) -> Result<(), Denial> {
        self.check_mode()?;
        self.at
            .instrument
            .check_form(order, self.at.far_side(order.side))?;
        if order.time_in_force == TimeInForce::Gtd && order.expires <= self.at.now {
            let (expires, now) = (date_time(order.expires), date_time(self.at.now));
            return deny(Reason::DateReached, format!("expires={expires}, now={now}"));
        }
        self.check_allowed(order.kind)?;
        let is_exit = self.is_exit(order.reduce_only());
        if is_exit && !self.at.fits_position(order.side, order.size) {
            return self.deny_exit(order.side, order.size, None);
        }
        let reduces = is_exit || self.at.only_reduces(order.side, order.size);
        self.check_stale(reduces)?;
        self.check_amounts(order.side, order.size, self.at.price_of(order), reduces)?;
        if order.kind.has_price() {
            let stop = order.kind.has_stop().then_some(order.stop_price);
            self.check_collar((order.side, order.size), order.price, stop)?;
        }
        let is_dead = |price: Price| order.side == Side::Sell && order.trail >= price.0;
        if order.kind.trails()
            && order.trail_basis == TrailBasis::Price
            && self.at.far_side(order.side).is_some_and(is_dead)
        {
            let trail = Price(order.trail).at(self.at.instrument.price_scale);
            return deny(
                Reason::InvalidPrice,
                format!("trail={trail}, below zero from here"),
            );
        }
        if order.kind == OrderType::TrailingStopLimit
            && let Some(stop) = self.at.price_of(order)
        {
            // Its price is the distance from wherever its stop will be.
            let limit = Price(stop.0.saturating_add(order.price.0));
            self.check_collar((order.side, order.size), limit, Some(stop))?;
        }
        Ok(())
    }

    fn change(&self, change: &OrderChange) -> Result<(), Denial> {
        self.check_mode()?;
        let terms = self.at.instrument;
        terms.check_size(change.size)?;
        let has_limit = change.kind.has_price()
            || (change.kind == OrderType::TrailingStopLimit && change.triggered);
        let is_distance = change.kind == OrderType::TrailingStopLimit && !change.triggered;
        if is_distance {
            let distance = Price(change.price.0.saturating_abs());
            terms.check_price("price", change.price.0 != 0, distance)?;
            if let Some(stop) = self.at.price_without_limit(change.side, change.stop_price) {
                let limit = Price(stop.0.saturating_add(change.price.0));
                self.check_collar((change.side, change.left), limit, Some(stop))?;
            }
        } else {
            terms.check_price("price", has_limit, change.price)?;
        }
        let has_stop = change.kind.has_stop() && !change.triggered;
        let may_move = change.kind.trails() && !change.triggered;
        if !may_move || change.stop_price.0 != 0 {
            terms.check_price("stop-price", has_stop || may_move, change.stop_price)?;
        }
        if change.trail != 0 {
            let kind = if may_move {
                change.kind
            } else {
                OrderType::Limit
            };
            terms.check_trail(kind, change.trail, change.trail_basis)?;
        }
        // Limits may have changed since the order was sent: an order that may no longer be sent may not be changed either.
        self.check_allowed(change.kind)?;
        // One that works changes at the venue at once, beside what works there; one that is held waits for room.
        let reduces = match change.is_held && change.reduce_only {
            true => self.at.fits_position(change.side, change.left),
            // Held orders beside it that are no exits make way for it.
            false if change.reduce_only => {
                let wanted = change.left.checked_add(change.beside);
                wanted.is_some_and(|wanted| self.at.fits_position(change.side, wanted))
            }
            false => self.at.only_reduces(change.side, change.left),
        };
        if self.is_exit(change.reduce_only) && !reduces {
            let beside = match change.side {
                Side::Buy => self.at.open_buys,
                Side::Sell => self.at.open_sells,
            };
            return self.deny_exit(change.side, change.left, Some(beside));
        }
        self.check_stale(reduces)?;
        let price = if has_limit {
            let waits = change.kind.has_stop() && !change.triggered;
            let stop = waits.then_some(change.stop_price);
            self.check_collar((change.side, change.left), change.price, stop)?;
            Some(change.price)
        } else {
            self.at.price_without_limit(change.side, change.stop_price)
        };
        self.check_amounts(change.side, change.left, price, reduces)
    }

    fn check_mode(&self) -> Result<(), Denial> {
        if self.at.killed {
            return deny(Reason::Killed, "the kill switch is on".to_owned());
        }
        match self.at.mode {
            Mode::Pause => deny(Reason::Paused, "new orders are paused".to_owned()),
            Mode::Trade | Mode::Reduce => Ok(()),
        }
    }

    fn check_allowed(&self, kind: OrderType) -> Result<(), Denial> {
        let instrument = self.at.instrument;
        if let Some(allowed) = &self.limits.allow
            && !allowed.contains(&instrument.id)
        {
            let values = format!("instrument={}", instrument.symbol);
            return deny(Reason::NotAllowed, values);
        }
        match &self.limits.order_types {
            Some(allowed) if !allowed.contains(&kind) => {
                let names: Vec<_> = allowed.iter().map(|kind| kind.as_str()).collect();
                let values = format!("type={kind}, allowed={}", names.join(" "));
                deny(Reason::TypeNotAllowed, values)
            }
            _ => Ok(()),
        }
    }

    /// Whether an order may only reduce the position: it says so, or the mode does.
    fn is_exit(&self, marked: bool) -> bool {
        marked || self.at.mode == Mode::Reduce
    }

    fn deny_exit(&self, side: Side, size: Size, beside: Option<Size>) -> Result<(), Denial> {
        let scale = self.at.instrument.size_scale;
        let mut values = format!(
            "{side} {}, position={}",
            size.at(scale),
            self.at.position.at(scale)
        );
        if let Some(beside) = beside {
            values += &format!(", {} at work beside it", beside.at(scale));
        }
        deny(Reason::ReduceOnly, values)
    }

    fn check_stale(&self, reduces: bool) -> Result<(), Denial> {
        if reduces {
            return Ok(());
        }
        if self.at.stale {
            return deny(
                Reason::StaleData,
                "the venue marks its data stale".to_owned(),
            );
        }
        let Some(max_age_ns) = self.limits.max_quote_age_ns else {
            return Ok(());
        };
        let Some((_, came)) = self.at.quote else {
            return deny(Reason::StaleData, "no quote yet".to_owned());
        };
        let age_ns = self.at.leaves_at.saturating_sub(came).max(0) as u64;
        if age_ns > max_age_ns {
            let (age_ms, limit_ms) = (age_ns / 1_000_000, max_age_ns / 1_000_000);
            let values = format!("age_ms={age_ms}, limit={limit_ms}");
            return deny(Reason::StaleData, values);
        }
        Ok(())
    }

    /// Size, notional and position.
    fn check_amounts(
        &self,
        side: Side,
        size: Size,
        price: Option<Price>,
        reduces: bool,
    ) -> Result<(), Denial> {
        let instrument = self.at.instrument;
        let own = self.limits.max_sizes.get(&instrument.id).copied();
        let max_size = own.or(self.instrument_limits.max_size);
        if let Some(limit) = max_size.filter(|limit| size > *limit) {
            let scale = instrument.size_scale;
            return deny(
                Reason::MaxSize,
                format!("size={}, limit={}", size.at(scale), limit.at(scale)),
            );
        }
        let valued =
            self.limits.max_notional.is_some() || self.limits.max_position_notional.is_some();
        if valued && price.is_none() && !reduces {
            let values = "there is no quote to value the order".to_owned();
            return deny(Reason::StaleData, values);
        }
        if let (Some(limit), Some(price)) = (self.limits.max_notional, price) {
            self.check_notional(Reason::MaxNotional, "notional", price, size, limit.0)?;
        }
        if reduces {
            Ok(())
        } else {
            self.check_position(side, size, price)
        }
    }

    fn check_position(&self, side: Side, size: Size, price: Option<Price>) -> Result<(), Denial> {
        let open = if side == Side::Buy {
            self.at.open_buys
        } else {
            self.at.open_sells
        };
        let signed = i128::from(self.at.position.0) * i128::from(side.sign());
        // Positive: how far the position would go in the order's direction.
        let worst = signed + i128::from(open.0) + i128::from(size.0);
        let Ok(worst) = i64::try_from(worst).map(Size) else {
            return deny(
                Reason::MaxPosition,
                "the position would be out of range".to_owned(),
            );
        };
        if let Some(limit) = self
            .instrument_limits
            .max_position
            .filter(|limit| worst > *limit)
        {
            let scale = self.at.instrument.size_scale;
            return deny(
                Reason::MaxPosition,
                format!("position={}, limit={}", worst.at(scale), limit.at(scale)),
            );
        }
        match (self.limits.max_position_notional, price) {
            (Some(limit), Some(price)) => {
                self.check_notional(Reason::MaxPosition, "position", price, worst, limit.0)
            }
            _ => Ok(()),
        }
    }

    /// `limit` is in whole units of the quote currency.
    fn check_notional(
        &self,
        reason: Reason,
        name: &str,
        price: Price,
        size: Size,
        limit: i64,
    ) -> Result<(), Denial> {
        let Ok(notional) = self.at.instrument.notional(price, size) else {
            return deny(reason, format!("{name} is out of range"));
        };
        if Money::from_units(i128::from(limit), 0).is_ok_and(|limit| notional <= limit) {
            return Ok(());
        }
        deny(
            reason,
            format!(
                "{name}={}, limit={limit}",
                notional.at(self.at.instrument.quote_scale.min(2))
            ),
        )
    }

    /// Limits the prices at which an order may trade, not the one at which it is triggered: a limit price must be near the mid of
    /// the last quote, that of a stop-limit order that waits near its stop. A price that waits for a better market is no danger
    /// where the order alone would only reduce the position (a target, even beside a stop that works), or is triggered first.
    fn check_collar(
        &self,
        (side, size): (Side, Size),
        price: Price,
        stop: Option<Price>,
    ) -> Result<(), Denial> {
        let Some(collar_bps) = self.limits.collar_bps else {
            return Ok(());
        };
        let scale = self.at.instrument.price_scale;
        let (mid, around) = match (stop, self.at.quote) {
            (Some(stop), _) => (
                i128::from(stop.0) * 2,
                format!("stop-price={}", stop.at(scale)),
            ),
            (None, None) => return Ok(()),
            (None, Some((quote, _))) => {
                let mid = match (quote.bid.0, quote.ask.0) {
                    (0, 0) => return Ok(()),
                    (0, only) | (only, 0) => i128::from(only) * 2,
                    (bid, ask) => i128::from(bid) + i128::from(ask),
                };
                let (bid, ask) = (quote.bid.at(scale), quote.ask.at(scale));
                (mid, format!("bid={bid}, ask={ask}"))
            }
        };
        // (price - mid/2) / (mid/2) > collar, in integers. Positive: worse for whoever sends the order.
        let worse = (i128::from(price.0) * 2 - mid) * i128::from(side.sign());
        let distance = match stop.is_some() || self.at.fits_position(side, size) {
            true => worse,
            false => worse.abs(),
        };
        if distance * 10_000 > mid * i128::from(collar_bps) {
            let values = format!("price={}, {around}, limit={collar_bps}bp", price.at(scale));
            return deny(Reason::PriceCollar, values);
        }
        Ok(())
    }
}

/// What a strategy sent recently.
#[derive(Debug, Default)]
pub(crate) struct History {
    sent: VecDeque<Timestamp>,
    recent: VecDeque<(Timestamp, Likeness)>,
}

/// What makes two orders the same.
type Likeness = (InstrumentId, Side, OrderType, Size, [Price; 2], i64);

impl History {
    fn check(
        &mut self,
        now: Timestamp,
        order: &Submit,
        limits: &OrderLimits,
    ) -> Result<(), Denial> {
        let likeness = (
            order.instrument,
            order.side,
            order.kind,
            order.size,
            [order.price, order.stop_price],
            order.trail,
        );
        if let Some(window_ns) = limits.duplicate_window_ns {
            forget(&mut self.recent, now, window_ns, |(at, _)| *at);
            if self.recent.iter().any(|(_, earlier)| *earlier == likeness) {
                return deny(
                    Reason::Duplicate,
                    format!("the same order within {window_ns} ns"),
                );
            }
        }
        self.check_rate(now, limits)?;
        if limits.duplicate_window_ns.is_some() {
            self.recent.push_back((now, likeness));
        }
        Ok(())
    }

    /// Counts an order or a change against the rate.
    pub(crate) fn check_rate(
        &mut self,
        now: Timestamp,
        limits: &OrderLimits,
    ) -> Result<(), Denial> {
        let Some(OrderRate { orders, window_ns }) = limits.order_rate else {
            return Ok(());
        };
        forget(&mut self.sent, now, window_ns, |at| *at);
        if self.sent.len() >= orders as usize {
            return deny(
                Reason::OrderRate,
                format!(
                    "orders={}, limit={orders} in {} ms",
                    self.sent.len() + 1,
                    window_ns / 1_000_000
                ),
            );
        }
        self.sent.push_back(now);
        Ok(())
    }
}

fn forget<T>(
    queue: &mut VecDeque<T>,
    now: Timestamp,
    window_ns: u64,
    at: impl Fn(&T) -> Timestamp,
) {
    let window_ns = i64::try_from(window_ns).unwrap_or(i64::MAX);
    while queue
        .front()
        .is_some_and(|first| now.saturating_sub(at(first)) >= window_ns)
    {
        queue.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{
        Amount, CurrencyId, Instrument, OrderFlags, OrderType, Pad, Quote, TimeInForce, VenueId,
    };

    fn instrument() -> Instrument {
        Instrument {
            id: InstrumentId(0),
            venue: VenueId(0),
            symbol: "BTCUSDT.SIM".to_owned(),
            base: CurrencyId(0),
            quote: CurrencyId(1),
            price_scale: 2,
            size_scale: 3,
            quote_scale: 8,
            tick: Price(10),
            lot: Size(5),
            min_notional: Amount(5 * 100_000_000),
        }
    }

    /// Buy 1.000 at 100.00 with the market at 99.90 / 100.10.
    fn order() -> Submit {
        Submit {
            order: 1,
            instrument: InstrumentId(0),
            side: Side::Buy,
            kind: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            size: Size(1_000),
            price: Price(10_000),
            stop_price: Price(0),
            ..Submit::EMPTY
        }
    }

    struct Case {
        limits: OrderLimits,
        instrument_limits: InstrumentLimits,
        order: Submit,
        now: Timestamp,
        stale: bool,
        quoted: bool,
        killed: bool,
        mode: Mode,
        position: i64,
        open_buys: i64,
        open_sells: i64,
    }

    impl Case {
        fn new() -> Self {
            Self {
                limits: OrderLimits::default(),
                instrument_limits: InstrumentLimits::default(),
                order: order(),
                now: 1_000_000_000,
                stale: false,
                quoted: true,
                killed: false,
                mode: Mode::Trade,
                position: 0,
                open_buys: 0,
                open_sells: 0,
            }
        }

        fn verdict(&self, risk: &mut Risk) -> Result<(), Denial> {
            self.context(risk, |risk, at| risk.check(&self.order, at))
        }

        fn context(
            &self,
            risk: &mut Risk,
            check: impl FnOnce(&mut Risk, &OrderContext<'_>) -> Result<(), Denial>,
        ) -> Result<(), Denial> {
            let terms = instrument();
            let quote = Quote {
                reserved: Pad::ZERO,
                instrument: InstrumentId(0),
                pad: Pad::ZERO,
                bid: Price(9_990),
                bid_size: Size(1_000),
                ask: Price(10_010),
                ask_size: Size(1_000),
            };
            let context = OrderContext {
                now: self.now,
                leaves_at: self.now,
                instrument: &terms,
                strategy: StrategyId(1),
                quote: self.quoted.then_some((quote, 1_000_000_000)),
                stale: self.stale,
                killed: self.killed,
                mode: self.mode,
                position: Size(self.position),
                open_buys: Size(self.open_buys),
                open_sells: Size(self.open_sells),
            };
            risk.default = self.limits.clone();
            let limits = self.instrument_limits;
            *place(&mut risk.instruments, 0) = limits;
            check(risk, &context)
        }

        fn text(&self) -> String {
            match self.verdict(&mut Risk::new(RiskConfig::default())) {
                Ok(()) => "passes".to_owned(),
                Err(denial) => format!("{}: {}", denial.reason.code(), denial.values),
            }
        }
    }

    fn with(change: impl FnOnce(&mut Case)) -> String {
        let mut case = Case::new();
        change(&mut case);
        case.text()
    }

    #[test]
    fn each_check_denies_with_its_code_and_values() {
        assert_eq!(with(|_| {}), "passes");
        assert_eq!(
            with(|case| case.killed = true),
            "KILLED: the kill switch is on"
        );
        assert_eq!(
            with(|case| case.mode = Mode::Pause),
            "PAUSED: new orders are paused"
        );
        assert_eq!(
            with(|case| case.order.size = Size(1_003)),
            "INVALID_SIZE: size=1.003, lot=0.005"
        );
        assert_eq!(
            with(|case| case.order.price = Price(10_005)),
            "INVALID_PRICE: price=100.05, tick=0.10"
        );
        assert_eq!(
            with(|case| case.order.size = Size(5)),
            "MIN_NOTIONAL: notional=0.50000000, least=5.00000000"
        );
        assert_eq!(
            with(|case| case.stale = true),
            "STALE_DATA: the venue marks its data stale"
        );
        assert_eq!(with(|case| case.quoted = false), "STALE_DATA: no quote yet");
        assert_eq!(
            with(|case| case.now += 5_001_000_000),
            "STALE_DATA: age_ms=5001, limit=5000"
        );
        assert_eq!(
            with(|case| case.limits.allow = Some(vec![InstrumentId(7)])),
            "NOT_ALLOWED: instrument=BTCUSDT.SIM"
        );
        assert_eq!(
            with(|case| case.instrument_limits.max_size = Some(Size(500))),
            "MAX_SIZE: size=1.000, limit=0.500"
        );
        assert_eq!(
            with(|case| case.limits.order_types = Some(vec![OrderType::Market, OrderType::Stop])),
            "TYPE_NOT_ALLOWED: type=limit, allowed=market stop"
        );
        assert_eq!(
            with(|case| case.limits.max_notional = Some(Amount(99))),
            "MAX_NOTIONAL: notional=100.00, limit=99"
        );
        assert_eq!(
            with(|case| case.limits.collar_bps =
                Some(10).inspect(|_| case.order.price = Price(10_020))),
            "PRICE_COLLAR: price=100.20, bid=99.90, ask=100.10, limit=10bp"
        );
    }

    #[test]
    fn the_collar_limits_where_an_order_trades_and_not_where_it_waits_or_is_triggered() {
        let sent = |side, kind, (price, stop), position| {
            with(|case| {
                case.limits.collar_bps = Some(500);
                (case.order.side, case.order.kind) = (side, kind);
                (case.order.price, case.order.stop_price) = (Price(price), Price(stop));
                case.position = position;
            })
        };
        let (limit, stop, stop_limit) = (OrderType::Limit, OrderType::Stop, OrderType::StopLimit);
        // Opening: near the quote, on either side.
        for price in [9_000, 11_000] {
            let denied = sent(Side::Buy, limit, (price, 0), 0);
            assert!(denied.starts_with("PRICE_COLLAR"), "{denied}");
        }
        // An exit of a long position: a target may be far above, a limit far below would sell for too little.
        assert_eq!(sent(Side::Sell, limit, (12_000, 0), 1_000), "passes");
        assert_eq!(
            sent(Side::Sell, limit, (9_000, 0), 1_000),
            "PRICE_COLLAR: price=90.00, bid=99.90, ask=100.10, limit=500bp"
        );
        assert_eq!(sent(Side::Buy, limit, (8_000, 0), -1_000), "passes");
        // Also beside a protective stop of the same size.
        let beside_a_stop = with(|case| {
            (case.order.side, case.order.price) = (Side::Sell, Price(12_000));
            (case.position, case.open_sells) = (1_000, 1_000);
        });
        assert_eq!(beside_a_stop, "passes");
        // A protective stop may be as far away as its author wants.
        assert_eq!(sent(Side::Sell, stop, (0, 9_000), 1_000), "passes");
        assert_eq!(sent(Side::Buy, stop, (0, 12_000), 0), "passes");
        // The limit of a stop-limit order is one from its trigger.
        assert_eq!(
            sent(Side::Sell, stop_limit, (8_900, 9_000), 1_000),
            "passes"
        );
        assert_eq!(
            sent(Side::Sell, stop_limit, (8_500, 9_000), 1_000),
            "PRICE_COLLAR: price=85.00, stop-price=90.00, limit=500bp"
        );
    }

    #[test]
    fn once_triggered_a_stop_limit_order_is_changed_to_prices_near_the_quote() {
        let mut case = Case::new();
        case.limits.collar_bps = Some(500);
        let changes = |price, triggered| {
            let change = OrderChange {
                beside: Size::ZERO,
                trail_basis: TrailBasis::Price,
                trail: 0,
                side: Side::Buy,
                kind: OrderType::StopLimit,
                stop_price: Price(if triggered { 0 } else { 15_000 }),
                triggered,
                price: Price(price),
                size: Size(1_000),
                left: Size(1_000),
                reduce_only: false,
                is_held: false,
            };
            let mut risk = Risk::new(RiskConfig::default());
            case.context(&mut risk, |risk, at| risk.check_change(&change, at))
                .map_err(|denial| format!("{}: {}", denial.reason.code(), denial.values))
        };
        let denied = |by: &str| Err(format!("PRICE_COLLAR: price={by}, limit=500bp"));
        assert_eq!(changes(15_200, false), Ok(()));
        assert_eq!(changes(16_000, false), denied("160.00, stop-price=150.00"));
        assert_eq!(
            changes(15_200, true),
            denied("152.00, bid=99.90, ask=100.10")
        );
        assert_eq!(changes(10_100, true), Ok(()));
    }

    #[test]
    fn a_strategys_own_largest_size_stands_over_that_of_the_instrument() {
        let sized = |own: &[(u32, i64)], instrument: Option<i64>| {
            with(|case| {
                let own = own
                    .iter()
                    .map(|(id, size)| (InstrumentId(*id), Size(*size)));
                case.limits.max_sizes = own.collect();
                case.instrument_limits.max_size = instrument.map(Size);
            })
        };
        assert_eq!(sized(&[(0, 1_000)], None), "passes");
        assert_eq!(
            sized(&[(0, 995)], Some(5_000)),
            "MAX_SIZE: size=1.000, limit=0.995"
        );
        assert_eq!(sized(&[(0, 1_000)], Some(500)), "passes");
        assert_eq!(
            sized(&[(7, 5_000)], Some(500)),
            "MAX_SIZE: size=1.000, limit=0.500",
            "that of another instrument says nothing"
        );
    }

    #[test]
    fn an_order_of_a_type_that_is_no_longer_allowed_can_not_be_changed() {
        let mut case = Case::new();
        let change = OrderChange {
            beside: Size::ZERO,
            trail_basis: TrailBasis::Price,
            trail: 0,
            side: Side::Buy,
            kind: OrderType::Limit,
            stop_price: Price(0),
            triggered: false,
            price: Price(10_000),
            size: Size(1_000),
            left: Size(1_000),
            reduce_only: false,
            is_held: false,
        };
        let mut risk = Risk::new(RiskConfig::default());
        let mut changes = |case: &Case| {
            case.context(&mut risk, |risk, at| risk.check_change(&change, at))
                .map_err(|denial| denial.reason)
        };
        assert_eq!(changes(&case), Ok(()));
        case.limits.order_types = Some(vec![OrderType::Market]);
        assert_eq!(changes(&case), Err(Reason::TypeNotAllowed));
        case.limits.allow = Some(Vec::new());
        assert_eq!(changes(&case), Err(Reason::NotAllowed));
    }

    #[test]
    fn the_position_limit_counts_working_orders_as_filled() {
        let limited = |position, open_buys, open_sells, side| {
            with(|case| {
                case.instrument_limits.max_position = Some(Size(2_000));
                (case.position, case.open_buys, case.open_sells) =
                    (position, open_buys, open_sells);
                case.order.side = side;
            })
        };
        assert_eq!(limited(1_000, 0, 0, Side::Buy), "passes");
        assert_eq!(
            limited(1_000, 5, 0, Side::Buy),
            "MAX_POSITION: position=2.005, limit=2.000"
        );
        assert_eq!(
            limited(1_000, 0, 9_000, Side::Buy),
            "passes",
            "sells do not help, and do not harm"
        );
        assert_eq!(
            limited(-1_005, 0, 0, Side::Sell),
            "MAX_POSITION: position=2.005, limit=2.000"
        );
        assert_eq!(limited(1_000, 0, 2_000, Side::Sell), "passes");
        assert_eq!(
            with(|case| (case.limits.max_position_notional, case.position) =
                (Some(Amount(150)), 600)),
            "MAX_POSITION: position=160.00, limit=150"
        );
    }

    #[test]
    fn a_reduce_only_order_is_no_larger_than_the_position_whatever_else_works() {
        let reducing = |position, open_sells| {
            with(|case| {
                (case.position, case.open_sells) = (position, open_sells);
                (case.order.side, case.order.flags) = (Side::Sell, OrderFlags::REDUCE_ONLY);
            })
        };
        assert_eq!(reducing(1_000, 0), "passes");
        assert_eq!(reducing(999, 0), "REDUCE_ONLY: sell 1.000, position=0.999");
        assert_eq!(reducing(1_500, 600), "passes", "it waits for room");
        assert_eq!(
            reducing(-1_000, 0),
            "REDUCE_ONLY: sell 1.000, position=-1.000"
        );
        assert_eq!(
            with(|case| case.mode = Mode::Reduce),
            "REDUCE_ONLY: buy 1.000, position=0.000"
        );
        // Exiting must be possible on stale data.
        let out = with(|case| {
            (case.stale, case.position, case.order.side) = (true, 1_000, Side::Sell);
        });
        assert_eq!(out, "passes");
    }

    #[test]
    fn the_same_order_again_and_one_too_many_are_denied_within_their_windows() {
        let mut risk = Risk::new(RiskConfig::default());
        let mut case = Case::new();
        case.limits.order_rate = Some(OrderRate {
            orders: 2,
            window_ns: 10_000,
        });
        let mut at = |now: i64, price: i64| {
            case.now = 1_000_000_000 + now;
            case.order.price = Price(price);
            case.verdict(&mut risk).map_err(|denial| denial.reason)
        };
        assert_eq!(at(0, 10_000), Ok(()));
        assert_eq!(at(999, 10_000), Err(Reason::Duplicate));
        assert_eq!(at(1_000, 10_000), Ok(()));
        assert_eq!(at(2_500, 10_010), Err(Reason::OrderRate));
        assert_eq!(at(10_000, 10_010), Ok(()), "the first has left the window");
    }

    #[test]
    fn other_limits_hold_from_the_next_order_on_and_what_was_sent_before_still_counts() {
        let rate = |orders, window_ns| OrderLimits {
            order_rate: Some(OrderRate { orders, window_ns }),
            ..OrderLimits::default()
        };
        let mut risk = Risk::new(RiskConfig::default());
        let mut case = Case::new();
        let mut at = |risk: &mut Risk, now: i64, price: i64| {
            case.now = 1_000_000_000 + now;
            case.order.price = Price(price);
            case.verdict(risk).map_err(|denial| denial.reason)
        };
        risk.set_limits(StrategyId(1), &rate(3, 10_000));
        assert_eq!(at(&mut risk, 0, 10_000), Ok(()));
        assert_eq!(at(&mut risk, 1, 10_010), Ok(()));
        risk.set_limits(StrategyId(2), &rate(0, 10_000));
        assert_eq!(at(&mut risk, 2, 10_000), Err(Reason::Duplicate));
        risk.set_limits(StrategyId(1), &rate(2, 10_000));
        assert_eq!(at(&mut risk, 3, 10_020), Err(Reason::OrderRate));
        assert_eq!(at(&mut risk, 4, 10_010), Err(Reason::Duplicate));
        risk.set_limits(StrategyId(1), &rate(2, 5));
        assert_eq!(at(&mut risk, 5, 10_020), Ok(()), "a shorter window");
        assert_eq!(at(&mut risk, 5, 10_030), Err(Reason::OrderRate));
    }
}
