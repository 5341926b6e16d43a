//! The compile cache: compiled modules in a folder of the host's own, which may be deleted at any time.
//!
//! Machine code from this folder runs unchecked, so an entry counts only with the host's own seal: a keyed checksum
//! (HMAC-SHA-256, RFC 2104) over what the code was compiled from, what it was compiled for, and the code itself. The key is
//! a file of this user outside the folder, so whoever could write to the folder, now or earlier, can't make an entry. What
//! is checked is what runs: the bytes are read once, into memory that nobody else can change.

use crate::error::LoadError;
use crate::load::Shape;
use crate::private_file::{self, Owner};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use tickdeck_model::ModuleHash;

/// First bytes of an entry; the last one is the version of the format.
const MAGIC: &[u8; 8] = b"tickdkc\x03";

/// Bytes of the seal.
const SEAL: usize = 32;

/// Bytes of the key.
const KEY: usize = 32;

/// Maximum size of an entry in bytes: more than any machine code that a compiler may return.
const MAX_ENTRY: u64 = 4 << 30;

/// Where compiled modules are cached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// The folder, private to this user.
    pub folder: PathBuf,
    /// The file with the key that seals the entries, private to this user and outside the folder. It is created if it does not
    /// exist.
    pub key: PathBuf,
}

/// How the cache served a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheUse {
    /// There is no cache.
    Off,
    /// The module had been compiled before.
    Hit,
    /// The module was compiled now and stored.
    Stored,
    /// The module was compiled now and could not be stored; the text says why.
    Failed(String),
}

/// The folder of compiled modules.
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; KEY],
    /// What the code must have been compiled for.
    compatibility: u64,
}

/// An entry that was sealed here.
pub(crate) struct Entry {
    pub(crate) shape: Shape,
    pub(crate) code: Vec<u8>,
}

impl Cache {
    /// Opens the folder and reads the key; creates what does not exist.
    pub(crate) fn open(config: &CacheConfig, compatibility: u64) -> Result<Self, LoadError> {
        let failed = |at: &Path, problem| LoadError::Cache {
            folder: at.display().to_string(),
            problem,
        };
        prepare(&config.folder).map_err(|problem| failed(&config.folder, problem))?;
        let key = key(&config.key).map_err(|problem| failed(&config.key, problem))?;
        Ok(Self {
            folder: config.folder.clone(),
            key,
            compatibility,
        })
    }

    fn entry(&self, module: ModuleHash) -> PathBuf {
        let compatibility = self.compatibility;
        self.folder.join(format!("{module}-{compatibility:016x}"))
    }

    /// Returns the module compiled earlier, if its entry exists and has the seal.
    pub(crate) fn load(&self, module: ModuleHash) -> Option<Entry> {
        let entry = private_file::read(&self.entry(module), MAX_ENTRY, Owner::ThisUser).ok()?;
        self.unseal(module, entry)
    }

    fn unseal(&self, module: ModuleHash, mut entry: Vec<u8>) -> Option<Entry> {
        let (head, content) = entry.split_at_checked(MAGIC.len() + SEAL)?;
        let (magic, seal) = head.split_at(MAGIC.len());
        let sealed = self.seal(module, content);
        if magic != MAGIC || sealed.verify_slice(seal).is_err() {
            return None;
        }
        let (shape, code) = postcard::take_from_bytes(content).ok()?;
        let code_at = entry.len() - code.len();
        Some(Entry {
            shape,
            code: entry.split_off(code_at),
        })
    }

    /// Every part but the last has a fixed length, so no two entries have the same bytes under the seal.
    fn seal(&self, module: ModuleHash, content: &[u8]) -> Hmac<Sha256> {
        let mut seal = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key has any length");
        seal.update(MAGIC);
        seal.update(&module.0);
        seal.update(&self.compatibility.to_le_bytes());
        seal.update(content);
        seal
    }

    /// Stores a compiled module. A failure costs no more than a compilation next time.
    pub(crate) fn store(&self, module: ModuleHash, shape: &Shape, code: &[u8]) -> CacheUse {
        let mut content = match postcard::to_allocvec(shape) {
            Ok(content) => content,
            Err(error) => return CacheUse::Failed(error.to_string()),
        };
        content.extend_from_slice(code);
        let seal = self.seal(module, &content).finalize().into_bytes();
        match self.write(&self.entry(module), [MAGIC, &seal, &content]) {
            Ok(()) => CacheUse::Stored,
            Err(error) => CacheUse::Failed(format!("{}: {error}", self.folder.display())),
        }
    }

    /// Writes a temporary file and renames it, so that a reader sees a whole entry or none. The folder is not synced: an entry
    /// lost to a power cut only costs a compilation.
    fn write(&self, entry: &Path, parts: [&[u8]; 3]) -> io::Result<()> {
        let mut file = temporary(&self.folder)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.as_file().sync_all()?;
        file.persist(entry)?;
        Ok(())
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Creates a file with an unused name in the folder, for this user alone.
fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".")
        .suffix(".tmp")
        .tempfile_in(folder)
}

/// Reads the key, or makes one if there is none.
fn key(file: &Path) -> Result<[u8; KEY], String> {
    if let Err(error) = fs::symlink_metadata(file)
        && error.kind() == io::ErrorKind::NotFound
    {
        make_key(file).map_err(|error| format!("cannot be created: {error}"))?;
    }
    let bytes = private_file::read(file, KEY as u64, Owner::Alone)
        .map_err(|error| format!("{error}; remove it, and the next start makes another"))?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| {
        format!("has {length} bytes instead of {KEY}; remove it, and the next start makes another")
    })
}

