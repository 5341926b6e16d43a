//! Limits on the shape of a module, checked while it is validated and before it is encoded or compiled.
//!
//! Compilers take time and memory that grow faster than some of a module's dimensions, and a component of two kilobytes can
//! ask for a billion instances. Each limit is far above what the toolchains of every guest language emit (CPython, the
//! largest, is given in parentheses), and is found out while the file is read once.

use crate::error::LoadError;
use crate::proposals::{ALLOWED, refusal};
use wasmparser::{
    BinaryReaderError, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Encoding, FuncToValidate, FuncValidatorAllocations,
    FunctionBody, Instance, Parser, Payload, ValidPayload, Validator, ValidatorResources,
};

/// Functions of a file (17,000).
const FUNCTIONS: u64 = 100_000;

/// Local variables of a function, with its parameters (some hundreds).
const LOCALS: u64 = 10_000;

/// Values on the stack of a function (some dozens).
const OPERANDS: u64 = 10_000;

/// Blocks within blocks of a function (300, in the loop of an interpreter).
const BLOCKS: u64 = 2_000;

/// Components within components (2).
const COMPONENTS: u64 = 16;

/// Core instances of a started strategy (30).
const INSTANCES: u64 = 256;

/// Memories of a started strategy, and its tables (30 each).
const MEMORIES: u64 = 64;
const TABLES: u64 = 64;

/// Global variables of a started strategy (some thousands).
const GLOBALS: u64 = 50_000;

/// What starting a module or component makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Made {
    instances: u64,
    memories: u64,
    tables: u64,
    globals: u64,
}

impl Made {
    fn add(&mut self, other: Self) {
        self.instances = self.instances.saturating_add(other.instances);
        self.memories = self.memories.saturating_add(other.memories);
        self.tables = self.tables.saturating_add(other.tables);
        self.globals = self.globals.saturating_add(other.globals);
    }
}

/// A module or component that is being read.
#[derive(Default)]
struct Frame {
    is_module: bool,
    /// What each module and component in its index spaces makes when it is started.
    modules: Vec<Made>,
    components: Vec<Made>,
    made: Made,
}

/// Validates a module or component, and checks its shape.
///
/// # Errors
/// It is not valid, uses a proposal that is not allowed, or is of an absurd shape.
pub(crate) fn validate(bytes: &[u8], file: &str) -> Result<(), LoadError> {
    Walk::default().validate(bytes).map_err(|stop| match stop {
        Stop::Invalid(error) => refusal(&error, bytes, file),
        Stop::Absurd(shape) => LoadError::Shape {
            file: file.to_owned(),
            problem: shape,
        },
    })
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
    functions: u64,
    allocations: FuncValidatorAllocations,
}

impl Walk {
    fn validate(mut self, bytes: &[u8]) -> Result<(), Stop> {
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
            self.frames.push(Frame {
                is_module: *encoding == Encoding::Module,
                ..Frame::default()
            });
            return at_most(
                "components within each other",
                self.frames.len(),
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
                self.functions += u64::from(section.count());
                at_most("functions", self.functions, FUNCTIONS)?;
            }
            Payload::MemorySection(section) => frame.made.memories += u64::from(section.count()),
            Payload::TableSection(section) => frame.made.tables += u64::from(section.count()),
            Payload::GlobalSection(section) => frame.made.globals += u64::from(section.count()),
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        frame.made.add(item(&frame.modules, module_index));
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section.clone() {
                    if let ComponentInstance::Instantiate {
                        component_index, ..
                    } = instance?
                    {
                        frame.made.add(item(&frame.components, component_index));
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
        frame.made.check()
    }

    /// Puts what was read into the index space of what contains it.
    fn end(&mut self) -> Result<(), Stop> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let mut made = frame.made;
        made.instances = made.instances.saturating_add(1);
        made.check()?;
        if let Some(outer) = self.frames.last_mut() {
            match frame.is_module {
                true => outer.modules.push(made),
                false => outer.components.push(made),
            }
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
            validator.len_locals(),
            LOCALS,
        )?;
        reader.set_features(ALLOWED);
        let mut operators = wasmparser::OperatorsReader::new(reader);
        while !operators.eof() {
            let (operator, offset) = operators.read_with_offset()?;
            validator.op(offset, &operator)?;
            at_most(
                "values on the stack of a function",
                validator.operand_stack_height(),
                OPERANDS,
            )?;
            at_most(
                "blocks within each other",
                validator.control_stack_height(),
                BLOCKS,
            )?;
        }
        operators.finish()?;
        self.allocations = validator.into_allocations();
        Ok(())
    }
}

impl Frame {
    fn alias(&mut self, outer: &[Self], alias: &ComponentAlias<'_>) -> Result<(), Stop> {
        match alias {
            ComponentAlias::Outer { kind, count, index } => {
                let from = match *count as usize {
                    0 => Some(&*self),
                    count => outer.len().checked_sub(count).and_then(|at| outer.get(at)),
                };
                let made = |items: fn(&Self) -> &Vec<Made>| {
                    from.map_or_else(Made::default, |from| item(items(from), *index))
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

impl Made {
    fn check(self) -> Result<(), Stop> {
        at_most("core instances", self.instances, INSTANCES)?;
        at_most("memories", self.memories, MEMORIES)?;
        at_most("tables", self.tables, TABLES)?;
        at_most("global variables", self.globals, GLOBALS)
    }
}

/// An index that is out of range is left to the validator.
fn item(made: &[Made], index: u32) -> Made {
    made.get(index as usize).copied().unwrap_or_default()
}

fn at_most(what: &str, found: impl TryInto<u64>, limit: u64) -> Result<(), Stop> {
    let found = found.try_into().unwrap_or(u64::MAX);
    if found <= limit {
        return Ok(());
    }
    Err(Stop::Absurd(format!(
        "it has {found} {what}, and {limit} is the most"
    )))
}

/// A module or component that is only known when the component is started can't be counted.
fn unknown_shape() -> Stop {
    Stop::Absurd("it passes modules or components around as values".to_owned())
}

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
        let memories = "(core instance (instantiate $m))".repeat(65);
        for (text, problem) in [
            (
                format!("(module {functions})"),
                "it has 100001 functions, and 100000 is the most",
            ),
            (
                format!("(module (func (local {})))", "i32 ".repeat(10_001)),
                "it has 10001 local variables in a function, and 10000 is the most",
            ),
            (
                format!("(module {blocks})"),
                "it has 2001 blocks within each other, and 2000 is the most",
            ),
            (
                format!("(module {operands})"),
                "it has 10001 values on the stack of a function, and 10000 is the most",
            ),
            (
                format!("(component (core module $m (memory 1)) {memories})"),
                "it has 65 memories, and 64 is the most",
            ),
            (
                format!("(module {})", "(global i32 (i32.const 0))".repeat(50_001)),
                "it has 50001 global variables, and 50000 is the most",
            ),
            (
                format!("{}{}", "(component ".repeat(17), ")".repeat(17)),
                "it has 17 components within each other, and 16 is the most",
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
            error.contains("and 64 is the most") || error.contains("core instances"),
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
    fn what_is_within_the_limits_is_valid() {
        for text in [
            "(module (memory 1) (table 10 funcref) (func (param i32) (result i32) local.get 0))",
            "(component (core module $m (memory 1)) (core instance (instantiate $m)) (core instance (instantiate $m)))",
        ] {
            validate(&wat::parse_str(text).unwrap(), "x.wasm").unwrap();
        }
    }
}
