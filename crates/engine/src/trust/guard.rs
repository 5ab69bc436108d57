//! The guard: what has to be signed, asked before anything of an image is fetched or run. Whatever is not proven is refused.

use std::path::{Path, PathBuf};

use wharfie_content::event::Event;
use wharfie_content::{Observer, Warning};
use wharfie_oci::{Descriptor, Digest, ImageId, Reference};
use wharfie_remote::RepositoryClient;
use wharfie_trust::containers::{ContainersPolicy, Requirement, SigstoreSigned};
use wharfie_trust::policy::Refusal;
use wharfie_trust::{Mode, Policy, PublicKey, Rule, Wanted};

use super::evidence::{self, Evidence, short};
use super::{Demand, TrustError, keys, policy};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// What a name stands for on its registry, by the word of those who have to be believed.
#[derive(Debug, Clone)]
pub struct Trusted {
    pub(crate) found: Descriptor,
    pub(super) evidence: Evidence,
}

impl Trusted {
    /// The digest of the manifest or index.
    pub fn digest(&self) -> &Digest {
        &self.found.digest
    }
}

/// What becomes of an image that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Next {
    /// It stays as it is.
    #[default]
    Nothing,
    /// It is signed.
    Sign,
}

/// One thing that has to be so.
enum Guard {
    Rule { policy: Policy, rule: Rule, is_enforced: bool },
    Signed { path: PathBuf, signed: Box<SigstoreSigned>, keys: Vec<PublicKey> },
    Never { path: PathBuf, why: &'static str },
}

impl Engine {
    /// Looks whether a name needs signatures, and finds and judges them on its registry. `None` if it needs none. No layer is
    /// fetched.
    ///
    /// # Errors
    /// When what the name stands for is not signed as it must be, or the registry cannot be asked.
    pub fn trusted(&self, reference: &Reference, observer: &dyn Observer) -> Result<Option<Trusted>> {
        self.trusted_by(self.demand(), reference, observer)
    }

    /// As [`Self::trusted`], of what goes elsewhere or gets another name, and is not used now: policies are asked alone. Whoever asks
    /// for signatures of all that is used is asked for them when it is.
    ///
    /// # Errors
    /// As [`Self::trusted`].
    pub fn trusted_source(&self, reference: &Reference, observer: &dyn Observer) -> Result<Option<Trusted>> {
        let demand = if self.demand() == Demand::Never { Demand::Never } else { Demand::ByPolicy };
        self.trusted_by(demand, reference, observer)
    }

    fn demand(&self) -> Demand {
        self.trust.as_ref().map_or(Demand::Never, |settings| settings.demand)
    }

    fn trusted_by(&self, demand: Demand, reference: &Reference, observer: &dyn Observer) -> Result<Option<Trusted>> {
        let reference = reference.clone().without_redundant_tag().or_latest();
        self.tell_of_open_directory(observer);
        let guards = self.guards_by(demand, &reference)?;
        if guards.is_empty() {
            return Ok(None);
        }
        let client = self.remote().repository(reference.repository());
        let found = client
            .resolve(&asked(&reference))
            .map_err(|source| Error::Pull { reference: reference.familiar(), source })?;
        let known = evidence::local(self.reader()?, &found.digest)?;
        let wanted = Wanted { digest: &found.digest, reference: &reference };
        let is_enough = judge(&guards, &known, &wanted, &()).is_ok() && !guards.iter().any(Guard::is_lenient);
        let evidence = if is_enough { known } else { known.and(evidence::remote(&client, &found.digest)?) };
        judge(&guards, &evidence, &wanted, observer)?;
        Ok(Some(Trusted { found, evidence }))
    }

    /// As [`Self::trusted`], of what a name stands for in the store, by signatures in the store: nothing is asked of anybody.
    ///
    /// `image` is what is about to be used.
    ///
    /// # Errors
    /// When it is not signed as it must be, or the name stands for another image by now.
    pub(crate) fn check_local_trust(
        &self,
        reference: &Reference,
        image: &ImageId,
        observer: &dyn Observer,
    ) -> Result<()> {
        let guards = self.guards(reference)?;
        if guards.is_empty() {
            return Ok(());
        }
        let store = self.reader()?;
        let moved = || Error::NoSuchImage(reference.familiar());
        let digest = store.target(&reference.canonical())?.ok_or_else(moved)?;
        if !store.variants(&digest)?.iter().any(|variant| variant.image == *image) {
            return Err(moved());
        }
        let wanted = Wanted { digest: &digest, reference };
        judge(&guards, &evidence::local(store, &digest)?, &wanted, observer)
    }

