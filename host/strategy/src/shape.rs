//! Limits on the shape of a module, checked while it is validated and before it is encoded or compiled.
//!
//! Compilers take time and memory that grow faster than some of a module's dimensions, and a component of two kilobytes can
//! ask for a billion instances. Each limit is above what the toolchains of every guest language emit (the most is given in
//! parentheses; the tests have the census), and is found out while the file is read once.

use crate::error::LoadError;
use crate::footprint::{Footprint, MAX_COMPONENTS, MAX_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::proposals::{ALLOWED, refusal};
use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Encoding, FuncToValidate, FuncValidatorAllocations,
    FunctionBody, Instance, Parser, Payload, ValidPayload, Validator, ValidatorResources,
};

/// Functions of a file (14,000).
const FUNCTIONS: u64 = 100_000;

/// Local variables of a function, with its parameters (300).
const LOCALS: u64 = 10_000;

/// Values on the stack of a function (50).
const OPERANDS: u64 = 10_000;

/// Blocks within blocks of a function (800, in the loop of an interpreter).
const BLOCKS: u64 = 2_000;

/// Components within components (4).
const COMPONENTS: u64 = 16;

/// Global variables of a started strategy (900).
const GLOBALS: u64 = 50_000;

/// A module or component that is being read.
#[derive(Default)]
struct Frame {
    is_module: bool,
    /// What an instance of each module and component in its index spaces holds.
    modules: Vec<Footprint>,
    components: Vec<Footprint>,
    /// What an instance of itself holds.
    made: Footprint,
}

/// The largest of each dimension of the code in a file; of functions, all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Largest {
    functions: u64,
    locals: u64,
    operands: u64,
    blocks: u64,
    /// Components within components.
    components: u64,
}

/// Validates a module or component, checks its shape, and returns what an instance of it holds.
///
/// # Errors
/// It is not valid, uses a proposal that is not allowed, or is of an absurd shape.
pub(crate) fn validate(bytes: &[u8], file: &str) -> Result<Footprint, LoadError> {
    let mut walk = Walk::default();
    match walk.read(bytes) {
        Ok(()) => Ok(walk.whole),
        Err(Stop::Invalid(error)) => Err(refusal(&error, bytes, file)),
        Err(Stop::Absurd(shape)) => Err(LoadError::Shape {
            file: file.to_owned(),
            problem: shape,
        }),
    }
}

/// Why a walk stops.
enum Stop {
    Invalid(BinaryReaderError),
    Absurd(String),
}

impl From<BinaryReaderError> for Stop {
    fn from(error: BinaryReaderError) -> Self {
        Self::Invalid(error)
    }
}

#[derive(Default)]
struct Walk {
    frames: Vec<Frame>,
    largest: Largest,
    allocations: FuncValidatorAllocations,
    /// What an instance of the whole holds, once all of it is read.
    whole: Footprint,
}

