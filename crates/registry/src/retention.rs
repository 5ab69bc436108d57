//! Which tags stay: policies, and why each tag stays or goes. Pure decisions; `gc.rs` carries them out.

use std::fmt;

use wharfie_oci::Digest;

use wharfie_oci::pattern::Pattern;

/// What is kept of the repositories that it is about. The first policy that is about a repository decides; without one,
/// every tag stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Which repositories.
    pub repositories: Vec<Pattern>,
    /// Reasons to keep a tag: one is enough. Without any of them a tag goes.
    pub keep: Vec<Keep>,
}

/// A reason to keep tags.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keep {
    /// Which tags; all of them if there is no pattern.
    pub tags: Vec<Pattern>,
    /// The last so many of these that were pushed.
    pub last: Option<usize>,
    /// Those that were pushed within so many seconds.
    pub pushed_within: Option<i64>,
    /// Those that were pulled within so many seconds.
    pub pulled_within: Option<i64>,
}

/// Tags that stand for one manifest for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Immutable {
    /// Of which repositories.
    pub repositories: Vec<Pattern>,
    /// Which tags; all of them if there is no pattern.
    pub tags: Vec<Pattern>,
}

impl Immutable {
    pub(crate) fn is_about(&self, repository: &str, tag: &str) -> bool {
        self.repositories.iter().any(|pattern| pattern.is_match(repository))
            && (self.tags.is_empty() || self.tags.iter().any(|pattern| pattern.is_match(tag)))
    }
}

/// What is known of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) tag: String,
    pub(crate) digest: Digest,
    pub(crate) pushed: i64,
    pub(crate) pulled: Option<i64>,
    pub(crate) is_immutable: bool,
}

/// Whether a tag stays, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A reason of the policy keeps it.
    Stays(Reason),
    /// No reason does.
    Goes,
}

/// Why a tag stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The tag is immutable.
    Immutable,
    /// The policy keeps all tags of such names.
    Name,
    /// One of the last pushed: which one, and of how many.
    Last(usize, usize),
    /// Pushed so many seconds ago.
    Pushed(i64),
    /// Pulled so many seconds ago.
    Pulled(i64),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stays(Reason::Immutable) => f.write_str("stays: it is immutable"),
            Self::Stays(Reason::Name) => f.write_str("stays: the policy keeps tags of this name"),
            Self::Stays(Reason::Last(which, of)) => write!(f, "stays: number {which} of the last {of} pushed"),
            Self::Stays(Reason::Pushed(ago)) => write!(f, "stays: pushed {} ago", Ago(*ago)),
            Self::Stays(Reason::Pulled(ago)) => write!(f, "stays: pulled {} ago", Ago(*ago)),
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

impl Policy {
    /// The policy for a repository.
    pub(crate) fn of<'a>(policies: &'a [Self], repository: &str) -> Option<&'a Self> {
        policies.iter().find(|policy| policy.repositories.iter().any(|pattern| pattern.is_match(repository)))
    }

    /// Judges all tags of a repository, in their order.
    pub(crate) fn judge(&self, tags: &[Facts], now: i64) -> Vec<Verdict> {
        let first = |facts: &Facts| match facts.is_immutable {
            true => Verdict::Stays(Reason::Immutable),
            false => Verdict::Goes,
        };
        let mut verdicts: Vec<Verdict> = tags.iter().map(first).collect();
        for keep in &self.keep {
            keep.judge(tags, now, &mut verdicts);
        }
        verdicts
    }
}

