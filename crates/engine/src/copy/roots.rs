//! What is to be copied: the documents that a place has under a name.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::Path;

use wharfie_archive::{Layout, oci};
use wharfie_content::{Document, Observer};
use wharfie_oci::{Descriptor, MediaType, Platform, Reference, Repository};
use wharfie_remote::RepositoryClient;
use wharfie_store::Lease;

use super::{Copy, Place};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::load::Load;
use crate::push::to_push;
use crate::{names, outgoing};

/// One image or index that is to be copied.
pub(super) struct Root {
    pub(super) what: What,
    /// Its tag where it comes from.
    pub(super) tag: Option<String>,
    /// Its whole name there, if that is known.
    pub(super) name: Option<Reference>,
}

impl Root {
    /// What the user is told that it is called where it comes from.
    pub(super) fn shown(&self) -> String {
        match &self.what {
            What::Odd { repository, tag } => format!("{}:{tag}", repository.familiar()),
            _ => self.name.as_ref().map(Reference::familiar).or_else(|| self.tag.clone()).unwrap_or_default(),
        }
    }
}

/// How far a root is known.
pub(super) enum What {
    /// Read already, perhaps made here.
    Known(Document),
    /// Listed.
    Listed(Descriptor),
    /// An image without a manifest, as docker's archives have them; its configuration.
    Image(Descriptor),
    /// To be asked for by tag or digest, when its turn comes.
    Asked { client: RepositoryClient, word: String, name: String },
    /// Listed by a registry under a tag that is none.
    Odd { repository: Repository, tag: String },
}

/// What a repository has under `reference`, or under all of its tags but those that clients keep documents about images under.
pub(super) fn in_repository(client: &RepositoryClient, reference: &Reference, all_tags: bool) -> Result<Vec<Root>> {
    let repository = reference.repository();
    let asked = |tag: Option<&str>, word: &str, name: Reference| Root {
        what: What::Asked { client: client.clone(), word: word.to_owned(), name: name.familiar() },
        tag: tag.map(str::to_owned),
        name: Some(name),
    };
    if !all_tags {
        let name = reference.clone().without_redundant_tag().or_latest();
        let word = name.digest().map_or_else(|| name.tag().unwrap_or_default(), |digest| digest.as_str());
        return Ok(vec![asked(reference.clone().or_latest().tag(), word, name.clone())]);
    }
    let tags = client.tags().map_err(|source| Error::Pull { reference: repository.familiar(), source })?;
    let tags = tags.iter().filter(|tag| !crate::trust::is_signature_tag(tag));
    let root = |tag: &String| match Reference::tagged(repository.clone(), tag) {
        Ok(name) => asked(Some(tag), tag, name),
        // It is told when its turn comes, and keeps the others from nothing.
        Err(_) => Root { what: What::Odd { repository: repository.clone(), tag: tag.clone() }, tag: None, name: None },
    };
    Ok(tags.map(root).collect())
}

/// What a layout lists under `name`; the only one if it is not given, or all of them.
pub(super) fn in_layout(layout: &Layout, path: &Path, name: Option<&str>, all: bool) -> Result<Vec<Root>> {
    let mut found: Vec<Root> = Vec::new();
    let mut seen = HashSet::new();
    for member in layout.listed()? {
        let note = |key: &str| member.annotations.as_ref()?.get(key).cloned();
        let whole =
            note(oci::IMAGE_NAME).or_else(|| note(oci::REF_NAME)).and_then(|name| name.parse::<Reference>().ok());
        let named = whole.filter(|name| name.tag().is_some());
        let bare = note(oci::REF_NAME);
        let tag = named.as_ref().and_then(Reference::tag).map(str::to_owned).or_else(|| bare.clone());
        if tag.as_deref().is_some_and(crate::trust::is_signature_tag) {
            continue;
        }
        let is_wanted = name.is_none_or(|wanted| {
            let whole = wanted.parse::<Reference>().ok();
            bare.as_deref() == Some(wanted) || tag.as_deref() == Some(wanted) || (whole.is_some() && whole == named)
        });
        let shown = named.as_ref().map(Reference::canonical);
        if is_wanted && seen.insert((tag.clone(), shown, member.digest.clone())) {
            let descriptor = Descriptor { annotations: None, ..member.clone() };
            found.push(Root { what: What::Listed(descriptor), tag, name: named });
        }
    }
    // Documents about images are not what is meant by "the image".
    if name.is_none() && found.iter().any(|root| root.tag.is_some()) {
        found.retain(|root| root.tag.is_some());
    }
    let shown = |root: &Root| root.name.as_ref().map(Reference::familiar).or(root.tag.clone());
    match found.as_slice() {
        [] => {
            Err(wharfie_archive::Error::NoSuchName { path: path.into(), name: name.unwrap_or_default().to_owned() }
                .into())
        }
        [_, _, ..] if !all => Err(Error::SeveralRoots(found.iter().filter_map(shown).collect())),
        _ => Ok(found),
    }
}

