//! The local socket that operators speak to a running host through.
#![forbid(unsafe_code)]
