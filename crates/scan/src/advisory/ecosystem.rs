//! What OSV calls where packages come from, what they are called there, and whose rules their versions follow.
//! Source: OSV schema 1.7, "Defined ecosystems".

use super::index::Meta;
use crate::distro::Distro;
use crate::package::{Package, PackageKind};
use crate::version::Scheme;

/// A package as an advisory may name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) ecosystem: String,
    pub(super) name: String,
    pub(super) version: String,
}

/// The names under which a package of this system may have advisories.
pub(super) fn names(package: &Package, distro: Option<&Distro>) -> Vec<Name> {
    let own = |ecosystem: &str| {
        let name = normal(ecosystem, &package.full_name());
        vec![Name { ecosystem: ecosystem.to_owned(), name, version: package.version.clone() }]
    };
    match package.kind {
        PackageKind::Pypi => own("PyPI"),
        PackageKind::Npm => own("npm"),
        PackageKind::Golang => own("Go"),
        PackageKind::Cargo => own("crates.io"),
        PackageKind::Maven => own("Maven"),
        PackageKind::Gem => own("RubyGems"),
        PackageKind::Composer => own("Packagist"),
        PackageKind::Nuget => own("NuGet"),
        PackageKind::Cran => own("CRAN"),
        PackageKind::Conda | PackageKind::Generic | PackageKind::Opkg => Vec::new(),
        PackageKind::Deb | PackageKind::Apk | PackageKind::Rpm => {
            // One of another system, as a document says, is in nobody's list of this one.
            let Some(distro) = distro.filter(|_| package.namespace.is_empty()) else { return Vec::new() };
            let mut sources = vec![(package.name.clone(), package.version.clone())];
            if let Some(source) = &package.source {
                sources.insert(0, (source.name.clone(), source.version.clone()));
                // Only rpm's advisories name what was built as well as what it was built from.
                if package.kind != PackageKind::Rpm {
                    sources.truncate(1);
                }
            }
            let ecosystems = of_distro(distro);
            let pairs = ecosystems.into_iter().flat_map(|ecosystem| {
                sources.iter().map(move |(name, version)| Name {
                    ecosystem: ecosystem.clone(),
                    name: name.clone(),
                    version: version.clone(),
                })
            });
            pairs.collect()
        }
    }
}

/// True if `meta` has advisories of a system.
pub(super) fn is_covered(distro: &Distro, meta: &Meta) -> bool {
    of_distro(distro).iter().any(|ecosystem| meta.releases.contains(ecosystem))
}

/// Where a package of which `meta` knows nothing comes from, for people; `None` if it can be judged.
pub(super) fn uncovered(package: &Package, distro: Option<&Distro>, meta: &Meta) -> Option<String> {
    let names = names(package, distro);
    if names.iter().any(|name| meta.releases.contains(&name.ecosystem)) {
        return None;
    }
    let is_systems = matches!(package.kind, PackageKind::Deb | PackageKind::Apk | PackageKind::Rpm | PackageKind::Opkg);
    if is_systems && !package.namespace.is_empty() {
        return Some(package.namespace.clone());
    }
    Some(match (distro, names.first()) {
        (Some(distro), _) if is_systems => format!("{} {}", distro.id, distro.version_id).trim().to_owned(),
        (None, _) if is_systems => "a system that does not tell its name (/etc/os-release)".to_owned(),
        (_, Some(name)) => name.ecosystem.clone(),
        (_, None) => format!("{:?}", package.kind).to_lowercase(),
    })
}

