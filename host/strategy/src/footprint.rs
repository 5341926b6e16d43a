//! What a component makes the host hold for one instance of it, besides the contents of memories and tables: known from its
//! shape, before anything is compiled or instantiated.
//!
//! wasmtime asks a limiter about memories and tables as they are made and grow, but not about globals, functions and the
//! instances themselves. A component of two kilobytes can name millions of them: what a nested component holds counts each time
//! that it is instantiated, in every one that holds it.

use crate::error::LoadError;
use crate::text::one_line;
use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, Instance, Parser, Payload,
};

/// Core instances and tables of one strategy, each. A Python strategy has some thirty of each.
pub(crate) const MAX_INSTANCES: usize = 256;

/// Memories of one strategy. Toolchains make one; components that are composed of several have as many.
pub(crate) const MAX_MEMORIES: usize = 8;

/// Addresses that are reserved for one memory, so that the code needs no bounds checks.
pub(crate) const MEMORY_RESERVATION: u64 = 4 << 30;

/// Addresses on either side of a memory that are never mapped.
pub(crate) const MEMORY_GUARD: u64 = 32 << 20;

/// Bytes of a core instance: its own record, and its entries in the store's lists.
const INSTANCE_BYTES: u64 = 2_048;

/// Bytes of a component instance.
const COMPONENT_BYTES: u64 = 1_024;

/// Bytes of a memory or table, without its content.
const LARGE_ITEM_BYTES: u64 = 512;

/// Bytes of a global: wide enough for a vector.
const GLOBAL_BYTES: u64 = 16;

/// Bytes of anything else that an instance has an entry for: a function, an import, a trampoline between components.
const ITEM_BYTES: u64 = 64;

/// What one instance of a component holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// Core instances.
    pub(crate) instances: u64,
    components: u64,
    /// Memories, each of which reserves addresses.
    pub(crate) memories: u64,
    pub(crate) tables: u64,
    pub(crate) globals: u64,
    items: u64,
}

impl Footprint {
    /// Measures a component.
    ///
    /// # Errors
    /// It cannot be parsed, it is passed modules or components at run time, or it holds more of something than a strategy may.
    pub(crate) fn of(component: &[u8], file: &str) -> Result<Self, LoadError> {
        let refused = |problem| LoadError::Footprint {
            file: file.to_owned(),
            problem,
        };
        let footprint = measure(component).map_err(refused)?;
        footprint.check().map_err(refused)?;
        Ok(footprint)
    }

    /// Bytes.
    pub(crate) fn bytes(&self) -> usize {
        let large = self.memories.saturating_add(self.tables);
        let parts = [
            (self.instances, INSTANCE_BYTES),
            (self.components, COMPONENT_BYTES),
            (large, LARGE_ITEM_BYTES),
            (self.globals, GLOBAL_BYTES),
            (self.items, ITEM_BYTES),
        ];
        let bytes = parts.iter().fold(0u64, |sum, (count, each)| {
            sum.saturating_add(count.saturating_mul(*each))
        });
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Addresses that its memories reserve.
    pub(crate) const fn addresses(&self) -> u64 {
        self.memories
            .saturating_mul(MEMORY_RESERVATION + 2 * MEMORY_GUARD)
    }

    #[cfg(test)]
    pub(crate) fn of_memories(memories: u64) -> Self {
        Self {
            memories,
            ..Self::default()
        }
    }

    fn check(&self) -> Result<(), String> {
        let bounds = [
            ("core instances", self.instances, MAX_INSTANCES),
            ("component instances", self.components, MAX_INSTANCES),
            ("memories", self.memories, MAX_MEMORIES),
            ("tables", self.tables, MAX_INSTANCES),
        ];
        for (what, count, most) in bounds {
            if count > most as u64 {
                return Err(format!(
                    "one instance of it has {} {what}, a strategy may have {most}",
                    shown(count)
                ));
            }
        }
        Ok(())
    }

    fn add(&mut self, other: &Self) {
        let Self {
            instances,
            components,
            memories,
            tables,
            globals,
            items,
        } = other;
        for (sum, more) in [
            (&mut self.instances, instances),
            (&mut self.components, components),
            (&mut self.memories, memories),
            (&mut self.tables, tables),
            (&mut self.globals, globals),
            (&mut self.items, items),
        ] {
            *sum = sum.saturating_add(*more);
        }
    }
}

fn shown(count: u64) -> String {
    match count {
        u64::MAX => "more than 10^19".to_owned(),
        count => count.to_string(),
    }
}

/// A module or component that is being read.
#[derive(Default)]
struct Scope {
    is_component: bool,
    /// What one instance of it holds.
    own: Footprint,
    /// By index: what an instance holds; `None` where the module is passed in.
    modules: Vec<Option<Footprint>>,
    components: Vec<Option<Footprint>>,
}

fn measure(component: &[u8]) -> Result<Footprint, String> {
    let mut scopes: Vec<Scope> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(damaged)?;
        match payload {
            Payload::Version { encoding, .. } => {
                let mut scope = Scope {
                    is_component: encoding == wasmparser::Encoding::Component,
                    ..Scope::default()
                };
                match scope.is_component {
                    true => scope.own.components = 1,
                    false => scope.own.instances = 1,
                }
                scopes.push(scope);
            }
            Payload::End(_) => {
                let Some(ended) = scopes.pop() else {
                    continue;
                };
                let Some(outer) = scopes.last_mut() else {
                    return Ok(ended.own);
                };
                match ended.is_component {
                    true => outer.components.push(Some(ended.own)),
                    false => outer.modules.push(Some(ended.own)),
                }
            }
            payload => read(&mut scopes, payload)?,
        }
    }
    Err("it ends too early".to_owned())
}

