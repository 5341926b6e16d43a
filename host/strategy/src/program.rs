//! A module with its settings: what the engine makes instances from.

use crate::instance::Instance;
use crate::module::{Module, StartOptions, Unstarted};
use crate::parameters::Wants;
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_engine::OrderLimits;
use tickdeck_engine::port::{Code, Fault, State, Strategy, SwapPolicy, Version};
use tickdeck_portfolio::StrategyBook;

/// A module with its settings. An instance can be made ahead, so that a swap only waits for `restore`.
pub struct Program {
    module: Module,
    options: StartOptions,
    spare: Mutex<Option<Unstarted>>,
}

impl Program {
    /// A module and what its instances start with.
    pub fn new(module: Module, options: StartOptions) -> Self {
        Self {
            module,
            options,
            spare: Mutex::new(None),
        }
    }

    /// The module.
    pub const fn module(&self) -> &Module {
        &self.module
    }

    /// What its instances start with.
    pub const fn options(&self) -> &StartOptions {
        &self.options
    }

    /// Makes an instance ahead, on a thread that has the time.
    ///
    /// # Errors
    /// Its start function traps.
    pub fn prepare(&self) -> Result<(), Fault> {
        let made = self.module.instantiate(self.options.clone())?;
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(made);
        Ok(())
    }

    /// As the engine wants it: with its manifest resolved, its limits, and how it takes over.
    pub fn version(
        self: &Arc<Self>,
        wants: Wants,
        limits: Option<OrderLimits>,
        swap: SwapPolicy,
        spec: Arc<str>,
    ) -> Version {
        let registry = &self.options.registry;
        let text = |id| (id, registry.text(id).unwrap_or_default().to_owned());
        let manifest = self.module.manifest();
        Version {
            label: manifest.version.clone(),
            hash: self.module.hash().to_string(),
            feeds: wants.feeds,
            accounts: wants.accounts,
            messages: wants.messages.into_iter().map(text).collect(),
            order_policy: manifest.order_policy,
            limits,
            swap,
            spec,
            code: Arc::clone(self) as Arc<dyn Code>,
        }
    }

    /// The instance made ahead, or one made now.
    fn instance(&self) -> Result<Unstarted, Fault> {
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match spare {
            Some(made) => Ok(made),
            None => self.module.instantiate(self.options.clone()),
        }
    }
}

impl Code for Program {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        boxed(self.instance()?.start(book))
    }

    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        boxed(self.instance()?.restore(book, state))
    }

    fn schema(&self) -> u32 {
        self.module.manifest().state_schema
    }

    fn restores(&self) -> &[u32] {
        &self.module.manifest().restores
    }
}

fn boxed(instance: Result<Instance, Fault>) -> Result<Box<dyn Strategy>, Fault> {
    instance.map(|instance| Box::new(instance) as Box<dyn Strategy>)
}
