//! Images made in memory: small, deterministic, and in docker's archive format.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::{Value, json};
use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::tar::Writer;
use wharfie_oci::Digest;

/// An image being described.
#[derive(Debug, Clone)]
pub struct Image {
    layers: Vec<Vec<u8>>,
    config: BTreeMap<String, Value>,
    history: Vec<Value>,
    created: Option<String>,
    platform: (String, String),
    parent: Option<String>,
}

impl Default for Image {
    fn default() -> Self {
        Self::new()
    }
}

/// A regular file as an entry with its bytes.
pub fn file(path: &str, content: &str) -> (Entry, Vec<u8>) {
    let entry = Entry {
        path: path.as_bytes().to_vec(),
        kind: Kind::File,
        mode: 0o644,
        mtime: 1_577_836_800,
        size: content.len() as u64,
        ..Entry::default()
    };
    (entry, content.as_bytes().to_vec())
}

/// A regular file of any bytes at any path.
pub fn bytes(path: &[u8], content: Vec<u8>) -> (Entry, Vec<u8>) {
    let (entry, _) = file("", "");
    (Entry { path: path.to_vec(), size: content.len() as u64, ..entry }, content)
}

/// A symbolic link.
pub fn link(path: &str, target: &str) -> (Entry, Vec<u8>) {
    let (path, link) = (path.as_bytes().to_vec(), target.as_bytes().to_vec());
    (Entry { path, kind: Kind::Symlink, mode: 0o777, link, ..Entry::default() }, Vec::new())
}

/// A zip archive with so many names, `0.jar` and on, for one file of zeros that is stored once.
///
/// # Panics
/// When a vector does not take bytes.
pub fn swelling_zip(names: u16, zeros: usize) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; zeros]).expect("a vector takes every byte");
    let stored = encoder.finish().expect("a vector takes every byte");
    // Version, flags, method (deflate), time, date, checksum (nobody looks), both sizes.
    let mut head = [20_u16, 0, 8, 0, 0, 0, 0].map(u16::to_le_bytes).concat();
    head.extend([stored.len() as u32, zeros as u32].map(u32::to_le_bytes).concat());
    let name = |number: u16| format!("{number:05}.jar");
    let mut zip = [b"PK\x03\x04", head.as_slice(), &9_u16.to_le_bytes(), &[0; 2], name(0).as_bytes()].concat();
    zip.extend(stored);
    let start = zip.len() as u32;
    for number in 0..names {
        zip.extend(
            [b"PK\x01\x02\x14\0", head.as_slice(), &9_u16.to_le_bytes(), &[0; 16], name(number).as_bytes()].concat(),
        );
    }
    let len = zip.len() as u32 - start;
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend([names, names].map(u16::to_le_bytes).concat());
    zip.extend([len, start].map(u32::to_le_bytes).concat());
    zip.extend([0; 2]);
    zip
}

/// A tar of entries with their bytes.
///
/// # Panics
/// When an entry cannot be written.
pub fn tar(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in entries {
        writer.append(entry, content.as_slice()).expect("a fixture's entries can be written");
    }
    writer.finish().expect("a vector takes every byte")
}

/// A tar of one symbolic link.
///
/// # Panics
/// When it cannot be written.
pub fn tar_of_link(path: &str, target: &str) -> Vec<u8> {
    tar(&[link(path, target)])
}

/// The commands that [`Image::busybox`] has.
const COMMANDS: &[&str] = &[
    "cat", "chmod", "echo", "env", "false", "hostname", "id", "kill", "ln", "ls", "mkdir", "nc", "ps", "pwd", "rm",
    "sh", "sleep", "stat", "stty", "tail", "touch", "true", "tty", "wc", "wget",
];

