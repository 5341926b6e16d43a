//! A module with its settings, from which the engine creates instances.

use crate::instance::Instance;
use crate::module::{Module, StartOptions, Unstarted};
use crate::parameters::Wants;
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_engine::OrderLimits;
use tickdeck_engine::port::{Code, Fault, State, Strategy, SwapPolicy, Version};
use tickdeck_portfolio::StrategyBook;

/// A module with its settings. An instance can be prepared in advance, so that a swap waits only for `restore`.
pub struct Program {
    module: Module,
    options: StartOptions,
    spare: Mutex<Option<Unstarted>>,
}

impl Program {
    /// Combines a module with the options that its instances start with.
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

    /// The options that its instances start with.
    pub const fn options(&self) -> &StartOptions {
        &self.options
    }

    /// Instantiates in advance; call it on a thread that can wait.
    ///
    /// # Errors
    /// The module's start function traps.
    pub fn prepare(&self) -> Result<(), Fault> {
        let unstarted = self.module.instantiate(self.options.clone())?;
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(unstarted);
        Ok(())
    }

    /// Describes the program to the engine: its resolved manifest, its limits, and its swap policy.
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

    /// Takes the prepared instance, or creates one.
    fn instance(&self) -> Result<Unstarted, Fault> {
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match spare {
            Some(unstarted) => Ok(unstarted),
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
