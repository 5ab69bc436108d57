//! OpenVEX: what somebody says of findings, statement by statement. Source: OpenVEX specification 0.2.0; documents of 0.0.x are
//! read as well.
//!
//! A statement holds for a package of an image if its product is that package, or if its product is the image, or another
//! package read from the same file, and the package is one of its subcomponents (a whole image is meant if there are none).

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use wharfie_oci::Timestamp;

use crate::advisory::Finding;
use crate::bounded::AtMost;
use crate::content::{Result, Trouble};
use crate::package::{Inventory, Package, PackageKind};
use crate::purl;

/// What a statement says of a vulnerability in a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It does not matter there.
    NotAffected,
    /// It does.
    Affected,
    /// It has been mended there.
    Fixed,
    /// Nobody knows yet.
    UnderInvestigation,
}

impl Status {
    /// True if nothing is left to do.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::NotAffected | Self::Fixed)
    }
}

/// What was said of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What counts.
    pub status: Status,
    /// The word for why it does not matter; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub justification: String,
    /// The same in prose; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub statement: String,
    /// Who says so; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
}

/// A document.
#[derive(Debug, Clone)]
pub struct Document {
    statements: Vec<Statement>,
    /// The user named it; it was not found beside the image.
    is_named: bool,
}

#[derive(Debug, Clone)]
struct Statement {
    ids: Vec<String>,
    products: Vec<Product>,
    /// Of each of its products, beside those of its own.
    subcomponents: Vec<String>,
    verdict: Verdict,
    /// The later one counts.
    moment: Timestamp,
}

#[derive(Debug, Clone, Default)]
struct Product {
    names: Vec<String>,
    subcomponents: Vec<String>,
}

/// 1 day, in seconds: what clocks of others may be ahead.
const CLOCKS: i64 = 86_400;
/// 100,000 statements; 10,000 products of one.
const MAX_STATEMENTS: usize = 100_000;
const MAX_PRODUCTS: usize = 10_000;
/// Names that a vulnerability, or a product, has.
const MAX_NAMES: usize = 64;

#[derive(Deserialize)]
struct RawDocument {
    #[serde(default, rename = "@context")]
    context: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    statements: AtMost<RawStatement, MAX_STATEMENTS>,
}

