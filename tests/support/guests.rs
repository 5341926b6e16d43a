//! Guests for tests, built from text without any guest toolchain: well-behaved ones, and ones that misbehave in one
//! chosen function.
//!
//! A guest is a core module of WebAssembly text around the bodies given here, with the component type of one of the
//! two worlds embedded. The crate `tickdeck-strategy` includes this file in its own tests by path.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::path::PathBuf;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Bytes of an action.
const ACTION: u32 = 128;
/// Where `answer` writes the outcome.
const OUTCOME: u32 = 16;
/// Where `ok`, `error` and `state` write a result.
const RESULT: u32 = 32;
/// Where the manifest lies; texts follow it.
const MANIFEST: u32 = 1_024;
/// Where a guest may lay out its actions: room for 1,024.
pub(crate) const ACTIONS: u32 = 8_192;
/// Where the allocator starts; a batch begins here.
pub(crate) const HEAP: u32 = 65_536;

/// The number of events in a batch of bytes.
const EVENTS_OF_BYTES: &str = "(i32.div_u (local.get $len) (i32.const 104))";

/// A guest under construction. Each body is WebAssembly text of one function, see [`Guest::wat`] for what it can use.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    world: &'static str,
    name: String,
    version: String,
    subscriptions: Vec<Vec<u8>>,
    messages: Vec<String>,
    parameters: Vec<(String, Option<String>)>,
    restores: Vec<u32>,
    imports: String,
    items: String,
    describe: String,
    init: String,
    save: String,
    restore: String,
    stop: String,
    on_events: String,
    leave_out: Vec<&'static str>,
}

impl Default for Guest {
    fn default() -> Self {
        Self::new()
    }
}

impl Guest {
    /// A guest of world `strategy` that takes every event and does nothing. Its state is the number of events seen.
    pub(crate) fn new() -> Self {
        Self {
            world: "strategy",
            name: "guest".to_owned(),
            version: "1.0.0".to_owned(),
            subscriptions: Vec::new(),
            messages: vec!["first".to_owned(), "second".to_owned()],
            parameters: Vec::new(),
            restores: vec![1],
            imports: String::new(),
            items: String::new(),
            describe: "(call $manifest)".to_owned(),
            init: "(call $ok)".to_owned(),
            save: "(i64.store (i32.const 512) (global.get $seen)) (call $state (i32.const 512) (i32.const 8))"
                .to_owned(),
            restore: "(global.set $seen (i64.load (local.get $ptr))) (call $ok)".to_owned(),
            stop: String::new(),
            on_events: "(call $take (local.get $len)) (call $answer (local.get $len) (i32.const 0) (i32.const 0))"
                .to_owned(),
            leave_out: Vec::new(),
        }
    }

    /// The same guest in world `strategy-bytes`.
    pub(crate) fn bytes(mut self) -> Self {
        self.world = "strategy-bytes";
        self
    }

    /// Names it in its manifest.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Sets the manifest's version.
    pub(crate) fn version(mut self, version: &str) -> Self {
        self.version = version.to_owned();
        self
    }

    /// Subscribes to the trades of an instrument, `*` or `{parameter}`.
    pub(crate) fn trades(mut self, instrument: &str) -> Self {
        self.subscriptions
            .push([&[1], instrument.as_bytes()].concat());
        self
    }

    /// Subscribes to the quotes of an instrument, `*` or `{parameter}`.
    pub(crate) fn quotes(mut self, instrument: &str) -> Self {
        self.subscriptions
            .push([&[0], instrument.as_bytes()].concat());
        self
    }

    /// Adds a parameter of kind text.
    pub(crate) fn parameter(mut self, name: &str, default: Option<&str>) -> Self {
        self.parameters
            .push((name.to_owned(), default.map(str::to_owned)));
        self
    }

    /// Replaces the messages.
    pub(crate) fn messages(mut self, messages: &[&str]) -> Self {
        self.messages = messages.iter().map(|text| (*text).to_owned()).collect();
        self
    }

    /// Replaces the schemas that `restore` reads; `save` writes schema 1.
    pub(crate) fn restores(mut self, schemas: &[u32]) -> Self {
        self.restores = schemas.to_vec();
        self
    }

