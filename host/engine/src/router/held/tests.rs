//! Held orders against a venue that answers late, in any order that a venue may.

use super::*;
use crate::config::{OrderLimits, RiskConfig};
use crate::handle::Mode;
use crate::intent::{Decision, Intent};
use crate::router::strategy::RoutedStrategy;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use tickdeck_model::{
    AccountId, Action, Aggressor, Amount, Body, ClientOrderId, Currency, CurrencyId, Event, Fill,
    Instrument, Liquidity, Modify, OrderFlags, OrderNumber, OrderUpdate, Pad, Quote, Trade,
    TrailBasis, Trigger, VenueId, VenueScope, VenueState, VenueStatus,
};
use tickdeck_portfolio::Portfolio;

const STRATEGY: StrategyId = StrategyId(1);
const BTC: InstrumentId = InstrumentId(0);

/// An order at the venue.
#[derive(Debug, Clone, Copy)]
struct Resting {
    order: Submit,
    filled: i64,
}

/// A router, the venue behind it, and what is under way between them. Prices around 100, lots of 1.
struct Desk {
    router: Router,
    now: Timestamp,
    sequence: u64,
    /// Commands that have not reached the venue.
    commands: VecDeque<Command>,
    resting: BTreeMap<OrderNumber, Resting>,
    /// Those that were there.
    gone: BTreeMap<OrderNumber, Resting>,
    /// What the venue says and the router does not know yet.
    reports: VecDeque<Body>,
    /// The position by the fills of the venue.
    position: i64,
    next: OrderNumber,
    /// What the strategy was told: `1 submitted`, `2 fill 3`.
    told: Vec<String>,
    /// The reduce-only orders, by their number.
    exits: BTreeMap<OrderNumber, bool>,
}

impl Desk {
    fn new() -> Self {
        let instrument = Instrument {
            id: BTC,
            venue: VenueId(0),
            symbol: "BTCUSDT.SIM".to_owned(),
            base: CurrencyId(0),
            quote: CurrencyId(1),
            price_scale: 0,
            size_scale: 0,
            quote_scale: 0,
            tick: Price(1),
            lot: Size(1),
            min_notional: Amount(0),
        };
        let currencies = [(0, "BTC"), (1, "USDT")].map(|(id, code)| Currency {
            id: CurrencyId(id),
            code: code.to_owned(),
            scale: 0,
        });
        let instruments = vec![instrument];
        let mut portfolio = Portfolio::new(&instruments, &currencies);
        portfolio.open_strategy(STRATEGY, &[], 1);
        let risk = RiskConfig {
            default: OrderLimits::none(),
            ..RiskConfig::default()
        };
        let mut router = Router::new(instruments, risk, portfolio, 1);
        router.strategies.admit(RoutedStrategy::bare(STRATEGY));
        let mut desk = Self {
            router,
            now: 1_000,
            sequence: 0,
            commands: VecDeque::new(),
            resting: BTreeMap::new(),
            gone: BTreeMap::new(),
            reports: VecDeque::new(),
            position: 0,
            next: 0,
            told: Vec::new(),
            exits: BTreeMap::new(),
        };
        desk.quote(99, 101);
        desk
    }

    fn event(&mut self, ts_venue: Timestamp, body: Body) {
        let mut event = Event::new(ts_venue, self.now, body);
        event.sequence = self.sequence;
        self.sequence += 1;
        self.router.on_event(&event);
        let told = match event.body() {
            Body::Order(update) if update.reason == Reason::Normal => {
                format!("{} {}", update.order, update.status)
            }
            Body::Order(update) => {
                format!("{} {} ({})", update.order, update.status, update.reason)
            }
            Body::Fill(fill) => format!("{} fill {}", fill.order, fill.size.0),
            _ => return,
        };
        self.told.push(told);
    }

    /// Lets time pass: the host's own answers reach the tape.
    fn tick(&mut self) {
        self.now += 10;
        let mut own = Vec::new();
        self.router.poll(self.now, &mut own);
        for event in own {
            self.event(self.now, event.body());
        }
        let sent = self.router.outbox.drain_commands();
        self.commands.extend(sent.map(|(_, _, command)| command));
    }

    fn quote(&mut self, bid: i64, ask: i64) {
        let quote = Quote {
            reserved: Pad::ZERO,
            instrument: BTC,
            pad: Pad::ZERO,
            bid: Price(bid),
            bid_size: Size(100),
            ask: Price(ask),
            ask_size: Size(100),
        };
        self.tick();
        self.event(self.now - 3, quote.into());
        self.tick();
    }

    fn trade(&mut self, price: i64) {
        let trade = Trade {
            reserved: Pad::ZERO,
            instrument: BTC,
            aggressor: Aggressor::Buyer,
            pad: Pad::ZERO,
            price: Price(price),
            size: Size(1),
            trade_id: 1,
        };
        self.tick();
        self.event(self.now - 3, trade.into());
        self.tick();
    }

    fn venue_is(&mut self, state: VenueState) {
        let status = VenueStatus {
            reserved: Pad::ZERO,
            venue: VenueId(0),
            instrument: BTC,
            scope: VenueScope::Instrument,
            state,
            pad: Pad::ZERO,
        };
        self.tick();
        self.event(self.now, status.into());
    }

    fn act(&mut self, action: Action) {
        let intent = Intent {
            cause: self.sequence,
            at: self.now,
            strategy: STRATEGY,
            ordinal: 0,
            decision: Decision::Act(action),
        };
        self.router.on_intent(&intent);
        self.tick();
    }