#[derive(Deserialize)]
struct RawStatement {
    vulnerability: RawVulnerability,
    #[serde(default)]
    products: AtMost<RawProduct, MAX_PRODUCTS>,
    /// As version 0.0.x has them: of all products.
    #[serde(default)]
    subcomponents: AtMost<RawPart, MAX_PRODUCTS>,
    status: Status,
    #[serde(default)]
    justification: Option<String>,
    #[serde(default)]
    impact_statement: Option<String>,
    #[serde(default)]
    action_statement: Option<String>,
    #[serde(default)]
    timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawVulnerability {
    Name(String),
    Named {
        #[serde(default, rename = "@id")]
        id: String,
        #[serde(default)]
        name: String,
        #[serde(default)]
        aliases: AtMost<String, MAX_NAMES>,
    },
}

/// A product or a part of one, which has `P` for its own parts.
#[derive(Deserialize)]
#[serde(untagged, bound(deserialize = "P: Deserialize<'de> + Default"))]
enum RawNamed<P> {
    Name(String),
    Named {
        #[serde(default, rename = "@id")]
        id: String,
        #[serde(default)]
        identifiers: RawIdentifiers,
        #[serde(default, rename = "subcomponents")]
        parts: P,
    },
}

/// A part: what it consists of does not matter.
type RawPart = RawNamed<IgnoredAny>;
/// A product.
type RawProduct = RawNamed<AtMost<RawPart, MAX_PRODUCTS>>;

#[derive(Deserialize, Default)]
struct RawIdentifiers {
    #[serde(default)]
    purl: String,
}

impl<P> RawNamed<P> {
    /// What it is called, and its parts if it says something of them.
    fn taken_apart(self) -> (Vec<String>, Option<P>) {
        let (mut names, parts) = match self {
            Self::Name(name) => (vec![name], None),
            Self::Named { id, identifiers, parts } => (vec![id, identifiers.purl], Some(parts)),
        };
        names.retain(|name| !name.is_empty());
        (names, parts)
    }
}

impl Document {
    /// Reads a document that the user named. What tells no moment was said before everything else.
    ///
    /// # Errors
    /// When it is no JSON of that shape, has a status that is not defined, or a moment that is none or lies after `now`: it would count
    /// for ever.
    pub fn parse(bytes: &[u8], now: Timestamp) -> Result<Self> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let raw: RawDocument = serde_json::from_slice(bytes)?;
        if !raw.context.starts_with("https://openvex.dev/ns") {
            return Err(Trouble::Broken("is no OpenVEX document"));
        }
        let latest = Timestamp { seconds: now.seconds + CLOCKS, ..now };
        let moment = |text: &str| match text {
            "" => Ok(Timestamp::ZERO),
            text => match text.parse::<Timestamp>() {
                Ok(moment) if moment <= latest => Ok(moment),
                Ok(_) => Err(Trouble::Broken("was said in the future")),
                Err(_) => Err(Trouble::Broken("has a moment that is no RFC 3339 date and time")),
            },
        };
        let of_document = moment(&raw.timestamp)?;
        let mut statements = Vec::new();
        for statement in raw.statements.0 {
            let ids = match statement.vulnerability {
                RawVulnerability::Name(name) => vec![name],
                RawVulnerability::Named { id, name, aliases } => [id, name].into_iter().chain(aliases.0).collect(),
            };
            let subcomponents = statement.subcomponents.0.into_iter().flat_map(|one| one.taken_apart().0).collect();
            let products = statement.products.0.into_iter().map(RawProduct::product);
            let verdict = Verdict {
                status: statement.status,
                justification: statement.justification.unwrap_or_default(),
                statement: statement.impact_statement.or(statement.action_statement).unwrap_or_default(),
                author: raw.author.clone(),
            };
            statements.push(Statement {
                ids: ids.into_iter().filter(|id| !id.is_empty()).collect(),
                products: products.collect(),
                subcomponents,
                verdict,
                moment: statement.timestamp.as_deref().map_or(Ok(of_document), moment)?,
            });
        }
        Ok(Self { statements, is_named: true })
    }

    /// One that lies beside the image: where the user named another that says something, that one counts.
    #[must_use]
    pub fn found(self) -> Self {
        Self { is_named: false, ..self }
    }
}

impl RawProduct {
    fn product(self) -> Product {
        let (names, parts) = self.taken_apart();
        let parts = parts.into_iter().flat_map(|parts| parts.0);
        Product { names, subcomponents: parts.flat_map(|part| part.taken_apart().0).collect() }
    }
}

/// What the documents say of a finding: those that the user named before those that lie beside the image, of several statements the
/// latest, of several of one moment the last.
pub fn verdict<'a>(documents: &'a [Document], finding: &Finding, inventory: &Inventory) -> Option<&'a Verdict> {
    let statements =
        documents.iter().flat_map(|document| document.statements.iter().map(|one| (document.is_named, one)));
    let about = statements.filter(|(_, statement)| statement.is_about(finding, inventory));
    about.max_by_key(|(is_named, statement)| (*is_named, statement.moment)).map(|(_, statement)| &statement.verdict)
}

impl Statement {
    fn is_about(&self, finding: &Finding, inventory: &Inventory) -> bool {
        let is_named = self.ids.iter().any(|id| *id == finding.id || finding.ids.contains(id));
        is_named && self.products.iter().any(|product| product.has(&self.subcomponents, finding, inventory))
    }
}

impl Product {
    /// Whether a finding is in it; `more` are subcomponents beside its own.
    fn has(&self, more: &[String], finding: &Finding, inventory: &Inventory) -> bool {
        let package = &inventory.packages[finding.package];
        let is_among = |names: &[String], package: &Package| names.iter().any(|name| is_of(name, package, inventory));
        let is_whole = self.subcomponents.is_empty() && more.is_empty();
        if is_among(&self.names, package) && is_whole {
            return true;
        }
        let is_part = is_whole || is_among(&self.subcomponents, package) || is_among(more, package);
        if self.names.iter().any(|name| is_of_image(name, inventory)) {
            return is_part;
        }
        let beside = |other: &&Package| !other.found_in.is_empty() && other.found_in == package.found_in;
        // A file may tell of all packages of a system: only what is built into one is a product with parts.
        !is_whole
            && is_part
            && !package.kind.is_of_system()
            && inventory.packages.iter().filter(beside).any(|other| is_among(&self.names, other))
    }
}

