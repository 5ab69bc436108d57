//! The one verb: copying a graph of content from a source to a sink. Children come before parents and the root comes last, so
//! that no reader ever sees half an image.
//!
//! What is copied is looked through first: documents and configurations, which are small. Then parts move, several at once;
//! then the documents follow, each after everything that it names.

use std::collections::BTreeSet;

use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Digest, ImageConfig, ImageId, Index, Manifest, Platform, index};

use crate::document::Document;
use crate::event::{Observer, Outcome, Subject};
use crate::parallel::in_parallel;
use crate::place::{BoxError, Memory, Part, Place, Plan, ReadError, Sink, Source, Watch, read};
use crate::task::Task;
use crate::verify::Mismatch;

/// Which members of an index are copied.
#[derive(Debug, Clone, Copy)]
pub enum Platforms<'a> {
    /// All of them, so that the index is whole where it goes.
    All,
    /// The one that runs best there.
    Closest(&'a Platform),
    /// All that the source has, attestations as well.
    Here,
    /// The images that the source has, of an index that may be there in part; of these platforms alone if there are any.
    Present(&'a [Platform]),
}

/// In which order the parts of a manifest are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the manifest has them.
    BottomFirst,
    /// As docker tells of a push.
    TopFirst,
}

/// Whether configurations are read, so that layers are known by diff id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// No: all that a manifest names is content like any other.
    Ignored,
    /// Yes, where there are images.
    Known,
    /// Yes, and what is no image is refused.
    Required,
}

/// What a part is called while it moves.
pub type Naming<'a> = &'a (dyn Fn(&Part) -> Subject + Sync);

/// An image that is about to be copied.
pub struct Found<'a> {
    /// Its manifest; `None` if its configuration is the root.
    pub manifest: Option<&'a Manifest>,
    /// Its name.
    pub id: &'a ImageId,
    /// What its configuration says.
    pub config: &'a ImageConfig,
    /// True if an index led to it.
    pub is_member: bool,
}

/// How to copy.
pub struct Options<'a> {
    /// Which members of an index.
    pub platforms: Platforms<'a>,
    /// Parts that move at once.
    pub jobs: usize,
    /// Told what moves.
    pub observer: &'a dyn Observer,
    /// What it is told of a part; without it, nobody is told of parts, and what the sink has already is not looked into.
    pub naming: Option<Naming<'a>>,
    /// In which order.
    pub order: Order,
    /// Whether images are read as such.
    pub images: Images,
    /// Asked about every image before any part of it moves.
    pub check: &'a dyn Fn(&Found<'_>) -> Result<(), BoxError>,
}

/// What was copied: a document, and the image that it describes, if images were read.
#[derive(Debug, Clone)]
pub struct Copied {
    /// The manifest or index; `None` for an image whose configuration was the root.
    pub document: Option<Document>,
    /// The image.
    pub image: Option<CopiedImage>,
}

/// An image that was copied.
#[derive(Debug, Clone)]
pub struct CopiedImage {
    /// Its name.
    pub id: ImageId,
    /// What its configuration says.
    pub config: ImageConfig,
    /// Its configuration, byte for byte.
    pub bytes: Vec<u8>,
    /// Its layers as they travelled, bottom first.
    pub layers: Vec<Part>,
}