    fn submit(&mut self, side: Side, size: i64, terms: Terms) -> OrderNumber {
        self.submit_with(side, size, terms, |_| ())
    }

    fn submit_with(
        &mut self,
        side: Side,
        size: i64,
        terms: Terms,
        change: impl FnOnce(&mut Submit),
    ) -> OrderNumber {
        self.next += 1;
        let (kind, price, stop_price) = terms.kind;
        self.exits.insert(self.next, terms.is_exit);
        let mut order = Submit {
            flags: OrderFlags::none().set(OrderFlags::REDUCE_ONLY, terms.is_exit),
            order: self.next,
            instrument: BTC,
            side,
            kind,
            time_in_force: match terms.until {
                0 => TimeInForce::Gtc,
                _ => TimeInForce::Gtd,
            },
            expires: terms.until,
            trail: terms.trail,
            trigger: terms.trigger,
            size: Size(size),
            price: Price(price),
            stop_price: Price(stop_price),
            ..Submit::EMPTY
        };
        change(&mut order);
        self.act(Action::Submit(order));
        self.next
    }

    /// The next command reaches the venue; `refuse`: a cancel is refused.
    fn arrive(&mut self, refuse: bool) {
        match self.commands.pop_front() {
            Some(Command::Submit { order, .. }) => {
                let resting = Resting { order, filled: 0 };
                self.resting.insert(order.order, resting);
                self.gone.insert(order.order, resting);
                self.report(&resting, OrderStatus::Accepted);
            }
            Some(Command::Cancel { id, .. }) => match self.resting.get(&id.number).copied() {
                Some(resting) if refuse => self.report(&resting, OrderStatus::CancelRejected),
                Some(resting) => {
                    self.resting.remove(&id.number);
                    self.report(&resting, OrderStatus::Canceled);
                }
                None => {}
            },
            Some(Command::Modify { id, terms, .. }) => {
                let Some(mut resting) = self.resting.get(&id.number).copied() else {
                    let gone = self.gone[&id.number];
                    return self.report(&gone, OrderStatus::ModifyRejected);
                };
                if terms.size.0 <= resting.filled {
                    return self.report(&resting, OrderStatus::ModifyRejected);
                }
                (resting.order.price, resting.order.size) = (terms.price, terms.size);
                if terms.stop_price.0 > 0 {
                    resting.order.stop_price = terms.stop_price;
                }
                self.resting.insert(id.number, resting);
                self.report(&resting, OrderStatus::Replaced);
            }
            Some(Command::Snapshot { .. }) | None => {}
        }
    }

    fn report(&mut self, resting: &Resting, status: OrderStatus) {
        let Resting { order, filled } = *resting;
        let update = OrderUpdate {
            account: AccountId(0),
            reserved: Pad::ZERO,
            stop_price: order.stop_price,
            instrument: BTC,
            strategy: STRATEGY,
            order: order.order,
            price: order.price,
            size: order.size,
            filled: Size(filled),
            status,
            reason: Reason::Normal,
            side: order.side,
            pad: Pad::ZERO,
        };
        self.reports.push_back(update.into());
    }

    /// The venue fills a part of what works there.
    fn fill(&mut self, number: OrderNumber, size: i64) -> Result<(), String> {
        let Some(resting) = self.resting.get_mut(&number) else {
            return Ok(());
        };
        let size = size.min(resting.order.size.0 - resting.filled);
        resting.filled += size;
        let order = resting.order;
        if resting.filled == order.size.0 {
            self.resting.remove(&number);
        }
        let before = self.position;
        self.position += size * order.side.sign();
        self.reports.push_back(
            Fill {
                account: AccountId(0),
                reserved: Pad::ZERO,
                instrument: BTC,
                strategy: STRATEGY,
                order: number,
                trade_id: self.sequence,
                price: Price(100),
                size: Size(size),
                fee: Amount(0),
                fee_currency: CurrencyId(1),
                side: order.side,
                liquidity: Liquidity::Maker,
                pad: Pad::ZERO,
            }
            .into(),
        );
        let opened = before * order.side.sign() > -size;
        match self.exits[&number] && opened {
            true => Err(format!(
                "exit {number} filled {size} at position {before}: {:?}",
                self.told
            )),
            false => Ok(()),
        }
    }

    /// The router gets the venue's next report.
    fn hear(&mut self) {
        self.tick();
        if let Some(report) = self.reports.pop_front() {
            self.event(self.now - 3, report);
        }
        self.tick();
    }

    /// Everything under way arrives.
    fn calm(&mut self) {
        self.tick();
        while !self.commands.is_empty() || !self.reports.is_empty() {
            while !self.commands.is_empty() {
                self.arrive(false);
            }
            self.hear();
        }
    }

    /// A position of this size, and everything told so far forgotten.
    fn holding(size: i64) -> Self {
        let mut desk = Self::new();
        let entry = desk.submit(Side::Buy, size, market());
        desk.calm();
        desk.fill(entry, size).unwrap();
        desk.calm();
        desk.told.clear();
        desk
    }

    fn told(&mut self) -> String {
        std::mem::take(&mut self.told).join(", ")
    }

    fn at_work(&self) -> Vec<(OrderNumber, i64)> {
        let left = |(number, resting): (&OrderNumber, &Resting)| {
            (*number, resting.order.size.0 - resting.filled)
        };
        self.resting.iter().map(left).collect()
    }

