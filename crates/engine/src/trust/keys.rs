//! Private keys in the user's directory: cosign's files, named by the id of the public key, for their owner alone.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use wharfie_trust::notation::Roots;
use wharfie_trust::sealed::Sealed;
use wharfie_trust::{KeyId, PrivateKey, PublicKey, Rule, pem};

use super::TrustError;
use super::policy::{create_directory, read_beneath, replace};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::insight::advisories::open_given;

/// A private key that is here, closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Where.
    pub path: PathBuf,
    /// Of the public half.
    pub id: KeyId,
    /// What it is called.
    pub role: String,
}

/// Anybody but the owner may do something.
const OTHERS: u32 = 0o077;
/// 4 digits of an id: fewer may be meant otherwise.
const MIN_ID: usize = 4;
/// 64 KiB: a key has some hundred bytes.
const MAX_KEY: u64 = 64 << 10;

/// The text of a file of keys that only its owner may read.
///
/// # Errors
/// When it cannot be read, or others can.
fn read_closed(path: &Path) -> Result<String> {
    let failed = |source| Error::File { doing: "open", path: path.into(), source };
    let mut options = File::options();
    // What is no file has nobody wait for it.
    let file = options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(failed(std::io::ErrorKind::InvalidInput.into()));
    }
    if found.mode() & OTHERS != 0 {
        return Err(TrustError::OpenToOthers(path.into()).into());
    }
    let mut text = String::new();
    file.take(MAX_KEY).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// A public key from a file of the user's.
///
/// # Errors
/// When it cannot be read or is none.
pub(super) fn public(path: &Path) -> Result<PublicKey> {
    let failed = |source| Error::File { doing: "open", path: path.into(), source };
    let mut text = String::new();
    open_given(path).map_err(failed)?.take(MAX_KEY).read_to_string(&mut text).map_err(failed)?;
    PublicKey::from_pem(&text).map_err(|source| TrustError::File { path: path.into(), source }.into())
}

impl Engine {
    /// A public key from a file.
    ///
    /// # Errors
    /// When it cannot be read or is none.
    pub fn trust_public_key(&self, path: &Path) -> Result<PublicKey> {
        public(path)
    }

    /// A private key from a file that only its owner may read. `passphrase` is asked for if it is encrypted.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or the passphrase is wrong.
    pub fn trust_private_key<E: From<Error>>(
        &self,
        path: &Path,
        passphrase: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<PrivateKey, E> {
        let text = read_closed(path)?;
        let opened = PrivateKey::from_pem(&text, || passphrase().map_err(Failed::Other));
        opened.map_err(|why| match why {
            Failed::Other(why) => why,
            Failed::Key(source) => Error::from(TrustError::File { path: path.into(), source }).into(),
        })
    }

    /// The private keys that are here, by id.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn trust_keys(&self) -> Result<Vec<KeyFile>> {
        let directory = self.private_directory()?;
        let failed = |source| Error::File { doing: "open", path: directory.clone(), source };
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(why) => return Err(failed(why)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(KeyId::parse);
            let (Some(id), Some("key")) = (id, path.extension().and_then(|one| one.to_str())) else { continue };
            // One that cannot be read has its id in its name all the same, and keeps no other from being shown; who uses it is told.
            if !path.symlink_metadata().is_ok_and(|found| found.is_file() || found.is_symlink()) {
                continue;
            }
            let block = read_closed(&path).ok().and_then(|text| pem::read(&text));
            let role = block.as_ref().and_then(|block| block.header("role")).unwrap_or_default().to_owned();
            found.push(KeyFile { path, id, role });
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    /// Keeps a private key, hidden by a passphrase. One of the same id is replaced: it is the same key.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn keep_trust_key(&self, key: &PrivateKey, role: &str, passphrase: &[u8]) -> Result<KeyFile> {
        let sealed = Sealed::seal(key, passphrase).map_err(TrustError::from)?;
        let directory = self.private_directory()?;
        create_directory(&directory)?;
        let id = key.public().id();
        let path = directory.join(format!("{id}.key"));
        let failed = |source| Error::File { doing: "write", path: path.clone(), source };
        replace(&path, sealed.to_pem(role).as_bytes()).map_err(failed)?;
        Ok(KeyFile { path, id, role: role.to_owned() })
    }

    /// The private key that is meant by an id, the beginning of one, or what it is called.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn find_trust_key(&self, word: &str) -> Result<KeyFile> {
        let all = self.trust_keys()?;
        let is_meant =
            |file: &&KeyFile| file.role == word || (word.len() >= MIN_ID && file.id.as_str().starts_with(word));
        let found: Vec<&KeyFile> = match all.iter().find(|file| file.id.as_str() == word) {
            Some(file) => vec![file],
            None => all.iter().filter(is_meant).collect(),
        };
        match found[..] {
            [only] => Ok(only.clone()),
            [] => Err(TrustError::NoKey(word.to_owned()).into()),
            _ => Err(TrustError::SeveralKeys(word.to_owned()).into()),
        }
    }

    /// Removes a private key. What it signed stays signed.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_trust_key(&self, file: &KeyFile) -> Result<()> {
        let failed = |source| Error::File { doing: "remove", path: file.path.clone(), source };
        std::fs::remove_file(&file.path).map_err(failed)
    }

    fn private_directory(&self) -> Result<PathBuf> {
        Ok(self.trust_settings()?.directory.join("private"))
    }
}

impl Engine {
    /// A rule with the roots that its certificates need, from `truststore/x509/ca/NAME` beside the policy, as notation has them.
    ///
    /// # Errors
    /// When a store of certificates cannot be read, has none, or can be changed by others.
    pub(super) fn with_roots(&self, mut rule: Rule) -> Result<Rule> {
        let Some(trusted) = &rule.notation else { return Ok(rule) };
        let base = &self.trust_settings()?.directory;
        let place = base.join("truststore/x509/ca");
        let mut certificates = Vec::new();
        for name in trusted.stores() {
            let directory = place.join(name);
            let failed = |source| Error::File { doing: "open", path: directory.clone(), source };
            let before = certificates.len();
            for entry in std::fs::read_dir(&directory).map_err(failed)?.take(MAX_ROOTS) {
                let path = entry.map_err(failed)?.path();
                let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
                if !["pem", "crt", "cer"].contains(&end.as_str()) {
                    continue;
                }
                let bytes = read_beneath(base, &path)?.unwrap_or_default();
                let blocks = pem::read_all(&String::from_utf8_lossy(&bytes));
                match blocks.is_empty() {
                    true => certificates.push(bytes),
                    false => certificates.extend(blocks.into_iter().map(|block| block.bytes)),
                }
            }
            if certificates.len() == before {
                let source = wharfie_trust::Error::Policy("there are no certificates in it".to_owned());
                return Err(TrustError::File { path: directory, source }.into());
            }
        }
        rule.roots = Roots { certificates, now: (self.config().store.clock)().seconds };
        Ok(rule)
    }
}

/// 1,000 files of certificates in one store.
const MAX_ROOTS: usize = 1000;

/// What kept a key from being opened.
enum Failed<E> {
    Key(wharfie_trust::Error),
    Other(E),
}

impl<E> From<wharfie_trust::Error> for Failed<E> {
    fn from(why: wharfie_trust::Error) -> Self {
        Self::Key(why)
    }
}
