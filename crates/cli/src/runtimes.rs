//! Who can run containers here: we, and programs that are installed or named in the configuration file.

use std::path::{Path, PathBuf};

use wharfie_engine::container::settings::{OWN_RUNTIME, OtherRuntime};

use crate::context::Context;
use crate::env;
use crate::failure::{Failure, Result};

/// Runtimes that are looked for to be shown; every other one can be used all the same.
const USUAL: [&str; 3] = ["crun", "runc", "youki"];

impl Context {
    /// The runtime of that name, or the default one; `None` is our own.
    ///
    /// # Errors
    /// Docker's words for a name that leads to no program.
    pub fn runtime(&self, asked: Option<&str>) -> Result<Option<OtherRuntime>> {
        let name = asked.filter(|name| !name.is_empty()).unwrap_or_else(|| self.default_runtime());
        if name == OWN_RUNTIME {
            return Ok(None);
        }
        let configured = self.settings().runtimes.get(name);
        let program =
            configured.map_or_else(|| find(name), |one| Some(one.path.clone()).filter(|path| is_program(path)));
        let args = configured.map(|one| one.args.clone()).unwrap_or_default();
        match program {
            Some(program) => Ok(Some(OtherRuntime { name: name.to_owned(), program, args })),
            None => Err(Failure::daemon(format!("unknown or invalid runtime name: {name}"))),
        }
    }

    /// The name of the runtime that is used when nobody says which.
    pub fn default_runtime(&self) -> &str {
        self.settings().default_runtime.as_deref().unwrap_or(OWN_RUNTIME)
    }

    /// Names and programs of the runtimes that are known here, ours first.
    pub fn runtimes(&self) -> Vec<(String, PathBuf)> {
        let mut known = vec![(OWN_RUNTIME.to_owned(), PathBuf::from(OWN_RUNTIME))];
        known.extend(self.settings().runtimes.iter().map(|(name, one)| (name.clone(), one.path.clone())));
        for name in USUAL {
            if let Some(program) = find(name).filter(|_| !known.iter().any(|(other, _)| other == name)) {
                known.push((name.to_owned(), program));
            }
        }
        known
    }
}

/// A name is looked for on the path; a path is one. Never a file of the working directory by its mere name.
fn find(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| path.is_absolute() && is_program(path));
    }
    let path = env::nonempty("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| path.is_absolute() && is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}
