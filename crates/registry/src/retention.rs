//! Which tags stay: what the rules of [`wharfie_oci::retention`] are asked about. `gc.rs` carries out what they say.

use wharfie_oci::Digest;
use wharfie_oci::pattern::Pattern;
use wharfie_oci::retention::{Facts, Occasion, Policy, Verdict, When};

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
pub(crate) struct Standing {
    pub(crate) tag: String,
    pub(crate) digest: Digest,
    /// Seconds since 1970, as all times here.
    pub(crate) pushed: i64,
    pub(crate) pulled: Option<i64>,
    pub(crate) is_immutable: bool,
}

/// Tags, and those among them that are about a manifest of the repository, with that: signatures under cosign's tags live as long as
/// what is signed, and no policy is asked about them. What is about something elsewhere is a tag as any other.
pub(crate) fn apart(
    tags: Vec<Standing>,
    is_here: impl Fn(&Digest) -> bool,
) -> (Vec<Standing>, Vec<(Digest, Standing)>) {
    let (mut others, mut beside) = (Vec::new(), Vec::new());
    for standing in tags {
        match Digest::about(&standing.tag).filter(|subject| !standing.is_immutable && is_here(subject)) {
            Some(subject) => beside.push((subject, standing)),
            None => others.push(standing),
        }
    }
    (others, beside)
}

/// Judges all tags of a repository. The youngest are those that were pushed last; of those that were pushed together, the later
/// name. They come back in the order of their names.
pub(crate) fn judge(policy: &Policy, mut tags: Vec<Standing>, now: i64) -> Vec<(Standing, Verdict)> {
    tags.sort_by(|a, b| (b.pushed, &b.tag).cmp(&(a.pushed, &a.tag)));
    let times: Vec<Vec<(Occasion, When)>> = tags.iter().map(Standing::times).collect();
    let facts = tags.iter().zip(&times).map(|(standing, times)| Facts {
        tag: &standing.tag,
        held: standing.is_immutable.then_some("it is immutable"),
        times,
    });
    let verdicts = policy.judge(facts, now);
    let mut judged: Vec<_> = tags.into_iter().zip(verdicts).collect();
    judged.sort_by(|(a, _), (b, _)| a.tag.cmp(&b.tag));
    judged
}

impl Standing {
    fn times(&self) -> Vec<(Occasion, When)> {
        let pulled = self.pulled.map(|at| (Occasion::Pulled, When::At(at)));
        std::iter::once((Occasion::Pushed, When::At(self.pushed))).chain(pulled).collect()
    }
}

#[cfg(test)]
mod tests {
    use wharfie_oci::retention::Keep;

    use super::*;

    #[test]
    fn the_last_are_those_that_were_pushed_last() {
        let standing = |tag: &str, pushed, pulled| Standing {
            tag: tag.to_owned(),
            digest: Digest::of(tag.as_bytes()),
            pushed,
            pulled,
            is_immutable: tag == "1.0",
        };
        let tags = vec![
            standing("1.0", 100, None),
            standing("1.1", 200, Some(990)),
            standing("1.2", 300, None),
            standing("1.3", 300, None),
        ];
        let keep = Keep { last: Some(1), within: vec![(Occasion::Pulled, 20)], ..Keep::default() };
        let policy = Policy { repositories: Vec::new(), keep: vec![keep] };
        let told: Vec<String> =
            judge(&policy, tags, 1000).iter().map(|(tag, verdict)| format!("{} {verdict}", tag.tag)).collect();
        assert_eq!(
            told,
            [
                "1.0 stays: it is immutable",
                "1.1 stays: pulled 10 s ago",
                "1.2 goes: nothing in the policy keeps it",
                "1.3 stays: number 1 of the last 1"
            ]
        );
    }
}