impl Walk {
    fn read(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut validator = Validator::new_with_features(ALLOWED);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            self.measure(&payload)?;
            if let ValidPayload::Func(function, body) = validator.payload(&payload)? {
                self.function(function, &body)?;
            }
        }
        Ok(())
    }

    /// Counts what a section adds.
    fn measure(&mut self, payload: &Payload<'_>) -> Result<(), Stop> {
        if let Payload::Version { encoding, .. } = payload {
            self.frames.push(Frame::of(*encoding));
            return at_most(
                "components within each other",
                raised(&mut self.largest.components, self.frames.len()),
                COMPONENTS,
            );
        }
        if let Payload::End(_) = payload {
            return self.end();
        }
        let (outer, frame) = match self.frames.split_last_mut() {
            Some((frame, outer)) => (outer, frame),
            None => return Ok(()),
        };
        match payload {
            Payload::FunctionSection(section) => {
                self.largest.functions += u64::from(section.count());
                at_most("functions", self.largest.functions, FUNCTIONS)?;
                count(&mut frame.made.items, section.count());
            }
            Payload::MemorySection(section) => count(&mut frame.made.memories, section.count()),
            Payload::TableSection(section) => count(&mut frame.made.tables, section.count()),
            Payload::GlobalSection(section) => count(&mut frame.made.globals, section.count()),
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    import?;
                    count(&mut frame.made.items, 1);
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                count(&mut frame.made.items, section.count());
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        frame.made.add(&item(&frame.modules, module_index));
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if let ComponentInstance::Instantiate {
                        component_index, ..
                    } = instance?
                    {
                        frame.made.add(&item(&frame.components, component_index));
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section.clone() {
                    frame.alias(outer, &alias?)?;
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section.clone() {
                    if let ComponentTypeRef::Module(_) | ComponentTypeRef::Component(_) = import?.ty
                    {
                        return Err(unknown_shape());
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone() {
                    let export = export?;
                    // An export is an item of its own in the index space.
                    frame.repeat(export.kind, export.index);
                }
            }
            _ => {}
        }
        check(&frame.made)
    }

    /// Puts what was read into the index space of what contains it.
    fn end(&mut self) -> Result<(), Stop> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        match self.frames.last_mut() {
            None => self.whole = frame.made,
            Some(outer) if frame.is_module => outer.modules.push(frame.made),
            Some(outer) => outer.components.push(frame.made),
        }
        Ok(())
    }

    fn function(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: &FunctionBody<'_>,
    ) -> Result<(), Stop> {
        let allocations = std::mem::take(&mut self.allocations);
        let mut validator = function.into_validator(allocations);
        let mut reader = body.get_binary_reader();
        validator.read_locals(&mut reader)?;
        at_most(
            "local variables in a function",
            raised(&mut self.largest.locals, validator.len_locals()),
            LOCALS,
        )?;
        reader.set_features(ALLOWED);
        let mut operators = wasmparser::OperatorsReader::new(reader);
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            validator.op(offset, &operator)?;
            at_most(
                "values on the stack of a function",
                raised(&mut self.largest.operands, validator.operand_stack_height()),
                OPERANDS,
            )?;
            at_most(
                "blocks within each other",
                raised(&mut self.largest.blocks, validator.control_stack_height()),
                BLOCKS,
            )?;
        }
        operators.finish()?;
        self.allocations = validator.into_allocations();
        Ok(())
    }
}

impl Frame {
    fn of(encoding: Encoding) -> Self {
        let is_module = encoding == Encoding::Module;
        Self {
            is_module,
            made: Footprint {
                instances: u64::from(is_module),
                components: u64::from(!is_module),
                ..Footprint::default()
            },
            ..Self::default()
        }
    }

    fn alias(&mut self, outer: &[Self], alias: &ComponentAlias<'_>) -> Result<(), Stop> {
        match alias {
            ComponentAlias::Outer { kind, count, index } => {
                let from = match *count as usize {
                    0 => Some(&*self),
                    count => outer.len().checked_sub(count).and_then(|at| outer.get(at)),
                };
                let made = |items: fn(&Self) -> &Vec<Footprint>| {
                    from.map_or_else(Footprint::default, |from| item(items(from), *index))
                };
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let module = made(|from| &from.modules);
                        self.modules.push(module);
                    }
                    ComponentOuterAliasKind::Component => {
                        let component = made(|from| &from.components);
                        self.components.push(component);
                    }
                    _ => {}
                }
                Ok(())
            }
            ComponentAlias::CoreInstanceExport { .. } => {
                count(&mut self.made.items, 1);
                Ok(())
            }
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Module | ComponentExternalKind::Component,
                ..
            } => Err(unknown_shape()),
            _ => Ok(()),
        }
    }

    fn repeat(&mut self, kind: ComponentExternalKind, index: u32) {
        match kind {
            ComponentExternalKind::Module => self.modules.push(item(&self.modules, index)),
            ComponentExternalKind::Component => self.components.push(item(&self.components, index)),
            _ => {}
        }
    }
}

fn check(made: &Footprint) -> Result<(), Stop> {
    at_most("core instances", made.instances, MAX_INSTANCES)?;
    at_most("component instances", made.components, MAX_COMPONENTS)?;
    at_most("memories", made.memories, MAX_MEMORIES)?;
    at_most("tables", made.tables, MAX_TABLES)?;
    at_most("global variables", made.globals, GLOBALS)
}

fn count(sum: &mut u64, more: u32) {
    *sum = sum.saturating_add(more.into());
}

