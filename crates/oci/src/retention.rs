//! Which tags stay, and why: rules in words that a registry and a machine's images share. Pure decisions; others carry them out.

use std::fmt;

use crate::pattern::Pattern;

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
    /// The newest so many of these.
    pub last: Option<usize>,
    /// Those to which this happened within so many seconds.
    pub within: Vec<(Occasion, i64)>,
}

/// What happens to a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It was given to a manifest.
    Pushed,
    /// It was asked for; of a machine's images: it came there.
    Pulled,
    /// A container was made from its image, or started.
    Used,
    /// How an image came here that nobody pulled: a build made it.
    Built,
    /// The same: it came in an archive.
    Loaded,
    /// The same: it was given a name.
    Tagged,
}

/// What is known of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The tag.
    pub tag: &'a str,
    /// Why it stays whatever the rules say, if it does: "it is immutable".
    pub held: Option<&'a str>,
    /// When something happened last. What is not listed never did.
    pub times: &'a [(Occasion, When)],
}

/// When something happened last, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Then.
    At(i64),
    /// Not since then; what was before is not known.
    NotSince(i64),
}

/// Whether a tag stays, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A reason keeps it.
    Stays(Reason),
    /// No reason does.
    Goes,
}

/// Why a tag stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It stays whatever the rules say.
    Held(String),
    /// The policy keeps all tags of such names.
    Name,
    /// One of the newest: which one, and of how many.
    Last(usize, usize),
    /// This happened so many seconds ago.
    Within(Occasion, i64),
    /// Whether this happened is not known for as long as was asked, only for so many seconds.
    Unknown(Occasion, i64),
}

impl fmt::Display for Occasion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pushed => "pushed",
            Self::Pulled => "pulled",
            Self::Used => "used",
            Self::Built => "built",
            Self::Loaded => "loaded",
            Self::Tagged => "tagged",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stays(Reason::Held(why)) => write!(f, "stays: {why}"),
            Self::Stays(Reason::Name) => f.write_str("stays: the policy keeps tags of this name"),
            Self::Stays(Reason::Last(which, of)) => write!(f, "stays: number {which} of the last {of}"),
            Self::Stays(Reason::Within(occasion, ago)) => write!(f, "stays: {occasion} {} ago", Ago(*ago)),
            Self::Stays(Reason::Unknown(occasion, ago)) => {
                write!(f, "stays: what was {occasion} is only known for {}", Ago(*ago))
            }
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
    /// The policy for a repository, by any of the names that it has.
    pub fn of<'a>(policies: &'a [Self], names: &[&str]) -> Option<&'a Self> {
        let is_about = |pattern: &Pattern| names.iter().any(|name| pattern.is_match(name));
        policies.iter().find(|policy| policy.repositories.iter().any(is_about))
    }

    /// True if it asks when something happened.
    pub fn asks_for(&self, occasion: Occasion) -> bool {
        self.keep.iter().flat_map(|keep| &keep.within).any(|(asked, _)| *asked == occasion)
    }

    /// Judges all tags of a repository, which come the newest first. `now` is in seconds since 1970.
    pub fn judge<'a>(&self, tags: impl IntoIterator<Item = Facts<'a>>, now: i64) -> Vec<Verdict> {
        let mut ranks = vec![0; self.keep.len()];
        tags.into_iter().map(|facts| self.judge_one(&facts, &mut ranks, now)).collect()
    }

    /// `ranks` counts, for each reason, the tags that it was about so far.
    fn judge_one(&self, facts: &Facts<'_>, ranks: &mut [usize], now: i64) -> Verdict {
        let mut kept = facts.held.map(|why| Reason::Held(why.to_owned()));
        for (keep, rank) in self.keep.iter().zip(ranks) {
            if keep.is_about(facts.tag) {
                *rank += 1;
                kept = kept.or_else(|| keep.reason(facts, *rank, now));
            }
        }
        kept.map_or(Verdict::Goes, Verdict::Stays)
    }
}

impl Keep {
    fn is_about(&self, tag: &str) -> bool {
        self.tags.is_empty() || self.tags.iter().any(|pattern| pattern.is_match(tag))
    }