    /// Adds imports of the core module.
    pub(crate) fn import(mut self, text: &str) -> Self {
        self.imports += text;
        self
    }

    /// Adds globals, data and functions.
    pub(crate) fn item(mut self, text: &str) -> Self {
        self.items += text;
        self
    }

    /// Imports `log.write` and adds `$say`, which logs `text` as an error.
    pub(crate) fn says(self, text: &str) -> Self {
        self.import(
            r#"(import "tickdeck:strategy/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#,
        )
        .item(&format!(
            "(data (i32.const 7168) \"{text}\")
                 (func $say (call $log (i32.const 3) (i32.const 7168) (i32.const {})))",
            text.len()
        ))
    }

    /// The body of `describe`; leaves a pointer to the manifest.
    pub(crate) fn describe(mut self, body: &str) -> Self {
        self.describe = body.to_owned();
        self
    }

    /// The body of `init`, with `$parameters`, `$count`, `$next`; leaves what `ok` or `error` gives.
    pub(crate) fn init(mut self, body: &str) -> Self {
        self.init = body.to_owned();
        self
    }

    /// The body of `save`; leaves what `state` or `error` gives.
    pub(crate) fn save(mut self, body: &str) -> Self {
        self.save = body.to_owned();
        self
    }

    /// The body of `restore`, with `$schema`, `$ptr`, `$len` of the state; leaves what `ok` or `error` gives.
    pub(crate) fn restore(mut self, body: &str) -> Self {
        self.restore = body.to_owned();
        self
    }

    /// The body of `stop`, with `$reason`.
    pub(crate) fn stop(mut self, body: &str) -> Self {
        self.stop = body.to_owned();
        self
    }

    /// The body of `on-events`, with `$ptr` and `$len` of the batch in events; leaves what `answer` gives.
    pub(crate) fn on_events(mut self, body: &str) -> Self {
        self.on_events = body.to_owned();
        self
    }

    /// Leaves out an export of the core module, by the end of its name.
    pub(crate) fn without(mut self, export: &'static str) -> Self {
        self.leave_out.push(export);
        self
    }

