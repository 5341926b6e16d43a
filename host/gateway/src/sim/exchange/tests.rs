//! The exchange as the engine sees it: through `Gateway`, in event time.

use super::*;
use crate::sim::DEFAULT_START as START;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use tickdeck_engine::port::NewTerms;
use tickdeck_model::{
    Body, BookChange, ClientOrderId, Fill, Liquidity, OrderEvent, OrderFlags, OrderState,
    OrderStatus, OrderType, OrderUpdate, Price, Quote, Reason, Side, Size, StrategyId, Submit,
    TimeInForce,
};

const MS: i64 = 1_000_000;
const BTC: InstrumentId = InstrumentId(0);

type Timed = (Timestamp, Command);

fn id(number: u64) -> ClientOrderId {
    ClientOrderId {
        strategy: StrategyId(1),
        number,
    }
}

fn submit(number: u64, side: Side, kind: OrderType, size: i64, price: i64) -> Submit {
    Submit {
        order: number,
        instrument: BTC,
        side,
        kind,
        time_in_force: TimeInForce::Gtc,
        size: Size(size),
        price: Price(price),
        stop_price: Price::ZERO,
        ..Submit::EMPTY
    }
}

fn market(number: u64, side: Side, size: i64) -> Submit {
    submit(number, side, OrderType::Market, size, 0)
}

fn limit(number: u64, side: Side, size: i64, price: i64) -> Submit {
    submit(number, side, OrderType::Limit, size, price)
}

fn send(at_ms: i64, order: Submit) -> Timed {
    (
        START + at_ms * MS,
        Command::Submit {
            id: id(order.order),
            order,
        },
    )
}

fn open(config: &SimConfig) -> (Exchange, VenueTerms) {
    let mut exchange = Exchange::new(config.clone());
    let terms = exchange.register(&mut Registry::new()).unwrap();
    (exchange, terms)
}

/// Plays `commands` until `end_ms`.
fn play_with(config: SimConfig, commands: &[Timed], end_ms: i64) -> Vec<Event> {
    let (mut exchange, _) = open(&config);
    for (at, command) in commands {
        exchange.send(*at, *command);
    }
    let mut events = Vec::new();
    exchange.poll(START + end_ms * MS, &mut events).unwrap();
    events
}

fn play(commands: &[Timed], end_ms: i64) -> Vec<Event> {
    play_with(SimConfig::default(), commands, end_ms)
}

fn updates(events: &[Event]) -> Vec<OrderUpdate> {
    events
        .iter()
        .filter_map(|event| {
            if let Body::Order(update) = event.body() {
                Some(update)
            } else {
                None
            }
        })
        .collect()
}

fn fills(events: &[Event]) -> Vec<Fill> {
    events
        .iter()
        .filter_map(|event| {
            if let Body::Fill(fill) = event.body() {
                Some(fill)
            } else {
                None
            }
        })
        .collect()
}

/// `number status reason` of each update.
fn describe(events: &[Event]) -> Vec<String> {
    updates(events)
        .iter()
        .map(|update| format!("{} {} {}", update.order, update.status, update.reason))
        .collect()
}

/// The last BTC quote before `at_ms` of a session without us.
fn quote_before(at_ms: i64) -> Quote {
    let events = play(&[], at_ms);
    let quotes = events.iter().rev().filter_map(|event| {
        if let Body::Quote(quote) = event.body() {
            Some(quote)
        } else {
            None
        }
    });
    quotes
        .into_iter()
        .find(|quote| quote.instrument == BTC)
        .unwrap()
}

