//! Images as registries have them: manifest, configuration and layers, in any packing, ready to be put on a registry or
//! answered by a [`FaultyServer`].

use std::io::{Read, Write};
use std::net::TcpStream;

use wharfie_oci::{Descriptor, Digest, Manifest, MediaType, Platform};

use crate::faulty_server::{Heard, reply};
use crate::{FaultyServer, Image, TestRegistry};

/// How layers are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    Plain,
    /// With gzip.
    Gzip,
    /// With Zstandard.
    Zstd,
}

/// A manifest or index with everything beneath it.
#[derive(Debug, Clone)]
pub struct Published {
    /// What it is called by.
    pub descriptor: Descriptor,
    /// Its document.
    pub bytes: Vec<u8>,
    /// Its layers, bottom first; none for an index.
    pub layers: Vec<Descriptor>,
    /// Configuration and layers.
    pub blobs: Vec<(Descriptor, Vec<u8>)>,
    /// Manifests of an index.
    pub members: Vec<Published>,
}

impl Packing {
    fn pack(self, tar: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => tar.to_vec(),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(tar).expect("a vector takes every byte");
                encoder.finish().expect("a vector takes every byte")
            }
            Self::Zstd => zstd::encode_all(tar, 1).expect("a vector takes every byte"),
        }
    }

    fn media_type(self) -> MediaType {
        match self {
            Self::Plain => MediaType::OCI_LAYER,
            Self::Gzip => MediaType::OCI_LAYER_GZIP,
            Self::Zstd => MediaType::OCI_LAYER_ZSTD,
        }
    }
}

impl Published {
    /// An OCI image manifest over gzip layers.
    pub fn of(image: &Image) -> Self {
        Self::packed(image, Packing::Gzip)
    }

    /// An OCI image manifest.
    pub fn packed(image: &Image, packing: Packing) -> Self {
        let layers = image.layers().iter().map(|tar| {
            let bytes = packing.pack(tar);
            (Descriptor::of(packing.media_type(), &bytes), bytes)
        });
        Self::with_layers(image, layers.collect())
    }

    /// An OCI image manifest over these layers, whatever they are.
    ///
    /// # Panics
    /// Never: the document is a plain value.
    pub fn with_layers(image: &Image, layers: Vec<(Descriptor, Vec<u8>)>) -> Self {
        let config = image.config_bytes();
        let config = (Descriptor::of(MediaType::OCI_CONFIG, &config), config);
        let document = Manifest {
            schema_version: 2,
            media_type: Some(MediaType::OCI_MANIFEST),
            artifact_type: None,
            config: config.0.clone(),
            layers: layers.iter().map(|(layer, _)| layer.clone()).collect(),
            subject: None,
            annotations: None,
        };
        let bytes = serde_json::to_vec(&document).expect("a value can be written");
        let mut blobs = layers;
        blobs.push(config);
        Self {
            descriptor: Descriptor::of(MediaType::OCI_MANIFEST, &bytes),
            bytes,
            layers: document.layers,
            blobs,
            members: Vec::new(),
        }
    }

    /// An OCI index of images for platforms such as `linux/arm64/v8`.
    ///
    /// # Panics
    /// When a text is no platform.
    pub fn index(members: &[(&str, &Self)]) -> Self {
        let mut manifests = Vec::new();
        for (platform, member) in members {
            let platform: Platform = match *platform {
                "unknown/unknown" => {
                    Platform { os: "unknown".to_owned(), architecture: "unknown".to_owned(), ..Platform::host() }
                }
                text => text.parse().expect("the test writes good platforms"),
            };
            manifests.push(Descriptor { platform: Some(platform), ..member.descriptor.clone() });
        }
        let document =
            serde_json::json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": manifests});
        let bytes = serde_json::to_vec(&document).expect("a value can be written");
        Self {
            descriptor: Descriptor::of(MediaType::OCI_INDEX, &bytes),
            bytes,
            layers: Vec::new(),
            blobs: Vec::new(),
            members: members.iter().map(|(_, member)| (*member).clone()).collect(),
        }
    }

    /// `sha256:` and 64 digits.
    pub fn digest(&self) -> String {
        self.descriptor.digest.to_string()
    }

    /// The first twelve digits of a layer, as pulls name it.
    pub fn short(&self, layer: usize) -> &str {
        self.layers[layer].digest.short()
    }

