//! Java archives and the archives in them. Source: Maven Archiver, `pom.properties`; JAR File Specification, manifests.

use super::{Found, MAX_DOCUMENT, stanza};
use crate::budget::Work;
use crate::content::{Content, Result, text};
use crate::package::{Package, PackageKind};
use crate::zip::{Entry, Zip};

/// Archives in archives, this deep: an application has libraries, a bundle of applications has those.
const MAX_DEPTH: usize = 4;
/// 24 MiB of archives in memory at once: those that lie compressed in another.
const MAX_HELD: u64 = 24 << 20;
/// 200,000 entries of one file, all archives in it together.
const MAX_ENTRIES: usize = 200_000;
/// 512 MiB of what is inflated for one file.
const MAX_WORK: u64 = 512 << 20;

/// True for names that Java's tools load from.
pub(super) fn is_archive(name: &str) -> bool {
    const ENDS: [&str; 9] = [".jar", ".war", ".ear", ".par", ".sar", ".nar", ".jpi", ".hpi", ".kar"];
    let lower = name.to_ascii_lowercase();
    ENDS.iter().any(|end| lower.ends_with(end))
}

/// What may still be done for one file.
struct Budget {
    entries: usize,
    work: Work,
}

/// The packages of an archive, and of those in it.
pub(super) fn read(path: &str, content: &dyn Content, found: &mut Found) -> Result<()> {
    let all = found.budget.archives.clone();
    let most = MAX_WORK.min(all.left());
    let mut budget = Budget { entries: MAX_ENTRIES, work: Work::new(most) };
    let result = archive(path, content, 0, MAX_HELD, &mut budget, found);
    all.spend(most - budget.work.left());
    result
}

fn archive(
    path: &str,
    content: &dyn Content,
    depth: usize,
    held: u64,
    budget: &mut Budget,
    found: &mut Found,
) -> Result<()> {
    let zip = Zip::open(content)?;
    let mut manifest = None;
    let (mut poms, mut inner) = (Vec::new(), Vec::new());
    let mut is_cut = false;
    zip.each(|entry| {
        if budget.entries == 0 {
            is_cut = true;
            return Ok(false);
        }
        budget.entries -= 1;
        if entry.name.eq_ignore_ascii_case("META-INF/MANIFEST.MF") {
            manifest = Some(entry);
        } else if entry.name.starts_with("META-INF/maven/") && entry.name.ends_with("/pom.properties") {
            poms.push(entry);
        } else if is_archive(&entry.name) {
            inner.push(entry);
        }
        Ok(true)
    })?;
    if is_cut {
        found.warn(format!("{path} has more than {MAX_ENTRIES} entries: the rest is not looked at"));
    }
    let start = found.packages.len();
    for pom in &poms {
        match small(&zip, pom, budget) {
            Ok(bytes) => found.packages.extend(of_properties(&text(&bytes))),
            Err(why) => found.warn(format!("{path}!{} {why}", pom.name)),
        }
    }
    let (stem, file_version) = of_file_name(path);
    let is_own = |package: &Package| package.name == stem || stem.starts_with(&format!("{}-", package.name));
    if !found.packages[start..].iter().any(is_own) {
        let bytes = manifest.as_ref().and_then(|entry| small(&zip, entry, budget).ok()).unwrap_or_default();
        found.packages.extend(of_manifest(&text(&bytes), stem, file_version));
    }
    for package in &mut found.packages[start..] {
        path.clone_into(&mut package.found_in);
    }
    if depth >= MAX_DEPTH {
        if !inner.is_empty() {
            found.warn(format!("{path} has archives that lie deeper than is looked at"));
        }
        return Ok(());
    }
    for entry in inner {
        if budget.work.left() == 0 {
            found.warn(format!("{path} has more than is inflated of one file: the rest is left out"));
            break;
        }
        let path = format!("{path}!{}", entry.name);
        let result = match zip.in_place(&entry) {
            Ok(Some(range)) => archive(&path, &range, depth + 1, held, budget, found),
            Ok(None) => match zip.read(&entry, held, &budget.work) {
                Ok(bytes) => archive(&path, &bytes, depth + 1, held.saturating_sub(bytes.len() as u64), budget, found),
                Err(why) => Err(why),
            },
            Err(why) => Err(why),
        };
        if let Err(why) = result {
            found.warn(format!("{path} {why}"));
        }
    }
    Ok(())
}

fn small(zip: &Zip<'_>, entry: &Entry, budget: &Budget) -> Result<Vec<u8>> {
    zip.read(entry, MAX_DOCUMENT, &budget.work)
}