    fn reason(&self, facts: &Facts<'_>, rank: usize, now: i64) -> Option<Reason> {
        if self.last.is_none() && self.within.is_empty() {
            return Some(Reason::Name);
        }
        if let Some(last) = self.last.filter(|last| rank <= *last) {
            return Some(Reason::Last(rank, last));
        }
        self.within.iter().find_map(|(occasion, seconds)| {
            let (_, when) = facts.times.iter().find(|(of, _)| of == occasion)?;
            let ago = |moment: &i64| now.saturating_sub(*moment);
            match when {
                When::At(moment) if ago(moment) <= *seconds => Some(Reason::Within(*occasion, ago(moment))),
                When::NotSince(moment) if ago(moment) < *seconds => Some(Reason::Unknown(*occasion, ago(moment))),
                When::At(_) | When::NotSince(_) => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOES: &str = "goes: nothing in the policy keeps it";

    type Known = (&'static str, Vec<(Occasion, When)>);

    fn pushed(tag: &'static str, at: i64) -> Known {
        (tag, vec![(Occasion::Pushed, When::At(at))])
    }

    fn told(keep: Vec<Keep>, tags: &[Known]) -> Vec<String> {
        let policy = Policy { repositories: vec![Pattern::new("**")], keep };
        let facts = tags.iter().map(|(tag, times)| Facts { tag, held: None, times });
        policy.judge(facts, 100_000).iter().map(ToString::to_string).collect()
    }

    fn named(pattern: &str) -> Keep {
        Keep { tags: vec![Pattern::new(pattern)], ..Keep::default() }
    }

    #[test]
    fn one_reason_is_enough() {
        let tags = [pushed("dev-1", 99_950), pushed("1.2", 300), pushed("1.1", 200), pushed("latest", 5)];
        let name = "stays: the policy keeps tags of this name";
        assert_eq!(told(vec![named("latest")], &tags), [GOES, GOES, GOES, name]);
        let last = Keep { last: Some(1), ..named("1.*") };
        assert_eq!(told(vec![last, named("latest")], &tags), [GOES, "stays: number 1 of the last 1", GOES, name]);
        let recent = Keep { within: vec![(Occasion::Pushed, 100)], ..Keep::default() };
        assert_eq!(told(vec![recent], &tags), ["stays: pushed 50 s ago", GOES, GOES, GOES]);
        assert_eq!(told(Vec::new(), &tags), [GOES; 4]);
        assert_eq!(told(vec![Keep { last: Some(0), ..Keep::default() }], &tags), [GOES; 4]);
    }

    #[test]
    fn of_several_times_one_is_enough() {
        let within = vec![(Occasion::Pushed, 100), (Occasion::Pulled, 4000)];
        let mut tag = pushed("1", 1);
        tag.1.push((Occasion::Pulled, When::At(97_000)));
        assert_eq!(told(vec![Keep { within, ..Keep::default() }], &[tag]), ["stays: pulled 50 min ago"]);
    }

    #[test]
    fn what_is_held_stays_and_counts_among_the_newest() {
        let policy = Policy { repositories: Vec::new(), keep: vec![Keep { last: Some(1), ..Keep::default() }] };
        let tags = ["2", "1"].map(|tag| Facts { tag, held: (tag == "2").then_some("it is immutable"), times: &[] });
        let verdicts = policy.judge(tags, 0);
        assert_eq!(verdicts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["stays: it is immutable", GOES]);
    }

    #[test]
    fn what_is_not_known_stays() {
        let keep = |seconds| vec![Keep { within: vec![(Occasion::Used, seconds)], ..Keep::default() }];
        let tags =
            [("1", vec![(Occasion::Used, When::NotSince(40_000))]), ("0", vec![(Occasion::Used, When::At(50_000))])];
        assert_eq!(told(keep(90_000), &tags), ["stays: what was used is only known for 16 h", "stays: used 13 h ago"]);
        assert_eq!(told(keep(20_000), &tags), [GOES, GOES]);
        let always = [("1", vec![(Occasion::Used, When::NotSince(i64::MIN))])];
        assert_eq!(told(keep(90_000), &always), [GOES]);
    }

    #[test]
    fn the_first_policy_decides() {
        let policies = [
            Policy { repositories: vec![Pattern::new("a/*")], keep: Vec::new() },
            Policy { repositories: vec![Pattern::new("**")], keep: vec![Keep::default()] },
        ];
        assert_eq!(Policy::of(&policies, &["a/b"]), Some(&policies[0]));
        assert_eq!(Policy::of(&policies, &["b"]), Some(&policies[1]));
        assert_eq!(Policy::of(&policies[..1], &["b"]), None);
        assert_eq!(Policy::of(&policies, &["b", "a/b"]), Some(&policies[0]));
    }
}
