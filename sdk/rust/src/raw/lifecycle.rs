//! The exports of `lifecycle`, converted from and to the SDK's types.

use super::{Instance, memory};
use crate::generated::exports::tickdeck::strategy::lifecycle as wit;
use crate::ids::OrderNumber;
use crate::imports;
use crate::manifest::Manifest;
use crate::params::{Parameter, ParameterKind};
use crate::runner::Runner;
use crate::subscription::Subscription;
use crate::terms::{BarBasis, Level, OrderPolicy, StopReason};

impl<I: Instance> wit::Guest for I {
    fn describe() -> wit::Manifest {
        report_panics();
        let call = memory::enter();
        let manifest = manifest(Manifest::of::<I::Strategy>(I::IDENTITY));
        memory::leave(call);
        manifest
    }

    fn init(start: wit::Start) -> Result<(), String> {
        begin::<I>(start, |start| {
            Runner::start(&start.parameters, OrderNumber(start.next_order))
        })
    }

    fn save() -> Result<Vec<u8>, String> {
        let call = memory::enter();
        let state = I::with(|runner| match runner {
            Some(runner) => runner.save(),
            None => Err("the strategy was never started".to_owned()),
        });
        memory::leave(call);
        state
    }

    fn restore(start: wit::Start, schema: u32, state: Vec<u8>) -> Result<(), String> {
        // If the state is in the block it must not be freed, and a panic frees nothing.
        assert!(!memory::is_started(), "a strategy is started once");
        begin::<I>(start, |start| {
            Runner::restore(
                &start.parameters,
                OrderNumber(start.next_order),
                schema,
                &state,
            )
        })
    }

    fn stop(reason: wit::StopReason) {
        let call = memory::enter();
        let reason = match reason {
            wit::StopReason::Shutdown => StopReason::Shutdown,
            wit::StopReason::Removed => StopReason::Removed,
            wit::StopReason::Replaced => StopReason::Replaced,
        };
        I::with(|runner| {
            if let Some(runner) = runner {
                runner.stop(reason);
            }
        });
        memory::leave(call);
    }
}

fn begin<I: Instance>(
    start: wit::Start,
    make: impl FnOnce(&wit::Start) -> Result<Runner<I::Strategy>, String>,
) -> Result<(), String> {
    assert!(!memory::is_started(), "a strategy is started once");
    report_panics();
    let call = memory::enter();
    match make(&start) {
        Ok(started) => {
            I::with(|runner| *runner = Some(started));
            memory::started(call);
            Ok(())
        }
        Err(error) => {
            memory::leave(call);
            Err(error)
        }
    }
}

/// Reports the message of a panic to the operator before the panic traps.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        imports::log(Level::Error, &info.to_string())
    }));
}

fn manifest(manifest: Manifest) -> wit::Manifest {
    wit::Manifest {
        name: manifest.identity.name.to_owned(),
        version: manifest.identity.version.to_owned(),
        doc: manifest.identity.doc.to_owned(),
        parameters: manifest.parameters.into_iter().map(parameter).collect(),
        subscriptions: manifest
            .subscriptions
            .into_iter()
            .map(subscription)
            .collect(),
        messages: manifest.messages.into_iter().map(str::to_owned).collect(),
        order_policy: match manifest.order_policy {
            OrderPolicy::Cancel => wit::OrderPolicy::Cancel,
            OrderPolicy::Hold => wit::OrderPolicy::Hold,
        },
        state_schema: manifest.state_schema,
        restores: manifest.restores,
    }
}

fn parameter(parameter: Parameter) -> wit::Parameter {
    wit::Parameter {
        name: parameter.name.to_owned(),
        doc: parameter.doc.to_owned(),
        kind: match parameter.kind {
            ParameterKind::Integer => wit::ParameterKind::Integer,
            ParameterKind::Decimal => wit::ParameterKind::Decimal,
            ParameterKind::Boolean => wit::ParameterKind::Boolean,
            ParameterKind::Text => wit::ParameterKind::Text,
            ParameterKind::Instrument => wit::ParameterKind::Instrument,
        },
        default: parameter.default.map(str::to_owned),
        minimum: parameter.minimum,
        maximum: parameter.maximum,
    }
}

fn subscription(subscription: Subscription) -> wit::Subscription {
    match subscription {
        Subscription::Quotes(instrument) => wit::Subscription::Quotes(instrument),
        Subscription::Trades(instrument) => wit::Subscription::Trades(instrument),
        Subscription::Book(instrument) => wit::Subscription::Book(instrument),
        Subscription::Bars(instrument, bars) => {
            let basis = match bars.basis {
                BarBasis::Time => wit::BarBasis::Time,
                BarBasis::Trades => wit::BarBasis::Trades,
                BarBasis::Volume => wit::BarBasis::Volume,
            };
            wit::Subscription::Bars(wit::BarFeed {
                instrument,
                basis,
                step: bars.step,
            })
        }
        Subscription::Signals(name) => wit::Subscription::Signals(name),
        Subscription::Accounts => wit::Subscription::Accounts,
    }
}
