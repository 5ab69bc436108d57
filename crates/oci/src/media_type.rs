//! Media types: what the bytes behind a descriptor are.
//! Source: image-spec, media-types.md, and Docker's image manifest V2 schema 2.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A media type as it stands in manifests and HTTP headers; unknown ones are kept as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct MediaType(std::borrow::Cow<'static, str>);

macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        impl MediaType {
            $($(#[$doc])* pub const $name: Self = Self(std::borrow::Cow::Borrowed($text));)*
        }
    };
}

constants! {
    /// OCI image manifest.
    OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
    /// OCI image index.
    OCI_INDEX = "application/vnd.oci.image.index.v1+json";
    /// OCI image configuration.
    OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
    /// OCI layer, plain tar.
    OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
    /// OCI layer, gzip.
    OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// OCI layer, Zstandard.
    OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Docker image manifest, version 2 schema 2.
    DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker manifest list.
    DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker image configuration.
    DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
    /// Docker layer, gzip whatever the bytes really are.
    DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// Docker layer, plain tar.
    DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";
    /// Docker layer, Zstandard (written by some builders).
    DOCKER_LAYER_ZSTD = "application/vnd.docker.image.rootfs.diff.tar.zstd";
    /// Docker layer that registries must not distribute (Windows base layers).
    DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    /// Docker manifest, schema 1 with signatures: refused.
    DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    /// Docker manifest, schema 1: refused.
    DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json";
}

impl MediaType {
    /// Takes the text as it is; parameters after `;` are dropped.
    pub fn new(text: &str) -> Self {
        Self(text.split(';').next().unwrap_or_default().trim().to_owned().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One image: OCI manifest or Docker schema 2.
    pub fn is_manifest(&self) -> bool {
        *self == Self::OCI_MANIFEST || *self == Self::DOCKER_MANIFEST
    }

    /// A list of manifests: OCI index or Docker manifest list.
    pub fn is_index(&self) -> bool {
        *self == Self::OCI_INDEX || *self == Self::DOCKER_LIST
    }

    /// Docker's schema 1, signed or not, which wharfie refuses.
    pub fn is_schema1(&self) -> bool {
        *self == Self::DOCKER_SCHEMA1 || *self == Self::DOCKER_SCHEMA1_SIGNED
    }

    /// An image configuration.
    pub fn is_config(&self) -> bool {
        *self == Self::OCI_CONFIG || *self == Self::DOCKER_CONFIG
    }

    /// An image configuration, by one of the types that old registries and clients give to it as well. Docker takes these.
    pub fn may_be_config(&self) -> bool {
        self.is_config() || matches!(&*self.0, "" | "application/octet-stream" | "application/json" | "text/html")
    }

    /// A layer that a registry need not hold, as far as the type says; it is one only if it has `urls`
    /// ([`crate::Descriptor::is_elsewhere`]).
    pub fn is_foreign_layer(&self) -> bool {
        *self == Self::DOCKER_FOREIGN_LAYER || self.0.contains(".nondistributable.")
    }

    /// Any file system layer, in any compression.
    pub fn is_layer(&self) -> bool {
        self.0.starts_with("application/vnd.oci.image.layer.")
            || self.0.starts_with("application/vnd.docker.image.rootfs.")
    }

    /// One of Docker's own types (the others are OCI's).
    pub fn is_docker(&self) -> bool {
        self.0.starts_with("application/vnd.docker.")
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        assert!(MediaType::OCI_MANIFEST.is_manifest() && !MediaType::OCI_INDEX.is_manifest());
        assert!(MediaType::DOCKER_LIST.is_index() && MediaType::DOCKER_SCHEMA1_SIGNED.is_schema1());
        assert!(MediaType::new("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip").is_foreign_layer());
        assert!(MediaType::DOCKER_FOREIGN_LAYER.is_layer());
        assert!(MediaType::new("text/html").may_be_config() && !MediaType::new("text/plain").may_be_config());
    }

    #[test]
    fn parameters_are_dropped() {
        assert_eq!(MediaType::new("application/vnd.oci.image.index.v1+json; charset=utf-8"), MediaType::OCI_INDEX);
    }
}