    fn alerts(&mut self) -> Vec<(OrderNumber, ExitProblem)> {
        let notices = self.router.outbox.drain_notices();
        let alert = |(_, notice): (_, Notice)| match notice {
            Notice::Exit { order, problem } => Some((order.number, problem)),
            _ => None,
        };
        notices.filter_map(alert).collect()
    }
}

#[derive(Debug, Clone, Copy)]
struct Terms {
    kind: (OrderType, i64, i64),
    is_exit: bool,
    trail: i64,
    trigger: Trigger,
    until: Timestamp,
}

impl Terms {
    fn exit(self) -> Self {
        Self {
            is_exit: true,
            ..self
        }
    }
}

fn id(number: OrderNumber) -> ClientOrderId {
    ClientOrderId {
        strategy: STRATEGY,
        number,
    }
}

fn terms(kind: OrderType, price: i64, stop: i64) -> Terms {
    Terms {
        kind: (kind, price, stop),
        is_exit: false,
        trail: 0,
        trigger: Trigger::Default,
        until: 0,
    }
}

fn trailing(by: i64) -> Terms {
    Terms {
        trail: by,
        ..terms(OrderType::TrailingStop, 0, 0)
    }
}

fn touched(at: i64) -> Terms {
    terms(OrderType::MarketIfTouched, 0, at)
}

fn market() -> Terms {
    terms(OrderType::Market, 0, 0)
}

fn limit(price: i64) -> Terms {
    terms(OrderType::Limit, price, 0)
}

fn stop(at: i64) -> Terms {
    terms(OrderType::Stop, 0, at)
}

#[test]
fn a_target_and_a_stop_of_the_whole_position_both_stand_and_only_one_works() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    let stop = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    assert_eq!(desk.told(), "2 submitted, 3 held, 2 accepted");
    assert_eq!(desk.at_work(), [(target, 10)]);
    // The target fills in two parts: the stop shrinks with the position, and ends with it.
    desk.fill(target, 4).unwrap();
    desk.calm();
    assert_eq!(desk.told(), "2 fill 4, 3 replaced (reduce-only)");
    desk.fill(target, 6).unwrap();
    desk.calm();
    assert_eq!(desk.told(), "2 fill 6, 3 canceled (reduce-only)");
    assert_eq!(desk.at_work(), []);
    assert_eq!(stop, 3);
    assert_eq!(desk.alerts(), []);
}

#[test]
fn a_stop_that_is_reached_goes_with_what_the_confirmed_end_of_the_target_leaves() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    let stop = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    desk.told();
    desk.trade(91);
    assert_eq!(desk.told(), "", "not reached");
    desk.trade(90);
    assert_eq!(desk.told(), "3 triggered, 2 pending-cancel (reduce-only)");
    // The target fills once more before the cancel arrives.
    desk.fill(target, 3).unwrap();
    desk.hear();
    assert_eq!(desk.at_work(), [(target, 7)], "the stop has not left");
    desk.calm();
    assert_eq!(
        desk.told(),
        "2 fill 3, 3 replaced (reduce-only), 2 canceled, 3 submitted, 3 accepted"
    );
    assert_eq!(desk.at_work(), [(stop, 7)]);
    assert_eq!(desk.resting[&stop].order.kind, OrderType::Market);
    desk.fill(stop, 7).unwrap();
    desk.calm();
    assert_eq!(desk.position, 0);
    assert_eq!(desk.alerts(), []);
}

#[test]
fn a_target_that_is_held_goes_when_the_other_side_reaches_its_price() {
    let mut desk = Desk::holding(10);
    let stop = desk.submit(Side::Sell, 10, stop(90).exit());
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    desk.calm();
    desk.quote(109, 111);
    assert_eq!(desk.at_work(), [(stop, 10)]);
    // Not on a book that is crossed, and not on stale data.
    desk.quote(110, 109);
    desk.venue_is(VenueState::Stale);
    desk.quote(110, 111);
    desk.calm();
    assert_eq!(desk.at_work(), [(stop, 10)]);
    assert_eq!(desk.alerts(), [(target, ExitProblem::Unwatched)]);
    desk.venue_is(VenueState::Live);
    desk.quote(110, 111);
    desk.calm();
    assert_eq!(desk.at_work(), [(target, 10)]);
}

#[test]
fn a_held_exit_works_at_the_venue_as_soon_as_there_is_room() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    let stop = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    desk.told();
    desk.act(Action::Cancel(target));
    desk.calm();
    assert_eq!(desk.at_work(), [(stop, 10)]);
    assert_eq!(desk.resting[&stop].order.kind, OrderType::Stop);
    assert_eq!(
        desk.told(),
        "2 pending-cancel, 2 canceled, 3 submitted, 3 accepted"
    );
}

#[test]
fn exits_that_fit_beside_each_other_all_work() {
    let mut desk = Desk::holding(10);
    let first = desk.submit(Side::Sell, 4, limit(105).exit());
    let second = desk.submit(Side::Sell, 6, limit(110).exit());
    let whole = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    assert_eq!(desk.at_work(), [(first, 4), (second, 6)]);
    desk.trade(80);
    desk.calm();
    assert_eq!(desk.at_work(), [(whole, 10)]);
}

#[test]
fn two_stops_that_are_reached_at_once_close_the_position_once() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    let first = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.submit(Side::Sell, 10, stop(89).exit());
    desk.calm();
    desk.trade(80);
    desk.calm();
    assert_eq!(
        desk.at_work(),
        [(first, 10)],
        "it is not canceled for the other"
    );
    desk.told();
    desk.fill(first, 10).unwrap();
    desk.calm();
    assert_eq!(desk.told(), "3 fill 10, 4 canceled (reduce-only)");
    assert_eq!((desk.position, target), (0, 2));
    assert_eq!(desk.alerts(), [], "it only waited for the other to execute");
}

