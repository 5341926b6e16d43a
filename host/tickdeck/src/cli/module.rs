//! A module as `check` and `build` describe it: one line of text, or JSON.

use serde::Serialize;
use std::path::Path;
use tickdeck_engine::port::OrderPolicy;
use tickdeck_model::{Untrusted, format};
use tickdeck_settings::public_key::KeyId;
use tickdeck_strategy::{CacheUse, Inspection, Subscription};

/// Describes a module in one line.
pub(super) fn line(file: &Path, inspection: &Inspection) -> String {
    let manifest = &inspection.manifest;
    format!(
        "{}: {} {}, world {}, {}",
        Untrusted::path(file),
        manifest.name,
        manifest.version,
        inspection.world,
        format::bytes(inspection.size as u64)
    )
}

/// The key named in the signature file next to a module, or why that file is unusable.
pub(super) type Signer = Result<Option<KeyId>, String>;

/// The signature file next to a module; not verified.
#[derive(Debug, Serialize)]
struct Signature {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl Signature {
    fn of(signer: &Signer) -> Option<Self> {
        match signer {
            Ok(key) => key.map(|key| Self {
                key: Some(key.to_string()),
                problem: None,
            }),
            Err(problem) => Some(Self {
                key: None,
                problem: Some(problem.clone()),
            }),
        }
    }
}

/// A module as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Module {
    file: String,
    name: String,
    version: String,
    doc: String,
    world: &'static str,
    contract: String,
    imports: Vec<String>,
    exports: Vec<String>,
    size: usize,
    hash: String,
    signature: Option<Signature>,
    parameters: Vec<ModuleParameter>,
    subscriptions: Vec<String>,
    messages: Vec<String>,
    order_policy: &'static str,
    state_schema: u32,
    restores: Vec<u32>,
    compile_ms: f64,
    cache: &'static str,
}

#[derive(Debug, Serialize)]
struct ModuleParameter {
    name: String,
    doc: String,
    kind: String,
    default: Option<String>,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

/// Converts an inspected module to JSON.
pub(super) fn module(file: &Path, inspection: &Inspection, signer: &Signer) -> Module {
    let manifest = inspection.manifest.clone();
    let parameters = manifest
        .parameters
        .into_iter()
        .map(|parameter| ModuleParameter {
            name: parameter.name,
            doc: parameter.doc.to_string(),
            kind: parameter.kind.to_string(),
            default: parameter.default.map(|text| text.to_string()),
            minimum: parameter.minimum,
            maximum: parameter.maximum,
        });
    Module {
        file: Untrusted::path(file).to_string(),
        parameters: parameters.collect(),
        name: manifest.name,
        version: manifest.version,
        doc: manifest.doc.to_string(),
        world: inspection.world.as_str(),
        contract: inspection.contract.to_string(),
        imports: shown(&inspection.imports),
        exports: shown(&inspection.exports),
        size: inspection.size,
        hash: inspection.hash.to_string(),
        signature: Signature::of(signer),
        subscriptions: manifest.subscriptions.iter().map(subscription).collect(),
        messages: shown(&manifest.messages),
        order_policy: match manifest.order_policy {
            OrderPolicy::Cancel => "cancel",
            OrderPolicy::Hold => "hold",
        },
        state_schema: manifest.state_schema,
        restores: manifest.restores,
        compile_ms: (inspection.compile_time.as_secs_f64() * 1e6).round() / 1e3,
        cache: match inspection.cache {
            CacheUse::Off => "off",
            CacheUse::Hit => "hit",
            CacheUse::Stored => "stored",
            CacheUse::Failed(_) => "failed",
        },
    }
}

/// Returns untrusted texts, escaped for display.
pub(super) fn shown(texts: &[Untrusted]) -> Vec<String> {
    texts.iter().map(Untrusted::to_string).collect()
}

/// Describes a subscription.
pub(super) fn subscription(subscription: &Subscription) -> String {
    match subscription {
        Subscription::Quotes(target) => format!("quotes of {target}"),
        Subscription::Trades(target) => format!("trades of {target}"),
        Subscription::Book(target) => format!("book of {target}"),
        Subscription::Bars {
            instrument,
            basis,
            step,
        } => format!("bars of {instrument} by {basis}, {step}"),
        Subscription::Signals(name) => format!("signals `{name}`"),
        Subscription::Accounts => "account balances".to_owned(),
    }
}