/// What the store has under `name`: as it would be pushed.
pub(super) fn in_store(lease: &Lease<'_>, name: &str, copy: &Copy) -> Result<Vec<Root>> {
    let store = lease.store();
    let one: Option<&Platform> = match copy.platforms.as_slice() {
        [one] => Some(one),
        _ => None,
    };
    let pushed = |reference: Reference| -> Result<Root> {
        let root = to_push(lease, &reference, one)?.root;
        Ok(Root { what: What::Known(root), tag: reference.tag().map(str::to_owned), name: Some(reference) })
    };
    if copy.all_tags {
        let repository: Reference = name.parse()?;
        let prefix = format!("{}:", repository.repository().canonical());
        let rows = store.references_beginning(&prefix)?.into_iter().filter(|row| !row.is_digest);
        let roots = rows.map(|row| pushed(names::reference(&row)?)).collect::<Result<Vec<_>>>()?;
        return match roots.is_empty() {
            true => Err(Error::NothingToPush(repository.repository().familiar())),
            false => Ok(roots),
        };
    }
    let found = names::find_for(store, name, one)?;
    match found.reference.filter(|reference| reference.tag().is_some()) {
        Some(reference) => Ok(vec![pushed(reference)?]),
        None => {
            let document = outgoing::of_image(lease, &found.id, None)?;
            Ok(vec![Root { what: What::Known(document), tag: None, name: None }])
        }
    }
}

impl Engine {
    /// The image of an archive, which is in the store now, under `lease` alone.
    pub(super) fn root_in_archive(
        &self,
        path: &Path,
        chosen: Option<&str>,
        copy: &Copy,
        lease: &Lease<'_>,
        observer: &dyn Observer,
    ) -> Result<Root> {
        let failed = |source| Error::File { doing: "open", path: path.into(), source };
        let mut file = File::open(path).map_err(failed)?;
        let is_whole = copy.platforms.is_empty() && !matches!(copy.to, Place::Store(_));
        let load = Load { platforms: copy.platforms.clone(), is_whole };
        let (copied, names) = self.hold_named_archive(&load, &mut file, chosen, lease, observer)?;
        let reference = |name: &str| name.parse::<Reference>().ok().map(Reference::or_latest);
        let mut names = names.iter().filter_map(|name| reference(name));
        // By whichever of its names it was chosen.
        let chosen = chosen.and_then(reference).filter(|chosen| names.clone().any(|name| name == *chosen));
        let name = chosen.or_else(|| names.next());
        let last = copied.last().ok_or(wharfie_archive::Error::NoManifest)?;
        let what = match (&last.document, &last.image) {
            (Some(document), _) => What::Known(document.clone()),
            (None, Some(image)) if matches!(copy.to, Place::Store(_) | Place::Archive { .. }) => {
                let size = image.bytes.len() as u64;
                What::Image(Descriptor::new(MediaType::OCI_CONFIG, image.id.digest().clone(), size))
            }
            // Registries and layouts have nothing without one.
            (None, Some(image)) => {
                let diff_ids = &image.config.rootfs.diff_ids;
                What::Known(outgoing::annotated(lease, &image.id, diff_ids, BTreeMap::new())?)
            }
            (None, None) => return Err(wharfie_archive::Error::NoManifest.into()),
        };
        let tag = name.as_ref().and_then(Reference::tag).map(str::to_owned);
        Ok(Root { what, tag, name })
    }
}