#[test]
fn an_order_that_comes_later_takes_no_room_from_a_reached_stop() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 5, limit(110).exit());
    let stop = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    desk.trade(90);
    // Five of the position are free, and the stop waits for the other five.
    let other = desk.submit(Side::Sell, 5, limit(120));
    desk.calm();
    assert_eq!(desk.at_work(), [(stop, 10)]);
    assert_eq!((target, other), (2, 4));
    let last = desk.told.iter().rfind(|told| told.starts_with("4 "));
    assert_eq!(last.unwrap(), "4 canceled (reduce-only)");
}

#[test]
fn a_market_exit_takes_the_place_of_the_others() {
    let mut desk = Desk::holding(10);
    desk.submit(Side::Sell, 10, limit(110).exit());
    desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    let out = desk.submit(Side::Sell, 10, market().exit());
    desk.calm();
    assert_eq!(desk.at_work(), [(out, 10)]);
    desk.fill(out, 10).unwrap();
    desk.calm();
    assert_eq!((desk.position, desk.at_work()), (0, vec![]));
}

#[test]
fn an_order_that_turns_the_position_is_denied_beside_an_exit_and_waits_for_the_end_of_one() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    desk.calm();
    desk.told();
    desk.submit(Side::Sell, 20, market());
    desk.calm();
    assert_eq!(desk.told(), "3 denied (reduce-only)");
    let denied = desk
        .router
        .outbox
        .drain_notices()
        .find_map(|(_, notice)| match notice {
            Notice::Denied { values, .. } => Some(values),
            _ => None,
        });
    assert!(denied.unwrap().starts_with("exit 2 is at work"));
    // The strategy cancels the exit, and turns in the same moment.
    desk.act(Action::Cancel(target));
    let turn = desk.submit(Side::Sell, 20, market());
    desk.arrive(false);
    assert_eq!(
        desk.at_work(),
        [],
        "the target is gone, the host does not know"
    );
    desk.hear();
    desk.calm();
    assert_eq!(desk.at_work(), [(turn, 20)]);
    desk.fill(turn, 20).unwrap();
    desk.calm();
    assert_eq!(desk.position, -10);
}

#[test]
fn an_order_that_closes_the_position_is_an_exit_beside_others() {
    for terms in [market(), market().exit()] {
        let mut desk = Desk::holding(10);
        let target = desk.submit(Side::Sell, 10, limit(110).exit());
        desk.calm();
        desk.told();
        let close = desk.submit(Side::Sell, 10, terms);
        desk.arrive(false);
        assert_eq!(desk.at_work(), []);
        desk.calm();
        assert_eq!(desk.at_work(), [(close, 10)]);
        desk.fill(close, 10).unwrap();
        desk.calm();
        assert_eq!((desk.position, target), (0, 2));
    }
    // One that rests would not be seen to be one.
    let mut desk = Desk::holding(10);
    desk.submit(Side::Sell, 10, stop(90).exit());
    desk.submit(Side::Sell, 5, limit(105));
    desk.calm();
    assert!(desk.told().contains("3 denied (reduce-only)"));
}

#[test]
fn an_exit_of_a_part_takes_only_that_part_from_the_stop() {
    for terms in [market(), market().exit(), limit(99).exit()] {
        let mut desk = Desk::holding(10);
        let stop = desk.submit(Side::Sell, 10, stop(90).exit());
        desk.calm();
        desk.told();
        let part = desk.submit(Side::Sell, 3, terms);
        desk.tick();
        assert_eq!(
            desk.told(),
            "3 held, 2 pending-modify (reduce-only)",
            "{terms:?}"
        );
        desk.calm();
        assert_eq!(desk.at_work(), [(stop, 7), (part, 3)]);
        desk.fill(part, 3).unwrap();
        desk.calm();
        assert_eq!((desk.position, desk.at_work()), (7, vec![(stop, 7)]));
        assert_eq!(desk.alerts(), []);
    }
    // Targets yield before stops, the newest first, and no more of them than needed.
    let mut desk = Desk::holding(10);
    let first = desk.submit(Side::Sell, 4, limit(105).exit());
    let second = desk.submit(Side::Sell, 3, limit(106).exit());
    let stop = desk.submit(Side::Sell, 3, stop(90).exit());
    desk.calm();
    let out = desk.submit(Side::Sell, 5, market());
    desk.calm();
    assert_eq!(desk.at_work(), [(first, 2), (stop, 3), (out, 5)]);
    assert_eq!(second, 3);
}

#[test]
fn a_venue_that_refuses_to_cancel_is_asked_a_few_times_and_then_it_is_an_alert() {
    let mut desk = Desk::holding(10);
    desk.submit(Side::Sell, 10, limit(110).exit());
    let stop = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    desk.trade(90);
    let mut asked = 0;
    while !desk.commands.is_empty() && asked < 100 {
        asked += 1;
        desk.arrive(true);
        desk.hear();
    }
    assert_eq!(asked, MOST_CANCELS);
    assert!(desk.alerts().contains(&(stop, ExitProblem::Stuck)));
    // Its fill is the end of the waiting all the same.
    desk.fill(2, 4).unwrap();
    desk.calm();
    assert_eq!(desk.at_work(), [(2, 6)]);
}

