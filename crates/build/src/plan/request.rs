//! What a plan is asked for, and who is asked for the configurations of bases.

use std::collections::{BTreeMap, BTreeSet};

use wharfie_oci::Platform;
use wharfie_oci::config::ImageConfig;

use crate::Ignore;

/// What is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// `--build-arg`, also `BUILDKIT_…`.
    pub build_args: BTreeMap<String, String>,
    /// `--target`.
    pub target: Option<String>,
    /// What this machine is.
    pub build_platform: Platform,
    /// What the image is for.
    pub platform: Platform,
    /// Whether the user said so (`--platform`).
    pub is_platform_given: bool,
    /// Whether several platforms are built: progress names each.
    pub is_multi_platform: bool,
    /// Names of `--build-context`, as they were given (`name` or `name::os/arch`).
    pub contexts: BTreeSet<String>,
    /// What the context's ignore file says: copying what it hides is a finding.
    pub ignore: Ignore,
}

impl Request {
    /// What is asked without any option.
    pub fn new(build_platform: Platform) -> Self {
        Self {
            build_args: BTreeMap::new(),
            target: None,
            platform: build_platform.clone(),
            build_platform,
            is_platform_given: false,
            is_multi_platform: false,
            contexts: BTreeSet::new(),
            ignore: Ignore::default(),
        }
    }
}

/// Any error of the caller's.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Knows the configurations of images.
pub trait Bases {
    /// The configuration of `reference` for `platform`.
    ///
    /// # Errors
    /// When there is no such image, or none for the platform.
    fn config(&self, reference: &str, platform: &Platform) -> Result<ImageConfig, BoxError>;

    /// The configuration of a named context that is an image; `None` if it is only files.
    ///
    /// # Errors
    /// As [`Self::config`].
    fn context(&self, name: &str, platform: &Platform) -> Result<Option<ImageConfig>, BoxError> {
        let (_, _) = (name, platform);
        Ok(None)
    }
}
