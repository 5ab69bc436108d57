//! The policy's file: read before every decision, changed by one at a time.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use wharfie_content::{Event, Observer, Warning};
use wharfie_trust::{Policy, PublicKey};

use super::{Demand, Settings, TrustError};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// 16 MiB: what is read of a file of the user's at most.
const MAX_FILE: u64 = 16 << 20;
/// Anybody but the owner may write.
const OTHERS_WRITE: u32 = 0o022;
/// In such a directory only owners replace files.
const STICKY: u32 = 0o1000;

impl Engine {
    /// Where keys and the policy are.
    ///
    /// # Errors
    /// When nobody said so.
    pub(super) fn trust_settings(&self) -> Result<&Settings> {
        let nowhere = || Error::System { doing: "find the directory of keys", source: ErrorKind::NotFound.into() };
        self.trust.as_ref().ok_or_else(nowhere)
    }

    /// The policy; an empty one if there is no file.
    ///
    /// # Errors
    /// When it cannot be read, is not understood, or can be changed by others.
    pub fn trust_policy(&self) -> Result<Policy> {
        let directory = &self.trust_settings()?.directory;
        let path = path(directory);
        // Who may write where `trust` lies may put another one in its place.
        match read_beneath(directory_of(directory), &path)? {
            Some(bytes) => Policy::parse(&bytes).map_err(|source| TrustError::File { path, source }.into()),
            None => Ok(Policy::default()),
        }
    }

    /// Tells if there is no policy, and others could have moved one away.
    pub(super) fn tell_of_open_directory(&self, observer: &dyn Observer) {
        let Some(settings) = self.trust.as_ref().filter(|settings| settings.demand != Demand::Never) else { return };
        let above = directory_of(&settings.directory);
        let is_open =
            above.metadata().is_ok_and(|found| found.mode() & OTHERS_WRITE != 0 && found.mode() & STICKY == 0);
        if is_open && !path(&settings.directory).exists() {
            let text = format!(
                "WARNING: {} can be changed by others, who may have moved a policy of trust away: `chmod go-w` closes it",
                above.display()
            );
            observer.observe(Event::Warned(Warning::Note(text)));
        }
    }

    /// Changes the policy, while nobody else does. If `change` fails, nothing changes.
    ///
    /// # Errors
    /// As [`Self::trust_policy`], when it cannot be written, or when `change` fails.
    pub(super) fn change_policy<T>(&self, change: impl FnOnce(&mut Policy) -> Result<T>) -> Result<T> {
        let directory = &self.trust_settings()?.directory;
        create_directory(directory)?;
        let lock = directory.join(".lock");
        let file = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| Error::File { doing, path, source }
        };
        let held = File::options().create(true).truncate(false).write(true).open(&lock).map_err(file("open", &lock))?;
        flock(&held, FlockOperation::LockExclusive).map_err(|why| file("lock", &lock)(why.into()))?;
        let mut policy = self.trust_policy()?;
        let before = policy.clone();
        let result = change(&mut policy)?;
        if policy != before {
            let path = path(directory);
            replace(&path, policy.to_json().as_bytes()).map_err(file("write", &path))?;
        }
        Ok(result)
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("policy.json")
}

/// The bytes of a file that only its owner may change or replace; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    read_beneath(directory_of(path), path)
}

