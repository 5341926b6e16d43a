//! Describes the fault of an instance: the cause, the function, the events, the stack frames, the limit and its setting.

use crate::imports::State;
use crate::limits::{MAX_STATE, ResourceLimits, TimeIsUp};
use crate::lower::{TooManyActions, TornAction};
use tickdeck_engine::port::Fault;
use tickdeck_model::untrusted::one_line;
use tickdeck_model::{Event, Untrusted};
use wasmtime::{FrameInfo, Trap, WasmBacktrace};

/// Frames shown of a backtrace.
const MAX_FRAMES: usize = 6;

/// Frames of Rust's panic machinery; the author's own frames come below them.
const PANIC_FRAMES: [&str; 5] = [
    "__rust",
    "rust_begin_unwind",
    "core::panicking",
    "std::panicking",
    "panic_handler",
];

/// Bytes shown of the name of a frame.
const MAX_FRAME: usize = 160;

/// The call that failed.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) function: &'static str,
    /// The events passed to `on-events`.
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

/// Describes the fault of a call that ended in `error`.
pub(crate) fn of_error(
    call: Call<'_>,
    error: &wasmtime::Error,
    state: &State,
    limits: &ResourceLimits,
) -> Fault {
    let name = state.log.strategy();
    let mut text = format!("strategy `{name}`, {call}: {}", cause(error, state, limits));
    if let Some(line) = state.log.last()
        && is_guest_trap(error)
    {
        // A fault shows a log line of several lines as one.
        text += &format!("; its last log line: {}", line.replace("\\n", " "));
    }
    for frame in frames(error) {
        text += &format!("\n  at {frame}");
    }
    Fault(text)
}

/// Describes the fault of a guest whose answer broke the contract.
pub(crate) fn of_answer(call: Call<'_>, state: &State, problem: &str) -> Fault {
    let name = state.log.strategy();
    Fault(format!("strategy `{name}`, {call}: {problem}"))
}

fn cause(error: &wasmtime::Error, state: &State, limits: &ResourceLimits) -> String {
    let name = state.log.strategy();
    if let Some(TimeIsUp { limit: used }) = error.downcast_ref() {
        let setting = state.deadline.setting();
        let used = used.as_millis();
        return format!(
            "endless loop, or too slow: stopped after {used} ms of CPU time; the limit is `{setting}` for `{name}`"
        );
    }
    if let Some(asked) = state.limiter.refused() {
        return format!(
            "{}: asked for {} MiB of memory, the limit is {} MiB: raise `memory_mib` for `{name}`",
            describe_trap(error).unwrap_or("out of memory"),
            asked.div_ceil(1 << 20),
            limits.memory_mib
        );
    }
    if error.downcast_ref::<TooManyActions>().is_some()
        || error.downcast_ref::<TornAction>().is_some()
    {
        return error.root_cause().to_string();
    }
    if let Some(trap) = describe_trap(error) {
        return trap.to_owned();
    }
    // With a backtrace, the outer messages are the frames, which are listed anyway.
    let text = match error.downcast_ref::<WasmBacktrace>() {
        Some(_) => one_line(&error.root_cause().to_string()),
        None => one_line(&format!("{error:#}")),
    };
    if text.contains("fuel allocated for hostcalls") {
        return format!(
            "returned more than the host accepts from one call (a state may have {} MiB)",
            MAX_STATE >> 20
        );
    }
    text
}

/// Whether the guest's own code trapped, so that its last log line is of interest.
fn is_guest_trap(error: &wasmtime::Error) -> bool {
    error.downcast_ref::<Trap>().is_some()
}

fn describe_trap(error: &wasmtime::Error) -> Option<&'static str> {
    Some(match error.downcast_ref::<Trap>()? {
        Trap::StackOverflow => "stack overflow: recursion too deep",
        Trap::MemoryOutOfBounds => "accessed memory out of bounds",
        Trap::UnreachableCodeReached => {
            "unreachable executed (a panic or an abort in the strategy)"
        }
        Trap::IntegerDivisionByZero => "division by zero",
        Trap::IntegerOverflow => "integer overflow in a division",
        Trap::BadConversionToInteger => "converted a float that does not fit an integer",
        Trap::TableOutOfBounds | Trap::IndirectCallToNull | Trap::BadSignature => {
            "called a function pointer of another type"
        }
        Trap::CannotEnterComponent => "called again after a trap",
        Trap::AllocationTooLarge => "allocation too large",
        _ => return None,
    })
}

/// Returns the innermost frames, such as `ema.wasm!ema::on_event`, under the names that the module gives. Names are cut
/// and never demangled: demangling takes unbounded time on names that a guest chooses, and linkers write readable ones.
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
    if PANIC_FRAMES.iter().any(|part| function.contains(part)) {
        return None;
    }
    let text = match frame.module().name() {
        Some(module) => format!("{}!{function}", start_of(module)),
        None => function,
    };
    let text = Untrusted::new(&text).to_string();
    Some(start_of(&text).to_owned())
}

/// Describes why an instance could not be created.
pub(crate) fn not_made(name: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault(format!("strategy `{name}`, instantiation: {why}"))
}

/// Returns at most [`MAX_FRAME`] bytes of a name, so that work on it is bounded.
fn start_of(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_FRAME)]
}
