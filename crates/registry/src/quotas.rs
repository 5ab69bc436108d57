//! How much repositories may keep together.
//!
//! What they keep is measured by going through their blobs, when it is asked for first and from time to time, and counted in
//! between: no number is kept anywhere that two servers would have to agree on.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::key::Folder;
use crate::name::RepositoryName;
use crate::parallel::each;
use crate::refusal::{Code, Refusal};
use crate::router::Registry;
use wharfie_oci::pattern::Pattern;

/// What the blobs of all repositories of some names may take together. A blob counts once for each repository that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Which repositories.
    pub repositories: Vec<Pattern>,
    /// How many bytes.
    pub bytes: u64,
}

impl Quota {
    fn is_about(&self, name: &RepositoryName) -> bool {
        self.repositories.iter().any(|pattern| pattern.is_match(name.as_str()))
    }
}

/// What is known of the quotas' use.
#[derive(Default)]
pub(crate) struct Quotas {
    rules: Vec<Quota>,
    tallies: Mutex<Vec<Option<Tally>>>,
}

#[derive(Clone, Copy)]
struct Tally {
    bytes: u64,
    measured: Instant,
}

/// 10 min: other servers push as well, and collection removes.
const GOOD_FOR: Duration = Duration::from_secs(600);
/// 10 s: nobody is refused because of what was longer ago, and nobody who pushes again and again makes it be measured as often.
const REFUSES_FOR: Duration = Duration::from_secs(10);

impl Quotas {
    pub(crate) fn new(rules: Vec<Quota>) -> Self {
        let tallies = Mutex::new(vec![None; rules.len()]);
        Self { rules, tallies }
    }

    /// A repository has got a blob, or lost one.
    fn count(&self, name: &RepositoryName, change: impl Fn(u64) -> u64) {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        for (rule, tally) in self.rules.iter().zip(tallies.iter_mut()) {
            if let Some(tally) = tally.as_mut().filter(|_| rule.is_about(name)) {
                tally.bytes = change(tally.bytes);
            }
        }
    }
}

impl Registry {
    /// How many bytes a repository may still get, and the answer for more.
    ///
    /// # Errors
    /// When the storage fails.
    pub(crate) async fn quota(&self, name: &RepositoryName) -> Result<u64, Refusal> {
        let mut left = u64::MAX;
        for (at, rule) in self.quotas.rules.iter().enumerate().filter(|(_, rule)| rule.is_about(name)) {
            left = left.min(rule.bytes.saturating_sub(self.used(at, rule, GOOD_FOR).await?));
        }
        Ok(left)
    }

    /// Insists that a repository may get a blob of this size. Whoever would be refused is measured again first.
    ///
    /// # Errors
    /// The answer for whoever has no room.
    pub(crate) async fn insist_on_room(&self, name: &RepositoryName, size: u64) -> Result<(), Refusal> {
        for (at, rule) in self.quotas.rules.iter().enumerate().filter(|(_, rule)| rule.is_about(name)) {
            let fits = |used: u64| used.checked_add(size).is_some_and(|all| all <= rule.bytes);
            if fits(self.used(at, rule, GOOD_FOR).await?) {
                continue;
            }
            let used = self.used(at, rule, REFUSES_FOR).await?;
            if !fits(used) {
                return Err(no_room(rule, used));
            }
        }
        Ok(())
    }

    /// Notes that a repository has got a blob that it did not have.
    pub(crate) fn count_more(&self, name: &RepositoryName, size: u64) {
        self.quotas.count(name, |bytes| bytes.saturating_add(size));
    }

    /// Notes that a repository has lost a blob.
    pub(crate) fn count_less(&self, name: &RepositoryName, size: u64) {
        self.quotas.count(name, |bytes| bytes.saturating_sub(size));
    }

    /// True if it matters how much a repository has.
    pub(crate) fn is_limited(&self, name: &RepositoryName) -> bool {
        self.quotas.rules.iter().any(|rule| rule.is_about(name))
    }

    async fn used(&self, at: usize, rule: &Quota, good_for: Duration) -> Result<u64, Refusal> {
        let known = self.quotas.tallies.lock().unwrap_or_else(PoisonError::into_inner)[at];
        if let Some(tally) = known.filter(|tally| tally.measured.elapsed() < good_for) {
            return Ok(tally.bytes);
        }
        let mut bytes = 0_u64;
        for flat in self.all(&Folder::repositories()).await? {
            let Some(name) = RepositoryName::from_flat(&flat).filter(|name| rule.is_about(name)) else { continue };
            let digests = self.all(&Folder::links(&name)).await?.into_iter().filter_map(|text| text.parse().ok());
            let links = each(digests, |digest| {
                let name = &name;
                async move { self.link(name, &digest).await }
            });
            for link in links.await?.into_iter().flatten() {
                bytes = bytes.saturating_add(link.size);
            }
        }
        let tally = Tally { bytes, measured: Instant::now() };
        self.quotas.tallies.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(tally);
        Ok(bytes)
    }
}

fn no_room(rule: &Quota, used: u64) -> Refusal {
    Refusal::new(Code::Denied, "the quota is used up: delete tags that nobody needs, and wait until they are collected")
        .with_detail(serde_json::json!({ "quota": rule.bytes, "used": used }))
}
