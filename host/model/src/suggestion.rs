//! "Did you mean": suggests a known name for a mistyped one.

/// The longest name that is compared, in bytes: the cost is the product of both lengths.
const MAX_NAME: usize = 256;

/// Returns the candidate nearest to `name`, if one is near enough to have been meant. Case does not matter.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // The comparison costs time and memory proportional to the product of the lengths, and no real name is that long.
    if name.len() > MAX_NAME {
        return None;
    }
    let candidates = candidates.into_iter().filter(|one| one.len() <= MAX_NAME);
    let distance = |candidate: &str| {
        strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase())
    };
    let (best, candidate) = candidates
        .into_iter()
        .filter(|candidate| name.len().max(candidate.len()) <= MAX_NAME)
        .map(|candidate| (distance(candidate), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    let tolerated = 1 + name.chars().count().max(candidate.chars().count()) / 4;
    (best <= tolerated).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["max_notional", "collar_bps", "allow"];
        assert_eq!(nearest("max_notinal", names), Some("max_notional"));
        assert_eq!(nearest("colar_bps", names), Some("collar_bps"));
        assert_eq!(nearest("Allow", names), Some("allow"));
        assert_eq!(nearest("leverage", names), None);
        assert_eq!(nearest("x", []), None);
        let long = "x".repeat(1 << 20);
        assert_eq!(nearest(&long, [long.as_str()]), None);
    }
}
