//! Retention: which names of images stay on this machine, and why each stays or goes.
//!
//! The registry's policies use the same words ([retention] there): the first policy that is about a repository decides, one
//! reason to keep a name is enough, and without a policy everything stays. What a container or a mount uses always stays.
//! What goes can be brought back as after `rmi`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use wharfie_oci::pattern::Pattern;
use wharfie_oci::{ImageId, Reference};
use wharfie_store::Store;
use wharfie_store::journal::{JournalEntry, Kind};
use wharfie_store::trash::Removal;

use crate::engine::Engine;
use crate::error::Result;
use crate::names;
use crate::prune::told;
use crate::remove::Removed;

/// What is kept of the repositories that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which repositories, as `images` shows them.
    pub repositories: Vec<Pattern>,
    /// Reasons to keep a name: one is enough. Without any of them it goes.
    pub keep: Vec<Keep>,
}

/// A reason to keep names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keep {
    /// Which tags; all of them if there is no pattern.
    pub tags: Vec<Pattern>,
    /// The newest so many of these, by when their images were made.
    pub last: Option<usize>,
    /// Those that came here within so many seconds: pulled, built, loaded or tagged.
    pub pulled_within: Option<i64>,
    /// Those from which a container was made or started within so many seconds.
    pub used_within: Option<i64>,
}

/// What retention came to.
#[derive(Debug, Default)]
pub struct Retained {
    /// Every name that a policy is about, by repository, the newest first.
    pub decisions: Vec<Decision>,
    /// What went.
    pub removed: Vec<Removed>,
    /// Names that were to go, and were put to use or to another image in that moment.
    pub spared: Vec<String>,
}

/// What is done with a name, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The name as users write it.
    pub name: String,
    /// Its image.
    pub image: ImageId,
    /// Whether it stays.
    pub verdict: Verdict,
}

/// Whether a name stays, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A reason keeps it.
    Stays(Reason),
    /// No reason does.
    Goes,
}

/// Why a name stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A container was made from it, or it is mounted.
    InUse(String),
    /// The policy keeps all tags of such names.
    Name,
    /// One of the newest: which one, and of how many.
    Last(usize, usize),
    /// It came so many seconds ago.
    Pulled(i64),
    /// It was used so many seconds ago.
    Used(i64),
    /// What was used is not known for as long as was asked, only for so many seconds.
    Unknown(i64),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stays(Reason::InUse(by)) => write!(f, "stays: {by} uses it"),
            Self::Stays(Reason::Name) => f.write_str("stays: the policy keeps tags of this name"),
            Self::Stays(Reason::Last(which, of)) => write!(f, "stays: number {which} of the last {of}"),
            Self::Stays(Reason::Pulled(ago)) => write!(f, "stays: pulled {} ago", Ago(*ago)),
            Self::Stays(Reason::Used(ago)) => write!(f, "stays: used {} ago", Ago(*ago)),
            Self::Stays(Reason::Unknown(since)) => write!(f, "stays: what was used is only known for {}", Ago(*since)),
            Self::Goes => f.write_str("goes: nothing in the policy keeps it"),
        }
    }
}

/// Seconds as people read them.
struct Ago(i64);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ..120 => write!(f, "{} s", self.0),
            120..7200 => write!(f, "{} min", self.0 / 60),
            7200..172_800 => write!(f, "{} h", self.0 / 3600),
            _ => write!(f, "{} days", self.0 / 86_400),
        }
    }
}

/// What is known of a name.
#[derive(Debug, Clone)]
struct Facts {
    reference: Reference,
    canonical: String,
    image: ImageId,
    made: i64,
    pulled: i64,
    used: Option<i64>,
    in_use: Option<String>,
}

/// What the journal tells of uses.
struct Uses {
    /// By what was typed for the image, when last.
    by_word: BTreeMap<String, i64>,
    /// Since when everything is known.
    since: i64,
}