impl Keep {
    fn judge(&self, tags: &[Facts], now: i64, verdicts: &mut [Verdict]) {
        let is_named = |tag: &str| self.tags.is_empty() || self.tags.iter().any(|pattern| pattern.is_match(tag));
        let mut named: Vec<usize> = (0..tags.len()).filter(|at| is_named(&tags[*at].tag)).collect();
        // The youngest first; of those that were pushed together, the later name.
        named.sort_by(|a, b| (tags[*b].pushed, &tags[*b].tag).cmp(&(tags[*a].pushed, &tags[*a].tag)));
        for (rank, at) in named.into_iter().enumerate() {
            let Facts { pushed, pulled, .. } = &tags[at];
            let pulled_ago = pulled.map(|pulled| now.saturating_sub(pulled));
            let pushed_ago = now.saturating_sub(*pushed);
            let reason = match (self.last, self.pushed_within, self.pulled_within) {
                (None, None, None) => Some(Reason::Name),
                (Some(last), _, _) if rank < last => Some(Reason::Last(rank + 1, last)),
                (_, Some(within), _) if pushed_ago <= within => Some(Reason::Pushed(pushed_ago)),
                (_, _, Some(within)) => pulled_ago.filter(|ago| *ago <= within).map(Reason::Pulled),
                _ => None,
            };
            if let (Verdict::Goes, Some(reason)) = (&verdicts[at], reason) {
                verdicts[at] = Verdict::Stays(reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(tag: &str, pushed: i64, pulled: Option<i64>) -> Facts {
        Facts { tag: tag.to_owned(), digest: Digest::of(tag.as_bytes()), pushed, pulled, is_immutable: false }
    }

    fn kept(policy: &Policy, tags: &[Facts]) -> Vec<String> {
        let verdicts = policy.judge(tags, 1000);
        tags.iter().zip(verdicts).filter(|(_, v)| *v != Verdict::Goes).map(|(facts, _)| facts.tag.clone()).collect()
    }

    fn policy(keep: Vec<Keep>) -> Policy {
        Policy { repositories: vec![Pattern::new("**")], keep }
    }

    #[test]
    fn one_reason_is_enough() {
        let tags = [
            facts("1.0", 100, None),
            facts("1.1", 200, Some(990)),
            facts("1.2", 300, None),
            facts("dev-1", 950, None),
            facts("dev-2", 10, None),
            facts("latest", 5, None),
        ];
        let named = |pattern: &str| Keep { tags: vec![Pattern::new(pattern)], ..Keep::default() };
        assert_eq!(kept(&policy(vec![named("latest")]), &tags), ["latest"]);
        let last = Keep { last: Some(1), ..named("1.*") };
        assert_eq!(kept(&policy(vec![last, named("latest")]), &tags), ["1.2", "latest"]);
        let recent = Keep { pushed_within: Some(100), pulled_within: Some(100), ..Keep::default() };
        assert_eq!(kept(&policy(vec![recent]), &tags), ["1.1", "dev-1"]);
        let either = Keep { last: Some(2), pulled_within: Some(20), ..Keep::default() };
        assert_eq!(kept(&policy(vec![either]), &tags), ["1.1", "1.2", "dev-1"]);
        assert!(kept(&policy(Vec::new()), &tags).is_empty());
        assert!(kept(&policy(vec![Keep { last: Some(0), ..Keep::default() }]), &tags).is_empty());
    }

    #[test]
    fn verdicts_say_why() {
        let tags = [facts("a", 1, Some(400)), facts("b", 2, None)];
        let keep = Keep { last: Some(1), pulled_within: Some(10_000), ..Keep::default() };
        let told: Vec<String> = policy(vec![keep]).judge(&tags, 1000).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["stays: pulled 10 min ago", "stays: number 1 of the last 1 pushed"]);
        assert_eq!(Verdict::Goes.to_string(), "goes: nothing in the policy keeps it");
    }

    #[test]
    fn the_first_policy_decides() {
        let policies = [
            Policy { repositories: vec![Pattern::new("a/*")], keep: Vec::new() },
            Policy { repositories: vec![Pattern::new("**")], keep: vec![Keep::default()] },
        ];
        assert_eq!(Policy::of(&policies, "a/b"), Some(&policies[0]));
        assert_eq!(Policy::of(&policies, "b"), Some(&policies[1]));
        assert_eq!(Policy::of(&policies[..1], "b"), None);
    }
}