    /// Asks before anything goes out whether it is signed as a policy wants it of this name: in the store, or on the registry already.
    /// Podman's policy is about what comes, and has no say.
    ///
    /// `next` is what the caller does once it is there: who signs it needs a key, and nothing else.
    ///
    /// # Errors
    /// When it is not signed as it must be, or there is no key.
    pub(crate) fn check_outgoing(
        &self,
        reference: &Reference,
        digest: &Digest,
        next: Next,
        observer: &dyn Observer,
    ) -> Result<()> {
        let Some(guard) = self.rule_for(self.demand(), reference)? else { return Ok(()) };
        if next == Next::Sign {
            self.signing(reference.repository())?;
            return Ok(());
        }
        let wanted = Wanted { digest, reference };
        let guards = [guard];
        let known = evidence::local(self.reader()?, digest)?;
        if judge(&guards, &known, &wanted, &()).is_ok() && !guards[0].is_lenient() {
            return Ok(());
        }
        let client = self.remote().repository(reference.repository());
        // Who cannot be asked has none.
        let evidence = known.and(evidence::remote(&client, digest).unwrap_or_default());
        judge(&guards, &evidence, &wanted, observer)
    }

    /// Keeps the signatures that were found with what they are about, which is here now. Returns how many documents came by that.
    pub(crate) fn keep_trusted(&self, client: &RepositoryClient, trusted: &Trusted) -> Result<usize> {
        self.keep_evidence(client, &trusted.found.digest, &trusted.evidence)
    }

    /// True if something has to be signed before images of this name are taken.
    pub(crate) fn needs_signatures(&self, reference: &Reference) -> Result<bool> {
        Ok(!self.guards(&reference.clone().without_redundant_tag().or_latest())?.is_empty())
    }

    /// Of the names of an image those that need signatures, also where a digest is asked for that needs none: whoever names content
    /// knows what it is, and not what others say of it.
    pub(crate) fn wanting<'a>(&self, names: impl IntoIterator<Item = &'a Reference>) -> Result<Vec<Reference>> {
        let mut wanting = Vec::new();
        for name in names {
            if self.needs_signatures(name)? || self.needs_signatures(&undigested(name)?)? {
                wanting.push(name.clone());
            }
        }
        Ok(wanting)
    }

    /// True if there are names that need signatures: what has none may have come by one of them.
    pub(crate) fn wants_any(&self) -> Result<bool> {
        let Some(settings) = &self.trust else { return Ok(false) };
        let by_policy = match settings.demand {
            Demand::Never => false,
            Demand::Always => true,
            Demand::ByPolicy => {
                let policy = self.trust_policy()?;
                policy.rules().any(|(_, rule)| matches!(rule.mode, Mode::Enforce | Mode::Warn))
            }
        };
        Ok(by_policy || settings.containers_policy.is_some())
    }

    /// True if all who have a say about `reference` have what they want signed of `digest`, those that only tell too: by signatures
    /// in the store, and with `client` on its registry. Whatever cannot be found out is not proven.
    pub(crate) fn is_proven(
        &self,
        reference: &Reference,
        digest: &Digest,
        client: Option<&RepositoryClient>,
    ) -> Result<bool> {
        let reference = reference.clone().without_redundant_tag().or_latest();
        let mut guards = self.guards(&reference)?;
        guards.extend(self.guards(&undigested(&reference)?)?);
        for guard in &mut guards {
            if let Guard::Rule { is_enforced, .. } = guard {
                *is_enforced = true;
            }
        }
        if guards.is_empty() {
            return Ok(false);
        }
        let wanted = Wanted { digest, reference: &reference };
        let known = evidence::local(self.reader()?, digest)?;
        let is_enough = |evidence: &Evidence| judge(&guards, evidence, &wanted, &()).is_ok();
        Ok(is_enough(&known)
            || client
                .and_then(|client| evidence::remote(client, digest).ok())
                .is_some_and(|there| is_enough(&known.and(there))))
    }

    /// What has to be so for a name.
    fn guards(&self, reference: &Reference) -> Result<Vec<Guard>> {
        self.guards_by(self.demand(), reference)
    }

    fn guards_by(&self, demand: Demand, reference: &Reference) -> Result<Vec<Guard>> {
        let mut guards: Vec<Guard> = self.rule_for(demand, reference)?.into_iter().collect();
        if let Some(path) = self.trust.as_ref().and_then(|settings| settings.containers_policy.as_ref()) {
            guards.extend(containers(path, reference)?);
        }
        Ok(guards)
    }

