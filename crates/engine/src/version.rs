//! What the engine is and what it speaks.

use std::collections::BTreeMap;

use wharfie_model::system::{Component, ProductName, Version};
use wharfie_oci::Platform;

/// Semantic version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit of this build, as far as whoever built it said so.
pub const BUILD: &str = match option_env!("WHARFIE_BUILD") {
    Some(commit) => commit,
    None => "0000000",
};
/// The newest Engine API whose words the engine speaks.
pub const API: &str = "1.51";
/// The oldest one.
pub const MIN_API: &str = "1.24";

/// The engine's document.
pub fn version() -> Version {
    let host = Platform::host();
    let details = [
        ("ApiVersion", API),
        ("Arch", host.architecture.as_str()),
        ("BuildTime", UNKNOWN),
        ("Experimental", "false"),
        ("GitCommit", BUILD),
        ("GoVersion", NONE),
        ("MinAPIVersion", MIN_API),
        ("Os", std::env::consts::OS),
    ];
    let details: BTreeMap<String, String> = details.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Version {
        platform: ProductName { name: "wharfie".to_owned() },
        components: vec![Component { name: "Engine".to_owned(), version: VERSION.to_owned(), details }],
        version: VERSION.to_owned(),
        api_version: API.to_owned(),
        min_api_version: MIN_API.to_owned(),
        git_commit: BUILD.to_owned(),
        go_version: NONE.to_owned(),
        os: std::env::consts::OS.to_owned(),
        arch: host.architecture,
        kernel_version: rustix::system::uname().release().to_string_lossy().into_owned(),
        experimental: false,
        build_time: UNKNOWN.to_owned(),
    }
}

/// No Go is in it.
const NONE: &str = "none";
/// Builds of the same source are the same bytes, so they do not know their time.
const UNKNOWN: &str = "unknown";
