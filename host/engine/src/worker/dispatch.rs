//! The dispatch index: from (instrument, kind) to the subscribers, so that the cost of an event depends only on its
//! subscribers, with ten strategies or a thousand.

use std::collections::{BTreeSet, HashMap};
use tickdeck_model::{
    Audience, Body, Event, Feed, FeedRequest, InstrumentId, Signal, StrategyId, TextId, VenueScope,
};

use crate::middleware::BarSpec;

/// A strategy's place within its worker.
pub(crate) type SlotIndex = usize;

/// The feeds of a worker's strategies, and the index built from them.
#[derive(Debug, Default)]
pub(crate) struct Dispatch {
    feeds: Vec<BTreeSet<Key>>,
    accounts: Vec<SlotIndex>,
    /// By instrument: subscribers of quotes, trades, book.
    market: Vec<[Vec<SlotIndex>; 3]>,
    /// By instrument: strategies with any feed of it.
    interested: Vec<Vec<SlotIndex>>,
    signals: HashMap<TextId, SignalSubscribers>,
    running: Vec<SlotIndex>,
}

/// The subscribers of a signal.
#[derive(Debug, Default)]
struct SignalSubscribers {
    /// Those that take it from any publisher.
    of_anyone: Vec<SlotIndex>,
    /// By publisher: those that name it, and those that take it from any.
    of_publisher: HashMap<StrategyId, Vec<SlotIndex>>,
}

impl SignalSubscribers {
    /// Adds a subscriber after all others.
    fn enlist(&mut self, place: SlotIndex, publisher: Option<StrategyId>) {
        let Self {
            of_anyone,
            of_publisher,
        } = self;
        match publisher {
            None => {
                of_anyone.push(place);
                of_publisher.values_mut().for_each(|list| add(list, place));
            }
            Some(publisher) => {
                let list = of_publisher.entry(publisher);
                add(list.or_insert_with(|| of_anyone.clone()), place);
            }
        }
    }

    fn of(&self, publisher: StrategyId) -> &[SlotIndex] {
        let named = self.of_publisher.get(&publisher);
        named.unwrap_or(&self.of_anyone)
    }
}

/// Adds a place to a list, unless it was the last to be added.
fn add(list: &mut Vec<SlotIndex>, place: SlotIndex) {
    if list.last() != Some(&place) {
        list.push(place);
    }
}

/// A feed without its padding, ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Market(u32, usize),
    Bars(BarSpec),
    Signal(u32, Option<StrategyId>),
}

impl Key {
    fn of(request: &FeedRequest) -> Self {
        match request.feed {
            Feed::Quotes => Self::Market(request.target, 0),
            Feed::Trades => Self::Market(request.target, 1),
            Feed::Book => Self::Market(request.target, 2),
            Feed::Bars => Self::Bars(BarSpec {
                instrument: InstrumentId(request.target),
                basis: request.basis,
                step: request.step,
            }),
            Feed::Signals => Self::Signal(request.target, request.publisher()),
        }
    }
}

impl Dispatch {
    /// Adds a strategy; returns its place.
    pub(crate) fn add(&mut self, feeds: &[FeedRequest], accounts: bool) -> SlotIndex {
        let place = self.feeds.len();
        self.feeds.push(feeds.iter().map(Key::of).collect());
        self.running.push(place);
        if accounts {
            self.accounts.push(place);
        }
        // The last place: the index of the others is unaffected.
        self.enlist(place);
        place
    }

    /// Adds a strategy at a place from which one was removed.
    pub(crate) fn add_again(&mut self, place: SlotIndex, feeds: &[FeedRequest], accounts: bool) {
        self.feeds[place] = feeds.iter().map(Key::of).collect();
        self.running.push(place);
        self.running.sort_unstable();
        self.set_accounts(place, accounts);
        self.index();
    }

    /// Starts or ends the feed of the account's balances.
    pub(crate) fn set_accounts(&mut self, place: SlotIndex, wanted: bool) {
        self.accounts.retain(|other| *other != place);
        if wanted {
            self.accounts.push(place);
            self.accounts.sort_unstable();
        }
    }

    /// Removes a strategy; its place stays empty.
    pub(crate) fn remove(&mut self, place: SlotIndex) {
        self.feeds[place].clear();
        self.accounts.retain(|other| *other != place);
        self.running.retain(|other| *other != place);
        self.index();
    }

    /// Starts or ends a feed; returns whether that changed anything.
    pub(crate) fn change(&mut self, place: SlotIndex, request: &FeedRequest, wanted: bool) -> bool {
        let key = Key::of(request);
        let changed = if wanted {
            self.feeds[place].insert(key)
        } else {
            self.feeds[place].remove(&key)
        };
        if changed {
            self.index();
        }
        changed
    }

    /// Returns the subscribers of `event`. Own events (orders, fills, timers) are not looked up here.
    pub(crate) fn subscribers(&self, event: &Event) -> &[SlotIndex] {
        match event.kind().audience() {
            Audience::Feed(Feed::Quotes) => self.market_feed(event, 0),
            Audience::Feed(Feed::Trades) => self.market_feed(event, 1),
            Audience::Feed(Feed::Book) => self.market_feed(event, 2),
            Audience::Accounts => &self.accounts,
            // Own events go to their owner, bars to the listeners of the builder that made them.
            Audience::Single | Audience::Feed(Feed::Bars) => &[],
            Audience::Affected | Audience::Feed(Feed::Signals) => self.rarer(event),
        }
    }

