//! Creates a new strategy: a crate with one strategy, a passing test, and a page with the next steps.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

const MANIFEST: &str = include_str!("../templates/Cargo.toml.txt");
const SOURCE: &str = include_str!("../templates/lib.rs.txt");
const README: &str = include_str!("../templates/README.md.txt");
const IGNORED: &str = "/target\n";

/// Where the SDK is published, for users without a checkout.
const SDK_GIT: &str = "https://github.com/tickdeck/tickdeck";

/// Longest name of a strategy, in characters.
const MAX_NAME: usize = 40;

/// Names that Rust or the host reserve.
const RESERVED: [&str; 12] = [
    "host",
    "test",
    "core",
    "std",
    "alloc",
    "self",
    "super",
    "crate",
    "tickdeck",
    "tickdeck-sdk",
    "build",
    "deps",
];

/// The location of the SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdk {
    /// In the same workspace as the new crate.
    Workspace,
    /// At this path.
    Path(PathBuf),
    /// In the published repository.
    Git,
}

/// Checks a strategy's name.
///
/// # Errors
/// The name is not valid for a crate and a file.
pub fn check_name(name: &str) -> Result<()> {
    let fits = name.len() <= MAX_NAME
        && name.starts_with(|char: char| char.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name
            .chars()
            .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-');
    if !fits {
        bail!(
            "`{name}` is not a valid name for a strategy: use lower-case letters, digits and single dashes, \
             starting with a letter, at most {MAX_NAME} characters (my-strategy)"
        );
    }
    if RESERVED.contains(&name) || KEYWORDS.contains(&name) {
        bail!("`{name}` is a reserved word: choose another name, such as `{name}-strategy`");
    }
    Ok(())
}

/// Writes the crate `name` into `folder`, which must not exist yet, and returns its files.
///
/// # Errors
/// The name is invalid, the folder exists, or it cannot be written.
pub fn scaffold(name: &str, folder: &Path, sdk: &Sdk) -> Result<Vec<PathBuf>> {
    check_name(name)?;
    if folder.exists() {
        bail!(
            "{} already exists: choose another name or --path",
            folder.display()
        );
    }
    let files = [
        ("Cargo.toml", fill(MANIFEST, name, sdk)),
        ("src/lib.rs", fill(SOURCE, name, sdk)),
        ("README.md", fill(README, name, sdk)),
        (".gitignore", IGNORED.to_owned()),
    ];
    let mut written = Vec::new();
    for (file, text) in files {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot create the folder {}", parent.display()))?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

fn fill(template: &str, name: &str, sdk: &Sdk) -> String {
    let dependency = match sdk {
        Sdk::Workspace => "tickdeck-sdk.workspace = true".to_owned(),
        Sdk::Path(path) => format!(
            "tickdeck-sdk = {{ path = {} }}",
            toml::Value::from(path.to_string_lossy().as_ref())
        ),
        Sdk::Git => format!("tickdeck-sdk = {{ git = \"{SDK_GIT}\" }}"),
    };
    // A crate inside a workspace must be a member of it or a workspace of its own; a crate in ours is a member.
    let workspace = if *sdk == Sdk::Workspace {
        ""
    } else {
        "\n# A workspace of its own, wherever the crate is.\n[workspace]\n"
    };
    template
        .replace("{{name}}", name)
        .replace("{{type}}", &type_name(name))
        .replace("{{sdk}}", &dependency)
        .replace("{{workspace}}", workspace)
}

/// Converts a name to the name of a type: `my-strategy` to `MyStrategy`.
fn type_name(name: &str) -> String {
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('-')
        .filter(|word| !word.is_empty())
        .map(capital)
        .collect()
}

/// Keywords of Rust, which no crate can be called.
const KEYWORDS: [&str; 38] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "pub", "ref", "return", "static", "struct",
    "trait", "true", "type", "use",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_crates_and_files_are_refused() {
        for name in ["ema", "my-strategy", "a1-b2"] {
            check_name(name).unwrap();
        }
        for name in [
            "",
            "-a",
            "a-",
            "a--b",
            "Ema",
            "1a",
            "a_b",
            "a/b",
            "../x",
            "ä",
            "fn",
            "host",
            &"a".repeat(41),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_becomes_a_type() {
        assert_eq!(type_name("my-strategy2"), "MyStrategy2");
    }

    #[test]
    fn writes_a_crate_and_refuses_an_existing_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("my-strategy");
        let files = scaffold("my-strategy", &at, &Sdk::Path("/sdk \"x\"/rust".into())).unwrap();
        assert_eq!(files.len(), 4);
        for file in &files {
            let text = std::fs::read_to_string(file).unwrap();
            assert!(
                !text.contains("{{"),
                "a placeholder is left in {}",
                file.display()
            );
        }
        let manifest = std::fs::read_to_string(at.join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        assert_eq!(
            manifest["dependencies"]["tickdeck-sdk"]["path"].as_str(),
            Some("/sdk \"x\"/rust")
        );
        let error = scaffold("my-strategy", &at, &Sdk::Git).unwrap_err();
        assert!(error.to_string().contains("already exists"), "{error}");
    }
}
