//! A repository: its tags, what they stand for, how large that is and when it was pushed.

use std::collections::HashMap;

use wharfie_oci::Digest;

use super::address::Address;
use super::figures;
use super::html::Html;
use super::layout::{Table, View, cell};
use super::summary::Summary;
use crate::key::{Folder, Key};
use crate::name::{Reference, RepositoryName, Tag};
use crate::record::Tagged;
use crate::refusal::{Code, Refusal};
use crate::router::Registry;

/// 100 tags on a page: each is two objects that are read.
const PAGE: usize = 100;

impl Registry {
    pub(super) async fn tags_page(&self, name: &RepositoryName, view: &View<'_>) -> Result<String, Refusal> {
        let after = Some(view.after).filter(|after| !after.is_empty());
        let page = self.storage.list(&Folder::tags(name), after, PAGE).await?;
        if page.names.is_empty() && self.storage.modified(&Key::repository(name)).await?.is_none() {
            return Err(Refusal::new(Code::NameUnknown, "no such repository"));
        }
        let mut tags = Vec::new();
        for tag in page.names.iter().filter_map(|text| Tag::parse(text)) {
            // It may have gone since it was listed.
            if let Some(tagged) = self.tagged(name, &tag).await? {
                tags.push((tag, tagged));
            }
        }
        let wanted = tags.iter().map(|(_, tagged)| tagged.digest.clone()).collect();
        let summaries = self.summaries(name, wanted).await?;
        let last = page.names.last().filter(|_| page.has_more);
        Ok(show(name, view, &tags, &summaries, last.map(String::as_str)))
    }
}

fn show(
    name: &RepositoryName,
    view: &View<'_>,
    tags: &[(Tag, Tagged)],
    summaries: &HashMap<Digest, Summary>,
    last: Option<&str>,
) -> String {
    let words = view.words();
    let mut body = view.heading(name, None);
    if tags.is_empty() {
        body.element("p", if view.after.is_empty() { words.no_tags } else { words.nothing_more });
    } else {
        let mut table = Table::new("tags", &[words.tag, words.contents, words.size, words.pushed, words.digest]);
        for (tag, tagged) in tags {
            let summary = summaries.get(&tagged.digest).unwrap_or(&Summary::Missing);
            let (by_tag, by_digest) = (Reference::Tag(tag.clone()), Reference::Digest(tagged.digest.clone()));
            let (mut first, mut digest) = (Html::new(), Html::new());
            first.link(&view.href(&Address::Image(name.clone(), by_tag), &[]), tag.as_str());
            digest.raw("<code>");
            digest.link(&view.href(&Address::Image(name.clone(), by_digest), &[]), &figures::short(&tagged.digest));
            digest.raw("</code>");
            table.row(&[first, summary.contents(words), summary.size(), cell(&figures::moment(tagged.at)), digest]);
        }
        body.html(&table.end());
    }
    body.html(&view.paging(last));
    view.page(name.as_str(), &body)
}
