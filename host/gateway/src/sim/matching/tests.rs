//! The book against tables of cases, and against a naive model that scans a list for every step.

use super::*;
use proptest::prelude::*;

fn new_terms(price: i64, size: i64) -> NewTerms {
    NewTerms {
        price: Price(price),
        stop_price: Price::ZERO,
        size: Size(size),
    }
}

const ME: Option<u32> = Some(1);

fn limit(id: u64, side: Side, size: i64, price: i64) -> BookOrder {
    BookOrder {
        id,
        account: None,
        side,
        kind: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        size: Size(size),
        price: Price(price),
        stop_price: Price::ZERO,
    }
}

fn buy(id: u64, size: i64, price: i64) -> BookOrder {
    limit(id, Side::Buy, size, price)
}

fn sell(id: u64, size: i64, price: i64) -> BookOrder {
    limit(id, Side::Sell, size, price)
}

fn market(id: u64, side: Side, size: i64) -> BookOrder {
    BookOrder {
        kind: OrderType::Market,
        ..limit(id, side, size, 0)
    }
}

fn stop(id: u64, side: Side, size: i64, at: i64) -> BookOrder {
    BookOrder {
        kind: OrderType::Stop,
        stop_price: Price(at),
        ..limit(id, side, size, 0)
    }
}

fn stop_limit(id: u64, side: Side, size: i64, at: i64, price: i64) -> BookOrder {
    BookOrder {
        kind: OrderType::StopLimit,
        stop_price: Price(at),
        ..limit(id, side, size, price)
    }
}

fn with(time_in_force: TimeInForce, order: BookOrder) -> BookOrder {
    BookOrder {
        time_in_force,
        ..order
    }
}

fn post_only(order: BookOrder) -> BookOrder {
    BookOrder {
        post_only: true,
        ..order
    }
}

fn mine(order: BookOrder) -> BookOrder {
    BookOrder {
        account: ME,
        ..order
    }
}

/// A line per outcome: `+1` accepted, `1x2 5@100` taker 1 took 5 at 100 from maker 2, and so on.
fn describe(outcomes: &[MatchOutcome]) -> String {
    let lines: Vec<String> = outcomes
        .iter()
        .map(|outcome| match outcome {
            MatchOutcome::Accepted { id } => format!("+{id}"),
            MatchOutcome::Rejected { id, reason } => format!("!{id} {reason}"),
            MatchOutcome::Triggered { id } => format!("^{id}"),
            MatchOutcome::Traded(Match {
                maker,
                taker,
                price,
                size,
                ..
            }) => {
                format!("{taker}x{maker} {}@{}", size.0, price.0)
            }
            MatchOutcome::Replaced { id, terms } => {
                format!("~{id} {}@{}", terms.size.0, terms.price.0)
            }
            MatchOutcome::ModifyRejected { id, reason } => format!("!~{id} {reason}"),
            MatchOutcome::Canceled { id } => format!("-{id}"),
            MatchOutcome::CancelRejected { id, reason } => format!("!-{id} {reason}"),
            MatchOutcome::Expired { id, reason } => format!("-{id} {reason}"),
        })
        .collect();
    lines.join(", ")
}

/// `bids | asks`, best first, as `size@price`.
fn shown(book: &OrderBook) -> String {
    let side = |side| {
        let levels: Vec<String> = book
            .levels(side)
            .map(|level| format!("{}@{}", level.size.0, level.price.0))
            .collect();
        levels.join(" ")
    };
    format!("{} | {}", side(Side::Buy), side(Side::Sell))
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Submit(BookOrder),
    Cancel(u64),
    Modify(u64, i64, i64),
    EndDay,
}
use Step::{Cancel, EndDay, Modify, Submit};

fn apply(book: &mut OrderBook, step: Step, out: &mut Vec<MatchOutcome>) {
    match step {
        Submit(order) => book.submit(order, out),
        Cancel(id) => book.cancel(id, out),
        Modify(id, price, size) => book.modify(id, &new_terms(price, size), out),
        EndDay => book.end_day(out),
    }
}