/// True if a name is a package URL of this package: what it does not say is not asked.
fn is_of(name: &str, package: &Package, inventory: &Inventory) -> bool {
    let Some(named) = purl::parse(name) else { return false };
    if named.kind != package.kind {
        return false;
    }
    let is_same_name = match package.kind {
        PackageKind::Pypi => {
            let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
            plain(&named.name) == plain(&package.name)
        }
        _ => named.name == package.name && named.namespace == package.namespace,
    };
    // Another system's package of the same name, and of the same version, may have been built another way.
    let vendor = purl::vendor_of(name);
    let is_vendor = !package.kind.is_of_system()
        || vendor.is_empty()
        || inventory.distro.as_ref().is_some_and(|distro| distro.is_vendor(&vendor));
    let is_of_system = is_vendor
        && purl::qualifiers(name)
            .filter(|(key, value)| key == "distro" && !value.is_empty())
            .all(|(_, word)| inventory.distro.as_ref().is_some_and(|distro| distro.is_meant_by(&word)));
    // What it was built from is a part of what is named.
    let is_version =
        |rest: &str| rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let source = package.source.as_ref().map_or(&package.name, |source| &source.name);
    let is_of_source =
        purl::qualifiers(name).filter(|(key, value)| key == "upstream" && !value.is_empty()).all(|(_, value)| {
            match package.kind {
                // Files are named there.
                PackageKind::Rpm => value == *source || value.strip_prefix(source.as_str()).is_some_and(is_version),
                _ => value.split('@').next() == Some(source),
            }
        });
    is_same_name
        && is_of_system
        && is_of_source
        && (named.version.is_empty() || named.version == package.version)
        && (named.architecture.is_empty() || named.architecture == package.architecture)
}

/// True if a name is the image's: its reference or digest, or a package URL of it (`pkg:oci/NAME@DIGEST?repository_url=…`).
fn is_of_image(name: &str, inventory: &Inventory) -> bool {
    let known = [Some(&inventory.name), inventory.id.as_ref(), inventory.digest.as_ref()];
    if known.iter().flatten().any(|known| !known.is_empty() && *known == name) {
        return true;
    }
    let (rest, is_docker) = match (name.strip_prefix("pkg:oci/"), name.strip_prefix("pkg:docker/")) {
        (Some(rest), _) => (rest, false),
        (_, Some(rest)) => (rest, true),
        _ => return false,
    };
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    let (path, version) = path.split_once('@').unwrap_or((path, ""));
    let (path, version) = (purl::decode(path), purl::decode(version));
    let (image, tag) = match inventory.name.rsplit_once(':') {
        Some((image, tag)) if !tag.contains('/') => (image, tag),
        _ => (inventory.name.as_str(), ""),
    };
    let image = image.split('@').next().unwrap_or_default();
    let is_digest = [&inventory.id, &inventory.digest].into_iter().flatten().any(|known| *known == version);
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    if !(version.is_empty() || version == tag || is_digest) || last(&path) != last(image) {
        return false;
    }
    let (mut is_same, mut has_place) = (true, false);
    for (key, value) in purl::qualifiers(name) {
        is_same &= match key.as_str() {
            "repository_url" => {
                has_place = true;
                let value = value.trim_start_matches("https://").trim_end_matches('/');
                // With the name at its end, or without.
                let more = if is_docker { path.clone() } else { last(image) };
                short(value) == short(image) || short(&format!("{value}/{more}")) == short(image)
            }
            "tag" => value == tag,
            _ => true,
        };
    }
    // A digest is of this image wherever it lies. Else the last part of a name says nothing; docker's are whole, and the Hub's.
    is_same && (is_digest || has_place || (is_docker && short(&path) == short(image)))
}

