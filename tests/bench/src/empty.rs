//! The minimum cost of a call into a component: a function without parameters, results or body.

use anyhow::Result;
use wasmtime::component::{Component, Linker, TypedFunc};
use wasmtime::{Config, Engine, Store};

const COMPONENT: &str = r#"
    (component
        (core module $m (func (export "run")))
        (core instance $i (instantiate $m))
        (func (export "run") (canon lift (core func $i "run"))))
"#;

/// An instance of a component that does nothing, with the engine flags of the strategy host.
pub(crate) struct Empty {
    store: Store<()>,
    run: TypedFunc<(), ()>,
}

impl Empty {
    pub(crate) fn start() -> Result<Self> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config)?;
        let component = Component::new(&engine, wat::parse_str(COMPONENT)?)?;
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = Linker::new(&engine).instantiate(&mut store, &component)?;
        let run = instance.get_typed_func(&mut store, "run")?;
        Ok(Self { store, run })
    }

    /// Calls it once.
    pub(crate) fn call(&mut self) -> Result<()> {
        Ok(self.run.call(&mut self.store, ())?)
    }
}