    /// The core module's text. Bodies can use, besides their parameters:
    /// `$seen` (events so far), `$take n` (adds to it), `$answer consumed actions count`, `$manifest`, `$ok`,
    /// `$error` (says `no`), `$state ptr len`, `$put index action-byte word` (an action at [`ACTIONS`]: its
    /// discriminant, and the first word of its record), `$bid index number size price` (a limit order to buy of instrument 0), `$spin`, `$dive`, `$bomb`.
    pub(crate) fn wat(&self) -> String {
        let (manifest, texts) = self.manifest();
        let hot = if self.world == "strategy" {
            "hot"
        } else {
            "hot-bytes"
        };
        // In bytes, lengths are bytes.
        let (events, unit) = if hot == "hot" {
            ("(local.get $len)", 1)
        } else {
            (EVENTS_OF_BYTES, ACTION)
        };
        let export = |interface: &str, function: &str| {
            if self.leave_out.contains(&function) {
                return String::new();
            }
            format!("(export \"tickdeck:strategy/{interface}@0.1.0#{function}\")")
        };
        format!(
            r#"(module
            {imports}
            (memory (export "memory") 4)
            (global $heap (mut i32) (i32.const {HEAP}))
            (global $seen (mut i64) (i64.const 0))
            (data (i32.const {MANIFEST}) "{manifest}")
            (data (i32.const {texts_at}) "{texts}")
            {items}
            (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
              (local $at i32) (local $end i32)
              (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
              (local.set $end (i32.add (local.get $at) (local.get $new)))
              (if (i32.gt_u (local.get $end) (i32.mul (memory.size) (i32.const 65536)))
                (then (if (i32.eq (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.div_u
                    (i32.sub (local.get $end) (i32.mul (memory.size) (i32.const 65536))) (i32.const 65536)))))
                  (then unreachable))))
              (global.set $heap (local.get $end))
              (local.get $at))
            (func $take (param $events i32) (global.set $seen (i64.add (global.get $seen) (i64.extend_i32_u (local.get $events)))))
            (func $answer (param $consumed i32) (param $actions i32) (param $count i32) (result i32)
              (global.set $heap (i32.const {HEAP}))
              (i32.store offset=0 (i32.const {OUTCOME}) (local.get $consumed))
              (i32.store offset=4 (i32.const {OUTCOME}) (local.get $actions))
              (i32.store offset=8 (i32.const {OUTCOME}) (i32.mul (local.get $count) (i32.const {unit})))
              (i32.const {OUTCOME}))
            (func $result (param $case i32) (param $ptr i32) (param $len i32) (result i32)
              (i32.store offset=0 (i32.const {RESULT}) (local.get $case))
              (i32.store offset=4 (i32.const {RESULT}) (local.get $ptr))
              (i32.store offset=8 (i32.const {RESULT}) (local.get $len))
              (i32.const {RESULT}))
            (func $ok (result i32) (call $result (i32.const 0) (i32.const 0) (i32.const 0)))
            (data (i32.const 64) "no")
            (func $error (result i32) (call $result (i32.const 1) (i32.const 64) (i32.const 2)))
            (func $state (param $ptr i32) (param $len i32) (result i32) (call $result (i32.const 0) (local.get $ptr) (local.get $len)))
            (func $manifest (result i32) (i32.const {MANIFEST}))
            (func $put (param $index i32) (param $action i32) (param $word i64) (local $at i32)
              (local.set $at (i32.add (i32.const {ACTIONS}) (i32.mul (local.get $index) (i32.const {ACTION}))))
              (i32.store8 (local.get $at) (local.get $action))
              (i64.store offset=8 (local.get $at) (local.get $word)))
            (func $bid (param $index i32) (param $number i64) (param $size i64) (param $price i64) (local $at i32)
              (call $put (local.get $index) (i32.const 0) (local.get $number))
              (local.set $at (i32.add (i32.const {ACTIONS}) (i32.mul (local.get $index) (i32.const {ACTION}))))
              (i64.store offset=24 (local.get $at) (local.get $size))
              (i64.store offset=40 (local.get $at) (local.get $price))
              ;; type limit, time in force gtc
              (i32.store offset=112 (local.get $at) (i32.const 0x10002)))
            (func $spin (loop $again (br $again)))
            (func $dive (result i32) (i32.add (call $dive) (i32.const 1)))
            (func $bomb (loop $again
              (if (i32.eq (memory.grow (i32.const 256)) (i32.const -1)) (then unreachable))
              (br $again)))
            (func $describe {describe_export} (result i32) {describe})
            (func $init {init_export} (param $parameters i32) (param $count i32) (param $next i64) (result i32) {init})
            (func $save {save_export} (result i32) {save})
            (func $restore {restore_export} (param $parameters i32) (param $count i32) (param $next i64)
              (param $schema i32) (param $ptr i32) (param $len i32) (result i32) {restore})
            (func $stop {stop_export} (param $reason i32) {stop})
            (func $handle (param $ptr i32) (param $len i32) (result i32) {on_events})
            (func $on_events {on_events_export} (param $ptr i32) (param $len i32) (result i32)
              (call $handle (local.get $ptr) {events}))
            )"#,
            imports = self.imports,
            items = self.items,
            manifest = escaped(&manifest),
            texts = escaped(&texts),
            texts_at = MANIFEST + manifest.len() as u32,
            describe = self.describe,
            init = self.init,
            save = self.save,
            restore = self.restore,
            stop = self.stop,
            on_events = self.on_events,
            describe_export = export("lifecycle", "describe"),
            init_export = export("lifecycle", "init"),
            save_export = export("lifecycle", "save"),
            restore_export = export("lifecycle", "restore"),
            stop_export = export("lifecycle", "stop"),
            on_events_export = export(hot, "on-events"),
        )
    }

    /// The core module with its component type embedded, as `cargo build --target wasm32-unknown-unknown` leaves it.
    pub(crate) fn core(&self) -> Vec<u8> {
        embedded(&self.wat(), &contract(), self.world)
    }

    /// The component.
    pub(crate) fn component(&self) -> Vec<u8> {
        encoded(&self.core())
    }

    /// The manifest in the canonical layout, and the texts that lie right behind it.
    fn manifest(&self) -> (Vec<u8>, Vec<u8>) {
        const RECORD: usize = 64;
        const PARAMETER: usize = 64;
        const SUBSCRIPTION: usize = 20;
        let size = RECORD
            + self.parameters.len() * PARAMETER
            + self.subscriptions.len() * SUBSCRIPTION
            + self.messages.len() * 8
            + self.restores.len() * 4;
        let mut layout = Layout {
            bytes: vec![0; size],
            texts: Vec::new(),
        };
        layout.text(0, self.name.as_bytes());
        layout.text(8, self.version.as_bytes());
        let mut next = RECORD;
        next = layout.list(
            24,
            next,
            &self.parameters,
            PARAMETER,
            |layout, at, (name, default)| {
                layout.text(at, name.as_bytes());
                layout.bytes[at + 16] = 3;
                if let Some(default) = default {
                    layout.bytes[at + 20] = 1;
                    layout.text(at + 24, default.as_bytes());
                }
            },
        );
        next = layout.list(
            32,
            next,
            &self.subscriptions,
            SUBSCRIPTION,
            |layout, at, subscription| {
                layout.bytes[at] = subscription[0];
                layout.text(at + 4, &subscription[1..]);
            },
        );
        next = layout.list(40, next, &self.messages, 8, |layout, at, message| {
            layout.text(at, message.as_bytes())
        });
        layout.word(52, 1);
        layout.list(56, next, &self.restores, 4, |layout, at, schema| {
            layout.word(at, *schema)
        });
        (layout.bytes, layout.texts)
    }
}