/// The package of a `pom.properties`.
fn of_properties(text: &str) -> Option<Package> {
    let field = |wanted: &str| {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.filter(|(key, _)| key.trim() == wanted).map(|(_, value)| value.trim().to_owned()).next()
    };
    let package = Package::new(PackageKind::Maven, field("artifactId")?, field("version")?);
    Some(Package { namespace: field("groupId").unwrap_or_default(), ..package })
}

/// The package that a manifest describes, or the file's name if that does not.
fn of_manifest(text: &str, stem: &str, file_version: Option<&str>) -> Option<Package> {
    // Lines are cut after 72 bytes and go on with a blank.
    let text = text.replace("\r\n", "\n").replace("\n ", "");
    let fields = stanza::first(&text);
    let first = |keys: &[&str]| keys.iter().map(|key| fields.get(key)).find(|value| !value.is_empty());
    let version =
        file_version.or_else(|| first(&["Implementation-Version", "Bundle-Version", "Specification-Version"]));
    let group = first(&["Implementation-Vendor-Id", "Group-Id"]).filter(|group| group.contains('.'));
    let mut package = Package::new(PackageKind::Maven, stem, version?);
    group.unwrap_or_default().clone_into(&mut package.namespace);
    if let Some(symbolic) = first(&["Bundle-SymbolicName"]).and_then(|name| name.split(';').next()) {
        // `org.apache.commons.lang3`: the group is most of it.
        if let (true, Some((group, _))) = (package.namespace.is_empty(), symbolic.rsplit_once('.')) {
            group.clone_into(&mut package.namespace);
        }
    }
    package.licences.extend(first(&["Bundle-License"]).filter(|name| !name.contains('"')).map(str::to_owned));
    Some(package)
}

/// `log4j-core-2.14.1.jar`: the name without its version, and the version.
fn of_file_name(path: &str) -> (&str, Option<&str>) {
    let name = path.rsplit(['/', '!']).next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let starts = stem.match_indices('-').map(|(at, _)| at);
    let mut versions = starts.filter(|at| stem[at + 1..].starts_with(|first: char| first.is_ascii_digit()));
    match versions.next() {
        Some(at) => (&stem[..at], Some(&stem[at + 1..])),
        None => (stem, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zip::tests::zip;

    const LOG4J: &[u8] = b"#Generated\nversion=2.14.1\ngroupId=org.apache.logging.log4j\nartifactId=log4j-core\n";

    #[track_caller]
    fn check(path: &str, bytes: &dyn Content, expected: &[&str]) {
        let mut found = Found::default();
        read(path, bytes, &mut found).unwrap();
        let line = |p: &Package| format!("{} {} {}", p.full_name(), p.version, p.found_in);
        let all: Vec<_> = found.packages.iter().map(line).collect();
        assert_eq!(
            (all.as_slice(), found.warnings),
            (expected.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>().as_slice(), Vec::new())
        );
    }

    #[test]
    fn archives_say_what_they_are() {
        let pom = "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties";
        let jar = zip(&[(pom, LOG4J)], true);
        check("a/log4j-core-2.14.1.jar", &jar, &["org.apache.logging.log4j:log4j-core 2.14.1 a/log4j-core-2.14.1.jar"]);
        let manifest = b"Manifest-Version: 1.0\r\nBundle-SymbolicName: org.apache.commons.la\r\n ng3;x=y\r\nBundle-Version: 3.1\r\n";
        let other = zip(&[("META-INF/MANIFEST.MF", manifest)], true);
        check("commons-lang3.jar", &other, &["org.apache.commons:commons-lang3 3.1 commons-lang3.jar"]);
        check("guava-31.1-jre.jar", &zip(&[("x", b"")], false), &["guava 31.1-jre guava-31.1-jre.jar"]);
    }

    #[test]
    fn archives_in_archives_are_read() {
        let pom = "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties";
        let jar = zip(&[(pom, LOG4J)], true);
        let name = "BOOT-INF/lib/log4j-core-2.14.1.jar";
        for is_compressed in [false, true] {
            let boot = zip(&[(name, &jar)], is_compressed);
            let expected = format!("org.apache.logging.log4j:log4j-core 2.14.1 app.jar!{name}");
            check("app.jar", &boot, &[&expected]);
        }
    }

    #[test]
    fn there_is_an_end_to_nesting() {
        let mut bytes = zip(&[("x", b"")], false);
        for _ in 0..10 {
            bytes = zip(&[("a-1.jar", &bytes)], true);
        }
        let mut found = Found::default();
        read("a.jar", &bytes, &mut found).unwrap();
        assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
        assert_eq!(found.packages.len(), 4);
    }
}
