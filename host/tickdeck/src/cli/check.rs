//! `tickdeck check`: describes a module without running it on events.

use super::module::{Signer, module, shown, subscription};
use crate::output::{print, print_json};
use crate::text_table::aligned;
use anyhow::Result;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tickdeck_deck::compiling::Compiling;
use tickdeck_engine::port::OrderPolicy;
use tickdeck_model::{Untrusted, format};
use tickdeck_settings::config::WasmSettings;
use tickdeck_settings::signature::signer_of;
use tickdeck_strategy::{Inspection, Parameter, ResourceLimits, Runtime};

/// Show what a module is, what it subscribes to, and whether this host can run it.
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
        // No cache: the time printed must be that of a real compilation.
        let compiling = Compiling {
            cache: None,
            ..Compiling::of_host(&WasmSettings::default())
        };
        let host = Runtime::new(compiling.runtime())?;
        let inspection = host.inspect(&self.file, &ResourceLimits::default())?;
        let signer = signer_of(&self.file);
        if self.json {
            print_json(&module(&self.file, &inspection, &signer))?;
        } else {
            print(&text(&self.file, &inspection, &signer))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn text(file: &Path, inspection: &Inspection, signer: &Signer) -> String {
    let mut rows = facts(file, inspection);
    rows.push(("signature", describe_signature(signer)));
    rows.retain(|(_, value)| !value.is_empty());
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let text: String = rows
        .iter()
        .map(|(name, value)| format!("{name:<width$}  {value}\n"))
        .collect();
    text + &parameters(&inspection.manifest.parameters)
}

fn facts(file: &Path, inspection: &Inspection) -> Vec<(&'static str, String)> {
    let manifest = &inspection.manifest;
    let list = |items: &[String]| {
        if items.is_empty() {
            "none".to_owned()
        } else {
            items.join(", ")
        }
    };
    let wants: Vec<String> = manifest.subscriptions.iter().map(subscription).collect();
    let size = format::bytes(inspection.size as u64);
    vec![
        ("file", format!("{}, {size}", Untrusted::path(file))),
        (
            "strategy",
            format!("{} {}", manifest.name, manifest.version),
        ),
        ("about", manifest.doc.to_string()),
        (
            "world",
            format!("{}, contract {}", inspection.world, inspection.contract),
        ),
        ("imports", list(&shown(&inspection.imports))),
        ("exports", list(&shown(&inspection.exports))),
        ("subscribes", list(&wants)),
        ("messages", list(&shown(&manifest.messages))),
        (
            "orders",
            format!("{} when it stops", describe_policy(manifest.order_policy)),
        ),
        (
            "state",
            format!(
                "schema {}, restores {:?}",
                manifest.state_schema, manifest.restores
            ),
        ),
        ("hash", inspection.hash.to_string()),
        (
            "compiled",
            format!("in {:.1} ms", inspection.compile_time.as_secs_f64() * 1e3),
        ),
    ]
}

fn parameters(parameters: &[Parameter]) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    let row = |parameter: &Parameter| {
        let default = parameter
            .default
            .as_ref()
            .map_or_else(|| "(required)".to_owned(), Untrusted::to_string);
        let range = range(parameter.minimum, parameter.maximum);
        [
            parameter.name.clone(),
            parameter.kind.to_string(),
            default,
            range,
            parameter.doc.to_string(),
        ]
    };
    let rows: Vec<_> = parameters.iter().map(row).collect();
    "\n".to_owned()
        + &aligned(
            &["<parameter", "<kind", "<default", "<range", "<description"],
            &rows,
        )
}

fn range(minimum: Option<f64>, maximum: Option<f64>) -> String {
    match (minimum, maximum) {
        (None, None) => String::new(),
        (Some(least), None) => format!("from {least}"),
        (None, Some(most)) => format!("up to {most}"),
        (Some(least), Some(most)) => format!("{least} to {most}"),
    }
}

fn describe_signature(signer: &Signer) -> String {
    match signer {
        Ok(None) => "none".to_owned(),
        Ok(Some(key)) => format!("names key {key}; a deck with trusted_keys verifies it"),
        Err(why) => format!("unusable, {why}"),
    }
}

const fn describe_policy(policy: OrderPolicy) -> &'static str {
    match policy {
        OrderPolicy::Cancel => "canceled",
        OrderPolicy::Hold => "held",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_settings::signature::{NewKey, SigningKey, signature_file};

    #[test]
    fn a_signature_file_is_shown_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let (module, key_file) = (folder.path().join("a.wasm"), folder.path().join("k"));
        let text = || describe_signature(&signer_of(&module));
        assert_eq!(text(), "none");
        let key = NewKey::make(None).unwrap();
        std::fs::write(&key_file, &key.secret).unwrap();
        let signing = SigningKey::read(&key_file, || Ok(String::new())).unwrap();
        let minisig = signing.sign("a.wasm", 7, &b"a module"[..]).unwrap();
        std::fs::write(signature_file(&module), minisig).unwrap();
        assert!(text().starts_with(&format!("names key {};", key.id)));
        std::fs::write(signature_file(&module), "junk").unwrap();
        assert_eq!(
            text(),
            "unusable, it is damaged, it does not have minisign's four lines: sign it again"
        );
    }
}