fn fingerprint(events: &[Event]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in events
        .iter()
        .flat_map(|event| format!("{event:?}").into_bytes())
    {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

#[test]
fn a_seed_gives_the_same_session_everywhere_and_another_seed_another_one() {
    let session = |seed| {
        fingerprint(&play_with(
            SimConfig {
                seed,
                ..SimConfig::default()
            },
            &[],
            5_000,
        ))
    };
    assert_eq!(
        session(7),
        SESSION_OF_SEED_7,
        "the flow changed: old sessions cannot be simulated again"
    );
    assert_eq!(session(7), session(7));
    assert_ne!(session(7), session(8));
}

const SESSION_OF_SEED_7: u64 = 14_829_643_755_422_624_597;

#[test]
fn a_market_order_fills_at_the_quote_and_pays_the_taker_fee() {
    let events = play(&[send(100, market(1, Side::Buy, 100))], 120);
    assert_eq!(describe(&events), ["1 accepted normal"]);
    let fill = fills(&events)[0];
    assert_eq!(
        (fill.size, fill.liquidity, fill.side),
        (Size(100), Liquidity::Taker, Side::Buy)
    );
    // Price (2 decimals) x 100 (5 decimals) x 500 ppm, at 8 decimals.
    assert_eq!(fill.fee, Amount(fill.price.0 / 2));
    let public = events.iter().find_map(|event| match event.body() {
        Body::Trade(trade) if trade.instrument == BTC && trade.trade_id == fill.trade_id => {
            Some(trade)
        }
        _ => None,
    });
    assert_eq!(
        public.map(|trade| (trade.price, trade.size)),
        Some((fill.price, fill.size)),
        "our trade is public"
    );
    let totals: HashMap<_, _> = events
        .iter()
        .filter_map(|event| {
            if let Body::Account(account) = event.body() {
                Some((account.currency, account.total))
            } else {
                None
            }
        })
        .collect();
    let paid = fill.price.0 * 100 * 10 + fill.fee.0;
    let mut totals: Vec<i64> = totals.values().map(|total| total.0).collect();
    totals.sort_unstable();
    assert_eq!(
        totals,
        [100_000, 100_000_000_000_000 - paid],
        "0.001 BTC at 8 decimals, and the rest of a million"
    );
}

#[test]
fn others_trade_with_our_resting_order_and_we_pay_the_maker_fee() {
    let inside = quote_before(100).bid.0 + 100;
    let events = play(&[send(100, limit(1, Side::Buy, 1_000, inside))], 5_000);
    let fills = fills(&events);
    assert!(!fills.is_empty());
    assert_eq!(fills[0].liquidity, Liquidity::Maker);
    assert_eq!(fills[0].price, Price(inside));
    assert_eq!(fills.iter().map(|fill| fill.size.0).sum::<i64>(), 1_000);
}

#[test]
fn our_order_moves_the_market() {
    let alone = quote_before(103).ask;
    let events = play(&[send(100, market(1, Side::Buy, 400_000))], 103);
    let last = events.iter().rev().find_map(|event| match event.body() {
        Body::Quote(quote) if quote.instrument == BTC => Some(quote.ask),
        _ => None,
    });
    assert!(
        last.unwrap() > alone,
        "buying 4 BTC leaves a higher ask than {alone:?}"
    );
}

#[test]
fn the_venue_refuses_with_its_reason() {
    let crossing = Submit {
        flags: OrderFlags::POST_ONLY,
        ..limit(4, Side::Buy, 1_000, 6_100_000)
    };
    let commands = [
        send(100, market(1, Side::Buy, 100)),
        send(101, market(1, Side::Buy, 100)),
        send(102, limit(2, Side::Buy, 2_000_000_000, 5_000_000)),
        send(103, limit(3, Side::Buy, 1_000, 6_000_050)),
        send(104, crossing),
        send(
            105,
            Submit {
                instrument: InstrumentId(9),
                ..market(5, Side::Buy, 1)
            },
        ),
        send(106, market(6, Side::Buy, 1)),
        (
            START + 107 * MS,
            Command::Cancel {
                id: id(99),
                instrument: BTC,
            },
        ),
        (
            START + 108 * MS,
            Command::Modify {
                id: id(1),
                instrument: BTC,
                terms: NewTerms {
                    price: Price::ZERO,
                    stop_price: Price::ZERO,
                    size: Size(50),
                },
            },
        ),
    ];
    let expected = [
        "1 accepted normal",
        "1 rejected duplicate",
        "2 rejected insufficient-funds",
        "3 rejected invalid-price",
        "4 rejected would-cross",
        "5 rejected unknown-instrument",
        "6 rejected min-notional",
        "99 cancel-rejected unknown-order",
        "1 modify-rejected unknown-order",
    ];
    assert_eq!(describe(&play(&commands, 150)), expected);
}

#[test]
fn short_selling_is_as_configured() {
    let sell = [send(100, market(1, Side::Sell, 100))];
    assert_eq!(describe(&play(&sell, 150)), ["1 accepted normal"]);
    let no_short = SimConfig {
        allow_short: false,
        ..SimConfig::default()
    };
    assert_eq!(
        describe(&play_with(no_short, &sell, 150)),
        ["1 rejected insufficient-funds"]
    );
}

#[test]
fn a_resting_order_is_replaced_and_canceled() {
    let modify = Command::Modify {
        id: id(1),
        instrument: BTC,
        terms: NewTerms {
            price: Price(5_980_000),
            stop_price: Price::ZERO,
            size: Size(700),
        },
    };
    let commands = [
        send(100, limit(1, Side::Buy, 1_000, 5_990_000)),
        (START + 110 * MS, modify),
        (
            START + 120 * MS,
            Command::Cancel {
                id: id(1),
                instrument: BTC,
            },
        ),
        (
            START + 130 * MS,
            Command::Cancel {
                id: id(1),
                instrument: BTC,
            },
        ),
    ];
    let events = play(&commands, 150);
    let expected = [
        "1 accepted normal",
        "1 replaced normal",
        "1 canceled normal",
        "1 cancel-rejected unknown-order",
    ];
    assert_eq!(describe(&events), expected);
    assert_eq!(
        (updates(&events)[1].price, updates(&events)[1].size),
        (Price(5_980_000), Size(700))
    );
}

#[test]
fn each_immediate_order_ends_as_its_terms_say() {
    let immediate = |number, time_in_force, size, price| Submit {
        time_in_force,
        ..limit(number, Side::Buy, size, price)
    };
    let ask = quote_before(101).ask.0;
    let commands = [
        send(100, immediate(1, TimeInForce::Ioc, 1_000, 5_900_000)),
        send(101, immediate(2, TimeInForce::Fok, 1_500_000, ask)),
        send(
            102,
            Submit {
                stop_price: Price(5_000_000),
                ..submit(3, Side::Buy, OrderType::Stop, 1_000, 0)
            },
        ),
    ];
    let events = play(&commands, 150);
    let expected = [
        "1 accepted normal",
        "1 expired ioc-remainder",
        "2 accepted normal",
        "2 expired fok-unfilled",
        "3 accepted normal",
        "3 triggered normal",
    ];
    assert_eq!(describe(&events), expected);
    assert_eq!(
        fills(&events)
            .iter()
            .map(|fill| (fill.order, fill.size.0))
            .collect::<Vec<_>>()
            .last(),
        Some(&(3, 1_000))
    );
}

#[test]
fn a_day_order_expires_at_midnight_utc() {
    let start = START - 200 * MS;
    let order = Submit {
        time_in_force: TimeInForce::Day,
        ..limit(1, Side::Buy, 1_000, 5_900_000)
    };
    let events = play_with(
        SimConfig {
            start,
            ..SimConfig::default()
        },
        &[send(-100, order)],
        50,
    );
    assert_eq!(
        describe(&events),
        ["1 accepted normal", "1 expired day-end"]
    );
    let end = events.iter().find(|event| matches!(event.body(), Body::Order(update) if update.status == OrderStatus::Expired));
    assert_eq!(end.map(|event| event.ts_venue), Some(START));
}

#[test]
fn two_strategies_of_the_deck_never_trade_with_each_other() {
    let ask = quote_before(100).ask.0;
    let sell = limit(9, Side::Sell, 500, ask - 1_000);
    let other = ClientOrderId {
        strategy: StrategyId(2),
        number: 9,
    };
    let commands = [
        send(100, limit(1, Side::Buy, 500_000, ask)),
        (
            START + 100 * MS,
            Command::Submit {
                id: other,
                order: sell,
            },
        ),
    ];
    let events = play_with(
        SimConfig {
            order_jitter_ns: 0,
            ..SimConfig::default()
        },
        &commands,
        102,
    );
    assert_eq!(
        describe(&events).last().map(String::as_str),
        Some("1 expired self-trade"),
        "the one that rests yields"
    );
}

#[test]
fn the_feed_ends_at_its_bound_and_orders_are_still_answered() {
    let config = SimConfig {
        max_events: Some(1_000),
        ..SimConfig::default()
    };
    let (mut exchange, _) = open(&config);
    let mut events = Vec::new();
    exchange.poll(i64::MAX, &mut events).unwrap();
    assert!(
        (1_000..1_050).contains(&exchange.market_events()),
        "{}",
        exchange.market_events()
    );
    assert_eq!(exchange.next_due(), Due::Over);
    events.clear();
    let (at, order) = send(60_000, market(1, Side::Buy, 100));
    exchange.send(at, order);
    let Due::At(due) = exchange.next_due() else {
        panic!("a command is under way")
    };
    exchange.poll(due + 1, &mut events).unwrap();
    assert_eq!(describe(&events), ["1 accepted normal"]);
    assert_eq!(fills(&events).len(), 1);
    assert!(
        events.iter().all(Event::changes_portfolio),
        "no market data after the end"
    );
    assert_eq!(exchange.next_due(), Due::Over);
}

#[test]
fn a_configuration_that_cannot_run_is_refused_in_plain_words() {
    let refused = |config| {
        let registered = Exchange::new(config).register(&mut Registry::new());
        registered.unwrap_err().to_string()
    };
    let none = refused(SimConfig {
        instruments: Vec::new(),
        ..SimConfig::default()
    });
    assert_eq!(
        none,
        "simulated exchange `SIM`: it lists 0 instruments; list 1 to 1024"
    );
    let still = refused(SimConfig {
        events_per_second: 0,
        ..SimConfig::default()
    });
    assert_eq!(
        still,
        "simulated exchange `SIM`: 0 events a second; use 1 to 10000000"
    );
}

/// A book kept from the feed as a strategy would.
#[derive(Default)]
struct Mirror(BTreeMap<(Side, i64), i64>);

impl Mirror {
    fn take(&mut self, body: Body) {
        if let Body::Book(update) = body {
            match update.change {
                BookChange::Clear => self.0.clear(),
                BookChange::Snapshot | BookChange::Delta if update.size == Size::ZERO => {
                    assert!(
                        self.0.remove(&(update.side, update.price.0)).is_some(),
                        "a level that was not there went"
                    );
                }
                BookChange::Snapshot | BookChange::Delta => {
                    self.0.insert((update.side, update.price.0), update.size.0);
                }
            }
        }
    }

    fn best(&self) -> [(i64, i64); 2] {
        let side = |wanted| self.0.iter().filter(move |((side, _), _)| *side == wanted);
        let bid = side(Side::Buy)
            .next_back()
            .map_or((0, 0), |((_, price), size)| (*price, *size));
        let ask = side(Side::Sell)
            .next()
            .map_or((0, 0), |((_, price), size)| (*price, *size));
        [bid, ask]
    }
}

#[test]
fn the_book_messages_add_up_to_every_quote_and_to_a_later_snapshot() {
    let snapshot = (START + 900 * MS, Command::Snapshot { instrument: BTC });
    let commands = [
        send(100, market(1, Side::Buy, 300_000)),
        send(200, limit(2, Side::Sell, 1_000, 5_000_000)),
        snapshot,
    ];
    let (mut mirror, mut before, mut quotes, mut clears, mut in_message) =
        (Mirror::default(), None, 0, 0, false);
    for event in play(&commands, 1_000)
        .iter()
        .filter(|event| event.instrument() == Some(BTC))
    {
        if let Body::Book(update) = event.body() {
            if update.change == BookChange::Clear {
                clears += 1;
                before = Some(std::mem::take(&mut mirror.0));
            }
            in_message = !update.last;
        }
        mirror.take(event.body());
        if let (2, Some(before)) = (clears, before.take_if(|_| !in_message && clears == 2)) {
            assert_eq!(
                mirror.0, before,
                "the snapshot is not the book that the deltas gave"
            );
        }
        if let Body::Quote(quote) = event.body() {
            quotes += 1;
            assert!(!in_message, "a quote came within a book message");
            assert_eq!(
                mirror.best(),
                [
                    (quote.bid.0, quote.bid_size.0),
                    (quote.ask.0, quote.ask_size.0)
                ]
            );
        }
    }
    assert!(quotes > 100, "{quotes} quotes");
    assert_eq!(clears, 2);
    assert!(
        mirror.0.len() >= 20,
        "at least ten levels each side on average"
    );
}

fn any_command(number: u64) -> impl Strategy<Value = Command> {
    let sides = any::<bool>().prop_map(|buy| if buy { Side::Buy } else { Side::Sell });
    let kinds = prop::sample::select(OrderType::ALL);
    let times = prop_oneof![4 => Just(TimeInForce::Gtc), 1 => Just(TimeInForce::Ioc), 1 => Just(TimeInForce::Fok)];
    let order = (
        sides,
        kinds,
        times,
        100i64..100_000,
        -60i64..60,
        -30i64..30,
        any::<bool>(),
    );
    let order = order.prop_map(
        move |(side, kind, time_in_force, size, off, stop_off, post_only)| Submit {
            flags: OrderFlags::none().set(
                OrderFlags::POST_ONLY,
                post_only && kind == OrderType::Limit && time_in_force == TimeInForce::Gtc,
            ),
            time_in_force,
            stop_price: Price(if kind.has_stop() {
                6_000_000 + stop_off * 100
            } else {
                0
            }),
            ..submit(
                number,
                side,
                kind,
                size,
                if kind.has_price() {
                    6_000_000 + off * 100
                } else {
                    0
                },
            )
        },
    );
    let before = 0..number + 1;
    prop_oneof![
        4 => order.prop_map(move |order| Command::Submit { id: id(number), order }),
        2 => before.clone().prop_map(|number| Command::Cancel { id: id(number), instrument: BTC }),
        2 => (before, -60i64..60, 100i64..100_000).prop_map(|(number, off, size)| {
            Command::Modify { id: id(number), instrument: BTC, terms: NewTerms { price: Price(6_000_000 + off * 100), stop_price: Price::ZERO, size: Size(size) },}
        }),
        1 => Just(Command::Snapshot { instrument: BTC }),
    ]
}

fn any_commands() -> impl Strategy<Value = Vec<Timed>> {
    let gaps = prop::collection::vec(0i64..8 * MS, 1..30);
    gaps.prop_flat_map(|gaps| {
        let commands: Vec<_> = (1..=gaps.len() as u64).map(any_command).collect();
        (Just(gaps), commands).prop_map(|(gaps, commands)| {
            let mut at = START + 10 * MS;
            let timed = gaps.iter().zip(commands).map(|(gap, command)| {
                at += gap;
                (at, command)
            });
            timed.collect()
        })
    })
}

/// Polls in steps of the given lengths, sending each command as late as the lookahead allows.
fn play_in_steps(commands: &[Timed], steps_ns: &[i64], end: Timestamp) -> Vec<Event> {
    let (mut exchange, terms) = open(&SimConfig::default());
    let (mut events, mut until, mut waiting) = (Vec::new(), START, commands.iter().peekable());
    for step in steps_ns.iter().cycle() {
        until = (until + step).min(end);
        while let Some((at, command)) =
            waiting.next_if(|(at, _)| at + (terms.lookahead_ns as i64) < until)
        {
            exchange.send(*at, *command);
        }
        let before = events.len();
        exchange.poll(until, &mut events).unwrap();
        assert!(events[before..].iter().all(|event| event.ts_host < until));
        if until == end {
            break;
        }
    }
    events
}

/// Walks every order of ours through the model's state machine.
fn check_order_states(commands: &[Timed], events: &[Event]) {
    let mut states: HashMap<u64, (OrderState, i64)> = HashMap::new();
    for (_, command) in commands {
        if let Command::Submit { id, order } = command {
            let submitted = OrderState::Initialised
                .next(OrderEvent::Update(OrderStatus::Submitted))
                .unwrap();
            states.insert(id.number, (submitted, order.size.0));
        }
    }
    for event in events {
        match event.body() {
            // Refusals of changes to orders that are done or never were concern no state.
            Body::Order(update) if update.reason == Reason::UnknownOrder => {}
            Body::Order(update) => {
                let (state, left) = states.get_mut(&update.order).unwrap();
                if update.status == OrderStatus::ModifyRejected {
                    continue;
                }
                *state = state.next(OrderEvent::Update(update.status)).unwrap();
                *left = update.size.0 - update.filled.0;
            }
            Body::Fill(fill) => {
                let (state, left) = states.get_mut(&fill.order).unwrap();
                *left -= fill.size.0;
                *state = state.next(OrderEvent::Fill { last: *left == 0 }).unwrap();
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_events_are_the_same_however_time_is_cut_into_polls(
        commands in any_commands(),
        steps_ns in prop::collection::vec(1_000i64..20 * MS, 1..20),
    ) {
        let end = START + 300 * MS;
        let whole = play(&commands, 300);
        let cut = play_in_steps(&commands, &steps_ns, end);
        prop_assert_eq!(whole.len(), cut.len());
        for (one, other) in whole.iter().zip(&cut) {
            prop_assert_eq!(one, other);
        }
        prop_assert!(whole.is_sorted_by_key(|event| event.ts_host));
        prop_assert!(whole.iter().all(|event| event.ts_host == event.ts_venue + 500_000));
        check_order_states(&commands, &whole);
    }

    #[test]
    fn a_command_causes_nothing_before_the_lookahead(commands in any_commands()) {
        let (first, lookahead) = (commands[0].0, 1_000_000);
        let alone = play(&[], 300);
        let with = play(&commands, 300);
        let shared = alone.iter().zip(&with).take_while(|(one, other)| one == other).count();
        for events in [&alone, &with] {
            if let Some(event) = events.get(shared) {
                prop_assert!(event.ts_host >= first + lookahead, "{event:?} came before {}", first + lookahead);
            }
        }
    }
}
