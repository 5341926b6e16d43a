//! `tickdeck sign`: signs modules, and generates signing keys, both in the format of minisign.

use crate::output::{json, print};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Serialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tickdeck_files::{open_plain, read_bounded};
use tickdeck_journal::atomic_file::{install, install_new_private};
use tickdeck_model::Untrusted;
use tickdeck_settings::signature::{NewKey, SigningKey, signature_file};
use tickdeck_strategy::watch::MAX_SETTINGS;

/// Sign modules, so that decks that trust your key run them.
///
/// Writes the signature to FILE.minisig next to the file, in the format of the `minisign` tool, whose keys work as well. The
/// signature of NAME.wasm covers NAME.toml beside it: sign again after changing either. A deck trusts the keys listed in its
/// tickdeck.toml: [wasm] trusted_keys = ["RWQ..."].
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck sign --new-key ~/.tickdeck.key
  tickdeck sign --new-key ci.key --no-password
  tickdeck sign plugins/ema-cross.wasm --key ~/.tickdeck.key
  tickdeck sign plugins/*.wasm --key ~/.tickdeck.key --json")]
pub(super) struct Sign {
    /// The files to sign
    #[arg(
        value_name = "FILE",
        required_unless_present = "new_key",
        conflicts_with = "new_key"
    )]
    files: Vec<PathBuf>,
    /// The secret key to sign with
    #[arg(
        long,
        value_name = "KEYFILE",
        required_unless_present = "new_key",
        conflicts_with = "new_key"
    )]
    key: Option<PathBuf>,
    /// Generate a key pair: the secret key in KEYFILE, the public key in KEYFILE.pub
    #[arg(long, value_name = "KEYFILE")]
    new_key: Option<PathBuf>,
    /// Do not protect the new key with a password: anyone who can read the file can sign
    #[arg(long, requires = "new_key", conflicts_with_all = ["files", "key"])]
    no_password: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The JSON output for signed files.
#[derive(Debug, Serialize)]
struct SignedFiles {
    key: String,
    files: Vec<SignedFile>,
}

/// A signed file.
#[derive(Debug, Serialize)]
struct SignedFile {
    file: String,
    signature_file: String,
}

/// The JSON output of `--new-key`.
#[derive(Debug, Serialize)]
struct KeyMade {
    key: String,
    secret_file: String,
    public_file: String,
    public_key: String,
}

impl Sign {
    pub(super) fn run(self) -> Result<ExitCode> {
        let text = match (&self.new_key, &self.key) {
            (Some(file), _) => self.make_key(file)?,
            (None, key) => {
                let key = key.as_deref().context("give the secret key with --key")?;
                self.sign(key)?
            }
        };
        print(&text)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Generates a key pair and returns the text to print.
    fn make_key(&self, file: &Path) -> Result<String> {
        let public_file = public_file(file);
        for taken in [file, &public_file] {
            ensure!(
                !taken.exists(),
                "{} already exists, and a key is never overwritten: choose another file",
                Untrusted::path(taken)
            );
        }
        let password = if self.no_password {
            None
        } else {
            Some(new_password()?)
        };
        let key = NewKey::make(password)?;
        install_new_private(file, key.secret.as_bytes())?;
        install(&public_file, key.public.as_bytes())?;
        if self.json {
            let made = KeyMade {
                key: key.id.to_string(),
                secret_file: Untrusted::path(file).to_string(),
                public_file: Untrusted::path(&public_file).to_string(),
                public_key: key.line,
            };
            return Ok(json(&made)? + "\n");
        }
        Ok(format!(
            "generated key {}: {} is secret, {} is public\n\n\
             To trust it, add to tickdeck.toml:\n  [wasm]\n  trusted_keys = [\"{}\"]\n",
            key.id,
            Untrusted::path(file),
            Untrusted::path(&public_file),
            key.line
        ))
    }

    /// Signs every file and returns the text to print.
    fn sign(&self, key_file: &Path) -> Result<String> {
        let key = SigningKey::read(key_file, || {
            prompt(&format!("password of {}: ", Untrusted::path(key_file)))
        })?;
        let at_s = tickdeck_journal::unix_ns().cast_unsigned() / 1_000_000_000;
        let (mut text, mut files) = (String::new(), Vec::new());
        for file in &self.files {
            let signature = sign_file(&key, file, at_s)?;
            let target = signature_file(file);
            install(&target, signature.as_bytes())?;
            text += &format!("{}: signed by key {}\n", Untrusted::path(&target), key.id());
            files.push(SignedFile {
                file: Untrusted::path(file).to_string(),
                signature_file: Untrusted::path(&target).to_string(),
            });
        }
        if self.json {
            let key = key.id().to_string();
            return Ok(json(&SignedFiles { key, files })? + "\n");
        }
        Ok(text)
    }
}

fn sign_file(key: &SigningKey, file: &Path, at_s: u64) -> Result<String> {
    let cannot = || format!("cannot sign {}", Untrusted::path(file));
    let opened = open_plain(file).with_context(cannot)?;
    let settings = settings_beside(file).with_context(cannot)?;
    let name = file
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let signed = key.sign_with(&name, at_s, settings.as_deref(), opened);
    signed.with_context(cannot)
}

/// Returns the settings beside a module, `NAME.toml` for `NAME.wasm`, which its signature covers too.
fn settings_beside(file: &Path) -> Result<Option<Vec<u8>>> {
    if file.extension().is_none_or(|ending| ending != "wasm") {
        return Ok(None);
    }
    let settings = file.with_extension("toml");
    let shown = Untrusted::path(&settings);
    match read_bounded(&settings, MAX_SETTINGS) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            bail!("{shown} is larger than settings may be: shorten it")
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {shown}")),
    }
}

/// `KEYFILE.pub`
fn public_file(secret: &Path) -> PathBuf {
    let mut name = secret.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

fn new_password() -> Result<String> {
    let password = prompt("password of the new key: ")?;
    ensure!(
        !password.is_empty(),
        "the password is empty: enter one, or generate a key without a password with --no-password"
    );
    ensure!(
        prompt("repeat the password: ")? == password,
        "the passwords do not match: try again"
    );
    Ok(password)
}

fn prompt(question: &str) -> Result<String> {
    rpassword::prompt_password(question).context(
        "cannot ask for the password here: run this in a terminal, or use a key generated with --no-password",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use tickdeck_settings::config::Located;
    use tickdeck_settings::signature::{TrustedKeys, read_signature, signer_of};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        sign: Sign,
    }

    fn parse(arguments: &[&str]) -> Result<Sign, clap::Error> {
        let arguments = std::iter::once(&"sign").chain(arguments);
        Line::try_parse_from(arguments).map(|line| line.sign)
    }

    fn trusting(folder: &Path) -> TrustedKeys {
        let public = std::fs::read_to_string(folder.join("k.pub")).unwrap();
        let value = public.lines().nth(1).unwrap().to_owned();
        TrustedKeys::parse("t", &[Located { value, line: 1 }]).unwrap()
    }

    #[test]
    fn files_are_signed_or_a_key_is_generated_but_not_both() {
        assert!(parse(&["a.wasm", "b.wasm", "--key", "k"]).is_ok());
        assert!(parse(&["--new-key", "k", "--no-password"]).is_ok());
        for wrong in [
            &[][..],
            &["a.wasm"],
            &["--key", "k"],
            &["a.wasm", "--new-key", "k"],
            &["--new-key", "k", "--key", "l"],
            &["a.wasm", "--key", "k", "--no-password"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_new_key_signs_files_for_decks_that_trust_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (key, module) = (path("k"), path("a.wasm"));
        std::fs::write(&module, "a module").unwrap();
        parse(&["--new-key", &key, "--no-password"])
            .unwrap()
            .run()
            .unwrap();
        assert_eq!(signer_of(Path::new(&module)), Ok(None));
        let sign = parse(&[&module, "--key", &key, "--json"]).unwrap();
        let printed = sign.sign(Path::new(&key)).unwrap();
        let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(
            printed["files"][0]["signature_file"],
            path("a.wasm.minisig")
        );
        let signature = read_signature(Path::new(&module)).unwrap().unwrap();
        let trusted = trusting(folder.path());
        let by = trusted.verify("a.wasm", b"a module", None, Some(&signature));
        assert_eq!(by.unwrap().unwrap().to_string(), printed["key"]);
        assert_eq!(
            signer_of(Path::new(&module))
                .unwrap()
                .map(|id| id.to_string()),
            printed["key"].as_str().map(str::to_owned)
        );
        // Signing again replaces the signature.
        std::fs::write(&module, "a newer module").unwrap();
        sign.sign(Path::new(&key)).unwrap();
        let signature = read_signature(Path::new(&module)).unwrap();
        let by = trusted.verify("a.wasm", b"a newer module", None, signature.as_deref());
        assert!(by.is_ok(), "{by:?}");
    }

    #[test]
    fn a_key_is_never_overwritten_and_the_output_shows_how_to_trust_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("k");
        let sign = parse(&["--new-key", "k", "--no-password"]).unwrap();
        let printed = sign.make_key(&file).unwrap();
        let line = std::fs::read_to_string(folder.path().join("k.pub")).unwrap();
        let line = line.lines().nth(1).unwrap();
        assert!(
            printed.ends_with(&format!("[wasm]\n  trusted_keys = [\"{line}\"]\n")),
            "{printed}"
        );
        let secret = std::fs::read(&file).unwrap();
        let error = sign.make_key(&file).unwrap_err().to_string();
        assert!(error.contains("a key is never overwritten"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), secret);
        std::fs::remove_file(&file).unwrap();
        assert!(sign.make_key(&file).is_err(), "nor is the public one");
    }

    #[test]
    fn files_that_cannot_be_signed_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("a.wasm"), "a module").unwrap();
        let run = |file: &str, key: &str| {
            let error = parse(&[&path(file), "--key", &path(key)])
                .unwrap()
                .run()
                .unwrap_err();
            tickdeck_recording::sentence::sentence(&error)
        };
        let error = run("a.wasm", "k");
        assert!(error.starts_with("cannot read "), "{error}");
        let error = run("a.wasm", "a.wasm");
        assert!(error.starts_with("cannot use "), "{error}");
        parse(&["--new-key", &path("k"), "--no-password"])
            .unwrap()
            .run()
            .unwrap();
        let error = run("gone.wasm", "k");
        assert!(
            error.starts_with("cannot sign ") && error.contains("gone.wasm"),
            "{error}"
        );
    }

    #[test]
    fn the_objects_have_stable_names() {
        let key = || "E7620F1842B4E81F".to_owned();
        let signed = SignedFiles {
            key: key(),
            files: vec![SignedFile {
                file: "a.wasm".to_owned(),
                signature_file: "a.wasm.minisig".to_owned(),
            }],
        };
        assert_eq!(
            serde_json::to_string(&signed).unwrap(),
            r#"{"key":"E7620F1842B4E81F","files":[{"file":"a.wasm","signature_file":"a.wasm.minisig"}]}"#
        );
        let made = KeyMade {
            key: key(),
            secret_file: "k".to_owned(),
            public_file: "k.pub".to_owned(),
            public_key: "RWQ".to_owned(),
        };
        assert_eq!(
            serde_json::to_string(&made).unwrap(),
            r#"{"key":"E7620F1842B4E81F","secret_file":"k","public_file":"k.pub","public_key":"RWQ"}"#
        );
    }
}
