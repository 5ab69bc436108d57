//! What this machine can build for: its own platform, and those that an emulator is registered for.

use std::path::Path;

use wharfie_oci::Platform;

use crate::engine::Engine;
use crate::error::Result;

/// Where the kernel lists who runs foreign programs.
const BINFMT: &str = "/proc/sys/fs/binfmt_misc";

/// What QEMU calls architectures, and what images call them.
const EMULATED: &[(&str, &str)] = &[
    ("qemu-x86_64", "linux/amd64"),
    ("qemu-aarch64", "linux/arm64"),
    ("qemu-riscv64", "linux/riscv64"),
    ("qemu-ppc64le", "linux/ppc64le"),
    ("qemu-s390x", "linux/s390x"),
    ("qemu-i386", "linux/386"),
    ("qemu-mips64el", "linux/mips64le"),
    ("qemu-mips64", "linux/mips64"),
    ("qemu-loongarch64", "linux/loong64"),
    ("qemu-arm", "linux/arm/v7"),
];

impl Engine {
    /// The platforms whose programs can run here, this machine's own first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn build_platforms(&self) -> Result<Vec<Platform>> {
        let own = self.reader()?.options().platform.clone();
        let mut platforms = vec![own.clone()];
        // What every such processor runs by itself.
        if own.architecture == "amd64" {
            platforms.extend("linux/386".parse::<Platform>());
        }
        let emulated = EMULATED.iter().filter(|(name, _)| is_enabled(&Path::new(BINFMT).join(name)));
        for platform in emulated.filter_map(|(_, platform)| platform.parse::<Platform>().ok()) {
            if !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        Ok(platforms)
    }
}

fn is_enabled(entry: &Path) -> bool {
    std::fs::read_to_string(entry).is_ok_and(|text| text.lines().next() == Some("enabled"))
}