fn of_distro(distro: &Distro) -> Vec<String> {
    let version = distro.version_id.as_str();
    let major = version.split('.').next().unwrap_or_default();
    let versioned = |name: &str, version: &str| match version {
        "" => vec![name.to_owned()],
        version => vec![format!("{name}:{version}"), name.to_owned()],
    };
    match distro.id.as_str() {
        "debian" => versioned("Debian", major),
        "ubuntu" => {
            let mut all = versioned("Ubuntu", version);
            all.push(format!("Ubuntu:{version}:LTS"));
            all
        }
        "alpine" => {
            let minor: Vec<&str> = version.splitn(3, '.').take(2).collect();
            match minor[..] {
                [major, minor] if !version.contains('_') => versioned("Alpine", &format!("v{major}.{minor}")),
                // Edge has no list of its own.
                _ => vec!["Alpine".to_owned()],
            }
        }
        "wolfi" => vec!["Wolfi".to_owned()],
        "chainguard" => vec!["Chainguard".to_owned(), "Wolfi".to_owned()],
        "rocky" => versioned("Rocky Linux", major),
        "almalinux" => versioned("AlmaLinux", major),
        "rhel" | "centos" => {
            let parts = ["::baseos", "::appstream", "::crb", ""];
            parts.iter().map(|part| format!("Red Hat:enterprise_linux:{major}{part}")).collect()
        }
        "opensuse-leap" => vec![format!("openSUSE:Leap {version}")],
        "opensuse-tumbleweed" => vec!["openSUSE:Tumbleweed".to_owned()],
        "sles" => vec![format!("SUSE:Linux Enterprise Server {}", version.replace('.', " SP"))],
        "mageia" => versioned("Mageia", major),
        "photon" => versioned("Photon OS", version),
        "openeuler" => versioned("openEuler", version),
        "azurelinux" => versioned("Azure Linux", major),
        "mariner" => versioned("CBL-Mariner", major),
        _ => Vec::new(),
    }
}

/// The name as it is compared.
pub(super) fn normal(ecosystem: &str, name: &str) -> String {
    match ecosystem {
        "PyPI" => {
            // PEP 503: runs of these are one hyphen.
            let parts: Vec<&str> = name.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect();
            parts.join("-").to_ascii_lowercase()
        }
        "NuGet" | "Packagist" => name.to_ascii_lowercase(),
        _ => name.to_owned(),
    }
}

/// Whose rules versions of an ecosystem follow.
pub(super) fn scheme(ecosystem: &str) -> Scheme {
    match ecosystem.split(':').next().unwrap_or_default() {
        "Debian" | "Ubuntu" => Scheme::Deb,
        "Alpine" | "Wolfi" | "Chainguard" | "Alpaquita" | "BellSoft Hardened Containers" => Scheme::Apk,
        "PyPI" => Scheme::Pep440,
        "Maven" => Scheme::Maven,
        "RubyGems" | "Packagist" | "CRAN" => Scheme::Gem,
        "npm" | "Go" | "crates.io" | "NuGet" | "Hex" | "Pub" | "SwiftURL" => Scheme::Semver,
        _ => Scheme::Rpm,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Source;

    #[track_caller]
    fn check(package: &Package, distro: (&str, &str), expected: &[&str]) {
        let distro = Distro { id: distro.0.to_owned(), version_id: distro.1.to_owned(), ..Distro::default() };
        let all = names(package, Some(&distro));
        let all: Vec<_> = all.iter().map(|name| format!("{} {} {}", name.ecosystem, name.name, name.version)).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn packages_have_the_names_of_their_sources() {
        let mut libc = Package::new(PackageKind::Deb, "libc6", "2.36-9+b1");
        libc.source = Some(Source { name: "glibc".to_owned(), version: "2.36-9".to_owned() });
        check(&libc, ("debian", "12"), &["Debian:12 glibc 2.36-9", "Debian glibc 2.36-9"]);
        check(&libc, ("plan9", "4"), &[]);
        let musl = Package::new(PackageKind::Apk, "musl", "1.2.4-r2");
        check(&musl, ("alpine", "3.18.2"), &["Alpine:v3.18 musl 1.2.4-r2", "Alpine musl 1.2.4-r2"]);
        let flask = Package::new(PackageKind::Pypi, "Flask_X.y", "1");
        check(&flask, ("plan9", ""), &["PyPI flask-x-y 1"]);
    }
}