/// Plays the steps, and checks the outcomes of the last one and the book after it.
fn check(steps: &[Step], outcomes: &str, levels: &str) {
    let (mut book, mut out) = (OrderBook::new(), Vec::new());
    for step in steps {
        out.clear();
        apply(&mut book, *step, &mut out);
    }
    assert_eq!(describe(&out), outcomes, "{steps:?}");
    assert_eq!(shown(&book), levels, "{steps:?}");
}

#[test]
fn better_prices_trade_first_and_at_one_price_the_older_order() {
    let asks = [
        Submit(sell(1, 5, 101)),
        Submit(sell(2, 5, 100)),
        Submit(sell(3, 5, 100)),
    ];
    let after = |order| {
        asks.iter()
            .copied()
            .chain([Submit(order)])
            .collect::<Vec<_>>()
    };
    check(
        &after(buy(9, 7, 100)),
        "+9, 9x2 5@100, 9x3 2@100",
        " | 3@100 5@101",
    );
    check(
        &after(buy(9, 12, 101)),
        "+9, 9x2 5@100, 9x3 5@100, 9x1 2@101",
        " | 3@101",
    );
    check(
        &after(buy(9, 12, 100)),
        "+9, 9x2 5@100, 9x3 5@100",
        "2@100 | 5@101",
    );
    let bids = [
        Submit(buy(1, 5, 99)),
        Submit(buy(2, 5, 100)),
        Submit(buy(3, 5, 100)),
    ];
    let after = |order| {
        bids.iter()
            .copied()
            .chain([Submit(order)])
            .collect::<Vec<_>>()
    };
    check(
        &after(sell(9, 12, 98)),
        "+9, 9x2 5@100, 9x3 5@100, 9x1 2@99",
        "3@99 | ",
    );
}

#[test]
fn each_time_in_force_ends_the_remainder_in_its_own_way() {
    use TimeInForce::{Day, Fok, Ioc};
    let ask = Submit(sell(1, 5, 100));
    check(
        &[ask, Submit(with(Ioc, buy(9, 7, 100)))],
        "+9, 9x1 5@100, -9 ioc-remainder",
        " | ",
    );
    check(
        &[ask, Submit(with(Ioc, buy(9, 7, 99)))],
        "+9, -9 ioc-remainder",
        " | 5@100",
    );
    check(
        &[ask, Submit(with(Fok, buy(9, 7, 100)))],
        "+9, -9 fok-unfilled",
        " | 5@100",
    );
    check(
        &[ask, Submit(with(Fok, buy(9, 5, 100)))],
        "+9, 9x1 5@100",
        " | ",
    );
    check(
        &[ask, Submit(with(Fok, market(9, Side::Buy, 6)))],
        "+9, -9 fok-unfilled",
        " | 5@100",
    );
    check(
        &[ask, Submit(market(9, Side::Buy, 7))],
        "+9, 9x1 5@100, -9 no-liquidity",
        " | ",
    );
    check(
        &[
            Submit(with(Day, buy(1, 5, 100))),
            Submit(buy(2, 3, 100)),
            EndDay,
        ],
        "-1 day-end",
        "3@100 | ",
    );
}

#[test]
fn a_post_only_order_rests_or_is_refused() {
    let ask = Submit(sell(1, 5, 100));
    check(
        &[ask, Submit(post_only(buy(9, 5, 100)))],
        "!9 would-cross",
        " | 5@100",
    );
    check(
        &[ask, Submit(post_only(buy(9, 5, 99)))],
        "+9",
        "5@99 | 5@100",
    );
    check(
        &[ask, Submit(post_only(buy(9, 5, 99))), Modify(9, 100, 5)],
        "!~9 would-cross",
        "5@99 | 5@100",
    );
    check(
        &[
            ask,
            Submit(post_only(with(TimeInForce::Ioc, buy(9, 5, 99)))),
        ],
        "!9 unsupported",
        " | 5@100",
    );
}

