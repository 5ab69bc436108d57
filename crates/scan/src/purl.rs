//! Package URLs: names of packages that every tool understands. Source: package-url specification (ECMA-427).

use crate::distro::Distro;
use crate::package::{Package, PackageKind, Source};

/// The package's URL in an image of this system.
pub fn of(package: &Package, distro: Option<&Distro>) -> String {
    let mut url = format!("pkg:{}/", package.kind.word());
    let vendor = match package.kind {
        PackageKind::Deb | PackageKind::Apk | PackageKind::Rpm if package.namespace.is_empty() => {
            distro.map(|distro| distro.id.as_str()).unwrap_or_default()
        }
        _ => package.namespace.as_str(),
    };
    for part in vendor.split('/').filter(|part| !part.is_empty()) {
        encode(&mut url, part);
        url.push('/');
    }
    let mut name = package.name.clone();
    if package.kind == PackageKind::Pypi {
        name = name.to_ascii_lowercase().replace('_', "-");
    }
    // Go's names are paths.
    for (index, part) in name.split('/').filter(|part| !part.is_empty()).enumerate() {
        if index > 0 {
            url.push('/');
        }
        encode(&mut url, part);
    }
    let (epoch, version) = match (package.kind, package.version.split_once(':')) {
        (PackageKind::Rpm, Some((epoch, version))) => (epoch, version),
        _ => ("", package.version.as_str()),
    };
    if !version.is_empty() {
        url.push('@');
        encode(&mut url, version);
    }
    let upstream = match &package.source {
        Some(Source { name, version }) if *version == package.version || version.is_empty() => name.clone(),
        Some(Source { name, version }) => format!("{name}@{version}"),
        None => String::new(),
    };
    // Another system's package is not of this one.
    let is_own = package.kind.is_of_system() && package.namespace.is_empty();
    let system = distro.filter(|_| is_own).map(Distro::word).unwrap_or_default();
    let mut mark = '?';
    for (key, value) in
        [("arch", package.architecture.as_str()), ("distro", &system), ("epoch", epoch), ("upstream", &upstream)]
    {
        if !value.is_empty() {
            url.push(mark);
            url.push_str(key);
            url.push('=');
            encode(&mut url, value);
            mark = '&';
        }
    }
    url
}

/// Reads a package URL; `None` if it is none or of a kind that is not known here.
pub fn parse(url: &str) -> Option<Package> {
    let rest = url.strip_prefix("pkg:")?.trim_start_matches('/');
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let (kind, rest) = rest.split_once('/')?;
    let kind = kind.to_ascii_lowercase();
    let kind = PackageKind::ALL.into_iter().find(|known| known.word() == kind)?;
    let (path, version) = version_apart(rest);
    let (namespace, name) = match kind {
        PackageKind::Golang => ("", path),
        _ => path.rsplit_once('/').unwrap_or(("", path)),
    };
    let mut package = Package::new(kind, decode(name), decode(version));
    package.namespace = decode(namespace);
    if kind.is_of_system() {
        package.namespace = String::new();
    }
    for (key, value) in qualifiers(url) {
        match key.as_str() {
            "arch" => package.architecture = value,
            "epoch" if kind == PackageKind::Rpm => package.version = format!("{value}:{}", package.version),
            "upstream" => {
                let (name, version) = value.split_once('@').unwrap_or((&value, ""));
                package.source = Some(Source { name: name.to_owned(), version: version.to_owned() });
            }
            _ => {}
        }
    }
    if let Some(source) = package.source.as_mut().filter(|source| source.version.is_empty()) {
        source.version.clone_from(&package.version);
    }
    (!package.name.is_empty()).then_some(package)
}

/// A path of names, and the version behind it. A scope's `@` is written `%40` by the strict, and stands at the beginning by the others.
fn version_apart(path: &str) -> (&str, &str) {
    match path.rfind('@').filter(|at| *at > 0 && !path[at + 1..].contains('/')) {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (path, ""),
    }
}

