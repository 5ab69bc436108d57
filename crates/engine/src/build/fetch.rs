//! What steps and contexts take from the web: files, and git repositories through the `git` program.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use wharfie_build::plan::GitSource;
use wharfie_oci::digest::Algorithm;
use wharfie_oci::{Digest, Digester};

use super::error::BuildError;
use super::files::Files;
use super::worker::Worker;
use crate::error::{Error, Result};

/// A file of the web.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What it is called.
    pub(super) name: String,
    /// What is in it.
    pub(super) digest: Digest,
    /// When it was changed, in seconds since 1970: 0 if nobody says.
    pub(super) modified: i64,
    /// Where it was put, and its length in bytes; `None` if nothing had to be fetched to know what is in it.
    body: Option<(PathBuf, u64)>,
}

impl Fetched {
    /// Whether its bytes are here.
    pub(super) fn is_here(&self) -> bool {
        self.body.is_some()
    }

    /// The file, at its beginning, and its length in bytes.
    pub(super) fn open(&self) -> Result<(File, u64)> {
        let gone = || Error::from(BuildError::Fetch { url: self.name.clone(), why: CHANGED.to_owned() });
        let (path, size) = self.body.as_ref().ok_or_else(gone)?;
        Ok((File::open(path).map_err(file_error("open", path))?, *size))
    }
}

/// What was in a file of the web the last time.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    digest: Digest,
    /// Its strong entity tag.
    etag: Option<String>,
    modified: i64,
}

impl Seen {
    /// Under which name it is noted.
    fn name(url: &str) -> Digest {
        Digest::of(format!("the file at {url}").as_bytes())
    }
}

impl Worker<'_, '_> {
    /// The file at `url`, which must have `checksum` if there is one. With `may_be_known` it is fetched only if it is not what
    /// it was the last time.
    pub(super) fn fetch(&self, url: &str, name: &str, checksum: Option<&str>, may_be_known: bool) -> Result<Fetched> {
        let failed = |why: String| Error::from(BuildError::Fetch { url: url.to_owned(), why });
        let seen = match may_be_known {
            true => {
                self.store.build_note(&Seen::name(url))?.and_then(|note| serde_json::from_slice::<Seen>(&note).ok())
            }
            false => None,
        };
        let known =
            |seen: Seen| Fetched { name: name.to_owned(), digest: seen.digest, modified: seen.modified, body: None };
        let seen = match (seen, checksum) {
            // The bytes are the ones that are meant: nobody has to be asked.
            (Some(seen), Some(checksum)) if seen.digest.as_str() == checksum => return Ok(known(seen)),
            // Something else was there, or nothing: whoever is answered has to prove it.
            (_, Some(_)) => None,
            (seen, None) => seen,
        };
        let remote = self.engine.remote();
        let answer = match seen.as_ref().and_then(|seen| seen.etag.as_deref()) {
            Some(etag) => remote.download_unless(url, etag),
            None => remote.download(url).map(Some),
        };
        let download = match (answer.map_err(|why| failed(why.to_string()))?, seen) {
            (Some(download), _) => download,
            (None, Some(seen)) => return Ok(known(seen)),
            (None, None) => return Err(failed(CHANGED.to_owned())),
        };
        let path = self.place()?.join("file");
        let mut file = File::create_new(&path).map_err(file_error("create", &path))?;
        let mut digester = Digester::new(Algorithm::Sha256);
        let (mut reader, mut buffer, mut size) = (download.reader, vec![0; CHUNK], 0);
        loop {
            self.observer.check().map_err(|_| Error::Cancelled)?;
            let n = reader.read(&mut buffer).map_err(|why| failed(why.to_string()))?;
            if n == 0 {
                break;
            }
            digester.update(&buffer[..n]);
            file.write_all(&buffer[..n]).map_err(file_error("write", &path))?;
            size += n as u64;
        }
        if download.size.is_some_and(|expected| expected != size) {
            return Err(failed("the answer ended early".to_owned()));
        }
        let digest = digester.finish();
        if let Some(expected) = checksum
            && expected != digest.as_str()
        {
            return Err(BuildError::Checksum { actual: digest.to_string(), expected: expected.to_owned() }.into());
        }
        let modified = download.modified.unwrap_or_default();
        let seen = Seen { digest: digest.clone(), etag: download.etag, modified };
        self.note(Seen::name(url), serde_json::to_vec(&seen).map_err(Error::Document)?);
        Ok(Fetched { name: name.to_owned(), digest, modified, body: Some((path, size)) })
    }

