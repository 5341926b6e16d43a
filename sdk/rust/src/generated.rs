//! Bindings that wit-bindgen generates from `wit/`: the imports, and the exports of `lifecycle`. The hot function is
//! skipped: [`raw`](crate::raw) exports it by hand, so that a batch is read in place.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::undocumented_unsafe_blocks,
    reason = "generated code"
)]

#[cfg(not(feature = "bytes"))]
wit_bindgen::generate!({
    path: "../../wit",
    world: "strategy",
    skip: ["on-events"],
    pub_export_macro: true,
    export_macro_name: "export_lifecycle",
});

#[cfg(feature = "bytes")]
wit_bindgen::generate!({
    path: "../../wit",
    world: "strategy-bytes",
    skip: ["on-events"],
    pub_export_macro: true,
    export_macro_name: "export_lifecycle",
});
