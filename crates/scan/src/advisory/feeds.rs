//! What others than OSV publish: Debian's security tracker, Alpine's secdb, CISA's list of what is exploited, FIRST's EPSS.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::marker::PhantomData;

use flate2::read::MultiGzDecoder;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::record::{Advisory, Event};
use super::severity::Severity;
use crate::bounded::{AtMost, Members};
use crate::content::{Content, Result, Stream, Trouble, bytes_at};

/// What CISA says of a CVE that is exploited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exploited {
    /// When it came into the list, `YYYY-MM-DD`.
    pub added: String,
    /// True if it is known to be used for extortion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ransomware: bool,
}

/// How probable it is that a CVE is exploited within 30 days, by FIRST's model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Epss {
    /// From 0 to 1.
    pub probability: f64,
    /// How many of all CVEs are as probable or less, from 0 to 1.
    pub percentile: f64,
}

/// Under which name what is exploited is kept, as if it were an ecosystem.
pub const KEV: &str = "CISA KEV";
/// As [`KEV`], for probabilities.
pub const EPSS: &str = "EPSS";

/// True for what tells something about CVEs and is no list of advisories.
pub fn is_extra(ecosystem: &str) -> bool {
    [KEV, EPSS].contains(&ecosystem)
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    /// One record of OSV.
    Record,
    Tracker,
    Secdb,
    Kev,
    Epss,
}

/// 512 MiB of one file once it is inflated: Debian's tracker has some 70.
const MAX_FEED: u64 = 512 << 20;
/// 32 MiB of CISA's list, which has 2.
const MAX_KEV: u64 = 32 << 20;
/// 300,000 entries of a list.
const MAX_ENTRIES: usize = 300_000;
/// 3 million: advisories of one list, and CVEs of EPSS, which has a tenth of it.
const MAX_TAKEN: u32 = 3_000_000;
/// 1 MiB: the longest text of JSON in a feed.
const MAX_STRING: usize = 1 << 20;
/// Releases of Debian, versions of one of Alpine's packages, and what one of them mended.
const MAX_RELEASES: usize = 64;
const MAX_VERSIONS: usize = 2_000;
const MAX_FIXED: usize = 256;
/// 4 KiB of a line of EPSS's.
const MAX_LINE: u64 = 4 << 10;

/// The bytes of a feed, inflated if they are gzip, from front to back.
pub(super) fn open<'a>(content: &'a dyn Content) -> Box<dyn Read + 'a> {
    let is_gzip = bytes_at(content, 0, 2).is_ok_and(|head| head == [0x1f, 0x8b]);
    let stream = BufReader::new(Stream::new(content));
    match is_gzip {
        true => Box::new(MultiGzDecoder::new(stream).take(MAX_FEED)),
        false => Box::new(stream.take(MAX_FEED)),
    }
}

/// A reader of JSON that fails in a string without end: parsers keep strings whole.
struct ShortStrings<R> {
    source: R,
    /// Bytes since the string began that is open.
    within: Option<usize>,
    is_escaped: bool,
}

impl<R: Read> Read for ShortStrings<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.source.read(buffer)?;
        for byte in &buffer[..len] {
            self.within = match (self.within, *byte) {
                (None, b'"') => Some(0),
                (None, _) => None,
                (Some(_), b'"') if !self.is_escaped => None,
                (Some(MAX_STRING), _) => return Err(io::Error::other("it has a text that is too long")),
                (Some(len), byte) => {
                    self.is_escaped = byte == b'\\' && !self.is_escaped;
                    Some(len + 1)
                }
            };
        }
        Ok(len)
    }
}

/// A feed's JSON.
fn json<'a>(content: &'a dyn Content) -> impl BufRead + 'a {
    BufReader::new(ShortStrings { source: open(content), within: None, is_escaped: false })
}

/// Says what a file is, by what it has at its top.
pub(super) fn kind(content: &dyn Content) -> Result<Option<Feed>> {
    let mut head = [0; 512];
    let mut source = open(content);
    let mut len = 0;
    while len < head.len() {
        match source.read(&mut head[len..])? {
            0 => break,
            n => len += n,
        }
    }
    let text = String::from_utf8_lossy(&head[..len]);
    if text.starts_with("#model_version") || text.starts_with("cve,epss") {
        return Ok(Some(Feed::Epss));
    }
    Ok(serde_json::from_reader::<_, Top>(json(content))?.0)
}

