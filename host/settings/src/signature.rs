//! Signatures of plugins in minisign's format (Ed25519): `NAME.wasm.minisig` beside `NAME.wasm`.
//!
//! One signature covers the module and, through its trusted comment, the name of the file and the hash of `NAME.toml`: neither
//! can be exchanged for one that was signed at another time.
//!
//! With `trusted_keys` in `tickdeck.toml`, a module only runs with a signature by one of these keys. Without, signatures
//! are ignored.

use crate::public_key::{KeyId, public_key};
use crate::reader::{Located, Problem, Problems};
use anyhow::{Context, Result, anyhow, bail};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox, SignatureBox};
use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use tickdeck_files::read_bounded;
use tickdeck_model::{ModuleHash, Untrusted};

/// The field of a trusted comment with the name of the signed file.
const NAME_FIELD: &str = "file:";
/// The field of a trusted comment with the hash of the settings beside the file.
const SETTINGS_FIELD: &str = "settings:";
/// The suffix of a signature file, after the whole name of the signed file.
const SUFFIX: &str = ".minisig";
/// Maximum size of a signature or key file: both have comments of any length.
const MAX_FILE: u64 = 16 << 10;
/// Characters of the second signature of a file, which covers its trusted comment: 64 bytes, and `==` at the end.
const COMMENT_SIGNATURE_CHARACTERS: usize = 88;
/// The message of the minisign crate for a key that needs a password.
const ENCRYPTED: &str = "Key might be encrypted";

/// The public keys that an operator trusts.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// Parses the keys that `trusted_keys` in `tickdeck.toml` lists; `file` is its name in messages.
    ///
    /// # Errors
    /// Returns every text that is not a public key.
    pub fn parse(file: &str, keys: &[Located<String>]) -> Result<Self, Problems> {
        let (mut trusted, mut list) = (Vec::new(), Vec::new());
        for key in keys {
            match public_key(&key.value) {
                Ok(public) => trusted.push(public),
                Err(what) => list.push(Problem {
                    line: key.line,
                    what,
                    fix: Some("copy the line that `tickdeck sign --new-key` printed".to_owned()),
                }),
            }
        }
        if list.is_empty() {
            return Ok(Self(trusted));
        }
        let file = file.to_owned();
        Err(Problems {
            file,
            list,
            more: 0,
        })
    }

    /// Returns whether modules need no signature.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Verifies the bytes of a module that will run, and of the settings beside it, and returns the key that signed them.
    /// Without trusted keys every module passes, and signatures are ignored. `name` is the module's name in messages.
    ///
    /// # Errors
    /// The module is not signed, not signed by a trusted key, or it or its settings do not match the signature; the text
    /// has the fix.
    pub fn verify(
        &self,
        name: &str,
        module: &[u8],
        settings: Option<&[u8]>,
        minisig: Option<&[u8]>,
    ) -> Result<Option<KeyId>, String> {
        if self.is_empty() {
            return Ok(None);
        }
        let minisig = minisig.ok_or_else(|| {
            format!(
                "{name} is not signed, and tickdeck.toml names trusted_keys: \
                 sign it with `tickdeck sign {name} --key KEYFILE`"
            )
        })?;
        let signature = parse_signature(minisig).map_err(|why| {
            format!("the signature of {name} is damaged, {why}: sign it again or get it again")
        })?;
        if !signature.is_prehashed() {
            return Err(format!(
                "{name} is signed in minisign's old format: sign it again with `tickdeck sign`"
            ));
        }
        let id = KeyId::of(signature.keynum());
        let mut named = self.0.iter().filter(|key| KeyId::of(key.keynum()) == id);
        if named.clone().next().is_none() {
            return Err(format!(
                "{name} is signed by key {id}, which is not among the trusted_keys of tickdeck.toml ({}): \
                 sign it with one of them, or add that key",
                self.names()
            ));
        }
        if named.any(|key| is_signed_by(key, &signature, module)) {
            return check_comment(name, id, settings, minisig).map(|()| Some(id));
        }
        Err(format!(
            "{name} does not match its signature by key {id}, one of the two was changed: \
             get both again, or sign it again"
        ))
    }

    fn names(&self) -> String {
        let names: Vec<String> = self
            .0
            .iter()
            .map(|key| KeyId::of(key.keynum()).to_string())
            .collect();
        names.join(", ")
    }
}