#[test]
fn an_order_that_cannot_be_is_refused_with_its_reason() {
    let nine = Submit(buy(9, 5, 99));
    check(&[nine, Submit(buy(9, 5, 98))], "!9 duplicate", "5@99 | ");
    check(&[Submit(buy(9, 0, 99))], "!9 invalid-size", " | ");
    check(&[Submit(buy(9, 1, 0))], "!9 invalid-price", " | ");
    check(
        &[Submit(BookOrder {
            price: Price(1),
            ..market(9, Side::Buy, 1)
        })],
        "!9 invalid-price",
        " | ",
    );
    check(
        &[Submit(stop(9, Side::Buy, 1, -1))],
        "!9 invalid-price",
        " | ",
    );
    check(&[nine, Cancel(8)], "!-8 unknown-order", "5@99 | ");
    check(&[nine, Modify(8, 99, 1)], "!~8 unknown-order", "5@99 | ");
}

#[test]
fn a_modify_keeps_its_place_only_if_nothing_but_the_size_falls() {
    let queue = [Submit(buy(1, 5, 100)), Submit(buy(2, 5, 100))];
    let taken_after = |modify| [queue[0], queue[1], modify, Submit(sell(9, 4, 100))];
    check(&taken_after(Modify(1, 100, 4)), "+9, 9x1 4@100", "5@100 | ");
    check(&taken_after(Modify(1, 100, 5)), "+9, 9x1 4@100", "6@100 | ");
    check(&taken_after(Modify(1, 100, 6)), "+9, 9x2 4@100", "7@100 | ");
    check(
        &taken_after(Modify(1, 99, 5)),
        "+9, 9x2 4@100",
        "1@100 5@99 | ",
    );
    check(
        &[queue[0], Submit(sell(9, 2, 100)), Modify(1, 100, 2)],
        "!~1 invalid-size",
        "3@100 | ",
    );
    check(
        &[queue[0], Submit(sell(9, 2, 100)), Modify(1, 100, 3)],
        "~1 3@100",
        "1@100 | ",
    );
    check(
        &[queue[0], Submit(sell(9, 2, 101)), Modify(1, 101, 5)],
        "~1 5@101, 1x9 2@101",
        "3@101 | ",
    );
}

#[test]
fn a_stop_waits_for_a_trade_at_its_price_and_then_acts_as_its_type_says() {
    let book = [
        Submit(buy(1, 5, 99)),
        Submit(sell(2, 5, 101)),
        Submit(sell(3, 5, 103)),
    ];
    let after = |steps: &[Step]| book.iter().chain(steps).copied().collect::<Vec<_>>();
    let waiting = Submit(stop(7, Side::Buy, 2, 101));
    check(&after(&[waiting]), "+7", "5@99 | 5@101 5@103");
    check(
        &after(&[waiting, Submit(buy(9, 5, 101))]),
        "+9, 9x2 5@101, ^7, 7x3 2@103",
        "5@99 | 3@103",
    );
    let waiting = Submit(stop_limit(7, Side::Buy, 2, 101, 102));
    check(
        &after(&[waiting, Submit(buy(9, 5, 101))]),
        "+9, 9x2 5@101, ^7",
        "2@102 5@99 | 5@103",
    );
    let changed = Modify(7, 103, 1);
    check(
        &after(&[waiting, changed, Submit(buy(9, 5, 101))]),
        "+9, 9x2 5@101, ^7, 7x3 1@103",
        "5@99 | 4@103",
    );
    check(
        &after(&[waiting, Cancel(7), Submit(buy(9, 5, 101))]),
        "+9, 9x2 5@101",
        "5@99 | 5@103",
    );
    let reached = [Submit(buy(9, 1, 101)), Submit(stop(7, Side::Sell, 2, 101))];
    check(&after(&reached), "+7, ^7, 7x1 2@99", "3@99 | 4@101 5@103");
}

