//! How registries are reached, from settings, docker's configuration file and the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wharfie_remote::{Config, DockerConfig, Mirror, Naming, Proxy};

use crate::env;
use crate::settings::Settings;

/// Folders with certificates, the user's first.
const CERTIFICATES: &[&str] = &["/etc/wharfie/certs.d", "/etc/docker/certs.d", "/etc/containers/certs.d"];

/// The registry client's settings.
pub(crate) fn config(
    insecure: Vec<String>,
    mirrors: Vec<Mirror>,
    jobs: usize,
    directory: &Path,
    docker: &DockerConfig,
) -> Config {
    let mut certs = vec![directory.join("certs.d")];
    certs.extend(CERTIFICATES.iter().map(PathBuf::from));
    let headers: BTreeMap<String, String> = docker.value("HttpHeaders").unwrap_or_default();
    let mut config = Config {
        insecure,
        mirrors,
        certs,
        proxy: proxy(),
        headers: headers.into_iter().collect(),
        jobs,
        ..Config::default()
    };
    config.retry.unit = retry_unit();
    config
}

/// The mirrors of the Hub as docker names them, then those that the settings name.
pub(crate) fn mirrors(of_hub: &[String], settings: &Settings) -> Vec<Mirror> {
    let named = settings.mirrors.iter().map(|mirror| Mirror {
        of: mirror.registry.clone(),
        url: mirror.url.clone(),
        naming: match &mirror.prefix {
            Some(prefix) => Naming::Prefix(prefix.trim_matches('/').to_owned()),
            None => Naming::Query,
        },
    });
    of_hub.iter().map(|url| Mirror::of_hub(url)).chain(named).collect()
}

/// How long the second of a retry is: one, unless a test or somebody impatient says something else.
pub(crate) fn retry_unit() -> Duration {
    let millis = env::nonempty("WHARFIE_RETRY_UNIT_MS").and_then(|text| text.parse().ok());
    Duration::from_millis(millis.unwrap_or(1000))
}

/// Both spellings count, the lower-case one first, as everywhere.
fn proxy() -> Proxy {
    let either = |name: &str| env::nonempty(&name.to_lowercase()).or_else(|| env::nonempty(name));
    Proxy { http: either("HTTP_PROXY"), https: either("HTTPS_PROXY"), no_proxy: either("NO_PROXY").unwrap_or_default() }
}
