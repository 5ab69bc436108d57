//! What is moved: a real Debian root file system, 20,000 small files, one layer of 1 GiB, 1,000 images.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::place::run;

/// The archives, in docker's format, and the plain tar of the Debian layer.
pub(crate) struct Inputs {
    /// The Debian layer.
    pub(crate) tar: PathBuf,
    /// The same, gzipped.
    pub(crate) gzip: PathBuf,
    /// One image called `bench/debian:1`.
    pub(crate) debian: PathBuf,
    /// One image called `bench/many:1`.
    pub(crate) many: PathBuf,
    /// One image called `bench/big:1`.
    pub(crate) big: PathBuf,
    /// A thousand images.
    pub(crate) thousand: PathBuf,
}

impl Inputs {
    /// Makes what is not there yet below `folder`.
    pub(crate) fn make(folder: &Path, wharfie: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|why| why.to_string())?;
        let path = |name: &str| folder.join(name);
        let inputs = Self {
            tar: path("debian.tar"),
            gzip: path("debian.tar.gz"),
            debian: path("debian-image.tar"),
            many: path("many-image.tar"),
            big: path("big-image.tar"),
            thousand: path("thousand.tar"),
        };
        debian(folder, wharfie)?;
        once(&inputs.gzip, |aside| shell(&format!("gzip -6 -c {} > {aside}", inputs.tar.display())))?;
        let image = |tar: &Path, name: &str, aside: &str| image(folder, wharfie, tar, name, aside);
        once(&inputs.many, |aside| {
            let tar = folder.join("many.tar");
            small_files(&tar)?;
            image(&tar, "bench/many:1", aside)
        })?;
        once(&inputs.big, |aside| {
            let tar = folder.join("big.tar");
            // Half of it random, so that compression has something to do and something not to do.
            shell(&format!(
                "d=$(mktemp -d) && (head -c 536870912 /dev/urandom; head -c 536870912 /dev/zero) > $d/big && \
                 tar -C $d -cf {} big && rm -r $d",
                tar.display()
            ))?;
            image(&tar, "bench/big:1", aside)
        })?;
        once(&inputs.thousand, |aside| thousand(Path::new(aside)))?;
        Ok(inputs)
    }
}

/// Makes the Debian image alone, if it is not there yet, and says where it is.
pub(crate) fn debian(folder: &Path, wharfie: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(|why| why.to_string())?;
    let (tar, debian) = (folder.join("debian.tar"), folder.join("debian-image.tar"));
    once(&tar, |aside| run("mmdebstrap", &["--variant=minbase", "bookworm", aside]))?;
    once(&debian, |aside| image(folder, wharfie, &tar, "bench/debian:1", aside))?;
    Ok(debian)
}

/// Makes an image of one layer.
fn image(folder: &Path, wharfie: &Path, tar: &Path, name: &str, aside: &str) -> Result {
    let root = folder.join("scratch-store");
    let root = root.to_string_lossy();
    let words = |words: &[&str]| run(&wharfie.to_string_lossy(), &[&["--root", &root], words].concat());
    words(&["import", &tar.to_string_lossy(), name])?;
    words(&["save", "-o", aside, name])?;
    std::fs::remove_dir_all(&*root).map_err(|why| why.to_string())
}

fn once(path: &Path, make: impl FnOnce(&str) -> Result) -> Result {
    if path.exists() {
        return Ok(());
    }
    let aside = path.with_extension("new.tar");
    make(&aside.to_string_lossy())?;
    std::fs::rename(&aside, path).map_err(|why| format!("cannot place {}: {why}", path.display()))
}

fn shell(script: &str) -> Result {
    run("sh", &["-ec", script])
}

