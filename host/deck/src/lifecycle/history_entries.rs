//! What is written down of a strategy when something happens to it.

use crate::feed::{inherited_words, lost_words, micros};
use crate::lifecycle::history::{Generation, RecordedPermission, StrategyRecord};
use crate::loading::LoadedStrategy;
use tickdeck_engine::VersionChange;
use tickdeck_model::Timestamp;
use tickdeck_settings::config::ParameterValue;
use tickdeck_strategy::watch::Fingerprint;
use tickdeck_strategy::{CacheUse, Inspection};

/// What a candidate asks for beyond what was granted, as a sentence with what to do.
pub(super) fn asks(candidate: &LoadedStrategy) -> String {
    format!(
        "version {} waits: {}; `tickdeck strategies approve {}` grants it",
        candidate.inspection().manifest.version,
        candidate.decision.increases.join("; "),
        candidate.name
    )
}

/// A candidate waits for an approval.
pub fn waits(record: &mut StrategyRecord, candidate: &LoadedStrategy) {
    record.note = Some(asks(candidate));
    record.wanted = Some(permissions(candidate));
    if record.id.is_none() {
        let inspection = candidate.inspection();
        let version = inspection.manifest.version.clone();
        record.asks = Some((version, inspection.hash.to_string()));
        record.unseated = Some("waiting for approval");
    }
}

/// A content of the plugins folder, and what a strategy runs with by it.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) fingerprint: Fingerprint,
    parameters: Vec<ParameterValue>,
    permissions: Vec<RecordedPermission>,
}

impl Content {
    pub(super) fn of(candidate: &LoadedStrategy) -> Self {
        Self {
            fingerprint: candidate.fingerprint,
            parameters: candidate.given.clone(),
            permissions: permissions(candidate),
        }
    }

    /// One that comes with nothing.
    #[cfg(test)]
    pub(super) fn bare(fingerprint: Fingerprint) -> Self {
        Self {
            fingerprint,
            parameters: Vec::new(),
            permissions: Vec::new(),
        }
    }

    /// It is what counts.
    pub(super) fn counts(&self, record: &mut StrategyRecord) {
        record.parameters.clone_from(&self.parameters);
        record.permissions.clone_from(&self.permissions);
    }
}

/// The version that a strategy was started with.
pub fn first_generation(record: &mut StrategyRecord, candidate: &LoadedStrategy, at: Timestamp) {
    record.id = Some(candidate.id);
    Content::of(candidate).counts(record);
    let inspection = candidate.inspection();
    record.generation(Generation {
        number: 1,
        version: inspection.manifest.version.clone(),
        hash: inspection.hash.to_string(),
        at,
        reason: "started".to_owned(),
        handover: String::new(),
    });
}

/// How long a module took to compile, in words.
pub(super) fn compiled_words(inspection: &Inspection) -> String {
    let took = u64::try_from(inspection.compile_time.as_nanos()).unwrap_or(u64::MAX);
    match inspection.cache {
        CacheUse::Hit => format!("loaded in {}", micros(took)),
        _ => format!("compiled in {}", micros(took)),
    }
}

/// Follows what the engine did with a strategy's versions; `coming`: why a version came, and what it took to make it
/// ready.
pub(super) fn follow(
    record: &mut StrategyRecord,
    at: Timestamp,
    change: &VersionChange,
    coming: (&'static str, String),
) {
    match change {
        VersionChange::Swapped {
            lost: Some(why), ..
        } => record.fault(at, why.clone()),
        VersionChange::Started { .. } | VersionChange::Swapped { .. } => {}
        VersionChange::RolledBack { problem, .. } => record.fault(at, problem.clone()),
        VersionChange::ShadowEnded { problem } if !problem.is_empty() => {
            record.fault(at, problem.clone());
        }
        VersionChange::ShadowEnded { .. } | VersionChange::Shadow { .. } => {}
        VersionChange::Live { pause_ns } => {
            if let Some(last) = record.generations.back_mut() {
                last.handover += &format!(", first event after {}", micros(*pause_ns));
            }
        }
        VersionChange::Removed => record.unseated = Some("removed"),
    }
    if let Some(generation) = generation(at, change, coming) {
        record.unseated = None;
        record.generation(generation);
    }
}

/// The version that counts from now on, if it is another one.
fn generation(
    at: Timestamp,
    change: &VersionChange,
    (reason, loading): (&'static str, String),
) -> Option<Generation> {
    let (version, hash, number, reason, handover) = match change {
        VersionChange::Started {
            to,
            hash,
            generation,
        } => (to, hash, generation, reason.to_owned(), loading),
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
                inherited_words(*inherited),
                lost_words(lost.as_deref())
            );
            let words = [loading, took]
                .into_iter()
                .filter(|words| !words.is_empty());
            let handover = words.collect::<Vec<_>>().join(", ");
            (to, hash, generation, reason.to_owned(), handover)
        }
        VersionChange::RolledBack {
            to,
            hash,
            generation,
            problem,
            ..
        } => {
            let reason = format!("rolled back: {}", first_line(problem));
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

/// A fault without its frames, which follow in lines of their own.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn permissions(candidate: &LoadedStrategy) -> Vec<RecordedPermission> {
    let decision = &candidate.decision;
    let rows = decision.asked.rows(&candidate.granted).into_iter();
    rows.map(|(name, requested, granted)| RecordedPermission {
        name,
        requested,
        granted,
    })
    .collect()
}