/// Bytes at [`MANIFEST`], and the texts that follow them.
struct Layout {
    bytes: Vec<u8>,
    texts: Vec<u8>,
}

impl Layout {
    fn word(&mut self, at: usize, word: u32) {
        self.bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }

    fn text(&mut self, at: usize, text: &[u8]) {
        self.word(at, MANIFEST + (self.bytes.len() + self.texts.len()) as u32);
        self.word(at + 4, text.len() as u32);
        self.texts.extend(text);
    }

    /// Lays out a list of elements of `size` bytes at `next`, its pointer and length at `at`; gives what follows.
    fn list<T>(
        &mut self,
        at: usize,
        next: usize,
        elements: &[T],
        size: usize,
        element: impl Fn(&mut Self, usize, &T),
    ) -> usize {
        self.word(at, MANIFEST + next as u32);
        self.word(at + 4, elements.len() as u32);
        for (index, value) in elements.iter().enumerate() {
            element(self, next + index * size, value);
        }
        next + elements.len() * size
    }
}

/// The contract's package.
pub(crate) fn contract() -> Resolve {
    let mut resolve = Resolve::default();
    resolve.push_dir(wit_folder()).expect("the contract parses");
    resolve
}

/// The contract's folder, from any crate of the workspace.
pub(crate) fn wit_folder() -> PathBuf {
    let start = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = start
        .ancestors()
        .map(|folder| folder.join("wit"))
        .find(|wit| wit.join("types.wit").is_file());
    found.expect("a crate of the workspace is below the folder that holds wit/")
}

/// A core module of this text with the type of a world embedded.
pub(crate) fn embedded(wat: &str, resolve: &Resolve, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    let packages: Vec<_> = resolve.packages.iter().map(|(id, _)| id).collect();
    let world = packages
        .iter()
        .find_map(|package| resolve.packages[*package].worlds.get(world));
    let world = *world.unwrap_or_else(|| panic!("a world of that name"));
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
        .expect("the type embeds");
    module
}

/// The component of a core module.
pub(crate) fn encoded(module: &[u8]) -> Vec<u8> {
    let encoder = ComponentEncoder::default()
        .module(module)
        .expect("the module carries a type");
    encoder
        .validate(true)
        .encode()
        .expect("the module fits its type")
}

/// Bytes as the text format writes them.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
