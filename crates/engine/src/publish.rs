//! Publish: a manifest or index that was made here, with everything it names, from the repositories that have it to another,
//! without a stop in the store.

use std::collections::HashMap;
use std::sync::Mutex;

use wharfie_content::graph::{self, Images, Options, Order, Platforms};
use wharfie_content::place::BoxError;
use wharfie_content::{Document, Opened, Part, Source, Watch};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, Reference, Repository};
use wharfie_remote::{Destination, RepositoryClient};

use crate::engine::Engine;
use crate::error::Result;

/// What to publish.
#[derive(Debug, Clone)]
pub struct Publish {
    /// The manifest or index.
    pub root: Document,
    /// What it names, each with the repository that has it.
    pub members: Vec<(Repository, Digest)>,
    /// Documents among them that were read before.
    pub known: Vec<Document>,
    /// Where it is to be, with the tag that it gets.
    pub to: Reference,
}

impl Engine {
    /// Puts a manifest or index into a repository and under a tag, after everything it names. Blobs that another repository of
    /// the same registry has are mounted; others pass through this process without being kept. Idempotent.
    ///
    /// # Errors
    /// When a registry refuses or cannot be reached.
    pub fn publish(&self, publish: &Publish) -> Result<()> {
        let to = self.remote().repository(publish.to.repository());
        let source = Assembled::new(publish, |repository| self.remote().repository(repository));
        let origins = |digest: &Digest| {
            let origin = source.origin(digest).filter(|origin| origin.host() == to.host());
            origin.map(|origin| origin.path().to_owned()).into_iter().collect()
        };
        let destination = Destination::new(&to, &origins).tagged(publish.to.tag().unwrap_or_default());
        let options = Options {
            platforms: Platforms::All,
            jobs: self.config().jobs,
            observer: &(),
            naming: None,
            order: Order::BottomFirst,
            images: Images::Ignored,
            check: &|_| Ok(()),
        };
        graph::copy(&source, &destination, &publish.root.descriptor, &options)?;
        // What was said about it where it comes from is said of the same bytes here.
        for (from, digest) in source.subjects(publish) {
            if (from.host(), from.path()) != (to.host(), to.path()) {
                self.carry_evidence(from, &to, &digest)?;
            }
        }
        Ok(())
    }
}

/// Content of several repositories under one root.
struct Assembled {
    documents: HashMap<Digest, Document>,
    clients: Vec<RepositoryClient>,
    /// For everything that was named so far, which client has it.
    origins: Mutex<HashMap<Digest, usize>>,
}

impl Assembled {
    fn new(publish: &Publish, client: impl Fn(&Repository) -> RepositoryClient) -> Self {
        let mut repositories: Vec<&Repository> = Vec::new();
        let mut origins = HashMap::new();
        for (repository, digest) in &publish.members {
            let at = repositories.iter().position(|known| *known == repository).unwrap_or_else(|| {
                repositories.push(repository);
                repositories.len() - 1
            });
            origins.insert(digest.clone(), at);
        }
        let documents = publish.known.iter().chain([&publish.root]);
        Self {
            documents: documents.map(|document| (document.descriptor.digest.clone(), document.clone())).collect(),
            clients: repositories.into_iter().map(client).collect(),
            origins: Mutex::new(origins),
        }
    }

    /// What signatures and SBOMs may be about: the root, if one of the repositories may have it as it is, and its members.
    fn subjects(&self, publish: &Publish) -> Vec<(&RepositoryClient, Digest)> {
        let root = publish.root.descriptor.digest.clone();
        let members = publish.members.iter().map(|(_, digest)| digest.clone());
        let members = members.filter_map(|digest| Some((self.origin(&digest)?, digest)));
        self.clients.iter().map(|client| (client, root.clone())).chain(members).collect()
    }

    fn origin(&self, digest: &Digest) -> Option<&RepositoryClient> {
        let at = self.origins.lock().expect("no holder panics").get(digest).copied()?;
        self.clients.get(at)
    }

    fn needed(&self, digest: &Digest) -> std::result::Result<&RepositoryClient, BoxError> {
        self.origin(digest).ok_or_else(|| format!("nobody is known to have {digest}").into())
    }
}

impl Source for Assembled {
    fn document(&self, descriptor: &Descriptor, is_root: bool) -> std::result::Result<Document, BoxError> {
        let document = match self.documents.get(&descriptor.digest) {
            Some(document) => document.clone(),
            None => self.needed(&descriptor.digest)?.document(descriptor, is_root)?,
        };
        // Whoever has a document has what it names.
        let mut origins = self.origins.lock().expect("no holder panics");
        if let Some(at) = origins.get(&descriptor.digest).copied() {
            match &document.content {
                AnyManifest::Index(index) => {
                    origins.extend(index.manifests.iter().map(|member| (member.digest.clone(), at)));
                }
                AnyManifest::Manifest(manifest) => {
                    let parts = manifest.layers.iter().chain([&manifest.config]);
                    origins.extend(parts.map(|part| (part.digest.clone(), at)));
                }
            }
        }
        Ok(document)
    }

    fn open<'a>(&'a self, part: &Part, watch: Watch<'a>) -> std::result::Result<Box<dyn Opened + 'a>, BoxError> {
        self.needed(&part.descriptor.digest)?.open(part, watch)
    }
}
