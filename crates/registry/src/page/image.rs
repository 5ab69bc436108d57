//! One manifest: how to pull it, what is in it, what refers to it.

use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Digest, Index, Manifest as Image, MediaType};

use super::address::Address;
use super::configuration::{Configuration, pairs};
use super::figures;
use super::html::Html;
use super::layers;
use super::layout::{Facts, Table, View, cell, code, section};
use super::summary::{self, Summary};
use crate::document::Referrer;
use crate::key::{Folder, Key};
use crate::name::{Reference, RepositoryName};
use crate::record::{self, Manifest};
use crate::refusal::{Code, Refusal};
use crate::router::Registry;

/// 100 members of an index are looked into.
const MAX_MEMBERS: usize = 100;
/// 100 referrers on a page, and 4 MiB of them: they bring annotations.
const MAX_REFERRERS: usize = 100;
const MAX_REFERRERS_BYTES: usize = 4 << 20;

/// What a page tells of.
struct Subject<'a> {
    name: &'a RepositoryName,
    reference: &'a Reference,
    digest: &'a Digest,
}

/// Some of what refers to a manifest, and after which digest there is more.
#[derive(Default)]
struct Referrers {
    found: Vec<Referrer>,
    next: Option<String>,
}

impl Registry {
    /// The manifest that a reference means now, and its digest.
    pub(super) async fn meant(
        &self,
        name: &RepositoryName,
        reference: &Reference,
    ) -> Result<(Digest, Manifest), Refusal> {
        let unknown = || Refusal::new(Code::ManifestUnknown, "no such manifest");
        let digest = match reference {
            Reference::Digest(digest) => digest.clone(),
            Reference::Tag(tag) => self.tagged(name, tag).await?.ok_or_else(unknown)?.digest,
        };
        let manifest = self.manifest(name, &digest).await?.ok_or_else(unknown)?;
        Ok((digest, manifest))
    }

    pub(super) async fn image_page(
        &self,
        name: &RepositoryName,
        reference: &Reference,
        view: &View<'_>,
    ) -> Result<String, Refusal> {
        let (digest, manifest) = self.meant(name, reference).await?;
        let referrers = self.some_referrers(name, &digest, view.after).await?;
        let (media_type, bytes) = (MediaType::new(&manifest.head.media_type), manifest.bytes.clone());
        let reading = tokio::task::spawn_blocking(move || AnyManifest::parse(&bytes, &media_type));
        let read = reading.await.map_err(|why| Refusal::unavailable(&format!("a defect: {why}")))?;
        let subject = Subject { name, reference, digest: &digest };
        let mut body = view.heading(name, Some(&reference.to_string()));
        body.html(&pull(view, &subject));
        match read {
            Ok(AnyManifest::Manifest(image)) => {
                let configuration = self.configuration(name, &image.config).await?;
                body.html(&of_image(view, &subject, &manifest, &image, &configuration));
            }
            Ok(AnyManifest::Index(index)) => {
                let members = index.manifests.iter().take(MAX_MEMBERS).map(|member| member.digest.clone());
                let summaries = self.summaries(name, members.collect()).await?;
                let summary = |digest: &Digest| summaries.get(digest).unwrap_or(&Summary::Missing);
                body.html(&of_index(view, &subject, &manifest, &index, summary));
            }
            Err(_) => {
                body.html(&section(view.words().about, &about(view, &subject, &manifest, &Facts::default())));
                body.element("p", view.words().manifest_unreadable);
            }
        }
        body.html(&refer(view, &subject, &referrers));
        Ok(view.page(&format!("{name}:{reference}"), &body))
    }

    async fn some_referrers(&self, name: &RepositoryName, digest: &Digest, after: &str) -> Result<Referrers, Refusal> {
        let after = Some(after).filter(|after| !after.is_empty());
        let page = self.storage.list(&Folder::referrers(name, digest), after, MAX_REFERRERS).await?;
        let (mut referrers, mut size, mut last, mut has_more) = (Referrers::default(), 0, None, page.has_more);
        for text in page.names {
            let Ok(referrer) = text.parse::<Digest>() else { continue };
            let key = Key::referrer(name, digest, &referrer);
            let Some(stored) = self.storage.get(&key).await? else { continue };
            size += stored.bytes.len();
            if size > MAX_REFERRERS_BYTES && last.is_some() {
                has_more = true;
                break;
            }
            referrers.found.push(record::parse(&stored.bytes, key.as_str())?);
            last = Some(text);
        }
        referrers.next = last.filter(|_| has_more);
        Ok(referrers)
    }
}

/// The commands that pull it.
fn pull(view: &View<'_>, subject: &Subject<'_>) -> Html {
    let (name, digest) = (subject.name, subject.digest);
    let mut html = Html::new();
    if let Reference::Tag(tag) = subject.reference {
        html.element("pre", &format!("docker pull {}/{name}:{tag}", view.host)).raw("\n");
        html.element("p", view.words().by_digest);
    }
    html.element("pre", &format!("docker pull {}/{name}@{digest}", view.host)).raw("\n");
    section(view.words().pull, &html)
}

