//! Attacks on the others, one way each: guests that attack from one event on, and files dropped into the plugins folder.

#[path = "../../../support/guests.rs"]
mod guests;

use guests::Guest;

/// An attack.
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) means: Means,
    /// Whether the attacker ends by it; otherwise the attack is bounded from its first moment on.
    pub(super) ends: bool,
}

/// What an attack is made by.
pub(super) enum Means {
    /// The module of a strategy.
    Guest(Vec<u8>),
    /// Files for the plugins folder, by their names.
    Files(Vec<(String, Vec<u8>)>),
}

/// Rounds of the loop that take about a millisecond, on the machine that this was written on.
const ROUNDS_PER_MS: u64 = 750_000;

/// How long a heavy start takes.
const HEAVY_START_MS: u64 = 300;

/// Functions of a module that takes much longer to compile than a run does.
const LABORIOUS_FUNCTIONS: usize = 1_500;

/// Files that are dropped at once.
const MANY_FILES: usize = 1_000;

/// The attacks of guests, from the event with this number on.
pub(super) fn guests(from: u64) -> Vec<Attack> {
    let ending = |name, guest: Guest| Attack {
        name,
        means: Means::Guest(guest.component()),
        ends: true,
    };
    let bounded = |name, guest: Guest| Attack {
        ends: false,
        ..ending(name, guest)
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
        ending(
            "heavy-start",
            attacking(from, "unreachable").item(&format!(
                "(func $heavy (call $burn (i64.const {}))) (start $heavy)",
                HEAVY_START_MS * ROUNDS_PER_MS
            )),
        ),
        bounded("log-flood", attacking(from, LOG).says("the flood")),
        bounded(
            "16mib-save",
            attacking(from, "")
                .item("(func $grown (drop (memory.grow (i32.const 300))))")
                .init("(call $grown) (call $ok)")
                .save(&format!(
                    "(if (result i32) (i64.gt_u (global.get $seen) (i64.const {from}))
                       (then (call $state (i32.const 65536) (i32.const 16777216)))
                       (else (i64.store (i32.const 512) (global.get $seen)) (call $state (i32.const 512) (i32.const 8))))"
                )),
        ),
    ]
}

/// The attacks of files. The modules ask for an instrument that no venue has: each is compiled, and none runs.
pub(super) fn files() -> Vec<Attack> {
    let unfit = || Guest::new().quotes("NOTHING.NOWHERE");
    let step = "(local.set 0 (i32.add (i32.mul (local.get 0) (local.get 1)) (i32.rotl (local.get 1) (local.get 0))))";
    let function = format!(
        "(func (param i32 i32) (result i32) {} local.get 0)",
        step.repeat(200)
    );
    let laborious = unfit().item(&function.repeat(LABORIOUS_FUNCTIONS));
    let many = (0..MANY_FILES).map(|number| {
        let name = format!("file-{number}");
        let module = unfit().named(&name).core();
        (format!("{name}.wasm"), module)
    });
    let dropped = |name, files| Attack {
        name,
        means: Means::Files(files),
        ends: false,
    };
    vec![
        dropped(
            "compile-bomb",
            vec![("laborious.wasm".to_owned(), laborious.core())],
        ),
        dropped("1000-files", many.collect()),
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
