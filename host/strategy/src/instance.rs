//! A running strategy: one wasmtime store, called under limits, unusable after its first fault.

use crate::contract::World;
use crate::fault::{Call, of_answer, of_error};
use crate::generated::lifecycle::{self, GuestIndices};
use crate::imports::{self, Phase};
use crate::limits::{
    FIRST_LOOK_TICKS, HOT_FUEL, LIFECYCLE_FUEL, MAX_STATE, ResourceLimits, Start, TimeLimit,
    thread_time,
};
use crate::lower::{Outcome, OutcomeBytes, Slot, StateBytes};
use crate::manifest::Manifest;
use crate::wasm_engine::WasmEngine;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tickdeck_engine::port::{Fault, State, StopReason, Strategy};
use tickdeck_model::{Action, ActionBytes, Event, Untrusted};
use tickdeck_portfolio::StrategyBook;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, TypedFunc};
use zerocopy::IntoBytes as _;

/// The interface of the lifecycle calls.
const LIFECYCLE: &str = "tickdeck:strategy/lifecycle@0.1.0";

/// A running strategy. After a fault every further call fails without reaching it: drop it and start another.
pub struct Instance {
    guest: Guest,
    /// Number of messages in the manifest.
    messages: u32,
    /// Keeps the compiled code alive, so that loading the same module again does not recompile it.
    _code: Arc<Component>,
    /// Declared last: keeps the ticker alive, without which no time limit holds.
    _engine: WasmEngine,
}

/// An instantiated component and its functions.
pub(crate) struct Guest {
    store: Store<imports::State>,
    lifecycle: lifecycle::Guest,
    /// Lifted by hand too, because snapshots are frequent.
    save: TypedFunc<(), (Result<StateBytes, String>,)>,
    hot: OnEvents,
    limits: ResourceLimits,
    /// The fault that ended the instance.
    fault: Option<Fault>,
}

/// A module's exports, looked up by name once.
pub(crate) struct Exports {
    pub(crate) pre: InstancePre<imports::State>,
    pub(crate) lifecycle: GuestIndices,
    pub(crate) save: ComponentExportIndex,
    pub(crate) hot: ComponentExportIndex,
    pub(crate) world: World,
}

impl Exports {
    pub(crate) fn find(pre: InstancePre<imports::State>, world: World) -> wasmtime::Result<Self> {
        let lifecycle = GuestIndices::new(&pre)?;
        let component = pre.component();
        let find = |interface, function| {
            component
                .get_export_index(None, interface)
                .and_then(|instance| component.get_export_index(Some(&instance), function))
                .ok_or_else(|| wasmtime::format_err!("`{interface}` has no `{function}`"))
        };
        let save = find(LIFECYCLE, "save")?;
        let hot = find(world.hot_interface(), "on-events")?;
        Ok(Self {
            pre,
            lifecycle,
            save,
            hot,
            world,
        })
    }
}

