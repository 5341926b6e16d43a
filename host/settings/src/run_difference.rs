//! Compares the settings of a recorded run with those of a start that would resume it: by meaning, not by spelling.

use std::collections::BTreeMap;

/// Settings as they were written, and the command line's seed, which overrides theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunSettings<'a> {
    /// The text of the settings file.
    pub text: &'a str,
    /// The seed of the command line.
    pub seed: Option<u64>,
}

/// Describes the first setting that would make the resumed run another one, with both of its values.
pub fn run_difference(was: RunSettings<'_>, is: RunSettings<'_>) -> Option<String> {
    let (before, after) = (values(was.text), values(is.text));
    let mut keys = before
        .keys()
        .chain(after.keys())
        .filter(|key| !is_seed(key) && !is_indifferent(key));
    if let Some(key) = keys.find(|key| before.get(*key) != after.get(*key)) {
        let name = format!("`{key}`");
        return Some(describe(&name, before.get(key), after.get(key)));
    }
    let after = seeds(is, &after);
    let seeds = seeds(was, &before).into_iter().zip(after);
    let mut changed = seeds.filter(|((_, before), (_, after))| before != after);
    let ((name, before), (_, after)) = changed.next()?;
    Some(describe(&name, before.as_ref(), after.as_ref()))
}

/// Settings by their keys: `risk.max_notional`.
type Values = BTreeMap<String, String>;

/// Returns whether the key is the seed of a venue: `venue.seed` or `venues.NAME.seed`. The command line can set it too.
fn is_seed(key: &str) -> bool {
    key == "venue.seed" || (key.starts_with("venues.") && key.ends_with(".seed"))
}

/// Returns the seed of each venue with its name in messages: of several venues in the order of their names, where a seed
/// of the command line counts up, as `Config::set_seed` does it.
fn seeds(settings: RunSettings<'_>, values: &Values) -> Vec<(String, Option<String>)> {
    let names = values.keys().filter_map(|key| {
        let name = key.strip_prefix("venues.")?;
        name.strip_suffix(".kind")
    });
    // The keys are in another order than the names: `A-B.kind` is before `A.kind`.
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let effective = |place: u64, key: &str| match settings.seed {
        Some(seed) => Some(seed.wrapping_add(place).to_string()),
        None => values.get(key).cloned(),
    };
    let named = (0..).zip(names).map(|(place, name)| {
        let key = format!("venues.{name}.seed");
        (format!("`{key}`"), effective(place, &key))
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return vec![("the seed".to_owned(), effective(0, "venue.seed"))];
    }
    named
}

fn describe(name: &str, was: Option<&String>, is: Option<&String>) -> String {
    let value = |value: Option<&String>| value.map_or("not set".to_owned(), Clone::clone);
    format!(
        "{name} changed since ({} then, {} now)",
        value(was),
        value(is)
    )
}

/// Whether a run's outcome does not depend on this setting.
fn is_indifferent(key: &str) -> bool {
    let engine = ["workers", "batch", "ring_capacity", "wait", "pin"];
    let of_engine = key.strip_prefix("engine.");
    // Which strategies may run depends on what is trusted now; why a strategy was held is on the reel.
    key == "wasm.trusted_keys"
        || key.starts_with("journal.")
        || key.starts_with("budget.")
        || of_engine.is_some_and(|key| engine.contains(&key))
}

/// Returns the values of settings, ignoring comments and order. Both texts were read as settings before, so they are TOML.
fn values(text: &str) -> Values {
    fn gather(prefix: &str, value: &toml::Value, into: &mut Values) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    gather(&format!("{prefix}{dot}{key}"), value, into);
                }
            }
            other => drop(into.insert(prefix.to_owned(), other.to_string())),
        }
    }
    let mut values = Values::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        // A section without a key is a venue all the same.
        let venues = table.get("venues").and_then(toml::Value::as_table);
        for name in venues.into_iter().flat_map(toml::Table::keys) {
            values.insert(format!("venues.{name}.kind"), "\"sim\"".to_owned());
        }
        gather("", &toml::Value::Table(table), &mut values);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(was: &str, is: &str) -> Option<String> {
        let settings = |text| RunSettings { text, seed: None };
        run_difference(settings(was), settings(is))
    }

    #[test]
    fn a_run_is_another_one_by_what_settings_mean_and_not_by_how_they_are_written() {
        let was = "[venue]\nseed = 7\n[risk]\nmax_notional = 100\n[engine]\nworkers = 1\n";
        let same = "# a comment\n[risk]\nmax_notional = 100\n[venue]\nseed=7\n[journal]\nsync = \"order\"\n";
        assert_eq!(differs(was, same), None);
        let other = was.replace("100", "200");
        let text = "`risk.max_notional` changed since (100 then, 200 now)";
        assert_eq!(differs(was, &other).as_deref(), Some(text));
        let unset = was.replace("seed = 7", "");
        let text = "the seed changed since (7 then, not set now)";
        assert_eq!(differs(was, &unset).as_deref(), Some(text));
    }

    #[test]
    fn the_seed_of_the_command_line_takes_the_place_of_the_settings_seed() {
        let text = "[venue]\nseed = 7\n";
        let with = |seed| RunSettings { text, seed };
        assert_eq!(run_difference(with(None), with(Some(7))), None);
        let differs = run_difference(with(Some(3)), with(Some(4)));
        let expected = "the seed changed since (3 then, 4 now)";
        assert_eq!(differs.as_deref(), Some(expected));
    }

    #[test]
    fn a_run_on_several_venues_is_another_one_with_another_venue_or_seed() {
        let was = "[venues.A]\nseed = 7\n[venues.B]\nkind = \"sim\"\n";
        assert_eq!(differs(was, "[venues.B]\n[venues.A]\nseed = 7\n"), None);
        for (is, words) in [
            (
                "[venues.A]\nseed = 8\n[venues.B]\n",
                "`venues.A.seed` changed since (7 then, 8 now)",
            ),
            (
                "[venues.A]\nseed = 7\n[venues.B]\nseed = 9\n",
                "`venues.B.seed` changed since (not set then, 9 now)",
            ),
            (
                "[venues.A]\nseed = 7\n",
                "`venues.B.kind` changed since (\"sim\" then, not set now)",
            ),
            (
                "[venue]\nseed = 7\n",
                "`venues.A.kind` changed since (\"sim\" then, not set now)",
            ),
        ] {
            assert_eq!(differs(was, is).as_deref(), Some(words), "{is}");
        }
    }

    #[test]
    fn a_seed_of_the_command_line_is_compared_with_those_of_the_settings() {
        let same = "[venues.A]\nseed = 5\n[venues.B]\nseed = 6\n";
        let with = |seed| RunSettings { text: same, seed };
        assert_eq!(run_difference(with(None), with(Some(5))), None);
        assert_eq!(
            run_difference(with(None), with(Some(4))).as_deref(),
            Some("`venues.A.seed` changed since (5 then, 4 now)")
        );
    }

    #[test]
    fn the_seed_of_the_command_line_counts_up_in_the_order_of_names() {
        let text = "[venues.A]\nseed = 5\n[venues.A-B]\nseed = 6\n";
        let with = |seed| RunSettings { text, seed };
        assert_eq!(run_difference(with(None), with(Some(5))), None);
    }
}