/// The kind of a document, of which nothing is kept.
struct Top(Option<Feed>);

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Top;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<Top, A::Error> {
                let mut found = None;
                while let Some(key) = object.next_key::<String>()? {
                    let first: FirstKey = object.next_value()?;
                    let is_text = first.0.is_none();
                    let of_key = match key.as_str() {
                        "id" | "affected" | "schema_version" | "withdrawn" if is_text => Some(Feed::Record),
                        "catalogVersion" if is_text => Some(Feed::Kev),
                        "distroversion" | "reponame" if is_text => Some(Feed::Secdb),
                        // `{SOURCE: {CVE: …}}`
                        _ if first.is_id() => Some(Feed::Tracker),
                        _ => None,
                    };
                    found = found.or(of_key);
                }
                Ok(Top(found))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The first key of an object; `None` for everything else.
struct FirstKey(Option<String>);

impl FirstKey {
    /// True for the ids that Debian's tracker has.
    fn is_id(&self) -> bool {
        self.0.as_deref().is_some_and(|key| key.starts_with("CVE-") || key.starts_with("TEMP-"))
    }
}

impl<'de> Deserialize<'de> for FirstKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = FirstKey;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("anything")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<FirstKey, A::Error> {
                let first = object.next_key::<String>()?;
                if first.is_some() {
                    object.next_value::<IgnoredAny>()?;
                }
                while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(FirstKey(first))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> std::result::Result<FirstKey, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(FirstKey(None))
            }

            fn visit_str<E>(self, _: &str) -> std::result::Result<FirstKey, E> {
                Ok(FirstKey(None))
            }

            fn visit_bool<E>(self, _: bool) -> std::result::Result<FirstKey, E> {
                Ok(FirstKey(None))
            }

            fn visit_i64<E>(self, _: i64) -> std::result::Result<FirstKey, E> {
                Ok(FirstKey(None))
            }

            fn visit_u64<E>(self, _: u64) -> std::result::Result<FirstKey, E> {
                Ok(FirstKey(None))
            }

            fn visit_f64<E>(self, _: f64) -> std::result::Result<FirstKey, E> {
                Ok(FirstKey(None))
            }

            fn visit_unit<E>(self) -> std::result::Result<FirstKey, E> {
                Ok(FirstKey(None))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Where advisories of a feed go: ecosystem, package, advisory.
pub(super) type Take<'a> = &'a mut dyn FnMut(&str, &str, Advisory) -> Result<()>;

#[derive(Deserialize)]
struct TrackerEntry {
    #[serde(default)]
    description: String,
    #[serde(default)]
    releases: Members<TrackerRelease, MAX_RELEASES>,
}

#[derive(Deserialize)]
struct TrackerRelease {
    #[serde(default)]
    status: String,
    #[serde(default)]
    fixed_version: Option<String>,
    #[serde(default)]
    urgency: String,
}

/// Debian's releases by the names that its tracker has for them.
const DEBIAN: &[(&str, &str)] = &[
    ("jessie", "8"),
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
];

/// Reads Debian's tracker, entry by entry. What is undetermined, and what never held, is no advisory.
pub(super) fn tracker(content: &dyn Content, take: Take<'_>) -> Result<()> {
    let mut trouble = None;
    let mut deserializer = serde_json::Deserializer::from_reader(json(content));
    let mut take = bounded(take);
    let seed = Sources { take: &mut take, trouble: &mut trouble };
    let read = seed.deserialize(&mut deserializer);
    match (read, trouble) {
        (_, Some(why)) => Err(why),
        (read, None) => Ok(read?),
    }
}

/// Takes what one list may have.
fn bounded<'a>(take: Take<'a>) -> impl FnMut(&str, &str, Advisory) -> Result<()> + 'a {
    let mut left = MAX_TAKEN;
    move |ecosystem, name, advisory| {
        left = left.checked_sub(1).ok_or(TOO_MANY)?;
        take(ecosystem, name, advisory)
    }
}

const TOO_MANY: Trouble = Trouble::Broken("has more in it than any honest list");

/// Calls `take` with each element of a list, or each member of an object; nothing of it stays.
struct Each<'a, T> {
    take: &'a mut dyn FnMut(&str, T) -> Result<()>,
    trouble: &'a mut Option<Trouble>,
    kind: PhantomData<T>,
}

impl<T> Each<'_, T> {
    fn give<E: serde::de::Error>(&mut self, key: &str, one: T) -> std::result::Result<(), E> {
        (self.take)(key, one).map_err(|why| {
            *self.trouble = Some(why);
            E::custom("not taken")
        })
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Each<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Each<'_, T> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> std::result::Result<(), A::Error> {
        while let Some(one) = list.next_element()? {
            self.give("", one)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> std::result::Result<(), A::Error> {
        while let Some((key, one)) = object.next_entry::<String, T>()? {
            self.give(&key, one)?;
        }
        Ok(())
    }
}

struct Sources<'a> {
    take: Take<'a>,
    trouble: &'a mut Option<Trouble>,
}

