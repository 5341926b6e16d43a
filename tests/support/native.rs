//! Native strategies in an engine that never waits, and an observer that keeps the notices.

use std::sync::Arc;
use tickdeck_engine::port::{
    Clock, Code, Fault, OrderPolicy, State, Strategy, StrategyStart, SwapPolicy, Version,
};
use tickdeck_engine::port::{Gateway, VenueTerms};
use tickdeck_engine::{
    Engine, EngineConfig, Notice, Observer, OrderLimits, Report, RiskConfig, Status,
};
use tickdeck_model::{Amount, CurrencyId, FeedRequest, Registry, Timestamp};
use tickdeck_portfolio::StrategyBook;

pub(crate) struct FlatOut;

impl Clock for FlatOut {
    fn wait_until(&mut self, _: Timestamp) {}
    fn paces(&self) -> bool {
        false
    }

    fn reached(&self) -> Timestamp {
        Timestamp::MAX
    }
    fn now_ns(&self) -> u64 {
        0
    }
}

#[derive(Default)]
pub(crate) struct Quiet(pub(crate) Vec<Notice>);

impl Observer for Quiet {
    fn notice(&mut self, _: Timestamp, notice: Notice) {
        self.0.push(notice);
    }
    fn status(&mut self, _: &Status) {}
}

/// Code that was started by hand, once.
struct Once;

impl Code for Once {
    fn start(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Err(Fault("a native strategy is started once".to_owned()))
    }

    fn restore(&self, _: &mut Box<StrategyBook>, _: &State) -> Result<Box<dyn Strategy>, Fault> {
        Err(Fault("a native strategy is started once".to_owned()))
    }

    fn schema(&self) -> u32 {
        1
    }

    fn restores(&self) -> &[u32] {
        &[]
    }
}

/// A seat for a native strategy: its name, its feeds, and itself.
pub(crate) fn seat(
    registry: &mut Registry,
    (name, feeds, strategy): (&str, Vec<FeedRequest>, Box<dyn Strategy>),
    allocation: Vec<(CurrencyId, Amount)>,
) -> StrategyStart {
    StrategyStart {
        id: registry.add_strategy(name),
        name: name.to_owned(),
        allocation,
        next_order: 1,
        last_order: 1_000_000_000,
        version: Version {
            label: "1.0.0".to_owned(),
            hash: String::new(),
            feeds,
            accounts: false,
            messages: Vec::new(),
            order_policy: OrderPolicy::Cancel,
            limits: None,
            swap: SwapPolicy::default(),
            spec: "".into(),
            code: Arc::new(Once),
        },
        strategy,
    }
}

/// Plays one native strategy on one venue to the end; returns the report and every notice.
pub(crate) fn play(
    registry: Registry,
    venue: (Box<dyn Gateway>, VenueTerms),
    strategy: StrategyStart,
    limits: OrderLimits,
) -> (Report, Vec<Notice>) {
    let config = EngineConfig {
        risk: RiskConfig {
            default: limits,
            ..RiskConfig::default()
        },
        ..EngineConfig::default()
    };
    let engine = Engine::new(
        config,
        Arc::new(registry),
        vec![venue],
        vec![strategy],
        Box::new(FlatOut),
        Arc::new(|| 0),
    );
    let mut quiet = Quiet::default();
    let report = engine.unwrap().run(&mut quiet).unwrap();
    (report, quiet.0)
}