/// An index that is out of range is left to the validator.
fn item(made: &[Footprint], index: u32) -> Footprint {
    made.get(index as usize).copied().unwrap_or_default()
}

/// Raises a maximum to what was found, and returns it.
fn raised(largest: &mut u64, found: impl TryInto<u64>) -> u64 {
    *largest = (*largest).max(found.try_into().unwrap_or(u64::MAX));
    *largest
}

fn at_most(what: &str, found: u64, limit: u64) -> Result<(), Stop> {
    if found <= limit {
        return Ok(());
    }
    Err(Stop::Absurd(format!(
        "it has {found} {what}, and the maximum is {limit}"
    )))
}

/// A module or component that is only known when the component is started can't be counted.
fn unknown_shape() -> Stop {
    Stop::Absurd("it passes modules or components around as values".to_owned())
}

#[cfg(test)]
mod census;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let bytes = wat::parse_str(text).unwrap();
        validate(&bytes, "x.wasm").unwrap_err().to_string()
    }

    #[test]
    fn each_limit_is_named_with_what_was_found() {
        let functions = "(func)".repeat(100_001);
        let blocks = format!("(func {} {})", "block ".repeat(2_000), "end ".repeat(2_000));
        let operands = format!(
            "(func {} {})",
            "i32.const 0 ".repeat(10_001),
            "drop ".repeat(10_001)
        );
        let memories = "(core instance (instantiate $m))".repeat(9);
        for (text, problem) in [
            (
                format!("(module {functions})"),
                "it has 100001 functions, and the maximum is 100000",
            ),
            (
                format!("(module (func (local {})))", "i32 ".repeat(10_001)),
                "it has 10001 local variables in a function, and the maximum is 10000",
            ),
            (
                format!("(module {blocks})"),
                "it has 2001 blocks within each other, and the maximum is 2000",
            ),
            (
                format!("(module {operands})"),
                "it has 10001 values on the stack of a function, and the maximum is 10000",
            ),
            (
                format!("(component (core module $m (memory 1)) {memories})"),
                "it has 9 memories, and the maximum is 8",
            ),
            (
                format!("(module {})", "(global i32 (i32.const 0))".repeat(50_001)),
                "it has 50001 global variables, and the maximum is 50000",
            ),
            (
                format!("{}{}", "(component ".repeat(17), ")".repeat(17)),
                "it has 17 components within each other, and the maximum is 16",
            ),
        ] {
            let error = refused(&text);
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn instances_are_counted_as_often_as_they_are_made() {
        // Each level starts the one below twice.
        let mut text =
            "(component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))"
                .to_owned();
        for level in 1..=7 {
            let below = level - 1;
            text += &format!(
                "(component $c{level} (alias outer $root $c{below} (component $below)) \
                 (instance (instantiate $below)) (instance (instantiate $below)))"
            );
        }
        let error = refused(&format!(
            "(component $root {text} (instance (instantiate $c7)))"
        ));
        assert!(
            error.contains("memories, and the maximum is 8") || error.contains("core instances"),
            "{error}"
        );
        for values in [
            "(component (import \"c\" (component)))",
            "(component (import \"m\" (core module)))",
        ] {
            assert!(refused(values).contains("around as values"), "{values}");
        }
    }

    #[test]
    fn everything_counts_as_often_as_it_is_instantiated() {
        let text = "(component
               (core module $m (memory 1) (table 1 funcref) (global i32 (i32.const 0)) (func) (func))
               (component $c
                 (alias outer 1 $m (core module $again))
                 (core instance (instantiate $again))
                 (core instance (instantiate $again)))
               (instance (instantiate $c))
               (instance (instantiate $c))
               (core instance (instantiate $m)))";
        assert_eq!(
            validate(&wat::parse_str(text).unwrap(), "x.wasm").unwrap(),
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
    fn what_is_within_the_limits_is_valid() {
        for text in [
            "(module (memory 1) (table 10 funcref) (func (param i32) (result i32) local.get 0))",
            "(component (core module $m (memory 1)) (core instance (instantiate $m)) (core instance (instantiate $m)))",
        ] {
            validate(&wat::parse_str(text).unwrap(), "x.wasm").unwrap();
        }
    }
}
