//! What stands between the ring and the strategies, and between the strategies and the venues: pure folds that let an
//! event or an order pass or not, and derive other events.
//!
//! A middleware sees every event of the ring in order and nothing else, so each worker can run its own copy and all
//! come to the same. What it derives carries the sequence and host time of the event that caused it and is never
//! recorded: a replay derives it again.

mod bars;
mod conflate;
mod filter;
mod order;

pub use bars::{BarBuilder, BarSpec};
pub use conflate::ConflateQuotes;
pub use filter::{DropDuplicates, DropStale};
pub(crate) use order::deny;
pub use order::{Change, Denial, OrderMiddleware, Situation};

use tickdeck_model::Event;

/// A pure fold between the ring and the strategies.
pub trait Middleware: Send {
    /// Takes an event in; says whether it goes on, and adds what follows from it.
    fn on_event(&mut self, event: &Event, derived: &mut Derived) -> Verdict;
}

/// Whether an event goes on to the strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Pass,
    /// It ends here; later middlewares do not see it.
    Drop,
}

/// What middlewares made of one event.
#[derive(Debug, Default)]
pub struct Derived {
    before: Vec<Event>,
    after: Vec<Event>,
}

impl Derived {
    /// Adds an event that strategies see before its cause.
    pub fn before(&mut self, cause: &Event, event: Event) {
        self.before.push(caused_by(cause, event));
    }

    /// Adds an event that strategies see after its cause.
    pub fn after(&mut self, cause: &Event, event: Event) {
        self.after.push(caused_by(cause, event));
    }
}

fn caused_by(cause: &Event, mut event: Event) -> Event {
    event.sequence = cause.sequence;
    event.ts_host = cause.ts_host;
    event
}

/// The middlewares of a worker, in order.
#[derive(Default)]
pub struct Chain {
    links: Vec<Box<dyn Middleware>>,
    /// Behind the links, so that bars are made of what passes.
    bars: Vec<BarBuilder>,
    derived: Derived,
}

impl Chain {
    /// Adds a middleware behind the others.
    pub fn push(&mut self, link: Box<dyn Middleware>) {
        self.links.push(link);
    }

    /// Adds a kind of bar.
    pub fn push_bars(&mut self, builder: BarBuilder) {
        self.bars.push(builder);
    }

    /// Whether bars of `spec` are built.
    pub fn builds(&self, spec: BarSpec) -> bool {
        self.bars.iter().any(|builder| builder.spec() == spec)
    }

    /// Runs an event through and calls `deliver` for everything that comes out, in order.
    pub fn run(&mut self, event: &Event, mut deliver: impl FnMut(&Event)) {
        let Self {
            links,
            bars,
            derived,
        } = self;
        let passes = links
            .iter_mut()
            .all(|link| link.on_event(event, derived) == Verdict::Pass);
        if passes {
            for builder in bars {
                builder.on_event(event, derived);
            }
        }
        derived.before.drain(..).for_each(|event| deliver(&event));
        if passes {
            deliver(event);
        }
        derived.after.drain(..).for_each(|event| deliver(&event));
    }
}
