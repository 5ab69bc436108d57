//! Taking an archive apart in one pass, so that a pipe is as good as a file.
//!
//! Which members are layers is only said by a document that may come last. So every member that looks like a layer is
//! handed on at once, small ones are kept in memory, and the meaning is found when the stream has ended: a member that
//! looked like a layer and is none harms nobody, and one that did not look like one may still be named as one.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Mutex;

use wharfie_content::BoxError;
use wharfie_layer::compression::Compression;
use wharfie_layer::entry::Kind;
use wharfie_layer::fill;
use wharfie_layer::tar::{self, BLOCK, Reader};
use wharfie_oci::{DiffId, Digest, ImageConfig};

use crate::error::{Error, Result};

/// Takes layers as they stream past, in any compression, and says what they are.
pub trait Intake: Sync {
    /// Stores one layer of `size` bytes as they stand in the archive; they must be read to their end. `name` is the
    /// member's last path component, as `sha256:hex` where it is a digest.
    ///
    /// # Errors
    /// Whatever goes wrong; the load ends with it.
    fn layer(&self, bytes: &mut (dyn Read + Send), size: u64, name: &str) -> Result<Taken, BoxError>;

    /// True if the place that layers go to has this one already; it must stay there then.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn has(&self, diff_id: &DiffId) -> Result<bool, BoxError>;
}

/// What became of bytes that looked like a layer.
#[derive(Debug)]
pub enum Taken {
    /// They are one.
    Layer(StoredLayer),
    /// They are none, for this reason. Only who names them as a layer has to know.
    Refused(BoxError),
}

/// A layer that an [`Intake`] has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLayer {
    /// Digest of its plain tar.
    pub diff_id: DiffId,
    /// Digest of the bytes in the archive: the compressed blob's, or the diff id's own.
    pub blob: Digest,
}

/// What was found under each name of an archive.
#[derive(Debug, Default)]
pub(crate) struct Members {
    map: BTreeMap<String, Member>,
}

#[derive(Debug)]
enum Member {
    Document(Vec<u8>),
    Layer(StoredLayer),
    /// It looked like a layer. Why it is none, until that was told.
    Refused(Mutex<Option<BoxError>>),
    /// It looks like nothing that an archive has, and is too large to be kept.
    Unknown,
    Link(String),
}

/// 24 MiB: documents of some thousand images; an archive with more is not an image archive.
const MAX_DOCUMENTS: u64 = 24 << 20;
/// 1 MiB: of what looks like nothing, more is not kept. An empty tar has 10 KiB.
const MAX_UNKNOWN: u64 = 1 << 20;
/// 128 bytes: what remembering a member takes beside its name and content.
const MEMBER: u64 = 128;
/// Symbolic links that are followed before a loop is suspected.
const MAX_LINKS: usize = 16;

impl Members {
    /// Takes a stream apart.
    ///
    /// # Errors
    /// When it is no tar, has too many documents, or `intake` fails.
    pub(crate) fn collect(input: impl Read + Send, intake: &dyn Intake) -> Result<Self> {
        let mut members = Self::default();
        let mut documents = 0;
        let mut archive = Reader::new(input);
        while let Some(mut member) = archive.next_entry().map_err(Error::Tar)? {
            let entry = member.entry();
            let name = normalise("", &String::from_utf8_lossy(&entry.path));
            documents += MEMBER + name.len() as u64 + entry.link.len() as u64;
            if documents > MAX_DOCUMENTS {
                return Err(Error::TooLarge { limit: MAX_DOCUMENTS });
            }
            let found = match entry.kind {
                Kind::Symlink => Member::Link(beside(&name, &String::from_utf8_lossy(&entry.link))),
                Kind::Hardlink => Member::Link(normalise("", &String::from_utf8_lossy(&entry.link))),
                Kind::File => {
                    let size = entry.size;
                    let mut head = vec![0; BLOCK];
                    let n = fill(&mut member, &mut head).map_err(Error::Read)?;
                    head.truncate(n);
                    if is_layer(&name, &head) {
                        let mut bytes = io::Cursor::new(head).chain(&mut member);
                        take(intake, &mut bytes, size, &name)?
                    } else if is_document(&name, &head) {
                        documents += size;
                        if documents > MAX_DOCUMENTS {
                            return Err(Error::TooLarge { limit: MAX_DOCUMENTS });
                        }
                        member.read_to_end(&mut head).map_err(Error::Read)?;
                        Member::Document(head)
                    } else if size <= MAX_UNKNOWN && documents + size <= MAX_DOCUMENTS {
                        documents += size;
                        member.read_to_end(&mut head).map_err(Error::Read)?;
                        Member::Document(head)
                    } else {
                        Member::Unknown
                    }
                }
                _ => continue,
            };
            members.map.insert(name, found);
        }
        Ok(members)
    }

    fn get(&self, name: &str) -> Option<&Member> {
        self.map.get(&self.place(name)?)
    }