#[test]
fn a_fill_that_comes_after_the_end_of_its_order_takes_the_exits_with_it() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    desk.calm();
    let late = desk.resting[&target];
    desk.act(Action::Cancel(target));
    desk.calm();
    let stop = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    assert_eq!(desk.at_work(), [(stop, 10)]);
    // The venue reports that a part had filled.
    desk.resting.insert(target, late);
    desk.fill(target, 6).unwrap();
    desk.resting.remove(&target);
    desk.calm();
    assert_eq!((desk.position, desk.at_work()), (4, vec![(stop, 4)]));
    // And once more than there was.
    desk.fill(stop, 4).unwrap();
    desk.calm();
    desk.resting.insert(target, late);
    desk.exits.insert(target, false);
    desk.fill(target, 2).unwrap();
    desk.resting.remove(&target);
    desk.calm();
    assert_eq!(desk.alerts(), [(target, ExitProblem::Overfilled)]);
}

#[test]
fn a_price_of_before_the_data_was_stale_reaches_nothing_after_it() {
    let mut desk = Desk::holding(10);
    desk.submit(Side::Sell, 10, limit(110).exit());
    desk.trade(85);
    desk.venue_is(VenueState::Stale);
    let stop = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.venue_is(VenueState::Live);
    desk.quote(100, 101);
    desk.calm();
    assert_eq!(desk.at_work(), [(2, 10)]);
    desk.trade(90);
    desk.calm();
    assert_eq!(desk.at_work(), [(stop, 10)]);
}

#[test]
fn what_is_held_is_bounded() {
    let mut desk = Desk::holding(1_000);
    desk.submit(Side::Sell, 1_000, limit(110).exit());
    for at in 0..MOST_HELD as i64 + 1 {
        desk.submit(Side::Sell, 1_000, stop(90 - at % 3).exit());
    }
    desk.calm();
    assert_eq!(desk.router.orders.held_in(BTC).len(), MOST_HELD);
    let last = desk.next;
    assert!(
        desk.told()
            .contains(&format!("{last} denied (reduce-only)"))
    );
}

#[test]
fn an_order_that_would_open_a_position_does_not_leave_once_only_exits_may() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    desk.calm();
    desk.act(Action::Cancel(target));
    desk.submit(Side::Sell, 20, market());
    desk.router.strategies.set_mode(None, Mode::Reduce);
    desk.calm();
    assert_eq!(desk.at_work(), []);
    assert_eq!(desk.told.last().unwrap(), "3 canceled (reduce-only)");
}

#[test]
fn at_the_end_of_the_run_a_held_exit_does_not_vanish_in_silence() {
    let mut desk = Desk::holding(10);
    desk.submit(Side::Sell, 10, limit(110).exit());
    let held = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    let place = desk.router.strategies.place_of(STRATEGY).unwrap();
    desk.router.strategies.at_mut(place).order_policy = crate::port::OrderPolicy::Hold;
    desk.router
        .operate(desk.now, crate::command::OperatorCommand::Stop);
    let reason = Reason::StrategyEnded;
    assert_eq!(desk.alerts(), [(held, ExitProblem::Ended { reason })]);
    assert_eq!(desk.at_work(), [(2, 10)], "what works stays");
}

#[test]
fn an_order_that_waits_for_the_end_of_an_exit_ends_where_the_venue_refuses_the_cancel() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    desk.calm();
    desk.act(Action::Cancel(target));
    desk.submit(Side::Sell, 20, market());
    desk.told();
    desk.arrive(true);
    desk.hear();
    assert_eq!(desk.told(), "2 cancel-rejected, 3 canceled (reduce-only)");
    assert_eq!(desk.at_work(), [(target, 10)]);
}

#[test]
fn a_held_order_can_be_changed_and_canceled_at_once() {
    let mut desk = Desk::holding(10);
    desk.submit(Side::Sell, 10, limit(110).exit());
    let held = desk.submit(Side::Sell, 10, limit(115).exit());
    desk.calm();
    desk.told();
    let change = |price, size| {
        Action::Modify(Modify {
            reserved: Pad::ZERO,
            stop_price: Price::ZERO,
            trail: 0,
            order: held,
            price: Price(price),
            size: Size(size),
        })
    };
    desk.act(change(112, 8));
    assert_eq!(desk.told(), "3 replaced");
    desk.act(change(112, 11));
    assert_eq!(desk.told(), "3 modify-rejected (reduce-only)", "too large");
    assert!(desk.commands.is_empty());
    // A price that the market has reached already.
    desk.act(change(98, 8));
    desk.calm();
    assert_eq!(desk.at_work(), [(2, 2), (held, 8)]);
    let another = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.told();
    desk.act(Action::Cancel(another));
    desk.calm();
    assert_eq!(desk.told(), "4 canceled");
}

#[test]
fn an_exit_that_ends_while_the_position_stands_is_an_alert() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    let held = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    desk.alerts();
    let resting = desk.resting.remove(&target).unwrap();
    desk.report(&resting, OrderStatus::Expired);
    if let Some(Body::Order(update)) = desk.reports.back_mut() {
        update.reason = Reason::DayEnd;
    }
    desk.calm();
    let reason = Reason::DayEnd;
    assert_eq!(desk.alerts(), [(target, ExitProblem::Ended { reason })]);
    assert_eq!(desk.at_work(), [(held, 10)], "the other takes its place");
    let place = desk.router.strategies.place_of(STRATEGY).unwrap();
    desk.router.end(place, desk.now);
    desk.calm();
    let reason = Reason::StrategyEnded;
    assert_eq!(desk.alerts(), [(held, ExitProblem::Ended { reason })]);
}

