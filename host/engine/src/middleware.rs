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

pub use crate::router::risk::Risk;
pub use bars::{BarBuilder, BarSpec};
pub use conflate::ConflateQuotes;
pub use filter::{DropDuplicates, DropStale};
pub(crate) use order::deny;
pub use order::{Denial, OrderChange, OrderContext, OrderMiddleware};

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
    fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

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
    bars: Vec<Bars>,
    derived: Derived,
    /// Bars of the event at hand with their builder's place in `bars`.
    before: Vec<(usize, Event)>,
    after: Vec<(usize, Event)>,
}

/// A bar builder and who gets its bars. Those who subscribe together share one; whoever comes later gets one of its
/// own, because where a bar starts must not depend on who else is subscribed on the same worker.
struct Bars {
    builder: BarBuilder,
    audience: Vec<usize>,
}

impl Chain {
    /// Adds a middleware behind the others.
    pub fn push(&mut self, link: Box<dyn Middleware>) {
        self.links.push(link);
    }

    /// Starts bars for an audience, given as numbers that [`Chain::run`] hands back.
    pub fn start_bars(&mut self, builder: BarBuilder, audience: Vec<usize>) {
        self.bars.push(Bars { builder, audience });
    }

    /// Ends a listener's bars of `spec`, or all of them; builders that nobody listens to are gone.
    pub fn end_bars(&mut self, listener: usize, spec: Option<BarSpec>) {
        for bars in &mut self.bars {
            if spec.is_none_or(|spec| spec == bars.builder.spec()) {
                bars.audience.retain(|other| *other != listener);
            }
        }
        self.bars.retain(|bars| !bars.audience.is_empty());
    }

    /// Runs an event through and calls `deliver` for everything that comes out, in order; bars come with those who get
    /// them.
    #[inline]
    pub fn run(&mut self, event: &Event, mut deliver: impl FnMut(&Event, Option<&[usize]>)) {
        let Self { links, derived, .. } = self;
        let passes = links
            .iter_mut()
            .all(|link| link.on_event(event, derived) == Verdict::Pass);
        // Nearly always an event passes and nothing follows from it.
        if self.bars.is_empty() && self.derived.is_empty() {
            if passes {
                deliver(event, None);
            }
        } else {
            self.deliver_all(event, passes, deliver);
        }
    }

    /// Delivers an event, if it passes, with everything that was made of it.
    fn deliver_all(
        &mut self,
        event: &Event,
        passes: bool,
        mut deliver: impl FnMut(&Event, Option<&[usize]>),
    ) {
        let Self {
            bars,
            derived,
            before,
            after,
            ..
        } = self;
        derived
            .before
            .drain(..)
            .for_each(|event| deliver(&event, None));
        let mut later = std::mem::take(&mut derived.after);
        if passes {
            for (at, bars) in bars.iter_mut().enumerate() {
                bars.builder.on_event(event, derived);
                before.extend(derived.before.drain(..).map(|bar| (at, bar)));
                after.extend(derived.after.drain(..).map(|bar| (at, bar)));
            }
            for (at, bar) in before.drain(..) {
                deliver(&bar, Some(&bars[at].audience));
            }
            deliver(event, None);
            for (at, bar) in after.drain(..) {
                deliver(&bar, Some(&bars[at].audience));
            }
        }
        later.drain(..).for_each(|event| deliver(&event, None));
        derived.after = later;
    }
}
