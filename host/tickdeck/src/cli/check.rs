//! `tickdeck check`: all there is to know about a module without running it on events.

use crate::figures;
use crate::output::print;
use crate::table::aligned;
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tickdeck_engine::port::OrderPolicy;
use tickdeck_strategy::{CacheUse, Host, HostConfig, Inspection, Limits, Subscription};

/// Say what a module is, what it wants and whether this host runs it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck check plugins/ema-cross.wasm
  tickdeck check plugins/ema-cross.wasm --json")]
pub(super) struct Check {
    /// The module
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode> {
        // Without the cache: what is printed is how long it takes to compile.
        let host = Host::new(HostConfig::default())?;
        let inspection = host.inspect(&self.file, &Limits::default())?;
        if self.json {
            print(&(serde_json::to_string(&wire(&self.file, &inspection))? + "\n"))?;
        } else {
            print(&text(&self.file, &inspection))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// One line about a module.
pub(super) fn line(file: &Path, inspection: &Inspection) -> String {
    let manifest = &inspection.manifest;
    format!(
        "{}: {} {}, world {}, {}",
        file.display(),
        manifest.name,
        manifest.version,
        inspection.world,
        figures::bytes(inspection.size as u64)
    )
}

fn text(file: &Path, inspection: &Inspection) -> String {
    let manifest = &inspection.manifest;
    let list = |items: &[String]| {
        if items.is_empty() {
            "none".to_owned()
        } else {
            items.join(", ")
        }
    };
    let mut rows = vec![
        [
            "file".to_owned(),
            format!(
                "{}, {}",
                file.display(),
                figures::bytes(inspection.size as u64)
            ),
        ],
        [
            "strategy".to_owned(),
            format!("{} {}", manifest.name, manifest.version),
        ],
        ["about".to_owned(), manifest.doc.clone()],
        [
            "world".to_owned(),
            format!("{}, contract {}", inspection.world, inspection.contract),
        ],
        ["imports".to_owned(), list(&inspection.imports)],
        ["exports".to_owned(), list(&inspection.exports)],
        [
            "wants".to_owned(),
            list(
                &manifest
                    .subscriptions
                    .iter()
                    .map(subscription)
                    .collect::<Vec<_>>(),
            ),
        ],
        ["messages".to_owned(), list(&manifest.messages)],
        [
            "orders".to_owned(),
            format!("{} when it ends", policy_in_words(manifest.order_policy)),
        ],
        [
            "state".to_owned(),
            format!(
                "schema {}, restores {:?}",
                manifest.state_schema, manifest.restores
            ),
        ],
        ["hash".to_owned(), inspection.hash.to_string()],
        [
            "compiled".to_owned(),
            format!("in {:.1} ms", inspection.compile_time.as_secs_f64() * 1e3),
        ],
    ];
    rows.retain(|[_, value]| !value.is_empty());
    let width = rows.iter().map(|[name, _]| name.len()).max().unwrap_or(0);
    let mut text: String = rows
        .iter()
        .map(|[name, value]| format!("{name:<width$}  {value}\n"))
        .collect();
    let parameters: Vec<[String; 5]> = manifest
        .parameters
        .iter()
        .map(|parameter| {
            let default = parameter
                .default
                .clone()
                .unwrap_or_else(|| "(must be given)".to_owned());
            let range = range(parameter.minimum, parameter.maximum);
            [
                parameter.name.clone(),
                parameter.kind.to_string(),
                default,
                range,
                parameter.doc.clone(),
            ]
        })
        .collect();
    if !parameters.is_empty() {
        text += "\n";
        text += &aligned(
            &["<parameter", "<kind", "<default", "<range", "<what for"],
            &parameters,
        );
    }
    text
}

fn range(minimum: Option<f64>, maximum: Option<f64>) -> String {
    match (minimum, maximum) {
        (None, None) => String::new(),
        (Some(least), None) => format!("from {least}"),
        (None, Some(most)) => format!("up to {most}"),
        (Some(least), Some(most)) => format!("{least} to {most}"),
    }
}

fn subscription(subscription: &Subscription) -> String {
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
        Subscription::Accounts => "the account's balances".to_owned(),
    }
}

const fn policy_in_words(policy: OrderPolicy) -> &'static str {
    match policy {
        OrderPolicy::Cancel => "canceled",
        OrderPolicy::Hold => "held",
    }
}

/// A module as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Wire {
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
    parameters: Vec<WireParameter>,
    subscriptions: Vec<String>,
    messages: Vec<String>,
    order_policy: &'static str,
    state_schema: u32,
    restores: Vec<u32>,
    compile_ms: f64,
    cache: &'static str,
}

#[derive(Debug, Serialize)]
struct WireParameter {
    name: String,
    doc: String,
    kind: String,
    default: Option<String>,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

/// A module as JSON.
pub(super) fn wire(file: &Path, inspection: &Inspection) -> Wire {
    let manifest = inspection.manifest.clone();
    let parameters = manifest
        .parameters
        .into_iter()
        .map(|parameter| WireParameter {
            name: parameter.name,
            doc: parameter.doc,
            kind: parameter.kind.to_string(),
            default: parameter.default,
            minimum: parameter.minimum,
            maximum: parameter.maximum,
        });
    Wire {
        file: file.display().to_string(),
        parameters: parameters.collect(),
        name: manifest.name,
        version: manifest.version,
        doc: manifest.doc,
        world: inspection.world.as_str(),
        contract: inspection.contract.clone(),
        imports: inspection.imports.clone(),
        exports: inspection.exports.clone(),
        size: inspection.size,
        hash: inspection.hash.to_string(),
        subscriptions: manifest.subscriptions.iter().map(subscription).collect(),
        messages: manifest.messages,
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