    /// Where the member of this name really is.
    fn place(&self, name: &str) -> Option<String> {
        let mut name = normalise("", name);
        for _ in 0..MAX_LINKS {
            match self.map.get(&name)? {
                Member::Link(target) => name.clone_from(target),
                _ => return Some(name),
            }
        }
        None
    }

    /// The bytes of a document.
    pub(crate) fn document(&self, name: &str) -> Option<&[u8]> {
        match self.get(name)? {
            Member::Document(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes of a document that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn required(&self, name: &str) -> Result<&[u8]> {
        self.document(name).ok_or_else(|| Error::MissingMember(name.to_owned()))
    }

    /// The layer that `name` must be. Where the archive has left it out, the one of `diff_id` that is in its place already
    /// will do; its blob is then the plain tar.
    ///
    /// # Errors
    /// When it is nowhere, or is no layer.
    pub(crate) fn layer(&self, name: &str, diff_id: &DiffId, intake: &dyn Intake) -> Result<Layer> {
        let Some(place) = self.place(name) else {
            return match intake.has(diff_id).map_err(Error::Intake)? {
                true => Ok(Layer::Elsewhere),
                false => Err(Error::MissingMember(name.to_owned())),
            };
        };
        let refused = |why: &Mutex<Option<BoxError>>| {
            let why = why.lock().expect("no holder panics").take();
            why.map_or_else(|| Error::NoLayer(name.to_owned()), Error::Intake)
        };
        match self.map.get(&place) {
            Some(Member::Layer(layer)) => Ok(Layer::Here(layer.clone())),
            Some(Member::Refused(why)) => Err(refused(why)),
            // It did not look like one, and is small: whoever takes layers says whether it is.
            Some(Member::Document(bytes)) => match take(intake, &mut bytes.as_slice(), bytes.len() as u64, &place)? {
                Member::Layer(layer) => Ok(Layer::Here(layer)),
                Member::Refused(why) => Err(refused(&why)),
                _ => Err(Error::NoLayer(name.to_owned())),
            },
            _ => Err(Error::NoLayer(name.to_owned())),
        }
    }
}

/// Where a layer that an image names was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layer {
    /// In the archive.
    Here(StoredLayer),
    /// Only where the layers go to, which had it before.
    Elsewhere,
}

fn take(intake: &dyn Intake, bytes: &mut (dyn Read + Send), size: u64, name: &str) -> Result<Member> {
    Ok(match intake.layer(bytes, size, &blob_name(name)).map_err(Error::Intake)? {
        Taken::Layer(layer) => Member::Layer(layer),
        Taken::Refused(why) => Member::Refused(Mutex::new(Some(why))),
    })
}

/// Checks that `layers` are the ones `config` names.
pub(crate) fn check_layers(config: &ImageConfig, layers: &[Layer]) -> Result<()> {
    let named = &config.rootfs.diff_ids;
    if layers.len() != named.len() {
        return Err(Error::LayerCount { expected: layers.len(), actual: named.len() });
    }
    for (position, (layer, expected)) in layers.iter().zip(named).enumerate() {
        if let Layer::Here(layer) = layer
            && layer.diff_id != *expected
        {
            return Err(Error::DiffId { position, expected: expected.clone(), actual: layer.diff_id.clone() });
        }
    }
    Ok(())
}

pub(crate) fn json<'a, T: serde::Deserialize<'a>>(member: &str, bytes: &'a [u8]) -> Result<T> {
    wharfie_oci::json::from_slice(bytes).map_err(|source| Error::Json { member: member.to_owned(), source })
}

/// `blobs/sha256/abc` is `sha256:abc`.
fn blob_name(name: &str) -> String {
    match name.strip_prefix("blobs/").and_then(|rest| rest.split_once('/')) {
        Some((algorithm, hex)) => format!("{algorithm}:{hex}"),
        None => name.to_owned(),
    }
}

fn is_layer(name: &str, head: &[u8]) -> bool {
    name.ends_with("layer.tar") || Compression::detect(head) != Compression::None || tar::is_header(head)
}

fn is_document(name: &str, head: &[u8]) -> bool {
    matches!(name, "manifest.json" | "index.json" | "oci-layout" | "repositories")
        || head.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| matches!(b, b'{' | b'[' | b'n'))
}

/// `link` as seen from the directory of `name`.
pub(crate) fn beside(name: &str, link: &str) -> String {
    let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
    normalise(if link.starts_with('/') { "" } else { directory }, link)
}

/// One spelling for a path, never above the archive's root.
pub(crate) fn normalise(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_the_archive() {
        fn check(name: &str, link: &str, expected: &str) {
            assert_eq!(beside(name, link), expected, "{name} -> {link}");
        }
        check("abc/layer.tar", "../def/layer.tar", "def/layer.tar");
        check("abc/layer.tar", "../../../../etc/passwd", "etc/passwd");
        check("a/b", "/c", "c");
        check("./a/./b", "c", "a/c");
    }
}
