//! The allow-list of WebAssembly proposals for strategies. Everything else is off, including proposals that a later
//! wasmtime turns on by default.
//!
//! The list is what the toolchains of Rust, C, C++, Zig, Go, AssemblyScript, JavaScript (QuickJS) and Python
//! (componentize-py) emit for a strategy, and no more: `shape/census.rs` measures it. Every further proposal is compiler and
//! runtime code that only an attacker would reach. Function references and GC types, for one, abort the process in wasmtime
//! 48 built without `gc` (RUSTSEC-2026-0570); relaxed SIMD and threads would also make a replay differ.

use crate::error::LoadError;
use wasmparser::{BinaryReaderError, Validator};
use wasmtime::{Config, WasmFeatures};

/// The proposals that a module may use.
pub(crate) const ALLOWED: WasmFeatures = WasmFeatures::COMPONENT_MODEL
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    // Includes the longer encoding of a table's index in `call_indirect`. Without `GC_TYPES`: of references, only
    // `funcref`.
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::EXTENDED_CONST)
    // Not a proposal: floating point itself.
    .union(WasmFeatures::FLOATS);

/// What wasmtime's own code between two components of one strategy uses: it copies from the memory of one to that of the
/// other. No module may use it: [`validate`](crate::shape::validate) comes first, and knows only [`ALLOWED`].
const BETWEEN_COMPONENTS: WasmFeatures = WasmFeatures::MULTI_MEMORY;

/// Turns off everything in wasmtime except [`ALLOWED`] and [`BETWEEN_COMPONENTS`].
pub(crate) fn allow(config: &mut Config) {
    config
        .wasm_features(WasmFeatures::all(), false)
        .wasm_features(ALLOWED.union(BETWEEN_COMPONENTS), true);
}

/// The error of a module that is not valid under [`ALLOWED`].
pub(crate) fn refusal(error: &BinaryReaderError, bytes: &[u8], file: &str) -> LoadError {
    let file = file.to_owned();
    let offset = error.offset();
    let problem = tickdeck_model::untrusted::one_line(error.message());
    if error.missing_wasm_feature().is_some() || has_several_memories(bytes) {
        LoadError::Proposal {
            file,
            offset,
            problem,
        }
    } else {
        LoadError::Invalid {
            file,
            offset,
            problem,
        }
    }
}

