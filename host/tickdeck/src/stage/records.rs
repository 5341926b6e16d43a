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
    (reason, loading): (&'static str, String),
) {
    let generation = match change {
        VersionChange::Seated {
            to,
            hash,
            generation,
        } => Generation {
            number: *generation,
            version: to.clone(),
            hash: hash.clone(),
            at,
            reason: reason.to_owned(),
            handover: loading,
        },
        VersionChange::Swapped {
            to,
            hash,
            generation,
            inherited,
            took_ns,
            ..
        } => {
            let took = format!("{}, {}", micros(*took_ns), inherited_words(*inherited));
            Generation {
                number: *generation,
                version: to.clone(),
                hash: hash.clone(),
                at,
                reason: reason.to_owned(),
                handover: if loading.is_empty() {
                    took
                } else {
                    format!("{loading}, {took}")
                },
            }
        }
        VersionChange::RolledBack {
            to,
            hash,
            generation,
            problem,
            ..
        } => {
            record.fault(at, problem.clone());
            Generation {
                number: *generation,
                version: to.clone(),
                hash: hash.clone(),
                at,
                reason: format!("rolled back: {problem}"),
                handover: String::new(),
            }
        }
        VersionChange::Live { pause_ns } => {
            if let Some(last) = record.generations.back_mut() {
                last.handover += &format!(", paused {}", micros(*pause_ns));
            }
            return;
        }
        VersionChange::BesideEnded { problem } if !problem.is_empty() => {
            return record.fault(at, problem.clone());
        }
        VersionChange::BesideEnded { .. } | VersionChange::Beside { .. } => return,
        VersionChange::Removed => {
            record.unseated = Some("removed");
            return;
        }
    };
    record.unseated = None;
    record.generation(generation);
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
