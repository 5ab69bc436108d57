//! Pull: an image from a registry into the store.
//!
//! One round trip if nothing changed; else manifest, configuration and the layers that are missing, several at once.
//! An index that led to the image is kept as a whole: other platforms can be pulled beside it later.

use wharfie_content::event::{Event, Subject, task};
use wharfie_content::graph::{self, Found, Images, Options, Order, Platforms};
use wharfie_content::{BoxError, Observer, Outcome, Part, Parts, Warning};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, ImageId, Platform, Reference, Repository};
use wharfie_remote::RepositoryClient;
use wharfie_store::images::Name;
use wharfie_store::{Lease, Store, StoreSink, Variant};

use crate::arrivals::Arrivals;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::inspect::check_platform;
use crate::record::recording;
use crate::trust::{Trusted, asked};

/// What to pull.
#[derive(Debug, Clone)]
pub struct Pull {
    /// By tag or by digest.
    pub reference: Reference,
    /// What it must run on; this machine's platform if not given.
    pub platform: Option<Platform>,
    /// What [`Engine::trusted`] said of it, if it was asked already: that very content is pulled.
    pub trusted: Option<Trusted>,
}

/// An image that was pulled and is about to be used.
pub struct InUse<'a>(#[expect(dead_code, reason = "it holds the image as long as it is there")] Lease<'a>);

/// What a pull came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The image.
    pub id: ImageId,
    /// Digest of the manifest or index that the reference stands for.
    pub digest: Digest,
    /// True if the reference did not stand for this image before.
    pub is_newer: bool,
}

impl Engine {
    /// Pulls one image.
    ///
    /// # Errors
    /// When the registry does not have it, refuses, lies, or cannot be reached; or when the store cannot be written.
    pub fn pull(&self, pull: &Pull, observer: &dyn Observer) -> Result<Pulled> {
        self.pull_now(pull, None, observer).map_err(|why| why.of_work(observer))
    }

    /// As [`Self::pull`], for somebody who uses the image next: until what is returned is dropped nothing that removes images by a rule
    /// takes it or its name.
    ///
    /// # Errors
    /// As [`Self::pull`].
    pub fn pull_to_use(&self, pull: &Pull, observer: &dyn Observer) -> Result<(Pulled, InUse<'_>)> {
        let lease = self.writer()?.lease()?;
        let pulled = self.pull_now(pull, Some(&lease), observer).map_err(|why| why.of_work(observer))?;
        Ok((pulled, InUse(lease)))
    }

    fn pull_now(&self, pull: &Pull, user: Option<&Lease<'_>>, observer: &dyn Observer) -> Result<Pulled> {
        let reference = pull.reference.clone().without_redundant_tag().or_latest();
        if reference.repository().canonical() == "docker.io/library/scratch" {
            return Err(Error::Scratch);
        }
        let client = self.remote().repository(reference.repository());
        // Whoever has to be believed is asked before anything else is.
        let trusted = match &pull.trusted {
            Some(trusted) => Some(trusted.clone()),
            None => self.trusted(&reference, observer)?,
        };
        let found = match &trusted {
            Some(trusted) => trusted.found.clone(),
            None => client
                .resolve(&asked(&reference))
                .map_err(|source| Error::Pull { reference: reference.familiar(), source })?,
        };
        let tag = reference.tag().map_or_else(|| reference.familiar(), str::to_owned);
        let what = Subject::Resolve { tag, repository: reference.repository().path().to_owned() };
        let result = task(observer, what, |whole| -> Result<_> {
            let (id, is_newer) = match self.unchanged(&reference, &found, pull, user)? {
                Some(id) => (id, false),
                None => self.fetch(&client, &reference, &found, (pull, user), &Parts { whole, observer })?,
            };
            if let Some(trusted) = &trusted {
                self.keep_trusted(&client, trusted)?;
            }
            let outcome = Outcome::Manifest { digest: found.digest.clone(), size: found.size };
            Ok((Pulled { id, digest: found.digest.clone(), is_newer }, outcome))
        });
        for warning in self.remote().take_warnings() {
            observer.observe(Event::Warned(warning));
        }
        result
    }