#[test]
fn stops_trigger_nearest_first_and_trigger_each_other() {
    let steps = [
        Submit(sell(1, 1, 100)),
        Submit(sell(2, 1, 101)),
        Submit(sell(3, 1, 102)),
        Submit(sell(4, 1, 103)),
        Submit(stop(6, Side::Buy, 1, 102)),
        Submit(stop(7, Side::Buy, 1, 101)),
        Submit(stop(8, Side::Buy, 1, 101)),
        Submit(buy(9, 2, 101)),
    ];
    let expected_lines =
        "+9, 9x1 1@100, 9x2 1@101, ^7, 7x3 1@102, ^8, 8x4 1@103, ^6, -6 no-liquidity";
    check(&steps, expected_lines, " | ");
}

#[test]
fn orders_of_one_account_never_trade_and_the_older_one_gives_way() {
    let asks = [
        Submit(sell(1, 5, 100)),
        Submit(mine(sell(2, 5, 100))),
        Submit(sell(3, 5, 101)),
    ];
    let after = |order| {
        asks.iter()
            .copied()
            .chain([Submit(order)])
            .collect::<Vec<_>>()
    };
    check(
        &after(mine(buy(9, 7, 101))),
        "+9, 9x1 5@100, -2 self-trade, 9x3 2@101",
        " | 3@101",
    );
    check(
        &after(mine(with(TimeInForce::Fok, buy(9, 7, 101)))),
        "+9, 9x1 5@100, -2 self-trade, 9x3 2@101",
        " | 3@101",
    );
    check(
        &after(mine(with(TimeInForce::Fok, buy(9, 11, 101)))),
        "+9, -9 fok-unfilled",
        " | 10@100 5@101",
    );
    check(
        &after(buy(9, 7, 101)),
        "+9, 9x1 5@100, 9x2 2@100",
        " | 3@100 5@101",
    );
}

#[test]
fn each_changed_level_is_reported_once_with_its_final_size() {
    let (mut book, mut out, mut changes) = (OrderBook::new(), Vec::new(), Vec::new());
    for step in [
        Submit(sell(1, 5, 100)),
        Submit(sell(2, 5, 100)),
        Submit(sell(3, 5, 101)),
    ] {
        apply(&mut book, step, &mut out);
    }
    book.take_changes(&mut changes);
    changes.clear();
    apply(&mut book, Submit(buy(9, 12, 100)), &mut out);
    book.take_changes(&mut changes);
    let expected_lines: Vec<_> = changes
        .iter()
        .map(|(side, level)| (*side, level.price.0, level.size.0))
        .collect();
    assert_eq!(expected_lines, [(Side::Sell, 100, 0), (Side::Buy, 100, 2)]);
}

/// The same rules over one list, searched whole at every step.
#[derive(Default)]
struct Naive {
    /// Oldest first; waiting stops have their kind, resting orders are limits or triggered stop limits.
    list: Vec<(RestingOrder, bool)>,
    last: Option<i64>,
    range: Option<(i64, i64)>,
}

impl Naive {
    fn apply(&mut self, step: Step, out: &mut Vec<MatchOutcome>) {
        self.range = None;
        match step {
            Submit(order) => self.submit(order, out),
            Cancel(id) => out.push(match self.position(id) {
                Some(at) => {
                    self.list.remove(at);
                    MatchOutcome::Canceled { id }
                }
                None => MatchOutcome::CancelRejected {
                    id,
                    reason: Reason::UnknownOrder,
                },
            }),
            Modify(id, price, size) => self.modify(id, price, size, out),
            EndDay => {
                let ends =
                    |entry: &(RestingOrder, bool)| entry.0.order.time_in_force == TimeInForce::Day;
                let ended = self.list.iter().filter(|entry| ends(entry));
                out.extend(ended.map(|(w, _)| MatchOutcome::Expired {
                    id: w.order.id,
                    reason: Reason::DayEnd,
                }));
                self.list.retain(|entry| !ends(entry));
            }
        }
    }