/// Two hosts that start at the same time get the same key: that of the first one.
fn make_key(file: &Path) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut new = temporary(folder)?;
    new.write_all(&random()?)?;
    new.as_file().sync_all()?;
    match new.persist_noclobber(file) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(error.error),
        _ => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn random() -> io::Result<[u8; KEY]> {
    let mut key = [0; KEY];
    let mut filled = 0;
    while filled < KEY {
        let flags = rustix::rand::GetRandomFlags::empty();
        filled += rustix::rand::getrandom(&mut key[filled..], flags)?;
    }
    Ok(key)
}

#[cfg(not(target_os = "linux"))]
fn random() -> io::Result<[u8; KEY]> {
    let mut key = [0; KEY];
    io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut key)?;
    Ok(key)
}

#[cfg(unix)]
fn prepare(folder: &Path) -> Result<(), String> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.map_err(|error| format!("cannot be created: {error}"))?;
    let about = fs::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !about.is_dir() {
        return Err("is a link or a file, not a folder".to_owned());
    }
    if about.mode() & 0o022 != 0 {
        return Err(format!(
            "is writable by other users (mode {:o}), who may have put code there; remove it with everything in it, and the \
             next start makes another",
            about.mode() & 0o777
        ));
    }
    // A new file belongs to this process's user, whoever that is.
    let owner = temporary(folder).and_then(|probe| probe.as_file().metadata());
    match owner {
        Ok(owner) if owner.uid() == about.uid() => Ok(()),
        Ok(_) => Err("belongs to another user".to_owned()),
        Err(error) => Err(format!("is not writable: {error}")),
    }
}

#[cfg(not(unix))]
fn prepare(_folder: &Path) -> Result<(), String> {
    Err("write permissions of a folder can only be checked on Unix".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::World;
    use crate::footprint::Footprint;
    use std::os::unix::fs::PermissionsExt as _;

    struct Place {
        _parent: tempfile::TempDir,
        config: CacheConfig,
    }

    fn place() -> Place {
        let parent = tempfile::tempdir().unwrap();
        let config = CacheConfig {
            folder: parent.path().join("cache"),
            key: parent.path().join("data/cache.key"),
        };
        Place {
            _parent: parent,
            config,
        }
    }

    fn shape() -> Shape {
        Shape {
            world: World::Strategy,
            contract: "0.1.0".to_owned(),
            imports: vec!["a".to_owned()],
            exports: Vec::new(),
            footprint: Footprint::default(),
        }
    }

    const MODULE: ModuleHash = ModuleHash([7; 32]);

    #[test]
    fn an_entry_that_was_changed_cut_or_sealed_for_something_else_is_a_miss() {
        let place = place();
        let cache = Cache::open(&place.config, 1).unwrap();
        assert_eq!(cache.store(MODULE, &shape(), b"code"), CacheUse::Stored);
        let found = cache.load(MODULE).unwrap();
        assert_eq!((found.shape, &*found.code), (shape(), &b"code"[..]));
        let file = cache.entry(MODULE);
        let entry = fs::read(&file).unwrap();
        for at in 0..entry.len() {
            assert!(
                cache.unseal(MODULE, entry[..at].to_vec()).is_none(),
                "cut at {at}"
            );
            let mut changed = entry.clone();
            changed[at] ^= 1;
            assert!(cache.unseal(MODULE, changed).is_none(), "changed at {at}");
        }
        assert!(cache.unseal(ModuleHash([8; 32]), entry.clone()).is_none());
        let other = Cache::open(&place.config, 2).unwrap();
        assert!(
            other.unseal(MODULE, entry.clone()).is_none(),
            "another wasmtime"
        );
        fs::remove_file(&place.config.key).unwrap();
        let stranger = Cache::open(&place.config, 1).unwrap();
        assert!(stranger.unseal(MODULE, entry).is_none(), "another key");
    }

    #[test]
    fn an_entry_that_is_a_link_or_that_others_can_write_is_a_miss() {
        let place = place();
        let cache = Cache::open(&place.config, 1).unwrap();
        cache.store(MODULE, &shape(), b"code");
        let (file, aside) = (cache.entry(MODULE), place.config.folder.join("aside"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(cache.load(MODULE).is_none(), "writable by its group");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(cache.load(MODULE).is_some());
        fs::hard_link(&file, &aside).unwrap();
        assert!(cache.load(MODULE).is_none(), "has a second name");
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(&aside, &file).unwrap();
        assert!(cache.load(MODULE).is_none(), "is a link");
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused_and_is_to_be_removed() {
        let place = place();
        let folder = &place.config.folder;
        Cache::open(&place.config, 1).unwrap();
        let mode = fs::metadata(folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "no probe is left");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o770)).unwrap();
        let error = Cache::open(&place.config, 1).unwrap_err().to_string();
        assert!(
            error.contains("mode 770") && error.contains("remove it") && !error.contains("chmod"),
            "{error}"
        );
        fs::remove_dir(folder).unwrap();
        std::os::unix::fs::symlink(folder.parent().unwrap(), folder).unwrap();
        let error = Cache::open(&place.config, 1).unwrap_err().to_string();
        assert!(error.contains("link"), "{error}");
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_cut_is_refused() {
        let place = place();
        let key = &place.config.key;
        Cache::open(&place.config, 1).unwrap();
        fs::set_permissions(key, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Cache::open(&place.config, 1).unwrap_err().to_string();
        assert!(
            error.contains("cache.key") && error.contains("remove it"),
            "{error}"
        );
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(key, b"short").unwrap();
        let error = Cache::open(&place.config, 1).unwrap_err().to_string();
        assert!(error.contains("has 5 bytes instead of 32"), "{error}");
    }
}