    /// The image, if `reference` stands for what the registry has already.
    fn unchanged(
        &self,
        reference: &Reference,
        found: &Descriptor,
        pull: &Pull,
        user: Option<&Lease<'_>>,
    ) -> Result<Option<ImageId>> {
        let store = self.reader()?;
        let by_digest = Reference::digested(reference.repository().clone(), found.digest.clone());
        for name in [&by_digest, reference] {
            if store.target(&name.canonical())?.as_ref() != Some(&found.digest) {
                return Ok(None);
            }
        }
        // What is no index is what it is, unless the user asks.
        let wanted = match &pull.platform {
            None if found.media_type.is_index() => Some(&self.config().store.platform),
            wanted => wanted.as_ref(),
        };
        let variants = store.variants(&found.digest)?;
        let here = match wanted {
            None => variants.first(),
            Some(wanted) => chosen(store, found, &variants, wanted),
        };
        let Some(id) = here.map(|variant| &variant.image) else { return Ok(None) };
        if let Some(user) = user {
            user.hold_all([id.digest()])?;
        }
        // The name may mean another platform by now. A damaged image is brought back by pulling it: it is not up to date.
        let is_meant = store.resolve(&reference.canonical())?.as_ref() == Some(id);
        if !is_meant || !store.is_whole(id)? {
            return Ok(None);
        }
        // It was pulled now. A disk that is full keeps nobody from what is here.
        if let Ok(store) = self.writer() {
            let _ = store.touch_image(id);
        }
        Ok(Some(id.clone()))
    }

    /// Takes an image under `lease` alone: nobody sees it, and it goes with the lease. Layers that are here are not fetched.
    ///
    /// # Errors
    /// As [`Self::pull`].
    pub(crate) fn hold(
        &self,
        reference: &Reference,
        platform: Option<&Platform>,
        lease: &Lease<'_>,
        observer: &dyn Observer,
    ) -> Result<(Digest, Vec<graph::Copied>)> {
        let reference = reference.clone().without_redundant_tag().or_latest();
        let client = self.remote().repository(reference.repository());
        let found = client
            .resolve(&asked(&reference))
            .map_err(|source| Error::Pull { reference: reference.familiar(), source })?;
        let options = Options {
            platforms: Platforms::Closest(platform.unwrap_or(&self.config().store.platform)),
            jobs: self.config().jobs,
            observer,
            naming: Some(&|part: &Part| Subject::Fetch(part.descriptor.clone())),
            order: Order::BottomFirst,
            images: Images::Required,
            check: &|_| Ok(()),
        };
        let copied = graph::copy(&client, &StoreSink::new(lease), &found, &options)?;
        Ok((found.digest, copied))
    }

