//! Guests that attack the others in one way each, from one event on.

#[path = "../../../support/guests.rs"]
mod guests;

use guests::Guest;

/// An attack.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// The module of the guest.
    pub(super) module: Vec<u8>,
    /// Whether the guest ends by it; otherwise the attack is bounded from its first event on.
    pub(super) ends: bool,
}

/// Rounds of the loop that take about a millisecond, on the machine that this was written on.
const ROUNDS_PER_MS: u64 = 750_000;

/// All attacks, from the event with this number on.
pub(super) fn attacks(from: u64) -> Vec<Attack> {
    let ending = |name, guest: Guest| Attack {
        name,
        module: guest.component(),
        ends: true,
    };
    let burn = |ms: u64| format!("(call $burn (i64.const {}))", ms * ROUNDS_PER_MS);
    let every = |n: u64, attack: &str| {
        format!("(if (i64.eqz (i64.rem_u (global.get $seen) (i64.const {n}))) (then {attack}))")
    };
    vec![
        ending("endless-loop", attacking(from, "(call $spin)")),
        ending("8ms-an-event", attacking(from, &burn(8))),
        ending("8ms-every-50", attacking(from, &every(50, &burn(8)))),
        ending("trap-storm", attacking(from, "unreachable")),
        ending(
            "notify-storm",
            attacking(
                from,
                &format!(
                    "{NOTIFY} (return (call $answer (i32.const 1) (i32.const 8192) (i32.const 256)))"
                ),
            ),
        ),
        Attack {
            name: "log-flood",
            module: attacking(from, LOG).says("the flood").component(),
            ends: false,
        },
        Attack {
            name: "16mib-save",
            module: attacking(from, "")
                .item("(func $grown (drop (memory.grow (i32.const 300))))")
                .init("(call $grown) (call $ok)")
                .save("(call $state (i32.const 65536) (i32.const 16777216))")
                .component(),
            ends: false,
        },
    ]
}

/// 256 notifications, of the first message.
const NOTIFY: &str = "(local.set $n (i32.const 0))
    (loop $next
      (call $put (local.get $n) (i32.const 6) (i64.const 0))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 256))))";

/// A thousand log lines.
const LOG: &str = "(local.set $n (i32.const 0))
    (loop $next
      (call $say)
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 1000))))";

/// A guest that takes quotes one by one, and does this at each from a certain one on.
fn attacking(from: u64, attack: &str) -> Guest {
    Guest::new()
        .named("attacker")
        .quotes("*")
        .item(
            "(func $burn (param $rounds i64)
               (loop $again
                 (local.set $rounds (i64.sub (local.get $rounds) (i64.const 1)))
                 (br_if $again (i64.gt_s (local.get $rounds) (i64.const 0)))))",
        )
        .on_events(&format!(
            "(local $n i32)
             (call $take (i32.const 1))
             (if (i64.gt_u (global.get $seen) (i64.const {from})) (then {attack}))
             (call $answer (i32.const 1) (i32.const 0) (i32.const 0))"
        ))
}