#[test]
fn where_only_exits_pass_an_order_without_the_mark_is_one() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    desk.calm();
    let place = desk.router.strategies.place_of(STRATEGY).unwrap();
    desk.router.strategies.set_mode(None, Mode::Reduce);
    assert_eq!(place, 0);
    let stop = desk.submit(Side::Sell, 10, stop(90));
    desk.calm();
    assert_eq!(desk.at_work(), [(target, 10)]);
    desk.trade(90);
    desk.calm();
    assert_eq!(desk.at_work(), [(stop, 10)]);
}

#[test]
fn a_trailing_stop_follows_the_best_trade_never_goes_back_and_leaves_as_a_market_order() {
    let mut desk = Desk::holding(10);
    desk.trade(100);
    let stop = desk.submit(Side::Sell, 10, trailing(5).exit());
    desk.calm();
    assert_eq!(desk.told(), "2 held");
    for price in [103, 101, 108, 104] {
        desk.trade(price);
    }
    let live = desk.router.orders.get(id(stop)).unwrap();
    assert_eq!(live.stop_price, Price(103));
    assert_eq!(desk.at_work(), []);
    desk.trade(103);
    desk.calm();
    assert_eq!(desk.told(), "2 triggered, 2 submitted, 2 accepted");
    assert_eq!(desk.at_work(), [(stop, 10)]);
    let sent = desk.resting[&stop].order;
    assert_eq!(
        (sent.kind, sent.stop_price, sent.trail),
        (OrderType::Market, Price(0), 0)
    );
    let order = desk
        .router
        .portfolio
        .book(STRATEGY)
        .unwrap()
        .orders()
        .next()
        .copied();
    assert_eq!(order.unwrap().stop_price, Price(103), "what was met");
}

#[test]
fn a_trailing_stop_of_a_buyer_follows_downwards_and_its_limit_keeps_its_distance() {
    let mut desk = Desk::new();
    desk.trade(100);
    let entry = Terms {
        trail: 500,
        ..terms(OrderType::TrailingStopLimit, 2, 0)
    };
    let number = desk.submit_with(Side::Buy, 5, entry, |order| {
        order.trail_basis = TrailBasis::BasisPoints;
    });
    for price in [90, 94, 80, 83] {
        desk.trade(price);
        desk.calm();
    }
    assert_eq!(desk.at_work(), []);
    // 80 and five of a hundred are 84.
    desk.trade(84);
    desk.calm();
    let sent = desk.resting[&number].order;
    assert_eq!((sent.kind, sent.price), (OrderType::Limit, Price(86)));
}

#[test]
fn an_order_if_touched_waits_for_a_better_price() {
    let mut desk = Desk::new();
    desk.trade(100);
    let buy = desk.submit(Side::Buy, 5, touched(95));
    let sell = desk.submit(Side::Sell, 5, terms(OrderType::LimitIfTouched, 104, 105));
    for price in [99, 96, 104, 97] {
        desk.trade(price);
        desk.calm();
    }
    assert_eq!(desk.at_work(), []);
    desk.trade(95);
    desk.trade(106);
    desk.calm();
    assert_eq!(desk.at_work(), [(buy, 5), (sell, 5)]);
    assert_eq!(desk.resting[&buy].order.kind, OrderType::Market);
    let sent = desk.resting[&sell].order;
    assert_eq!((sent.kind, sent.price), (OrderType::Limit, Price(104)));
}

#[test]
fn a_stop_on_quotes_is_met_by_what_it_could_take_and_not_by_a_trade_a_crossed_or_a_stale_quote() {
    let mut desk = Desk::holding(10);
    let on_quotes = Terms {
        trigger: Trigger::Quote,
        ..stop(90).exit()
    };
    let stop = desk.submit(Side::Sell, 10, on_quotes);
    desk.trade(85);
    desk.quote(90, 88);
    desk.venue_is(VenueState::Stale);
    desk.quote(89, 91);
    desk.venue_is(VenueState::Live);
    desk.calm();
    assert_eq!(desk.at_work(), []);
    desk.quote(90, 92);
    desk.calm();
    assert_eq!(desk.at_work(), [(stop, 10)]);
}

#[test]
fn an_order_with_a_date_ends_with_it_wherever_it_is_and_an_exit_that_does_is_an_alert() {
    let mut desk = Desk::holding(10);
    let until = desk.now + 500;
    let with_date = |terms: Terms| Terms { until, ..terms };
    let working = desk.submit(Side::Sell, 10, with_date(limit(110).exit()));
    let held = desk.submit(Side::Sell, 10, with_date(trailing(5).exit()));
    desk.calm();
    assert_eq!(desk.at_work(), [(working, 10)]);
    assert_eq!(desk.resting[&working].order.time_in_force, TimeInForce::Gtc);
    desk.told.clear();
    desk.now = until;
    desk.trade(100);
    desk.calm();
    assert_eq!(desk.at_work(), []);
    assert_eq!(
        desk.told(),
        "2 pending-cancel (date-reached), 3 expired (date-reached), 2 canceled"
    );
    let ended = ExitProblem::Ended {
        reason: Reason::DateReached,
    };
    assert_eq!(desk.alerts(), [(held, ended), (working, ended)]);
    let late = desk.submit(Side::Sell, 10, with_date(limit(110).exit()));
    desk.calm();
    assert_eq!(desk.told(), format!("{late} denied (date-reached)"));
}

