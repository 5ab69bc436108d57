//! Where a registry can be found: names become doors to knock at, in order.

use wharfie_oci::reference::DEFAULT_HOST;

use crate::transport::Trust;
use crate::url::{self, Url};
use crate::{Config, Error, Mirror, Naming, certificates, host_pattern};

/// One door of a registry.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Its `/v2/`.
    pub(crate) base: Url,
    pub(crate) trust: Trust,
    /// If it only stands in for a registry: anything it lacks is asked of the next.
    pub(crate) stands_in: Option<StandIn>,
    /// Under which name credentials are kept.
    pub(crate) key: String,
}

/// For whom a mirror stands in, and how it is told.
#[derive(Debug, Clone)]
pub(crate) struct StandIn {
    /// The registry's host as references write it.
    pub(crate) host: String,
    naming: Naming,
}

impl Endpoint {
    fn new(is_https: bool, authority: &str, trust: Trust, key: &str) -> Self {
        Self { base: Url::new(is_https, authority, "/v2/"), trust, stands_in: None, key: key.to_owned() }
    }

    /// True if it only stands in for a registry.
    pub(crate) fn is_mirror(&self) -> bool {
        self.stands_in.is_some()
    }

    /// Where `path`, which lies below `/v2/` and begins with a repository, is here.
    pub(crate) fn url(&self, path: &str) -> Url {
        let join = |path: &str| self.base.join(path).unwrap_or_else(|| self.base.clone());
        match &self.stands_in {
            Some(StandIn { naming: Naming::Prefix(prefix), .. }) => join(&format!("{prefix}/{path}")),
            Some(StandIn { naming: Naming::Query, host }) => join(path).with_query("ns", host),
            Some(StandIn { naming: Naming::Silent, .. }) | None => join(path),
        }
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
    let mut found = Vec::new();
    let is_every = |mirror: &Mirror| mirror.of == Mirror::EVERY && !url::is_loopback(Url::new(true, host, "/").host());
    for mirror in config.mirrors.iter().filter(|mirror| with_mirrors && (mirror.of == host || is_every(mirror))) {
        let stands_in = StandIn { host: host.to_owned(), naming: mirror.naming.clone() };
        let doors = mirror_doors(config, &mirror.url)?.into_iter();
        found.extend(doors.map(|door| Endpoint { stands_in: Some(stands_in.clone()), ..door }));
    }
    match host {
        DEFAULT_HOST => found.push(Endpoint::new(true, HUB, Trust::Verified, crate::auth::HUB_KEY)),
        _ => found.extend(doors(config, host, host)),
    }
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
    if !mirror.contains("://") {
        return Ok(doors(config, mirror, mirror));
    }
    let url = Url::parse(mirror).ok_or_else(|| Error::Setting { what: "registry mirror", value: mirror.to_owned() })?;
    let trust = trust_of_host(config, &url);
    let endpoint = Endpoint::new(url.is_https(), url.authority(), trust, url.authority());
    let base = url.join(&format!("{}/v2/", path_of(&url))).unwrap_or(endpoint.base.clone());
    Ok(vec![Endpoint { base, ..endpoint }])
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
        let mirrors = ["http://127.0.0.1:1/proxy/", "mirror.example"].map(Mirror::of_hub).to_vec();
        let config = Config { mirrors, ..Config::default() };
        let expected = [
            "http://127.0.0.1:1/proxy/v2/ Unverified",
            "https://mirror.example/v2/ Verified",
            "https://registry-1.docker.io/v2/ Verified",
        ];
        assert_eq!(bases(&config, "docker.io"), expected);
        assert_eq!(bases(&config, "example.com"), ["https://example.com/v2/ Verified"]);
        assert_eq!(endpoints(&config, "docker.io", false).unwrap().len(), 1);
        let broken = Config { mirrors: vec![Mirror::of_hub("ftp://x")], ..Config::default() };
        assert!(endpoints(&broken, "docker.io", true).is_err());
    }

    #[test]
    fn mirrors_of_any_registry_are_told_which_one_is_meant() {
        let mirror = |of: &str, url: &str, naming| Mirror { of: of.to_owned(), url: url.to_owned(), naming };
        let mirrors = vec![
            mirror("ghcr.io", "https://one.example", Naming::Prefix("ghcr".to_owned())),
            mirror("*", "https://all.example/x", Naming::Query),
        ];
        let config = Config { mirrors, ..Config::default() };
        let check = |host: &str, expected: &[&str]| {
            let found = endpoints(&config, host, true).unwrap();
            let urls: Vec<String> = found.iter().map(|one| one.url("team/web/tags/list").to_string()).collect();
            assert_eq!(urls, expected, "{host}");
        };
        check(
            "ghcr.io",
            &[
                "https://one.example/v2/ghcr/team/web/tags/list",
                "https://all.example/x/v2/team/web/tags/list?ns=ghcr.io",
                "https://ghcr.io/v2/team/web/tags/list",
            ],
        );
        check(
            "docker.io",
            &[
                "https://all.example/x/v2/team/web/tags/list?ns=docker.io",
                "https://registry-1.docker.io/v2/team/web/tags/list",
            ],
        );
        // What is on this machine needs nobody to stand in for it.
        check(
            "localhost:5000",
            &["http://localhost:5000/v2/team/web/tags/list", "https://localhost:5000/v2/team/web/tags/list"],
        );
    }
}