impl<'de> DeserializeSeed<'de> for Sources<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Sources<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of source packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<(), A::Error> {
        while let Some(source) = object.next_key::<String>()? {
            let mut of_entry = |id: &str, entry: TrackerEntry| {
                for (release, state) in entry.releases.0 {
                    let Some((_, number)) = DEBIAN.iter().find(|(name, _)| *name == release) else { continue };
                    let Some(advisory) = of_tracker(id, &entry.description, &state) else { continue };
                    (self.take)(&format!("Debian:{number}"), &source, advisory)?;
                }
                Ok(())
            };
            object.next_value_seed(Each { take: &mut of_entry, trouble: self.trouble, kind: PhantomData })?;
        }
        Ok(())
    }
}

fn of_tracker(id: &str, description: &str, state: &TrackerRelease) -> Option<Advisory> {
    let mut events = vec![Event::Introduced("0".to_owned())];
    match (state.status.as_str(), state.fixed_version.as_deref()) {
        ("open", _) => {}
        ("resolved", Some(fixed)) if fixed != "0" => events.push(Event::Fixed(fixed.to_owned())),
        _ => return None,
    }
    Some(Advisory {
        id: id.to_owned(),
        summary: super::record::shorten(description.lines().next().unwrap_or_default()),
        // Other words than this one are of how urgent it is for Debian, and not of how bad it is.
        severity: match state.urgency.as_str() {
            "unimportant" => Severity::Negligible,
            _ => Severity::Unknown,
        },
        ranges: vec![events],
        ..Advisory::default()
    })
}

#[derive(Deserialize)]
struct SecdbHead {
    #[serde(default)]
    distroversion: String,
}

#[derive(Deserialize)]
struct SecdbPackage {
    pkg: SecdbFixes,
}

#[derive(Deserialize)]
struct SecdbFixes {
    #[serde(default)]
    name: String,
    #[serde(default)]
    secfixes: Members<AtMost<String, MAX_FIXED>, MAX_VERSIONS>,
}

/// The packages of a list of Alpine's, one by one.
struct Packages<'a>(Each<'a, SecdbPackage>);