    /// The files of a git repository.
    pub(super) fn clone_repository(&self, source: &GitSource, checksum: Option<&str>) -> Result<Files> {
        let place = self.place()?;
        let expected = checksum.or(source.checksum.as_deref());
        let top = check_out(source, expected, &place)?;
        let root = File::open(&top).map_err(file_error("open", &top))?.into();
        Ok(Files { root, layers: None, is_context: true, ignore: None })
    }
}

/// Checks out what `source` means in the empty directory `place`, and gives the directory that is meant.
pub(super) fn check_out(source: &GitSource, expected: Option<&str>, place: &Path) -> Result<PathBuf> {
    let failed = |why: String| Error::from(BuildError::Fetch { url: without_credentials(&source.remote), why });
    let reference = source.reference.as_deref().unwrap_or("HEAD");
    if source.remote.starts_with('-') || reference.starts_with('-') {
        return Err(failed("a name that begins with a dash is none".to_owned()));
    }
    let git = |arguments: &[&str]| -> Result<String> {
        let mut command = Command::new("git");
        // What a repository says is done nowhere but in its own directory, and it leads to no file of this machine.
        for setting in ["protocol.file.allow=never", "protocol.ext.allow=never", "core.hooksPath=/dev/null"] {
            command.args(["-c", setting]);
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_LFS_SKIP_SMUDGE", "1");
        // Of a git that we were called by: they would lead to its repository.
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"] {
            command.env_remove(name);
        }
        let command = command.current_dir(place).args(arguments).stdin(Stdio::null());
        let output = command.output().map_err(|why| match why.kind() {
            io::ErrorKind::NotFound => failed("the program git is not installed".to_owned()),
            _ => failed(why.to_string()),
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(failed(text(&output.stderr))) }
    };
    git(&["init", "--quiet"])?;
    git(&["remote", "add", "origin", "--", &source.remote])?;
    // Not every server gives out commits by their names: then everything is fetched.
    let fetch = git(&["fetch", "--quiet", "--depth=1", "origin", reference]);
    let found = match fetch {
        Ok(_) => "FETCH_HEAD".to_owned(),
        Err(why) if is_commit(reference) => {
            git(&["fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"]).map_err(|_| why)?;
            reference.to_owned()
        }
        Err(why) => return Err(why),
    };
    git(&["checkout", "--quiet", "--detach", &found])?;
    let commit = git(&["rev-parse", "HEAD"])?;
    if let Some(expected) = expected
        && !commit.starts_with(expected)
    {
        return Err(BuildError::Checksum { actual: commit, expected: expected.to_owned() }.into());
    }
    if source.with_submodules {
        git(&["submodule", "update", "--quiet", "--init", "--recursive", "--depth=1"])?;
    }
    if !source.keep_git_dir {
        let _ = std::fs::remove_dir_all(place.join(".git"));
    }
    let Some(below) = source.subdirectory.as_deref().filter(|below| !below.is_empty()) else {
        return Ok(place.to_owned());
    };
    // A link in the repository does not lead out of it.
    let top = place.join(below.trim_start_matches('/'));
    let real = top.canonicalize().map_err(|_| failed(format!("subdir {below} not found")))?;
    let inside = place.canonicalize().is_ok_and(|place| real.starts_with(place));
    if inside { Ok(real) } else { Err(failed(format!("subdir {below} leads out of the repository"))) }
}

fn is_commit(reference: &str) -> bool {
    (7..=64).contains(&reference.len()) && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A URL without a user's name and password.
pub(super) fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..end].rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{}", &rest[end..])
        }
        None => url.to_owned(),
    }
}

pub(super) fn file_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { doing, path: path.clone(), source }
}

/// Of a server that first says that nothing has changed, and then is not asked again.
const CHANGED: &str = "what it was made into is gone since: build again";
/// 128 KiB.
const CHUNK: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_told_nobody() {
        assert_eq!(without_credentials("https://me:secret@host/a@b.git"), "https://host/a@b.git");
        assert_eq!(without_credentials("git@host:a.git"), "git@host:a.git");
    }

    #[test]
    fn files_of_this_machine_are_no_repositories() {
        let place = tempfile::tempdir().unwrap();
        let source = GitSource { remote: "file:///tmp".to_owned(), ..GitSource::default() };
        assert!(check_out(&source, None, place.path()).is_err());
        let source = GitSource { remote: "--upload-pack=touch x".to_owned(), ..GitSource::default() };
        assert!(check_out(&source, None, place.path()).is_err());
    }
}