    /// What our own policy wants of a name.
    fn rule_for(&self, demand: Demand, reference: &Reference) -> Result<Option<Guard>> {
        if demand == Demand::Never {
            return Ok(None);
        }
        let policy = self.trust_policy()?;
        let rule = policy.rule(reference.repository()).cloned();
        let mode = rule.as_ref().map(|rule| rule.mode);
        let is_enforced = match (mode, demand) {
            (Some(Mode::Enforce), _) => true,
            (Some(Mode::Off), _) => return Ok(None),
            // As docker has it: whoever names content needs nobody's word for it.
            (_, Demand::Always) if reference.digest().is_none() => true,
            (_, Demand::Always) => return Ok(None),
            (Some(Mode::Warn), _) => false,
            _ => return Ok(None),
        };
        Ok(Some(Guard::Rule { policy, rule: self.with_roots(rule.unwrap_or_default())?, is_enforced }))
    }
}

/// What podman's policy wants.
fn containers(path: &Path, reference: &Reference) -> Result<Vec<Guard>> {
    let unreadable = |source| Error::from(TrustError::File { path: path.to_owned(), source });
    let missing = || TrustError::NoContainersPolicy(path.to_owned());
    let bytes = policy::read(path)?.ok_or_else(missing)?;
    let policy = ContainersPolicy::parse(&bytes).map_err(unreadable)?;
    let requirements = policy.requirements(reference);
    let never = |why| Guard::Never { path: path.to_owned(), why };
    let mut guards = Vec::new();
    for requirement in requirements {
        match requirement {
            Requirement::InsecureAcceptAnything => {}
            Requirement::Reject => guards.push(never("nothing of it is taken")),
            Requirement::Unknown => guards.push(never("it asks for signatures of a kind that wharfie does not verify")),
            Requirement::SigstoreSigned(signed) => {
                let file = |path: &str| keys::public(path.as_ref()).map(|key| key.to_pem()).map_err(Failed::Other);
                let keys = signed.keys(file).map_err(|why| match why {
                    Failed::Other(why) => why,
                    Failed::Policy(source) => unreadable(source),
                })?;
                guards.push(Guard::Signed { path: path.to_owned(), signed: Box::new(signed.clone()), keys });
            }
        }
    }
    if requirements.is_empty() {
        guards.push(never("it says nothing about it"));
    }
    Ok(guards)
}

enum Failed {
    Policy(wharfie_trust::Error),
    Other(Error),
}

impl From<wharfie_trust::Error> for Failed {
    fn from(why: wharfie_trust::Error) -> Self {
        Self::Policy(why)
    }
}

impl Guard {
    /// True for one that only tells.
    fn is_lenient(&self) -> bool {
        matches!(self, Self::Rule { is_enforced: false, .. })
    }
}

/// What a registry is asked for by this name.
pub(crate) fn asked(reference: &Reference) -> String {
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or_default().to_owned(),
    }
}

/// The repository with a tag alone: rules that leave out names with digests hold for this one.
fn undigested(reference: &Reference) -> Result<Reference> {
    let repository = reference.repository().clone();
    Ok(Reference::tagged(repository, reference.tag().unwrap_or("latest"))?)
}

fn judge(guards: &[Guard], evidence: &Evidence, wanted: &Wanted<'_>, observer: &dyn Observer) -> Result<()> {
    let signatures = evidence.signatures();
    let tag = || match wanted.reference.tag() {
        Some(tag) if wanted.reference.digest().is_none() => tag.to_owned(),
        _ => wanted.reference.familiar(),
    };
    for guard in guards {
        match guard {
            Guard::Rule { policy, rule, is_enforced } => {
                let Err(why) = policy.judge(rule, &signatures, wanted) else { continue };
                let why = match (why, evidence.note()) {
                    (Refusal::Unsigned, None) => TrustError::NoData { tag: tag() },
                    (Refusal::Unsigned, Some(note)) => TrustError::Untrusted { tag: tag(), why: note.to_owned() },
                    (why, _) => TrustError::Untrusted { tag: tag(), why: short(&why.to_string()) },
                };
                if *is_enforced {
                    return Err(why.into());
                }
                observer.observe(Event::Warned(Warning::Note(format!("WARNING: {why}"))));
            }
            Guard::Signed { path, signed, keys } => {
                let refused = |why: Refusal| TrustError::Rejected {
                    reference: wanted.reference.canonical(),
                    path: path.clone(),
                    why: short(&why.to_string()),
                };
                signed.judge(keys, &signatures, wanted).map_err(refused)?;
            }
            Guard::Never { path, why } => {
                let (reference, path) = (wanted.reference.canonical(), path.clone());
                return Err(TrustError::Rejected { reference, path, why: (*why).to_owned() }.into());
            }
        }
    }
    Ok(())
}