/// Checks what the comment that the signature covers says about the name and the settings of a module.
fn check_comment(
    name: &str,
    id: KeyId,
    settings: Option<&[u8]>,
    minisig: &[u8],
) -> Result<(), String> {
    // A module signed as one strategy must not run as another, with the permissions of that one.
    let file = name.rsplit('/').next().unwrap_or(name);
    if let Some(other) = signed(minisig, NAME_FIELD)
        && other != file
    {
        return Err(format!(
            "{name} was signed as {} by key {id}: rename it to that, or sign it again under this name",
            Untrusted::new(other)
        ));
    }
    let beside = format!("{}.toml", name.strip_suffix(".wasm").unwrap_or(name));
    let again = format!("`tickdeck sign {name} --key KEYFILE`");
    match (settings.map(hash_of), signed(minisig, SETTINGS_FIELD)) {
        (None, None) => Ok(()),
        (Some(found), Some(expected)) if found == expected => Ok(()),
        (Some(_), Some(_)) => Err(format!(
            "{beside} does not match the signature of {name} by key {id}, one of the two was changed: get both again, or \
             sign both with {again}"
        )),
        (Some(_), None) => Err(format!(
            "{beside} is not covered by the signature of {name}: sign both with {again}, or remove {beside}"
        )),
        (None, Some(_)) => Err(format!(
            "{beside}, which the signature of {name} covers, is missing: get it again, or sign {name} without it with {again}"
        )),
    }
}

/// Returns a hash of settings as it stands in a trusted comment.
fn hash_of(settings: &[u8]) -> String {
    ModuleHash::of(settings).to_string()
}

/// Returns a field of the comment that the signature covers. Both minisign and `tickdeck sign` write the name of the file;
/// the hash of settings is our own.
fn signed<'m>(minisig: &'m [u8], field: &str) -> Option<&'m str> {
    let text = std::str::from_utf8(minisig).ok()?;
    let comment = text
        .lines()
        .find_map(|line| line.strip_prefix("trusted comment: "))?;
    comment
        .split('\t')
        .find_map(|part| part.strip_prefix(field))
}

fn is_signed_by(key: &PublicKey, signature: &SignatureBox, module: &[u8]) -> bool {
    minisign::verify(key, signature, Cursor::new(module), true, false, false).is_ok()
}

fn parse_signature(minisig: &[u8]) -> Result<SignatureBox, String> {
    let text = std::str::from_utf8(minisig).map_err(|_| "it is not a text".to_owned())?;
    // The crate assumes the length of the last line when it verifies.
    let last = text.lines().nth(3).unwrap_or_default().trim();
    if last.len() != COMMENT_SIGNATURE_CHARACTERS || !last.ends_with("==") {
        return Err("it does not have minisign's four lines".to_owned());
    }
    let signature = SignatureBox::from_string(text).map_err(|error| error.to_string())?;
    // The crate ignores trailing data: the file must be exactly what it would write.
    let written = signature.to_string();
    let same = |line| text.lines().nth(line).map(str::trim) == written.lines().nth(line);
    if same(1) && same(3) {
        Ok(signature)
    } else {
        Err("it has trailing data after the signature".to_owned())
    }
}

/// Returns the path of the signature of a file: `NAME.wasm.minisig`.
pub fn signature_file(signed: &Path) -> PathBuf {
    let mut name = signed.as_os_str().to_owned();
    name.push(SUFFIX);
    PathBuf::from(name)
}

/// Reads the signature of a file, if there is one.
///
/// # Errors
/// The signature can't be read, or is too large.
pub fn read_signature(signed: &Path) -> Result<Option<Vec<u8>>> {
    let file = signature_file(signed);
    match read_bounded(&file, MAX_FILE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => bail!(
            "{} is too large for a signature: get it again",
            Untrusted::path(&file)
        ),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", Untrusted::path(&file))),
    }
}

/// Returns the key that the signature of a file names, if there is one, without verifying anything.
///
/// # Errors
/// The signature can't be read, or is damaged.
pub fn signer_of(signed: &Path) -> Result<Option<KeyId>, String> {
    let Some(minisig) = read_signature(signed).map_err(|error| format!("{error:#}"))? else {
        return Ok(None);
    };
    let signature =
        parse_signature(&minisig).map_err(|why| format!("it is damaged, {why}: sign it again"))?;
    Ok(Some(KeyId::of(signature.keynum())))
}

