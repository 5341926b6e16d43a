//! The hand-written boundary against the derived one: byte for byte, for every kind of event and action.

#[path = "../../../../tests/support/guests.rs"]
mod guests;

use super::{ActionByteList, ActionList, Slot};
use crate::generated::{actions, events, types};
use proptest::prelude::*;
use std::sync::OnceLock;
use tickdeck_model::*;
use wasmtime::component::{Component, Instance, Linker, TypedFunc};
use wasmtime::{Engine, Store};
use zerocopy::IntoBytes as _;

/// Returns the bytes that a lowering wrote, and takes bytes for actions.
const PROBE: &str = "
    package test:probe;
    world probe {
        use tickdeck:strategy/events@0.1.0.{event};
        use tickdeck:strategy/actions@0.1.0.{action};
        record answer { consumed: u32, actions: list<action> }
        export written: func(batch: list<event>) -> list<u8>;
        export actions: func(raw: list<u8>) -> list<action>;
        export bytes: func(raw: list<u8>) -> list<u8>;
    }";

/// Memory starts zeroed and is never reused, so anything that a lowering leaves out shows as zeros.
const PROBE_CORE: &str = r#"(module
    (memory (export "memory") 4)
    (global $heap (mut i32) (i32.const 64))
    (func (export "cabi_realloc") (param i32 i32 i32) (param $new i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
      (global.set $heap (i32.add (local.get $at) (local.get $new)))
      (local.get $at))
    (func $list (param $ptr i32) (param $len i32) (result i32)
      (i32.store offset=0 (i32.const 16) (local.get $ptr))
      (i32.store offset=4 (i32.const 16) (local.get $len))
      (i32.const 16))
    (func (export "written") (param $ptr i32) (param $len i32) (result i32)
      (call $list (local.get $ptr) (i32.mul (local.get $len) (i32.const 104))))
    (func (export "actions") (param $ptr i32) (param $len i32) (result i32)
      (call $list (local.get $ptr) (i32.div_u (local.get $len) (i32.const 128))))
    (func (export "bytes") (param $ptr i32) (param $len i32) (result i32)
      (call $list (local.get $ptr) (local.get $len))))"#;

fn probe() -> (Store<()>, Instance) {
    static COMPONENT: OnceLock<Component> = OnceLock::new();
    let component = COMPONENT.get_or_init(|| {
        let mut resolve = guests::contract();
        resolve.push_str("probe.wit", PROBE).unwrap();
        let module = guests::embedded(PROBE_CORE, &resolve, "probe");
        Component::from_binary(&Engine::default(), &guests::encoded(&module)).unwrap()
    });
    let mut store = Store::new(component.engine(), ());
    let instance = Linker::new(component.engine())
        .instantiate(&mut store, component)
        .unwrap();
    (store, instance)
}

/// The bytes that the derived lowering writes.
fn derived(batch: &[Event]) -> Vec<u8> {
    let (mut store, instance) = probe();
    let written: TypedFunc<(&[events::Event],), (Vec<u8>,)> =
        instance.get_typed_func(&mut store, "written").unwrap();
    let twins: Vec<events::Event> = batch.iter().map(event_twin).collect();
    written.call(&mut store, (&twins,)).unwrap().0
}

/// The bytes that the memcpy writes.
fn copied(batch: &[Event]) -> Vec<u8> {
    let (mut store, instance) = probe();
    let written: TypedFunc<(&[Slot],), (Vec<u8>,)> =
        instance.get_typed_func(&mut store, "written").unwrap();
    written.call(&mut store, (Slot::batch(batch),)).unwrap().0
}