    fn position(&self, id: u64) -> Option<usize> {
        self.list
            .iter()
            .position(|(working, _)| working.order.id == id)
    }

    /// The resting order that `side` would trade with next.
    fn best_for(&self, side: Side) -> Option<usize> {
        let resting = (0..self.list.len()).filter(|at| {
            let (working, waiting) = &self.list[*at];
            !waiting && working.order.side != side
        });
        resting.min_by_key(|at| (self.list[*at].0.order.price.0 * side.sign(), *at))
    }

    fn would_trade(&self, side: Side, price: i64) -> bool {
        self.best_for(side)
            .is_some_and(|at| (price - self.list[at].0.order.price.0) * side.sign() >= 0)
    }

    fn submit(&mut self, order: BookOrder, out: &mut Vec<MatchOutcome>) {
        let id = order.id;
        let refused = if self.position(id).is_some() {
            Some(Reason::Duplicate)
        } else if order.post_only && self.would_trade(order.side, order.price.0) {
            Some(Reason::WouldCross)
        } else {
            None
        };
        if let Some(reason) = refused {
            return out.push(MatchOutcome::Rejected { id, reason });
        }
        out.push(MatchOutcome::Accepted { id });
        let working = RestingOrder {
            order,
            filled: Size(0),
        };
        if order.kind.has_stop() {
            let reached = self
                .last
                .is_some_and(|last| (last - order.stop_price.0) * order.side.sign() >= 0);
            if !reached {
                return self.list.push((working, true));
            }
            out.push(MatchOutcome::Triggered { id });
        }
        self.execute(working, out);
        self.trigger(out);
    }

    fn modify(&mut self, id: u64, price: i64, size: i64, out: &mut Vec<MatchOutcome>) {
        let reject = |reason| MatchOutcome::ModifyRejected { id, reason };
        let Some(at) = self.position(id) else {
            return out.push(reject(Reason::UnknownOrder));
        };
        let (mut working, waiting) = self.list[at];
        let order = working.order;
        if size <= working.filled.0 {
            return out.push(reject(Reason::InvalidSize));
        }
        if order.kind.has_price() != (price > 0) {
            return out.push(reject(Reason::InvalidPrice));
        }
        if order.post_only && self.would_trade(order.side, price) {
            return out.push(reject(Reason::WouldCross));
        }
        let (price, size) = (Price(price), Size(size));
        out.push(MatchOutcome::Replaced {
            id,
            terms: new_terms(price.0, size.0),
        });
        let stays = waiting || (price == order.price && size <= order.size);
        (working.order.price, working.order.size) = (price, size);
        if stays {
            self.list[at].0 = working;
        } else {
            self.list.remove(at);
            self.execute(working, out);
            self.trigger(out);
        }
    }

    /// Plays the order on a copy first, which also answers whether a FOK can be filled.
    fn execute(&mut self, mut working: RestingOrder, out: &mut Vec<MatchOutcome>) {
        let (order, before) = (
            working.order,
            (self.list.clone(), self.last, self.range, out.len()),
        );
        while working.left().0 > 0 {
            let Some(at) = self.best_for(order.side) else {
                break;
            };
            let price = self.list[at].0.order.price;
            if order.kind.has_price() && !self.would_trade(order.side, order.price.0) {
                break;
            }
            if order.account.is_some() && self.list[at].0.order.account == order.account {
                let (maker, _) = self.list.remove(at);
                out.push(MatchOutcome::Expired {
                    id: maker.order.id,
                    reason: Reason::SelfTrade,
                });
                continue;
            }
            let maker = &mut self.list[at].0;
            let size = Size(maker.left().0.min(working.left().0));
            let (maker_id, side) = (maker.order.id, order.side);
            out.push(MatchOutcome::Traded(Match {
                maker: maker_id,
                taker: order.id,
                side,
                price,
                size,
            }));
            maker.filled.0 += size.0;
            working.filled.0 += size.0;
            if maker.left().0 == 0 {
                self.list.remove(at);
            }
            self.last = Some(price.0);
            let (low, high) = self.range.unwrap_or((price.0, price.0));
            self.range = Some((low.min(price.0), high.max(price.0)));
        }
        if working.left().0 == 0 {
            return;
        }
        let reason = match (order.time_in_force, order.kind.has_price()) {
            (TimeInForce::Fok, _) => {
                (self.list, self.last, self.range) = (before.0, before.1, before.2);
                out.truncate(before.3);
                Reason::FokUnfilled
            }
            (_, false) => Reason::NoLiquidity,
            (TimeInForce::Ioc, _) => Reason::IocRemainder,
            _ => return self.list.push((working, false)),
        };
        out.push(MatchOutcome::Expired {
            id: order.id,
            reason,
        });
    }