/// What is told of every manifest, and `more`.
fn about(view: &View<'_>, subject: &Subject<'_>, manifest: &Manifest, more: &Facts) -> Html {
    let words = view.words();
    let mut facts = Facts::default();
    facts.fact(words.digest, &code(subject.digest.as_str()));
    facts.fact(words.media_type, &code(&manifest.head.media_type));
    facts.text(words.pushed, &figures::moment(manifest.head.at));
    facts.append(more);
    if let Some(about) = &manifest.head.subject {
        facts.fact(words.subject, &by_digest(view, subject.name, about, about.as_str()));
    }
    let mut html = facts.end();
    let address = Address::Image(subject.name.clone(), Reference::Digest(subject.digest.clone()));
    html.raw("<p>").link(&view.href(&address, &[("raw", "1")]), words.raw).raw("</p>\n");
    html
}

/// A link to another manifest of the repository.
fn by_digest(view: &View<'_>, name: &RepositoryName, digest: &Digest, text: &str) -> Html {
    let mut html = Html::new();
    let address = Address::Image(name.clone(), Reference::Digest(digest.clone()));
    html.raw("<code>").link(&view.href(&address, &[]), text).raw("</code>");
    html
}

fn of_image(
    view: &View<'_>,
    subject: &Subject<'_>,
    manifest: &Manifest,
    image: &Image,
    configuration: &Configuration,
) -> Html {
    let words = view.words();
    let mut facts = Facts::default();
    facts.text(words.total, &figures::size(summary::bytes(image)));
    if !image.is_image() {
        facts.fact(words.artifact_type, &code(summary::kind(image)));
    }
    if let Some(config) = configuration.document() {
        if !config.os.is_empty() {
            facts.text(words.platform, &config.platform().to_string());
        }
        if let Some(created) = &config.created {
            facts.text(words.created, &figures::told(created));
        }
        if let Some(author) = config.author.as_ref().filter(|author| !author.is_empty()) {
            facts.text(words.author, author);
        }
    }
    let mut html = section(words.about, &about(view, subject, manifest, &facts));
    let history = configuration.document().map_or(&[][..], |config| &config.history);
    html.html(&section(words.layers, &layers::shown(image, history, words)));
    html.html(&section(words.runs, &configuration.shown(words)));
    html.html(&annotations(view, image.annotations.as_ref()));
    html
}

fn of_index<'a>(
    view: &View<'_>,
    subject: &Subject<'_>,
    manifest: &Manifest,
    index: &Index,
    summary: impl Fn(&Digest) -> &'a Summary,
) -> Html {
    let words = view.words();
    let mut html = section(words.about, &about(view, subject, manifest, &Facts::default()));
    let mut table = Table::new("platforms", &[words.platform, words.contents, words.size, words.digest]);
    for member in index.manifests.iter().take(MAX_MEMBERS) {
        let platform = match &member.platform {
            _ if member.is_attestation() => cell(words.attestation),
            Some(platform) => cell(&platform.to_string()),
            None => cell(words.unnamed_platform),
        };
        let summary = summary(&member.digest);
        let digest = by_digest(view, subject.name, &member.digest, &figures::short(&member.digest));
        table.row(&[platform, summary.contents(words), summary.size(), digest]);
    }
    let mut members = Html::new();
    if index.manifests.is_empty() {
        members.element("p", words.nothing_set);
    } else {
        members.html(&table.end());
    }
    if index.manifests.len() > MAX_MEMBERS {
        members.element("p", words.more);
    }
    html.html(&section(words.platforms, &members));
    html.html(&annotations(view, index.annotations.as_ref()));
    html
}

fn annotations(view: &View<'_>, annotations: Option<&std::collections::BTreeMap<String, String>>) -> Html {
    let each = annotations.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut html = Html::new();
    let table = pairs(view.words().annotations, each);
    if !table.is_empty() {
        html.raw("<section>\n").html(&table).raw("</section>\n");
    }
    html
}

/// What refers to it.
fn refer(view: &View<'_>, subject: &Subject<'_>, referrers: &Referrers) -> Html {
    let words = view.words();
    let mut html = Html::new();
    if referrers.found.is_empty() {
        html.element("p", if view.after.is_empty() { words.no_referrers } else { words.nothing_more });
    } else {
        let mut table = Table::new("referrers", &[words.artifact_type, words.digest]);
        for referrer in &referrers.found {
            let kind = referrer.artifact_type.as_deref().unwrap_or(&referrer.media_type);
            table
                .row(&[code(kind), by_digest(view, subject.name, &referrer.digest, &figures::short(&referrer.digest))]);
        }
        html.html(&table.end());
    }
    html.html(&view.paging(referrers.next.as_deref()));
    section(words.referrers, &html)
}
