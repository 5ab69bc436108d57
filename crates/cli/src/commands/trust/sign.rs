//! `trust sign`, and what `push` does under content trust.

use wharfie_content::Observer;
use wharfie_engine::push::Push;
use wharfie_engine::trust::{ADMIN, Next, PrivateKey, Sign, Signing, TrustError};
use wharfie_engine::{Engine, Error};
use wharfie_oci::{Digest, Reference, Repository};

use super::passphrase::{self, Asked};
use crate::commands::{PROGRESS, Run, style};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Complete, Example, Matches, Switch};

const LOCAL: Switch = Switch::new("local", "Sign a locally tagged image, and push nothing");

/// `PROG trust sign`.
pub(super) static COMMAND: Command<Run> = Command {
    about: "Sign an image",
    usage: "IMAGE:TAG",
    arity: Arity::Exact(1),
    flags: &[LOCAL.flag(), PROGRESS.flag()],
    examples: &[
        Example { text: "Push an image with its signature", command: "trust sign registry.example/team/web:1" },
        Example { text: "Sign without a registry", command: "trust sign --local web:1" },
    ],
    complete: Complete::Images,
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let typed = &matches.args()[0];
    let reference: Reference = typed.parse().map_err(Error::from)?;
    if reference.digest().is_some() {
        return Err(Error::from(TrustError::DigestReference).into());
    }
    if reference.tag().is_none() {
        return Err(Error::from(TrustError::NoTag(typed.clone())).into());
    }
    check_passphrases(cx, reference.repository())?;
    let engine = cx.engine()?;
    let is_local = matches.get(&LOCAL);
    // Nobody gets a key for an image that there is not.
    let mut digest = match engine.inspect(typed, None) {
        Ok(_) => None,
        Err(why) if is_local => return Err(why.into()),
        Err(_) => Some(engine.remote_digest(&reference)?),
    };
    with_keys(cx, engine, reference.repository(), &|line| cx.line(line), |keys| {
        if is_local {
            cx.warn(&format!("Signing trust data for local image {typed}"));
        } else if digest.is_none() {
            cx.warn(&format!(
                "Signing and pushing trust data for local image {typed}, may overwrite remote trust data"
            ));
            let progress = cx.interruptible_progress(style(matches, cx.is_out_terminal(), false)?);
            digest = push(engine, &reference, &*progress)?;
        }
        sign(engine, &Sign { reference: reference.clone(), digest: digest.clone(), keys, is_local }, typed, &|line| {
            cx.line(line)
        })
    })
}

fn push(engine: &Engine, reference: &Reference, progress: &dyn Observer) -> Result<Option<Digest>> {
    let push = Push { reference: reference.clone(), all_tags: false, platform: None, next: Next::Sign };
    Ok(engine.push(&push, progress)?.into_iter().next().map(|pushed| pushed.digest))
}

/// Where lines about signing go.
type Tell<'a> = &'a dyn Fn(&str) -> Result;

/// Fails if the keys that sign for a repository cannot be opened, since nobody is there to ask. Whoever may not sign at all is told
/// so when it comes to that.
///
/// # Errors
/// When there is no terminal, and the environment says nothing.
pub(crate) fn check_passphrases(cx: &Context, repository: &Repository) -> Result {
    match cx.engine()?.signing(repository) {
        Ok(Signing::With(files)) => files.iter().try_for_each(|(signer, _)| passphrase::check(cx, role(signer))),
        Ok(Signing::Initialise) => passphrase::check(cx, REPOSITORY),
        Err(_) => Ok(()),
    }
}

/// What a signer's key is called when its passphrase is asked for.
fn role(signer: &str) -> &str {
    if signer == ADMIN { REPOSITORY } else { signer }
}

/// Signs what was just pushed, as docker does with content trust turned on.
///
/// # Errors
/// When nobody here may sign, or the registry refuses.
pub(crate) fn sign_pushed(cx: &Context, reference: &Reference, digest: &Digest, tell: Tell<'_>) -> Result {
    let engine = cx.engine()?;
    let typed = reference.familiar();
    with_keys(cx, engine, reference.repository(), tell, |keys| {
        let sign_this = Sign { reference: reference.clone(), digest: Some(digest.clone()), keys, is_local: false };
        sign(engine, &sign_this, &typed, tell)
    })
}

fn sign(engine: &Engine, sign: &Sign<'_>, typed: &str, tell: Tell<'_>) -> Result {
    if !sign.is_local {
        tell(&format!("Signing and pushing trust metadata for {typed}"))?;
    }
    let name = sign.reference.canonical();
    let signed = engine.sign(sign).map_err(|why| {
        let failure = Failure::from(why);
        Failure { text: format!("failed to sign {name}: {}", failure.text), ..failure }
    })?;
    if !signed.before.is_empty() {
        let tag = sign.reference.tag().unwrap_or_default();
        let who = signed.before.join(", ");
        tell(&format!("Existing signatures for tag {tag} digest {} from:\n{who}", signed.digest.hex()))?;
    }
    tell(&format!("Successfully signed {name}"))
}

/// Does `work` with the keys that sign for a repository, opened. One that has nobody yet gets a key of its own, and loses it again
/// if nothing comes of the work.
fn with_keys(
    cx: &Context,
    engine: &Engine,
    repository: &Repository,
    tell: Tell<'_>,
    work: impl FnOnce(&[(String, PrivateKey)]) -> Result,
) -> Result {
    match engine.signing(repository)? {
        Signing::With(files) => {
            let mut keys = Vec::with_capacity(files.len());
            for (signer, file) in files {
                let asked = Asked { role: role(&signer), id: &file.id };
                let key = engine.trust_private_key(&file.path, || passphrase::known(cx, &asked))?;
                keys.push((signer, key));
            }
            work(&keys)
        }
        Signing::Initialise => {
            let key = PrivateKey::generate().map_err(TrustError::from).map_err(Error::from)?;
            let asked = Asked { role: REPOSITORY, id: &key.public().id() };
            let passphrase = passphrase::new(cx, &asked)?;
            let file = engine.keep_trust_key(&key, REPOSITORY, &passphrase)?;
            engine.set_repository_key(repository, &key)?;
            tell(&format!("Finished initializing signed repository for {}", repository.canonical()))?;
            let keys = [(ADMIN.to_owned(), key)];
            work(&keys).inspect_err(|_| {
                // What cannot be undone is there the next time, and is no harm.
                let _ = engine.discard_repository_key(repository, &keys[0].1, &file);
            })
        }
    }
}

/// What a repository's own key is called.
const REPOSITORY: &str = "repository";
