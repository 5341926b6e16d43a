//! A compiled strategy from which instances are started.

use crate::account::Newcomer;
use crate::cache::CacheUse;
use crate::contract::World;
use crate::error::LoadError;
use crate::fault::not_made;
use crate::footprint::Footprint;
use crate::generated::lifecycle;
use crate::imports::State;
use crate::instance::{Exports, Guest, Instance};
use crate::limits::{Limiter, ResourceLimits, Start};
use crate::log::{Discard, LogSink, Logger};
use crate::manifest::Manifest;
use crate::wasm_engine::WasmEngine;
use std::sync::Arc;
use std::time::Duration;
use tickdeck_engine::port::{self as engine, Fault};
use tickdeck_model::{ModuleHash, Registry, Untrusted};
use tickdeck_portfolio::StrategyBook;
use wasmtime::component::{Component, InstancePre};

/// Everything known about a module without running it on events.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// The world that it implements.
    pub world: World,
    /// The contract version that it was built for.
    pub contract: Untrusted,
    /// The interfaces that it imports; if there are many, the first ones.
    pub imports: Vec<Untrusted>,
    /// Its exports; some toolchains add one of their own. If there are many, the first ones.
    pub exports: Vec<Untrusted>,
    /// Size of the file in bytes.
    pub size: usize,
    /// Hash of the file.
    pub hash: ModuleHash,
    /// Its manifest.
    pub manifest: Manifest,
    /// Time to compile the module, or to load it from the cache.
    pub compile_time: Duration,
    /// How the compile cache served it.
    pub cache: CacheUse,
}

/// The inputs of a new instance, besides its view of the store.
#[derive(Clone)]
pub struct StartOptions {
    /// The strategy's name in this deck, for its log and its faults.
    pub name: String,
    /// The values that [`Manifest::resolve`] returned.
    pub parameters: Vec<(String, String)>,
    /// Its resource limits.
    pub limits: ResourceLimits,
    /// The names and terms that the strategy can look up.
    pub registry: Arc<Registry>,
    /// The destination of its log lines.
    pub log: Arc<dyn LogSink>,
}

/// A compiled strategy. Clones share it.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    inspection: Inspection,
    exports: Exports,
    footprint: Footprint,
    /// Keeps the compiled code alive, so that loading the same module again does not recompile it.
    code: Arc<Component>,
    engine: WasmEngine,
}

impl Module {
    pub(crate) fn new(
        engine: WasmEngine,
        (code, pre, footprint): (Arc<Component>, InstancePre<State>, Footprint),
        inspection: impl FnOnce(Manifest) -> Inspection,
        world: World,
        file: &str,
        name: &str,
        limits: &ResourceLimits,
    ) -> Result<Self, LoadError> {
        let exports =
            Exports::find(pre, world).map_err(|error| LoadError::wrong_type(file, &error))?;
        let manifest = describe(&engine, (&exports, &footprint), file, name, limits)?;
        manifest.check().map_err(|problems| LoadError::Manifest {
            file: file.to_owned(),
            problems,
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                inspection: inspection(manifest),
                exports,
                footprint,
                code,
                engine,
            }),
        })
    }

    /// The name under which it was loaded.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The hash of its file.
    pub fn hash(&self) -> ModuleHash {
        self.inner.inspection.hash
    }

    /// The world that it implements.
    pub fn world(&self) -> World {
        self.inner.inspection.world
    }

    /// The size of its file in bytes.
    pub fn size(&self) -> usize {
        self.inner.inspection.size
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.inspection.manifest
    }

    /// Everything known about the module.
    pub fn inspection(&self) -> &Inspection {
        &self.inner.inspection
    }

    /// Starts a new instance by `init`, which may read `book`: its initial view of the store, including the first free
    /// order number.
    ///
    /// # Errors
    /// The strategy refuses or traps; the text says why.
    pub fn start(
        &self,
        options: StartOptions,
        book: &mut Box<StrategyBook>,
    ) -> Result<Instance, Fault> {
        let mut unstarted = self.instantiate(options, Start::Ahead, Newcomer::Instance)?;
        unstarted.start(book, Start::Ahead)?;
        Ok(unstarted.into_instance())
    }

    /// Starts an instance from a saved state by `restore`. A failed restore has no effects.
    ///
    /// # Errors
    /// The module does not read this schema, or the strategy refuses or traps; the text says why.
    pub fn restore(
        &self,
        options: StartOptions,
        book: &mut Box<StrategyBook>,
        state: &engine::State,
    ) -> Result<Instance, Fault> {
        let mut unstarted = self.instantiate(options, Start::Ahead, Newcomer::Instance)?;
        unstarted.restore(book, state)?;
        Ok(unstarted.into_instance())
    }

    pub(crate) fn engine(&self) -> &WasmEngine {
        &self.inner.engine
    }

    /// Instantiates the module without starting the strategy: most of the work, which can be done in advance.
    pub(crate) fn instantiate(
        &self,
        options: StartOptions,
        start: Start,
        newcomer: Newcomer,
    ) -> Result<Unstarted, Fault> {
        let Inner {
            exports,
            footprint,
            code,
            engine,
            ..
        } = &*self.inner;
        let (name, limits) = (&options.name, &options.limits);
        let log = Logger::new(name, options.log, limits.log_lines_per_s);
        let limiter = limiter(engine, footprint, name, limits, newcomer)?;
        let state = State::new(Box::default(), options.registry, log, limiter);
        let guest = Guest::instantiate(engine, exports, state, *limits, start)?;
        Ok(Unstarted {
            instance: Instance::new(
                guest,
                self.manifest().messages.len(),
                Arc::clone(code),
                engine.clone(),
            ),
            module: self.clone(),
            name: options.name,
            parameters: options.parameters,
        })
    }
}