/// A repository's name as users write it.
fn short(text: &str) -> &str {
    let text = text.strip_prefix("index.docker.io/").or_else(|| text.strip_prefix("docker.io/")).unwrap_or(text);
    text.strip_prefix("library/").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let mut app = Package::new(PackageKind::Golang, "example.org/app", "v1.0.0");
        app.found_in = "app".to_owned();
        let mut net = Package::new(PackageKind::Golang, "golang.org/x/net", "v0.1.0");
        net.found_in = "app".to_owned();
        let mut other = Package::new(PackageKind::Golang, "golang.org/x/net", "v0.2.0");
        other.found_in = "other".to_owned();
        let name = "registry.example/team/web:1".to_owned();
        let digest = Some(format!("sha256:{}", "a".repeat(64)));
        Inventory { packages: vec![app, net, other], name, digest, ..Inventory::default() }
    }

    fn now() -> Timestamp {
        "2026-11-30T00:00:00Z".parse().unwrap()
    }

    fn finding(package: usize) -> Finding {
        Finding {
            id: "CVE-1".to_owned(),
            ids: vec!["CVE-1".to_owned(), "GO-1".to_owned()],
            summary: String::new(),
            severity: crate::advisory::Severity::High,
            score: None,
            fixed: None,
            notice: String::new(),
            kev: None,
            epss: None,
            package,
        }
    }

    #[track_caller]
    fn check(products: &str, expected: [bool; 3]) {
        let text = format!(
            r#"{{"@context":"https://openvex.dev/ns/v0.2.0","timestamp":"2026-01-01T00:00:00Z","statements":[{{"vulnerability":{{"name":"GO-1"}},"products":{products},"status":"not_affected"}}]}}"#
        );
        let documents = [Document::parse(text.as_bytes(), now()).unwrap()];
        let inventory = inventory();
        let found = [0, 1, 2].map(|at| verdict(&documents, &finding(at), &inventory).is_some());
        assert_eq!(found, expected, "{products}");
    }

    #[test]
    fn products_are_packages_images_and_what_is_built_into_them() {
        check(r#"["pkg:golang/golang.org/x/net"]"#, [false, true, true]);
        check(r#"[{"@id":"pkg:golang/golang.org/x/net@v0.2.0"}]"#, [false, false, true]);
        check(r#"[{"identifiers":{"purl":"pkg:golang/golang.org/x/net@v9"}}]"#, [false; 3]);
        let part = r#","subcomponents":[{"@id":"pkg:golang/golang.org/x/net"}]"#;
        check(&format!(r#"[{{"@id":"pkg:golang/example.org/app"{part}}}]"#), [false, true, false]);
        let hex = "a".repeat(64);
        let image = format!("pkg:oci/web@sha256%3A{hex}?repository_url=registry.example%2Fteam%2Fweb");
        check(&format!(r#"[{{"@id":"{image}"{part}}}]"#), [false, true, true]);
        check(&format!(r#"[{{"@id":"{image}"}}]"#), [true; 3]);
        check(r#"[{"@id":"pkg:oci/web?repository_url=registry.example/team"}]"#, [true; 3]);
        check(r#"["registry.example/team/web:1"]"#, [true; 3]);
        for other in ["pkg:oci/web?repository_url=other.example/team", "pkg:oci/db", "pkg:oci/web?tag=2", ""] {
            check(&format!(r#"[{{"@id":"{other}"}}]"#), [false; 3]);
        }
        check("[]", [false; 3]);
        // The last part of a name is not the name; a digest is.
        for other in ["pkg:oci/web", "pkg:docker/other/web", "pkg:docker/web@1", "pkg:docker/team/web"] {
            check(&format!(r#"["{other}"]"#), [false; 3]);
        }
        check(&format!(r#"["pkg:oci/web@sha256:{hex}"]"#), [true; 3]);
        check(r#"["pkg:docker/team/web@1?repository_url=registry.example"]"#, [true; 3]);
        check(r#"["pkg:docker/team/web?REPOSITORY_URL=other.example"]"#, [false; 3]);
    }

    #[test]
    fn other_systems_packages_are_others() {
        let distro = crate::distro::Distro {
            id: "debian".to_owned(),
            version_id: "12".to_owned(),
            codename: "bookworm".to_owned(),
            id_like: vec!["ubuntu".to_owned()],
            ..crate::distro::Distro::default()
        };
        let package = Package::new(PackageKind::Deb, "openssl", "3.0.1-1");
        let inventory = Inventory { distro: Some(distro), ..Inventory::default() };
        let check = |name: &str, expected: bool| assert_eq!(is_of(name, &package, &inventory), expected, "{name}");
        for own in [
            "pkg:deb/openssl",
            "pkg:deb/debian/openssl@3.0.1-1",
            "pkg:deb/Debian/openssl?distro=debian-12",
            "pkg:deb/debian/openssl?distro=debian",
            "pkg:deb/debian/openssl?distro=bookworm",
            "pkg:deb/debian/openssl?distro=debian-bookworm",
            "pkg:deb/debian/openssl?upstream=openssl",
            "pkg:deb/debian/openssl?upstream=openssl%403.0.1-1",
        ] {
            check(own, true);
        }
        for other in [
            "pkg:deb/ubuntu/openssl",
            "pkg:deb/ubuntu/openssl@3.0.1-1",
            "pkg:deb//ubuntu/openssl",
            "pkg:deb/ubuntu@1/openssl",
            "pkg:deb/debian/openssl?upstream=evil",
            "pkg:deb/debian/openssl?distro=debian-1",
            "pkg:deb/debian/openssl?distro=debian-",
            "pkg:deb/debian/openssl?distro=debian-12.5",
            "pkg:deb/debian/openssl?DISTRO=debian-11",
            "pkg:deb/debian/openssl?distro=debian-12&distro=debian-11",
            "pkg:deb/debian/openssl?distro=bullseye",
            "pkg:deb/debian/openssl?distro=debianx-12",
        ] {
            check(other, false);
        }
        let unknown = Inventory::default();
        assert!(!is_of("pkg:deb/debian/openssl?distro=debian-12", &package, &unknown));
    }

    #[test]
    fn moments_are_compared_as_moments_and_named_documents_count_first() {
        let said = |status: &str, moment: &str| {
            let text = format!(
                r#"{{"@context":"https://openvex.dev/ns","timestamp":"{moment}","statements":[{{"vulnerability":"CVE-1","products":["pkg:golang/example.org/app"],"status":"{status}"}}]}}"#
            );
            Document::parse(text.as_bytes(), now())
        };
        let check = |documents: &[Document], expected: Status| {
            assert_eq!(verdict(documents, &finding(0), &inventory()).unwrap().status, expected);
        };
        // 01:00 in the east is before midnight.
        let (east, west) = ("2026-01-02T01:00:00+09:00", "2026-01-01T20:00:00Z");
        check(&[said("fixed", east).unwrap(), said("affected", west).unwrap()], Status::Affected);
        check(&[said("affected", west).unwrap(), said("fixed", east).unwrap()], Status::Affected);
        check(&[said("affected", "").unwrap(), said("fixed", west).unwrap().found()], Status::Affected);
        check(&[said("fixed", west).unwrap().found(), said("affected", east).unwrap().found()], Status::Fixed);
        for bad in ["zzz", "2026-12-02T00:00:00Z", "9999-01-01T00:00:00Z", "2026-01-01"] {
            assert!(said("fixed", bad).is_err(), "{bad}");
        }
        assert!(said("fixed", "2026-11-30T12:00:00Z").is_ok(), "clocks differ");
    }

    #[test]
    fn the_latest_statement_counts() {
        let statement = |status: &str, day: u32| {
            format!(
                r#"{{"vulnerability":"CVE-1","products":["pkg:golang/example.org/app"],"status":"{status}","timestamp":"2026-01-0{day}T00:00:00Z"}}"#
            )
        };
        let check = |statements: &[String], expected: Status| {
            let text = format!(r#"{{"@context":"https://openvex.dev/ns","statements":[{}]}}"#, statements.join(","));
            let documents = [Document::parse(text.as_bytes(), now()).unwrap()];
            assert_eq!(verdict(&documents, &finding(0), &inventory()).unwrap().status, expected);
        };
        check(&[statement("fixed", 2), statement("affected", 1)], Status::Fixed);
        check(&[statement("not_affected", 1), statement("under_investigation", 1)], Status::UnderInvestigation);
        assert!(Document::parse(b"{}", now()).is_err());
        assert!(
            Document::parse(
                br#"{"@context":"https://openvex.dev/ns","statements":[{"vulnerability":"a","status":"fine"}]}"#,
                now(),
            )
            .is_err()
        );
    }
}