/// As [`read`], of a file somewhere beneath `base`, which is the user's: no directory on the way, and where links lead, is one in which
/// others put things.
pub(super) fn read_beneath(base: &Path, path: &Path) -> Result<Option<Vec<u8>>> {
    let failed = |source| Error::File { doing: "open", path: path.into(), source };
    let mut options = File::options();
    // What is no file has nobody wait for it.
    options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let file = match options.open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(failed(why)),
    };
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(failed(ErrorKind::InvalidInput.into()));
    }
    let owners = owners();
    if found.mode() & OTHERS_WRITE != 0 {
        return Err(TrustError::Writable(path.into()).into());
    }
    if !owners.contains(&found.uid()) {
        return Err(TrustError::Foreign { path: path.into(), uid: found.uid() }.into());
    }
    for directory in on_the_way(base, path).map_err(failed)? {
        let found = directory.metadata().map_err(failed)?;
        if found.mode() & OTHERS_WRITE != 0 && found.mode() & STICKY == 0 {
            let named = if directory == directory_of(path) { path } else { &directory };
            return Err(TrustError::Writable(named.into()).into());
        }
        if !owners.contains(&found.uid()) {
            return Err(TrustError::Foreign { path: directory, uid: found.uid() }.into());
        }
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// The directories from a file's up to `base`, as it is named and as it is; where a link leads out of `base`, up to the root.
fn on_the_way(base: &Path, path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let up = |from: &Path, to: &Path| -> Vec<PathBuf> {
        from.ancestors().take_while(|directory| directory.starts_with(to)).map(Path::to_owned).collect()
    };
    let named = directory_of(path);
    let mut all = up(named, base);
    let (real_base, real) = (base.canonicalize()?, path.canonicalize()?);
    if real != named.canonicalize()?.join(path.file_name().unwrap_or_default()) || !real.starts_with(&real_base) {
        let beneath = if real.starts_with(&real_base) { &real_base } else { Path::new("/") };
        all.extend(up(directory_of(&real), beneath));
    }
    Ok(all)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whose files are believed: root's and our own. In a user namespace root's belong to nobody who has a number there.
fn owners() -> [u32; 3] {
    let own = rustix::process::geteuid().as_raw();
    let is_mapped = std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| {
        let mut numbers = map.split_whitespace();
        !(numbers.next() == Some("0") && numbers.next() == Some("0") && numbers.next() == Some("4294967295"))
    });
    [0, own, if is_mapped { OVERFLOW } else { own }]
}

/// The number of all users whom a user namespace does not know.
const OVERFLOW: u32 = 65_534;

/// Makes a directory that only its owner may enter.
pub(super) fn create_directory(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| Error::File { doing: "mkdir", path: path.into(), source })
}

/// Writes a file that nobody ever sees half of, for its owner alone.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension(format!("{}.tmp", std::process::id()));
    // What a process of the same number left behind is nobody's.
    let _ = std::fs::remove_file(&aside);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&aside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&aside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&aside);
    }
    written
}

impl Engine {
    /// Lets somebody's word count in a repository. True if nobody's did before.
    ///
    /// # Errors
    /// When the name is none, or the policy cannot be changed.
    pub fn add_signer(&self, repository: &wharfie_oci::Repository, name: &str, keys: &[PublicKey]) -> Result<bool> {
        check_signer(name)?;
        self.change_policy(|policy| {
            let is_new = policy.rule(repository).is_none();
            let known = policy.own_rule_mut(repository).signers.entry(name.to_owned()).or_default();
            known.extend(keys.iter().filter(|key| !known.contains(key)).cloned().collect::<Vec<_>>());
            Ok(is_new)
        })
    }

    /// Lets somebody's word no longer count in a repository.
    ///
    /// # Errors
    /// When there is no such signer, or the policy cannot be changed.
    pub fn remove_signer(&self, repository: &wharfie_oci::Repository, name: &str) -> Result<()> {
        self.change_policy(|policy| {
            let is_known = policy.rule(repository).is_some_and(|rule| rule.signers.contains_key(name));
            if !is_known {
                let (signer, repository) = (name.to_owned(), repository.familiar());
                return Err(TrustError::NoSigner { signer, repository }.into());
            }
            policy.own_rule_mut(repository).signers.remove(name);
            Ok(())
        })
    }
}

/// Refuses what no signer can be called.
///
/// # Errors
/// When it is that.
pub fn check_signer(name: &str) -> Result<()> {
    if wharfie_trust::policy::is_reserved(name) {
        return Err(TrustError::Reserved.into());
    }
    check_name("signer", name)
}

/// Refuses what no key can be called.
///
/// # Errors
/// When it is that.
pub fn check_name(what: &'static str, name: &str) -> Result<()> {
    match wharfie_trust::policy::is_name(name) {
        true => Ok(()),
        false => Err(TrustError::BadName { what, name: name.to_owned() }.into()),
    }
}
