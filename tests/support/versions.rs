//! Versions of test strategies: guests that count, tick or trap, and copies of a module under another hash.

use crate::support::guests::Guest;

/// The hash that a module goes by.
pub(crate) fn hash(module: &[u8]) -> String {
    tickdeck_model::ModuleHash::of(module).to_string()
}

/// The same program as another module: a custom section more.
pub(crate) fn marked(module: &[u8], mark: u32) -> Vec<u8> {
    let name = b"mark";
    let text = mark.to_le_bytes();
    let mut section = vec![0, (1 + name.len() + text.len()) as u8, name.len() as u8];
    section.extend(name);
    section.extend(text);
    [module, &section].concat()
}

/// A guest that hears everything and counts it.
pub(crate) fn counting(version: &str) -> Guest {
    Guest::new().version(version).trades("*").quotes("*")
}

/// Takes events, and traps once an instance has had this many.
pub(crate) fn traps_after(version: &str, events: u32) -> Guest {
    counting(version)
        .item("(global $own (mut i64) (i64.const 0))")
        .on_events(&format!(
            "(call $take (local.get $len))
             (global.set $own (i64.add (global.get $own) (i64.extend_i32_u (local.get $len))))
             (if (i64.gt_u (global.get $own) (i64.const {events})) (then unreachable))
             (call $answer (local.get $len) (i32.const 0) (i32.const 0))"
        ))
}

/// Hears everything and cannot keep up: some milliseconds an event, within the limit of a call.
pub(crate) fn cannot_keep_up() -> Guest {
    counting("1.0.0").on_events(
        "(local $left i64)
         (local.set $left (i64.const 6000000))
         (loop $burn
           (local.set $left (i64.sub (local.get $left) (i64.const 1)))
           (br_if $burn (i64.gt_s (local.get $left) (i64.const 0))))
         (call $take (i32.const 1))
         (call $answer (i32.const 1) (i32.const 0) (i32.const 0))",
    )
}

/// Does something harmless at every n-th event.
pub(crate) fn ticking(n: u32) -> Vec<u8> {
    let body = format!(
        "(call $take (i32.const 1))
         (if (i64.eqz (i64.rem_u (global.get $seen) (i64.const {n})))
           (then (call $put (i32.const 0) (i32.const 5) (i64.const 7))
                 (return (call $answer (i32.const 1) (i32.const 8192) (i32.const 1)))))
         (call $answer (i32.const 1) (i32.const 0) (i32.const 0))"
    );
    counting("1.0.0").on_events(&body).component()
}
