//! The middleware chain of a worker, with the bar builders last.

use super::bars::{BarBuilder, BarSpec};
use super::event::{Derived, Middleware, Verdict};
use tickdeck_model::Event;

/// The middleware of a worker, in order.
#[derive(Default)]
pub struct Chain {
    links: Vec<Box<dyn Middleware>>,
    /// After the links, so that bars are built from what passes.
    bars: Vec<Bars>,
    derived: Derived,
    /// Bars of the current event with their builder's place in `bars`.
    before: Vec<(usize, Event)>,
    after: Vec<(usize, Event)>,
}

/// A bar builder and the listeners of its bars. Listeners that subscribe together share a builder; a later one gets its
/// own, because where a bar starts must not depend on who else is subscribed on the same worker.
struct Bars {
    builder: BarBuilder,
    audience: Vec<usize>,
}

impl Chain {
    /// Adds a middleware at the end.
    pub fn push(&mut self, link: Box<dyn Middleware>) {
        self.links.push(link);
    }

    /// Starts bars for an audience, given as numbers that [`Chain::run`] passes on.
    pub fn start_bars(&mut self, builder: BarBuilder, audience: Vec<usize>) {
        self.bars.push(Bars { builder, audience });
    }

    /// Ends a listener's bars of `spec`, or all of them; builders without listeners are dropped.
    pub fn end_bars(&mut self, listener: usize, spec: Option<BarSpec>) {
        for bars in &mut self.bars {
            if spec.is_none_or(|spec| spec == bars.builder.spec()) {
                bars.audience.retain(|other| *other != listener);
            }
        }
        self.bars.retain(|bars| !bars.audience.is_empty());
    }

    /// Runs an event through the chain and calls `deliver` for everything that comes out, in order; bars come with their
    /// listeners.
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

    /// Delivers an event, if it passes, with everything derived from it.
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