impl Engine {
    /// Judges all tags that a policy is about, and removes those that go, undoably, with the images that lose their last.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub fn retain(&self, policies: &[Policy]) -> Result<Retained> {
        let store = self.freeing_writer()?;
        let now = (self.config().store.clock)().seconds;
        let uses = uses(&store.journal(0)?);
        let mut repositories: BTreeMap<String, Vec<Facts>> = BTreeMap::new();
        for facts in self.facts(store, &uses)? {
            repositories.entry(repository(&facts.reference)).or_default().push(facts);
        }
        let mut retained = Retained::default();
        let mut doomed = Vec::new();
        for (repository, mut tags) in repositories {
            let about = |policy: &&Policy| policy.repositories.iter().any(|pattern| pattern.is_match(&repository));
            let Some(policy) = policies.iter().find(about) else { continue };
            tags.sort_by(|a, b| (b.made, b.pulled, &b.canonical).cmp(&(a.made, a.pulled, &a.canonical)));
            let verdicts = policy.judge(&tags, uses.since, now);
            for (facts, verdict) in tags.into_iter().zip(verdicts) {
                if verdict == Verdict::Goes {
                    doomed.push((facts.canonical, facts.image.clone()));
                }
                retained.decisions.push(Decision { name: facts.reference.familiar(), image: facts.image, verdict });
            }
        }
        let gone = store.remove_names(&doomed, Removal::Undoable, &told)?;
        for (name, _) in gone.names {
            retained.removed.push(Removed::Reference(name.parse()?));
        }
        for (id, removed) in gone.images {
            for name in &removed.names {
                retained.removed.push(Removed::Reference(name.parse()?));
            }
            retained.removed.push(Removed::Image(id));
            retained
                .removed
                .extend(removed.layers.into_iter().map(|(chain_id, bytes)| Removed::Layer(chain_id, bytes)));
        }
        retained.spared = gone.spared;
        store.collect_expired()?;
        Ok(retained)
    }

    fn facts(&self, store: &Store, uses: &Uses) -> Result<Vec<Facts>> {
        let mut in_use: BTreeMap<ImageId, String> = BTreeMap::new();
        for mount in store.mounts()? {
            in_use.insert(mount.image, "a mount".to_owned());
        }
        for row in store.containers()? {
            in_use.insert(row.image, format!("container {}", row.name));
        }
        let mut all = Vec::new();
        for (image, rows) in store.named_images()? {
            for row in rows {
                let reference = names::of_row(&row)?;
                if reference.tag().is_none() {
                    continue;
                }
                let others = match store.target(&row)? {
                    Some(target) => store.variants(&target)?.into_iter().map(|variant| variant.image).collect(),
                    None => BTreeSet::new(),
                };
                let user = std::iter::once(&image.id).chain(&others).find_map(|id| in_use.get(id));
                all.push(Facts {
                    made: image.created.unwrap_or_default(),
                    pulled: image.tagged_at.map_or(0, |moment| moment.seconds),
                    used: uses.of(&reference, &image.id),
                    in_use: user.cloned(),
                    canonical: row,
                    image: image.id.clone(),
                    reference,
                });
            }
        }
        Ok(all)
    }
}

/// As `images` shows it.
fn repository(reference: &Reference) -> String {
    let familiar = reference.familiar();
    let tag = reference.tag().map(|tag| tag.len() + 1).unwrap_or_default();
    familiar[..familiar.len().saturating_sub(tag)].to_owned()
}

fn uses(journal: &[JournalEntry]) -> Uses {
    let mut by_word = BTreeMap::new();
    for entry in journal.iter().filter(|entry| entry.note.kind == Kind::Container) {
        if let (Some(image), "create" | "start") = (entry.note.attributes.get("image"), entry.note.action.as_str()) {
            by_word.insert(image.clone(), seconds(entry.time));
        }
    }
    // What was before the first entry that is left was forgotten, unless there is nothing before it.
    let since = journal.first().filter(|entry| entry.sequence > 1).map_or(i64::MIN, |entry| seconds(entry.time));
    Uses { by_word, since }
}

fn seconds(nanos: i64) -> i64 {
    nanos.div_euclid(1_000_000_000)
}

impl Uses {
    fn of(&self, reference: &Reference, id: &ImageId) -> Option<i64> {
        let is_it = |word: &str| {
            let hex = word.strip_prefix("sha256:").unwrap_or(word);
            let by_name = || word.parse::<Reference>().is_ok_and(|named| named.or_latest() == *reference);
            (hex.len() >= MIN_HEX && id.digest().hex().starts_with(hex)) || by_name()
        };
        self.by_word.iter().filter(|(word, _)| is_it(word)).map(|(_, time)| *time).max()
    }
}

/// 4 digits of an id: fewer are rather a name.
const MIN_HEX: usize = 4;

impl Policy {
    /// Judges all tags of a repository, the newest first.
    fn judge(&self, tags: &[Facts], since: i64, now: i64) -> Vec<Verdict> {
        let first = |facts: &Facts| match &facts.in_use {
            Some(by) => Verdict::Stays(Reason::InUse(by.clone())),
            None => Verdict::Goes,
        };
        let mut verdicts: Vec<Verdict> = tags.iter().map(first).collect();
        for keep in &self.keep {
            keep.judge(tags, since, now, &mut verdicts);
        }
        verdicts
    }
}