    /// What an honest registry answers, with this under `tag`; `None` for what it does not have.
    pub fn answer(&self, tag: &str, heard: &Heard) -> Option<Vec<u8>> {
        let last = last_of(&heard.target);
        let found = if heard.target.contains("/manifests/") {
            self.manifest(tag, last).map(|found| (&found.descriptor, &found.bytes))
        } else {
            self.blob(last).map(|(descriptor, bytes)| (descriptor, bytes))
        };
        let (descriptor, bytes) = found?;
        let headers = [
            ("Content-Type", descriptor.media_type.as_str()),
            ("Docker-Content-Digest", descriptor.digest.as_str()),
            ("Content-Length", &bytes.len().to_string()),
        ];
        Some(reply(200, &headers, if heard.method == "HEAD" { b"" } else { bytes }))
    }

    /// An honest registry that has this in every repository, under every tag.
    pub fn served(&self) -> FaultyServer {
        let image = self.clone();
        FaultyServer::start(move |heard| image.answer_any(heard))
    }

    /// As [`Self::answer`] for any tag, and 404 for what is not there.
    pub fn answer_any(&self, heard: &Heard) -> Vec<u8> {
        let last = last_of(&heard.target);
        let tag = if last.contains(':') { "" } else { last };
        self.answer(tag, heard).unwrap_or_else(|| reply(404, &[], b"{}"))
    }

    fn manifest(&self, tag: &str, name: &str) -> Option<&Self> {
        if name == tag || name == self.descriptor.digest.as_str() {
            return Some(self);
        }
        self.members.iter().find_map(|member| member.manifest("", name))
    }

    fn blob(&self, digest: &str) -> Option<&(Descriptor, Vec<u8>)> {
        let own = self.blobs.iter().find(|(b, _)| b.digest.as_str() == digest && !b.media_type.is_foreign_layer());
        own.or_else(|| self.members.iter().find_map(|member| member.blob(digest)))
    }
}

/// The last component of a request's path.
fn last_of(target: &str) -> &str {
    let path = target.split('?').next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

impl TestRegistry {
    /// Puts `image` on this open, unencrypted registry as `path:tag` and gives its reference there.
    ///
    /// # Panics
    /// When the registry refuses.
    pub fn publish(&self, name: &str, image: &Published) -> String {
        let (path, tag) = name.split_once(':').expect("a name has a tag");
        self.put_all(path, tag, image);
        format!("{}/{name}", self.address())
    }

    fn put_all(&self, path: &str, tag: &str, image: &Published) {
        for member in &image.members {
            self.put_all(path, member.descriptor.digest.as_str(), member);
        }
        for (blob, bytes) in &image.blobs {
            if blob.media_type.is_foreign_layer() {
                continue;
            }
            let (_, head) = self.request("POST", &format!("/v2/{path}/blobs/uploads/"), "", b"");
            let location =
                head.lines().find_map(|line| line.strip_prefix("Location: ")).expect("an upload has a place");
            let target = location.trim().split_once(self.address()).map_or(location.trim(), |(_, target)| target);
            let target = format!("{target}&digest={}", blob.digest);
            let (status, head) = self.request("PUT", &target, "application/octet-stream", bytes);
            assert_eq!(status, 201, "{head}");
        }
        let target = format!("/v2/{path}/manifests/{tag}");
        let (status, head) = self.request("PUT", &target, image.descriptor.media_type.as_str(), &image.bytes);
        assert_eq!(status, 201, "{head}");
    }

    /// Sends one request; gives the answer's status and everything else of it.
    ///
    /// # Panics
    /// When the registry does not answer in HTTP.
    pub fn request(&self, method: &str, target: &str, media_type: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).expect("the registry listens");
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: {}, {}, {}, {}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            self.address(),
            MediaType::OCI_INDEX,
            MediaType::OCI_MANIFEST,
            MediaType::DOCKER_LIST,
            MediaType::DOCKER_MANIFEST,
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("the registry listens");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the registry answers");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("an answer has a status");
        (status, answer)
    }

    /// The digest of what `path:tag` stands for here.
    ///
    /// # Panics
    /// When it does not exist.
    pub fn digest(&self, name: &str) -> Digest {
        let (path, tag) = name.split_once(':').expect("a name has a tag");
        let (status, head) = self.request("HEAD", &format!("/v2/{path}/manifests/{tag}"), "", b"");
        assert_eq!(status, 200, "{head}");
        let digest = head.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: "));
        digest.expect("registries name digests").trim().parse().expect("and write them right")
    }
}