impl<'de> Visitor<'de> for Packages<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> std::result::Result<(), A::Error> {
        let mut each = Some(self.0);
        while let Some(key) = object.next_key::<String>()? {
            match each.take_if(|_| key == "packages") {
                Some(each) => object.next_value_seed(each)?,
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads Alpine's list of one repository of one release: versions in which something was mended.
pub(super) fn secdb(content: &dyn Content, take: Take<'_>) -> Result<()> {
    // Which release it is of may stand behind the packages, of which none is to be kept.
    let head: SecdbHead = serde_json::from_reader(json(content))?;
    let ecosystem = match head.distroversion.as_str() {
        "" => return Err(Trouble::Broken("does not say which release of Alpine it is of")),
        // Edge has no list of its own.
        "edge" => "Alpine".to_owned(),
        version => format!("Alpine:{version}"),
    };
    let mut take = bounded(take);
    let mut of_package = |_: &str, SecdbPackage { pkg }: SecdbPackage| {
        for (version, ids) in pkg.secfixes.0 {
            // What never held.
            if version == "0" || pkg.name.is_empty() {
                continue;
            }
            // Several ids may stand in one text.
            for id in ids.0.iter().flat_map(|ids| ids.split_whitespace()) {
                let events = vec![Event::Introduced("0".to_owned()), Event::Fixed(version.clone())];
                let advisory = Advisory { id: id.to_owned(), ranges: vec![events], ..Advisory::default() };
                take(&ecosystem, &pkg.name, advisory)?;
            }
        }
        Ok(())
    };
    let mut trouble = None;
    let each = Each { take: &mut of_package, trouble: &mut trouble, kind: PhantomData };
    let read = serde_json::Deserializer::from_reader(json(content)).deserialize_map(Packages(each));
    match (read, trouble) {
        (_, Some(why)) => Err(why),
        (read, None) => Ok(read?),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Catalogue {
    #[serde(default)]
    date_released: String,
    #[serde(default)]
    vulnerabilities: AtMost<KevEntry, MAX_ENTRIES>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KevEntry {
    #[serde(default, rename = "cveID")]
    cve: String,
    #[serde(default)]
    date_added: String,
    #[serde(default)]
    known_ransomware_campaign_use: String,
}

/// Reads CISA's list; gives its date, RFC 3339.
pub(super) fn kev(content: &dyn Content, take: &mut dyn FnMut(&str, &Exploited) -> Result<()>) -> Result<String> {
    let all: Catalogue = serde_json::from_reader(json(content).take(MAX_KEV))?;
    for entry in all.vulnerabilities.0.iter().filter(|entry| !entry.cve.is_empty()) {
        let ransomware = entry.known_ransomware_campaign_use.eq_ignore_ascii_case("known");
        take(&entry.cve, &Exploited { added: entry.date_added.clone(), ransomware })?;
    }
    Ok(all.date_released)
}

/// Reads FIRST's list: a line that names the model, a head, and `CVE,PROBABILITY,PERCENTILE` a line. Gives its date, RFC 3339.
pub(super) fn epss(content: &dyn Content, take: &mut dyn FnMut(&str, Epss) -> Result<()>) -> Result<String> {
    let mut source = BufReader::new(open(content));
    let mut date = String::new();
    let mut line = Vec::new();
    let mut left = MAX_TAKEN;
    loop {
        left = left.checked_sub(1).ok_or(TOO_MANY)?;
        line.clear();
        if (&mut source).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(date);
        }
        let text = String::from_utf8_lossy(&line);
        if let Some(rest) = text.strip_prefix('#') {
            let day = rest.split(',').find_map(|part| part.trim().strip_prefix("score_date:")).unwrap_or_default();
            date = day.replace("+0000", "Z");
            continue;
        }
        let mut parts = text.trim().split(',');
        let (Some(cve), Some(probability), Some(percentile)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
        if let (Some(probability), Some(percentile)) = (number(probability), number(percentile)) {
            take(cve, Epss { probability, percentile })?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_end_end() {
        let check = |text: &str, expected: bool| {
            let mut source = ShortStrings { source: text.as_bytes(), within: None, is_escaped: false };
            assert_eq!(source.read_to_end(&mut Vec::new()).is_ok(), expected);
        };
        let long = "x".repeat(MAX_STRING);
        check(&format!("{long}\"{long}\"{long}"), true);
        check(&format!("\"{long}x\""), false);
        check(&format!("[\"\\\\\",{long},\"\\\"{long}\"]"), false);
        check(&format!("[\"\\\\\",{long}{long}]"), true);
    }

    #[test]
    fn what_swells_in_a_list_is_not_kept() {
        let count = |read: &dyn Fn(Take<'_>) -> Result<()>| {
            let mut names = Vec::new();
            read(&mut |ecosystem, name, advisory| {
                names.push(format!("{ecosystem} {name} {}", advisory.id));
                Ok(())
            })
            .map(|()| names)
        };
        // The release behind the packages; more versions and more ids than are read.
        let ids = vec!["\"CVE-1\""; 1000].join(",");
        let versions: Vec<String> = (1..3000).map(|n| format!("\"{n}\":[{ids}]")).collect();
        let packages = format!(
            r#"{{"pkg":{{"name":"a","secfixes":{{{}}}}}}},{{"pkg":{{"name":"b","secfixes":{{"0":["CVE-2"],"1":["CVE-3 CVE-4"],"2":null}}}}}}"#,
            versions.join(",")
        );
        let text = format!(r#"{{"reponame":"main","packages":[{packages}],"distroversion":"v3.20"}}"#);
        let found = count(&|take| secdb(&text.as_bytes().to_vec(), take)).unwrap();
        assert_eq!(found.len(), MAX_VERSIONS * MAX_FIXED + 2);
        assert_eq!(found.last().unwrap(), "Alpine:v3.20 b CVE-4");
        // More releases than are read, and one text that is longer than all.
        let releases: Vec<String> = (0..1000).map(|n| format!("\"x{n}\":{{}}")).collect();
        let release = r#""bookworm":{"status":"open"}"#;
        let tracked = |releases: &str, description: &str| {
            format!(r#"{{"a":{{"CVE-1":{{"description":"{description}","releases":{{{releases}}}}}}}}}"#).into_bytes()
        };
        let short = tracked(release, "x");
        assert_eq!(count(&|take| tracker(&short, take)).unwrap(), ["Debian:12 a CVE-1"]);
        let crowd = tracked(&format!("{},{release}", releases.join(",")), "x");
        assert_eq!(count(&|take| tracker(&crowd, take)).unwrap(), Vec::<String>::new());
        let long = tracked(release, &"x".repeat(MAX_STRING + 1));
        assert!(count(&|take| tracker(&long, take)).is_err());
    }
}