impl Keep {
    fn judge(&self, tags: &[Facts], since: i64, now: i64, verdicts: &mut [Verdict]) {
        let is_named = |facts: &Facts| {
            let tag = facts.reference.tag().unwrap_or_default();
            self.tags.is_empty() || self.tags.iter().any(|pattern| pattern.is_match(tag))
        };
        let named = tags.iter().zip(verdicts).filter(|(facts, _)| is_named(facts));
        for (rank, (facts, verdict)) in named.enumerate() {
            let reason = self.reason(facts, rank, since, now);
            if let (Verdict::Goes, Some(reason)) = (&*verdict, reason) {
                *verdict = Verdict::Stays(reason);
            }
        }
    }

    fn reason(&self, facts: &Facts, rank: usize, since: i64, now: i64) -> Option<Reason> {
        if (self.last, self.pulled_within, self.used_within) == (None, None, None) {
            return Some(Reason::Name);
        }
        let ago = |moment: i64| now.saturating_sub(moment);
        if let Some(last) = self.last.filter(|last| rank < *last) {
            return Some(Reason::Last(rank + 1, last));
        }
        if self.pulled_within.is_some_and(|within| ago(facts.pulled) <= within) {
            return Some(Reason::Pulled(ago(facts.pulled)));
        }
        let within = self.used_within?;
        match facts.used.map(ago).filter(|ago| *ago <= within) {
            Some(ago) => Some(Reason::Used(ago)),
            None => (since > now.saturating_sub(within)).then(|| Reason::Unknown(ago(since))),
        }
    }
}

#[cfg(test)]
mod tests {
    use wharfie_oci::Digest;

    use super::*;

    fn facts(name: &str, made: i64, pulled: i64, used: Option<i64>) -> Facts {
        let reference: Reference = name.parse().unwrap();
        let image = ImageId::new(Digest::of(name.as_bytes()));
        Facts { canonical: reference.canonical(), reference, image, made, pulled, used, in_use: None }
    }

    fn told(keep: Vec<Keep>, tags: &[Facts], since: i64) -> Vec<String> {
        let policy = Policy { repositories: vec![Pattern::new("**")], keep };
        policy.judge(tags, since, 100_000).iter().map(ToString::to_string).collect()
    }

    const GOES: &str = "goes: nothing in the policy keeps it";

    #[test]
    fn one_reason_is_enough() {
        let tags = [
            facts("web:3", 30, 1000, None),
            facts("web:2", 20, 99_500, None),
            facts("web:latest", 15, 0, None),
            facts("web:1", 10, 1000, Some(99_990)),
            facts("web:0", 5, 0, None),
        ];
        let keep = vec![
            Keep { last: Some(1), ..Keep::default() },
            Keep { tags: vec![Pattern::new("latest")], ..Keep::default() },
            Keep { pulled_within: Some(600), used_within: Some(60), ..Keep::default() },
        ];
        assert_eq!(
            told(keep, &tags, i64::MIN),
            [
                "stays: number 1 of the last 1",
                "stays: pulled 8 min ago",
                "stays: the policy keeps tags of this name",
                "stays: used 10 s ago",
                GOES
            ]
        );
        assert_eq!(told(Vec::new(), &tags[..1], i64::MIN), [GOES]);
        let mut used = facts("web:9", 1, 1, None);
        used.in_use = Some("container one".to_owned());
        assert_eq!(told(Vec::new(), &[used], i64::MIN), ["stays: container one uses it"]);
    }

    #[test]
    fn the_last_are_counted_among_those_of_the_pattern() {
        let tags = [facts("web:dev", 30, 0, None), facts("web:1.2", 20, 0, None), facts("web:1.1", 10, 0, None)];
        let keep = Keep { tags: vec![Pattern::new("1.*")], last: Some(1), ..Keep::default() };
        assert_eq!(told(vec![keep], &tags, i64::MIN), [GOES, "stays: number 1 of the last 1", GOES]);
    }

    #[test]
    fn what_is_not_known_stays() {
        let tags = [facts("web:1", 1, 1, None), facts("web:0", 1, 1, Some(50_000))];
        let keep = |within| vec![Keep { used_within: Some(within), ..Keep::default() }];
        assert_eq!(told(keep(90_000), &tags, 40_000)[0], "stays: what was used is only known for 16 h");
        assert_eq!(told(keep(90_000), &tags, 40_000)[1], "stays: used 13 h ago");
        assert_eq!(told(keep(20_000), &tags, 40_000), [GOES, GOES]);
    }
}
