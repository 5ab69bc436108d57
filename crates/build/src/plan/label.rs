//! How progress names steps, and platforms in it.

use wharfie_oci::Platform;

use super::environment::{Environment, described_platform};

/// Whose steps are named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Numbering {
    /// The stage, if there are several.
    pub(super) stage: String,
    /// How many steps have been named.
    pub(super) count: usize,
    /// How many there will be.
    pub(super) total: usize,
    /// Whether each names its platform.
    pub(super) has_platform: bool,
}

impl Numbering {
    /// Names the next step: `[build 2/4] RUN make`.
    pub(super) fn next(
        &mut self,
        text: &str,
        is_trigger: bool,
        platform: &Platform,
        environment: &Environment,
    ) -> String {
        if self.total == 0 {
            return text.to_owned();
        }
        self.count += 1;
        let platform = match self.has_platform {
            true => format!("{}{} ", format_all(platform), crossing(platform, described_platform(environment))),
            false => String::new(),
        };
        let stage = if self.stage.is_empty() { String::new() } else { format!("{} ", self.stage) };
        let width = self.total.ilog10() as usize + 1;
        let trigger = if is_trigger { "ONBUILD " } else { "" };
        format!("[{platform}{stage}{:width$}/{}] {trigger}{text}", self.count, self.total)
    }
}

/// `->arm64`: what a stage of one platform makes files for, if that is another one.
fn crossing(base: &Platform, target: Option<Platform>) -> String {
    let Some(mut target) = target else { return String::new() };
    if target.os.is_empty() {
        target.os.clone_from(&base.os);
    }
    if target.architecture.is_empty() {
        target.architecture.clone_from(&base.architecture);
    }
    let target = normalised(&target);
    match (target.os == base.os, target.architecture == base.architecture) {
        (true, true) => String::new(),
        (true, false) => {
            let variant = target.variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
            format!("->{}{variant}", target.architecture)
        }
        (false, _) => format!("->{}", format_all(&target)),
    }
}

/// With the spellings and without the variants that go without saying.
pub(super) fn normalised(platform: &Platform) -> Platform {
    let Ok(known) = platform.to_string().parse::<Platform>() else { return platform.clone() };
    Platform { os_version: platform.os_version.clone(), os_features: platform.os_features.clone(), ..known }
}

/// `linux/arm/v7`, with the version of a system that has one: `windows(10.0.17763)/amd64`.
pub(super) fn format_all(platform: &Platform) -> String {
    match platform.os_version.as_deref().filter(|version| !version.is_empty()) {
        Some(version) => {
            let os = format!("{}({version})", platform.os);
            Platform { os, os_version: None, ..platform.clone() }.to_string()
        }
        None => format_short(platform),
    }
}

/// `linux/arm/v7`.
pub(super) fn format_short(platform: &Platform) -> String {
    match platform.os.is_empty() {
        true => "unknown".to_owned(),
        false => platform.to_string(),
    }
}

/// The first word in upper case.
pub(super) fn shout(text: &str) -> String {
    match text.split_once(' ') {
        Some((first, rest)) => format!("{} {rest}", first.to_uppercase()),
        None => text.to_uppercase(),
    }
}
