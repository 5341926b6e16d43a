//! Runs a strategy: start, batches of events, save and restore. The same code runs in the sandbox and natively.

use crate::action::Action;
use crate::context::{Context, Init, Outbox};
use crate::event::Event;
use crate::ids::OrderNumber;
use crate::params::Parameters;
use crate::strategy::{Strategy, handle};
use crate::terms::StopReason;

/// A running strategy: its state, its parameters and the actions of the last call.
///
/// In a native build, the strategy reads the store and the instruments from the [`World`](crate::harness::World) that is
/// entered around the calls; [`Harness`](crate::harness::Harness) does this for tests.
pub struct Runner<S: Strategy> {
    strategy: S,
    params: S::Params,
    outbox: Outbox,
}

impl<S: Strategy + core::fmt::Debug> core::fmt::Debug for Runner<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Runner")
            .field("strategy", &self.strategy)
            .field("outbox", &self.outbox)
            .finish_non_exhaustive()
    }
}

impl<S: Strategy> Runner<S> {
    /// Starts without a saved state; `next_order` is the first unused order number.
    ///
    /// # Errors
    /// A parameter is invalid, or the strategy refuses to start.
    pub fn start(parameters: &[(String, String)], next_order: OrderNumber) -> Result<Self, String> {
        let params = S::Params::parse(parameters)?;
        let strategy = S::new(&params, &Init::new())?;
        Ok(Self {
            strategy,
            params,
            outbox: Outbox::new(next_order.0),
        })
    }

    /// Resumes from a saved state.
    ///
    /// # Errors
    /// A parameter is invalid, the strategy cannot read this schema, the state is damaged, or the strategy refuses it.
    pub fn restore(
        parameters: &[(String, String)],
        next_order: OrderNumber,
        schema: u32,
        state: &[u8],
    ) -> Result<Self, String> {
        let params = S::Params::parse(parameters)?;
        let mut strategy = read_state::<S>(schema, state)?;
        strategy.on_restore(&params, &Init::new())?;
        Ok(Self {
            strategy,
            params,
            outbox: Outbox::new(next_order.0),
        })
    }

    /// Returns the state, in the schema [`Strategy::STATE_VERSION`].
    ///
    /// # Errors
    /// The state contains a type that postcard cannot serialize.
    pub fn save(&self) -> Result<Vec<u8>, String> {
        postcard::to_allocvec(&self.strategy)
            .map_err(|error| format!("the state cannot be saved: {error}"))
    }

    /// Handles events in order up to and including the first that caused actions, and returns their number.
    pub fn on_events(&mut self, batch: &[Event]) -> usize {
        self.outbox.actions.clear();
        for (index, event) in batch.iter().enumerate() {
            self.on_event(event);
            if !self.outbox.actions.is_empty() {
                return index + 1;
            }
        }
        batch.len()
    }

    /// Returns the actions of the last call of [`on_events`](Self::on_events).
    pub fn actions(&self) -> &[Action] {
        &self.outbox.actions
    }

    /// Tells the strategy that it is about to end.
    pub fn stop(&mut self, reason: StopReason) {
        self.strategy.on_stop(&self.params, reason);
    }

    /// Returns the strategy.
    pub const fn strategy(&self) -> &S {
        &self.strategy
    }

    /// Returns its parameters.
    pub const fn params(&self) -> &S::Params {
        &self.params
    }

    /// Returns the number of its next order.
    pub const fn next_order(&self) -> OrderNumber {
        OrderNumber(self.outbox.next_order)
    }

    #[inline]
    fn on_event(&mut self, event: &Event) {
        let Self {
            strategy,
            params,
            outbox,
        } = self;
        let cx = &mut Context {
            params,
            event,
            outbox,
        };
        handle(strategy, cx);
    }
}