/// Whether a second memory is the only error. For the other proposals that the tests list, the validator names the missing
/// feature, but it reports a second memory as one too many.
fn has_several_memories(bytes: &[u8]) -> bool {
    let features = ALLOWED.union(WasmFeatures::MULTI_MEMORY);
    Validator::new_with_features(features)
        .validate_all(bytes)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::validate;
    use wasmtime::Engine;

    fn config() -> Config {
        let mut config = Config::new();
        allow(&mut config);
        config
    }

    /// Every proposal that wasmtime knows, by name, must be in exactly one of the two lists. One that a new version adds is in
    /// neither: it fails here until somebody has reviewed it.
    #[test]
    fn every_proposal_that_wasmtime_knows_is_allowed_or_refused_by_name() {
        const REFUSED: [&str; 31] = [
            "RELAXED_SIMD",
            "THREADS",
            "SHARED_EVERYTHING_THREADS",
            "TAIL_CALL",
            "MULTI_MEMORY",
            "EXCEPTIONS",
            "MEMORY64",
            "FUNCTION_REFERENCES",
            "MEMORY_CONTROL",
            "GC",
            "CUSTOM_PAGE_SIZES",
            "LEGACY_EXCEPTIONS",
            "GC_TYPES",
            "STACK_SWITCHING",
            "WIDE_ARITHMETIC",
            "CM_VALUES",
            "CM_NESTED_NAMES",
            "CM_ASYNC",
            "CM_ASYNC_STACKFUL",
            "CM_MORE_ASYNC_BUILTINS",
            "CM_THREADING",
            "CM_ERROR_CONTEXT",
            "CM_FIXED_LENGTH_LISTS",
            "CM_GC",
            "CUSTOM_DESCRIPTORS",
            "COMPACT_IMPORTS",
            "CM_MAP",
            "CM64",
            "CM_IMPLEMENTS",
            "CM_CANON_NAMES",
            "BRANCH_HINTING",
        ];
        let shown = format!("{:?}", config());
        // Branch hinting is a custom section, which wasmtime reads only where its `Config` is told to.
        for (name, flag) in WasmFeatures::all().iter_names() {
            let refused = REFUSED.contains(&name);
            let is_on = !refused || BETWEEN_COMPONENTS.contains(flag);
            let setting = format!("wasm_{}: {is_on}", name.to_lowercase());
            assert!(shown.contains(&setting), "not `{setting}` in {shown}");
            assert_ne!(
                ALLOWED.contains(flag),
                refused,
                "{name}: decide whether strategies may use it"
            );
        }
        Engine::new(&config()).unwrap();
    }

    #[test]
    fn proposals_that_the_toolchains_emit_are_valid() {
        for (proposal, module) in [
            (
                "mutable globals",
                r#"(module (global (export "sp") (mut i32) (i32.const 0)))"#,
            ),
            (
                "saturating conversion",
                "(module (func (param f64) (result i64) local.get 0 i64.trunc_sat_f64_s))",
            ),
            (
                "sign extension",
                "(module (func (param i32) (result i32) local.get 0 i32.extend8_s))",
            ),
            (
                "reference types",
                "(module (table 1 2 funcref) (elem declare func 0) (func (table.set 0 (i32.const 0) (ref.func 0))))",
            ),
            (
                "multi-value",
                "(module (func (result i32 i32) i32.const 1 i32.const 2))",
            ),
            (
                "bulk memory",
                "(module (memory 1) (func (memory.copy (i32.const 0) (i32.const 8) (i32.const 8))))",
            ),
            (
                "SIMD",
                "(module (func (param v128 v128) (result v128) (f64x2.add (local.get 0) (local.get 1))))",
            ),
            (
                "extended constants",
                r#"(module (import "env" "base" (global $b i32)) (global i32 (i32.add (global.get $b) (i32.const 8))))"#,
            ),
        ] {
            let bytes = wat::parse_str(module).unwrap();
            assert!(validate(&bytes, "x.wasm").is_ok(), "{proposal}");
        }
    }

    #[test]
    fn other_proposals_are_refused_with_their_byte_offset() {
        for (proposal, module) in [
            ("gc", "(module (type (struct (field i32))))"),
            (
                "function references",
                "(module (type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0))))",
            ),
            ("sub", "(module (type $t (sub (func))) (func (type $t)))"),
            ("externref", "(module (func (param externref)))"),
            ("exceptions", "(module (tag))"),
            ("threads", "(module (memory 1 2 shared))"),
            ("memory64", "(module (memory i64 1))"),
            ("multi-memory", "(module (memory 1) (memory 1))"),
            ("custom page sizes", "(module (memory 1 (pagesize 1)))"),
            ("tail calls", "(module (func return_call 0))"),
            (
                "relaxed SIMD",
                "(module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
            ),
            (
                "wide arithmetic",
                "(module (func (param i64 i64) (result i64 i64) (i64.mul_wide_s (local.get 0) (local.get 1))))",
            ),
            (
                "stack switching",
                "(module (type $f (func)) (type $c (cont $f)))",
            ),
        ] {
            let bytes = wat::parse_str(module).unwrap();
            let error = validate(&bytes, "x.wasm").unwrap_err();
            let text = error.to_string();
            assert!(
                matches!(error, LoadError::Proposal { .. }),
                "{proposal}: {text}"
            );
            assert!(
                text.starts_with(
                    "x.wasm: uses a WebAssembly proposal that strategies may not use: "
                ) && text.contains(" at byte "),
                "{proposal}: {text}"
            );
            // The engine alone would refuse it too, but for what it needs itself.
            let engine = Engine::new(&config()).unwrap();
            assert_eq!(
                wasmtime::Engine::precompile_module(&engine, &bytes).is_ok(),
                proposal == "multi-memory",
                "{proposal}"
            );
        }
    }

    /// As `componentize-qjs --stub-wasi` composes a strategy of several components.
    #[test]
    fn components_of_one_strategy_pass_texts_from_memory_to_memory() {
        let memory = r#"(memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 8)"#;
        let text = format!(
            r#"(component
              (component $callee
                (core module $m {memory} (func (export "f") (param i32 i32)))
                (core instance $i (instantiate $m))
                (func (export "f") (param "text" string)
                  (canon lift (core func $i "f") (memory (core memory $i "memory"))
                    (realloc (core func $i "realloc")))))
              (component $caller
                (import "f" (func $f (param "text" string)))
                (core module $libc {memory})
                (core instance $libc (instantiate $libc))
                (core func $lowered
                  (canon lower (func $f) (memory (core memory $libc "memory"))
                    (realloc (core func $libc "realloc"))))
                (core module $m
                  (import "" "f" (func $f (param i32 i32)))
                  (func (export "g") (call $f (i32.const 0) (i32.const 0))))
                (core instance $i (instantiate $m (with "" (instance (export "f" (func $lowered))))))
                (func (export "g") (canon lift (core func $i "g"))))
              (instance $callee (instantiate $callee))
              (instance $caller (instantiate $caller (with "f" (func $callee "f"))))
              (export "g" (func $caller "g")))"#
        );
        let bytes = wat::parse_str(text).unwrap();
        validate(&bytes, "x.wasm").unwrap();
        let engine = Engine::new(&config()).unwrap();
        engine.precompile_component(&bytes).unwrap();
    }
}
