//! What is written down of a strategy when something happens to it.

use super::ledger::{Generation, Permission, Record};
use crate::board::{inherited_words, micros};
use crate::casting::Candidate;
use tickdeck_engine::VersionChange;
use tickdeck_model::Timestamp;
use tickdeck_strategy::{CacheUse, Inspection};

/// What a candidate asks for beyond what was granted, as a sentence with what to do.
pub(super) fn asks(candidate: &Candidate) -> String {
    format!(
        "version {} waits: {}; `tickdeck strategies approve {}` grants it",
        candidate.inspection().manifest.version,
        candidate.judgement.increases.join("; "),
        candidate.name
    )
}

/// A candidate waits for an approval.
pub fn waits(record: &mut Record, candidate: &Candidate) {
    record.note = Some(asks(candidate));
    record.permissions = permissions(candidate);
    let inspection = candidate.inspection();
    record.asks = Some((
        inspection.manifest.version.clone(),
        inspection.hash.to_string(),
    ));
    if record.id.is_none() {
        record.unseated = Some("waiting for approval");
    }
}

/// A candidate is about to run with these parameters and permissions.
pub(super) fn takes(record: &mut Record, candidate: &Candidate) {
    record.parameters.clone_from(&candidate.given);
    record.permissions = permissions(candidate);
    let inspection = candidate.inspection();
    record.asks = Some((
        inspection.manifest.version.clone(),
        inspection.hash.to_string(),
    ));
}

/// The version that a strategy was started with.
pub fn first_generation(record: &mut Record, candidate: &Candidate, at: Timestamp) {
    record.id = Some(candidate.id);
    takes(record, candidate);
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

/// Where compiled code came from, in words.
pub(super) fn cache_words(cache: &CacheUse) -> &'static str {
    match cache {
        CacheUse::Hit => "from the cache",
        CacheUse::Stored | CacheUse::Off => "anew",
        CacheUse::Failed(_) => "anew, the cache can't keep it",
    }
}

/// How long a module took to compile, in words.
pub(super) fn compiled_words(inspection: &Inspection) -> String {
    let took = u64::try_from(inspection.compile_time.as_nanos()).unwrap_or(u64::MAX);
    match inspection.cache {
        CacheUse::Hit => format!("loaded in {}", micros(took)),
        _ => format!("compiled in {}", micros(took)),
    }
}

/// Follows what the engine did with a strategy's versions.
pub(super) fn follow(
    record: &mut Record,
    at: Timestamp,
    change: &VersionChange,
    loading: Option<String>,
) {
    let (version, reason, handover) = match change {
        VersionChange::Seated { to } => (to, "came".to_owned(), loading.unwrap_or_default()),
        VersionChange::Swapped {
            to,
            inherited,
            took_ns,
            ..
        } => {
            let took = format!("{}, {}", micros(*took_ns), inherited_words(*inherited));
            let loading = loading.map_or_else(String::new, |words| words + ", ");
            (to, "replaced".to_owned(), loading + &took)
        }
        VersionChange::RolledBack { to, problem, .. } => {
            record.fault(at, problem.clone());
            (to, format!("rolled back: {problem}"), String::new())
        }
        VersionChange::Live { pause_ns } => {
            if let Some(last) = record.generations.back_mut() {
                last.handover += &format!(", paused {}", micros(*pause_ns));
            }
            return;
        }
        VersionChange::BesideEnded { problem } => {
            if !problem.is_empty() {
                record.fault(at, problem.clone());
            }
            return;
        }
        VersionChange::Beside { .. } => return,
        VersionChange::Removed => {
            record.unseated = Some("removed");
            return;
        }
    };
    record.unseated = None;
    // A version that is back is the one of that name before it; a new one is what was last asked for.
    let known = record.generations.iter().rev();
    let earlier = known.skip(1).find(|other| other.version == *version);
    let hash = match (change, earlier, &record.asks) {
        (VersionChange::RolledBack { .. }, Some(earlier), _) => earlier.hash.clone(),
        (_, _, Some((_, hash))) => hash.clone(),
        _ => String::new(),
    };
    let number = record.generations.back().map_or(1, |last| last.number + 1);
    record.generation(Generation {
        number,
        version: version.clone(),
        hash,
        at,
        reason,
        handover,
    });
}

fn permissions(candidate: &Candidate) -> Vec<Permission> {
    let judgement = &candidate.judgement;
    let rows = judgement.asked.rows(&candidate.granted).into_iter();
    rows.map(|(name, requested, granted)| Permission {
        name,
        requested,
        granted,
    })
    .collect()
}
