//! A module with its settings, from which the engine creates instances.
//!
//! If the runtime makes spares, one instance is created in advance on a separate thread, so the strategy's thread only has to
//! start it. A retired instance is dropped on another thread: releasing the memory of a large one takes milliseconds.

use crate::account::Newcomer;
use crate::instance::Instance;
use crate::limits::Start;
use crate::module::{Module, StartOptions, Unstarted};
use crate::parameters::Wants;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_engine::OrderLimits;
use tickdeck_engine::port::{Code, Fault, State, StopReason, Strategy, SwapPolicy, Version};
use tickdeck_model::{Action, Event};
use tickdeck_portfolio::StrategyBook;

/// A module with its settings. An instance is created in advance, so that a handover waits only for `init` or `restore`.
pub struct Program {
    stock: Arc<Stock>,
}

/// What instances are created from, and the spare one.
struct Stock {
    module: Module,
    options: StartOptions,
    /// An instance, or why there is none.
    spare: Mutex<Option<Result<Unstarted, Fault>>>,
    is_making: AtomicBool,
    /// Whether it has had an instance.
    is_admitted: AtomicBool,
}

/// Marks that an instance is being created, until this is dropped.
struct Making<'a>(&'a AtomicBool);

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Program {
    /// Combines a module with the options that its instances start with.
    pub fn new(module: Module, options: StartOptions) -> Self {
        Self {
            stock: Arc::new(Stock {
                module,
                options,
                spare: Mutex::new(None),
                is_making: AtomicBool::new(false),
                is_admitted: AtomicBool::new(false),
            }),
        }
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.stock.module
    }

    /// The options that its instances start with.
    pub fn options(&self) -> &StartOptions {
        &self.stock.options
    }

    /// Creates an instance in advance, unless there is one; call it on a thread that can wait.
    ///
    /// # Errors
    /// The module's start function traps, or there is no memory for the instance.
    pub fn prepare(&self) -> Result<(), Fault> {
        if !self.stock.is_ready() {
            let made = self.stock.make(Start::Ahead)?;
            *self.stock.spare() = Some(Ok(made));
        }
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
        let registry = &self.options().registry;
        let text = |id| (id, registry.text(id).unwrap_or_default().to_owned());
        let manifest = self.module().manifest();
        Version {
            label: manifest.version.clone(),
            hash: self.module().hash().to_string(),
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

    fn start_by(
        &self,
        book: &mut Box<StrategyBook>,
        start: Start,
    ) -> Result<Box<dyn Strategy>, Fault> {
        let mut unstarted = self.stock.take(start)?;
        let started = unstarted.start(book, start);
        let placed = self.placed(unstarted);
        started.map(|()| placed)
    }

    /// Wraps an instance, started or not, so that another thread drops it.
    fn placed(&self, unstarted: Unstarted) -> Box<dyn Strategy> {
        Box::new(Placed {
            instance: Some(unstarted.into_instance()),
            module: self.module().clone(),
        })
    }
}

impl Code for Program {
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        self.start_by(book, Start::Ahead)
    }

    fn start_in_place(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        self.start_by(book, Start::InPlace)
    }

    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        let mut unstarted = self.stock.take(Start::InPlace)?;
        let restored = unstarted.restore(book, state);
        let placed = self.placed(unstarted);
        restored.map(|()| placed)
    }

    fn is_ready(&self) -> bool {
        let is_ready = !self.stock.makes_spares() || self.stock.is_ready();
        if !is_ready {
            self.stock.order();
        }
        is_ready
    }

    fn schema(&self) -> u32 {
        self.module().manifest().state_schema
    }

    fn restores(&self) -> &[u32] {
        &self.module().manifest().restores
    }
}

impl Stock {
    fn makes_spares(&self) -> bool {
        let makes_spares = self.module.engine().makes_spares();
        makes_spares.load(Ordering::Relaxed)
    }

    fn is_ready(&self) -> bool {
        self.spare().is_some()
    }

    /// Takes the spare instance and has the next one created; without a spare, creates one here.
    fn take(self: &Arc<Self>, start: Start) -> Result<Unstarted, Fault> {
        let spare = self.spare().take();
        // The reason for having none may be gone: other strategies may have given memory back.
        let taken = match spare {
            Some(Ok(spare)) => Ok(spare),
            Some(Err(_)) | None => self.make(start),
        };
        // Only now: the instance that is needed has the first claim on memory.
        self.order();
        taken
    }

    fn make(&self, start: Start) -> Result<Unstarted, Fault> {
        let newcomer = match self.is_admitted.load(Ordering::Acquire) {
            true => Newcomer::Instance,
            false => Newcomer::Module,
        };
        let made = self
            .module
            .instantiate(self.options.clone(), start, newcomer)?;
        self.is_admitted.store(true, Ordering::Release);
        Ok(made)
    }

    /// Has an instance created in advance, unless one is being created.
    fn order(self: &Arc<Self>) {
        if !self.makes_spares() || self.is_making.swap(true, Ordering::AcqRel) {
            return;
        }
        let stock = Arc::downgrade(self);
        self.module.engine().spares().run(move || {
            // The program may be gone by now.
            let Some(stock) = stock.upgrade() else {
                return;
            };
            let _making = Making(&stock.is_making);
            if !stock.is_ready() {
                let made = stock.make(Start::Ahead);
                *stock.spare() = Some(made);
            }
        });
    }

    fn spare(&self) -> MutexGuard<'_, Option<Result<Unstarted, Fault>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        let spare = self.spare().take();
        let module = self.module.clone();
        let drops = self.module.engine().clone();
        drops.drops().run(move || drop((spare, module)));
    }
}

/// A running instance, which another thread drops when it is done.
struct Placed {
    /// `None` only while it is dropped.
    instance: Option<Instance>,
    module: Module,
}

impl Placed {
    fn instance(&mut self) -> &mut Instance {
        let instance = self.instance.as_mut();
        instance.expect("an instance is taken out only when it is dropped")
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let instance = self.instance.take();
        let drops = self.module.engine().clone();
        drops.drops().run(move || drop(instance));
    }
}

impl Strategy for Placed {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        self.instance().on_events(batch, book, actions)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        self.instance().save()
    }

    fn save_into(&mut self, state: &mut Vec<u8>) -> Result<Result<(), String>, Fault> {
        self.instance().save_into(state)
    }

    fn long_call_ns(&self) -> Option<u64> {
        self.instance.as_ref()?.long_call_ns()
    }

    fn thread_time_ns(&self) -> Option<u64> {
        self.instance.as_ref()?.thread_time_ns()
    }

    fn restore_time_limit(&mut self) {
        self.instance().restore_time_limit();
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        self.instance().stop(reason)
    }
}