/// The bytes that lowering the slots one by one writes.
fn stored_alone(batch: &[Event]) -> Vec<u8> {
    let mut all = Vec::new();
    for event in batch {
        let (mut store, instance) = probe();
        // An option of a slot is not a list, but a list of one tuple lowers its element alone.
        let written: TypedFunc<(&[Alone<'_>],), (Vec<u8>,)> =
            instance.get_typed_func(&mut store, "written").unwrap();
        all.extend(
            written
                .call(
                    &mut store,
                    (&[&Slot::batch(std::slice::from_ref(event))[0]],),
                )
                .unwrap()
                .0,
        );
    }
    all
}

/// A reference lowers through `linear_lower_to_memory`, not through the list of its target.
type Alone<'a> = &'a Slot;

macro_rules! twins {
    ($($name:ident { $($case:ident,)+ })+) => {$(
        impl Twin for $name {
            type Of = types::$name;
            fn twin(self) -> types::$name {
                match self { $($name::$case => types::$name::$case,)+ }
            }
        }
    )+};
}

trait Twin {
    type Of;
    fn twin(self) -> Self::Of;
}

twins! {
    Side { Buy, Sell, }
    Aggressor { Buyer, Seller, Undisclosed, }
    BookChange { Clear, Snapshot, Delta, }
    BarBasis { Time, Trades, Volume, }
    VenueScope { Venue, Instrument, }
    Severity { Info, Warning, Critical, }
    Feed { Quotes, Trades, Book, Bars, Signals, }
}

fn event_twin(event: &Event) -> events::Event {
    events::Event {
        sequence: event.sequence,
        ts_venue: event.ts_venue,
        ts_host: event.ts_host,
        body: body_twin(event.body()),
    }
}

fn body_twin(body: Body) -> events::Body {
    match body {
        Body::Quote(quote) => events::Body::Quote(events::Quote {
            instrument: quote.instrument.0,
            bid: quote.bid.0,
            bid_size: quote.bid_size.0,
            ask: quote.ask.0,
            ask_size: quote.ask_size.0,
            reserved_1: 0,
        }),
        Body::Trade(trade) => events::Body::Trade(events::Trade {
            instrument: trade.instrument.0,
            aggressor: trade.aggressor.twin(),
            price: trade.price.0,
            size: trade.size.0,
            trade_id: trade.trade_id,
            reserved_1: 0,
        }),
        Body::Book(update) => events::Body::Book(events::BookUpdate {
            instrument: update.instrument.0,
            change: update.change.twin(),
            side: update.side.twin(),
            last: update.last,
            price: update.price.0,
            size: update.size.0,
            update_id: update.update_id,
            reserved_1: 0,
        }),
        Body::Bar(bar) => events::Body::Bar(events::Bar {
            instrument: bar.instrument.0,
            step: bar.step,
            open: bar.open.0,
            high: bar.high.0,
            low: bar.low.0,
            close: bar.close.0,
            volume: bar.volume.0,
            reserved_1: 0,
            trades: bar.trades,
            basis: bar.basis.twin(),
        }),
        Body::Order(update) => events::Body::Order(order_twin(&update)),
        Body::Fill(fill) => events::Body::Fill(fill_twin(&fill)),
        Body::Signal(signal) => events::Body::Signal(events::Signal {
            source: signal.source.0,
            name: signal.name.0,
            value: signal.value,
            reserved_1: 0,
        }),
        Body::Timer(timer) => events::Body::Timer(events::Timer {
            strategy: timer.strategy.0,
            id: timer.id,
            due: timer.due,
            reserved_1: 0,
        }),
        Body::Venue(status) => events::Body::Venue(events::VenueStatus {
            venue: status.venue.0,
            instrument: status.instrument.0,
            reserved_1: 0,
            state: status.state.number(),
            scope: status.scope.twin(),
        }),
        Body::Account(account) => events::Body::Account(events::Account {
            venue: account.venue.0,
            currency: account.currency.0,
            total: account.total.0,
            free: account.free.0,
            reserved_1: 0,
            account: account.account.0,
        }),
        Body::Lagged(lagged) => events::Body::Lagged(events::Lagged {
            first: lagged.first,
            last: lagged.last,
            dropped: lagged.dropped,
            reserved_1: 0,
        }),
    }
}

fn order_twin(update: &OrderUpdate) -> events::OrderUpdate {
    events::OrderUpdate {
        instrument: update.instrument.0,
        strategy: update.strategy.0,
        order: update.order,
        price: update.price.0,
        size: update.size.0,
        filled: update.filled.0,
        stop_price: update.stop_price.0,
        reserved_1: 0,
        account: update.account.0,
        status: update.status.number(),
        reason: update.reason.number(),
        side: update.side.twin(),
    }
}

fn fill_twin(fill: &Fill) -> events::Fill {
    events::Fill {
        instrument: fill.instrument.0,
        strategy: fill.strategy.0,
        order: fill.order,
        trade_id: fill.trade_id,
        price: fill.price.0,
        size: fill.size.0,
        fee: fill.fee.0,
        reserved_1: 0,
        fee_currency: fill.fee_currency.0,
        account: fill.account.0,
        liquidity: fill.liquidity.number(),
        side: fill.side.twin(),
    }
}

/// Numbers from which a body of any kind is made: twelve words, seven choices, and a float that is a number.
type Numbers = ([i64; 12], [usize; 7], f64);

fn numbers() -> impl proptest::strategy::Strategy<Value = Numbers> {
    let float = prop_oneof![-1e300..1e300f64, Just(f64::INFINITY), Just(-0.0)];
    (any::<[i64; 12]>(), any::<[usize; 7]>(), float)
}

fn pick<T: Copy>(all: &[T], choice: usize) -> T {
    all[choice % all.len()]
}

/// A body of `kind`, every field drawn from the numbers.
fn body(kind: Kind, ([a, b, c, d, e, f, g, h, i, ..], [x, y, z, ..], float): Numbers) -> Body {
    let (instrument, strategy, pad4) = (InstrumentId(a as u32), StrategyId(b as u32), Pad::ZERO);
    match kind {
        Kind::Quote => Quote {
            instrument,
            pad: pad4,
            bid: Price(b),
            bid_size: Size(c),
            ask: Price(d),
            ask_size: Size(e),
            reserved: Pad::ZERO,
        }
        .into(),
        Kind::Trade => {
            let aggressor = pick(Aggressor::ALL, x);
            Trade {
                instrument,
                aggressor,
                pad: Pad::ZERO,
                price: Price(b),
                size: Size(c),
                trade_id: d as u64,
                reserved: Pad::ZERO,
            }
            .into()
        }
        Kind::Book => BookUpdate {
            instrument,
            change: pick(BookChange::ALL, x),
            side: pick(Side::ALL, y),
            last: z % 2 == 0,
            pad: Pad::ZERO,
            price: Price(b),
            size: Size(c),
            update_id: d as u64,
            reserved: Pad::ZERO,
        }
        .into(),
        Kind::Bar => Bar {
            instrument,
            step: b as u32,
            open: Price(c),
            high: Price(d),
            low: Price(e),
            close: Price(f),
            volume: Size(g),
            reserved: Pad::ZERO,
            trades: h as u32,
            basis: pick(BarBasis::ALL, x),
            pad: Pad::ZERO,
        }
        .into(),
        Kind::Order => OrderUpdate {
            instrument,
            strategy,
            order: c as u64,
            price: Price(d),
            size: Size(e),
            filled: Size(f),
            stop_price: Price(g),
            reserved: Pad::ZERO,
            account: AccountId(h as u32),
            status: pick(OrderStatus::ALL, x),
            reason: pick(Reason::ALL, y),
            side: pick(Side::ALL, z),
            pad: Pad::ZERO,
        }
        .into(),
        Kind::Fill => Fill {
            instrument,
            strategy,
            order: c as u64,
            trade_id: d as u64,
            price: Price(e),
            size: Size(f),
            fee: Amount(g),
            reserved: Pad::ZERO,
            account: AccountId(i as u32),
            fee_currency: CurrencyId(h as u32),
            side: pick(Side::ALL, x),
            liquidity: pick(Liquidity::ALL, y),
            pad: Pad::ZERO,
        }
        .into(),
        Kind::Signal => Signal {
            source: strategy,
            name: TextId(a as u32),
            value: float,
            reserved: Pad::ZERO,
        }
        .into(),
        Kind::Timer => Timer {
            strategy,
            id: a as u32,
            due: c,
            reserved: Pad::ZERO,
        }
        .into(),
        Kind::Venue => VenueStatus {
            venue: VenueId(b as u32),
            instrument,
            reserved: Pad::ZERO,
            scope: pick(VenueScope::ALL, x),
            state: pick(VenueState::ALL, y),
            pad: Pad::ZERO,
        }
        .into(),
        Kind::Account => AccountUpdate {
            venue: VenueId(a as u32),
            currency: CurrencyId(b as u32),
            total: Amount(c),
            free: Amount(d),
            reserved: Pad::ZERO,
            account: AccountId(e as u32),
            pad: Pad::ZERO,
        }
        .into(),
        Kind::Lagged => Lagged {
            first: a as u64,
            last: b as u64,
            dropped: c as u64,
            reserved: Pad::ZERO,
        }
        .into(),
    }
}

fn event() -> impl proptest::strategy::Strategy<Value = Event> {
    (0..Kind::ALL.len(), numbers(), any::<(u64, i64, i64)>()).prop_map(
        |(kind, numbers, (sequence, venue, host))| {
            Event::new(venue, host, body(Kind::ALL[kind], numbers)).with_sequence(sequence)
        },
    )
}

fn action(
    kind: usize,
    ([a, b, c, d, e, f, g, h, i, j, k, l], [x, y, z, u, v, w, t], float): Numbers,
) -> Action {
    let feed = FeedRequest {
        target: a as u32,
        step: b as u32,
        feed: pick(Feed::ALL, x),
        basis: pick(BarBasis::ALL, y),
        pad: Pad::ZERO,
    };
    match kind {
        0 => Action::Submit(Submit {
            order: a as u64,
            after: f as u64,
            size: Size(c),
            notional: Amount(g),
            price: Price(d),
            stop_price: Price(e),
            trail: h,
            display: Size(i),
            expires: j,
            reserved: [Pad::ZERO; 2],
            instrument: InstrumentId(b as u32),
            account: AccountId(k as u32),
            group: l as u32,
            leverage: (l >> 32) as u32,
            kind: pick(OrderType::ALL, y),
            time_in_force: pick(TimeInForce::ALL, z),
            trigger: pick(Trigger::ALL, u),
            trail_basis: pick(TrailBasis::ALL, v),
            flags: OrderFlags::none()
                .set(OrderFlags::POST_ONLY, x % 3 == 0)
                .set(OrderFlags::REDUCE_ONLY, y % 3 == 0)
                .set(OrderFlags::EXTENDED_HOURS, z % 3 == 0)
                .set(OrderFlags::GROUP_CANCELS, t % 3 == 0),
            self_trade: pick(SelfTrade::ALL, w),
            margin: pick(MarginMode::ALL, t),
            side: pick(Side::ALL, x),
            pad: Pad::ZERO,
        }),
        1 => Action::Modify(Modify {
            order: a as u64,
            price: Price(b),
            size: Size(c),
            stop_price: Price(d),
            trail: e,
            reserved: Pad::ZERO,
        }),
        2 => Action::Cancel(a as u64),
        3 => Action::CancelAll(CancelAll {
            instrument: InstrumentId(a as u32),
            scope: pick(CancelScope::ALL, x),
            pad: Pad::ZERO,
        }),
        4 => Action::SetTimer(TimerRequest {
            id: a as u32,
            pad: Pad::ZERO,
            due: b,
        }),
        5 => Action::ClearTimer(a as u32),
        6 => Action::Notify(Notify {
            message: a as u32,
            severity: pick(Severity::ALL, x),
            pad: Pad::ZERO,
            value: float,
        }),
        7 => Action::Subscribe(feed),
        _ => Action::Unsubscribe(feed),
    }
}

fn action_twin(action: &Action) -> actions::Action {
    let feed = |feed: &FeedRequest| actions::Subscribe {
        target: feed.target,
        step: feed.step,
        feed: feed.feed.twin(),
        basis: feed.basis.twin(),
    };
    match action {
        Action::Submit(submit) => actions::Action::Submit(actions::Submit {
            order: submit.order,
            after: submit.after,
            size: submit.size.0,
            notional: submit.notional.0,
            price: submit.price.0,
            stop_price: submit.stop_price.0,
            trail: submit.trail,
            display: submit.display.0,
            expires: submit.expires,
            reserved_1: 0,
            reserved_2: 0,
            instrument: submit.instrument.0,
            account: submit.account.0,
            group: submit.group,
            leverage: submit.leverage,
            kind: submit.kind.number(),
            time_in_force: submit.time_in_force.number(),
            trigger: submit.trigger.number(),
            trail_basis: submit.trail_basis.number(),
            flags: submit.flags.number(),
            self_trade: submit.self_trade.number(),
            margin: submit.margin.number(),
            side: submit.side.twin(),
        }),
        Action::Modify(modify) => actions::Action::Modify(actions::Modify {
            order: modify.order,
            price: modify.price.0,
            size: modify.size.0,
            stop_price: modify.stop_price.0,
            trail: modify.trail,
            reserved_1: 0,
        }),
        Action::Cancel(order) => actions::Action::Cancel(actions::Cancel { order: *order }),
        Action::CancelAll(which) => actions::Action::CancelAll(actions::CancelAll {
            instrument: which.instrument.0,
            scope: match which.scope {
                CancelScope::Everything => actions::CancelScope::Everything,
                CancelScope::Instrument => actions::CancelScope::Instrument,
            },
        }),
        Action::SetTimer(timer) => actions::Action::SetTimer(actions::SetTimer {
            id: timer.id,
            due: timer.due,
        }),
        Action::ClearTimer(id) => actions::Action::ClearTimer(actions::ClearTimer { id: *id }),
        Action::Notify(notify) => actions::Action::Notify(actions::Notify {
            message: notify.message,
            severity: notify.severity.twin(),
            value: notify.value,
        }),
        Action::Subscribe(request) => actions::Action::Subscribe(feed(request)),
        Action::Unsubscribe(request) => actions::Action::Unsubscribe(feed(request)),
    }
}

#[test]
fn every_kind_of_event_is_written_as_the_derived_lowering_writes_it() {
    let mut written = 0;
    for kind in Kind::ALL {
        let numbers = (
            [-1, 2, -3, 4, -5, 6, -7, 8, -9, 10, -11, 12],
            [1, 2, 3, 4, 5, 6, 7],
            -0.5,
        );
        let event = Event::new(-11, 12, body(*kind, numbers)).with_sequence(13);
        let bytes = derived(&[event]);
        assert_eq!(bytes.len(), Event::SIZE);
        assert_eq!(bytes, copied(&[event]), "{kind}");
        assert_eq!(bytes, stored_alone(&[event]), "{kind}");
        written += 1;
    }
    assert_eq!(written, 11);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_is_written_as_the_derived_lowering_writes_it(batch in proptest::collection::vec(event(), 0..=64)) {
        let bytes = derived(&batch);
        prop_assert_eq!(&bytes, &copied(&batch));
        prop_assert_eq!(bytes, batch.as_bytes());
    }

    #[test]
    fn actions_are_read_as_the_derived_lifting_reads_them(
        drawn in proptest::collection::vec((0usize..9, numbers()), 0..=32),
        padding: u8,
    ) {
        let sent: Vec<Action> = drawn.into_iter().map(|(kind, numbers)| action(kind, numbers)).collect();
        // Bytes that no field covers may have any value.
        let dirty = |action: &Action| {
            let mut bytes = action.to_bytes();
            bytes[1..8].fill(padding);
            bytes
        };
        let raw: Vec<u8> = sent.iter().flat_map(dirty).collect();
        let (mut store, instance) = probe();
        let derived: TypedFunc<(&[u8],), (Vec<actions::Action>,)> =
            instance.get_typed_func(&mut store, "actions").unwrap();
        let derived = derived.call(&mut store, (&raw,)).unwrap().0;
        let twins: Vec<actions::Action> = sent.iter().map(action_twin).collect();
        prop_assert_eq!(format!("{derived:?}"), format!("{twins:?}"));

        let typed: TypedFunc<(&[u8],), (ActionList,)> = instance.get_typed_func(&mut store, "actions").unwrap();
        let typed = typed.call(&mut store, (&raw,)).unwrap().0;
        let typed: Vec<Action> = typed.iter().map(|bytes| Action::from_bytes(bytes).unwrap()).collect();
        prop_assert_eq!(&typed, &sent);

        let bytes: TypedFunc<(&[u8],), (ActionByteList,)> = instance.get_typed_func(&mut store, "bytes").unwrap();
        let bytes = bytes.call(&mut store, (&raw,)).unwrap().0;
        let bytes: Vec<Action> = bytes.iter().map(|bytes| Action::from_bytes(bytes).unwrap()).collect();
        prop_assert_eq!(bytes, sent);
    }
}