/// An instance whose strategy is not started yet.
pub(crate) struct Unstarted {
    instance: Instance,
    module: Module,
    name: String,
    parameters: Vec<(String, String)>,
}

impl Unstarted {
    pub(crate) fn start(
        &mut self,
        book: &mut Box<StrategyBook>,
        start: Start,
    ) -> Result<(), Fault> {
        let inputs = self.inputs(book);
        self.instance.init(&inputs, book, start)
    }

    pub(crate) fn restore(
        &mut self,
        book: &mut Box<StrategyBook>,
        state: &engine::State,
    ) -> Result<(), Fault> {
        let manifest = self.module.manifest();
        if !manifest.restores.contains(&state.schema) {
            return Err(Fault(format!(
                "strategy `{}`: version {} cannot read states of schema {}, only of {:?}",
                self.name, manifest.version, state.schema, manifest.restores
            )));
        }
        let inputs = self.inputs(book);
        self.instance.restore(&inputs, book, state)
    }

    /// The instance, started or not.
    pub(crate) fn into_instance(self) -> Instance {
        self.instance
    }

    fn inputs(&mut self, book: &StrategyBook) -> lifecycle::Start {
        lifecycle::Start {
            parameters: std::mem::take(&mut self.parameters),
            next_order: book.next_order(),
        }
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("name", &self.inner.name)
            .field("hash", &self.hash())
            .finish_non_exhaustive()
    }
}

/// Opens the account of a new instance.
fn limiter(
    engine: &WasmEngine,
    footprint: &Footprint,
    name: &str,
    limits: &ResourceLimits,
    newcomer: Newcomer,
) -> Result<Limiter, Fault> {
    let charge = engine.memory().open(name, footprint, newcomer);
    let charge = charge.map_err(|full| not_made(name, &full))?;
    Limiter::new(limits, footprint, charge).map_err(|why| not_made(name, &why))
}

/// Asks a module for its manifest on a temporary instance.
fn describe(
    engine: &WasmEngine,
    (exports, footprint): (&Exports, &Footprint),
    file: &str,
    name: &str,
    limits: &ResourceLimits,
) -> Result<Manifest, LoadError> {
    let log = Logger::new(name, Arc::new(Discard), limits.log_lines_per_s);
    let described = limiter(engine, footprint, name, limits, Newcomer::Module)
        .map(|limiter| State::new(Box::default(), Arc::new(Registry::new()), log, limiter))
        .and_then(|state| Guest::instantiate(engine, exports, state, *limits, Start::Ahead))
        .and_then(|mut guest| guest.describe());
    described.map_err(|fault| LoadError::Describe {
        file: file.to_owned(),
        fault: fault.0,
    })
}
