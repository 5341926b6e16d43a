//! Wraps a core module, as a compiler writes it, into a component.
//!
//! A core module carries its component type in custom sections. `wit-component` would trust that type, because it is
//! made for build tools: one wrong byte in a package's name makes it recurse until the process aborts, and all other
//! strategies with it. Therefore the validator, which is made for hostile input, compares the module's own type with the
//! contract that this host was built with, and the module is then encoded with the contract.

use crate::contract::{CONTRACT_VERSION, World, of_contract};
use crate::error::LoadError;
use std::collections::BTreeSet;
use tickdeck_model::untrusted::one_line;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentType};
use wasmparser::types::Types;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata, metadata};
use wit_parser::{Resolve, SourceMap, WorldId};

/// The WIT files of the contract that this host was built with.
const CONTRACT: [(&str, &str); 10] = [
    ("actions.wit", include_str!("../../../wit/actions.wit")),
    ("events.wit", include_str!("../../../wit/events.wit")),
    ("hot-bytes.wit", include_str!("../../../wit/hot-bytes.wit")),
    ("hot.wit", include_str!("../../../wit/hot.wit")),
    (
        "instruments.wit",
        include_str!("../../../wit/instruments.wit"),
    ),
    ("lifecycle.wit", include_str!("../../../wit/lifecycle.wit")),
    ("log.wit", include_str!("../../../wit/log.wit")),
    ("store.wit", include_str!("../../../wit/store.wit")),
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
];

/// Prefix of the names of custom sections that hold component types.
const TYPE_SECTION: &str = "component-type";

/// The custom section of a component type that names its format and its string encoding.
const ENCODING_SECTION: &str = "wit-component-encoding";

/// The value for UTF-8 in [`ENCODING_SECTION`].
const UTF8: u8 = 0;

/// Bytes of a module before its first section.
const PREAMBLE: usize = 8;

/// Embeds the component type of the contract in a bare core module, as a build for `wasm32-unknown-unknown` does. `file`
/// names the module in errors.
///
/// # Errors
/// The bytes are not a module.
pub fn with_contract(module: &[u8], world: World, file: &str) -> Result<Vec<u8>, LoadError> {
    let (resolve, world) = contract(CONTRACT_VERSION, world).expect("a test reads the contract");
    let mut typed = module.to_vec();
    embed_component_metadata(&mut typed, &resolve, world, StringEncoding::UTF8).map_err(
        |error| LoadError::Encode {
            file: file.to_owned(),
            problem: describe(error),
        },
    )?;
    Ok(typed)
}

/// Encodes a core module that was built for `version` of the contract as a component; an error is a text for the user.
pub(crate) fn encode(module: &[u8], version: &str, world: World) -> Result<Vec<u8>, String> {
    // If the encoder panics on its input, only this thread ends.
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .name("tickdeck-encode".to_owned())
            .spawn_scoped(scope, || encode_here(module, version, world));
        match worker.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(encoded)) => encoded,
            Ok(Err(_panic)) => Err("it is damaged in a way that crashes the encoder".to_owned()),
            Err(error) => Err(format!("cannot start a thread to encode it: {error}")),
        }
    })
}

fn encode_here(module: &[u8], version: &str, world: World) -> Result<Vec<u8>, String> {
    let (resolve, world) = contract(version, world)?;
    let ours = metadata::encode(&resolve, world, StringEncoding::UTF8, None).map_err(describe)?;
    let (mut bare, sections) = split(module).map_err(describe)?;
    let mut described = BTreeSet::new();
    for theirs in sections {
        described.extend(check_type(theirs, &ours)?);
    }
    let exports = world_exports(&resolve, world);
    if let Some(missing) = exports.into_iter().find(|name| !described.contains(name)) {
        return Err(format!("its component type does not describe `{missing}`"));
    }
    embed_component_metadata(&mut bare, &resolve, world, StringEncoding::UTF8).map_err(describe)?;
    ComponentEncoder::default()
        .module(&bare)
        .and_then(|encoder| encoder.validate(false).encode())
        .map_err(describe)
}

