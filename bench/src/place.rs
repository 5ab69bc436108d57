//! A fresh file system for every round: on a used ext4, files made after a mass deletion cost many times more, for
//! everybody, and that would be measured instead.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// An ext4 in memory, mounted until dropped.
pub(crate) struct Place {
    image: PathBuf,
    path: PathBuf,
}

/// 8 GiB, of which only what is written takes memory.
const SIZE: u64 = 8 << 30;

impl Place {
    /// Makes and mounts one.
    #[expect(clippy::disallowed_methods, reason = "a bench is a program of its own")]
    pub(crate) fn new(name: &str) -> Result<Self> {
        let image = PathBuf::from(format!("/dev/shm/wharfie-bench-{name}-{}.img", std::process::id()));
        let path = std::env::temp_dir().join(format!("wharfie-bench-{name}-{}", std::process::id()));
        let file = std::fs::File::create(&image).map_err(|why| format!("cannot make {}: {why}", image.display()))?;
        file.set_len(SIZE).map_err(|why| why.to_string())?;
        std::fs::create_dir_all(&path).map_err(|why| why.to_string())?;
        run("mkfs.ext4", &["-q", "-F", &image.to_string_lossy()])?;
        run("mount", &["-o", "loop", &image.to_string_lossy(), &path.to_string_lossy()])?;
        Ok(Self { image, path })
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = run("umount", &["-l", &self.path.to_string_lossy()]);
        let _ = std::fs::remove_file(&self.image);
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// Runs a helper program to its end.
pub(crate) fn run(program: &str, words: &[&str]) -> Result {
    let output = Command::new(program).args(words).output();
    let output = output.map_err(|why| format!("cannot start {program}: {why}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program} {} failed: {}", words.join(" "), String::from_utf8_lossy(&output.stderr))),
    }
}