/// Why a graph could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of the two places failed.
    #[error(transparent)]
    Place(BoxError),
    /// An index has nothing for the platform.
    #[error("no matching manifest for {0} in the manifest list entries")]
    NoPlatform(String),
    /// A manifest describes something else than an image; holds the type of its configuration.
    #[error("unsupported media type {0}")]
    NoImage(String),
    /// Indexes within indexes, deeper than [`index::MAX_DEPTH`].
    #[error("the manifest list contains lists within lists, deeper than wharfie follows")]
    Nested,
    /// A manifest and its configuration contradict each other.
    #[error("invalid manifest: it has {layers} layers, its configuration {diff_ids}")]
    LayerCount {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// A configuration cannot be read.
    #[error("cannot read the configuration of image {id}")]
    Config {
        /// Whose.
        id: ImageId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A configuration is larger than any honest one; holds its size in bytes.
    #[error("the configuration of {0} bytes is larger than wharfie reads into memory")]
    TooLarge(u64),
    /// A configuration is not what its digest says.
    #[error("the configuration is not what its digest says")]
    Mismatch(#[source] Mismatch),
}

impl From<BoxError> for Error {
    fn from(why: BoxError) -> Self {
        Self::Place(why)
    }
}

impl From<ReadError> for Error {
    fn from(why: ReadError) -> Self {
        match why {
            ReadError::TooLarge(size) => Self::TooLarge(size),
            ReadError::Mismatch(why) => Self::Mismatch(why),
            ReadError::Place(why) => Self::Place(why),
        }
    }
}

/// Copies what `root` leads to, as far as `options` say, from `source` to `sink`. The root is an index, a manifest, or the
/// configuration of an image that has no manifest. Returns what was copied, children first: the root is the last. Idempotent.
///
/// # Errors
/// When a place fails or refuses, something is not what its digest says, or the graph contradicts itself.
pub fn copy(
    source: &dyn Source,
    sink: &dyn Sink,
    root: &Descriptor,
    options: &Options<'_>,
) -> Result<Vec<Copied>, Error> {
    let mut walk = Walk { source, sink, options, nodes: Vec::new(), seen: BTreeSet::new() };
    walk.visit(root, true, index::MAX_DEPTH)?;
    walk.move_parts()?;
    let last = walk.nodes.len().saturating_sub(1);
    for (n, node) in walk.nodes.iter().enumerate() {
        if let (Some(config), false) = (&node.config, node.is_known) {
            let part = Part { descriptor: config.clone(), diff_id: None };
            match &node.image {
                Some((bytes, _)) => sink.put(&part, &Memory(bytes), Watch::silent())?,
                None => sink.put(&part, source, Watch::silent())?,
            };
        }
        let place = if n == last { Place::Root } else { Place::Member };
        if let Some(document) = &node.document
            && (place == Place::Root || !node.is_known)
        {
            sink.put_document(document, place)?;
        }
    }
    Ok(walk.nodes.into_iter().map(Node::copied).collect())
}

/// True if `root` and everything that it leads to is in a place, of which `has` tells whether it has one thing.
///
/// # Errors
/// When the place fails, a document is damaged, or lists are nested too deep.
pub fn is_whole(
    source: &dyn Source,
    root: &Descriptor,
    has: &dyn Fn(&Descriptor) -> Result<bool, BoxError>,
) -> Result<bool, BoxError> {
    fn look(
        source: &dyn Source,
        root: &Descriptor,
        has: &dyn Fn(&Descriptor) -> Result<bool, BoxError>,
        depth: usize,
    ) -> Result<bool, BoxError> {
        if !has(root)? {
            return Ok(false);
        }
        match source.document(root, false)?.content {
            AnyManifest::Index(index) => {
                let depth = depth.checked_sub(1).ok_or(Error::Nested)?;
                for member in &index.manifests {
                    if !look(source, member, has, depth)? {
                        return Ok(false);
                    }
                }
            }
            AnyManifest::Manifest(manifest) => {
                for part in manifest.layers.iter().chain([&manifest.config]) {
                    if !part.is_elsewhere() && !has(part)? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }
    look(source, root, has, index::MAX_DEPTH)
}

/// A document or an image that is to be copied, and the parts that it names.
#[derive(Default)]
struct Node {
    document: Option<Document>,
    /// The sink has it with everything that it names.
    is_known: bool,
    config: Option<Descriptor>,
    parts: Vec<Part>,
    /// The configuration, byte for byte and read.
    image: Option<(Vec<u8>, ImageConfig)>,
}

impl Node {
    fn copied(self) -> Copied {
        let image = self.image.zip(self.config).map(|((bytes, config), descriptor)| CopiedImage {
            id: ImageId::new(descriptor.digest),
            config,
            bytes,
            layers: self.parts,
        });
        Copied { document: self.document, image }
    }
}

struct Walk<'a> {
    source: &'a dyn Source,
    sink: &'a dyn Sink,
    options: &'a Options<'a>,
    /// Children first.
    nodes: Vec<Node>,
    seen: BTreeSet<Digest>,
}

impl Walk<'_> {
    fn visit(&mut self, descriptor: &Descriptor, is_root: bool, depth: usize) -> Result<(), Error> {
        self.options.observer.check().map_err(BoxError::from)?;
        if !self.seen.insert(descriptor.digest.clone()) {
            return Ok(());
        }
        if is_root && descriptor.media_type.is_config() {
            let mut node = Node { config: Some(descriptor.clone()), ..Node::default() };
            self.read_image(&mut node, None, false)?;
            self.nodes.push(node);
            return Ok(());
        }
        let is_known = self.sink.has_graph(descriptor)?;
        // Nobody is told of what is there.
        let is_passed = is_known && self.options.naming.is_none();
        if is_passed && !is_root {
            return Ok(());
        }
        let document = self.source.document(descriptor, is_root)?;
        let mut node = Node { is_known, ..Node::default() };
        match &document.content {
            AnyManifest::Index(_) if is_passed => {}
            AnyManifest::Index(index) => {
                let depth = depth.checked_sub(1).ok_or(Error::Nested)?;
                for member in self.members(index)? {
                    self.visit(&member, false, depth)?;
                }
            }
            AnyManifest::Manifest(manifest) => self.look_into(&mut node, manifest, !is_root)?,
        }
        node.document = Some(document);
        self.nodes.push(node);
        Ok(())
    }

    /// The members of an index that are to be copied.
    fn members(&self, index: &Index) -> Result<Vec<Descriptor>, Error> {
        match self.options.platforms {
            Platforms::All => Ok(index.manifests.clone()),
            Platforms::Here => {
                let mut members = Vec::new();
                for member in &index.manifests {
                    if self.source.has(member)? {
                        members.push(member.clone());
                    }
                }
                Ok(members)
            }
            Platforms::Closest(wanted) => {
                let chosen = index.select_by(wanted, |member| self.platform_of(member))?;
                Ok(vec![chosen.cloned().ok_or_else(|| Error::NoPlatform(wanted.to_string()))?])
            }
            Platforms::Present(wanted) => {
                let mut members = Vec::new();
                for member in index.manifests.iter().filter(|member| !member.is_attestation()) {
                    if !self.source.has(member)? {
                        continue;
                    }
                    let is_wanted = wanted.is_empty() || {
                        let own = match &member.platform {
                            Some(platform) => Some(platform.clone()),
                            None => self.platform_of(member)?,
                        };
                        own.is_some_and(|own| wanted.iter().any(|wanted| wanted.distance(&own) == Some(0)))
                    };
                    if is_wanted {
                        members.push(member.clone());
                    }
                }
                if members.is_empty() {
                    let wanted: Vec<String> = wanted.iter().map(Platform::to_string).collect();
                    return Err(Error::NoPlatform(wanted.join(", ")));
                }
                Ok(members)
            }
        }
    }

    /// What an image is for that its index says nothing about; `None` for what is no image.
    fn platform_of(&self, member: &Descriptor) -> Result<Option<Platform>, Error> {
        let document = self.source.document(member, false)?;
        let AnyManifest::Manifest(manifest) = document.content else { return Ok(None) };
        if !manifest.config.media_type.may_be_config() {
            return Ok(None);
        }
        let bytes = read(self.source, &manifest.config)?;
        Ok(ImageConfig::parse(&bytes).ok().map(|config| config.platform()))
    }

    fn look_into(&self, node: &mut Node, manifest: &Manifest, is_member: bool) -> Result<(), Error> {
        node.config = Some(manifest.config.clone());
        let part = |descriptor: &Descriptor| Part { descriptor: descriptor.clone(), diff_id: None };
        node.parts = manifest.layers.iter().map(part).collect();
        match self.options.images {
            Images::Required if !manifest.config.media_type.may_be_config() => {
                Err(Error::NoImage(manifest.config.media_type.to_string()))
            }
            Images::Known if !manifest.is_image() => Ok(()),
            Images::Ignored => Ok(()),
            Images::Required | Images::Known => self.read_image(node, Some(manifest), is_member),
        }
    }

    /// Reads the configuration of a node, and lets its layers be known by diff id.
    fn read_image(&self, node: &mut Node, manifest: Option<&Manifest>, is_member: bool) -> Result<(), Error> {
        let Some(config) = &node.config else { return Ok(()) };
        let bytes = read(self.source, config)?;
        let id = ImageId::new(config.digest.clone());
        let parsed = ImageConfig::parse(&bytes).map_err(|source| Error::Config { id: id.clone(), source })?;
        if manifest.is_none() {
            let layers = self.source.layers(&id, &parsed)?;
            node.parts = layers.into_iter().map(|descriptor| Part { descriptor, diff_id: None }).collect();
        }
        let diff_ids = &parsed.rootfs.diff_ids;
        if diff_ids.len() != node.parts.len() {
            return Err(Error::LayerCount { layers: node.parts.len(), diff_ids: diff_ids.len() });
        }
        for (part, diff_id) in node.parts.iter_mut().zip(diff_ids) {
            part.diff_id = Some(diff_id.clone());
        }
        (self.options.check)(&Found { manifest, id: &id, config: &parsed, is_member })?;
        node.image = Some((bytes, parsed));
        Ok(())
    }

    /// Has everything moved that the sink lacks. Tells of all parts first, then of each as it comes.
    fn move_parts(&self) -> Result<(), Error> {
        let mut moving: Vec<(Option<Task<'_>>, &Part, Plan)> = Vec::new();
        let mut named: BTreeSet<&Digest> = BTreeSet::new();
        for node in &self.nodes {
            let Some(config) = &node.config else { continue };
            let plans = self.sink.plan(config, &node.parts, node.is_known)?;
            let mut planned: Vec<(&Part, Plan)> = node.parts.iter().zip(plans).collect();
            if self.options.order == Order::TopFirst {
                planned.reverse();
            }
            for (part, plan) in planned {
                if plan == Plan::Pass || !named.insert(&part.descriptor.digest) {
                    continue;
                }
                let task = self.options.naming.map(|naming| Task::begin(self.options.observer, naming(part)));
                match (plan, task) {
                    (Plan::Exists, Some(task)) => task.end(Outcome::Exists),
                    (Plan::Exists, None) => {}
                    (_, task) => moving.push((task, part, plan)),
                }
            }
        }
        in_parallel(&moving, self.options.jobs, |_, (task, part, plan)| -> Result<(), Error> {
            self.options.observer.check().map_err(BoxError::from)?;
            let watch = match task {
                Some(task) => Watch { observer: task.observer(), task: task.id() },
                None => Watch::silent(),
            };
            let outcome = match plan {
                Plan::Arrives => {
                    task.iter().for_each(Task::verified);
                    Outcome::Done
                }
                Plan::Known => Outcome::Exists,
                _ => self.sink.put(part, self.source, watch)?,
            };
            task.iter().for_each(|task| task.end(outcome.clone()));
            Ok(())
        })?;
        Ok(())
    }
}