fn read(scopes: &mut [Scope], payload: Payload<'_>) -> Result<(), String> {
    let Some((scope, outer)) = scopes.split_last_mut() else {
        return Ok(());
    };
    let own = &mut scope.own;
    match payload {
        Payload::FunctionSection(section) => count(&mut own.items, section.count()),
        Payload::TableSection(section) => count(&mut own.tables, section.count()),
        Payload::MemorySection(section) => count(&mut own.memories, section.count()),
        Payload::GlobalSection(section) => count(&mut own.globals, section.count()),
        Payload::ImportSection(section) => {
            for import in section.into_imports() {
                import.map_err(damaged)?;
                count(&mut own.items, 1);
            }
        }
        Payload::ComponentCanonicalSection(section) => count(&mut own.items, section.count()),
        Payload::ComponentImportSection(section) => {
            for import in section {
                scope.pass_in(import.map_err(damaged)?.ty.kind());
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section {
                let export = export.map_err(damaged)?;
                scope.repeat(export.kind, export.index)?;
            }
        }
        Payload::ComponentAliasSection(section) => {
            for alias in section {
                scope.alias(outer, alias.map_err(damaged)?)?;
            }
        }
        Payload::InstanceSection(section) => {
            for instance in section {
                if let Instance::Instantiate { module_index, .. } = instance.map_err(damaged)? {
                    let held = of(&scope.modules, module_index)?;
                    scope.own.add(&held.ok_or_else(passed_in)?);
                }
            }
        }
        Payload::ComponentInstanceSection(section) => {
            for instance in section {
                if let ComponentInstance::Instantiate {
                    component_index, ..
                } = instance.map_err(damaged)?
                {
                    let held = of(&scope.components, component_index)?;
                    scope.own.add(&held.ok_or_else(passed_in)?);
                }
            }
        }
        _ => {}
    }
    Ok(())
}

impl Scope {
    /// Takes the next index of something that is known only when the component is instantiated.
    fn pass_in(&mut self, kind: ComponentExternalKind) {
        match kind {
            ComponentExternalKind::Module => self.modules.push(None),
            ComponentExternalKind::Component => self.components.push(None),
            _ => {}
        }
    }

    /// An export has an index of its own.
    fn repeat(&mut self, kind: ComponentExternalKind, index: u32) -> Result<(), String> {
        match kind {
            ComponentExternalKind::Module => self.modules.push(of(&self.modules, index)?),
            ComponentExternalKind::Component => self.components.push(of(&self.components, index)?),
            _ => {}
        }
        Ok(())
    }

    fn alias(&mut self, outer: &[Self], alias: ComponentAlias<'_>) -> Result<(), String> {
        let (kind, back, index) = match alias {
            ComponentAlias::InstanceExport { kind, .. } => {
                self.pass_in(kind);
                return Ok(());
            }
            ComponentAlias::CoreInstanceExport { .. } => {
                count(&mut self.own.items, 1);
                return Ok(());
            }
            ComponentAlias::Outer { kind, count, index } => (kind, count as usize, index),
        };
        let from = match back {
            0 => &*self,
            back => outer
                .len()
                .checked_sub(back)
                .and_then(|at| outer.get(at))
                .ok_or("it refers to a component around it that does not exist")?,
        };
        match kind {
            ComponentOuterAliasKind::CoreModule => {
                let held = of(&from.modules, index)?;
                self.modules.push(held);
            }
            ComponentOuterAliasKind::Component => {
                let held = of(&from.components, index)?;
                self.components.push(held);
            }
            _ => {}
        }
        Ok(())
    }
}

fn of(known: &[Option<Footprint>], index: u32) -> Result<Option<Footprint>, String> {
    let found = known.get(index as usize).copied();
    found.ok_or_else(|| format!("it instantiates item {index}, which does not exist"))
}

fn count(sum: &mut u64, more: u32) {
    *sum = sum.saturating_add(more.into());
}

fn passed_in() -> String {
    "it is given modules or components to instantiate by another one; compose it without that"
        .to_owned()
}

fn damaged(error: BinaryReaderError) -> String {
    one_line(&format!("{} at byte {}", error.message(), error.offset()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> Result<Footprint, String> {
        let bytes = wat::parse_str(text).unwrap();
        Footprint::of(&bytes, "x.wasm").map_err(|error| error.to_string())
    }

    #[test]
    fn everything_counts_as_often_as_it_is_instantiated() {
        let footprint = of_text(
            "(component
               (core module $m (memory 1) (table 1 funcref) (global i32 (i32.const 0)) (func) (func))
               (component $c
                 (alias outer 1 $m (core module $again))
                 (core instance (instantiate $again))
                 (core instance (instantiate $again)))
               (instance (instantiate $c))
               (instance (instantiate $c))
               (core instance (instantiate $m)))",
        )
        .unwrap();
        assert_eq!(
            footprint,
            Footprint {
                instances: 5,
                components: 3,
                memories: 5,
                tables: 5,
                globals: 5,
                items: 10,
            }
        );
    }

    #[test]
    fn nested_components_that_multiply_are_refused_by_their_number() {
        let mut text =
            "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
        for level in 1..=80 {
            let inner = level - 1;
            text = format!(
                "(component $c{level} {text} (instance (instantiate $c{inner})) (instance (instantiate $c{inner})))"
            );
        }
        let refused = of_text(&text).unwrap_err();
        assert!(
            refused.contains("core instances, a strategy may have 256"),
            "{refused}"
        );
        assert!(refused.contains("more than 10^19"), "{refused}");
    }

    #[test]
    fn memories_are_few() {
        let memories = |count: usize| {
            let instances = "(core instance (instantiate $m))".repeat(count);
            of_text(&format!(
                "(component (core module $m (memory 1)) {instances})"
            ))
        };
        assert_eq!(
            memories(MAX_MEMORIES).unwrap().memories,
            MAX_MEMORIES as u64
        );
        let refused = memories(MAX_MEMORIES + 1).unwrap_err();
        assert!(
            refused.contains("has 9 memories, a strategy may have 8"),
            "{refused}"
        );
    }

    #[test]
    fn a_component_that_is_given_what_to_instantiate_is_refused() {
        let refused = of_text(
            r#"(component
                 (component $c (import "m" (core module $m)) (core instance (instantiate $m)))
                 (core module $m)
                 (instance (instantiate $c (with "m" (core module $m)))))"#,
        )
        .unwrap_err();
        assert!(refused.contains("compose it without that"), "{refused}");
    }

    #[test]
    fn globals_and_functions_are_bytes() {
        let globals = "(global (mut i64) (i64.const 0))".repeat(1_000);
        let footprint = of_text(&format!(
            "(component (core module $m {globals}) (core instance (instantiate $m)))"
        ))
        .unwrap();
        assert_eq!(footprint.globals, 1_000);
        assert!(footprint.bytes() >= 16_000, "{}", footprint.bytes());
    }
}