#[test]
fn stop_price_and_distance_of_a_held_order_can_be_modified_and_what_is_zero_stays() {
    let mut desk = Desk::holding(10);
    desk.trade(100);
    let stop = desk.submit(Side::Sell, 10, trailing(5).exit());
    desk.calm();
    let change = Modify {
        order: stop,
        price: Price::ZERO,
        size: Size::ZERO,
        stop_price: Price(97),
        trail: 2,
        reserved: Pad::ZERO,
    };
    desk.act(Action::Modify(change));
    desk.calm();
    assert_eq!(desk.told(), "2 held, 2 replaced");
    let live = desk.router.orders.get(id(stop)).unwrap();
    // The new distance draws it nearer at once.
    assert_eq!((live.stop_price, live.size), (Price(98), Size(10)));
    desk.act(Action::Modify(Modify {
        price: Price(90),
        ..change
    }));
    desk.calm();
    assert_eq!(desk.told(), "2 modify-rejected (invalid-price)");
    desk.trade(98);
    desk.calm();
    assert_eq!(desk.at_work(), [(stop, 10)]);
}

#[test]
fn an_order_whose_price_is_watched_counts_in_the_limits_and_makes_way_for_an_exit_at_work() {
    let mut desk = Desk::holding(10);
    desk.trade(100);
    let other = desk.submit(Side::Sell, 10, touched(105));
    let (_, open_sells) = desk.router.orders.exposure(STRATEGY, BTC, None);
    assert_eq!(open_sells, Size(10), "it may fill");
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    desk.calm();
    assert_eq!(desk.at_work(), [(target, 10)]);
    desk.trade(105);
    desk.calm();
    assert_eq!(desk.at_work(), [(target, 10)], "both could open a position");
    assert!(desk.router.orders.get(id(other)).is_none());
}

fn moved(order: OrderNumber, stop: i64) -> Action {
    modified(order, |modify| modify.stop_price = Price(stop))
}

fn modified(order: OrderNumber, change: impl FnOnce(&mut Modify)) -> Action {
    let mut modify = Modify {
        order,
        price: Price::ZERO,
        size: Size::ZERO,
        stop_price: Price::ZERO,
        trail: 0,
        reserved: Pad::ZERO,
    };
    change(&mut modify);
    Action::Modify(modify)
}

#[test]
fn a_stop_that_was_moved_at_the_venue_stays_where_it_is_whatever_else_is_modified() {
    let mut desk = Desk::holding(10);
    let stop = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    desk.act(moved(stop, 95));
    // While that is under way.
    desk.act(modified(stop, |modify| modify.size = Size(8)));
    desk.calm();
    let at = |desk: &Desk| {
        let order = desk.resting[&stop].order;
        (order.stop_price.0, order.size.0)
    };
    assert_eq!(at(&desk), (95, 8));
    assert_eq!(
        desk.router.orders.get(id(stop)).unwrap().stop_price,
        Price(95)
    );
    // The host makes it smaller for the part of another.
    let target = desk.submit(Side::Sell, 5, market());
    desk.calm();
    assert_eq!(at(&desk), (95, 5));
    assert_eq!(desk.at_work(), [(stop, 5), (target, 5)]);
}

#[test]
fn a_price_that_is_modified_does_not_undo_a_size_under_way() {
    let mut desk = Desk::holding(10);
    let target = desk.submit(Side::Sell, 10, limit(110).exit());
    desk.calm();
    desk.act(modified(target, |modify| modify.size = Size(6)));
    desk.act(modified(target, |modify| modify.price = Price(112)));
    desk.calm();
    let order = desk.resting[&target].order;
    assert_eq!((order.price, order.size), (Price(112), Size(6)));
}

#[test]
fn what_only_closes_the_position_leaves_when_it_is_reached_though_only_exits_may() {
    for mode in [Mode::Reduce, Mode::Pause] {
        let mut desk = Desk::holding(10);
        desk.trade(100);
        let stop = desk.submit(Side::Sell, 10, trailing(5));
        let entry = desk.submit(Side::Buy, 5, touched(95));
        desk.calm();
        desk.router.strategies.set_mode(None, mode);
        desk.trade(95);
        desk.calm();
        assert_eq!(desk.at_work(), [(stop, 10)], "{mode:?}");
        assert!(desk.router.orders.get(id(entry)).is_none(), "it would open");
    }
}

#[test]
fn an_exit_at_work_can_be_modified_while_another_order_waits_for_its_price() {
    let mut desk = Desk::holding(10);
    desk.trade(100);
    desk.submit(Side::Sell, 10, touched(105));
    let stop = desk.submit(Side::Sell, 10, stop(90).exit());
    desk.calm();
    assert_eq!(desk.at_work(), [(stop, 10)]);
    desk.told.clear();
    desk.act(moved(stop, 95));
    desk.calm();
    assert_eq!(desk.told(), "3 pending-modify, 3 replaced");
}

#[test]
fn a_trailing_stop_is_never_given_a_distance_at_which_it_could_not_work() {
    let mut desk = Desk::holding(10);
    desk.trade(100);
    let dead = desk.submit(Side::Sell, 10, trailing(99).exit());
    let in_parts = Terms {
        trail: 500,
        ..terms(OrderType::TrailingStop, 0, 0)
    };
    let stop = desk.submit_with(Side::Sell, 10, in_parts.exit(), |order| {
        order.trail_basis = TrailBasis::BasisPoints;
    });
    desk.calm();
    assert_eq!(
        desk.told(),
        format!("{dead} denied (invalid-price), {stop} held")
    );
    for trail in [10_000, -1, i64::MAX, i64::MIN] {
        desk.act(modified(stop, |modify| modify.trail = trail));
        desk.calm();
        assert_eq!(
            desk.told(),
            format!("{stop} modify-rejected (invalid-price)")
        );
    }
}

