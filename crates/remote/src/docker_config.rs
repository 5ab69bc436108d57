//! config.json: read leniently, edited without losing anything.
//!
//! Keys that wharfie does not know keep their place and their text; only white space is laid out anew.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::auth::HUB_KEY;
use crate::auths::{Auths, Members};
use crate::{Error, json_text};

/// The file, as far as it could be read.
#[derive(Debug, Default)]
pub struct DockerConfig {
    path: PathBuf,
    members: Members,
    warning: Option<ParseWarning>,
}

/// The file is damaged; the program goes on without what could not be read. The text is docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("WARNING: Error parsing config file ({path}): {why}", path = path.display())]
pub struct ParseWarning {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl DockerConfig {
    /// Reads the file at `path`. A missing file is an empty one; a damaged one leaves a [`DockerConfig::warning`].
    pub fn load(path: &Path) -> Self {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                return Self { path: path.to_owned(), ..Self::default() };
            }
            Err(why) => return Self::damaged(path, why.to_string()),
        };
        Self::parse(path, &bytes).unwrap_or_else(|warning| Self::damaged(path, warning.why))
    }

    /// Reads `json` as if it stood in the file at `path`.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub fn parse(path: &Path, json: &[u8]) -> Result<Self, ParseWarning> {
        let members: Members = serde_json::from_slice(json).map_err(|why| {
            let why = match why.is_eof() {
                true if json.iter().all(u8::is_ascii_whitespace) => "EOF".to_owned(),
                true => "unexpected EOF".to_owned(),
                false => json_text::go_error(json, &why),
            };
            ParseWarning { path: path.to_owned(), why }
        })?;
        let mut config = Self { path: path.to_owned(), members, warning: None };
        if !config.auths().is_sound() {
            let why = "Invalid auth configuration file".to_owned();
            config.warning = Some(ParseWarning { path: path.to_owned(), why });
        }
        Ok(config)
    }

    fn damaged(path: &Path, why: String) -> Self {
        let warning = Some(ParseWarning { path: path.to_owned(), why });
        Self { path: path.to_owned(), members: Members::default(), warning }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was wrong with the file when it was read.
    pub fn warning(&self) -> Option<&ParseWarning> {
        self.warning.as_ref()
    }

    /// A top-level member's JSON: `HttpHeaders`, `imagesFormat`, `psFormat`, `pruneFilters`, `proxies`, ….
    pub fn raw(&self, key: &str) -> Option<&str> {
        self.members.raw(key)
    }

    /// A top-level member as `T`; `None` also where it has another shape.
    pub fn value<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_str(self.raw(key)?).ok()
    }

    /// The helper for `server`: of the host, else of all hosts.
    pub(crate) fn helper(&self, server: &str) -> Option<String> {
        let helpers: Members =
            self.raw("credHelpers").and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default();
        let names: &[&str] = if server == HUB_KEY { &[server, "docker.io", "index.docker.io"] } else { &[server] };
        let of_host = names.iter().find_map(|name| helpers.raw(name)).and_then(|raw| serde_json::from_str(raw).ok());
        of_host.or_else(|| self.value::<String>("credsStore")).filter(|name: &String| !name.is_empty())
    }

    pub(crate) fn auths(&self) -> Auths {
        Auths::read(self.raw("auths"))
    }

    /// Reads the file again, lets `change` edit its `auths`, and writes it back if `change` says so.
    ///
    /// # Errors
    /// When the file is damaged (it is left alone) or cannot be written.
    pub(crate) fn edit(&mut self, change: impl FnOnce(&mut Auths) -> bool) -> Result<(), Error> {
        let path = self.path.clone();
        let failed = |source| Error::ConfigFile { path: path.clone(), source };
        let mut fresh = Self::load(&self.path);
        if let Some(warning) = &fresh.warning
            && fresh.members.is_empty()
        {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, warning.why.clone())));
        }
        let mut auths = fresh.auths();
        if change(&mut auths) {
            fresh.members.set("auths", &auths.to_json());
            write(&self.path, &wharfie_oci::json::indented(&fresh.members.to_json(), "\t")).map_err(failed)?;
        }
        *self = fresh;
        Ok(())
    }
}

/// Writes beside the file, then renames: readers see the old or the new one. Only the owner may read either.
fn write(path: &Path, text: &str) -> io::Result<()> {
    // A link stays one; what it points to is replaced. A dangling one is followed once.
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(_) => match fs::read_link(path) {
            Ok(link) => path.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => path.to_owned(),
        },
    };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
    let (temporary, mut file) = create_aside(folder, &name)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| fs::rename(&temporary, &target));
    if renamed.is_err() {
        // Nothing more can be done about litter than trying to remove it.
        let _unimportant = fs::remove_file(&temporary);
    }
    renamed
}

/// A new file that only its owner can read. What is there already, a link above all, is somebody else's.
fn create_aside(folder: &Path, name: &str) -> io::Result<(PathBuf, File)> {
    let mut attempt = 0;
    loop {
        let path = folder.join(format!(".{name}.{}-{attempt}", std::process::id()));
        match File::options().write(true).create_new(true).mode(0o600).open(&path) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists && attempt < MAX_ATTEMPTS => attempt += 1,
            result => return result.map(|file| (path, file)),
        }
    }
}

/// 1,000 names that are taken: somebody does not want us to write.
const MAX_ATTEMPTS: u32 = 1000;