fn read_state<S: Strategy>(schema: u32, state: &[u8]) -> Result<S, String> {
    let damaged = || {
        format!(
            "the saved state (schema {schema}) does not fit this version: if the fields of the state changed, raise \
             `STATE_VERSION` and read the old ones in `migrate`, or start without it: other_schema = \"fresh\" under \
             [swap] in NAME.toml beside the module"
        )
    };
    if schema == S::STATE_VERSION {
        return match postcard::take_from_bytes(state) {
            Ok((strategy, [])) => Ok(strategy),
            _ => Err(damaged()),
        };
    }
    if !(S::OLDEST_STATE..S::STATE_VERSION).contains(&schema) {
        let (oldest, newest) = (S::OLDEST_STATE, S::STATE_VERSION);
        return Err(format!(
            "the saved state has schema {schema}; this version reads {oldest} to {newest}"
        ));
    }
    S::migrate(schema, state).ok_or_else(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Body, Quote, Timer};
    use crate::fixed::{Price, Size};
    use crate::ids::{InstrumentId, StrategyId};
    use crate::manifest::{Identity, Manifest};
    use crate::message::Message;
    use crate::subscription::Subscription;
    use crate::terms::OrderType;
    use serde::{Deserialize, Serialize};

    const TICK: Message = Message::new("tick");

    /// Sends `id` orders when timer `id` fires, and counts quotes.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        quotes: u64,
    }

    impl Strategy for Sample {
        type Params = ();
        const STATE_VERSION: u32 = 3;
        const OLDEST_STATE: u32 = 2;
        const MESSAGES: &'static [Message] = &[Message::new("tock"), TICK];

        fn subscriptions() -> Vec<Subscription> {
            vec![Subscription::quotes("*")]
        }

        fn new(_: &(), _: &Init) -> Result<Self, String> {
            Ok(Self { quotes: 0 })
        }

        fn migrate(version: u32, bytes: &[u8]) -> Option<Self> {
            (version == 2).then_some(Self {
                quotes: u64::from(*bytes.first()?),
            })
        }

        fn on_quote(&mut self, _: &mut Context<Self>, _: &Quote) {
            self.quotes += 1;
        }

        fn on_timer(&mut self, cx: &mut Context<Self>, timer: &Timer) {
            for _ in 0..timer.id {
                cx.sell(InstrumentId(1), Size(1))
                    .stop_limit(Price(5), Price(4))
                    .day()
                    .send();
            }
            cx.notify(TICK, 1.5);
        }
    }

    fn quote() -> Event {
        let (instrument, zero) = (InstrumentId(1), Size::ZERO);
        let body = Body::Quote(Quote {
            reserved: 0,
            instrument,
            bid: Price(1),
            bid_size: zero,
            ask: Price(2),
            ask_size: zero,
        });
        Event {
            sequence: 1,
            ts_venue: 2,
            ts_host: 3,
            body,
        }
    }

    fn timer(id: u32) -> Event {
        Event {
            body: Body::Timer(Timer {
                reserved: 0,
                strategy: StrategyId(1),
                id,
                due: 3,
            }),
            ..quote()
        }
    }

    fn runner() -> Runner<Sample> {
        Runner::start(&[], OrderNumber(7)).unwrap()
    }

    #[test]
    fn returns_after_the_first_event_that_caused_actions() {
        let mut runner = runner();
        assert_eq!(runner.on_events(&[quote(), timer(2), quote(), quote()]), 2);
        let orders: Vec<_> = runner
            .actions()
            .iter()
            .filter_map(|action| match action {
                Action::Submit(submit) => {
                    Some((submit.order.0, submit.kind, submit.stop_price, submit.price))
                }
                _ => None,
            })
            .collect();
        let kind = OrderType::StopLimit;
        assert_eq!(
            orders,
            [(7, kind, Price(5), Price(4)), (8, kind, Price(5), Price(4))]
        );
        assert!(matches!(runner.actions()[2], Action::Notify(notify) if notify.message == 1));
        assert_eq!(runner.on_events(&[quote(), quote()]), 2);
        assert!(runner.actions().is_empty());
        assert_eq!(
            (runner.strategy().quotes, runner.next_order()),
            (3, OrderNumber(9))
        );
    }

    #[test]
    fn resumes_a_saved_state_and_migrates_an_old_one() {
        let mut runner = runner();
        runner.on_events(&[quote(), quote()]);
        let state = runner.save().unwrap();
        let restore =
            |schema, state: &[u8]| Runner::<Sample>::restore(&[], OrderNumber(9), schema, state);
        let restored = restore(3, &state).unwrap();
        assert_eq!(
            (restored.strategy(), restored.next_order()),
            (runner.strategy(), OrderNumber(9))
        );
        assert_eq!(restore(2, &[5]).unwrap().strategy().quotes, 5);
        let damaged = restore(2, &[]).unwrap_err();
        assert!(damaged.starts_with("the saved state (schema 2) does not fit this version"));
        let damaged = restore(3, &[1, 2]).unwrap_err();
        assert!(damaged.starts_with("the saved state (schema 3) does not fit this version"));
        assert_eq!(
            restore(4, &state).unwrap_err(),
            "the saved state has schema 4; this version reads 2 to 3"
        );
    }

    #[test]
    fn derives_the_manifest() {
        let manifest = Manifest::of::<Sample>(Identity {
            name: "sample",
            version: "1.0.0",
            doc: "",
        });
        assert_eq!((manifest.state_schema, manifest.restores), (3, vec![2, 3]));
        assert_eq!(manifest.messages, ["tock", "tick"]);
    }

    #[test]
    #[should_panic(expected = "more than 256 actions for one event")]
    fn panics_with_a_clear_message_on_too_many_actions() {
        runner().on_events(&[timer(257)]);
    }
}