/// A new key pair, as texts for its files.
pub struct NewKey {
    /// The text of the secret key file.
    pub secret: String,
    /// The text of the public key file.
    pub public: String,
    /// The public key alone, for `trusted_keys`.
    pub line: String,
    /// The id of the key.
    pub id: KeyId,
}

impl NewKey {
    /// Generates a key pair. The password, if there is one, encrypts the secret key.
    ///
    /// # Errors
    /// The system has no randomness or too little memory.
    pub fn make(password: Option<String>) -> Result<Self> {
        let KeyPair { pk, sk } = match password {
            Some(password) => KeyPair::generate_encrypted_keypair(Some(password))?,
            None => KeyPair::generate_unencrypted_keypair()?,
        };
        Ok(Self {
            secret: sk
                .to_box(Some("minisign secret key of tickdeck"))?
                .into_string(),
            public: pk.to_box()?.into_string(),
            line: pk.to_base64(),
            id: KeyId::of(pk.keynum()),
        })
    }
}

/// A secret key, ready to sign.
pub struct SigningKey {
    secret: SecretKey,
    public: PublicKey,
}

impl SigningKey {
    /// Reads a secret key file of minisign, and calls `password` only if the key is encrypted.
    ///
    /// # Errors
    /// The file can't be read, is not a secret key, or the password is wrong.
    pub fn read(file: &Path, password: impl FnOnce() -> Result<String>) -> Result<Self> {
        let shown = Untrusted::path(file);
        let text = match read_bounded(file, MAX_FILE) {
            Err(error) if error.kind() == ErrorKind::FileTooLarge => None,
            read => String::from_utf8(read.with_context(|| format!("cannot read {shown}"))?).ok(),
        };
        let text = text.with_context(|| format!("{shown} is no secret key of minisign"))?;
        let key = SecretKeyBox::from(text);
        let secret = match key.clone().into_unencrypted_secret_key() {
            Err(error) if error.to_string() == ENCRYPTED => key.into_secret_key(Some(password()?)),
            read => read,
        };
        let secret = secret.map_err(|error| {
            anyhow!("cannot use {shown}: {error}; name the secret key that `tickdeck sign --new-key` made")
        })?;
        let public = PublicKey::from_secret_key(&secret)?;
        Ok(Self { secret, public })
    }

    /// Returns the id of the key.
    pub fn id(&self) -> KeyId {
        KeyId::of(self.public.keynum())
    }

    /// Signs `data` and returns the text of the signature file. `name` and the time, in seconds since 1970, go into the
    /// comment that the signature covers, as minisign writes it.
    ///
    /// # Errors
    /// `data` can't be read.
    pub fn sign(&self, name: &str, at_s: u64, data: impl Read) -> Result<String> {
        self.sign_with(name, at_s, None, data)
    }

