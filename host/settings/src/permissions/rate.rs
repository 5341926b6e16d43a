//! A limit on the rate of orders.

use crate::reader::{DAY_MS, Section};

/// Maximum number of orders that one window may allow.
const MAX_ORDERS: u64 = 1_000_000;

/// A number of orders in a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateSettings {
    /// Maximum number of orders in one window.
    pub orders: u32,
    /// Length of the window in milliseconds.
    pub window_ms: u64,
}

/// Reads `key = { orders = 100, window_ms = 1000 }`.
pub(super) fn read(section: &Section<'_, '_>, key: &'static str) -> Option<RateSettings> {
    let table = section.table(key);
    let orders = table.integer("orders", 1..=MAX_ORDERS);
    let window_ms = table.integer("window_ms", 1..=DAY_MS);
    if table.is_table() && !(table.has("orders") && table.has("window_ms")) {
        section.refuse(
            key,
            &format!("`{key}` needs both `orders` and `window_ms`"),
            &format!("write {key} = {{ orders = 100, window_ms = 1000 }}"),
        );
    }
    table.finish();
    Some(RateSettings {
        orders: orders?,
        window_ms: window_ms?,
    })
}
