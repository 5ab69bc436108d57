//! Walking a tree of any depth with a bounded number of open files.
//!
//! A container makes directories as deep as it likes, and whoever walks them must come back up. The lowest few directories
//! of the way are open; those above are known by device and inode, and are found again through `..` of the one below.
//! Somebody who moves a directory meanwhile makes that an error and leads nobody elsewhere.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;

/// The way from the top of a tree to one of its directories.
pub struct Trail {
    /// Each is in the one before; never empty.
    steps: Vec<Step>,
}

enum Step {
    Open(OwnedFd),
    /// Device and inode of a directory that was closed.
    Closed(u64, u64),
}

/// How many directories are open at once: more than trees are deep that nobody made to harm, and few enough for several
/// walks in a process that may open 256 files.
const OPEN: usize = 64;

impl Trail {
    /// A way that begins, and so far ends, at `top`.
    pub fn new(top: OwnedFd) -> Self {
        Self { steps: vec![Step::Open(top)] }
    }

    /// The directory where the way ends.
    pub fn here(&self) -> BorrowedFd<'_> {
        match self.steps.last() {
            Some(Step::Open(directory)) => directory.as_fd(),
            _ => unreachable!("the last step is open"),
        }
    }

    /// Goes down into a directory that is in the one where the way ends.
    ///
    /// # Errors
    /// The kernel's.
    pub fn enter(&mut self, directory: OwnedFd) -> rustix::io::Result<()> {
        let far = self.steps.len().checked_sub(OPEN);
        if let Some(step) = far.and_then(|far| self.steps.get_mut(far))
            && let Step::Open(open) = &*step
        {
            let stat = fstat(open)?;
            *step = Step::Closed(stat.st_dev, stat.st_ino);
        }
        self.steps.push(Step::Open(directory));
        Ok(())
    }

    /// Goes up. The way always has its top: there it does nothing.
    ///
    /// # Errors
    /// `ESTALE` if the directory was moved meanwhile; the kernel's.
    pub fn leave(&mut self) -> rustix::io::Result<()> {
        if self.steps.len() == 1 {
            return Ok(());
        }
        let below = self.steps.pop();
        let (Some(Step::Open(below)), Some(step)) = (below, self.steps.last_mut()) else { return Ok(()) };
        if let Step::Closed(device, inode) = *step {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
            let above = openat(&below, "..", flags, Mode::empty())?;
            let stat = fstat(&above)?;
            if (stat.st_dev, stat.st_ino) != (device, inode) {
                return Err(Errno::STALE);
            }
            *step = Step::Open(above);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::fs::mkdirat;

    use super::*;

    const DEEP: usize = 300;

    fn open(parent: BorrowedFd<'_>, name: &str) -> OwnedFd {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(parent, name, flags, Mode::empty()).unwrap()
    }

    /// A way `DEEP` directories down, all called `d`; the top's inode first, then theirs.
    fn deep(top: &Path) -> (Trail, Vec<u64>) {
        let mut trail = Trail::new(std::fs::File::open(top).unwrap().into());
        let mut inodes = vec![fstat(trail.here()).unwrap().st_ino];
        for _ in 0..DEEP {
            mkdirat(trail.here(), "d", Mode::RWXU).unwrap();
            let below = open(trail.here(), "d");
            inodes.push(fstat(&below).unwrap().st_ino);
            trail.enter(below).unwrap();
        }
        (trail, inodes)
    }

    #[test]
    fn the_way_up_is_the_way_down_and_few_are_open() {
        let place = tempfile::tempdir().unwrap();
        let (mut trail, mut inodes) = deep(place.path());
        let open = trail.steps.iter().filter(|step| matches!(step, Step::Open(_))).count();
        assert!(open <= OPEN + 1, "{open} are open");
        while let Some(inode) = inodes.pop() {
            assert_eq!(fstat(trail.here()).unwrap().st_ino, inode);
            trail.leave().unwrap();
        }
    }

    #[test]
    fn what_was_moved_leads_nowhere_else() {
        let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mut trail, _) = deep(place.path());
        std::fs::rename(place.path().join("d/d/d"), other.path().join("d")).unwrap();
        let results: Vec<_> = (0..DEEP).map(|_| trail.leave()).take_while(Result::is_ok).collect();
        assert_eq!(results.len(), DEEP - 3, "it goes up as far as nothing was moved");
    }
}
