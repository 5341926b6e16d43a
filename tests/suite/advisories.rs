//! No dependency had a hole that was known when the advisories were last renewed: Cargo.lock against the kept advisories of RustSec, `.ci/advisories.toml`, which
//! `.ci/renew-advisories` writes. Ranges of versions are read as the `rustsec` crate reads them, by Cargo's rules.

use semver::{Version, VersionReq};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

/// What is known of the crates of a `Cargo.lock`.
#[derive(Deserialize)]
struct Advisories {
    /// The crates that were looked up.
    crates: BTreeSet<String>,
    #[serde(default)]
    accepted: Vec<Accepted>,
    advisory: Vec<Advisory>,
}

/// An advisory that concerns a version in use and cannot harm here.
#[derive(Deserialize)]
struct Accepted {
    id: String,
    reason: String,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    #[serde(rename = "crate")]
    package: String,
    title: String,
    patched: Vec<VersionReq>,
    unaffected: Vec<VersionReq>,
}

impl Advisory {
    fn affects(&self, version: &Version) -> bool {
        let mut safe = self.patched.iter().chain(&self.unaffected);
        !safe.any(|range| range.matches(version))
    }
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: Version,
}

impl Advisories {
    fn kept() -> Self {
        toml::from_str(&read(".ci/advisories.toml")).unwrap()
    }

    /// The advisories that affect a package of `lock`, each with that package.
    fn affecting<'a>(&'a self, lock: &'a Lock) -> Vec<(&'a Advisory, &'a Package)> {
        let mut found = Vec::new();
        for package in &lock.package {
            let of_package = self
                .advisory
                .iter()
                .filter(|advisory| advisory.package == package.name);
            let affects = of_package.filter(|advisory| advisory.affects(&package.version));
            found.extend(affects.map(|advisory| (advisory, package)));
        }
        found
    }

    /// One sentence for each advisory that affects `lock` and is not accepted, for each that is accepted for nothing, and for each
    /// crate that nothing is known of.
    fn problems(&self, lock: &Lock) -> Vec<String> {
        let affecting = self.affecting(lock);
        let accepted: BTreeSet<&str> = self.accepted.iter().map(|entry| &*entry.id).collect();
        let needed: BTreeSet<&str> = affecting
            .iter()
            .map(|(advisory, _)| &*advisory.id)
            .collect();
        let open = affecting.iter().filter_map(|(advisory, package)| {
            let (id, title) = (&*advisory.id, &advisory.title);
            let Package { name, version } = package;
            (!accepted.contains(id)).then(|| format!("{name} {version}: {id}, {title}"))
        });
        let idle = accepted.difference(&needed);
        let idle = idle.map(|id| format!("{id} is accepted, but affects no package: remove it"));
        let names = lock.package.iter().map(|package| &package.name);
        let unknown = names.filter(|name| !self.crates.contains(*name));
        let unknown =
            unknown.map(|name| format!("{name} was never looked up: run .ci/renew-advisories"));
        open.chain(idle).chain(unknown).collect()
    }
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(path)).unwrap()
}

fn lock() -> Lock {
    toml::from_str(&read("Cargo.lock")).unwrap()
}

#[test]
fn no_dependency_has_an_advisory_that_is_not_accepted() {
    let problems = Advisories::kept().problems(&lock());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_accepted_advisory_has_a_reason() {
    for Accepted { id, reason } in Advisories::kept().accepted {
        assert!(reason.len() > 40, "{id}: {reason}");
    }
}

#[test]
fn an_older_release_of_a_dependency_is_found_by_its_advisory() {
    let mut lock = lock();
    let wasmtime = lock.package.iter_mut().find(|it| it.name == "wasmtime");
    wasmtime.unwrap().version = "41.0.0".parse().unwrap();
    let problems = Advisories::kept().problems(&lock);
    let found = |id: &str| problems.iter().any(|it| it.contains(id));
    assert!(found("wasmtime 41.0.0: RUSTSEC-2026-0006"), "{problems:?}");
}

#[test]
fn an_acceptance_that_is_no_longer_needed_is_found() {
    let mut lock = lock();
    lock.package.retain(|package| package.name != "wasmtime");
    let problems = Advisories::kept().problems(&lock);
    let idle = "RUSTSEC-2026-0570 is accepted, but affects no package: remove it";
    assert_eq!(problems, [idle]);
}

#[test]
fn a_crate_that_was_never_looked_up_is_found() {
    let mut lock = lock();
    lock.package.push(Package {
        name: "left-pad".to_owned(),
        version: "1.0.0".parse().unwrap(),
    });
    let problems = Advisories::kept().problems(&lock);
    assert_eq!(
        problems,
        ["left-pad was never looked up: run .ci/renew-advisories"]
    );
}