/// `on-events` of either world.
enum OnEvents {
    Typed(TypedFunc<(&'static [Slot],), (Outcome,)>),
    Bytes(TypedFunc<(&'static [u8],), (OutcomeBytes,)>),
}

impl OnEvents {
    /// Looks up the function and checks its type against that of the hand-written lowering.
    fn find(
        instance: &wasmtime::component::Instance,
        store: &mut Store<imports::State>,
        index: &ComponentExportIndex,
        world: World,
    ) -> wasmtime::Result<Self> {
        let found = match world {
            World::Strategy => instance.get_typed_func(store, index).map(Self::Typed),
            World::StrategyBytes => instance.get_typed_func(store, index).map(Self::Bytes),
        };
        found.map_err(|error| error.context("`on-events` does not match the contract"))
    }
}

/// The result of a call of `on-events`.
enum Answer {
    Typed(Outcome),
    Bytes(OutcomeBytes),
}

impl Instance {
    pub(crate) fn new(
        guest: Guest,
        messages: usize,
        code: Arc<Component>,
        engine: WasmEngine,
    ) -> Self {
        let messages =
            u32::try_from(messages).expect("a checked manifest lists at most 256 messages");
        Self {
            guest,
            messages,
            _code: code,
            _engine: engine,
        }
    }

    /// Bytes of host memory that the instance uses: memories, tables, globals and core instances.
    pub fn memory_bytes(&self) -> usize {
        self.guest.store.data().limiter.used()
    }

    /// Whether the instance can be called.
    pub const fn is_alive(&self) -> bool {
        self.guest.fault.is_none()
    }

    pub(crate) fn init(
        &mut self,
        inputs: &lifecycle::Start,
        book: &mut Box<StrategyBook>,
        start: Start,
    ) -> Result<(), Fault> {
        let limit = self.guest.limits.of_start(start);
        let answer = self.guest.with_book(book, |guest| {
            guest.call("init", (Phase::Running, limit), |lifecycle, store| {
                lifecycle.call_init(store, inputs)
            })
        })?;
        answer.map_err(|why| self.guest.refused("init", &why))
    }

    pub(crate) fn restore(
        &mut self,
        inputs: &lifecycle::Start,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<(), Fault> {
        let limit = self.guest.limits.of_handover();
        let answer = self.guest.with_book(book, |guest| {
            guest.call("restore", (Phase::Running, limit), |lifecycle, store| {
                lifecycle.call_restore(store, inputs, state.schema, &state.bytes)
            })
        })?;
        answer.map_err(|why| self.guest.refused("restore", &why))
    }

    /// Checks an answer and appends all of its actions, or none.
    fn accept(
        &self,
        batch: &[Event],
        answer: &Answer,
        actions: &mut Vec<Action>,
    ) -> Result<usize, String> {
        let consumed = match answer {
            Answer::Typed(outcome) => outcome.consumed,
            Answer::Bytes(outcome) => outcome.consumed,
        };
        let consumed = usize::try_from(consumed).unwrap_or(usize::MAX);
        if consumed == 0 || consumed > batch.len() {
            return Err(format!(
                "consumed {consumed} events of a batch of {}",
                batch.len()
            ));
        }
        let before = actions.len();
        let appended = match answer {
            Answer::Typed(outcome) => self.append(outcome.actions.iter(), actions),
            Answer::Bytes(outcome) => self.append(outcome.actions.iter(), actions),
        };
        if appended.is_err() {
            actions.truncate(before);
        }
        appended.map(|()| consumed)
    }

    fn append<'a>(
        &self,
        bytes: impl Iterator<Item = &'a ActionBytes>,
        actions: &mut Vec<Action>,
    ) -> Result<(), String> {
        for (index, bytes) in bytes.enumerate() {
            let action = Action::from_bytes(bytes)
                .map_err(|problem| format!("action {index} of its answer: {problem}"))?;
            if let Action::Notify(notify) = &action
                && notify.message >= self.messages
            {
                return Err(format!(
                    "action {index} of its answer: `notify` of message {}, but the manifest lists {}",
                    notify.message, self.messages
                ));
            }
            actions.push(action);
        }
        Ok(())
    }
}

impl Strategy for Instance {
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        if batch.is_empty() {
            return Ok(0);
        }
        let answer = self.guest.on_events(batch, book)?;
        self.accept(batch, &answer, actions).map_err(|problem| {
            let call = Call {
                function: "on-events",
                batch,
            };
            let fault = of_answer(call, self.guest.store.data(), &problem);
            self.guest.end(fault)
        })
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        let mut state = Vec::new();
        Ok(self.save_into(&mut state)?.map(|()| state))
    }

    fn save_into(&mut self, state: &mut Vec<u8>) -> Result<Result<(), String>, Fault> {
        let save = self.guest.save;
        let guest = &mut self.guest;
        let limit = guest.limits.of_handover();
        let answer = StateBytes::with_buffer(state, || {
            guest.call("save", (Phase::Lifecycle, limit), |_, store| {
                save.call(store, ())
            })
        });
        match answer? {
            (Ok(StateBytes(bytes)),) => *state = bytes,
            (Err(why),) => return Ok(Err(self.guest.refused("save", &why).0)),
        }
        if state.len() > MAX_STATE {
            let problem = format!(
                "the state has {} bytes, the limit is {} MiB",
                state.len(),
                MAX_STATE >> 20
            );
            let call = Call::lifecycle("save");
            return Ok(Err(of_answer(call, self.guest.store.data(), &problem).0));
        }
        Ok(Ok(()))
    }

    fn long_call_ns(&self) -> Option<u64> {
        let used = self.guest.store.data().deadline.used(thread_time)?;
        u64::try_from(used.as_nanos()).ok()
    }

    fn thread_time_ns(&self) -> Option<u64> {
        u64::try_from(thread_time().as_nanos()).ok()
    }

    fn restore_time_limit(&mut self) {
        self.guest.store.data_mut().deadline.restore_time_limit();
    }

    fn stop(&mut self, reason: StopReason) -> Result<(), Fault> {
        let reason = match reason {
            StopReason::Shutdown => lifecycle::StopReason::Shutdown,
            StopReason::Removed => lifecycle::StopReason::Removed,
            StopReason::Replaced => lifecycle::StopReason::Replaced,
        };
        let limit = self.guest.limits.of_handover();
        self.guest
            .call("stop", (Phase::Lifecycle, limit), |lifecycle, store| {
                lifecycle.call_stop(store, reason)
            })
    }
}

impl Guest {
    pub(crate) fn instantiate(
        engine: &WasmEngine,
        exports: &Exports,
        state: imports::State,
        limits: ResourceLimits,
        start: Start,
    ) -> Result<Self, Fault> {
        let mut store = Store::new(engine.engine(), state);
        store.limiter(|state| &mut state.limiter);
        let time_limit_factor = Arc::clone(engine.time_limit_factor());
        store.epoch_deadline_callback(move |mut store| {
            let times = time_limit_factor.load(Ordering::Relaxed);
            store.data_mut().deadline.reached(thread_time(), times)
        });
        store.set_hostcall_fuel(LIFECYCLE_FUEL);
        arm_limits(&mut store, Phase::Describing, limits.of_start(start));
        let made = exports.pre.instantiate(&mut store).and_then(|instance| {
            let lifecycle = exports.lifecycle.load(&mut store, &instance)?;
            let save = instance.get_typed_func(&mut store, exports.save)?;
            let hot = OnEvents::find(&instance, &mut store, &exports.hot, exports.world)?;
            Ok((lifecycle, save, hot))
        });
        match made {
            Ok((lifecycle, save, hot)) => Ok(Self {
                store,
                lifecycle,
                save,
                hot,
                limits,
                fault: None,
            }),
            Err(error) => {
                let call = Call::lifecycle("instantiation");
                Err(of_error(call, &error, store.data(), &limits))
            }
        }
    }

    pub(crate) fn describe(&mut self) -> Result<Manifest, Fault> {
        let limit = self.limits.of_start(Start::Ahead);
        self.call(
            "describe",
            (Phase::Describing, limit),
            |lifecycle, store| lifecycle.call_describe(store),
        )
        .map(Into::into)
    }

    /// Calls a lifecycle function.
    fn call<R>(
        &mut self,
        function: &'static str,
        (phase, limit): (Phase, TimeLimit),
        call: impl FnOnce(&lifecycle::Guest, &mut Store<imports::State>) -> wasmtime::Result<R>,
    ) -> Result<R, Fault> {
        self.check_alive()?;
        self.store.set_hostcall_fuel(LIFECYCLE_FUEL);
        arm_limits(&mut self.store, phase, limit);
        let answer = call(&self.lifecycle, &mut self.store);
        answer.map_err(|error| self.fail(Call::lifecycle(function), &error))
    }

    /// Calls `on-events` with the caller's book.
    fn on_events(
        &mut self,
        batch: &[Event],
        book: &mut Box<StrategyBook>,
    ) -> Result<Answer, Fault> {
        self.check_alive()?;
        self.store.set_hostcall_fuel(HOT_FUEL);
        arm_limits(&mut self.store, Phase::Running, self.limits.of_events());
        let answer = self.with_book(book, |guest| guest.call_hot(batch));
        answer.map_err(|error| {
            let call = Call {
                function: "on-events",
                batch,
            };
            self.fail(call, &error)
        })
    }

    /// Swaps the caller's book in for the duration of a call, so that the host functions read it.
    fn with_book<R>(
        &mut self,
        book: &mut Box<StrategyBook>,
        call: impl FnOnce(&mut Self) -> R,
    ) -> R {
        std::mem::swap(&mut self.store.data_mut().book, book);
        let answer = call(self);
        std::mem::swap(&mut self.store.data_mut().book, book);
        answer
    }

    fn call_hot(&mut self, batch: &[Event]) -> wasmtime::Result<Answer> {
        let store = &mut self.store;
        match self.hot {
            OnEvents::Typed(on_events) => {
                let on_events: TypedFunc<(&[Slot],), (Outcome,)> = on_events;
                let outcome = on_events.call(store, (Slot::batch(batch),));
                outcome.map(|(outcome,)| Answer::Typed(outcome))
            }
            OnEvents::Bytes(on_events) => {
                let on_events: TypedFunc<(&[u8],), (OutcomeBytes,)> = on_events;
                let outcome = on_events.call(store, (batch.as_bytes(),));
                outcome.map(|(outcome,)| Answer::Bytes(outcome))
            }
        }
    }

    fn check_alive(&self) -> Result<(), Fault> {
        match &self.fault {
            None => Ok(()),
            Some(Fault(why)) => Err(Fault(format!("ended earlier: {why}"))),
        }
    }

    fn fail(&mut self, call: Call<'_>, error: &wasmtime::Error) -> Fault {
        let fault = of_error(call, error, self.store.data(), &self.limits);
        self.end(fault)
    }

    fn end(&mut self, fault: Fault) -> Fault {
        self.fault = Some(fault.clone());
        fault
    }

    /// Describes a refusal by the strategy, with its own reason.
    fn refused(&self, function: &'static str, why: &str) -> Fault {
        let problem = format!("refused: {}", Untrusted::new(why));
        of_answer(Call::lifecycle(function), self.store.data(), &problem)
    }
}

/// Arms the limits of a call.
fn arm_limits(store: &mut Store<imports::State>, phase: Phase, limit: TimeLimit) {
    let state = store.data_mut();
    state.phase = phase;
    state.deadline.arm(limit);
    state.limiter.begin_call();
    store.set_epoch_deadline(FIRST_LOOK_TICKS);
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("strategy", &self.guest.store.data().log.strategy())
            .field("fault", &self.guest.fault)
            .finish_non_exhaustive()
    }
}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Instance>();
};
