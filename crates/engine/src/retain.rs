//! Retention: which names of images stay on this machine, and why each stays or goes.
//!
//! The rules are those of [`wharfie_oci::retention`]. What a container or a mount uses always stays. What goes can be brought
//! back as after `rmi`.

use std::collections::{BTreeMap, BTreeSet};

use wharfie_oci::retention::{Facts, Occasion, Policy, Reason, Verdict, When};
use wharfie_oci::{ImageId, Reference};
use wharfie_store::Store;
use wharfie_store::journal::{JournalEntry, Kind};
use wharfie_store::trash::Removal;

use crate::engine::Engine;
use crate::error::Result;
use crate::names;
use crate::prune::told;
use crate::remove::Removed;

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

/// What is known of a name.
#[derive(Debug, Clone)]
struct Standing {
    reference: Reference,
    canonical: String,
    image: ImageId,
    made: i64,
    pulled: i64,
    /// What "pulled" was.
    arrival: Occasion,
    used: Option<i64>,
    /// Why it stays whatever the rules say.
    held: Option<String>,
}

/// What the journal tells of uses, and of how images came.
struct Uses {
    /// By the image's id, or the name that was pulled: when last, and how.
    arrivals: BTreeMap<String, (i64, Occasion)>,
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
        let builds: Vec<(i64, i64)> = store
            .builds()?
            .iter()
            .map(|row| (row.started.to_nanos(), row.finished.map_or(i64::MAX, |end| end.to_nanos())))
            .collect();
        let uses = uses(&store.journal(0)?, &builds);
        let mut repositories: BTreeMap<String, Vec<Standing>> = BTreeMap::new();
        for standing in self.standings(store, &uses)? {
            repositories.entry(repository(&standing.reference)).or_default().push(standing);
        }
        let mut retained = Retained::default();
        let mut doomed = Vec::new();
        for (repository, mut tags) in repositories {
            let canonical = tags.first().map(|standing| standing.reference.repository().canonical());
            let names = [repository.as_str(), canonical.as_deref().unwrap_or_default()];
            let Some(policy) = Policy::of(policies, &names) else { continue };
            tags.sort_by(|a, b| (b.made, b.pulled, &b.canonical).cmp(&(a.made, a.pulled, &a.canonical)));
            let verdicts = judge(policy, &tags, uses.since, now);
            for (standing, verdict) in tags.into_iter().zip(verdicts) {
                if verdict == Verdict::Goes {
                    doomed.push((standing.canonical, standing.image.clone()));
                }
                retained.decisions.push(Decision {
                    name: standing.reference.familiar(),
                    image: standing.image,
                    verdict,
                });
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

    fn standings(&self, store: &Store, uses: &Uses) -> Result<Vec<Standing>> {
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
                all.push(Standing {
                    made: image.created.unwrap_or_default(),
                    pulled: image.tagged_at.map_or(0, |moment| moment.seconds),
                    arrival: uses.arrival(&reference, &image.id),
                    used: uses.of(&reference, &image.id),
                    held: user.map(|by| format!("{by} uses it")),
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

/// `builds` are when builds began and ended, in nanoseconds.
fn uses(journal: &[JournalEntry], builds: &[(i64, i64)]) -> Uses {
    let mut by_word = BTreeMap::new();
    let mut arrivals = BTreeMap::new();
    for entry in journal.iter().filter(|entry| entry.note.kind == Kind::Image) {
        let how = match entry.note.action.as_str() {
            "pull" => Occasion::Pulled,
            "load" | "import" => Occasion::Loaded,
            // A build names what it made while it goes on.
            "tag" if builds.iter().any(|(from, to)| (*from..=*to).contains(&entry.time)) => Occasion::Built,
            "tag" => Occasion::Tagged,
            _ => continue,
        };
        arrivals.insert(entry.note.object.clone(), (entry.time, how));
    }
    for entry in journal.iter().filter(|entry| entry.note.kind == Kind::Container) {
        if let (Some(image), "create" | "start") = (entry.note.attributes.get("image"), entry.note.action.as_str()) {
            by_word.insert(image.clone(), seconds(entry.time));
        }
    }
    // What was before the first entry that is left was forgotten, unless there is nothing before it.
    let since = journal.first().filter(|entry| entry.sequence > 1).map_or(i64::MIN, |entry| seconds(entry.time));
    Uses { arrivals, by_word, since }
}

fn seconds(nanos: i64) -> i64 {
    nanos.div_euclid(1_000_000_000)
}

impl Uses {
    /// How an image came here last; pulled, if nobody remembers.
    fn arrival(&self, reference: &Reference, id: &ImageId) -> Occasion {
        let by_name = self.arrivals.get(&reference.familiar());
        let found = self.arrivals.get(id.as_str()).into_iter().chain(by_name).max_by_key(|(time, _)| *time);
        found.map_or(Occasion::Pulled, |(_, how)| *how)
    }

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

/// Judges all tags of a repository, the newest first.
fn judge(policy: &Policy, tags: &[Standing], since: i64, now: i64) -> Vec<Verdict> {
    let times: Vec<_> = tags.iter().map(|standing| standing.times(since)).collect();
    let facts = tags.iter().zip(&times).map(|(standing, times)| Facts {
        tag: standing.reference.tag().unwrap_or_default(),
        held: standing.held.as_deref(),
        times,
    });
    let mut verdicts = policy.judge(facts, now);
    for (standing, verdict) in tags.iter().zip(&mut verdicts) {
        if let Verdict::Stays(Reason::Within(occasion @ Occasion::Pulled, _)) = verdict {
            *occasion = standing.arrival;
        }
    }
    verdicts
}

impl Standing {
    /// `since` is when the journal begins.
    fn times(&self, since: i64) -> [(Occasion, When); 2] {
        let used = self.used.map_or(When::NotSince(since), When::At);
        [(Occasion::Pulled, When::At(self.pulled)), (Occasion::Used, used)]
    }
}

#[cfg(test)]
mod tests {
    use wharfie_oci::Digest;
    use wharfie_oci::pattern::Pattern;
    use wharfie_oci::retention::Keep;

    use super::*;

    #[test]
    fn what_a_container_uses_stays_and_times_count() {
        let standing = |name: &str, pulled, used| {
            let reference: Reference = name.parse().unwrap();
            let image = ImageId::new(Digest::of(name.as_bytes()));
            Standing {
                canonical: reference.canonical(),
                reference,
                image,
                made: 0,
                pulled,
                arrival: Occasion::Pulled,
                used,
                held: None,
            }
        };
        let mut held = standing("web:9", 1, None);
        held.held = Some("container one uses it".to_owned());
        let mut built = standing("web:0", 99_900, None);
        built.arrival = Occasion::Built;
        let tags = [
            standing("web:3", 99_500, None),
            standing("web:2", 1000, Some(99_990)),
            standing("web:1", 1000, None),
            held,
            built,
        ];
        let within = vec![(Occasion::Pulled, 600), (Occasion::Used, 60)];
        let keep = vec![Keep { within, ..Keep::default() }];
        let policy = Policy { repositories: vec![Pattern::new("**")], keep };
        let told =
            |since| -> Vec<String> { judge(&policy, &tags, since, 100_000).iter().map(ToString::to_string).collect() };
        let (pulled, used, held) = ("stays: pulled 8 min ago", "stays: used 10 s ago", "stays: container one uses it");
        assert_eq!(
            told(i64::MIN),
            [pulled, used, "goes: nothing in the policy keeps it", held, "stays: built 100 s ago"]
        );
        assert_eq!(told(99_970)[2], "stays: what was used is only known for 30 s");
    }
}