    fn market_feed(&self, event: &Event, kind: usize) -> &[SlotIndex] {
        let instrument = event.instrument().map_or(usize::MAX, InstrumentId::index);
        self.market
            .get(instrument)
            .map_or(&[], |kinds| &kinds[kind])
    }

    fn rarer(&self, event: &Event) -> &[SlotIndex] {
        match event.body() {
            Body::Signal(Signal { source, name, .. }) => {
                let subscribers = self.signals.get(&name);
                subscribers.map_or(&[], |signal| signal.of(source))
            }
            Body::Venue(status) => match status.scope {
                VenueScope::Venue => &self.running,
                VenueScope::Instrument => self
                    .interested
                    .get(status.instrument.index())
                    .map_or(&[], Vec::as_slice),
            },
            other => unreachable!("{} is neither a signal nor a venue's status", other.kind()),
        }
    }

    fn index(&mut self) {
        self.market.clear();
        self.interested.clear();
        self.signals.clear();
        (0..self.feeds.len()).for_each(|place| self.enlist(place));
    }

    /// Adds a strategy after all others in the index.
    fn enlist(&mut self, place: SlotIndex) {
        let Self {
            feeds,
            market,
            interested,
            signals,
            ..
        } = self;
        for key in &feeds[place] {
            let instrument = match key {
                Key::Market(target, _) => *target as usize,
                Key::Bars(spec) => spec.instrument.index(),
                Key::Signal(name, publisher) => {
                    let subscribers = signals.entry(TextId(*name)).or_default();
                    subscribers.enlist(place, *publisher);
                    continue;
                }
            };
            if instrument >= market.len() {
                market.resize_with(instrument + 1, Default::default);
                interested.resize_with(instrument + 1, Vec::new);
            }
            add(&mut interested[instrument], place);
            if let Key::Market(_, kind) = key {
                market[instrument][*kind].push(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{BarBasis, Pad, VenueId, VenueState, VenueStatus};

    fn feed(feed: Feed, target: u32) -> FeedRequest {
        FeedRequest {
            target,
            step: 0,
            feed,
            basis: BarBasis::Time,
            pad: Pad::ZERO,
        }
    }

    fn signal(name: u32) -> Event {
        signal_of(StrategyId::HOST, name)
    }

    fn signal_of(source: StrategyId, name: u32) -> Event {
        Event::new(
            0,
            0,
            Signal {
                reserved: Pad::ZERO,
                source,
                name: TextId(name),
                value: 1.0,
            },
        )
    }

    #[test]
    fn an_event_goes_to_its_subscribers_and_to_nobody_else() {
        let mut dispatch = Dispatch::default();
        let first = dispatch.add(&[feed(Feed::Signals, 3), feed(Feed::Trades, 40)], false);
        let second = dispatch.add(
            &[
                feed(Feed::Signals, 3),
                feed(Feed::Quotes, 40),
                feed(Feed::Book, 40),
            ],
            true,
        );
        assert_eq!(dispatch.subscribers(&signal(3)), [first, second]);
        assert!(dispatch.subscribers(&signal(4)).is_empty());

        let status = VenueStatus {
            reserved: Pad::ZERO,
            venue: VenueId(0),
            instrument: InstrumentId(40),
            scope: VenueScope::Instrument,
            state: VenueState::Stale,
            pad: Pad::ZERO,
        };
        assert_eq!(
            dispatch.subscribers(&Event::new(0, 0, status)),
            [first, second]
        );

        dispatch.change(first, &feed(Feed::Signals, 3), false);
        dispatch.remove(second);
        assert!(dispatch.subscribers(&signal(3)).is_empty());
    }

    #[test]
    fn a_signal_of_a_named_strategy_comes_from_nobody_else_and_only_once() {
        let of = |publisher| FeedRequest::signal(TextId(3), publisher);
        let (honest, forger) = (StrategyId(1), StrategyId(2));
        let mut dispatch = Dispatch::default();
        let anyone = dispatch.add(&[of(None)], false);
        let named = dispatch.add(&[of(Some(honest))], false);
        let both = dispatch.add(&[of(None), of(Some(honest))], false);
        let last = dispatch.add(&[of(None)], false);
        let subscribers =
            |dispatch: &Dispatch, source| dispatch.subscribers(&signal_of(source, 3)).to_vec();
        assert_eq!(subscribers(&dispatch, honest), [anyone, named, both, last]);
        assert_eq!(subscribers(&dispatch, forger), [anyone, both, last]);
        assert_eq!(
            subscribers(&dispatch, StrategyId::HOST),
            [anyone, both, last]
        );
        dispatch.change(both, &of(None), false);
        dispatch.remove(last);
        assert_eq!(subscribers(&dispatch, honest), [anyone, named, both]);
        assert_eq!(subscribers(&dispatch, forger), [anyone]);
        assert!(dispatch.subscribers(&signal_of(honest, 4)).is_empty());
    }
}
