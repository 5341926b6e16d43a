//! What is written down of a strategy when something happens to it.

use super::ledger::{Generation, Permission, Record};
use crate::board::{inherited_words, micros};
use crate::casting::Candidate;
use tickdeck_engine::VersionChange;
use tickdeck_model::Timestamp;
use tickdeck_strategy::CacheUse;

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

/// Follows what the engine did with a strategy's versions; `coming`: why a version came, and what it took to make it
/// ready.
pub(super) fn follow(
    record: &mut Record,
    at: Timestamp,
    change: &VersionChange,
    coming: (&'static str, String),
) {
    match change {
        VersionChange::Seated { .. } | VersionChange::Swapped { .. } => {}
        VersionChange::RolledBack { problem, .. } => record.fault(at, problem.clone()),
        VersionChange::BesideEnded { problem } if !problem.is_empty() => {
            record.fault(at, problem.clone());
        }
        VersionChange::BesideEnded { .. } | VersionChange::Beside { .. } => {}
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
        VersionChange::Seated {
            to,
            hash,
            generation,
        } => (to, hash, generation, reason.to_owned(), loading),
        VersionChange::Swapped {
            to,
            hash,
            generation,
            inherited,
            took_ns,
            ..
        } => {
            let took = format!("{}, {}", micros(*took_ns), inherited_words(*inherited));
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