    fn trigger(&mut self, out: &mut Vec<MatchOutcome>) {
        while let Some((low, high)) = self.range {
            let reached = |side: Side| {
                let edge = if side == Side::Buy { high } else { low };
                let hit = (0..self.list.len()).filter(|at| {
                    let (working, waiting) = &self.list[*at];
                    let BookOrder {
                        side: own,
                        stop_price,
                        ..
                    } = working.order;
                    *waiting && own == side && (edge - stop_price.0) * side.sign() >= 0
                });
                hit.min_by_key(|at| (self.list[*at].0.order.stop_price.0 * side.sign(), *at))
            };
            let Some(at) = reached(Side::Buy).or_else(|| reached(Side::Sell)) else {
                break;
            };
            let (working, _) = self.list.remove(at);
            out.push(MatchOutcome::Triggered {
                id: working.order.id,
            });
            self.execute(working, out);
        }
    }

    fn levels(&self, side: Side) -> Vec<(i64, i64)> {
        let mut sums = BTreeMap::new();
        for (working, _) in self
            .list
            .iter()
            .filter(|(w, waiting)| !waiting && w.order.side == side)
        {
            *sums
                .entry(-working.order.price.0 * side.sign())
                .or_insert(0) += working.left().0;
        }
        sums.into_iter()
            .map(|(rank, size)| (rank.abs(), size))
            .collect()
    }
}