/// An error and its causes, on one line.
fn describe(error: impl std::fmt::Display) -> String {
    one_line(&format!("{error:#}"))
}

/// Resolves the contract's package at a version that this host supports, and one of its worlds.
fn contract(version: &str, world: World) -> Result<(Resolve, WorldId), String> {
    let mut files = SourceMap::default();
    for (file, text) in CONTRACT {
        files.push_str(file, text.replacen("@0.1.0;", &format!("@{version};"), 1));
    }
    let mut resolve = Resolve::default();
    let group = files.parse().map_err(|(_, error)| describe(error))?;
    let package = resolve.push_group(group).map_err(describe)?;
    let world = resolve
        .select_world(&[package], Some(world.as_str()))
        .map_err(describe)?;
    Ok((resolve, world))
}

/// Returns the interfaces that a world exports.
fn world_exports(resolve: &Resolve, world: WorldId) -> Vec<String> {
    let exports = resolve.worlds[world].exports.keys();
    let names = exports.map(|key| resolve.name_world_key(key));
    names
        .filter_map(|name| of_contract(&name).map(|(interface, _)| interface.to_owned()))
        .collect()
}

/// Splits a module into the module without its component types, and those types.
fn split(module: &[u8]) -> Result<(Vec<u8>, Vec<&[u8]>), wasmparser::BinaryReaderError> {
    let mut bare = module[..PREAMBLE.min(module.len())].to_vec();
    let mut types = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::CustomSection(section) = &payload
            && is_type_section(section.name())
        {
            types.push(section.data());
        } else if let Some((id, range)) = payload.as_section() {
            push_section(&mut bare, id, &module[range]);
        }
    }
    Ok((bare, types))
}

pub(crate) fn is_type_section(name: &str) -> bool {
    name.starts_with(TYPE_SECTION)
}

fn push_section(module: &mut Vec<u8>, id: u8, content: &[u8]) {
    module.push(id);
    let mut size = content.len();
    while size >= 0x80 {
        module.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    module.push(size as u8);
    module.extend(content);
}

/// Checks that a component type declares the contract's interfaces as the contract does; returns the exported ones.
fn check_type(theirs: &[u8], ours: &[u8]) -> Result<Vec<String>, String> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let ours = Described::read(&mut validator, ours)?;
    validator.reset();
    let theirs = Described::read(&mut validator, theirs)?;
    if theirs.strings != Some(UTF8) {
        return Err("it passes strings in an encoding other than UTF-8".to_owned());
    }
    for (interface, wanted) in theirs.items(Side::Imports) {
        let given = ours.item(Side::Imports, interface);
        if !given.is_some_and(|given| fits((given, &ours), (wanted, &theirs))) {
            return Err(differs(interface));
        }
    }
    let mut described = Vec::new();
    for (interface, given) in theirs.items(Side::Exports) {
        // The component leaves out exports that the world does not have.
        let Some(wanted) = ours.item(Side::Exports, interface) else {
            continue;
        };
        if !fits((given, &theirs), (wanted, &ours)) {
            return Err(differs(interface));
        }
        described.push(interface.to_owned());
    }
    Ok(described)
}

fn differs(interface: &str) -> String {
    format!(
        "its `{interface}` differs from this host's contract; rebuild it with the SDK of this host's version"
    )
}

/// Whether the item given can be used where the other is wanted.
fn fits(
    (given, from): (&ComponentEntityType, &Described),
    (wanted, to): (&ComponentEntityType, &Described),
) -> bool {
    ComponentEntityType::is_subtype_of(given, from.types.as_ref(), wanted, to.types.as_ref())
}

/// A world as a component type describes it.
struct Described {
    types: Types,
    world: ComponentType,
    strings: Option<u8>,
}

#[derive(Clone, Copy)]
enum Side {
    Imports,
    Exports,
}

