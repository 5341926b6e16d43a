//! A core module that carries its component type, wrapped into a component by `wit-component`.
//!
//! That library is made for build tools, which trust their input; here the input is whatever was dropped into a
//! folder, while other strategies trade. Its recursion follows the packages and types that the module describes, so
//! both are bounded first, cycles are refused, and the work is done on a thread whose stack fits what is left; a panic
//! ends that thread and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;
use wit_parser::decoding::decode_world;

/// Bytes of all component types of a module. The contract's own has some five thousand.
const MAX_TYPES: usize = 256 << 10;

/// Packages that a module's component types may name.
const MAX_PACKAGES: usize = 64;

/// A type takes three bytes at least and a frame of the recursion less than a KiB. Only what is used is ever mapped.
const STACK: usize = 256 << 20;

/// The component of a core module; an error is a text for the user.
pub(crate) fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new()
            .name("tickdeck-encode".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || encode_here(module));
        match worker.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(encoded)) => encoded,
            Ok(Err(_panic)) => Err("it is damaged in a way that breaks the encoder".to_owned()),
            Err(error) => Err(format!("no thread to encode it on: {error}")),
        }
    })
}

fn encode_here(module: &[u8]) -> Result<Vec<u8>, String> {
    let words = |error: &dyn std::fmt::Display| crate::fault::one_line(&format!("{error:#}"));
    let sections = sections(module).map_err(|error| words(&error))?;
    let size: usize = sections.iter().map(|section| section.len()).sum();
    if size > MAX_TYPES {
        return Err(format!(
            "its component types have {size} bytes, the limit is {MAX_TYPES}"
        ));
    }
    let mut packages = Packages::default();
    for section in sections {
        packages.add(section).map_err(|error| words(&error))?;
    }
    packages.check()?;
    ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(false).encode())
        .map_err(|error| words(&format!("{error:#}")))
}

/// The component types that a core module carries.
pub(crate) fn sections(module: &[u8]) -> Result<Vec<&[u8]>, wasmparser::BinaryReaderError> {
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CustomSection(section) = payload?
            && section.name().starts_with("component-type")
        {
            sections.push(section.data());
        }
    }
    Ok(sections)
}

/// Which package uses which, over all of a module's component types, whatever their versions.
#[derive(Default)]
struct Packages {
    uses: BTreeMap<String, BTreeSet<String>>,
}

impl Packages {
    fn add(&mut self, section: &[u8]) -> Result<(), String> {
        let (resolve, _) = decode_world(section).map_err(|error| format!("{error:#}"))?;
        let name = |id| {
            let package: &wit_parser::Package = &resolve.packages[id];
            format!("{}:{}", package.name.namespace, package.name.name)
        };
        for (id, _) in resolve.packages.iter() {
            let uses = self.uses.entry(name(id)).or_default();
            uses.extend(resolve.package_direct_deps(id).map(name));
        }
        Ok(())
    }

    /// Takes packages that use no other away, until none is left, or a cycle.
    fn check(mut self) -> Result<(), String> {
        if self.uses.len() > MAX_PACKAGES {
            return Err(format!(
                "its component types name {} packages, the limit is {MAX_PACKAGES}",
                self.uses.len()
            ));
        }
        // Versions of one package may use each other.
        for (package, uses) in &mut self.uses {
            uses.remove(package);
        }
        while !self.uses.is_empty() {
            let left: BTreeSet<String> = self.uses.keys().cloned().collect();
            for uses in self.uses.values_mut() {
                uses.retain(|used| left.contains(used));
            }
            self.uses.retain(|_, uses| !uses.is_empty());
            if self.uses.len() == left.len() {
                let names: Vec<String> = left.into_iter().collect();
                return Err(format!(
                    "its packages use each other in a circle: {}",
                    names.join(", ")
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(uses: &[(&str, &[&str])]) -> Packages {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Packages {
            uses: uses
                .iter()
                .map(|(name, uses)| ((*name).to_owned(), owned(uses)))
                .collect(),
        }
    }

    #[test]
    fn packages_that_use_each_other_are_refused() {
        let fine = [("a", &["b", "c"][..]), ("b", &["c", "b"]), ("c", &[])];
        assert_eq!(packages(&fine).check(), Ok(()));
        let circle = [("a", &["b"][..]), ("b", &["c"]), ("c", &["a"]), ("d", &[])];
        let error = packages(&circle).check().unwrap_err();
        assert!(error.ends_with("in a circle: a, b, c"), "{error}");
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_decoded() {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        let name = b"\x0ecomponent-type";
        let mut size = MAX_TYPES + 1 + name.len();
        module.push(0);
        while size >= 0x80 {
            module.push(size as u8 | 0x80);
            size >>= 7;
        }
        module.push(size as u8);
        module.extend(name);
        module.resize(module.len() + MAX_TYPES + 1, 0);
        let error = encode(&module).unwrap_err();
        assert!(error.contains("the limit is 262144"), "{error}");
    }
}
