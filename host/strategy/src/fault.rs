//! What happened to an instance, in words: the cause, the function, the events, the frames, the limit and its setting.

use crate::imports::State;
use crate::limits::{MAX_STATE, ResourceLimits, TimeIsUp};
use crate::lower::{TooManyActions, TornAction};
use crate::text::{one_line, sanitize};
use tickdeck_engine::port::Fault;
use tickdeck_model::Event;
use wasmtime::{FrameInfo, Trap, WasmBacktrace};

/// Frames shown of a backtrace.
const MAX_FRAMES: usize = 6;

/// Frames of how Rust panics: the author's own come below them.
const MACHINERY: [&str; 5] = [
    "__rust",
    "rust_begin_unwind",
    "core::panicking",
    "std::panicking",
    "panic_handler",
];

/// Bytes shown of a frame's name.
const MAX_FRAME: usize = 160;

/// The call that failed.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) function: &'static str,
    /// What was handed over, for `on-events`.
    pub(crate) batch: &'a [Event],
}

impl Call<'_> {
    pub(crate) const fn lifecycle(function: &'static str) -> Self {
        Self {
            function,
            batch: &[],
        }
    }
}

impl std::fmt::Display for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function)?;
        match self.batch {
            [] => Ok(()),
            [event] => write!(f, " (event {})", event.sequence),
            [first, .., last] => write!(f, " (events {} to {})", first.sequence, last.sequence),
        }
    }
}

/// The fault of a call that ended in `error`.
pub(crate) fn of_error(
    call: Call<'_>,
    error: &wasmtime::Error,
    state: &State,
    limits: &ResourceLimits,
) -> Fault {
    let name = state.log.strategy();
    let mut text = format!(
        "strategy `{name}`, {call}: {}",
        cause(call, error, state, limits)
    );
    if let Some(said) = state.log.last()
        && is_guest_trap(error)
    {
        // What has several lines in its log has one here.
        text += &format!("; it said last: {}", said.replace("\\n", " "));
    }
    for frame in frames(error) {
        text += &format!("\n  at {frame}");
    }
    Fault(text)
}

/// The fault of a guest that broke the contract in what it returned.
pub(crate) fn of_answer(call: Call<'_>, state: &State, problem: &str) -> Fault {
    let name = state.log.strategy();
    Fault(format!("strategy `{name}`, {call}: {problem}"))
}

fn cause(
    call: Call<'_>,
    error: &wasmtime::Error,
    state: &State,
    limits: &ResourceLimits,
) -> String {
    let name = state.log.strategy();
    if let Some(TimeIsUp { limit: used }) = error.downcast_ref() {
        let (_, setting) = limits.of_call(call.function);
        let used = used.as_millis();
        return format!(
            "endless loop, or too slow: stopped after {used} ms of CPU time; the limit is `{setting}` for `{name}`"
        );
    }
    if let Some(asked) = state.limiter.refused() {
        return format!(
            "{}: asked for {} MiB of memory, limit {} MiB: raise `memory_mib` for `{name}`",
            trap_words(error).unwrap_or("out of memory"),
            asked.div_ceil(1 << 20),
            limits.memory_mib
        );
    }
    if error.downcast_ref::<TooManyActions>().is_some()
        || error.downcast_ref::<TornAction>().is_some()
    {
        return error.root_cause().to_string();
    }
    if let Some(words) = trap_words(error) {
        return words.to_owned();
    }
    // With a backtrace the outer texts are the frames, which follow anyway.
    let text = match error.downcast_ref::<WasmBacktrace>() {
        Some(_) => one_line(&error.root_cause().to_string()),
        None => one_line(&format!("{error:#}")),
    };
    if text.contains("fuel allocated for hostcalls") {
        return format!(
            "handed over more than the host takes in one call (a state may have {} MiB)",
            MAX_STATE >> 20
        );
    }
    text
}

/// Whether the guest's own code trapped, so that its last words are of interest.
fn is_guest_trap(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<Trap>().is_some()
}

fn trap_words(error: &wasmtime::Error) -> Option<&'static str> {
    Some(match error.downcast_ref::<Trap>()? {
        Trap::StackOverflow => "stack overflow: recursion too deep",
        Trap::MemoryOutOfBounds => "read or wrote outside its memory",
        Trap::UnreachableCodeReached => {
            "unreachable executed (a panic or an abort in the strategy)"
        }
        Trap::IntegerDivisionByZero => "division by zero",
        Trap::IntegerOverflow => "integer overflow in a division",
        Trap::BadConversionToInteger => "a float that fits no integer was converted to one",
        Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => {
            "called through a function pointer that is not one of that type"
        }
        Trap::CannotEnterComponent => "called again after a trap",
        Trap::AllocationTooLarge => "allocation too large",
        _ => return None,
    })
}

/// The innermost frames, such as `ema.wasm!ema::on_event`, from the names that the module gives itself. They are cut,
/// and never demangled: that takes time without bound on names that a guest chooses, and linkers write readable ones.
fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let frames = backtrace.frames().iter().filter_map(frame);
    frames.take(MAX_FRAMES).collect()
}

fn frame(frame: &FrameInfo) -> Option<String> {
    let function = match frame.func_name() {
        Some(name) => start_of(name).to_owned(),
        None => format!("<wasm function {}>", frame.func_index()),
    };
    if MACHINERY.iter().any(|part| function.contains(part)) {
        return None;
    }
    let text = match frame.module().name() {
        Some(module) => format!("{}!{function}", start_of(module)),
        None => function,
    };
    let text = sanitize(&text);
    Some(start_of(&text).to_owned())
}

/// At most [`MAX_FRAME`] bytes of a name, so that what is done with it is bounded.
fn start_of(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_FRAME)]
}
