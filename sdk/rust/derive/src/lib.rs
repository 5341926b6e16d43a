//! The derive macros of `tickdeck-sdk`, which re-exports and documents them.
//!
//! The crate sees only the syntax of the derived struct, never the SDK. Start reading in `parameters.rs`.

mod parameters;

use proc_macro::TokenStream;

/// Derives `tickdeck_sdk::Parameters` for a struct with named fields; see the documentation of that trait.
#[proc_macro_derive(Parameters, attributes(param))]
pub fn derive_parameters(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    parameters::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