    fn fetch(
        &self,
        client: &RepositoryClient,
        reference: &Reference,
        found: &Descriptor,
        (pull, user): (&Pull, Option<&Lease<'_>>),
        observer: &dyn Observer,
    ) -> Result<(ImageId, bool)> {
        let wanted = pull.platform.as_ref().unwrap_or(&self.config().store.platform);
        let store = self.writer()?;
        let lease = store.lease()?;
        let was = store.resolve(&reference.canonical())?;
        let check = |image: &Found<'_>| -> Result<(), BoxError> {
            // What could not be recorded in the end need not be downloaded first.
            if image.config.rootfs.diff_ids.len() > wharfie_store::MAX_LAYERS {
                return Err(wharfie_store::Error::MaxDepth.into());
            }
            // Whoever is the only one is taken, but not in silence.
            if let (false, Some(asked)) = (image.is_member, &pull.platform)
                && check_platform("", image.config, Some(asked)).is_err()
            {
                observer.observe(Event::Warned(Warning::Platform {
                    reference: reference.familiar(),
                    found: image.config.platform().to_string(),
                    wanted: asked.to_string(),
                }));
            }
            Ok(())
        };
        let options = Options {
            platforms: Platforms::Closest(wanted),
            jobs: self.config().jobs,
            observer,
            naming: Some(&|part: &Part| Subject::Fetch(part.descriptor.clone())),
            order: Order::BottomFirst,
            images: Images::Required,
            check: &check,
        };
        let copied = graph::copy(client, &StoreSink::new(&lease), found, &options)?;
        let mut recording = recording(&copied);
        let arrivals = Arrivals::of(store, &mut recording)?;
        let id = recording.images.first().map(|image| image.id.clone());
        let id = id.ok_or_else(|| Error::NoPlatform(wanted.to_string()))?;
        if let Some(user) = user {
            user.hold_all([id.digest()])?;
        }
        let digested = Reference::digested(reference.repository().clone(), found.digest.clone());
        for reference in [Some(digested), Some(reference.clone()).filter(|named| named.digest().is_none())] {
            let name =
                reference.map(|reference| Name { reference, target: found.digest.clone(), image: Some(id.clone()) });
            recording.names.extend(name);
        }
        let event = crate::events::of_name("pull", &pull.reference.familiar());
        store.noting(vec![event], |_| lease.record(&recording))?;
        arrivals.tell(&reference.familiar(), observer);
        let layers = copied.iter().filter_map(|copied| copied.image.as_ref()).flat_map(|image| &image.layers);
        let blobs: Vec<Digest> = layers.map(|layer| layer.descriptor.digest.clone()).collect();
        store.record_origins(reference.repository(), &blobs)?;
        Ok((id.clone(), was != Some(id)))
    }
}

/// Which of the variants that are here a pull for `wanted` would take.
fn chosen<'a>(store: &Store, found: &Descriptor, variants: &'a [Variant], wanted: &Platform) -> Option<&'a Variant> {
    if let Ok(document) = store.document(&found.digest, found)
        && let AnyManifest::Index(index) = &document.content
        && let Some(chosen) = index.select(wanted)
    {
        return variants.iter().find(|variant| variant.manifest.as_ref() == Some(&chosen.digest));
    }
    let closest = variants.iter().filter_map(|variant| Some((wanted.distance(&variant.platform)?, variant)));
    closest.min_by_key(|(distance, _)| *distance).map(|(_, variant)| variant)
}

impl Engine {
    /// Pulls every tag of a repository, but those that are not signed as they must be. True if at least one stood for something else
    /// before.
    ///
    /// # Errors
    /// As [`Self::pull`], at the first tag that fails; those before it are here. Also if none is signed as it must be.
    pub fn pull_all(
        &self,
        repository: &Repository,
        platform: Option<&Platform>,
        observer: &dyn Observer,
    ) -> Result<bool> {
        let (mut is_newer, mut is_any, mut refused) = (false, false, None);
        // What lies under cosign's tags is about images and is none.
        for tag in self.tags(repository)?.into_iter().filter(|tag| !crate::trust::is_signature_tag(tag)) {
            let reference = Reference::tagged(repository.clone(), &tag)?;
            let name = reference.familiar();
            match self.pull(&Pull { reference, platform: platform.cloned(), trusted: None }, observer) {
                Ok(pulled) => (is_newer, is_any) = (is_newer | pulled.is_newer, true),
                // As with docker, all tags are all that are signed.
                Err(Error::Trust(why)) => {
                    let text = format!("WARNING: {name} is skipped: {why}");
                    observer.observe(Event::Warned(Warning::Note(text)));
                    refused = Some(why);
                }
                Err(why) => return Err(why),
            }
        }
        match refused {
            Some(why) if !is_any => Err(why.into()),
            _ => Ok(is_newer),
        }
    }
}