/// The system that a package URL names, as `ID` and `VERSION_ID`.
pub fn distro_of(url: &str) -> Option<(String, String)> {
    let (_, word) = qualifiers(url).find(|(key, _)| key == "distro")?;
    let (id, version) = word.split_once('-').unwrap_or((&word, ""));
    Some((id.to_owned(), version.to_owned()))
}

/// The qualifiers of a package URL, decoded. Keys mean the same in capitals.
pub(crate) fn qualifiers(url: &str) -> impl Iterator<Item = (String, String)> {
    let url = url.split('#').next().unwrap_or_default();
    let pairs = url.split_once('?').map_or("", |(_, pairs)| pairs).split('&');
    pairs.filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_ascii_lowercase(), decode(value)))
}

/// Whose package a package URL names, in small letters: `debian` of `pkg:deb/debian/openssl`. Empty if it does not say.
pub(crate) fn vendor_of(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.strip_prefix("pkg:").unwrap_or(path).trim_start_matches('/');
    let within = path.split_once('/').and_then(|(_, rest)| version_apart(rest).0.rsplit_once('/'));
    within.map_or_else(String::new, |(vendor, _)| decode(vendor).to_ascii_lowercase())
}

fn encode(url: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
}

pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(package: &Package, distro: Option<&Distro>, expected: &str) {
        let url = of(package, distro);
        assert_eq!(url, expected);
        assert!(parse(&url).unwrap().is_same(package), "{:?}", parse(&url));
    }

    #[test]
    fn urls_are_those_of_others() {
        let debian = Distro { id: "debian".to_owned(), version_id: "12".to_owned(), ..Distro::default() };
        let source = Some(Source { name: "glibc".to_owned(), version: "2.36-9+deb12u4".to_owned() });
        let mut libc = Package::new(PackageKind::Deb, "libc6", "2.36-9+deb12u4");
        libc.architecture = "amd64".to_owned();
        libc.source = source;
        check(&libc, Some(&debian), "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12&upstream=glibc");
        assert_eq!(distro_of(&of(&libc, Some(&debian))), Some(("debian".to_owned(), "12".to_owned())));
        let mut scoped = Package::new(PackageKind::Npm, "core", "7.0.0");
        scoped.namespace = "@babel".to_owned();
        check(&scoped, None, "pkg:npm/%40babel/core@7.0.0");
        let go = Package::new(PackageKind::Golang, "golang.org/x/net", "v0.1.0");
        check(&go, None, "pkg:golang/golang.org/x/net@v0.1.0");
        let rpm = Package::new(PackageKind::Rpm, "bash", "1:5.1-2");
        check(&rpm, None, "pkg:rpm/bash@5.1-2?epoch=1");
        let mut maven = Package::new(PackageKind::Maven, "log4j-core", "2.14.1");
        maven.namespace = "org.apache.logging.log4j".to_owned();
        check(&maven, None, "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1");
        assert_eq!(parse("pkg:npm/@babel/core").unwrap().namespace, "@babel");
        assert_eq!(vendor_of("pkg:deb/Debian/openssl@1?arch=all"), "debian");
        assert_eq!(vendor_of("pkg:deb/ubuntu@1/openssl"), "ubuntu@1");
        assert_eq!(vendor_of("pkg:deb/openssl@1"), "");
        assert!(parse("pkg:nothing/x@1").is_none() && parse("http://x").is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(name in "[a-zA-Z0-9._~ %+é-]{1,12}", version in "[0-9a-z.+~^:%-]{0,8}") {
            let package = Package::new(PackageKind::Cargo, name, version);
            prop_assert!(parse(&of(&package, None)).unwrap().is_same(&package));
        }

        #[test]
        fn nothing_panics(url in "\\PC{0,40}") {
            let _ = (parse(&format!("pkg:{url}")), distro_of(&url));
        }
    }
}