#[test]
fn an_exit_that_is_sent_while_the_data_is_stale_is_told_to_be_unwatched() {
    let mut desk = Desk::holding(10);
    desk.venue_is(VenueState::Stale);
    let stop = desk.submit(Side::Sell, 10, trailing(5).exit());
    desk.calm();
    assert_eq!(desk.alerts(), [(stop, ExitProblem::Unwatched)]);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Submit {
        buy: bool,
        size: i64,
        kind: u8,
        exit: bool,
    },
    Cancel(u64),
    Modify {
        order: u64,
        size: i64,
        price: i64,
    },
    Trade(i64),
    Quote(i64),
    Arrive {
        refuse: bool,
    },
    Fill {
        order: u64,
        size: i64,
    },
    Hear,
    Tick,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), 1i64..12, 0u8..9, any::<bool>())
            .prop_map(|(buy, size, kind, exit)| Step::Submit { buy, size, kind, exit }),
        1 => (0u64..8).prop_map(Step::Cancel),
        1 => (0u64..8, 1i64..12, 90i64..110)
            .prop_map(|(order, size, price)| Step::Modify { order, size, price }),
        2 => (85i64..115).prop_map(Step::Trade),
        2 => (85i64..115).prop_map(Step::Quote),
        6 => any::<bool>().prop_map(|refuse| Step::Arrive { refuse }),
        6 => (0u64..8, 1i64..12).prop_map(|(order, size)| Step::Fill { order, size }),
        6 => Just(Step::Hear),
        1 => Just(Step::Tick),
    ]
}

proptest! {
    /// Whatever a strategy sends, and whenever the venue fills, confirms or refuses: no fill of a reduce-only order opens a
    /// position, none that is no larger than the position is denied, and once everything has been answered, the host holds nothing
    /// that has no reason to wait.
    #[test]
    fn reduce_only_orders_never_open_a_position(
        steps in prop::collection::vec(steps(), 1..150)
    ) {
        let mut desk = Desk::new();
        for step in steps {
            match step {
                Step::Submit { buy, size, kind, exit } => {
                    let side = if buy { Side::Buy } else { Side::Sell };
                    let far = if buy { 1 } else { -1 };
                    let terms = match kind {
                        0 => market(),
                        1 => limit(100 - far * 8),
                        2 => stop(100 + far * 8),
                        3 => trailing(6),
                        4 => touched(100 - far * 6),
                        5 => terms(OrderType::LimitIfTouched, 100 - far * 5, 100 - far * 6),
                        6 => Terms { trigger: Trigger::Quote, ..stop(100 + far * 8) },
                        7 => Terms { until: desk.now + 100, ..limit(100 - far * 8) },
                        _ => terms(OrderType::StopLimit, 100 + far * 9, 100 + far * 8),
                    };
                    let known = desk.router.portfolio.book(STRATEGY).unwrap().position_size(BTC).0;
                    let terms = if exit { terms.exit() } else { terms };
                    let number = desk.submit(side, size, terms);
                    desk.tick();
                    let fits = -known * side.sign() >= size;
                    let denied = format!("{number} denied (reduce-only)");
                    let is_denied = desk.told.contains(&denied);
                    if exit {
                        prop_assert_eq!(is_denied, !fits, "{:?}", desk.told);
                    }
                }
                Step::Cancel(back) => desk.act(Action::Cancel(desk.next.saturating_sub(back))),
                Step::Modify { order, size, price } => desk.act(modified(desk.next.saturating_sub(order), |modify| {
                    (modify.price, modify.size) = (Price(price), Size(size));
                })),
                Step::Trade(price) => desk.trade(price),
                Step::Quote(bid) => desk.quote(bid, bid + 2),
                Step::Arrive { refuse } => desk.arrive(refuse),
                Step::Fill { order, size } => {
                    let number = desk.next.saturating_sub(order);
                    desk.fill(number, size).map_err(TestCaseError::fail)?;
                }
                Step::Hear => desk.hear(),
                Step::Tick => desk.tick(),
            }
        }
        desk.calm();
        let lost = desk.router.outbox.drain_notices().find_map(|(_, notice)| match notice {
            Notice::Anomaly { problem } if problem.contains("cannot take Update") => Some(problem),
            _ => None,
        });
        prop_assert_eq!(lost, None, "an order lost its thread");
        let known = desk.router.portfolio.book(STRATEGY).unwrap().position_size(BTC).0;
        prop_assert_eq!(known, desk.position);
        // What is held waits for something at work on its side.
        for id in desk.router.orders.held_in(BTC) {
            let live = desk.router.orders.get(id).unwrap();
            if live.held.is_some_and(|held| !held.reached && is_watched(&held.order)) {
                continue;
            }
            let beside = desk.resting.values().filter(|one| one.order.side == live.side);
            prop_assert!(beside.count() > 0, "{id:?} {live:?}");
        }
        // Both agree on what is at work.
        let working = desk.router.orders.iter().filter(|(_, live)| live.held.is_none());
        let working: Vec<(u64, i64)> = working.map(|(id, live)| (id.number, live.left().0)).collect();
        prop_assert_eq!(working, desk.at_work());
    }
}
