//! Entries of the history, made from loaded strategies and from changes.

use crate::change_cause::{ChangeCause, Content};
use crate::feed::{describe_loss, describe_state, micros};
use crate::lifecycle::history::{Generation, RecordedPermission, StrategyRecord};
use crate::loading::LoadedStrategy;
use tickdeck_engine::VersionChange;
use tickdeck_model::{Timestamp, Untrusted};
use tickdeck_strategy::{CacheUse, Inspection};

/// Returns what a version requests beyond what was granted, with the command that grants it.
pub(super) fn request_text(loaded: &LoadedStrategy) -> String {
    format!(
        "version {} waits: {}; `tickdeck strategies approve {}` grants it",
        loaded.inspection().manifest.version,
        loaded.decision.asks(),
        loaded.name
    )
}

/// Records that a version waits for an approval.
pub fn waits(record: &mut StrategyRecord, loaded: &LoadedStrategy) {
    record.note = Some(request_text(loaded));
    record.wanted = Some(permissions(loaded));
    if record.id.is_none() {
        let inspection = loaded.inspection();
        let version = inspection.manifest.version.clone();
        record.waiting_version = Some((version, inspection.hash.to_string()));
        record.inactive = Some("waiting for approval");
    }
}

/// Returns the content of the plugins folder that a strategy was loaded from.
pub(super) fn content(loaded: &LoadedStrategy) -> Content {
    Content {
        version: loaded.inspection().manifest.version.clone(),
        fingerprint: loaded.fingerprint,
        parameters: loaded.given.clone(),
        permissions: permissions(loaded),
    }
}

/// Records the content that a strategy runs with.
pub(super) fn runs_with(record: &mut StrategyRecord, content: &Content) {
    record.parameters.clone_from(&content.parameters);
    record.permissions.clone_from(&content.permissions);
}

/// Records the version that a strategy was started with.
pub fn first_generation(record: &mut StrategyRecord, loaded: &LoadedStrategy, at: Timestamp) {
    record.id = Some(loaded.id);
    runs_with(record, &content(loaded));
    let inspection = loaded.inspection();
    record.generation(Generation {
        number: 1,
        version: inspection.manifest.version.clone(),
        hash: inspection.hash.to_string(),
        at,
        reason: "started".to_owned(),
        handover: String::new(),
    });
}

/// Returns how a module was prepared, for display.
pub(super) fn preparation(inspection: &Inspection) -> String {
    let took = u64::try_from(inspection.compile_time.as_nanos()).unwrap_or(u64::MAX);
    match inspection.cache {
        CacheUse::Hit => format!("loaded in {}", micros(took)),
        _ => format!("compiled in {}", micros(took)),
    }
}

/// Records a change that the engine made.
pub(super) fn record_change(
    record: &mut StrategyRecord,
    at: Timestamp,
    change: &VersionChange,
    cause: Option<&ChangeCause>,
) {
    match change {
        VersionChange::Swapped {
            lost: Some(why), ..
        } => record.fault(at, why),
        VersionChange::Started { .. } | VersionChange::Swapped { .. } => {}
        VersionChange::RolledBack { problem, .. } => record.fault(at, problem),
        VersionChange::ShadowEnded { problem } if !problem.is_empty() => {
            record.fault(at, problem);
        }
        VersionChange::ShadowEnded { .. } | VersionChange::Shadow { .. } => {}
        VersionChange::Live { pause_ns } => {
            if let Some(last) = record.generations.back_mut() {
                last.handover += &format!(", first event after {}", micros(*pause_ns));
            }
        }
        VersionChange::Removed => record.inactive = Some("removed"),
    }
    if let Some(generation) = generation(at, change, cause) {
        record.inactive = None;
        record.generation(generation);
    }
}

/// Returns the generation that a change made live, if it made one.
fn generation(
    at: Timestamp,
    change: &VersionChange,
    cause: Option<&ChangeCause>,
) -> Option<Generation> {
    let reason = |is_start| cause.map_or("", |cause| cause.reason(is_start)).to_owned();
    let preparation = cause.and_then(ChangeCause::preparation);
    let (version, hash, number, reason, handover) = match change {
        VersionChange::Started {
            to,
            hash,
            generation,
        } => {
            let handover = preparation.unwrap_or_default().to_owned();
            (to, hash, generation, reason(true), handover)
        }
        VersionChange::Swapped {
            to,
            hash,
            generation,
            inherited,
            lost,
            took_ns,
            ..
        } => {
            let took = format!(
                "{}, {}{}",
                micros(*took_ns),
                describe_state(*inherited),
                describe_loss(lost.as_deref())
            );
            let handover = match preparation {
                Some(preparation) => format!("{preparation}, {took}"),
                None => took,
            };
            (to, hash, generation, reason(false), handover)
        }
        VersionChange::RolledBack {
            to,
            hash,
            generation,
            problem,
            ..
        } => {
            let problem = Untrusted::new(first_line(problem));
            let reason = format!("rolled back: {problem}");
            (to, hash, generation, reason, String::new())
        }
        _ => return None,
    };
    Some(Generation {
        number: *number,
        version: version.clone(),
        hash: hash.clone(),
        at,
        reason,
        handover,
    })
}

/// Returns a fault without its frames, which follow in lines of their own.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn permissions(loaded: &LoadedStrategy) -> Vec<RecordedPermission> {
    let decision = &loaded.decision;
    let rows = decision.asked.rows(&loaded.granted).into_iter();
    rows.map(|(name, requested, granted)| RecordedPermission {
        name,
        requested,
        granted,
    })
    .collect()
}
