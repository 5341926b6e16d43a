//! The JSON objects of `check`, `build`, `sign`, `data check`, `doctor` and `bench`. The one of `demo` and `run` is in [`crate::display::summary`].

use super::check::{Signer, subscription};
use serde::Serialize;
use serde_json::value::RawValue;
use std::path::Path;
use tickdeck_engine::port::OrderPolicy;
use tickdeck_gateway::playback::CheckReport;
use tickdeck_strategy::{CacheUse, Inspection};

/// What `build` prints.
#[derive(Debug, Serialize)]
pub(super) struct Modules {
    pub(super) modules: Vec<Module>,
}

/// What `data check` prints.
#[derive(Debug, Serialize)]
pub(super) struct DataFiles {
    pub(super) files: Vec<DataFile>,
}

/// A capture.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum DataFile {
    Checked(Box<CheckReport>),
    Unreadable { file: String, error: String },
}

/// What `journal show` prints: rows as in an export, each with the name of its table.
#[derive(Debug, Serialize)]
pub(super) struct ShownPlace {
    pub(super) run: u32,
    pub(super) event: Box<RawValue>,
    pub(super) decided: Vec<Box<RawValue>>,
    pub(super) before: Vec<Box<RawValue>>,
    pub(super) after: Vec<Box<RawValue>>,
}

/// What `doctor` prints.
#[derive(Debug, Serialize)]
pub(super) struct Diagnosis {
    pub(super) ok: bool,
    pub(super) checks: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) what: &'static str,
    pub(super) level: Level,
    pub(super) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warn,
    Fail,
}

/// What `bench` prints.
#[derive(Debug, Serialize)]
pub(super) struct SelfCheck {
    /// Nothing is wrong with the machine, and no figure is far from usual.
    pub(super) fit: bool,
    pub(super) checks: Vec<Finding>,
    pub(super) figures: Vec<Figure>,
}

/// Something that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    /// Of the rounds, where it was measured in rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) most: Option<f64>,
    /// On an ordinary machine.
    pub(super) usual: f64,
    pub(super) level: Level,
}

/// What `sign` prints.
#[derive(Debug, Serialize)]
pub(super) struct SignedFiles {
    pub(super) key: String,
    pub(super) files: Vec<SignedFile>,
}

/// A file that was signed.
#[derive(Debug, Serialize)]
pub(super) struct SignedFile {
    pub(super) file: String,
    pub(super) signature_file: String,
}

/// What `sign --new-key` prints.
#[derive(Debug, Serialize)]
pub(super) struct KeyMade {
    pub(super) key: String,
    pub(super) secret_file: String,
    pub(super) public_file: String,
    pub(super) public_key: String,
}

/// The signature beside a module; it was not verified.
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

/// A module as JSON.
pub(super) fn module(file: &Path, inspection: &Inspection, signer: &Signer) -> Module {
    let manifest = inspection.manifest.clone();
    let parameters = manifest
        .parameters
        .into_iter()
        .map(|parameter| ModuleParameter {
            name: parameter.name,
            doc: parameter.doc,
            kind: parameter.kind.to_string(),
            default: parameter.default,
            minimum: parameter.minimum,
            maximum: parameter.maximum,
        });
    Module {
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
        signature: Signature::of(signer),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_have_stable_names() {
        let finding = |level, fix| Finding {
            what: "cores",
            level,
            found: "2".to_owned(),
            fix,
        };
        let checks = vec![
            finding(Level::Ok, None),
            finding(Level::Fail, Some("buy more".to_owned())),
        ];
        assert_eq!(
            serde_json::to_string(&Diagnosis { ok: false, checks }).unwrap(),
            concat!(
                r#"{"ok":false,"checks":[{"what":"cores","level":"ok","found":"2"},"#,
                r#"{"what":"cores","level":"fail","found":"2","fix":"buy more"}]}"#
            )
        );
        let key = || "E7620F1842B4E81F".to_owned();
        let signed = SignedFiles {
            key: key(),
            files: vec![SignedFile {
                file: "a.wasm".to_owned(),
                signature_file: "a.wasm.minisig".to_owned(),
            }],
        };
        assert_eq!(
            serde_json::to_string(&signed).unwrap(),
            r#"{"key":"E7620F1842B4E81F","files":[{"file":"a.wasm","signature_file":"a.wasm.minisig"}]}"#
        );
        let made = KeyMade {
            key: key(),
            secret_file: "k".to_owned(),
            public_file: "k.pub".to_owned(),
            public_key: "RWQ".to_owned(),
        };
        assert_eq!(
            serde_json::to_string(&made).unwrap(),
            r#"{"key":"E7620F1842B4E81F","secret_file":"k","public_file":"k.pub","public_key":"RWQ"}"#
        );
        let report = CheckReport {
            file: "a.gz".to_owned(),
            lines: 3,
            ..CheckReport::default()
        };
        let unreadable = DataFile::Unreadable {
            file: "b.gz".to_owned(),
            error: "b.gz: is gone".to_owned(),
        };
        let files = DataFiles {
            files: vec![DataFile::Checked(Box::new(report)), unreadable],
        };
        let text = serde_json::to_string(&files).unwrap();
        assert!(
            text.starts_with(r#"{"files":[{"file":"a.gz","lines":3,"depth_events":0,"#),
            "{text}"
        );
        assert!(
            text.ends_with(r#"{"file":"b.gz","error":"b.gz: is gone"}]}"#),
            "{text}"
        );
    }
}
