//! A strategy whose state is one number.

use std::sync::Arc;
use tickdeck_engine::port::{Code, Fault, State, StopReason, Strategy, StrategyBook};
use tickdeck_model::{Action, Event};

/// What it does with a batch and its number; returns how many events it handled.
pub(crate) type Handle =
    dyn Fn(&mut u64, &[Event], &mut Vec<Action>) -> Result<usize, Fault> + Send + Sync;

/// The code, and an instance of it.
#[derive(Clone)]
pub(crate) struct Numbered {
    number: u64,
    handle: Arc<Handle>,
}

impl Numbered {
    /// One that begins with 0.
    pub(crate) fn new(
        handle: impl Fn(&mut u64, &[Event], &mut Vec<Action>) -> Result<usize, Fault>
        + Send
        + Sync
        + 'static,
    ) -> Arc<Self> {
        let handle = Arc::new(handle);
        Arc::new(Self { number: 0, handle })
    }
}

impl Code for Numbered {
    fn start(&self, _: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        Ok(Box::new(self.clone()))
    }

    fn restore(
        &self,
        _: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        let number = u64::from_le_bytes(state.bytes[..8].try_into().unwrap());
        let handle = Arc::clone(&self.handle);
        Ok(Box::new(Self { number, handle }))
    }

    fn schema(&self) -> u32 {
        1
    }

    fn restores(&self) -> &[u32] {
        &[1]
    }
}

impl Strategy for Numbered {
    fn on_events(
        &mut self,
        batch: &[Event],
        _: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        (self.handle)(&mut self.number, batch, actions)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        Ok(Ok(self.number.to_le_bytes().to_vec()))
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}