/// 2,500 folders of eight files, two hundred to five thousand bytes each.
fn small_files(tar: &Path) -> Result {
    let folder = tar.with_extension("files");
    let mut state = 1_u32;
    for directory in 0..2_500 {
        let place = folder.join(format!("node_modules/p{directory}"));
        std::fs::create_dir_all(&place).map_err(|why| why.to_string())?;
        for file in 0..8 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let len = 200 + state as usize % 4_800;
            let bytes: Vec<u8> = (0..len).map(|n| (state.wrapping_mul(n as u32) >> 24) as u8 & 0x7f).collect();
            std::fs::write(place.join(format!("f{file}.js")), bytes).map_err(|why| why.to_string())?;
        }
    }
    run("tar", &["-C", &folder.to_string_lossy(), "-cf", &tar.to_string_lossy(), "."])?;
    std::fs::remove_dir_all(&folder).map_err(|why| why.to_string())
}

/// One layer and a thousand configurations over it.
fn thousand(path: &Path) -> Result {
    use sha2::Digest as _;
    let folder = path.with_extension("files");
    std::fs::create_dir_all(&folder).map_err(|why| why.to_string())?;
    let layer = vec![0; 1024];
    let diff_id = hex(&sha2::Sha256::digest(&layer));
    std::fs::write(folder.join("layer.tar"), &layer).map_err(|why| why.to_string())?;
    let mut manifest = Vec::new();
    for n in 0..1_000 {
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","created":"2024-01-01T00:{:02}:{:02}Z","config":{{"Env":["N={n}"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{diff_id}"]}},"history":[{{"created":"2024-01-01T00:00:00Z"}}]}}"#,
            n / 60,
            n % 60
        );
        std::fs::write(folder.join(format!("{n}.json")), config).map_err(|why| why.to_string())?;
        manifest.push(format!(r#"{{"Config":"{n}.json","RepoTags":["bench/n{n}:1"],"Layers":["layer.tar"]}}"#));
    }
    let mut file = std::fs::File::create(folder.join("manifest.json")).map_err(|why| why.to_string())?;
    write!(file, "[{}]", manifest.join(",")).map_err(|why| why.to_string())?;
    let output = Command::new("tar").arg("-C").arg(&folder).arg("-cf").arg(path).arg(".").status();
    output.map_err(|why| why.to_string())?;
    std::fs::remove_dir_all(&folder).map_err(|why| why.to_string())
}

/// So many images with a layer of one small file each, called `tiny/nN:1`.
pub(crate) fn tiny(path: &Path, count: usize) -> Result {
    use sha2::Digest as _;
    once(path, |aside| {
        let folder = Path::new(aside).with_extension("files");
        std::fs::create_dir_all(&folder).map_err(|why| why.to_string())?;
        let mut manifest = Vec::new();
        for n in 0..count {
            let layer = one_file(&format!("file-{n}"), n.to_string().as_bytes());
            let diff_id = hex(&sha2::Sha256::digest(&layer));
            let config = format!(
                r#"{{"architecture":"amd64","os":"linux","created":"2024-01-01T{:02}:{:02}:{:02}Z","config":{{}},"rootfs":{{"type":"layers","diff_ids":["sha256:{diff_id}"]}}}}"#,
                n / 3600,
                n / 60 % 60,
                n % 60
            );
            std::fs::write(folder.join(format!("{n}.tar")), &layer).map_err(|why| why.to_string())?;
            std::fs::write(folder.join(format!("{n}.json")), config).map_err(|why| why.to_string())?;
            manifest.push(format!(r#"{{"Config":"{n}.json","RepoTags":["tiny/n{n}:1"],"Layers":["{n}.tar"]}}"#));
        }
        std::fs::write(folder.join("manifest.json"), format!("[{}]", manifest.join(",")))
            .map_err(|why| why.to_string())?;
        run("tar", &["-C", &folder.to_string_lossy(), "-cf", aside, "."])?;
        std::fs::remove_dir_all(&folder).map_err(|why| why.to_string())
    })
}

/// A tar with one file.
fn one_file(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.extend(content);
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    tar
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
