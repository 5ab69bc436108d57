//! Where a registry can be found: names become doors to knock at, in order.

use wharfie_oci::reference::DEFAULT_HOST;

use crate::transport::Trust;
use crate::url::{self, Url};
use crate::{Config, Error, certificates, host_pattern};

/// One door of a registry.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Its `/v2/`.
    pub(crate) base: Url,
    pub(crate) trust: Trust,
    /// True if it only stands in for the registry: anything it lacks is asked of the next.
    pub(crate) is_mirror: bool,
    /// Under which name credentials are kept.
    pub(crate) key: String,
}

impl Endpoint {
    fn new(is_https: bool, authority: &str, trust: Trust, key: &str) -> Self {
        Self { base: Url::new(is_https, authority, "/v2/"), trust, is_mirror: false, key: key.to_owned() }
    }
}

/// The doors of `host` (a reference's host), mirrors first if `with_mirrors`.
///
/// Docker Hub answers elsewhere than its name says. Loopback speaks HTTP, unless certificates are configured for it; should it
/// turn out to speak TLS after all, any certificate will do. Insecure hosts are asked with TLS first, so that passwords are
/// encrypted wherever they can be. Everyone else must have TLS and a good certificate.
///
/// # Errors
/// When a mirror's setting is no URL.
pub(crate) fn endpoints(config: &Config, host: &str, with_mirrors: bool) -> Result<Vec<Endpoint>, Error> {
    if host != DEFAULT_HOST {
        return Ok(doors(config, host, host));
    }
    let mut found = Vec::new();
    for mirror in config.mirrors.iter().filter(|_| with_mirrors) {
        found.extend(mirror_doors(config, mirror)?);
    }
    found.push(Endpoint::new(true, HUB, Trust::Verified, crate::auth::HUB_KEY));
    Ok(found)
}

fn doors(config: &Config, authority: &str, key: &str) -> Vec<Endpoint> {
    let named = Url::new(true, authority, "/");
    let has_folder = certificates::folder_of(&config.certs, authority).is_some();
    let is_loopback = url::is_loopback(named.host());
    let https = |trust| Endpoint::new(true, authority, trust, key);
    let http = Endpoint::new(false, authority, Trust::Unverified, key);
    if is_loopback && has_folder {
        return vec![https(Trust::Verified)];
    }
    if is_loopback {
        return vec![http, https(Trust::Unverified)];
    }
    if host_pattern::is_insecure(&config.insecure, named.host(), named.port()) {
        return vec![https(Trust::Unverified), http];
    }
    vec![https(Trust::Verified)]
}

fn mirror_doors(config: &Config, mirror: &str) -> Result<Vec<Endpoint>, Error> {
    let mirror = mirror.trim().trim_end_matches('/');
    let as_mirror = |endpoint| Endpoint { is_mirror: true, ..endpoint };
    if !mirror.contains("://") {
        return Ok(doors(config, mirror, mirror).into_iter().map(as_mirror).collect());
    }
    let url = Url::parse(mirror).ok_or_else(|| Error::Setting { what: "registry mirror", value: mirror.to_owned() })?;
    let trust = trust_of_host(config, &url);
    let endpoint = Endpoint::new(url.is_https(), url.authority(), trust, url.authority());
    Ok(vec![as_mirror(Endpoint {
        base: url.join(&format!("{}/v2/", path_of(&url))).unwrap_or(endpoint.base.clone()),
        ..endpoint
    })])
}

/// How far to trust whoever answers at `url`, where `endpoint` sent us.
pub(crate) fn trust_of(config: &Config, url: &Url, endpoint: &Endpoint) -> Trust {
    if url.host().eq_ignore_ascii_case(endpoint.base.host()) {
        return endpoint.trust;
    }
    trust_of_host(config, url)
}

/// How far to trust whoever answers at `url`, by its name alone.
pub(crate) fn trust_of_host(config: &Config, url: &Url) -> Trust {
    doors(config, url.authority(), "")[0].trust
}

/// The path of a mirror below which its `/v2/` lies, without slash at its end.
fn path_of(url: &Url) -> String {
    let text = url.to_string();
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.find('/').map_or(String::new(), |at| rest[at..].trim_end_matches('/').to_owned())
}

/// Where Docker Hub answers.
const HUB: &str = "registry-1.docker.io";

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(config: &Config, host: &str) -> Vec<String> {
        let found = endpoints(config, host, true).unwrap();
        found.iter().map(|endpoint| format!("{} {:?}", endpoint.base, endpoint.trust)).collect()
    }

    #[test]
    fn every_host_has_its_doors() {
        let config = Config { insecure: vec!["10.0.0.0/8".to_owned(), "old:5000".to_owned()], ..Config::default() };
        let check = |host: &str, expected: &[&str]| assert_eq!(bases(&config, host), expected, "{host}");
        check("docker.io", &["https://registry-1.docker.io/v2/ Verified"]);
        check("example.com", &["https://example.com/v2/ Verified"]);
        check("localhost:5000", &["http://localhost:5000/v2/ Unverified", "https://localhost:5000/v2/ Unverified"]);
        check("[::1]:5000", &["http://[::1]:5000/v2/ Unverified", "https://[::1]:5000/v2/ Unverified"]);
        check("old:5000", &["https://old:5000/v2/ Unverified", "http://old:5000/v2/ Unverified"]);
        check("10.1.1.1", &["https://10.1.1.1/v2/ Unverified", "http://10.1.1.1/v2/ Unverified"]);
    }

    #[test]
    fn the_hubs_mirrors_come_first_and_only_for_the_hub() {
        let mirrors = vec!["http://127.0.0.1:1/proxy/".to_owned(), "mirror.example".to_owned()];
        let config = Config { mirrors, ..Config::default() };
        let expected = [
            "http://127.0.0.1:1/proxy/v2/ Unverified",
            "https://mirror.example/v2/ Verified",
            "https://registry-1.docker.io/v2/ Verified",
        ];
        assert_eq!(bases(&config, "docker.io"), expected);
        assert_eq!(bases(&config, "example.com"), ["https://example.com/v2/ Verified"]);
        assert_eq!(endpoints(&config, "docker.io", false).unwrap().len(), 1);
        let broken = Config { mirrors: vec!["ftp://x".to_owned()], ..Config::default() };
        assert!(endpoints(&broken, "docker.io", true).is_err());
    }
}
