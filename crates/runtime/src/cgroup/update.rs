//! New limits for a container that runs.

use std::path::Path;

use crate::cgroup::{Cgroup, Version, hierarchy, is_for, name, write};
use crate::error::{Error, Result};
use crate::spec::Resources;

impl Cgroup {
    /// Sets those limits of a running container that `changed` names; `merged` has all that hold afterwards. The container
    /// joins controllers that it was not under, frozen for that long unless it is anyway. Gives where it is accounted now.
    ///
    /// # Errors
    /// When a limit cannot be set.
    pub fn update(
        &self,
        parent: Option<&str>,
        id: &str,
        changed: &Resources,
        merged: &Resources,
        is_frozen: bool,
    ) -> Result<Self> {
        let mut grown = self.clone();
        let name = name(parent, id)?;
        for hierarchy in hierarchy::all() {
            let hierarchy::Hierarchy::Version1(controller, root) = &hierarchy else { continue };
            if is_for(controller, changed) && !grown.version1.iter().any(|(known, _)| known == controller) {
                let path = root.join(&name);
                hierarchy.make(&path).map_err(Error::system(format!("make {}", path.display())))?;
                self.move_to(&path, is_frozen)?;
                grown.version1.push(((*controller).to_owned(), path));
            }
        }
        let mut wanted = changed.clone();
        if changed.memory.is_some() || changed.memory_swap.is_some() {
            (wanted.memory, wanted.memory_swap) = (merged.memory, merged.memory_swap);
            // The kernel insists on memory ≤ memory and swap at every moment: the second makes room for the first.
            if let Some((path, Version::One)) = grown.directory_of("memory") {
                let _ = write(&path.join("memory.memsw.limit_in_bytes"), "-1");
            }
        }
        grown.limit(&wanted)?;
        Ok(grown)
    }

    /// Moves all processes to one more directory. Frozen ones have no children meanwhile.
    fn move_to(&self, path: &Path, is_frozen: bool) -> Result<()> {
        let freezes = !is_frozen && self.pause().is_ok();
        let moved = self.processes().into_iter().try_for_each(|pid| {
            match write(&path.join("cgroup.procs"), &pid.to_string()) {
                // It ended.
                Err(why) if why.raw_os_error() == Some(libc::ESRCH) => Ok(()),
                other => other.map_err(Error::system(format!("join {}", path.display()))),
            }
        });
        if freezes {
            self.unpause()?;
        }
        moved
    }
}