impl Image {
    /// A small system: one static program under the names of its commands, a user `web` and a `/tmp` for everybody.
    /// Without a command it runs a shell.
    ///
    /// # Panics
    /// When Debian's `busybox-static` is not installed.
    pub fn busybox() -> Self {
        let program = std::fs::read("/bin/busybox").expect("the package busybox-static is installed");
        let directory = |path: &str, mode| {
            (Entry { path: path.as_bytes().to_vec(), kind: Kind::Directory, mode, ..Entry::default() }, Vec::new())
        };
        let mut entries = vec![directory("bin/", 0o755), directory("etc/", 0o755), directory("tmp/", 0o1777)];
        let size = program.len() as u64;
        let path = b"bin/busybox".to_vec();
        entries.push((Entry { path, mode: 0o755, size, ..Entry::default() }, program));
        for command in COMMANDS {
            let path = format!("bin/{command}").into_bytes();
            let link = b"busybox".to_vec();
            entries.push((Entry { path, kind: Kind::Symlink, mode: 0o777, link, ..Entry::default() }, Vec::new()));
        }
        entries.push(file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/srv:/bin/sh\n"));
        entries.push(file("etc/group", "root:x:0:\nweb:x:33:\nextra:x:44:web\n"));
        Self::new().with_layer(tar(&entries)).with_config("Cmd", json!(["sh"]))
    }

    /// An image without layers, made in 2020.
    pub fn new() -> Self {
        Self {
            layers: Vec::new(),
            config: BTreeMap::new(),
            history: Vec::new(),
            created: Some("2020-01-01T00:00:00Z".to_owned()),
            platform: ("linux".to_owned(), "amd64".to_owned()),
            parent: None,
        }
    }

    /// Adds a layer of one file.
    #[must_use]
    pub fn with_file(self, path: &str, content: &str) -> Self {
        self.with_layer(tar(&[file(path, content)]))
    }

    /// Adds a layer, given as a tar.
    #[must_use]
    pub fn with_layer(self, tar: Vec<u8>) -> Self {
        let created_by = format!("layer {}", self.layers.len());
        self.with_layer_by(tar, &created_by)
    }

    /// As [`Self::with_layer`], with the instruction that made it.
    #[must_use]
    pub fn with_layer_by(mut self, tar: Vec<u8>, created_by: &str) -> Self {
        self.history.push(json!({"created": "2020-01-01T00:00:00Z", "created_by": created_by}));
        self.layers.push(tar);
        self
    }

    /// Sets a member of the run configuration, such as `Cmd`.
    #[must_use]
    pub fn with_config(mut self, key: &str, value: Value) -> Self {
        self.config.insert(key.to_owned(), value);
        self
    }

    /// Adds a history entry without a layer.
    #[must_use]
    pub fn with_step(mut self, created_by: &str) -> Self {
        self.history.push(json!({"created": "2020-01-01T00:00:00Z", "created_by": created_by, "empty_layer": true}));
        self
    }

    /// When it was made.
    #[must_use]
    pub fn made(mut self, created: &str) -> Self {
        self.created = Some(created.to_owned());
        self
    }

    /// What it is for.
    #[must_use]
    pub fn on(mut self, os: &str, architecture: &str) -> Self {
        self.platform = (os.to_owned(), architecture.to_owned());
        self
    }

    /// The id of the image it was made from, recorded if that is in the same archive.
    #[must_use]
    pub fn from(mut self, parent: &Self) -> Self {
        self.parent = Some(parent.id());
        self
    }

    /// Its configuration's bytes.
    ///
    /// # Panics
    /// Never: the document is a plain value.
    pub fn config_bytes(&self) -> Vec<u8> {
        let diff_ids: Vec<String> = self.layers.iter().map(|tar| Digest::of(tar).to_string()).collect();
        let mut document = json!({
            "architecture": self.platform.1,
            "os": self.platform.0,
            "config": self.config,
            "history": self.history,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        if let Some(created) = &self.created {
            document["created"] = json!(created);
        }
        serde_json::to_vec(&document).expect("a value can be written")
    }

    /// `sha256:` and 64 digits.
    pub fn id(&self) -> String {
        Digest::of(&self.config_bytes()).to_string()
    }

    /// The first twelve digits of its id.
    pub fn short(&self) -> String {
        Digest::of(&self.config_bytes()).short().to_owned()
    }

    /// Its layers' tars, bottom first.
    pub fn layers(&self) -> &[Vec<u8>] {
        &self.layers
    }
}

/// A docker-archive with these images and their names.
///
/// # Panics
/// Never: everything is in memory.
pub fn archive(images: &[(&Image, &[&str])]) -> Vec<u8> {
    let mut members: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut manifest = Vec::new();
    for (image, names) in images {
        let config = image.config_bytes();
        let path = |bytes: &[u8]| format!("blobs/sha256/{}", Digest::of(bytes).hex());
        let layers: Vec<String> = image.layers.iter().map(|tar| path(tar)).collect();
        let mut entry = json!({"Config": path(&config), "RepoTags": names, "Layers": layers});
        if let Some(parent) = &image.parent {
            entry["Parent"] = json!(parent);
        }
        manifest.push(entry);
        members.insert(path(&config), config);
        for tar in &image.layers {
            members.insert(path(tar), tar.clone());
        }
    }
    members.insert("manifest.json".to_owned(), serde_json::to_vec(&manifest).expect("a value can be written"));
    let entries: Vec<(Entry, Vec<u8>)> = members
        .into_iter()
        .map(|(name, bytes)| {
            let entry = Entry { path: name.into_bytes(), mode: 0o644, size: bytes.len() as u64, ..Entry::default() };
            (entry, bytes)
        })
        .collect();
    tar(&entries)
}