impl Described {
    fn read(validator: &mut Validator, section: &[u8]) -> Result<Self, String> {
        let types = validator.validate_all(section).map_err(describe)?;
        let (world, strings) = names(section).map_err(describe)?;
        let world = world.and_then(|name| {
            let ComponentEntityType::Type { referenced, .. } =
                types.component_item_for_export(name)?.ty
            else {
                return None;
            };
            let ComponentAnyTypeId::Component(outer) = referenced else {
                return None;
            };
            let (_, item) = types[outer].exports.iter().next()?;
            let ComponentEntityType::Component(world) = item.ty else {
                return None;
            };
            Some(types[world].clone())
        });
        let world = world.ok_or("its component type describes no world")?;
        Ok(Self {
            types,
            world,
            strings,
        })
    }

    /// The contract's interfaces, named without package and version.
    fn items(&self, side: Side) -> impl Iterator<Item = (&str, &ComponentEntityType)> {
        let items = match side {
            Side::Imports => &self.world.imports,
            Side::Exports => &self.world.exports,
        };
        items.iter().filter_map(|(name, item)| {
            let (interface, _version) = of_contract(name)?;
            Some((interface, &item.ty))
        })
    }

    fn item(&self, side: Side, wanted: &str) -> Option<&ComponentEntityType> {
        let mut items = self.items(side);
        items.find_map(|(interface, ty)| (interface == wanted).then_some(ty))
    }
}

/// Reads the name under which a component type exports its world, and the string encoding.
fn names(section: &[u8]) -> Result<(Option<&str>, Option<u8>), wasmparser::BinaryReaderError> {
    let (mut world, mut strings) = (None, None);
    for payload in Parser::new(0).parse_all(section) {
        match payload? {
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    world = Some(export?.name.name);
                }
            }
            Payload::CustomSection(custom) if custom.name() == ENCODING_SECTION => {
                if let [_format, encoding] = custom.data() {
                    strings = Some(*encoding);
                }
            }
            _ => {}
        }
    }
    Ok((world, strings))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOM_SECTION_ID: u8 = 0;

    #[test]
    fn the_contract_is_whole_and_fits_itself() {
        let mut files: Vec<String> =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
        files.sort();
        assert_eq!(files, CONTRACT.map(|(file, _)| file));
        for world in [World::Strategy, World::StrategyBytes] {
            let (resolve, id) = contract("0.1.0", world).unwrap();
            let ours = metadata::encode(&resolve, id, StringEncoding::UTF8, None).unwrap();
            let exports = world_exports(&resolve, id);
            assert_eq!(check_type(&ours, &ours), Ok(exports.clone()));
            let (resolve, id) = contract("0.1.7", world).unwrap();
            let patched = metadata::encode(&resolve, id, StringEncoding::UTF8, None).unwrap();
            assert_eq!(check_type(&patched, &ours), Ok(exports));
            let wide = metadata::encode(&resolve, id, StringEncoding::UTF16, None).unwrap();
            assert!(check_type(&wide, &ours).unwrap_err().contains("UTF-8"));
        }
    }

    #[test]
    fn a_module_splits_into_itself_and_its_types() {
        let mut module = wat::parse_str("(module (memory 1) (data (i32.const 0) \"x\"))").unwrap();
        let whole = module.clone();
        let type_section = [&[14][..], b"component-type", b"any"].concat();
        push_section(&mut module, CUSTOM_SECTION_ID, &type_section);
        assert_eq!(split(&module).unwrap(), (whole, vec![&b"any"[..]]));
        let mut long = whole_with_custom(&[7; 300]);
        let (bare, types) = split(&long).unwrap();
        assert!(types.is_empty());
        assert_eq!(bare, std::mem::take(&mut long));
    }

    fn whole_with_custom(data: &[u8]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        push_section(
            &mut module,
            CUSTOM_SECTION_ID,
            &[&[1, b'x'][..], data].concat(),
        );
        module
    }
}
