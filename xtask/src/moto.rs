//! `moto`, the stand-in for a service that keeps buckets: a Python program, in an environment of its own in the target folder.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{run, target};
use crate::{Result, packages};

/// What is installed; another version is another environment.
const MOTO: &str = "moto[s3,server]==5.2.5";

/// Installs it if it is not there. Tests look for it where this puts it (`crates/testkit/src/moto.rs`).
pub(crate) fn ensure() -> Result {
    let place = target()?.join("moto");
    let stamp = place.join("installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == MOTO) {
        return Ok(());
    }
    packages::ensure(&[("python3", "python3")])?;
    // Debian's python3 has the module, and what it needs comes with another package.
    let mut asked = Command::new("python3");
    if !asked.args(["-c", "import ensurepip, venv"]).output().is_ok_and(|output| output.status.success()) {
        packages::install(&["python3-venv"])?;
    }
    let told = place.to_string_lossy();
    run("python3", &["-m", "venv", "--clear", &told])?;
    run(&program(&place, "pip"), &["install", "--quiet", "--disable-pip-version-check", MOTO])?;
    std::fs::write(&stamp, MOTO).map_err(|why| format!("cannot write {}: {why}", stamp.display()))
}

fn program(place: &std::path::Path, name: &str) -> String {
    let path: PathBuf = [place, std::path::Path::new("bin"), std::path::Path::new(name)].iter().collect();
    path.to_string_lossy().into_owned()
}