fn any_order() -> impl Strategy<Value = BookOrder> {
    let kinds = prop_oneof![6 => Just(OrderType::Limit), 2 => Just(OrderType::Market), 1 => Just(OrderType::Stop), 1 => Just(OrderType::StopLimit)];
    let times = prop_oneof![5 => Just(TimeInForce::Gtc), 1 => Just(TimeInForce::Ioc), 1 => Just(TimeInForce::Fok), 1 => Just(TimeInForce::Day)];
    let terms = (kinds, times, any::<bool>(), 0u32..4, 0u32..6);
    (0u64..40, terms, 1i64..30, 95i64..106, 95i64..106).prop_map(
        |(id, terms, size, price, stop_price)| {
            let (kind, time_in_force, is_buy, account, post_only) = terms;
            let immediate = matches!(time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
            BookOrder {
                id,
                account: (account < 2).then_some(account),
                side: if is_buy { Side::Buy } else { Side::Sell },
                kind,
                time_in_force,
                post_only: post_only == 0 && kind == OrderType::Limit && !immediate,
                size: Size(size),
                price: Price(if kind.has_price() { price } else { 0 }),
                stop_price: Price(if kind.has_stop() { stop_price } else { 0 }),
            }
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    let modify = (
        0u64..40,
        prop_oneof![1 => Just(0i64), 9 => 95i64..106],
        1i64..30,
    );
    prop_oneof![
        12 => any_order().prop_map(Submit),
        3 => (0u64..40).prop_map(Cancel),
        4 => modify.prop_map(|(id, price, size)| Modify(id, price, size)),
        1 => Just(EndDay),
    ]
}

proptest! {
    #[test]
    fn the_book_does_what_the_naive_model_does_and_is_never_crossed(steps in prop::collection::vec(any_step(), 1..120)) {
        let (mut book, mut naive) = (OrderBook::new(), Naive::default());
        for step in steps {
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            apply(&mut book, step, &mut out);
            naive.apply(step, &mut expected);
            prop_assert_eq!(describe(&out), describe(&expected), "{:?}", step);
            for side in [Side::Buy, Side::Sell] {
                let levels: Vec<_> = book.levels(side).map(|level| (level.price.0, level.size.0)).collect();
                prop_assert_eq!(levels, naive.levels(side));
            }
            prop_assert_eq!(book.order_count(), naive.list.len());
            if let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) {
                prop_assert!(bid.price < ask.price, "crossed: {}", shown(&book));
            }
        }
    }

    #[test]
    fn what_buyers_get_is_what_sellers_give_and_a_fok_is_filled_whole_or_not_at_all(
        orders in prop::collection::vec(any_order(), 1..150),
    ) {
        let (mut book, mut out) = (OrderBook::new(), Vec::new());
        let (mut sent, mut filled) = (0i64, vec![0i64; orders.len()]);
        for (order, id) in orders.iter().zip(0u64..) {
            sent += order.size.0;
            book.submit(BookOrder { id, ..*order }, &mut out);
        }
        let mut ended = 0;
        for outcome in &out {
            match outcome {
                MatchOutcome::Traded(trade) => {
                    let sides = [trade.maker, trade.taker].map(|id| orders[id as usize].side);
                    prop_assert_ne!(sides[0], sides[1]);
                    prop_assert_eq!(sides[1], trade.side);
                    filled[trade.maker as usize] += trade.size.0;
                    filled[trade.taker as usize] += trade.size.0;
                }
                MatchOutcome::Rejected { id, .. } | MatchOutcome::Expired { id, .. } => {
                    ended += orders[*id as usize].size.0 - filled[*id as usize];
                }
                _ => {}
            }
        }
        let working: i64 = (0..orders.len() as u64).filter_map(|id| book.order(id)).map(|w| w.left().0).sum();
        prop_assert_eq!(sent, filled.iter().sum::<i64>() + ended + working);
        for (order, filled) in orders.iter().zip(filled) {
            let whole = filled == 0 || filled == order.size.0;
            prop_assert!(order.time_in_force != TimeInForce::Fok || order.kind.has_stop() || whole);
        }
    }
}

#[test]
fn a_stop_that_waits_can_be_moved_and_works_at_once_where_the_market_is_already() {
    let mut book = OrderBook::default();
    let mut out = Vec::new();
    let limit = |id, account, side, price| BookOrder {
        id,
        account: Some(account),
        side,
        kind: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        post_only: false,
        size: Size(5),
        price: Price(price),
        stop_price: Price(0),
    };
    for order in [
        limit(1, 1, Side::Buy, 99),
        limit(2, 1, Side::Sell, 101),
        limit(3, 2, Side::Buy, 101),
    ] {
        book.submit(order, &mut out);
    }
    let stop = BookOrder {
        kind: OrderType::Stop,
        price: Price(0),
        stop_price: Price(90),
        ..limit(4, 2, Side::Sell, 0)
    };
    book.submit(stop, &mut out);
    out.clear();
    let moved = |to| NewTerms {
        price: Price(0),
        stop_price: Price(to),
        size: Size(5),
    };
    book.modify(4, &moved(95), &mut out);
    assert_eq!(
        out,
        [MatchOutcome::Replaced {
            id: 4,
            terms: moved(95)
        }]
    );
    out.clear();
    // The last trade was at 101.
    book.modify(4, &moved(101), &mut out);
    assert_eq!(out[1], MatchOutcome::Triggered { id: 4 });
    assert!(matches!(out[2], MatchOutcome::Traded(_)), "{out:?}");
}
