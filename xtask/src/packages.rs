//! The distribution's packages that tests and the demo use: real registries, real tools, real root file systems.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::process::{run_with, say};

/// A program that must be there and the Debian package that brings it.
pub(crate) type Package = (&'static str, &'static str);

/// What the demo needs.
pub(crate) const DEMO: &[Package] = &[("mmdebstrap", "mmdebstrap")];

/// What the tests need beside that.
pub(crate) const TESTS: &[Package] = &[
    ("docker-registry", "docker-registry"),
    ("mmdebstrap", "mmdebstrap"),
    ("busybox", "busybox-static"),
    ("htpasswd", "apache2-utils"),
    ("openssl", "openssl"),
    ("gem", "ruby"),
    ("zstd", "zstd"),
    ("xz", "xz-utils"),
    ("bzip2", "bzip2"),
    ("skopeo", "skopeo"),
    ("umoci", "umoci"),
    ("podman", "podman"),
    ("buildah", "buildah"),
    ("runc", "runc"),
    ("crun", "crun"),
    ("dockerd", "docker.io"),
    ("setfattr", "attr"),
    ("setcap", "libcap2-bin"),
    ("strace", "strace"),
    ("time", "time"),
    ("script", "bsdutils"),
    ("newuidmap", "uidmap"),
    ("pasta", "passt"),
    ("ssh-add", "openssh-client"),
    ("slirp4netns", "slirp4netns"),
    ("nft", "nftables"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    // An authority that gives certificates, and the names that it looks up.
    ("pebble", "pebble"),
];

/// What measuring needs beside that.
pub(crate) const BENCH: &[Package] = &[("nginx", "nginx"), ("wrk", "wrk")];

/// Installs what is missing, if we are root; says the exact command if not.
pub(crate) fn ensure(packages: &[Package]) -> Result {
    let missing: Vec<&str> =
        packages.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)?;
    match packages.iter().find(|(program, _)| !is_installed(program)) {
        None => Ok(()),
        Some((program, package)) => Err(format!("package {package} was installed but brought no {program}")),
    }
}

/// Installs packages, if we are root; says the exact command if not.
pub(crate) fn install(packages: &[&str]) -> Result {
    if !is_root() {
        return Err(format!(
            "missing programs; install them with\n\n    sudo apt-get install --no-install-recommends {}\n",
            packages.join(" ")
        ));
    }
    say(&format!("installing {}", packages.join(" ")));
    let environment = [("DEBIAN_FRONTEND", "noninteractive")];
    run_with("apt-get", &["update", "-q"], &environment)?;
    let mut words = vec!["install", "-q", "-y", "--no-install-recommends"];
    words.extend(packages);
    run_with("apt-get", &words, &environment)
}

/// True if the program is on the path or where Debian keeps daemons.
fn is_installed(program: &str) -> bool {
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|directory| Path::new(directory).join(program).exists())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
