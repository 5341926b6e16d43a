//! The derive macros of tickdeck-sdk.