    /// Like [`SigningKey::sign`], but the signature covers the settings beside the file too.
    ///
    /// # Errors
    /// Those of [`SigningKey::sign`].
    pub fn sign_with(
        &self,
        name: &str,
        at_s: u64,
        settings: Option<&[u8]>,
        data: impl Read,
    ) -> Result<String> {
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        let settings = settings.map_or_else(String::new, |settings| {
            format!("\t{SETTINGS_FIELD}{}", hash_of(settings))
        });
        let trusted = format!("timestamp:{at_s}\t{NAME_FIELD}{name}{settings}\thashed");
        let untrusted = format!("signature of tickdeck by key {}", self.id());
        let signature = minisign::sign(
            Some(&self.public),
            &self.secret,
            data,
            Some(&trusted),
            Some(&untrusted),
        )?;
        Ok(signature.into_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key that the manual of the `minisign` tool shows.
    const FOREIGN: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

    const FOREIGN_ID: &str = "E7620F1842B4E81F";

    /// The signature that the tool wrote for a file with the text `test`.
    const OF_THE_TOOL: &str = "untrusted comment: signature from minisign secret key\n\
        RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
        trusted comment: timestamp:1633700835\tfile:test\tprehashed\n\
        wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n";

    /// The same in the format that the tool has abandoned.
    const OLD: &str = "untrusted comment: signature from minisign secret key\n\
        RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n\
        trusted comment: timestamp:1555779966\tfile:test\n\
        QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==\n";

    const MODULE: &[u8] = b"\0asm, or so";

    struct Signed {
        key: NewKey,
        minisig: String,
    }

    fn signed() -> Signed {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let key = NewKey::make(None).unwrap();
        std::fs::write(&file, &key.secret).unwrap();
        let signing = SigningKey::read(&file, || panic!("it has no password")).unwrap();
        let minisig = signing.sign("a.wasm", 7, MODULE).unwrap();
        Signed { key, minisig }
    }

    fn trusting(lines: &[&str]) -> TrustedKeys {
        let keys: Vec<Located<String>> = lines
            .iter()
            .map(|line| Located {
                value: (*line).to_owned(),
                line: 1,
            })
            .collect();
        TrustedKeys::parse("t", &keys).unwrap()
    }

    #[test]
    fn a_signature_by_a_trusted_key_passes_and_names_the_key() {
        let Signed { key, minisig } = signed();
        let trusted = trusting(&[FOREIGN, &key.line]);
        let verified = trusted.verify("a.wasm", MODULE, None, Some(minisig.as_bytes()));
        assert_eq!(verified, Ok(Some(key.id)));
        assert!(minisig.contains("trusted comment: timestamp:7\tfile:a.wasm\thashed\n"));
    }

    #[test]
    fn a_signature_of_the_minisign_tool_passes_unless_it_has_the_old_format() {
        let trusted = trusting(&[FOREIGN]);
        let verdict =
            |minisig: &str| trusted.verify("deck/test", b"test", None, Some(minisig.as_bytes()));
        assert_eq!(
            verdict(OF_THE_TOOL).unwrap().unwrap().to_string(),
            FOREIGN_ID
        );
        let windows = OF_THE_TOOL.replace('\n', "\r\n");
        assert!(verdict(&windows).is_ok());
        assert_eq!(
            verdict(OLD).unwrap_err(),
            "deck/test is signed in minisign's old format: sign it again with `tickdeck sign`"
        );
    }

    #[test]
    fn a_module_that_was_signed_under_another_name_is_refused() {
        let Signed { key, minisig } = signed();
        let trusted = trusting(&[&key.line]);
        let error = trusted.verify("plugins/b.wasm", MODULE, None, Some(minisig.as_bytes()));
        let error = error.unwrap_err();
        assert!(error.contains("signed as a.wasm"), "{error}");
    }

    #[test]
    fn settings_beside_a_signed_module_pass_only_as_they_were_signed() {
        const SETTINGS: &[u8] = b"[swap]\nother_schema = \"fresh\"\n";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let key = NewKey::make(None).unwrap();
        std::fs::write(&file, &key.secret).unwrap();
        let signing = SigningKey::read(&file, || panic!("it has no password")).unwrap();
        let alone = signing.sign("a.wasm", 7, MODULE).unwrap();
        let both = signing
            .sign_with("a.wasm", 7, Some(SETTINGS), MODULE)
            .unwrap();
        let trusted = trusting(&[&key.line]);
        let verdict = |settings, minisig: &str| {
            let verified = trusted.verify("p/a.wasm", MODULE, settings, Some(minisig.as_bytes()));
            verified.map(drop)
        };
        assert_eq!(verdict(None, &alone), Ok(()));
        assert_eq!(verdict(Some(SETTINGS), &both), Ok(()));
        let why = verdict(Some(SETTINGS), &alone).unwrap_err();
        assert_eq!(
            why,
            "p/a.toml is not covered by the signature of p/a.wasm: sign both with \
             `tickdeck sign p/a.wasm --key KEYFILE`, or remove p/a.toml"
        );
        let why = verdict(Some(b""), &both).unwrap_err();
        assert!(
            why.starts_with("p/a.toml does not match the signature of p/a.wasm"),
            "{why}"
        );
        let why = verdict(None, &both).unwrap_err();
        assert!(
            why.contains("p/a.toml, which the signature of p/a.wasm covers, is missing"),
            "{why}"
        );
        // The comment is signed too.
        let forged = both.replace("\tsettings:", "\tsettingz:");
        assert!(verdict(Some(SETTINGS), &forged).is_err());
    }

    #[test]
    fn without_trusted_keys_signatures_are_ignored() {
        let trusted = trusting(&[]);
        assert_eq!(trusted.verify("a.wasm", MODULE, None, None), Ok(None));
        assert_eq!(
            trusted.verify("a.wasm", MODULE, None, Some(b"junk")),
            Ok(None)
        );
    }

    #[test]
    fn an_unsigned_module_is_refused() {
        let error = trusting(&[FOREIGN]).verify("a.wasm", MODULE, None, None);
        assert_eq!(
            error.unwrap_err(),
            "a.wasm is not signed, and tickdeck.toml names trusted_keys: \
             sign it with `tickdeck sign a.wasm --key KEYFILE`"
        );
    }

    #[test]
    fn a_signature_by_another_key_is_refused() {
        let Signed { key, minisig } = signed();
        let error = trusting(&[FOREIGN]).verify("a.wasm", MODULE, None, Some(minisig.as_bytes()));
        assert_eq!(
            error.unwrap_err(),
            format!(
                "a.wasm is signed by key {}, which is not among the trusted_keys of tickdeck.toml ({FOREIGN_ID}): \
                 sign it with one of them, or add that key",
                key.id
            )
        );
    }

    #[test]
    fn another_key_with_the_same_id_is_refused() {
        let Signed { key, minisig } = signed();
        let mut forged = public_key(FOREIGN).unwrap().to_bytes();
        forged[2..10].copy_from_slice(public_key(&key.line).unwrap().keynum());
        let forged = PublicKey::from_bytes(&forged).unwrap();
        let error = TrustedKeys(vec![forged])
            .verify("a.wasm", MODULE, None, Some(minisig.as_bytes()))
            .unwrap_err();
        assert!(
            error.starts_with("a.wasm does not match its signature by key "),
            "{error}"
        );
    }

    #[test]
    fn a_module_or_a_signature_that_was_changed_is_refused() {
        let Signed { key, minisig } = signed();
        let trusted = trusting(&[&key.line]);
        let error = trusted
            .verify("a.wasm", b"\0asm, or not", None, Some(minisig.as_bytes()))
            .unwrap_err();
        assert!(error.contains("one of the two was changed"), "{error}");
        let trimmed = minisig.trim_end();
        let start = minisig.find('\n').unwrap();
        for at in start..trimmed.len() {
            let mut changed = minisig.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let verdict = trusted.verify("a.wasm", MODULE, None, Some(&changed));
            assert!(verdict.is_err(), "byte {at} of {minisig}");
        }
    }

    #[test]
    fn a_damaged_signature_is_refused_wherever_it_breaks_off() {
        let Signed { key, minisig } = signed();
        let trusted = trusting(&[&key.line]);
        for length in 0..minisig.trim_end().len() {
            let broken = &minisig.as_bytes()[..length];
            let error = trusted
                .verify("a.wasm", MODULE, None, Some(broken))
                .unwrap_err();
            assert!(
                error.starts_with("the signature of a.wasm is damaged, "),
                "{error}"
            );
        }
        for junk in [&b"\xff"[..], b"\n\n\n\n", &[b'A'; 200]] {
            assert!(trusted.verify("a.wasm", MODULE, None, Some(junk)).is_err());
        }
    }

    #[test]
    fn a_key_with_a_password_signs_only_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let key = NewKey::make(Some("open sesame".to_owned())).unwrap();
        std::fs::write(&file, &key.secret).unwrap();
        let wrong = SigningKey::read(&file, || Ok("open barley".to_owned()));
        let error = wrong.err().unwrap().to_string();
        assert!(error.contains("Wrong password"), "{error}");
        let signing = SigningKey::read(&file, || Ok("open sesame".to_owned())).unwrap();
        let minisig = signing.sign("a.wasm", 7, MODULE).unwrap();
        let verified =
            trusting(&[&key.line]).verify("a.wasm", MODULE, None, Some(minisig.as_bytes()));
        assert_eq!(verified, Ok(Some(key.id)));
    }

    #[test]
    fn a_text_that_is_not_a_key_is_reported_with_its_line() {
        let keys = [Located {
            value: "RWQnonsense".to_owned(),
            line: 3,
        }];
        assert_eq!(
            TrustedKeys::parse("t", &keys).unwrap_err().to_string(),
            "`RWQnonsense` is not a public key at t:3, copy the line that `tickdeck sign --new-key` printed"
        );
    }
}
